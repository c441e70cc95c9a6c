"""A metric point: a named number at a step and a time."""

from dataclasses import dataclass
from datetime import datetime


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
