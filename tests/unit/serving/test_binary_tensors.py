import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput
from incumbent.serving.binary_tensors import attach_binary, detach_binary, read_binary_outputs, split_body

NUMBERS = {
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip


def tensor(name, datatype, size, **more):
    return {"name": name, "datatype": datatype, "shape": [2], "parameters": {"binary_data_size": size}, **more}


@pytest.mark.parametrize(("datatype", "kind"), NUMBERS.items())
def test_numbers_are_what_numpy_reads_from_the_same_bytes(datatype, kind):
    data = bytes(range(64, 64 + 16))
    (read,) = attach_binary({"inputs": [tensor("x", datatype, 16)]}, data)["inputs"]
    assert read["data"] == np.frombuffer(data, kind).tolist()


def test_tensors_are_taken_in_order_and_json_ones_stay():
    text = struct.pack("<I", 3) + "né".encode() + struct.pack("<I", 0)
    binary = struct.pack("<2d", 1.5, -2.0) + text + b"\x00\x01"
    plain = {"name": "n", "datatype": "INT64", "shape": [2], "data": [1, 2]}
    sent = [tensor("x", "FP64", 16), plain, tensor("who", "BYTES", len(text)), tensor("is_late", "BOOL", 2)]
    read = attach_binary({"id": "7", "inputs": sent}, binary)
    assert [one["data"] for one in read["inputs"]] == [[1.5, -2.0], [1, 2], ["né", ""], [False, True]]
    assert read["id"] == "7"


@pytest.mark.parametrize(
    ("sent", "binary", "message"),
    [
        (tensor("x", "FP64", 16), b"\0" * 15, "binary_data_size is 16, and 15 bytes are left"),
        (tensor("x", "FP64", -1), b"", "binary_data_size is -1"),
        (tensor("x", "BOOL", True), b"\1", "binary_data_size is True"),
        (tensor("x", "BOOL", "1"), b"\1", "binary_data_size is 1"),
        (tensor("x", "FP64", 8), b"\0" * 9, "1 bytes behind the JSON belong to no input"),
        (tensor("x", "FP64", 9), b"\0" * 9, "9 bytes are no whole number of FP64 values"),
        (tensor("x", "FP64", 8, data=[1.0]), b"\0" * 8, "has data and binary_data_size"),
        (tensor("x", "BF16", 2), b"\0" * 2, "datatype 'BF16' has no binary form here"),
        (tensor("x", ["FP64"], 8), b"\0" * 8, "has no binary form here"),
        (tensor("x", "BOOL", 1), b"\2", "a BOOL is a byte of 0 or 1"),
        (tensor("x", "BYTES", 3), b"\0" * 3, "row 0: its length is cut off"),
        (tensor("x", "BYTES", 9), b"\1\0\0\0a\xff\xff\xff\xff", "row 1: 4294967295 bytes are said to follow, and 0 do"),
        (tensor("x", "BYTES", 5), b"\1\0\0\0\xff", "row 0: not UTF-8"),
    ],
)
def test_bytes_that_do_not_fit_are_named(sent, binary, message):
    with pytest.raises(InvalidInput) as refused:
        attach_binary({"inputs": [sent]}, binary)
    assert message in str(refused.value)


@pytest.mark.parametrize("length", ["", "-1", "+1", "4", "1_0", "٣", "9" * 5000])
def test_a_length_of_the_json_that_cannot_be_is_refused(length):
    with pytest.raises(InvalidInput, match="the body has 3 bytes"):
        split_body(b"{}x", length)
    assert split_body(b"{}x", "2") == (b"{}", b"x")


def test_an_output_is_asked_for_as_bytes_by_itself_or_with_all():
    names = ["p", "late"]
    assert read_binary_outputs({"inputs": []}, names) == set()
    assert read_binary_outputs({"parameters": {"binary_data_output": True}}, names) == {"p", "late"}
    off = {"parameters": {"binary_data_output": True}, "outputs": [{"name": "p", "parameters": {"binary_data": False}}]}
    assert read_binary_outputs(off, names) == {"late"}
    silent = {"parameters": {"binary_data_output": True}, "outputs": [{"name": "p", "parameters": {"classification": 2}}]}
    assert read_binary_outputs(silent, names) == {"p", "late"}
    assert read_binary_outputs({"outputs": [{"name": "p", "parameters": {"binary_data": True}}]}, names) == {"p"}
    with pytest.raises(InvalidInput, match="binary_data: expected true or false, got 1"):
        read_binary_outputs({"outputs": [{"name": "p", "parameters": {"binary_data": 1}}]}, names)


def test_outputs_go_as_bytes_in_order_and_one_with_a_null_stays_json():
    tensors = [
        {"name": "p", "datatype": "FP64", "shape": [2], "data": [0.25, 1.0]},
        {"name": "gap", "datatype": "FP64", "shape": [2], "data": [0.25, None]},
        {"name": "who", "datatype": "BYTES", "shape": [2], "data": ["é", ""]},
        {"name": "late", "datatype": "BOOL", "shape": [2], "data": [False, True]},
        {"name": "n", "datatype": "INT64", "shape": [2], "data": [-(2**63), 2**63 - 1]},
    ]
    left, binary = detach_binary(tensors, {"p", "gap", "who", "late"})
    assert binary == np.array([0.25, 1.0], "<f8").tobytes() + b"\2\0\0\0\xc3\xa9\0\0\0\0" + b"\0\1"
    assert [one.get("parameters") for one in left] == [{"binary_data_size": size} if size else None for size in (16, 0, 10, 2, 0)]
    assert [one.get("data") for one in left] == [None, [0.25, None], None, None, [-(2**63), 2**63 - 1]]
    assert all(one["shape"] == [2] for one in left)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 20) | st.sampled_from(["x", "FP64", "BYTES", "BOOL"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["inputs", "outputs", "parameters", "binary_data_size", "binary_data", "name", "datatype"]), inner
        )
    ),
)


@given(json_values, st.binary(max_size=20))
def test_any_json_and_bytes_are_read_or_refused(value, binary):
    for read in (lambda: attach_binary(value, binary), lambda: read_binary_outputs(value, ["x"])):
        try:
            read()
        except InvalidInput:
            pass
