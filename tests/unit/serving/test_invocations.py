import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput
from incumbent.registry.signature import Column
from incumbent.serving.invocations import columns_from_invocation

COLUMNS = (Column("x", "float"), Column("who", "str", is_nullable=True))
RECORDS = [{"x": 1.5, "who": "ann"}, {"who": None, "x": 2}]
WANTED = {"x": [1.5, 2], "who": ["ann", None]}


@pytest.mark.parametrize(
    "request_",
    [
        {"dataframe_split": {"columns": ["who", "x"], "data": [["ann", 1.5], [None, 2]], "index": [7, 9]}},
        {"dataframe_records": RECORDS},
        {"instances": RECORDS, "params": {}},
        {"instances": [[1.5, "ann"], [2, None]]},
        {"inputs": {"who": ["ann", None], "x": [1.5, 2]}},
        {"inputs": [[1.5, "ann"], [2, None]]},
    ],
    ids=lambda request: next(iter(request)),
)
def test_every_shape_says_the_same_rows(request_):
    assert columns_from_invocation(request_, COLUMNS) == WANTED


def test_plain_values_are_rows_of_the_only_column():
    assert columns_from_invocation({"instances": [1, 2]}, COLUMNS[:1]) == {"x": [1, 2]}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ([], "expected an object with one of dataframe_split, dataframe_records, instances, inputs; found: none"),
        ({"dataframe_records": RECORDS, "inputs": {}}, "found: dataframe_records, inputs"),
        ({"inputs": {}, "params": {"temperature": 1}}, "params are not known here"),
        ({"rows": RECORDS}, "found: rows"),
        ({"dataframe_records": {}}, "dataframe_records: expected a list of rows, got dict"),
        ({"dataframe_records": [[1.5, "ann"]]}, "row 0: expected an object, got list"),
        ({"instances": "ann"}, "instances: expected a list of rows, got str"),
        ({"instances": [RECORDS[0], [2, None]]}, "row 1: expected an object, got list"),
        ({"instances": [[1.5, "ann"], 2]}, "instances, row 1: expected 2 values (x, who), got int"),
        ({"instances": [[1.5, "ann", 3]]}, "instances, row 0: expected 2 values (x, who), got 3 values"),
        ({"instances": [[1.5, ["ann"]]]}, "instances, column 'who', row 0: expected one value, got list"),
        ({"inputs": {"x": 1.5}}, "inputs, column 'x': expected a list of values, got float"),
        ({"inputs": {"x": [[1.5]]}}, "inputs, column 'x', row 0: expected one value, got list"),
        ({"dataframe_split": RECORDS}, "dataframe_split: expected"),
        ({"dataframe_split": {"columns": ["x"], "data": [], "rows": []}}, "dataframe_split: expected"),
        ({"dataframe_split": {"columns": ["x", "x"], "data": []}}, "columns are strings, each once"),
        ({"dataframe_split": {"columns": [1, None], "data": []}}, "columns are strings, each once"),
        ({"dataframe_split": {"columns": ["x"], "data": [[1, 2]]}}, "row 0: expected 1 values (x), got 2 values"),
    ],
)
def test_what_has_not_its_shape_is_named(request_, message):
    with pytest.raises(InvalidInput) as refused:
        columns_from_invocation(request_, COLUMNS)
    assert message in str(refused.value)


def test_no_rows_are_no_rows_and_left_to_the_signature():
    assert columns_from_invocation({"instances": []}, COLUMNS) == {"x": [], "who": []}


json_values = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["x", "who"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "who", "columns", "data"]), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs", "params"]), json_values, max_size=2))
def test_any_json_is_columns_or_refused(request_):
    try:
        found = columns_from_invocation(request_, COLUMNS)
    except InvalidInput:
        return
    assert all(not isinstance(value, list | dict) for values in found.values() for value in values)
