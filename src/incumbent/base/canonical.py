"""Canonical bytes of plain Python values: equal values of equal type give equal bytes, and no others do.

Form: the four bytes `IV1:`, then one item. An item is a tag byte and its payload; a length or count is an unsigned LEB128
number of fewest bytes. So `1`, `1.0`, `True`, `"1"` all differ, and so do `[1, [2]]` and `[[1], 2]`.

    N None      T/F bool     i length, two's complement, big endian, fewest bytes      f 8 bytes IEEE 754     c 16 bytes
    s length, UTF-8          b length, bytes          l/t count, items (list, tuple)
    d count, (key, value) pairs by ascending key bytes          S/Z count, items by ascending bytes (set, frozenset)
    D date, H time, A datetime: length, ISO text; time and datetime then fold (item) and zone (item: None, seconds, or name)
    I timedelta: item (days, seconds, microseconds)     M Decimal: length, text     U UUID: 16 bytes
    E enum member: class name, member's name or (flags) value     n NumPy scalar: dtype text, length, bytes
    R record (dataclass, msgspec struct, named tuple): class name, count, (field name, value) pairs by ascending field name

What is not part of a value: a dict's insertion order, the payload bits of a NaN, object identity, a record's field order.
What is: 0.0 and -0.0, the type of every number, list or tuple, the time zone (docs/adr/0001).

Decoding is strict: bytes that `encode` would not have written are refused, so encode(decode(data)) == data.
"""

import enum
import math
import struct
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any

from incumbent.base.canonical_reader import (
    DEPTH_MAX,
    FOUND,
    MAGIC,
    NAN,
    SECONDS_A_DAY,
    FindClass,
    Record,
    decode,
    field_names,
    find_opaque,
    is_record,
    normalise_nan,
    split_items,
)
from incumbent.base.errors import InvalidInput

__all__ = [
    "FOUND",
    "PLAIN_TYPES",
    "SUPPORTED",
    "FindClass",
    "Record",
    "class_name",
    "decode",
    "encode",
    "field_names",
    "find_opaque",
    "is_record",
    "split_items",
]

SUPPORTED = (
    "None, bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, date, time, datetime, timedelta, Decimal, "
    "UUID, enum members, NumPy scalars, dataclasses, msgspec structs and named tuples"
)


def encode(value: object) -> bytes:
    """Return the canonical bytes of `value`.

    Raises:
        InvalidInput: A value inside has no canonical form; the message names its type and where it is.

    >>> encode(1) == encode(True), encode({"a": 1, "b": 2}) == encode({"b": 2, "a": 1})
    (False, True)
    """
    parts = [MAGIC]
    _write(value, parts, 0)
    return b"".join(parts)


def class_name(cls: type) -> str:
    """Return `module.qualname`, the name under which a class is found again.

    Raises:
        InvalidInput: The class is local to a function, so no other process can find it.
    """
    if "<locals>" in cls.__qualname__:
        raise InvalidInput(f"{cls.__module__}.{cls.__qualname__} is defined inside a function; move it to the top of its module")
    return f"{cls.__module__}.{cls.__qualname__}"


