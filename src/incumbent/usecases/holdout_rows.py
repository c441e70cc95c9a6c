"""Whether rows of one table stand in another: a holdout's in training data, or in another holdout under other names.

Values are compared as anybody could have written them who changed nothing: numbers up to 2^24 after rounding to float32 (a narrowed
column is the same column), greater ones as they are (there float32 has one number for many timestamps or ids), True as 1, text that
spells a number as that number, null as NaN, rows in any order. Scaled, noised or cut values are other values, and nothing here finds
them.
"""

import math
import struct
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from incumbent.base.digest import digest_bytes
from incumbent.base.errors import InvalidInput
from incumbent.registry.signature import Scalar

Rows = Mapping[str, Sequence[Scalar]]

SHARED_MIN = 0.5
"""From which share of the smaller one's rows two holdouts are one budget."""
_IDENTIFYING_MIN = 0.5
"""Share of distinct rows below which rows are kinds of cases and not cases: two fresh samples would have the same ones."""
_ALIGNED_MIN = 0.5
"""Share of the narrower table's columns that must have a partner: a row number alone is in every table."""
_VALUES_MAX = 4096
"""Of a column with more values than this a sample, the same in every table, is compared to find its partner."""


_NARROW_MAX = 2.0**24
"""Up to here float32 tells whole numbers apart."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a comparison of holdout and training rows found.

    Attributes:
        rows: Rows of the holdout that stand in the training data.
        columns: Over which columns they were compared.
        missing: Inputs of the model that the training data do not have under that name, so they were not compared.
        is_repeating: The inputs and the label tell fewer than half of the holdout's rows apart, so all columns of both were compared.
    """

    rows: int
    columns: tuple[str, ...]
    missing: tuple[str, ...] = ()
    is_repeating: bool = False


def count_overlap(holdout: Rows, training: Rows, *, inputs: Sequence[str], label: str | None = None) -> Overlap:
    """Return how many rows of a holdout stand in training data too.

    Compared are the model's inputs and the label, those that both have: a row number or a date in another column makes no new row.
    Where these repeat (few categories, so that a fresh row looks like an old one), all columns that both have are compared.

    Raises:
        InvalidInput: They share none of the inputs, so nothing can be said.
    """
    shared = [name for name in inputs if name in holdout and name in training]
    if not shared:
        raise InvalidInput(
            f"the model is asked with {', '.join(inputs) or 'nothing'}, the holdout has columns {', '.join(holdout)} and the training "
            f"data {', '.join(training)}: with no input in common, an overlap cannot be ruled out"
        )
    missing = tuple(name for name in inputs if name not in shared)
    columns = tuple(dict.fromkeys([*shared, *([label] if label is not None and label in holdout and label in training else [])]))
    asked = _digest_rows([holdout[name] for name in columns])
    is_repeating = len(set(asked)) < _IDENTIFYING_MIN * len(asked)
    if is_repeating:
        columns = tuple(sorted(holdout.keys() & training.keys()))
        asked = _digest_rows([holdout[name] for name in columns])
    known = set(_digest_rows([training[name] for name in columns]))
    return Overlap(sum(row in known for row in asked), columns, missing, is_repeating)


def digest_table(rows: Rows) -> tuple[str, str]:
    """Return a table's digests free of the order of its rows and columns: one with the columns' names, and one without.

    >>> first, second = {"a": [1, 2], "b": [0.5, None]}, {"z": [None, 0.5], "y": [2.0, 1.0]}
    >>> digest_table(first)[1] == digest_table(second)[1], digest_table(first)[0] == digest_table(second)[0]
    (True, False)
    """
    names = sorted(rows)
    head = b"".join(_cell(f"/{name}") for name in names)
    named = b"".join(sorted(_digest_rows([rows[name] for name in names])))
    return digest_bytes(head + named, "sha256"), digest_bytes(b"".join(sorted(_digest_cells([*rows.values()]))), "sha256")


