"""Judging parsed conditions over values in memory: for what is few (experiments, models), where the database need not search."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from incumbent.tracking.search import Combination, Comparison, Condition, Order, Value

Values = Mapping[tuple[str, str], str | int | float]
"""(entity, name) -> value; what is absent fails every comparison."""
_T = TypeVar("_T")


def matches(condition: Condition | None, values: Values) -> bool:
    """Return whether a condition holds; None always does.

    >>> matches(Comparison("tags", "team", "like", "a%"), {("tags", "team"): "abc"})
    True
    """
    if condition is None:
        return True
    if isinstance(condition, Combination):
        found = (matches(part, values) for part in condition.parts)
        return all(found) if condition.connective == "and" else any(found) if condition.connective == "or" else not any(found)
    held = values.get((condition.entity, condition.name))
    return held is not None and _compare(condition, held)


def sort_by(things: Sequence[_T], orders: Sequence[Order], read: Callable[[_T], Values]) -> list[_T]:
    """Return things in an order; those without the field come last either way, and equals stay as they stood."""
    found = [(thing, read(thing)) for thing in things]
    for order in reversed(orders):
        place = (order.entity, order.name)
        known = [one for one in found if _is_known(one[1].get(place))]
        known.sort(key=lambda one: _key(one[1][place]), reverse=order.is_descending)
        found = known + [one for one in found if not _is_known(one[1].get(place))]
    return [thing for thing, _ in found]


def _is_known(value: str | int | float | None) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _key(value: str | int | float) -> tuple[bool, float | int, str]:
    return (True, 0, value) if isinstance(value, str) else (False, value, "")


def _compare(wanted: Comparison, held: str | int | float) -> bool:
    given = wanted.value
    if isinstance(given, tuple):
        return (held in given) == (wanted.operator == "in")
    if wanted.operator in ("like", "ilike"):
        return _is_like(str(held), str(given), minds_case=wanted.operator == "like")
    if wanted.operator in ("=", "!="):
        return (held == given) == (wanted.operator == "=")
    if isinstance(held, str) or isinstance(given, str):
        return isinstance(held, str) and isinstance(given, str) and _is_ordered(wanted.operator, held > given, held == given)
    return not _is_nan(held) and _is_ordered(wanted.operator, held > given, held == given)


def _is_nan(value: Value) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _is_ordered(operator: str, is_greater: bool, is_equal: bool) -> bool:
    return {">": is_greater, ">=": is_greater or is_equal, "<": not is_greater and not is_equal, "<=": not is_greater}[operator]


def _is_like(text: str, pattern: str, *, minds_case: bool) -> bool:
    translated = "".join({"%": ".*", "_": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(translated, text, re.DOTALL | (0 if minds_case else re.IGNORECASE)) is not None
