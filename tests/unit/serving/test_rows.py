import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import IncumbentError, InvalidInput
from incumbent.registry.signature import Column
from incumbent.serving.rows import columns_from_rows, rows_from_columns

COLUMNS = (Column("a", "int"), Column("b", "str"))


def test_rows_become_columns_and_come_back():
    rows = [{"a": 1, "b": "x"}, {"b": "y", "a": 2}]
    columns = columns_from_rows({"rows": rows}, COLUMNS)
    assert columns == {"a": [1, 2], "b": ["x", "y"]}
    assert rows_from_columns(columns) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ([], 'expected {"rows"'),
        ({"rows": 3}, 'expected {"rows"'),
        ({"rows": [], "more": 1}, "nothing else"),
        ({"rows": [7]}, "row 0: expected an object, got int"),
        ({"rows": [{"a": 1, "b": "x"}, {"a": 1}]}, "row 1: missing b"),
        ({"rows": [{"a": 1, "b": "x", "arr_delay": 9}]}, "row 0: not in the signature: 'arr_delay'"),
        ({"rows": [{"a": [1], "b": "x"}]}, "row 0, column 'a': expected one value, got list"),
    ],
)
def test_what_is_no_batch_of_rows_is_named(request_, message):
    with pytest.raises(InvalidInput) as refused:
        columns_from_rows(request_, COLUMNS)
    assert message in str(refused.value)


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["rows", "a", "b", "c"]), inner, max_size=3)
)


@given(json_values)
def test_any_json_is_a_batch_or_one_of_our_errors(value):
    try:
        columns_from_rows(value, COLUMNS)
    except IncumbentError:
        pass
