"""Canonical bytes: one spelling a value, and a value for every spelling that is accepted."""

# ruff: noqa: DTZ001 - naive times are values too

import collections
import dataclasses
import enum
import importlib
import math
import struct
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.canonical import Record, decode, encode, find_opaque, split_items
from incumbent.base.errors import InvalidInput


@dataclasses.dataclass
class A:
    x: int


@dataclasses.dataclass
class B:
    x: int


@dataclasses.dataclass(frozen=True, slots=True)
class Nested:
    label: str
    parts: list[A]
    made: int = dataclasses.field(init=False, default=5)


class Point(msgspec.Struct, frozen=True):
    x: int
    y: float = 0.0


class Pair(NamedTuple):
    left: int
    right: int


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


class Right(enum.Flag):
    READ = 1
    WRITE = 2


def find(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return globals()[attribute] if module == __name__ else getattr(importlib.import_module(module), attribute)


atoms = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.complex_numbers(allow_nan=False) | st.text() | st.binary()
    | st.dates() | st.times() | st.datetimes() | st.datetimes(timezones=st.timezones()) | st.timedeltas() | st.uuids()
    | st.decimals(allow_nan=False) | st.sampled_from([*Colour, *Level, Right.READ | Right.WRITE, Pair(1, 2)])
    | st.builds(Point, st.integers(), st.floats(allow_nan=False)) | st.builds(A, st.integers())
)  # fmt: skip
keys = st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.dates()
values = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(keys, inner, max_size=4)
        | st.frozensets(keys, max_size=4) | st.sets(keys, max_size=4)
    ),
    max_leaves=12,
)  # fmt: skip


@given(values)
def test_what_was_encoded_comes_back_with_its_types_and_the_same_bytes(value: Any) -> None:
    data = encode(value)
    back = decode(data, find)
    assert back == value
    assert type(back) is type(value)
    assert encode(back) == data


# The plain rows of the reference table; those of arrays and frames are in tests/unit/execution/codecs.
PAIRS = [
    (1, "1"), (1, 1.0), (True, "True"), (True, 1), (0.0, -0.0), ([1, 2], (1, 2)), ([1, [2]], [[1], 2]), (A(1), B(1)),
    (datetime(2013, 1, 1), datetime(2013, 1, 1, tzinfo=UTC)), (datetime(2013, 1, 1), date(2013, 1, 1)), ({1}, frozenset({1})),
    (b"a", "a"), (None, "None"), ("", b""), ([], ()), ({}, set()), (1, Level.LOW), ("RED", Colour.RED), ((1, 2), Pair(1, 2)),
    (np.float64(1), 1.0), (np.int32(1), np.int64(1)), (np.float32(0), np.float32(-0.0)), (Decimal("1.0"), Decimal("1.00")),
    (time(1), time(1, fold=1)), (datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, tzinfo=ZoneInfo("UTC"))),
    (["ab", "c"], ["a", "bc"]), ({"a": 1}, [("a", 1)]), (1 + 0j, 1.0), (2**64, float(2**64)), (255, -1),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_values_that_a_loose_hash_confuses_have_different_bytes(left: object, right: object) -> None:
    assert encode(left) != encode(right)


def test_bytes_written_by_hand_from_the_form_are_what_encode_writes() -> None:
    assert encode([1, "é", None]) == b"IV1:" + b"l\x03" + b"i\x01\x01" + b"s\x02\xc3\xa9" + b"N"
    assert encode({"b": True, "a": 2.0}) == b"IV1:d\x02" + b"s\x01af" + struct.pack(">d", 2.0) + b"s\x01bT"
    assert [encode(n)[4:] for n in (0, 127, 128, -128, -129)] == [b"i\1\0", b"i\1\x7f", b"i\2\0\x80", b"i\1\x80", b"i\2\xff\x7f"]
    assert encode("x" * 300)[4:7] == b"s" + bytes([0xAC, 0x02])
    assert encode(A(1)) == b"IV1:R" + bytes([len(__name__) + 2]) + f"{__name__}.A".encode() + b"\x01" + b"\x01x" + b"i\1\1"


def test_the_order_of_a_dict_and_of_a_set_and_of_fields_is_no_part_of_the_value() -> None:
    assert encode({"a": 1, "b": 2}) == encode({"b": 2, "a": 1})
    first = dataclasses.make_dataclass("M", [("p", int), ("q", int)])
    second = dataclasses.make_dataclass("M", [("q", int), ("p", int)])
    assert encode(first(p=1, q=2)) == encode(second(p=1, q=2))


def test_a_nan_is_one_value_whatever_its_payload_and_sign() -> None:
    odd = struct.unpack(">d", bytes.fromhex("fff800000000abcd"))[0]
    assert encode(odd) == encode(math.nan) == encode(float("nan"))
    assert encode(np.float64(odd)) == encode(np.float64("nan"))
    assert encode(np.complex128(complex(1, odd))) == encode(np.complex128(complex(1, math.nan)))


def test_numpy_scalars_come_back_with_their_dtype() -> None:
    for value in (
        np.int8(-3),
        np.float16(1.5),
        np.bool_(True),
        np.complex64(1j),
        np.datetime64("2013-01-01", "ns"),
        np.timedelta64(3, "D"),
    ):
        back = decode(encode(value), find)
        assert (back, back.dtype) == (value, value.dtype)


