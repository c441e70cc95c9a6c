"""A version's signature: the columns that it is asked with and the columns that it answers, inferred from data.

Rules that `check_columns` holds, each broken one named with its column and first row:
    every column is there, and no other; all have the same number of rows, one at least; a value has its column's type
    (a whole number may stand for a float; a bool is no number); no NaN, no infinity; null only where data had null.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput

Scalar = None | bool | int | float | str
Columns = Mapping[str, Sequence[Scalar]]
"""A batch of rows, column by column."""

ColumnType = Literal["bool", "int", "float", "str"]
_PLAIN: dict[ColumnType, type] = {"bool": bool, "int": int, "float": float, "str": str}
_INT_LIMIT = 2**63
_PROBLEMS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `is_nullable` when the data it was inferred from had nulls."""

    name: str
    type: ColumnType
    is_nullable: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """What goes in and what comes out, in order."""

    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]

    def to_json(self) -> dict[str, Json]:
        """Return the document form."""
        return {
            side: [{"name": c.name, "type": c.type, "nullable": c.is_nullable} for c in columns]
            for side, columns in (("inputs", self.inputs), ("outputs", self.outputs))
        }


def signature_from_json(value: Json) -> Signature:
    """Return the signature that `Signature.to_json` wrote.

    Raises:
        InvalidInput: It is no signature.
    """
    if not isinstance(value, dict):
        raise InvalidInput(f"a signature is an object with inputs and outputs, not {type(value).__name__}")
    return Signature(_read_columns(value.get("inputs"), "inputs"), _read_columns(value.get("outputs"), "outputs"))


def _read_columns(value: Json, side: str) -> tuple[Column, ...]:
    if not isinstance(value, list) or not value:
        raise InvalidInput(f"a signature needs a list of {side}, with one column at least")
    columns = []
    for entry in value:
        match entry:
            case {"name": str(name), "type": str(kind), "nullable": bool(nullable)} if name and kind in _PLAIN:
                columns.append(Column(name, kind, nullable))
            case _:
                raise InvalidInput(f"not a column of {side}: {str(entry)[:80]}; types are {', '.join(get_args(ColumnType))}")
    if len({column.name for column in columns}) < len(columns):
        raise InvalidInput(f"two columns of {side} share a name")
    return tuple(columns)


def infer_columns(data: Columns) -> tuple[Column, ...]:
    """Return the columns of `data`, typed by their values: whole numbers and floats together are floats.

    Raises:
        InvalidInput: There are no columns; one holds only nulls, or kinds that do not mix, or something else than plain values.

    >>> infer_columns({"n": [1, 2.5], "who": ["a", None]})
    (Column(name='n', type='float', is_nullable=False), Column(name='who', type='str', is_nullable=True))
    """
    if not data:
        raise InvalidInput("a signature cannot be inferred from data without columns")
    return tuple(_infer_column(name, values) for name, values in data.items())


def _infer_column(name: str, values: Sequence[Scalar]) -> Column:
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int, float}:
        kinds = {float}
    found = [kind for kind, plain in _PLAIN.items() if kinds == {plain}]
    if not found:
        held = ", ".join(sorted(kind.__name__ for kind in kinds)) or "nothing but nulls"
        raise InvalidInput(f"column {name!r} holds {held}: its type cannot be inferred; expected one of {', '.join(_PLAIN)}")
    return Column(name, found[0], None in values)


def check_columns(columns: tuple[Column, ...], data: Columns) -> dict[str, list[Scalar]]:
    """Return `data` in the order and types of `columns`.

    Raises:
        InvalidInput: A rule at the head of this file is broken; the message names every broken one, up to eight.
    """
    known = {column.name for column in columns}
    problems = [f"column {name[:64]!r} is not in the signature" for name in data if name not in known]
    problems += [f"column {column.name!r} ({column.type}) is missing" for column in columns if column.name not in data]
    lengths = {len(values) for values in data.values()}
    if len(lengths) > 1:
        problems.append(f"columns differ in length: {', '.join(str(n) for n in sorted(lengths))} rows")
    if lengths == {0} or not data:
        problems.append("there are no rows")
    taken: dict[str, list[Scalar]] = {}
    for column in columns:
        if column.name in data:
            fault, taken[column.name] = _take(column, data[column.name])
            problems += fault
    if problems:
        more = f"; and {len(problems) - _PROBLEMS_SHOWN} more" if len(problems) > _PROBLEMS_SHOWN else ""
        raise InvalidInput("; ".join(problems[:_PROBLEMS_SHOWN]) + more)
    return taken


def _take(column: Column, values: Sequence[Scalar]) -> tuple[list[str], list[Scalar]]:
    wanted = _PLAIN[column.type]
    taken: list[Scalar] = []
    for row, given in enumerate(values):
        value = float(given) if type(given) is int and wanted is float and abs(given) <= 2**1023 else given
        fault = _judge(column, value, wanted)
        if fault:
            return [f"column {column.name!r}, row {row}: {fault}"], []
        taken.append(value)
    return [], taken


def _judge(column: Column, value: Scalar, wanted: type) -> str:
    if value is None:
        return "" if column.is_nullable else "null, and the data it was trained on had none"
    if type(value) is not wanted:
        return f"expected {column.type}, got {type(value).__name__} {str(value)[:40]!r}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not a finite number"
    if type(value) is int and not -_INT_LIMIT <= value < _INT_LIMIT:
        return "the number does not fit in 64 bits"
    return ""
