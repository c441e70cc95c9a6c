"""Rows from a database driver as Arrow columns, by rules that look at all values of a column and at nothing else.

Same rows, same table: batches of rows do not show. A column takes the one type that holds all its values exactly:
null < bool; int (64 bits) < float, where each int is exact; int < decimal (as many digits as needed); text; bytes; date; time;
naive timestamp; UTC timestamp (from any zone); interval; list; JSON as text. Any other mixture, which only SQLite allows, is an
error that names the column: a silent cast would be a change of data.
"""

import datetime as dt
import decimal
import json
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from incumbent.base.errors import InvalidInput
from incumbent.execution.sources.intake import one_line

if TYPE_CHECKING:
    import pyarrow as pa

_KINDS: dict[type, str] = {
    bool: "bool", int: "int", float: "float", decimal.Decimal: "decimal", str: "text", bytes: "bytes", bytearray: "bytes",
    memoryview: "bytes", dt.datetime: "timestamp", dt.date: "date", dt.time: "time",
    dt.timedelta: "interval", uuid.UUID: "uuid", dict: "json", list: "list", tuple: "list", type(None): "null",
}  # fmt: skip
_WIDER = {
    frozenset({"int", "float"}): "float", frozenset({"int", "decimal"}): "decimal", frozenset({"json", "list"}): "json",
}  # fmt: skip
_DIGITS_MAX = 76


class Column:
    """One column that grows by batches."""

    def __init__(self, name: str, declared: str = "null") -> None:
        """Begin a column; `declared` is what the database says that it holds, which decides only where no value does."""
        self.name = name
        self._declared = declared
        self._kind = "null"
        self._chunks: list[tuple[str, pa.Array]] = []

    def append(self, values: Sequence[object]) -> int:
        """Take in one batch and return its size in bytes.

        Raises:
            InvalidInput: A value has no Arrow form, or does not go with those before it.
        """
        kind = "null"
        for found in {type(value) for value in values} - {type(None)}:
            if found not in _KINDS:
                raise InvalidInput(f"column {self.name!r} holds {found.__name__}, which has no column type; CAST it to text in the query")
            # JSON values come as any type at all, so there the declaration leads.
            kind = "json" if self._declared == "json" else self._widen(kind, _KINDS[found])
        self._kind = self._widen(self._kind, kind)
        chunk = self._guard(_build, kind, values)
        self._chunks.append((kind, chunk))
        return int(chunk.nbytes)

    def finish(self) -> "pa.ChunkedArray":
        """Return the whole column.

        Raises:
            InvalidInput: The batches have no type in common.
        """
        import pyarrow as pa

        if self._kind == "null":
            target = _fixed_type(self._declared)
        else:
            target = self._guard(_common_type, self._kind, [chunk for kind, chunk in self._chunks if kind != "null"])
        chunks = [chunk if chunk.type == target else self._guard(_cast, chunk, target) for _, chunk in self._chunks]
        return pa.chunked_array(chunks, type=target)

    def _widen(self, one: str, other: str) -> str:
        if other in (one, "null"):
            return one
        if one == "null":
            return other
        wider = _WIDER.get(frozenset({one, other}))
        if wider is None:
            raise InvalidInput(f"column {self.name!r} holds {one} in some rows and {other} in others; CAST it to one of them in the query")
        return wider

    def _guard(self, function: Any, *arguments: Any) -> Any:
        import pyarrow as pa

        try:
            return function(*arguments)
        except (pa.ArrowException, ValueError, TypeError, OverflowError, decimal.DecimalException) as error:
            raise InvalidInput(f"column {self.name!r} has no exact column type ({one_line(error)}); CAST it in the query") from error