def test_time_zones_come_back_as_they_were() -> None:
    for zone in (UTC, timezone(timedelta(hours=-3, minutes=-30)), ZoneInfo("Europe/Berlin")):
        assert decode(encode(datetime(2013, 10, 27, 2, 30, tzinfo=zone, fold=1)), find).tzinfo == zone
    assert decode(encode(datetime(2013, 10, 27, 2, 30, fold=1)), find).fold == 1


def test_post_init_is_not_run_again_on_decoding() -> None:
    value = Nested("n", [A(1)])
    object.__setattr__(value, "made", 9)
    assert decode(encode(value), find).made == 9


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), "builtins.object"),
        ("\ud800", "surrogate"),
        (collections.OrderedDict(a=1), "collections.OrderedDict"),
        ({float("nan"): 1, float("inf") - float("inf"): 2}, "two NaN keys"),
        (np.zeros(2), "numpy.ndarray"),
        (datetime(2013, 1, 1, tzinfo=timezone(timedelta(hours=1), "Mars")), "Mars"),
        (Nested("n", [A(object())]), "Nested.parts: A.x"),  # type: ignore[arg-type]
    ],
)
def test_a_value_without_a_form_is_refused_and_named(value: object, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        encode(value)


def test_a_class_inside_a_function_is_refused() -> None:
    @dataclasses.dataclass
    class Local:
        x: int

    with pytest.raises(InvalidInput, match="defined inside a function"):
        encode(Local(1))


def test_a_value_that_contains_itself_is_refused_instead_of_filling_the_stack() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(InvalidInput, match="nest deeper"):
        encode(loop)
    with pytest.raises(InvalidInput, match="nest deeper"):
        decode(b"IV1:" + b"l\1" * 5000 + b"N", find)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_are_exactly_one_values_spelling(data: bytes) -> None:
    for given_bytes in (data, b"IV1:" + data):
        try:
            value = decode(given_bytes, find_opaque)
        except InvalidInput:
            continue
        if not _holds_stand_ins(value):
            assert encode(value) == given_bytes


@given(values, st.data())
def test_a_flipped_byte_is_refused_or_is_exactly_another_values_spelling(value: Any, data: st.DataObject) -> None:
    spelled = bytearray(encode(value))
    spelled[data.draw(st.integers(0, len(spelled) - 1))] = data.draw(st.integers(0, 255))
    try:
        back = decode(bytes(spelled), _find_known)
    except InvalidInput:
        return
    assert encode(back) == spelled


def _find_known(name: str) -> Any:
    try:
        return find(name)
    except (ImportError, AttributeError, KeyError, ValueError) as error:
        raise InvalidInput(f"no {name}") from error


def _holds_stand_ins(value: object) -> bool:
    return isinstance(value, Record) or (
        isinstance(value, list | tuple | set | frozenset | dict)
        and any(map(_holds_stand_ins, [*value, *(value.values() if isinstance(value, dict) else ())]))
    )


@pytest.mark.parametrize(
    "data",
    [
        b"IV1:i\2\0\1", b"IV1:i\0", b"IV1:s\x81\0a", b"IV1:f\x7f\xf8\0\0\0\0\0\1", b"IV1:d\2s\1bTs\1aT", b"IV1:S\2TT", b"IV1:NN",
        b"IV1:d\2i\1\1NTN", b"IV1:l\xff\xff\xff\xff\x0f", b"IV1:S\1l\0", b"", b"IV2:N", b"IV1:M\3abc", b"IV1:D\10020130101",
        b"IV1:n\3<i9\0",
    ],
)  # fmt: skip
def test_a_second_spelling_of_a_value_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode(data, find)


def test_a_record_whose_class_has_changed_is_refused_with_the_field_that_differs() -> None:
    stored = encode(A(1)).replace(b"\x01x", b"\x01z")
    with pytest.raises(InvalidInput, match=r"other fields now .*: x, z"):
        decode(stored, find)
    with pytest.raises(InvalidInput, match="no dataclass"):
        decode(encode(A(1)), lambda _: print)


def test_items_are_told_apart_without_their_classes() -> None:
    assert split_items(encode([A(1), {"a": (2,)}])) == [encode(A(1)), encode({"a": (2,)})]
    assert split_items(encode((1, 2))) == [encode(1), encode(2)]
    assert split_items(encode({"a": 1})) is None
    assert decode(encode([A(1)]), find_opaque) == [Record(f"{__name__}.A", (("x", 1),))]


def test_two_processes_with_different_hash_seeds_write_the_same_bytes() -> None:
    code = (
        "from incumbent.base.canonical import encode; import hashlib;"
        "print(hashlib.sha256(encode([{'b', 'a', 'c', 'dd'}, frozenset('xyz'), {'k': 1, 'j': {3, 1}}])).hexdigest())"
    )
    found = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


def test_a_uuid_and_a_decimal_come_back() -> None:
    for value in (UUID(int=5), Decimal("NaN"), Decimal("-0.10"), Decimal("Infinity")):
        assert str(decode(encode(value), find)) == str(value)
