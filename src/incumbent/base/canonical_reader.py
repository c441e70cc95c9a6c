"""Reading canonical bytes (the form is described in `canonical`): strict, so that every value has exactly one spelling."""

import dataclasses
import enum
import math
import struct
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

from incumbent.base.errors import InvalidInput

MAGIC = b"IV1:"
DEPTH_MAX = 100
"""Containers inside containers; well below what Python's own stack allows, however deep the caller stands."""

FindClass = Callable[[str], Any]
"""Gives the object that `module.qualname` names (a record's or enum's class, or one of `FOUND`). Raises InvalidInput."""

FOUND = ("uuid.UUID", "zoneinfo.ZoneInfo", "numpy.frombuffer")
"""What decoding asks of `find_class` besides the user's own classes: this floor imports neither I/O nor NumPy."""

NAN = struct.pack(">d", float("nan"))
SECONDS_A_DAY = 86_400
_NANS = {2: struct.pack("<e", float("nan")), 4: struct.pack("<f", float("nan")), 8: struct.pack("<d", float("nan"))}
_NUMPY_SIZES = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "c": (8, 16), "m": (8,), "M": (8,)}


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """A record read without its class: for comparing and splitting values where the user's code is not loaded."""

    name: str
    fields: tuple[tuple[str, Any], ...]

    def __hash__(self) -> int:
        return hash(self.name)


@dataclasses.dataclass(frozen=True, slots=True)
class _Opaque:
    """Stands for an object that is not imported."""

    name: str


def find_opaque(name: str) -> _Opaque:
    """Resolve every name to a stand-in; what it would have made comes out as a `Record`."""
    return _Opaque(name)


def is_record(cls: Any) -> bool:
    """Say whether values of `cls` are encoded by their fields: a dataclass, a msgspec struct or a named tuple."""
    return dataclasses.is_dataclass(cls) or hasattr(cls, "__struct_fields__") or (issubclass(cls, tuple) and hasattr(cls, "_fields"))


def field_names(cls: Any) -> tuple[str, ...]:
    """Return the field names of a record class."""
    if hasattr(cls, "__struct_fields__"):
        return tuple(cls.__struct_fields__)
    if dataclasses.is_dataclass(cls):
        return tuple(field.name for field in dataclasses.fields(cls))
    return tuple(cls._fields)


def normalise_nan(kind: str, raw: bytes) -> bytes:
    """Return little-endian float ("f") or complex ("c") bytes with the payload of a NaN cleared; other kinds as they are."""
    if kind == "c":
        half = len(raw) // 2
        return normalise_nan("f", raw[:half]) + normalise_nan("f", raw[half:])
    if kind != "f":
        return raw
    (number,) = struct.unpack({2: "<e", 4: "<f", 8: "<d"}[len(raw)], raw)
    return _NANS[len(raw)] if math.isnan(number) else raw


def decode(data: bytes, find_class: FindClass) -> Any:
    """Return the value that `encode` wrote.

    Args:
        data: Canonical bytes.
        find_class: Resolves the names of classes; called with no other name than the data holds or `FOUND` lists.

    Raises:
        InvalidInput: `data` is not exactly what `encode` writes for some value, or a class does not fit its record.
    """
    reader = _Reader(data, find_class)
    value = reader.item(0)
    reader.expect_end()
    return value


def split_items(data: bytes) -> list[bytes] | None:
    """Return the canonical bytes of each item of an encoded list or tuple, or None if `data` is another value.

    No class is looked for, so a mapped stage's items can be told apart without importing the user's code.

    Raises:
        InvalidInput: `data` is not canonical.
    """
    reader = _Reader(data, find_opaque)
    if reader.take(1) not in (b"l", b"t"):
        decode(data, find_opaque)
        return None
    items = []
    for _ in range(reader.count()):
        start = reader.place
        reader.item(1)
        items.append(MAGIC + data[start : reader.place])
    reader.expect_end()
    return items


