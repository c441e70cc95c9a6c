"""NumPy arrays, as .npy without pickle: dtype, shape and C-ordered elements, and nothing else."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from incumbent.base.artifact import Artifact
from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.execution.codecs.reading import reading, type_path, writing
from incumbent.usecases.ports import Blobs

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
        head = io.BytesIO()
        np.lib.format.write_array_header_2_0(head, np.lib.format.header_data_from_array_1_0(plain))
    stored = blobs.put(_chunks(head.getvalue(), plain))
    return Artifact("numpy", stored.digest, stored.size)


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

        head = io.BytesIO(data)
        if np.lib.format.read_magic(head) != (2, 0):
            raise ValueError("not a .npy file of version 2.0")
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(head, max_header_size=_HEADER_BYTES_MAX)
        count = 1
        for length in shape:  # not np.prod: it wraps around
            count *= length
        if is_fortran or dtype.hasobject or any(length < 0 for length in shape) or count * dtype.itemsize != len(data) - head.tell():
            raise Corrupt(f"numpy {artifact.digest}: shape {shape} of {dtype} does not fit {len(data)} bytes")
        body = bytearray(data)[head.tell() :]
        return np.ndarray(shape, dtype, buffer=body) if body else np.zeros(shape, dtype)
