"""Comparing artifacts: hand-made differences, and the words in which they are told."""

import dataclasses
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xgboost
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from incumbent.execution.codecs.compare import canonical_digest, compare


@dataclasses.dataclass
class Score:
    auc: float
    rows: int


@pytest.fixture
def judge(store, blobs):
    def compare_values(left: object, right: object, rtol: float = 1e-9, atol: float = 0.0):
        return compare(store(left), store(right), blobs, rtol=rtol, atol=atol)

    return compare_values


FRAMES = [pa.table, pl.DataFrame, pd.DataFrame]


def test_equal_bytes_are_bit_exact(judge) -> None:
    found = judge(np.arange(3.0), np.arange(3.0))
    assert (found.verdict, found.max_difference) == ("bit-exact", 0.0)


@pytest.mark.parametrize("make", FRAMES)
def test_frames_within_the_tolerance_are_numeric_and_say_where(judge, make) -> None:
    left = make({"x": [1.0, 2.0, None], "s": ["a", "b", "c"]})
    right = make({"x": [1.0, 2.0 + 2**-40, None], "s": ["a", "b", "c"]})
    found = judge(left, right)
    assert (found.verdict, found.max_difference) == ("numeric", 2**-40)
    assert "largest difference 9.09e-13 at column 'x'[1]" in found.detail
    assert judge(left, right, rtol=1e-15).verdict == "differs"


@pytest.mark.parametrize("make", FRAMES)
def test_frames_that_differ_say_the_column_and_the_first_row(judge, make) -> None:
    base = {"x": [1.0, 2.0, 3.0], "n": [1, 2, 3], "s": ["a", "b", "c"]}
    for change, words in {
        "x": ([1.0, 9.0, 8.0], "column 'x': 2 of 3 differ, first at [1]: "),
        "n": ([1, 2, 4], "column 'n': 1 of 3 differ, first at [2]: "),
        "s": (["a", "?", "c"], "column 's': 1 of 3 differ, first at [1]: 'b' and '?'"),
    }.items():
        column, expected = change, words[1]
        found = judge(make(base), make({**base, column: words[0]}))
        assert found.verdict == "differs"
        assert expected in found.detail
    assert "the number of rows: 3 and 2" in judge(make(base), make({name: values[:2] for name, values in base.items()})).detail
    assert judge(make(base), make({**base, "n": [1.0, 2.0, 3.0]})).verdict == "differs"
    assert "the columns: " in judge(make({"x": [1.0]}), make({"y": [1.0]})).detail


def test_a_null_is_not_a_zero_and_a_nan_is_equal_to_itself(judge) -> None:
    assert (
        "nulls of column 'x': 1 of 1 differ"
        in judge(pl.DataFrame({"x": [0.0]}), pl.DataFrame({"x": pl.Series([None], dtype=pl.Float64)})).detail
    )
    assert judge(np.array([np.nan, 1.0]), np.array([np.nan, 1.0 + 1e-12])).verdict == "numeric"
    assert judge(np.array([np.nan]), np.array([1.0]), rtol=10).verdict == "differs"
    assert judge(np.array([np.inf]), np.array([1.0]), rtol=10).verdict == "differs"


def test_arrays_say_shape_dtype_or_place(judge) -> None:
    assert judge(np.zeros((2, 3)), np.zeros((3, 2))).detail == "the value: float64(2, 3) and float64(3, 2)"
    assert judge(np.zeros(2, "i4"), np.zeros(2, "i8")).verdict == "differs"
    found = judge(np.zeros((2, 2)), np.array([[0, 0], [3, 0.0]]))
    assert found.detail == "the value: 1 of 4 differ, first at [1, 0]: np.float64(0.0) and np.float64(3.0)"
    assert judge(np.array([100.0]), np.array([101.0]), rtol=0, atol=1.0).max_difference == 1.0


def test_values_are_compared_field_by_field_without_their_classes(judge) -> None:
    found = judge({"run": Score(0.5, 10)}, {"run": Score(0.5 + 2**-50, 10)})
    assert (found.verdict, found.max_difference) == ("numeric", 2**-50)
    assert "['run'].auc" in found.detail
    assert judge(Score(0.5, 10), Score(0.5, 11)).detail == ".rows: 10 and 11"
    assert judge([1, 2], [1, 2, 3]).detail == "the value: '<list of 2>' and '<list of 3>'"
    assert judge([1], [1.0]).detail == "[0]: 1 and 1.0"
    assert judge(0.0, -0.0).verdict == "numeric"


