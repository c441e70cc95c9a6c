"""The Open Inference Protocol's shape (V2, JSON): one tensor a column, `[n]` or `[n, 1]`, row-major, nested or flat.

Our extension for columns that may be null: `null` among the data. Datatypes of outputs and of metadata: INT64, FP64,
BYTES (text), BOOL; inputs may have any integer or float datatype of the protocol.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.registry.signature import Column, Columns, ColumnType, Scalar, Signature

DATATYPES: dict[ColumnType, str] = {"bool": "BOOL", "int": "INT64", "float": "FP64", "str": "BYTES"}
_INTS = {f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)}
_ACCEPTED: dict[ColumnType, set[str]] = {
    "bool": {"BOOL"}, "int": _INTS, "float": _INTS | {"FP16", "FP32", "FP64"}, "str": {"BYTES"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A decoded request.

    Attributes:
        request_id: The caller's own id, which comes back; None if there was none.
        wanted: Names of the outputs asked for; all when empty.
    """

    request_id: str | None
    columns: dict[str, list[Scalar]]
    wanted: tuple[str, ...]


def parse_infer_request(request: Json, signature: Signature) -> InferRequest:
    """Return what a V2 infer request asks.

    Raises:
        InvalidInput: It has not the protocol's form, a tensor has the wrong datatype or shape, or an output does not exist.
    """
    tensors = request.get("inputs") if isinstance(request, dict) else None
    if not isinstance(request, dict) or not isinstance(tensors, list):
        raise InvalidInput('expected {"inputs": [{"name", "shape", "datatype", "data"}, …]}')
    request_id = request.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise InvalidInput(f"id: expected a string, got {type(request_id).__name__}")
    types = {column.name: column.type for column in signature.inputs}
    data: dict[str, list[Scalar]] = {}
    for tensor in tensors:
        name, values = _read_tensor(tensor, types)
        if name in data:
            raise InvalidInput(f"input {name!r} is given twice")
        data[name] = values
    return InferRequest(request_id, data, _read_wanted(request.get("outputs"), signature.outputs))


def _read_tensor(tensor: Json, types: Mapping[str, ColumnType]) -> tuple[str, list[Scalar]]:
    match tensor:
        case {"name": str(name), "shape": list(shape), "datatype": str(datatype), "data": list(data)}:
            pass
        case _:
            raise InvalidInput("an input needs name (string), shape (list), datatype (string) and data (list)")
    kind = types.get(name)
    if kind is None:
        raise InvalidInput(f"input {name[:64]!r} is not in the signature; there are: {', '.join(types)}")
    if datatype not in _ACCEPTED[kind]:
        raise InvalidInput(f"input {name!r}: datatype {datatype[:16]!r} does not fit; expected {DATATYPES[kind]}")
    sizes = [size for size in shape if isinstance(size, int) and not isinstance(size, bool)]
    if len(sizes) != len(shape) or not 1 <= len(sizes) <= 2 or sizes[1:] not in ([], [1]) or sizes[0] < 1:
        raise InvalidInput(f"input {name!r}: shape {str(shape)[:40]} does not fit; expected [n] or [n, 1] with n of 1 or more")
    values = [value for item in data for value in (item if isinstance(item, list) else [item])]
    if len(values) != sizes[0]:
        raise InvalidInput(f"input {name!r}: shape says {sizes[0]} values, data has {len(values)}")
    for place, value in enumerate(values):
        if isinstance(value, list | dict):
            raise InvalidInput(f"input {name!r}, row {place}: expected one value, got {type(value).__name__}")
    return name, cast(list[Scalar], values)


def _read_wanted(outputs: Json, columns: tuple[Column, ...]) -> tuple[str, ...]:
    if outputs is None:
        return ()
    known = {column.name for column in columns}
    if not isinstance(outputs, list):
        raise InvalidInput(f"outputs: expected a list, got {type(outputs).__name__}")
    wanted = []
    for output in outputs:
        match output:
            case {"name": str(name)} if name in known:
                wanted.append(name)
            case _:
                raise InvalidInput(f"outputs: {str(output)[:64]} names no output; there are: {', '.join(sorted(known))}")
    return tuple(wanted)


def describe_tensors(columns: tuple[Column, ...]) -> list[Json]:
    """Return columns as the protocol's metadata: any number of rows is [-1]."""
    return [
        {"name": column.name, "datatype": DATATYPES[column.type], "shape": [-1], "parameters": {"nullable": column.is_nullable}}
        for column in columns
    ]


def output_tensors(data: Columns, columns: tuple[Column, ...], wanted: tuple[str, ...]) -> list[Json]:
    """Return answers as the protocol's output tensors, only the wanted ones if any are named."""
    return [
        {"name": column.name, "datatype": DATATYPES[column.type], "shape": [len(data[column.name])], "data": list(data[column.name])}
        for column in columns
        if not wanted or column.name in wanted
    ]
