"""NumPy arrays: dtype, shape and elements decide the bytes; memory layout does not."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as npst

from blobs import DictBlobs
from incumbent.base.artifact import Artifact
from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.execution.codecs.table import CodecTable

PADDED = np.dtype([("flag", "i1"), ("value", "f8")], align=True)


@settings(deadline=None, max_examples=100)
@given(
    npst.arrays(dtype=npst.scalar_dtypes() | npst.array_dtypes(), shape=npst.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=3))
)
def test_an_array_comes_back_with_dtype_and_shape_and_can_be_written_to(array: np.ndarray) -> None:
    blobs, table = DictBlobs(), CodecTable()
    artifact = table.encode(array, "", blobs)
    back = table.decode(artifact, None, blobs, None)  # type: ignore[arg-type]
    assert isinstance(back, np.ndarray)
    assert (back.dtype, back.shape, back.flags.writeable) == (array.dtype, array.shape, True)
    assert repr(back) == repr(array)
    assert table.encode(back, "", blobs) == artifact


def test_memory_layout_does_not_reach_the_bytes(store) -> None:
    plain = np.arange(12.0).reshape(3, 4)
    strided = np.zeros((6, 8))
    strided[::2, ::2] = plain
    assert store(plain) == store(np.asfortranarray(plain)) == store(strided[::2, ::2]) == store(plain[::-1][::-1])


def test_the_payload_of_a_nan_does_not_reach_the_bytes(store) -> None:
    odd = np.frombuffer(struct.pack("<2Q", 0x7FF8000000000ABC, 0xFFF8000000000000), dtype="<f8")
    assert store(odd) == store(np.array([np.nan, np.nan]))
    assert store(np.array([0.0])) != store(np.array([-0.0]))
    assert store(np.array([complex(np.nan, 1)])) != store(np.array([complex(np.nan, np.nan)]))


def test_padding_between_fields_does_not_reach_the_bytes(store) -> None:
    left, right = (np.frombuffer(bytes([fill]) * 32, dtype="u1").copy().view(PADDED) for fill in (0, 255))
    for array in (left, right):
        array["flag"], array["value"] = 1, 2.5
    assert left.tobytes() != right.tobytes()
    assert store(left) == store(right)


def test_objects_and_arrays_that_are_more_than_elements_are_refused_with_advice(store) -> None:
    with pytest.raises(InvalidInput, match=r"dtype object.*\.astype\(str\)"):
        store(np.array(["a", None], dtype=object))
    with pytest.raises(InvalidInput, match=r"MaskedArray would lose"):
        store(np.ma.masked_array([1, 2], [True, False]))


def test_a_header_that_promises_more_than_there_is_takes_no_memory(blobs) -> None:
    head = b"\x93NUMPY\x03\x00"
    for shape in ("(9999999999, 9999999999)", "(4294967296, 4294967296)", "(-1,)", "(3,)"):
        text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
        stored = blobs.put([head + struct.pack("<I", len(text)) + text + bytes(16)])
        with pytest.raises(Corrupt, match="numpy blake3"):
            CodecTable().decode(Artifact("numpy", stored.digest, stored.size), None, blobs, None)  # type: ignore[arg-type]


def test_numpy_itself_reads_the_blob(store, blobs) -> None:
    import io

    for array in (np.arange(6).reshape(2, 3), np.array([(1,)], dtype=[("\u0100", "i4")]), np.array(5.0)):
        assert np.array_equal(np.load(io.BytesIO(blobs.get(store(array).digest)), allow_pickle=False), array)