class _Reader:
    """A place in canonical bytes."""

    def __init__(self, data: bytes, find_class: FindClass) -> None:
        if not data.startswith(MAGIC):
            raise InvalidInput(f"these {len(data)} bytes do not begin with {MAGIC!r}: not a value in canonical form")
        self.data = data
        self.place = len(MAGIC)
        self.find_class = find_class

    def wrong(self, what: str) -> InvalidInput:
        return InvalidInput(f"not a value in canonical form: {what}, at byte {self.place} of {len(self.data)}")

    def expect_end(self) -> None:
        if self.place != len(self.data):
            raise self.wrong("bytes follow the value")

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.place:
            raise self.wrong(f"{size} more bytes are announced than there are")
        self.place += size
        return self.data[self.place - size : self.place]

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift:
                    raise self.wrong("a length is spelled with more bytes than it needs")
                return value
            shift += 7
            if shift > 63:
                raise self.wrong("a length is beyond 64 bits")

    def count(self, least: int = 1) -> int:
        """Read how many items follow; each takes at least `least` bytes, so a lie is found before memory is given to it."""
        count = self.number()
        if count * least > len(self.data) - self.place:
            raise self.wrong(f"{count} items are announced, more than there are bytes")
        return count

    def sized(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        try:
            return self.sized().decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.wrong("text that is not UTF-8") from error

    def item(self, depth: int) -> Any:
        if depth > DEPTH_MAX:
            raise self.wrong(f"containers nest deeper than {DEPTH_MAX}")
        read = _READERS.get(self.take(1))
        if read is None:
            raise self.wrong("an unknown tag")
        return read(self, depth)

    def ascending(self, depth: int) -> Iterable[Any]:
        """Yield `count` items whose bytes rise strictly: the order in which sets, and the keys of dicts, are written."""
        last = b""
        for _ in range(self.count()):
            start = self.place
            value = self.item(depth)
            spelled = self.data[start : self.place]
            if spelled <= last:
                raise self.wrong("items out of order")
            last = spelled
            try:
                hash(value)
            except TypeError as error:
                raise self.wrong("a key that cannot be hashed") from error
            yield value


def _read_int(reader: _Reader, _: int) -> int:
    raw = reader.sized()
    value = int.from_bytes(raw, "big", signed=True)
    if len(raw) != (value + (value < 0)).bit_length() // 8 + 1:
        raise reader.wrong("an int is not spelled with the fewest bytes")
    return value


def _read_float(reader: _Reader, _: int) -> float:
    raw = reader.take(8)
    (value,) = struct.unpack(">d", raw)
    if math.isnan(value) and raw != NAN:
        raise reader.wrong("a NaN with a payload")
    return float(value)


def _read_dict(reader: _Reader, depth: int) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    pairs = 0
    for key in reader.ascending(depth + 1):
        found[key] = reader.item(depth + 1)
        pairs += 1
    if len(found) != pairs:
        raise reader.wrong("two keys of a dict are equal")
    return found


def _read_set(reader: _Reader, depth: int) -> set[Any]:
    items = list(reader.ascending(depth + 1))
    found = set(items)
    if len(found) != len(items):
        raise reader.wrong("two items of a set are equal")
    return found


def _read_list(reader: _Reader, depth: int) -> list[Any]:
    return [reader.item(depth + 1) for _ in range(reader.count())]


def _from_text(reader: _Reader, make: Callable[[str], Any], spell: Callable[[Any], str], what: str) -> Any:
    text = reader.text()
    try:
        value = make(text)
    except (ValueError, InvalidOperation) as error:
        raise reader.wrong(f"{text[:40]!r} is not a {what}") from error
    if spell(value) != text:
        raise reader.wrong(f"{text[:40]!r} is not how a {what} is spelled")
    return value


def _read_zone(reader: _Reader, depth: int) -> Any:
    zone = reader.item(depth)
    match zone:
        case None:
            return None
        case (int(seconds), int(micros)) if bool not in map(type, zone) and abs(seconds) <= SECONDS_A_DAY and 0 <= micros < 1_000_000:
            try:
                return timezone(timedelta(seconds=seconds, microseconds=micros))
            except ValueError as error:
                raise reader.wrong("a time zone's offset is a day or more") from error
        case str(key):
            find = reader.find_class("zoneinfo.ZoneInfo")
            if isinstance(find, _Opaque):
                return Record("zoneinfo.ZoneInfo", (("key", key),))
            try:
                return find(key)
            except (ValueError, OSError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError; odd names are the others
                raise InvalidInput(f"the time zone {key[:60]!r} is not known on this machine; install tzdata") from error
    raise reader.wrong("not a time zone")


def _read_clock(reader: _Reader, depth: int, cls: Any, what: str) -> Any:
    value = _from_text(reader, cls.fromisoformat, lambda found: str(found.isoformat()), what)
    fold = reader.take(1)[0]
    if value.tzinfo is not None or fold > 1:
        raise reader.wrong(f"a {what} with a zone in its text, or a fold over 1")
    zone = _read_zone(reader, depth + 1)
    if isinstance(zone, Record):
        return Record(what, (("text", value.isoformat()), ("fold", fold), ("zone", zone)))
    return value.replace(tzinfo=zone, fold=fold)


def _read_timedelta(reader: _Reader, depth: int) -> timedelta:
    parts = _read_list(reader, depth)
    match parts:
        case [int(days), int(seconds), int(micros)] if bool not in map(type, parts):
            try:
                value = timedelta(days, seconds, micros)
            except OverflowError as error:
                raise reader.wrong("a timedelta out of range") from error
            if [value.days, value.seconds, value.microseconds] == parts:
                return value
    raise reader.wrong("not a timedelta")


def _read_uuid(reader: _Reader, _: int) -> Any:
    raw = reader.take(16)
    cls = reader.find_class("uuid.UUID")
    return Record("uuid.UUID", (("bytes", raw),)) if isinstance(cls, _Opaque) else cls(bytes=raw)


def _read_enum(reader: _Reader, depth: int) -> Any:
    name = reader.text()
    member = reader.item(depth + 1)
    cls = reader.find_class(name)
    if isinstance(cls, _Opaque):
        return Record(name, (("member", member),))
    if not (isinstance(cls, type) and issubclass(cls, enum.Enum)):
        raise InvalidInput(f"{name} is not an enum here, but the stored value is one of its members")
    try:
        found = cls(member) if issubclass(cls, enum.Flag) else cls[member]
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidInput(f"{name} has no member {member!r}; the stored value was made with another version of it") from error
    if (found.value if isinstance(found, enum.Flag) else found.name) != member or found is None:
        raise InvalidInput(f"{name} reads {member!r} as {found!r}; the stored value was made with another version of it")
    return found


def _read_numpy_scalar(reader: _Reader, _: int) -> Any:
    dtype, raw = reader.text(), reader.sized()
    kind = dtype[1:2]
    order = "|" if len(raw) == 1 else "<"
    unit_is_right = (dtype[3:] == "") if kind not in ("m", "M") else dtype[3:4] == "[" and dtype[-1] == "]"
    is_sound = dtype[:1] == order and len(raw) in _NUMPY_SIZES.get(kind, ()) and unit_is_right
    if kind == "c":
        is_sound = dtype == f"<c{len(raw)}" and len(raw) in (8, 16)
    elif is_sound:
        is_sound = dtype[2:3] == str(len(raw))
    if not is_sound or normalise_nan(kind, raw) != raw or (kind == "b" and raw > b"\1"):
        raise reader.wrong("not a NumPy scalar")
    make = reader.find_class("numpy.frombuffer")
    if isinstance(make, _Opaque):
        return Record("numpy.frombuffer", (("dtype", dtype), ("raw", raw)))
    try:
        value = make(raw, dtype=dtype)[0]
    except (TypeError, ValueError) as error:
        raise reader.wrong(f"{dtype[:40]!r} is not a NumPy dtype") from error
    if value.dtype.str != dtype:
        raise reader.wrong(f"{dtype[:40]!r} is not how that NumPy dtype is spelled")
    return value


def _read_record(reader: _Reader, depth: int) -> Any:
    name = reader.text()
    fields: dict[str, Any] = {}
    last = ""
    for _ in range(reader.count(2)):
        field = reader.text()
        if fields and field.encode() <= last.encode():
            raise reader.wrong("fields out of order")
        last = field
        fields[field] = reader.item(depth + 1)
    cls = reader.find_class(name)
    return Record(name, tuple(fields.items())) if isinstance(cls, _Opaque) else _make_record(name, cls, fields)


def _make_record(name: str, cls: Any, fields: dict[str, Any]) -> Any:
    if not (isinstance(cls, type) and is_record(cls)):
        raise InvalidInput(f"{name} is no dataclass, msgspec struct or named tuple here, but the stored value was one")
    declared = set(field_names(cls))
    if declared != set(fields):
        unlike = ", ".join(sorted(declared ^ set(fields)))
        raise InvalidInput(f"{name} has other fields now than when this value was stored: {unlike}; run the stage that makes it again")
    try:
        if not dataclasses.is_dataclass(cls):
            return cls(**fields)
        value = object.__new__(cls)  # the fields are what __init__ and __post_init__ had made of their arguments: not run twice
        for field, item in fields.items():
            object.__setattr__(value, field, item)
        return value
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"{name} cannot be made from its stored fields: {error}") from error


_READERS: dict[bytes, Callable[[_Reader, int], Any]] = {
    b"N": lambda _reader, _: None,
    b"T": lambda _reader, _: True,
    b"F": lambda _reader, _: False,
    b"i": _read_int,
    b"f": _read_float,
    b"c": lambda reader, depth: complex(_read_float(reader, depth), _read_float(reader, depth)),
    b"s": lambda reader, _: reader.text(),
    b"b": lambda reader, _: reader.sized(),
    b"l": _read_list,
    b"t": lambda reader, depth: tuple(_read_list(reader, depth)),
    b"d": _read_dict,
    b"S": _read_set,
    b"Z": lambda reader, depth: frozenset(_read_set(reader, depth)),
    b"D": lambda reader, _: _from_text(reader, date.fromisoformat, date.isoformat, "date"),
    b"H": lambda reader, depth: _read_clock(reader, depth, time, "time"),
    b"A": lambda reader, depth: _read_clock(reader, depth, datetime, "datetime"),
    b"I": _read_timedelta,
    b"M": lambda reader, _: _from_text(reader, Decimal, str, "Decimal"),
    b"U": _read_uuid,
    b"E": _read_enum,
    b"n": _read_numpy_scalar,
    b"R": _read_record,
}
