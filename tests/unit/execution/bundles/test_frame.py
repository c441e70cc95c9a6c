"""A frame described and built again from plain columns is the frame that it was: order, dtypes, categories, nulls."""

import json
import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput
from incumbent.execution.bundles.frame import build_frame, describe_frame

INTS = st.sampled_from(["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@st.composite
def series(draw, rows):
    kind = draw(st.sampled_from(["int", "float32", "float64", "bool", "object", "str", "category", "Int64", "boolean"]))
    if kind == "int":
        dtype = draw(INTS)
        info = np.iinfo(dtype)
        return pd.Series(draw(st.lists(st.integers(int(info.min), int(info.max)), min_size=rows, max_size=rows)), dtype=dtype)
    if kind.startswith("float"):
        width = int(kind[5:])
        values = st.floats(width=width, allow_infinity=False)
        return pd.Series(draw(st.lists(values, min_size=rows, max_size=rows)), dtype=kind)
    if kind == "bool":
        return pd.Series(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), dtype=bool)
    if kind == "Int64":
        return pd.Series(
            pd.array(draw(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=rows, max_size=rows)), dtype="Int64")
        )
    if kind == "boolean":
        return pd.Series(pd.array(draw(st.lists(st.none() | st.booleans(), min_size=rows, max_size=rows)), dtype="boolean"))
    if kind in ("object", "str"):
        return pd.Series(draw(st.lists(st.none() | TEXT, min_size=rows, max_size=rows)), dtype=kind)
    categories = draw(
        st.lists(TEXT, min_size=1, max_size=4, unique=True) | st.lists(st.integers(-9, 9), min_size=1, max_size=4, unique=True)
    )
    codes = draw(st.lists(st.integers(-1, len(categories) - 1), min_size=rows, max_size=rows))
    return pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(categories), ordered=draw(st.booleans())))


@st.composite
def frames(draw):
    rows = draw(st.integers(1, 6))
    names = draw(st.lists(TEXT.filter(bool), min_size=1, max_size=4, unique=True))
    return pd.concat([draw(series(rows)).rename(name) for name in names], axis=1)


@given(frames())
@example(pd.DataFrame({"of numbers": pd.Categorical.from_codes([0, -1], categories=[0])}))
def test_a_pandas_frame_comes_back_from_json(frame):
    spec, columns = describe_frame(frame)
    told = json.loads(json.dumps([spec, columns], allow_nan=False))
    pd.testing.assert_frame_equal(build_frame(*told), frame, check_exact=True, check_categorical=True)


@given(st.lists(st.lists(st.floats(width=32, allow_infinity=False), min_size=3, max_size=3), min_size=1, max_size=5), st.sampled_from("CF"))
def test_a_matrix_comes_back_with_its_dtype_and_order(rows, order):
    for dtype in (np.float32, np.float64):
        matrix = np.array(rows, dtype=dtype, order=order)
        spec, columns = describe_frame(matrix)
        built = build_frame(*json.loads(json.dumps([spec, columns], allow_nan=False)))
        np.testing.assert_array_equal(built, matrix)
        assert built.dtype == dtype
        assert built.flags.c_contiguous == matrix.flags.c_contiguous or 1 in matrix.shape


def test_a_polars_frame_comes_back_with_its_schema():
    frame = pl.DataFrame(
        {"n": [1, None], "x": [0.5, None], "s": ["a", None], "b": [True, False], "e": ["u", "v"], "i": [1, 2]},
        schema={"n": pl.Int16, "x": pl.Float32, "s": pl.String, "b": pl.Boolean, "e": pl.Enum(["v", "u"]), "i": pl.UInt8},
    )
    spec, columns = describe_frame(frame)
    built = build_frame(*json.loads(json.dumps([spec, columns])))
    assert built.equals(frame)
    assert built.schema == frame.schema
    with pytest.raises(InvalidInput, match="column 'i': a value is no UInt8"):
        build_frame(spec, {**columns, "i": [1, 256]})


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"t": pd.to_datetime(["2026-01-01"])}), "column 't' has dtype datetime64"),
        (pd.DataFrame({"o": [[1]]}), "column 'o' holds objects"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns of inputs are called 'a'"),
        (pd.DataFrame({(1, 2): [1]}), "has no plain name"),
        (pd.DataFrame({"": [1]}), "every column of inputs needs a name"),
        (pl.DataFrame({"l": [[1]]}), "column 'l' has dtype List"),
        (pl.DataFrame({"c": pl.Series(["a"], dtype=pl.Categorical)}), "column 'c' has dtype Categorical"),
        (np.zeros((2, 2), dtype=complex), "inputs have dtype complex128"),
        (np.zeros((0, 2)), "one column and one row at least"),
        (np.zeros((2, 2, 2)), "it has 3 dimensions"),
        ({"a": [1, 2], "b": [1]}, "differ in length"),
        ({"a": [object()]}, "must hold plain values"),
    ],
)
def test_what_cannot_be_asked_in_plain_values_is_refused_and_named(frame, message):
    with pytest.raises(InvalidInput, match=message):
        describe_frame(frame)


def test_nulls_are_told_as_none_and_come_back_as_they_were():
    frame = pd.DataFrame({"x": [1.5, math.nan], "mixed": np.array(["a", math.nan], dtype=object)})
    spec, columns = describe_frame(frame)
    assert columns == {"x": [1.5, None], "mixed": ["a", None]}
    built = build_frame(spec, columns)
    assert math.isnan(built["mixed"][1])
    assert math.isnan(built["x"][1])


def test_a_category_that_was_not_there_is_refused_or_null_as_the_description_says():
    spec, _ = describe_frame(pd.DataFrame({"c": pd.Categorical(["a", "b"])}))
    with pytest.raises(InvalidInput, match="'z' is none of the 2 categories of training"):
        build_frame(spec, {"c": ["z"]})
    spec["columns"][0]["unseen"] = "null"
    assert build_frame(spec, {"c": ["z", "b"]})["c"].cat.codes.tolist() == [-1, 1]
