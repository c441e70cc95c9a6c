"""Models: two processes write the same bytes, and what comes back predicts the same."""

import os
import pickle
import subprocess
import sys
import warnings

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from blobs import DictBlobs
from incumbent.base.errors import InvalidInput
from incumbent.execution.codecs.models import dump_stable
from incumbent.execution.codecs.table import CodecTable


def make_data() -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(300, 4))
    frame = pd.DataFrame(numbers, columns=list("abcd"))
    frame["k"] = np.where(numbers[:, 3] > 0, "u", "v")
    return numbers, (numbers[:, 0] + numbers[:, 1] * numbers[:, 2] > 0).astype(int), frame


def make_models() -> dict[str, object]:
    numbers, label, frame = make_data()
    columns = ColumnTransformer([("n", StandardScaler(), list("abcd")), ("k", OneHotEncoder(), ["k"])])
    quiet = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": 1}
    return {
        "LogisticRegression": LogisticRegression().fit(numbers, label),
        "RandomForest": RandomForestClassifier(10, random_state=1, n_jobs=2).fit(numbers, label),
        "HistGradientBoosting": HistGradientBoostingClassifier(max_iter=5, random_state=1).fit(numbers, label),
        "Pipeline": Pipeline([("columns", columns), ("model", LogisticRegression())]).fit(frame, label),
        "LGBMClassifier": lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(numbers, label),
        "XGBClassifier": xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(numbers, label),
        "lightgbm.Booster": lightgbm.train(quiet, lightgbm.Dataset(numbers, label), 5),
        "xgboost.Booster": xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(numbers, label), 5),
        "CountVectorizer": CountVectorizer(stop_words="english").fit(["delayed by snow", "late by an hour"]),
    }


def print_digests() -> None:
    blobs = DictBlobs()
    for name, model in make_models().items():
        print(name, CodecTable().encode(model, "", blobs).digest)


def in_a_process(hash_seed: str) -> dict[str, str]:
    here = os.path.dirname(__file__)
    code = f"import sys; sys.path[:0] = [{here!r}, {os.path.join(here, '../../..')!r}]; import test_models; test_models.print_digests()"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split() for line in done.stdout.splitlines())


def test_two_processes_write_the_same_bytes_for_every_model_whatever_the_hash_seed() -> None:
    first, second = in_a_process("0"), in_a_process("12345")
    assert first == second
    assert len(first) == 9


def predict(model: object) -> np.ndarray:
    numbers, _, frame = make_data()
    if isinstance(model, CountVectorizer):
        return model.transform(["snow by the hour"]).toarray()
    given = frame if isinstance(model, Pipeline) else xgboost.DMatrix(numbers) if isinstance(model, xgboost.Booster) else numbers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn on column names, which are not what is looked at here
        return np.asarray(model.predict(given))  # type: ignore[attr-defined]


def test_a_model_comes_back_predicts_the_same_and_is_stored_as_the_same_bytes(trip) -> None:
    for name, model in make_models().items():
        assert np.array_equal(predict(trip(model)), predict(model)), name


def test_the_best_iteration_of_a_booster_comes_back_with_every_tree(trip) -> None:
    numbers, label, _ = make_data()
    noise = np.random.default_rng(1).integers(0, 2, len(label))
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1},
        lightgbm.Dataset(numbers[:200], label[:200]),
        30,
        valid_sets=[lightgbm.Dataset(numbers[200:], noise[200:])],
        callbacks=[lightgbm.early_stopping(3, verbose=False)],
    )
    back = trip(booster)
    assert 0 < booster.best_iteration < 30
    assert (back.best_iteration, back.num_trees(), back.best_score) == (booster.best_iteration, booster.num_trees(), booster.best_score)
    assert np.array_equal(back.predict(numbers), booster.predict(numbers))


class Keeper(BaseEstimator):
    """Holds whatever a test puts in it."""

    def __init__(self, held: object = None) -> None:
        self.held = held

    def fit(self) -> "Keeper":
        return self


def test_sharing_of_equal_immutable_values_does_not_reach_the_bytes() -> None:
    def fresh(text: str) -> str:
        return "".join(list(text))

    word, pair = fresh("balanced"), (1, fresh("x"))
    shared = Keeper([word, word, pair, pair, np.dtype("f8"), np.dtype("f8")])
    apart = Keeper(
        [fresh("balanced"), fresh("balanced"), (1, fresh("x")), (1, fresh("x")), np.dtype("f8"), pickle.loads(pickle.dumps(np.dtype("f8")))]
    )
    assert pickle.dumps(shared) != pickle.dumps(apart)
    assert dump_stable(shared) == dump_stable(apart)


def test_equal_but_differently_typed_tuples_are_not_merged() -> None:
    held = pickle.loads(dump_stable(Keeper([(1,), (1.0,), (True,), (0.0,), (-0.0,)]))).held
    assert [repr(item) for item in held] == ["(1,)", "(1.0,)", "(True,)", "(0.0,)", "(-0.0,)"]


def test_sharing_of_mutable_values_is_kept() -> None:
    inner: list[int] = [1]
    together, apart = (pickle.loads(dump_stable(Keeper(held))).held for held in ([inner, inner], [[1], [1]]))
    assert together[0] is together[1]
    assert apart[0] is not apart[1]
    loop = Keeper()
    loop.held = [loop]
    assert pickle.loads(dump_stable(loop)).held[0].held[0].held is not None


def test_sets_read_only_arrays_and_empty_arrays_are_written_one_way() -> None:
    frozen = np.arange(3)
    frozen.flags.writeable = False
    assert dump_stable(Keeper([frozen])) == dump_stable(Keeper([np.arange(3)]))
    back = pickle.loads(dump_stable(Keeper([{"b", "a"}, frozenset({3, 1}), np.zeros(0), np.zeros(0)]))).held
    assert back[0] == {"a", "b"}
    assert back[1] == frozenset({1, 3})
    assert back[3].shape == (0,)


def test_an_estimator_that_cannot_be_pickled_is_refused_with_advice(store) -> None:
    with pytest.raises(InvalidInput, match=r"Keeper cannot be stored.*at the top of a module"):
        store(Keeper(lambda: None))
