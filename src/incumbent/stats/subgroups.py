"""Rates by group, and the gap between the best and the worst group, with what their counts can tell.

A gap over small groups is noise: sixteen of sixteen is compatible with 0.81. So every rate has its count and interval, and the
gap has bounds that do not shrink to a point where a group is perfect, as the bootstrap's do.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from incumbent.base.errors import InvalidInput
from incumbent.stats.intervals import Interval, normal_quantile, wilson
from incumbent.stats.metrics import Array

Flags = NDArray[np.bool_]
MISSING = "(missing)"

RATES: dict[str, Callable[[Flags, Flags], tuple[Flags, Flags]]] = {
    "accuracy": lambda truth, labels: (truth == labels, np.ones_like(truth)),
    "fpr": lambda truth, labels: (labels, ~truth),
    "selection_rate": lambda truth, labels: (labels, np.ones_like(truth)),
    "tpr": lambda truth, labels: (labels, truth),
}
"""Name -> which rows are hits, among which rows (Fairlearn's names: true and false positive rate, selection rate)."""


@dataclass(frozen=True, slots=True)
class GroupRate:
    """A rate in one group.

    Attributes:
        group: The value of the column, as text.
        hits: Rows that count as a hit, of `n`.
        n: Rows that the rate is about (for a true positive rate the positive ones).
        rows: All rows of the group.
        interval: Wilson's.
        p_holm: Two-sided p-value of "this group has the rate of all others", corrected for the number of groups (Holm 1979).
    """

    group: str
    hits: int
    n: int
    rows: int
    interval: Interval
    p_holm: float

    @property
    def rate(self) -> float:
        """The share; NaN where the group has no such rows."""
        return self.interval.estimate


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that hold for all tests together (Holm 1979), in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def two_proportions(hits: int, n: int, other_hits: int, other_n: int) -> float:
    """Return the two-sided p-value of equal proportions by the pooled score test; 1 where there is nothing to compare."""
    if n == 0 or other_n == 0:
        return 1.0
    pooled = (hits + other_hits) / (n + other_n)
    se = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / other_n))
    return float(2 * scipy.special.ndtr(-abs(hits / n - other_hits / other_n) / se)) if se > 0 else 1.0


def _names(groups: Array) -> NDArray[np.str_]:
    return np.array([MISSING if value is None or value != value else str(value) for value in groups.tolist()])  # noqa: PLR0124 - NaN


def group_rates(rate: str, truth: Flags, labels: Flags, groups: Array, *, confidence: float = 0.95) -> tuple[GroupRate, ...]:
    """Return `rate` in each group, by the group's name; rows without a group are a group of their own.

    Args:
        rate: A key of RATES.
        truth: True where the row is positive, shape (m,).
        labels: True where the model calls it positive, shape (m,).
        groups: The group of each row, any values, shape (m,).
        confidence: Of each interval, two-sided.

    Raises:
        InvalidInput: The rate is unknown, or the shapes differ.
    """
    if rate not in RATES:
        raise InvalidInput(f"{rate!r} is no rate of a group; there are {', '.join(RATES)}")
    if not truth.shape == labels.shape == groups.shape or truth.ndim != 1:
        raise InvalidInput(
            f"truth, labels and groups have shapes {truth.shape}, {labels.shape} and {groups.shape}; they describe the same rows"
        )
    hit, among = RATES[rate](truth, labels)
    hit = hit & among
    names, where = np.unique(_names(groups), return_inverse=True)
    hits, n, rows = (
        np.bincount(where, weights=flags, minlength=names.size).astype(int).tolist() for flags in (hit, among, np.ones(truth.size))
    )
    total_hits, total = sum(hits), sum(n)
    adjusted = holm([two_proportions(h, k, total_hits - h, total - k) for h, k in zip(hits, n, strict=True)])
    return tuple(
        GroupRate(name, h, k, r, wilson(h, k, confidence=confidence) if k else Interval(math.nan, 0.0, 1.0), p)
        for name, h, k, r, p in zip(names.tolist(), hits, n, rows, adjusted, strict=True)
    )


def _newcombe(first: GroupRate, second: GroupRate, z: float) -> tuple[float, float]:
    """Bounds of first minus second by the score method (Newcombe 1998, method 10), each at the one-sided level of z."""
    confidence = 2 * float(scipy.special.ndtr(z)) - 1
    a, b = (wilson(group.hits, group.n, confidence=confidence) for group in (first, second))
    d = a.estimate - b.estimate
    return d - math.hypot(a.estimate - a.low, b.high - b.estimate), d + math.hypot(a.high - a.estimate, b.estimate - b.low)


def gap(rates: Sequence[GroupRate], *, alpha: float) -> Interval:
    """Return the largest rate minus the smallest, with bounds each at one-sided `alpha`.

    The true gap is one pair's difference. That pair's upper bound holds at alpha, and the largest upper bound of all pairs is no
    smaller: no correction is due above. Below, the largest lower bound of k ordered pairs is chosen, so each is taken at alpha / k.

    Raises:
        InvalidInput: There are fewer than two groups, or one has no rows to rate.
    """
    if len(rates) < 2 or any(group.n == 0 for group in rates):
        raise InvalidInput(f"a gap needs at least two groups that have rows to rate, not {[(group.group, group.n) for group in rates]}")
    pairs = list(itertools.permutations(rates, 2))
    above, below = normal_quantile(1 - alpha), normal_quantile(1 - alpha / len(pairs))
    shares = [group.rate for group in rates]
    return Interval(
        max(shares) - min(shares),
        max(0.0, *(_newcombe(first, second, below)[0] for first, second in pairs)),
        min(1.0, max(_newcombe(first, second, above)[1] for first, second in pairs)),
    )