def share_of_rows(one: Rows, other: Rows) -> float:
    """Return which share of the smaller table's distinct rows stands in the other, 0 to 1.

    Columns are matched by their names, and once more by what they hold whatever their names are; the greater share counts. Columns
    without a partner are left out. Where neither table's rows are distinct in at least half the cases the answer is 0: two fresh
    samples of a few categories have the same rows.
    """
    named = sorted(one.keys() & other.keys())
    mine, theirs = _match_columns(one, other)
    narrow = min(len(one), len(other))
    found = [0.0]
    if len(named) >= _ALIGNED_MIN * narrow:
        found.append(_share(_digest_rows([one[name] for name in named]), _digest_rows([other[name] for name in named])))
    if len(mine) >= _ALIGNED_MIN * narrow:
        found.append(_share(_digest_cells([one[name] for name in mine]), _digest_cells([other[name] for name in theirs])))
    return max(found)


def _share(one: Sequence[bytes], other: Sequence[bytes]) -> float:
    mine, theirs = set(one), set(other)
    if not mine or not theirs or max(len(mine) / len(one), len(theirs) / len(other)) < _IDENTIFYING_MIN:
        return 0.0
    return len(mine & theirs) / min(len(mine), len(theirs))


def _match_columns(one: Rows, other: Rows) -> tuple[list[str], list[str]]:
    """Pair columns that hold the same values at least half the time, the likest first.

    Two columns with the same values in another order (ranks, flags) may be taken for one another; rows are then compared without
    the order of their cells, so nothing is lost.
    """
    mine, theirs = ({name: _count_values(values) for name, values in table.items()} for table in (one, other))
    likest = sorted(
        ((_likeness(held, seen), a, b) for a, held in mine.items() for b, seen in theirs.items()), key=lambda found: (-found[0], *found[1:])
    )
    pairs: dict[str, str] = {}
    for likeness, a, b in likest:
        if likeness >= SHARED_MIN and a not in pairs and b not in pairs.values():
            pairs[a] = b
    return [*pairs], [*pairs.values()]


def _count_values(values: Sequence[Scalar]) -> Counter[bytes]:
    counts = Counter(map(_cell, values))
    if len(counts) <= _VALUES_MAX:
        return counts
    return Counter({cell: count for cell, count in counts.items() if zlib.crc32(cell) % 16 == 0})


def _likeness(one: Counter[bytes], other: Counter[bytes]) -> float:
    least = min(one.total(), other.total())
    return (one & other).total() / least if least else 0.0


def _digest_rows(columns: Sequence[Sequence[Scalar]]) -> list[bytes]:
    cells = [[*map(_cell, values)] for values in columns]
    return [blake2b(b"".join(row), digest_size=16).digest() for row in zip(*cells, strict=True)]


def _digest_cells(columns: Sequence[Sequence[Scalar]]) -> list[bytes]:
    cells = [[*map(_cell, values)] for values in columns]
    return [blake2b(b"".join(sorted(row)), digest_size=16).digest() for row in zip(*cells, strict=True)]


def _cell(value: Scalar) -> bytes:
    """Return a value's one spelling; each says its own length, so that cells in a row cannot run into one another."""
    if value is None:
        return b"0"
    number = _read_number(value) if isinstance(value, str) else value
    if number is None:
        text = str(value).encode("utf-8", "surrogatepass")
        return b"s%d:" % len(text) + text
    if abs(number) > _NARROW_MAX:  # NaN is not
        is_whole = isinstance(number, int) or (math.isfinite(number) and number.is_integer())
        text = repr(int(number) if is_whole else number).encode()
        return b"n%d:" % len(text) + text
    return b"0" if math.isnan(number) else b"f" + struct.pack("<f", float(number) + 0.0)


def _read_number(text: str) -> float | None:
    if not text or text.strip()[:1] not in {*"+-.0123456789"} or len(text) > 40:
        return None
    try:
        return float(text)
    except ValueError:
        return None