def make_labels() -> tuple[np.ndarray, np.ndarray]:
    numbers = np.random.default_rng(0).normal(size=(200, 3))
    return numbers, (numbers[:, 0] + numbers[:, 1] > 0).astype(int)


def make_pairs() -> dict[str, tuple[object, object]]:
    x, y = make_labels()

    def boost(threads: int) -> object:
        return lightgbm.train(
            {"objective": "binary", "verbose": -1, "num_threads": threads, "deterministic": True}, lightgbm.Dataset(x, y), 3
        )

    return {
        "RandomForest": tuple(RandomForestClassifier(5, random_state=1, n_jobs=jobs).fit(x, y) for jobs in (1, 2)),
        "lightgbm.Booster": (boost(1), boost(2)),
        "LGBMClassifier": tuple(lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=jobs).fit(x, y) for jobs in (1, 2)),
        "XGBClassifier": tuple(xgboost.XGBClassifier(n_estimators=3, n_jobs=jobs).fit(x, y) for jobs in (1, 2)),
    }  # type: ignore[return-value]


def test_models_that_differ_in_thread_counts_alone_have_one_canonical_digest(store, blobs) -> None:
    for name, (one, two) in make_pairs().items():
        left, right = store(one), store(two)
        assert left.digest != right.digest, name
        assert canonical_digest(left, blobs) == canonical_digest(right, blobs), name
        assert compare(left, right, blobs, rtol=0, atol=0).verdict == "numeric", name


def test_models_with_other_parameters_or_weights_differ_and_say_where(judge, store, blobs) -> None:
    x, y = make_labels()
    one, two = LogisticRegression().fit(x, y), LogisticRegression().fit(x, y)
    two.coef_ = two.coef_ + np.array([0, 2**-45, 0])
    found = judge(one, two)
    assert found.verdict == "numeric"
    assert found.max_difference == pytest.approx(2**-45, rel=0.1)
    assert ".coef_[0, 1]" in found.detail
    assert canonical_digest(store(one), blobs) != canonical_digest(store(two), blobs)
    assert judge(LogisticRegression(C=1.0), LogisticRegression(C=2.0)).detail == ".C: 1.0 and 2.0"
    deep = judge(RandomForestClassifier(3, random_state=1).fit(x, y), RandomForestClassifier(3, random_state=2).fit(x, y))
    assert deep.verdict == "differs"


def test_boosters_are_compared_by_their_trees(judge) -> None:
    x, y = make_labels()
    for train in (
        lambda depth: xgboost.train({"max_depth": depth, "nthread": 1}, xgboost.DMatrix(x, y), 2),
        lambda depth: lightgbm.train(
            {"max_depth": depth, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}, lightgbm.Dataset(x, y), 2
        ),
    ):
        assert judge(train(2), train(2)).verdict == "bit-exact"
        assert judge(train(1), train(3)).verdict == "differs"


def test_lists_name_the_item(judge) -> None:
    assert judge([np.zeros(1), np.zeros(1)], [np.zeros(1), np.ones(1)]).detail.startswith("item 1: the value: 1 of 1 differ")
    assert judge([np.zeros(1)], [np.zeros(1), np.ones(1)]).detail == "1 items and 2 items"
    found = judge([np.ones(1), np.ones(1)], [np.ones(1), np.ones(1) + 1e-12])
    assert (found.verdict, found.detail.split(":")[0]) == ("numeric", "item 1")


def test_files_folders_and_kinds_say_what_differs(judge, tmp_path: Path) -> None:
    assert judge(b"abcd", b"abXd").detail == "4 bytes and 4 bytes; the first that differs is byte 2"
    assert judge(1, np.zeros(1)).detail == "one is stored as value, the other as numpy"
    for side, text in (("1", "x"), ("2", "y")):
        (tmp_path / side / "m").mkdir(parents=True)
        (tmp_path / side / "m" / "same").write_text("s")
        (tmp_path / side / "m" / "weights").write_text(text)
    assert judge(tmp_path / "1" / "m", tmp_path / "2" / "m").detail == "weights has other bytes or another executable bit"
    (tmp_path / "2" / "m" / "extra").write_text("")
    assert judge(tmp_path / "1" / "m", tmp_path / "2" / "m").detail == "extra is only in the right folder"
