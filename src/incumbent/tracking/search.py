"""The language of `runs search`: `metrics.auc > 0.9 and params.depth = 6 order by metrics.auc desc`."""

from dataclasses import dataclass
from typing import Literal

Entity = Literal["metrics", "params", "tags", "attributes"]
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "like", "ilike", "in", "not in"]
Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """One test of one field; for "in" and "not in" `value` is a tuple."""

    entity: Entity
    name: str
    operator: Operator
    value: Value | tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Combination:
    """All, or any, of several conditions; or none of one."""

    connective: Literal["and", "or", "not"]
    parts: tuple["Condition", ...]


Condition = Comparison | Combination


@dataclass(frozen=True, slots=True)
class Order:
    """One key to sort by; runs without the field come last either way."""

    entity: Entity
    name: str
    is_descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. No condition matches every run; no order means newest first."""

    condition: Condition | None = None
    order: tuple[Order, ...] = ()
