"""The Open Inference Protocol's binary tensor extension: tensors as bytes behind the JSON, in the order in which the JSON names them.

A tensor says `{"parameters": {"binary_data_size": BYTES}}` in place of `data`. Numbers are little-endian, a BOOL is one byte of 0 or 1,
a BYTES value is its length in four bytes and then itself, here UTF-8 text. Bytes have no null, so an output that holds one stays JSON.
"""

import struct
from collections.abc import Collection, Sequence
from typing import cast

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.registry.signature import Scalar

EXTENSION = "binary_tensor_data"
_SIZE = "binary_data_size"
_LENGTH = struct.Struct("<I")
_CODES = {
    "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q", "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q",
    "FP16": "e", "FP32": "f", "FP64": "d", "BOOL": "B",
}  # fmt: skip


def split_body(body: bytes, json_length: str) -> tuple[bytes, bytes]:
    """Return a body's JSON and the bytes behind it.

    Raises:
        InvalidInput: The length is no whole number, or more than the body has.
    """
    if not json_length.isascii() or not json_length.isdigit() or len(json_length) > 18 or int(json_length) > len(body):
        raise InvalidInput(f"inference-header-content-length is {json_length[:40]!r}, and the body has {len(body)} bytes")
    return body[: int(json_length)], body[int(json_length) :]


def attach_binary(request: Json, binary: bytes) -> Json:
    """Return an infer request with the `data` that its tensors have among the bytes; what else is wrong with it is for its parser to say.

    Raises:
        InvalidInput: The sizes do not add up to the bytes, a tensor has data in both ways, or its bytes do not fit its datatype.
    """
    tensors = request.get("inputs") if isinstance(request, dict) else None
    if not isinstance(request, dict) or not isinstance(tensors, list):
        return request
    attached: list[Json] = []
    start = 0
    for tensor in tensors:
        parameters = tensor.get("parameters") if isinstance(tensor, dict) else None
        if not isinstance(tensor, dict) or not isinstance(parameters, dict) or _SIZE not in parameters:
            attached.append(tensor)
            continue
        name, size = str(tensor.get("name"))[:64], parameters[_SIZE]
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(binary) - start:
            raise InvalidInput(f"input {name!r}: {_SIZE} is {str(size)[:40]}, and {len(binary) - start} bytes are left")
        if "data" in tensor:
            raise InvalidInput(f"input {name!r} has data and {_SIZE}: give one of them")
        attached.append({**tensor, "data": cast(Json, _decode(name, tensor.get("datatype"), binary[start : start + size]))})
        start += size
    if start != len(binary):
        raise InvalidInput(f"{len(binary) - start} bytes behind the JSON belong to no input")
    return {**request, "inputs": attached}


def _decode(name: str, datatype: Json, data: bytes) -> list[Scalar]:
    if datatype == "BYTES":
        return _decode_texts(name, data)
    code = _CODES.get(datatype) if isinstance(datatype, str) else None
    if code is None:
        raise InvalidInput(
            f"input {name!r}: datatype {str(datatype)[:16]!r} has no binary form here; there are: BYTES, {', '.join(_CODES)}"
        )
    count, rest = divmod(len(data), struct.calcsize(f"<{code}"))
    if rest:
        raise InvalidInput(f"input {name!r}: {len(data)} bytes are no whole number of {datatype} values")
    values = list(struct.unpack(f"<{count}{code}", data))
    if datatype != "BOOL":
        return values
    if any(value > 1 for value in values):
        raise InvalidInput(f"input {name!r}: a BOOL is a byte of 0 or 1")
    return [value == 1 for value in values]


def _decode_texts(name: str, data: bytes) -> list[Scalar]:
    values: list[Scalar] = []
    start = 0
    while start < len(data):
        if len(data) - start < _LENGTH.size:
            raise InvalidInput(f"input {name!r}, row {len(values)}: its length is cut off")
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size
        if length > len(data) - start:
            raise InvalidInput(f"input {name!r}, row {len(values)}: {length} bytes are said to follow, and {len(data) - start} do")
        try:
            values.append(data[start : start + length].decode("utf-8"))
        except UnicodeDecodeError:
            raise InvalidInput(f"input {name!r}, row {len(values)}: not UTF-8") from None
        start += length
    return values


def read_binary_outputs(request: Json, names: Collection[str]) -> frozenset[str]:
    """Return which of the outputs `names` are asked for as bytes.

    An output's own `binary_data` goes before `binary_data_output` of the whole request.

    Raises:
        InvalidInput: One of these is neither true nor false.
    """
    if not isinstance(request, dict):
        return frozenset()
    chosen = dict.fromkeys(names, _read_flag(request, "binary_data_output", default=False))
    outputs = request.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        name = output.get("name") if isinstance(output, dict) else None
        if isinstance(output, dict) and isinstance(name, str) and name in chosen:
            chosen[name] = _read_flag(output, "binary_data", default=chosen[name])
    return frozenset(name for name, is_binary in chosen.items() if is_binary)


def _read_flag(holder: dict[str, Json], name: str, *, default: bool) -> bool:
    parameters = holder.get("parameters")
    value = parameters.get(name, default) if isinstance(parameters, dict) else default
    if not isinstance(value, bool):
        raise InvalidInput(f"{name}: expected true or false, got {str(value)[:40]}")
    return value


def detach_binary(tensors: Sequence[Json], names: Collection[str]) -> tuple[list[Json], bytes]:
    """Return output tensors with the data of those in `names` taken out, and those bytes; a tensor with a null keeps its data."""
    left: list[Json] = []
    parts: list[bytes] = []
    for tensor in tensors:
        match tensor:
            case {"name": str(name), "datatype": str(datatype), "shape": shape, "data": list(data)} if name in names and None not in data:
                parts.append(_encode(datatype, data))
                left.append({"name": name, "datatype": datatype, "shape": shape, "parameters": {_SIZE: len(parts[-1])}})
            case _:
                left.append(tensor)
    return left, b"".join(parts)


def _encode(datatype: str, data: Sequence[Json]) -> bytes:
    if datatype != "BYTES":
        return struct.pack(f"<{len(data)}{_CODES[datatype]}", *data)
    texts = [cast(str, value).encode("utf-8") for value in data]
    return b"".join(_LENGTH.pack(len(text)) + text for text in texts)