def _number(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _sized(tag: bytes, payload: bytes) -> bytes:
    return tag + _number(len(payload)) + payload


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput(f"the text {text[:40]!r} holds a lone surrogate, which has no UTF-8 form") from error


def _int_bytes(value: int) -> bytes:
    return value.to_bytes((value + (value < 0)).bit_length() // 8 + 1, "big", signed=True)


def _float_bytes(value: float) -> bytes:
    return NAN if math.isnan(value) else struct.pack(">d", value)


def _sorted_items(values: Iterable[object], depth: int) -> list[bytes]:
    found = []
    for value in values:
        parts: list[bytes] = []
        _write(value, parts, depth)
        found.append(b"".join(parts))
    return sorted(found)


def _write_sequence(tag: bytes, value: Any, parts: list[bytes], depth: int) -> None:
    parts.append(tag + _number(len(value)))
    for item in value:
        _write(item, parts, depth + 1)


def _write_set(tag: bytes, value: Any, parts: list[bytes], depth: int) -> None:
    items = _sorted_items(value, depth + 1)
    if len(set(items)) != len(items):
        raise InvalidInput("a set that holds two NaNs has no canonical form")
    parts += [tag + _number(len(items)), *items]


def _write_dict(value: dict[Any, Any], parts: list[bytes], depth: int) -> None:
    pairs: dict[bytes, object] = {}
    for key, item in value.items():
        key_parts: list[bytes] = []
        _write(key, key_parts, depth + 1)
        pairs[b"".join(key_parts)] = item
    if len(pairs) != len(value):
        raise InvalidInput("a dict with two NaN keys has no canonical form")
    parts.append(b"d" + _number(len(pairs)))
    for encoded, item in sorted(pairs.items(), key=lambda pair: pair[0]):
        parts.append(encoded)
        _write(item, parts, depth + 1)


def _write_zone(zone: tzinfo | None, parts: list[bytes], depth: int) -> None:
    if zone is None:
        _write(None, parts, depth)
    elif type(zone) is timezone:
        offset, name = zone.utcoffset(None), zone.tzname(None)
        if name != timezone(offset).tzname(None):
            raise InvalidInput(f"the time zone named {name!r} at a fixed offset has no canonical form; leave out its name")
        _write((offset.days * SECONDS_A_DAY + offset.seconds, offset.microseconds), parts, depth)
    elif type(zone).__module__ == "zoneinfo" and getattr(zone, "key", None):
        _write(zone.key, parts, depth)  # type: ignore[attr-defined]  # a ZoneInfo, found by its class's name
    else:
        raise InvalidInput(f"the time zone {zone!r} has no canonical form; use datetime.timezone or zoneinfo.ZoneInfo")


def _write_clock(tag: bytes, value: Any, parts: list[bytes], depth: int) -> None:
    parts.append(_sized(tag, value.replace(tzinfo=None, fold=0).isoformat().encode()))
    parts.append(bytes([value.fold]))
    _write_zone(value.tzinfo, parts, depth + 1)


def _write_record(value: Any, parts: list[bytes], depth: int) -> None:
    cls = type(value)
    if isinstance(value, Record):
        name, fields = value.name, dict(value.fields)
    else:
        name, fields = class_name(cls), {field: _read_field(value, field) for field in field_names(cls)}
    parts.append(_sized(b"R", _utf8(name)) + _number(len(fields)))
    for field in sorted(fields, key=_utf8):
        parts.append(_sized(b"", _utf8(field)))
        try:
            _write(fields[field], parts, depth + 1)
        except InvalidInput as error:
            raise InvalidInput(f"{cls.__qualname__}.{field}: {error}") from error


def _read_field(value: Any, field: str) -> Any:
    try:
        return getattr(value, field)
    except AttributeError as error:
        raise InvalidInput(f"{type(value).__qualname__}.{field} was never set") from error


def _write_enum(value: enum.Enum, parts: list[bytes], depth: int) -> None:
    parts.append(_sized(b"E", _utf8(class_name(type(value)))))
    _write(value.value if isinstance(value, enum.Flag) else value.name, parts, depth + 1)


def _write_numpy_scalar(value: Any, parts: list[bytes]) -> None:
    if value.dtype.kind not in "biufcmM" or value.dtype.char in "gG":
        raise InvalidInput(f"a NumPy scalar of dtype {value.dtype} has no canonical form; convert it to a plain Python value")
    raw: bytes = value.tobytes()
    parts.append(_sized(b"n", value.dtype.str.encode()) + _sized(b"", normalise_nan(value.dtype.kind, raw)))


def _write(value: Any, parts: list[bytes], depth: int) -> None:
    if depth > DEPTH_MAX:
        raise InvalidInput(f"containers nest deeper than {DEPTH_MAX} (does the value contain itself?)")
    cls = type(value)
    atom = _ATOMS.get(cls)
    if atom is not None:
        parts.append(atom(value))
        return
    compound = _COMPOUNDS.get(cls)
    if compound is not None:
        compound(value, parts, depth)
    elif isinstance(value, enum.Enum):
        _write_enum(value, parts, depth)
    elif is_record(cls):
        _write_record(value, parts, depth)
    elif cls.__module__ == "uuid" and cls.__name__ == "UUID":
        parts.append(b"U" + value.bytes)
    elif cls.__module__ == "numpy" and hasattr(value, "dtype") and getattr(value, "shape", None) == () and hasattr(value, "item"):
        _write_numpy_scalar(value, parts)
    else:
        raise InvalidInput(f"a value of type {cls.__module__}.{cls.__qualname__} cannot be stored here; a plain value holds {SUPPORTED}")


_ATOMS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"N",
    bool: lambda value: b"T" if value else b"F",
    int: lambda value: _sized(b"i", _int_bytes(value)),
    float: lambda value: b"f" + _float_bytes(value),
    complex: lambda value: b"c" + _float_bytes(value.real) + _float_bytes(value.imag),
    str: lambda value: _sized(b"s", _utf8(value)),
    bytes: lambda value: _sized(b"b", value),
    date: lambda value: _sized(b"D", value.isoformat().encode()),
    Decimal: lambda value: _sized(b"M", str(value).encode()),
}
_COMPOUNDS: dict[type, Callable[[Any, list[bytes], int], None]] = {
    list: lambda value, parts, depth: _write_sequence(b"l", value, parts, depth),
    tuple: lambda value, parts, depth: _write_sequence(b"t", value, parts, depth),
    dict: _write_dict,
    set: lambda value, parts, depth: _write_set(b"S", value, parts, depth),
    frozenset: lambda value, parts, depth: _write_set(b"Z", value, parts, depth),
    time: lambda value, parts, depth: _write_clock(b"H", value, parts, depth),
    datetime: lambda value, parts, depth: _write_clock(b"A", value, parts, depth),
    timedelta: lambda value, parts, depth: _write_sequence(b"I", (value.days, value.seconds, value.microseconds), parts, depth),
}
PLAIN_TYPES = frozenset([*_ATOMS, *_COMPOUNDS])
"""The exact types with a canonical form, besides those told by what they are: enums, records, UUIDs, NumPy scalars."""
