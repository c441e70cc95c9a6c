"""Bounds that hold at every look: a live comparison may be read at any moment, and stopped by what it says.

Looking 100 times at a test that was made for one look finds a difference where there is none more than one time in three. The bounds
here hold at all moments together, so looking costs nothing. They rest on running sums that add up over processes and hours.

    difference of means  asymptotic confidence sequence (Waudby-Smith et al. 2024, Annals of Statistics 52, 2613), its normal-mixture
                         boundary in the form of Howard et al. (2021, Annals of Statistics 49, 1055). Asymptotic: for few or rare
                         values it may fail, so its callers demand a least number of rows.
    share of events      beta-binomial mixture (Robbins 1970): exact for every n, so also for an event in a thousand.
    fixed horizon        group_sequential.py
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from incumbent.base.errors import InvalidInput
from incumbent.stats.intervals import Interval, check_confidence, check_counts, first_rows

E_VALUE_ROOM = 1e-12
"""How near to 0 and 1 a share's bounds are looked for."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What is kept of many values: enough for their mean and variance, and sums of two parts are those of the whole.

    Attributes:
        n: How many values.
        total: Their sum.
        scatter: The sum of their squared distances from their mean. The plain sum of squares would lose every digit of a variance
            that is small beside the mean.
    """

    n: int = 0
    total: float = 0.0
    scatter: float = 0.0

    def __post_init__(self) -> None:
        if (
            self.n < 0
            or not (math.isfinite(self.total) and math.isfinite(self.scatter))
            or self.scatter < 0
            or (self.n < 2 and self.scatter)
        ):
            raise InvalidInput(f"{self} are no running sums: n >= 0, finite, a scatter >= 0 and only of two values or more")

    def __add__(self, other: "Sums") -> "Sums":
        """Return the sums of both parts together (Chan, Golub and LeVeque 1983)."""
        n = self.n + other.n
        if not (self.n and other.n):
            return self if self.n else other
        gap = self.total / self.n - other.total / other.n
        return Sums(n, self.total + other.total, self.scatter + other.scatter + gap * gap * self.n * other.n / n)

    @property
    def mean(self) -> float:
        """Mean; NaN of nothing."""
        return self.total / self.n if self.n else math.nan

    @property
    def variance(self) -> float:
        """Unbiased variance of one value; NaN of fewer than two."""
        return self.scatter / (self.n - 1) if self.n > 1 else math.nan


def sums_of(values: NDArray[np.float64]) -> Sums:
    """Return the running sums of values.

    Raises:
        InvalidInput: A value is not finite: one NaN would spoil every later sum.

    >>> sums_of(np.array([1.0, 2.0])) + sums_of(np.array([6.0]))
    Sums(n=3, total=9.0, scatter=14.0)
    """
    taken = np.asarray(values, dtype=np.float64)
    if not np.isfinite(taken).all():
        raise InvalidInput("a value is NaN or infinite: it cannot be added up; say what such a row counts as, or leave it out")
    if not taken.size:
        return Sums()
    return Sums(taken.size, float(taken.sum()), float(((taken - taken.mean()) ** 2).sum()) if taken.size > 1 else 0.0)


@dataclass(frozen=True, slots=True)
class Difference:
    """Challenger minus champion so far.

    Attributes:
        value: In the score's own unit.
        se: Its standard error at this n, as if it were looked at once.
        n: Rows it rests on: of both arms, or pairs.
    """

    value: float
    se: float
    n: int

    def bounds(self, alpha: float, *, rows_tuned: int) -> tuple[float, float]:
        """Return (low, high): the true difference is below low at any moment with probability at most about `alpha`; high likewise.

        Args:
            alpha: One-sided.
            rows_tuned: At which n the bounds are tightest; they hold at every other n as well.
        """
        radius = self._radius(alpha, rows_tuned, self.n)
        return self.value - radius, self.value + radius

    def rows_needed(self, limit: float, *, alpha: float, rows_tuned: int) -> int | None:
        """Return how many rows more would put `limit` outside the bounds if difference and noise stay as they are; None: none would."""
        gap = abs(self.value - limit)
        if not (math.isfinite(self.se) and gap > 0):
            return None
        total = first_rows(lambda rows: gap >= self._radius(alpha, rows_tuned, rows), self.n)
        return None if total is None else total - self.n

    def _radius(self, alpha: float, rows_tuned: int, n: int) -> float:
        if not math.isfinite(self.se):
            return math.inf
        rho = mixture_tuning(rows_tuned, 2 * alpha)
        return self.se * math.sqrt(self.n) * mixture_boundary_one_sided(n, rho=rho, alpha=alpha) / n


def difference_of_arms(phases: Iterable[tuple[Sums, Sums]], *, is_share: bool = False) -> Difference:
    """Return the difference of two arms whose rows were drawn at random, each arm its own.

    Args:
        phases: (champion, challenger), one pair for each span of time in which the arms' shares stood still. Each phase is compared
            within itself and weighs by its rows: pooled over a change of shares, an arm that got more of the good hours would win by that.
        is_share: Every value lies within 0 and 1. The variances then take one row at each end (Agresti and Caffo 2000), so that arms
            without an event yet are not taken for arms that never have one.

    Raises:
        InvalidInput: No phase has two rows in each arm.
    """
    n, moved, variance = 0, 0.0, 0.0
    for champion, challenger in phases:
        if min(champion.n, challenger.n) < 2:
            continue
        rows = champion.n + challenger.n
        n += rows
        moved += rows * (challenger.mean - champion.mean)
        ends = _ENDS_OF_SHARE if is_share else Sums()
        variance += rows * rows * ((champion + ends).variance / champion.n + (challenger + ends).variance / challenger.n)
    if not n:
        raise InvalidInput("no arm can be compared yet: each needs two rows within one phase")
    return Difference(moved / n, math.sqrt(variance) / n if variance > 0 else math.inf, n)


def difference_of_pairs(differences: Sums, *, is_share: bool = False) -> Difference:
    """Return the mean of challenger minus champion over rows that both answered, as in shadow.

    Args:
        differences: Of the two scores of each row.
        is_share: Both scores lie within 0 and 1: the variance then takes one row of -1 and one of 1.

    Raises:
        InvalidInput: There are fewer than two rows.
    """
    if differences.n < 2:
        raise InvalidInput("two rows that both arms answered are the fewest that can be compared")
    variance = (differences + (_ENDS_OF_DIFFERENCE if is_share else Sums())).variance
    return Difference(differences.mean, math.sqrt(variance / differences.n) if variance > 0 else math.inf, differences.n)


_ENDS_OF_SHARE = Sums(2, 1.0, 0.5)  # one row of 0, one of 1
_ENDS_OF_DIFFERENCE = Sums(2, 0.0, 2.0)  # one row of -1, one of 1


def mixture_tuning(variance: float, alpha: float) -> float:
    """Return the rho with which the two-sided boundary is lowest at `variance`: V / (-W(-alpha^2 / e) - 1), W the lower branch of Lambert.

    >>> round(mixture_tuning(1000, 0.05), 6)
    121.773489
    """
    check_confidence(alpha)
    if not variance > 0:
        raise InvalidInput(f"bounds cannot be tuned for {variance} rows; one at least")
    return float(variance / (-scipy.special.lambertw(-(alpha**2) / math.e, k=-1).real - 1))


def mixture_boundary(variance: float, *, rho: float, alpha: float) -> float:
    """Return what |S| exceeds at some moment with probability at most `alpha`, S a sum of centred values with this summed variance.

        sqrt((V + rho) ln((V + rho) / (rho alpha^2)))     Howard et al. (2021), equation 14

    >>> round(mixture_boundary(1000, rho=mixture_tuning(1000, 0.05), alpha=0.05), 6)
    95.978998
    """
    return math.sqrt((variance + rho) * math.log((variance + rho) / (rho * check_confidence(alpha) ** 2)))


def mixture_boundary_one_sided(variance: float, *, rho: float, alpha: float) -> float:
    """Return what S exceeds at some moment with probability at most `alpha`.

    sqrt(2 (V + rho) ln(1 + sqrt((V + rho) / rho) / (2 alpha)))     Howard et al. (2021), equation 15
    """
    return math.sqrt(2 * (variance + rho) * math.log1p(math.sqrt((variance + rho) / rho) / (2 * check_confidence(alpha))))


def share_sequence(events: float, n: float, *, confidence: float) -> Interval:
    """Return a share's interval that holds at all moments together, exactly: its two bounds fail together at most 1 - confidence.

    It holds every p with B(k + 1/2, n - k + 1/2) / B(1/2, 1/2) / (p^k (1 - p)^(n - k)) < 1 / alpha: the left side, k of n events, is a
    martingale from 1 under p, and by Ville's inequality it reaches 1 / alpha with probability at most alpha.

    Raises:
        InvalidInput: The counts are no proportion, or the confidence is none.

    >>> found = share_sequence(0, 1000, confidence=0.95)
    >>> found.low, round(found.high, 5)
    (0.0, 0.007)
    """
    check_counts(events, n)
    gain = (
        scipy.special.betaln(events + 0.5, n - events + 0.5) - scipy.special.betaln(0.5, 0.5) + math.log(1 - check_confidence(confidence))
    )

    def beyond(p: float) -> float:
        return float(gain - scipy.special.xlogy(events, p) - scipy.special.xlog1py(n - events, -p))

    share = events / n
    low = 0.0 if events == 0 or beyond(E_VALUE_ROOM) < 0 else scipy.optimize.brentq(beyond, E_VALUE_ROOM, share)
    high = 1.0 if events == n or beyond(1 - E_VALUE_ROOM) < 0 else scipy.optimize.brentq(beyond, share, 1 - E_VALUE_ROOM)
    return Interval(share, float(low), float(high))
