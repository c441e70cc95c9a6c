"""NumPy arrays, as .npy without pickle: dtype, shape and C-ordered elements, and nothing else."""

import ast
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from incumbent.base.artifact import Artifact
from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.execution.codecs.reading import reading, type_path, writing
from incumbent.usecases.ports import Blobs

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAGIC = b"\x93NUMPY\x03\x00"
_CHUNK_BYTES = 1 << 22
_HEADER_BYTES_MAX = 10_000


def write_array(value: "NDArray[Any]", blobs: Blobs) -> Artifact:
    """Store an array. Raises InvalidInput for object elements, and for subclasses that are more than their elements."""
    import numpy as np

    if type(value) not in (np.ndarray, np.memmap):
        raise InvalidInput(f"a {type_path(type(value))} would lose what it adds to a plain array; return np.asarray(...) of its parts")
    if value.dtype.hasobject:
        raise InvalidInput(
            f"an array of dtype {value.dtype} holds Python objects, which have no stable bytes; "
            "use .astype(str) or a number type, or return a list of plain values"
        )
    with writing(value, "return an array of numbers, text or times"):
        plain = normalise_array(value)
        head = _header(np.lib.format.dtype_to_descr(plain.dtype), plain.shape)
    stored = blobs.put(_chunks(head, plain))
    return Artifact("numpy", stored.digest, stored.size)


def _header(descr: object, shape: tuple[int, ...]) -> bytes:
    """Return a .npy header of format 3.0 (UTF-8 field names), padded so that the elements begin on a multiple of 64 bytes."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    text += b" " * (-(len(_MAGIC) + 4 + len(text) + 1) % 64) + b"\n"
    return _MAGIC + struct.pack("<I", len(text)) + text


def normalise_array(value: "NDArray[Any]") -> "NDArray[Any]":
    """Return an equal C-ordered array whose NaNs have no payload and whose padding between fields is zero."""
    import numpy as np

    plain = np.asarray(value, order="C")
    if plain.dtype.names is not None:
        clean = np.zeros(plain.shape, plain.dtype)
        _copy_fields(clean, plain)
        return clean
    if plain.dtype.kind in "fc":
        plain = _clear_payloads(plain)
    return plain


def _clear_payloads(plain: "NDArray[Any]") -> "NDArray[Any]":
    import numpy as np

    is_nan = np.isnan(plain)
    if not is_nan.any():
        return plain
    clean = plain.copy()
    if plain.dtype.kind == "f":
        clean[is_nan] = np.nan
    else:  # each half on its own: nan + 1j is not nan + nanj
        clean.real[np.isnan(plain.real)] = np.nan
        clean.imag[np.isnan(plain.imag)] = np.nan
    return clean


def _copy_fields(target: "NDArray[Any]", source: "NDArray[Any]") -> None:
    for name in source.dtype.names or ():
        if source.dtype[name].names is not None:
            _copy_fields(target[name], source[name])
        else:
            target[name] = normalise_array(source[name])


def _chunks(head: bytes, plain: "NDArray[Any]") -> Iterator[bytes]:
    import numpy as np

    yield head
    flat = plain.reshape(-1).view(np.uint8) if plain.size and plain.dtype.itemsize else np.zeros(0, np.uint8)
    for start in range(0, flat.size, _CHUNK_BYTES):
        yield flat[start : start + _CHUNK_BYTES].tobytes()


def read_array(artifact: Artifact, blobs: Blobs) -> object:
    """Return the array, writable and with its own memory. A header that promises more bytes than there are is Corrupt."""
    data = blobs.get(artifact.digest)
    with reading(artifact):
        import numpy as np

        if not data.startswith(_MAGIC):
            raise ValueError("not a .npy file of format 3.0")
        start = len(_MAGIC) + 4
        (length,) = struct.unpack("<I", data[len(_MAGIC) : start])
        if length > min(_HEADER_BYTES_MAX, len(data) - start):
            raise ValueError(f"a header of {length} bytes")
        header = ast.literal_eval(data[start : start + length].decode("utf-8").strip())
        dtype, shape = np.lib.format.descr_to_dtype(header["descr"]), header["shape"]
        body = data[start + length :]
        if _header(np.lib.format.dtype_to_descr(dtype), shape) != data[: start + length]:
            raise ValueError("a header that is not spelled as ours")
        count = 1
        for length in shape:  # not np.prod: it wraps around
            count *= length
        if dtype.hasobject or any(length < 0 for length in shape) or count * dtype.itemsize != len(body):
            raise Corrupt(f"numpy {artifact.digest}: shape {shape} of {dtype} does not fit {len(body)} bytes")
        return np.ndarray(shape, dtype, buffer=bytearray(body)) if body else np.zeros(shape, dtype)
