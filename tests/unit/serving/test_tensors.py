import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import IncumbentError, InvalidInput
from incumbent.registry.signature import Column, Signature
from incumbent.serving.tensors import describe_tensors, output_tensors, parse_infer_request

SIGNATURE = Signature(
    (Column("delay", "int"), Column("wind", "float", is_nullable=True), Column("who", "str")),
    (Column("p", "float"), Column("late", "bool")),
)
GOOD = [
    {"name": "delay", "shape": [2], "datatype": "INT64", "data": [1, 2]},
    {"name": "wind", "shape": [2, 1], "datatype": "FP32", "data": [[1.5], [None]]},
    {"name": "who", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]},
]


def test_flat_and_nested_tensors_become_columns():
    asked = parse_infer_request({"id": "7", "inputs": GOOD, "outputs": [{"name": "late"}]}, SIGNATURE)
    assert asked.columns == {"delay": [1, 2], "wind": [1.5, None], "who": ["a", "b"]}
    assert (asked.request_id, asked.wanted) == ("7", ("late",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [3]}, "shape says 3 values, data has 2"),
        ({"shape": [2, 2]}, "expected [n] or [n, 1]"),
        ({"shape": [True]}, "expected [n] or [n, 1]"),
        ({"shape": []}, "expected [n] or [n, 1]"),
        ({"shape": [0], "data": []}, "expected [n] or [n, 1]"),
        ({"datatype": "FP64"}, "datatype 'FP64' does not fit; expected INT64"),
        ({"name": "arr_delay"}, "input 'arr_delay' is not in the signature"),
        ({"data": [{"x": 1}, 2]}, "row 0: expected one value, got dict"),
        ({"data": "no"}, "an input needs name"),
        ({"name": "who", "datatype": "BYTES"}, "input 'who' is given twice"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(change, message):
    with pytest.raises(InvalidInput) as refused:
        parse_infer_request({"inputs": [{**GOOD[0], **change}, *GOOD[1:]]}, SIGNATURE)
    assert message in str(refused.value)


@pytest.mark.parametrize("request_", [[], {}, {"inputs": {}}, {"inputs": GOOD, "id": 7}, {"inputs": GOOD, "outputs": [{"name": "q"}]}])
def test_what_is_no_infer_request_is_refused(request_):
    with pytest.raises(InvalidInput):
        parse_infer_request(request_, SIGNATURE)


def test_answers_become_tensors_of_the_wanted_outputs_only():
    answers = {"p": [0.25, 0.5], "late": [False, True]}
    assert output_tensors(answers, SIGNATURE.outputs, ("late",)) == [
        {"name": "late", "datatype": "BOOL", "shape": [2], "data": [False, True]}
    ]
    assert [tensor["name"] for tensor in output_tensors(answers, SIGNATURE.outputs, ())] == ["p", "late"]


def test_metadata_says_any_number_of_rows_and_which_columns_may_be_null():
    described = describe_tensors(SIGNATURE.inputs)
    assert described[1] == {"name": "wind", "datatype": "FP64", "shape": [-1], "parameters": {"nullable": True}}


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["delay", "INT64", "p", "x"])
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["inputs", "outputs", "id", "name", "shape", "datatype", "data"]), inner, max_size=5)
    ),
)


@given(json_values)
def test_any_json_is_an_infer_request_or_one_of_our_errors(value):
    try:
        parse_infer_request(value, SIGNATURE)
    except IncumbentError:
        pass
