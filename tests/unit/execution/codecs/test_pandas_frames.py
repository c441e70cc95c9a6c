"""pandas: index, labels, dtypes and cells come back as they were."""

# ruff: noqa: DTZ001 - naive times are values too

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobs import DictBlobs
from incumbent.base.errors import InvalidInput
from incumbent.execution.codecs.table import CodecTable

COLUMNS = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint8": st.integers(0, 255),
    "float32": st.floats(width=32),
    "float64": st.floats(),
    "bool": st.booleans(),
    "str": st.none() | st.text(max_size=4),
    "object": st.none() | st.text(max_size=4) | st.integers() | st.floats(allow_nan=False) | st.tuples(st.integers()),
    "Int32": st.none() | st.integers(-(2**31), 2**31 - 1),
    "Float64": st.none() | st.floats(allow_nan=False),
    "boolean": st.none() | st.booleans(),
    "string": st.none() | st.text(max_size=4),
    "datetime64[us]": st.none() | st.datetimes(),
    "datetime64[ns, Europe/Berlin]": st.none() | st.integers(0, 2**60),
    "timedelta64[s]": st.integers(-1000, 1000),
    "category": st.none() | st.sampled_from(["z", "a", "m"]),
}
INDEXES = {
    "int64": st.integers(0, 3),
    "str": st.text(max_size=2),
    "object": st.sampled_from(["a", 1, (1, 2)]),
    "datetime64[ns]": st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2030, 1, 1)),
}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(0, 5))
    index: pd.Index = pd.RangeIndex(draw(st.integers(-3, 3)), name=draw(st.none() | st.text(max_size=2)))[:0].append(pd.RangeIndex(rows))
    if draw(st.booleans()):
        dtype = draw(st.sampled_from(list(INDEXES)))
        index = pd.Index(draw(st.lists(INDEXES[dtype], min_size=rows, max_size=rows)), dtype=dtype, name="k", tupleize_cols=False)
    dtypes = draw(st.lists(st.sampled_from(list(COLUMNS)), max_size=4))
    columns = [
        pd.Series(draw(st.lists(COLUMNS[dtype], min_size=rows, max_size=rows)), dtype=dtype, index=index) for dtype in dtypes
    ]  # fmt: skip
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=index)
    labels = draw(st.lists(st.text(max_size=3), min_size=len(dtypes), max_size=len(dtypes)))
    frame.columns = pd.Index(labels, dtype=object) if draw(st.booleans()) else pd.RangeIndex(len(dtypes))
    return frame


@settings(deadline=None, max_examples=80)
@given(frames())
def test_a_frame_comes_back_with_its_index_labels_and_dtypes(frame: pd.DataFrame) -> None:
    blobs, table = DictBlobs(), CodecTable()
    artifact = table.encode(frame, "", blobs)
    back = table.decode(artifact, None, blobs, None)  # type: ignore[arg-type]
    assert_same(back, frame)
    assert table.encode(back, "", blobs) == artifact


def assert_same(back: object, frame: pd.DataFrame) -> None:
    assert isinstance(back, pd.DataFrame)
    pd.testing.assert_frame_equal(back, frame, check_exact=True, check_column_type=True, check_index_type=True)
    assert list(map(type, back.columns)) == list(map(type, frame.columns))
    assert type(back.index) is type(frame.index)


zoned = pd.to_datetime(["2013-10-27 00:30", None]).tz_localize("UTC").tz_convert("Europe/Berlin")


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(index=range(5)),
        pd.DataFrame({"a": []}),
        pd.DataFrame(columns=["a", "b"]),
        pd.DataFrame([[1, 2.0, "x"]], columns=["a", "a", 3]),
        pd.DataFrame({"v": [1, 2]}, index=[1, 1]),
        pd.DataFrame({"v": [1, 2, 3]}, index=pd.date_range("2013", periods=3, freq="D", tz="UTC", name="when")),
        pd.DataFrame({("a", "b"): [1], ("a", "c"): [2]}, index=pd.MultiIndex.from_tuples([("q", 1)], names=["n", None])),
        pd.DataFrame({"a": [1], "b": [2]}, columns=pd.Index(["b", "a"], name="names")),
        pd.DataFrame({"c": pd.cut([1, 2, 3], [0, 1, 3])}),
        pd.DataFrame({"c": pd.Categorical(["x", None], categories=["z", "x"], ordered=True)}, index=pd.CategoricalIndex(["u", "v"])),
        pd.DataFrame({"p": pd.period_range("2013", periods=2, freq="M"), "i": pd.interval_range(0, 2), "z": zoned}),
        pd.DataFrame({"k": pd.array([1, None], dtype=pd.ArrowDtype(pa.int8())), "h": np.array([1, 2], "f2")}),
        pd.DataFrame({"o": [Decimal("1.10"), dt.date(2013, 1, 1), None, float("nan"), b"x", [1, {"a": 2}]]}, dtype=object),
        pd.DataFrame({"o": ["text", None]}, dtype=object),
        pd.DataFrame(np.zeros((2, 3)), index=["x", "y"]),
        pd.DataFrame({"a": [1]}, index=pd.RangeIndex(7, 8, name="seven")),
        pd.DataFrame({"index 0": [1]}, index=["x"]),
        pd.DataFrame([[1, 2]], columns=pd.to_datetime(["2013-01-01", "2013-01-02"])),
    ],
)  # fmt: skip
def test_the_edges_come_back(trip, frame: pd.DataFrame) -> None:
    assert_same(trip(frame), frame)


def test_categories_that_no_row_has_and_their_order_are_part_of_the_value(store, trip) -> None:
    forms = [
        pd.Series(["a"], dtype=pd.CategoricalDtype(categories, ordered=ordered))
        for categories in (["a"], ["a", "b"], ["b", "a"])
        for ordered in (False, True)
    ]
    assert len({store(form).digest for form in forms}) == 6
    for form in forms:
        pd.testing.assert_series_equal(trip(form), form)


def test_a_series_keeps_its_name_and_is_not_a_frame(store, trip) -> None:
    series = pd.Series([1.5, None], name=("a", 1), index=["x", "y"])
    pd.testing.assert_series_equal(trip(series), series)
    assert store(series).digest != store(series.to_frame()).digest


def test_attributes_come_back(trip) -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["source"] = "nyc"
    assert trip(frame).attrs == {"source": "nyc"}


def test_what_comes_back_can_be_written_to(trip) -> None:
    back = trip(pd.DataFrame({"a": [1, 2], "b": [0.5, None]}))
    back.loc[0, "a"] = 9
    back["b"].to_numpy()
    assert back["a"].tolist() == [9, 2]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame({"o": [object()]}), "object column 'o': a value of type builtins.object"),
        (pd.DataFrame({"z": np.array([1j])}), "column 'z' of dtype complex128"),
        (pd.DataFrame({"s": pd.arrays.SparseArray([0, 1])}), "column 's' of dtype Sparse"),
        (pd.DataFrame({"o": [pd.NA, "x"]}, dtype=object), "NAType"),
    ],
)
def test_a_column_that_cannot_be_stored_is_named(store, frame: pd.DataFrame, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        store(frame)


def test_any_parquet_reader_can_open_the_blob(store, blobs) -> None:
    import io

    import pyarrow.parquet as pq

    artifact = store(pd.DataFrame({"delay": [1.5, 2.0], "carrier": ["UA", "AA"]}))
    assert pq.read_table(io.BytesIO(blobs.get(artifact.digest))).to_pydict() == {"delay": [1.5, 2.0], "carrier": ["UA", "AA"]}
