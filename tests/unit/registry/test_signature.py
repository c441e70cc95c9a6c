import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import IncumbentError, InvalidInput
from incumbent.registry.signature import Column, Signature, check_columns, infer_columns, signature_from_json

COLUMNS = (Column("delay", "int"), Column("wind", "float", is_nullable=True), Column("carrier", "str"), Column("is_night", "bool"))
ROW = {"delay": [3], "wind": [1.5], "carrier": ["UA"], "is_night": [False]}
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)


def test_types_and_nulls_come_from_the_data():
    data = {"delay": [1, 2], "wind": [1, 2.5], "carrier": ["UA", None], "is_night": [True, False]}
    assert infer_columns(data) == (
        Column("delay", "int"),
        Column("wind", "float"),
        Column("carrier", "str", is_nullable=True),
        Column("is_night", "bool"),
    )


@pytest.mark.parametrize("values", [[None, None], [], [1, "1"], [True, 1], [[1]], [b"x"]])
def test_a_column_whose_type_the_data_do_not_tell_is_refused(values):
    with pytest.raises(InvalidInput, match=r"column 'x' holds .* cannot be inferred"):
        infer_columns({"x": values})


def test_a_row_that_fits_comes_back_in_the_signatures_order_with_whole_numbers_as_floats():
    given_row = {"is_night": [False], "carrier": ["UA"], "wind": [2], "delay": [3]}
    taken = check_columns(COLUMNS, given_row)
    assert list(taken) == ["delay", "wind", "carrier", "is_night"]
    assert taken["wind"] == [2.0]
    assert type(taken["wind"][0]) is float


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"delay": [None]}, "column 'delay', row 0: null"),
        ({"delay": [True]}, "column 'delay', row 0: expected int, got bool 'True'"),
        ({"delay": [3.0]}, "expected int, got float"),
        ({"delay": ["3"]}, "expected int, got str '3'"),
        ({"delay": [2**63]}, "does not fit in 64 bits"),
        ({"wind": [math.nan]}, "nan is not a finite number"),
        ({"wind": [-math.inf]}, "-inf is not a finite number"),
        ({"wind": [10**400]}, "expected float, got int"),
        ({"is_night": [0]}, "expected bool, got int"),
        ({"carrier": ["UA", "AA"]}, "columns differ in length: 1, 2 rows"),
        ({"arr_delay": [1]}, "column 'arr_delay' is not in the signature"),
    ],
)
def test_what_does_not_fit_is_named_with_its_column(change, message):
    with pytest.raises(InvalidInput) as refused:
        check_columns(COLUMNS, {**ROW, **change})
    assert message in str(refused.value)


def test_every_missing_column_is_named_at_once():
    with pytest.raises(InvalidInput, match=r"'delay' \(int\) is missing.*'wind' \(float\) is missing"):
        check_columns(COLUMNS, {"carrier": ["UA"], "is_night": [True]})


@pytest.mark.parametrize("data", [{}, {name: [] for name in ROW}])
def test_no_rows_are_no_request(data):
    with pytest.raises(InvalidInput, match="there are no rows"):
        check_columns(COLUMNS, data)


@given(st.dictionaries(st.sampled_from([*ROW, "other"]), st.lists(scalars, max_size=3)))
def test_whatever_passes_keeps_the_rules(data):
    try:
        taken = check_columns(COLUMNS, data)
    except InvalidInput:
        return
    assert set(taken) == set(ROW) == set(data)
    assert all(type(v) is int and -(2**63) <= v < 2**63 for v in taken["delay"])
    assert all(v is None or (type(v) is float and math.isfinite(v)) for v in taken["wind"])
    assert all(type(v) is str for v in taken["carrier"])
    assert len({len(values) for values in taken.values()}) == 1


def test_a_signature_survives_its_document_form():
    signature = Signature(COLUMNS, (Column("p", "float"),))
    assert signature_from_json(signature.to_json()) == signature


json_values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3))


@given(json_values | st.fixed_dictionaries({"inputs": json_values, "outputs": json_values}))
def test_reading_a_signature_raises_nothing_but_our_own_errors(value):
    try:
        signature_from_json(value)
    except IncumbentError:
        pass