def _build(kind: str, values: Sequence[Any]) -> "pa.Array":
    import pyarrow as pa

    match kind:
        case "float":
            return pa.array([None if value is None else _exact_float(value) for value in values], pa.float64())
        case "decimal":
            return _build_decimal(values)
        case "bytes":
            return pa.array([None if value is None else bytes(value) for value in values], pa.binary())
        case "uuid":
            return pa.array([None if value is None else str(value) for value in values], pa.string())
        case "json":
            return pa.array([None if value is None else _json_text(value) for value in values], pa.string())
        case "timestamp":
            return _build_timestamps(values)
        case "time":
            if any(value is not None and value.tzinfo is not None for value in values):
                raise ValueError("a time of day with a zone")
            return pa.array(values, pa.time64("us"))
        case "list":
            return pa.array(values)
    return pa.array(values, _fixed_type(kind))


def _fixed_type(kind: str) -> "pa.DataType":
    import pyarrow as pa

    return {
        "null": pa.null(), "bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "text": pa.string(), "bytes": pa.binary(),
        "date": pa.date32(), "time": pa.time64("us"), "interval": pa.duration("us"), "uuid": pa.string(), "json": pa.string(),
        "timestamp": pa.timestamp("us"), "timestamp_utc": pa.timestamp("us", "UTC"), "decimal": pa.decimal128(38, 9),
        "list": pa.null(),
    }[kind]  # fmt: skip


def _common_type(kind: str, chunks: Sequence["pa.Array"]) -> "pa.DataType":
    import pyarrow as pa

    if kind == "decimal":
        return _decimal_type([value for chunk in chunks for value in _decimals(chunk.to_pylist())])
    if kind in ("timestamp", "list"):
        types = {chunk.type for chunk in chunks}
        if kind == "timestamp" and len(types) > 1:
            raise ValueError("timestamps with and without a zone")
        schemas = [pa.schema([("x", found)]) for found in types]
        return pa.unify_schemas(schemas, promote_options="permissive").field("x").type
    return _fixed_type(kind)


def _cast(chunk: "pa.Array", target: "pa.DataType") -> "pa.Array":
    import pyarrow as pa

    if pa.types.is_integer(chunk.type) and pa.types.is_decimal(target):
        return _build_decimal(chunk.to_pylist()).cast(target)
    if pa.types.is_integer(chunk.type) and pa.types.is_floating(target):
        return _build("float", chunk.to_pylist())
    if pa.types.is_list(chunk.type):
        return _build("json", chunk.to_pylist()) if pa.types.is_string(target) else chunk.cast(target)
    return chunk.cast(target)


def _build_timestamps(values: Sequence[dt.datetime | None]) -> "pa.Array":
    import pyarrow as pa

    zoned = {value.tzinfo is not None for value in values if value is not None}
    if len(zoned) > 1:
        raise ValueError("timestamps with and without a zone")
    if zoned == {True}:
        return pa.array([None if value is None else value.astimezone(dt.UTC) for value in values], pa.timestamp("us", "UTC"))
    return pa.array(values, pa.timestamp("us"))


def _build_decimal(values: Sequence[Any]) -> "pa.Array":
    import pyarrow as pa

    exact = _decimals(values)
    return pa.array(exact, _decimal_type(exact))


def _decimals(values: Sequence[Any]) -> list[decimal.Decimal | None]:
    return [None if value is None else decimal.Decimal(value) for value in values]


def _decimal_type(values: Sequence[decimal.Decimal | None]) -> "pa.DataType":
    """Return the type that holds all of `values` exactly: as many decimal places as the longest has."""
    import pyarrow as pa

    whole, scale = 0, 0
    for value in values:
        if value is not None:
            _, digits, exponent = value.as_tuple()
            if not isinstance(exponent, int):
                raise ValueError(f"{value} is not a finite number")
            scale = max(scale, -exponent)
            whole = max(whole, len(digits) + exponent)
    if whole + scale > _DIGITS_MAX:
        raise ValueError(f"{whole + scale} digits are more than {_DIGITS_MAX}")
    return pa.decimal128(38, scale) if whole + scale <= 38 else pa.decimal256(_DIGITS_MAX, scale)


def _exact_float(value: float) -> float:
    number = float(value)
    if isinstance(value, int) and int(number) != value:
        raise ValueError(f"{value} is not exact as a float")
    return number


def _json_text(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
