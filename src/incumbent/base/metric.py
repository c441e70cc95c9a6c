"""A metric point: a named number at a step and a time."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from incumbent.base.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """One number. NaN and infinities are kept as they are: a diverging loss is a fact.

    Attributes:
        step: Place on the metric's own axis (epoch, batch), 0 when there is none.
        at: When it was logged, aware UTC.
    """

    name: str
    value: float
    step: int
    at: datetime


PointCells = tuple[str, float, int, int]
"""Name, value, step and microseconds since 1970 (UTC): a point where so many come at once that what they are wrapped in would be felt."""


Value = float | Literal["NaN", "Infinity", "-Infinity"]
"""A metric's value in JSON, which has no NaN and no infinities: they are spelled out, as in MLflow's API."""


def show_value(value: float) -> Value:
    """Return a metric's value as JSON can have it.

    >>> show_value(0.5), show_value(float("-inf"))
    (0.5, '-Infinity')
    """
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def read_value(value: Value) -> float:
    """Return a metric's value as a number. Raises InvalidInput.

    >>> read_value("Infinity")
    inf
    """
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{str(value)[:40]!r} is no value of a metric") from None
