"""Intervals for one number: proportions, quantiles, and the bootstrap for everything else.

`confidence` is two-sided throughout: each bound taken alone holds at (1 + confidence) / 2. Chance comes from the caller's
Generator, so that one seed gives one answer.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from incumbent.base.errors import InvalidInput

RESAMPLES = 1000
"""Enough for a standard error known to about 2 % (its own relative error is 1 / sqrt(2 * RESAMPLES))."""
TAIL_RESAMPLES_MIN = 10
"""A percentile is read off only where at least so many resamples lie beyond it."""
ROWS_PLANNED_MAX = 10**10
"""Beyond this no number of rows is named: nobody will label them."""

Statistic = Callable[[NDArray[np.intp]], float]
"""A number computed from the rows at these places."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the bounds that its method gives; a bound that the data cannot give is infinite."""

    estimate: float
    low: float
    high: float


def check_confidence(confidence: float) -> float:
    """Return `confidence` if it lies strictly between 0 and 1.

    Raises:
        InvalidInput: It does not, or is NaN.
    """
    if not 0.0 < confidence < 1.0:
        raise InvalidInput(f"a confidence of {confidence} is none; it lies between 0 and 1, for example 0.95")
    return confidence


def normal_quantile(probability: float) -> float:
    """Return z with P(Z <= z) = `probability`.

    Raises:
        InvalidInput: `probability` is not strictly between 0 and 1.

    >>> round(normal_quantile(0.975), 6)
    1.959964
    """
    return float(scipy.special.ndtri(check_confidence(probability)))


def check_counts(successes: float, n: float) -> None:
    """Refuse counts that are no proportion.

    Raises:
        InvalidInput: They are none: 0 <= successes <= n and n >= 1 does not hold.
    """
    if not (math.isfinite(n) and n >= 1 and 0 <= successes <= n):
        raise InvalidInput(f"{successes} of {n} is no proportion: 0 <= successes <= n and n >= 1")


def wilson(successes: float, n: float, *, confidence: float = 0.95) -> Interval:
    """Return the score interval of a proportion (Wilson 1927): never outside [0, 1], and not a point at 0 or n of n.

    Raises:
        InvalidInput: The counts are no proportion, or the confidence is none.

    >>> interval = wilson(16, 16)
    >>> round(interval.low, 3), interval.high
    (0.806, 1.0)
    """
    check_counts(successes, n)
    z = normal_quantile((1 + check_confidence(confidence)) / 2)
    p = successes / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == n else min(1.0, middle + half)
    return Interval(p, low, high)


def clopper_pearson(successes: float, n: float, *, confidence: float = 0.95) -> Interval:
    """Return the exact interval of a proportion (Clopper and Pearson 1934), from beta quantiles; it covers at least as said.

    Fractions of a success are taken too: planning asks what n rows would give at a rate seen so far.

    Raises:
        InvalidInput: The counts are no proportion, or the confidence is none.

    >>> round(clopper_pearson(0, 300, confidence=0.90).high * 300, 2)  # each bound at 95 %: the rule of three
    2.98
    """
    check_counts(successes, n)
    alpha = (1 - check_confidence(confidence)) / 2
    low = 0.0 if successes == 0 else float(scipy.special.betaincinv(successes, n - successes + 1, alpha))
    high = 1.0 if successes == n else float(scipy.special.betaincinv(successes + 1, n - successes, 1 - alpha))
    return Interval(successes / n, low, high)


def quantile_interval(values: NDArray[np.float64], quantile: float, *, confidence: float = 0.95) -> Interval:
    """Return a quantile of `values` between two of its order statistics, whatever the distribution.

    X_(r) is above the quantile q with probability P(Binomial(n, q) <= r - 1) (David and Nagaraja 2003, section 7.1), so
    299 values are the fewest that bound the 99th percentile from above at one-sided 95 %; with fewer the bound is infinite.

    Raises:
        InvalidInput: There are no values, one is not finite, or `quantile` is not between 0 and 1.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = ordered.size
    if n == 0 or not np.isfinite(ordered).all():
        raise InvalidInput(f"a quantile of {n} values of which some are not finite, or of none, is undefined")
    if not 0.0 < quantile < 1.0:
        raise InvalidInput(f"the quantile {quantile} is none; it lies between 0 and 1, for example 0.99")
    alpha = (1 - check_confidence(confidence)) / 2
    at_most = scipy.special.bdtr(np.arange(n), n, quantile)  # P(Binomial <= r - 1) for r = 1..n
    above = np.flatnonzero(at_most >= 1 - alpha)
    below = np.flatnonzero(at_most <= alpha)
    return Interval(
        float(ordered[max(math.ceil(quantile * n) - 1, 0)]),
        float(ordered[below[-1]]) if below.size else -math.inf,
        float(ordered[above[0]]) if above.size else math.inf,
    )


def bootstrap(statistic: Statistic, n: int, *, rng: np.random.Generator, resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """Return `statistic` of `resamples` draws of n rows with replacement (Efron 1979); undefined ones are NaN.

    Raises:
        InvalidInput: `n` or `resamples` is below 2.
    """
    if n < 2 or resamples < 2:
        raise InvalidInput(f"{resamples} resamples of {n} rows tell nothing; at least 2 of each")
    return np.array([statistic(rng.integers(0, n, size=n)) for _ in range(resamples)], dtype=np.float64)


def bootstrap_percentile(
    statistic: Statistic, n: int, *, rng: np.random.Generator, resamples: int = 2 * RESAMPLES, confidence: float = 0.95
) -> Interval:
    """Return the percentile bootstrap interval of `statistic`.

    A resample on which the statistic is undefined (NaN) counts as the worst for each bound: a few widen the interval, many
    make it infinite, and none is dropped in silence.

    Raises:
        InvalidInput: Fewer than TAIL_RESAMPLES_MIN resamples would lie beyond each bound.
    """
    alpha = (1 - check_confidence(confidence)) / 2
    if resamples * alpha < TAIL_RESAMPLES_MIN:
        needed = math.ceil(TAIL_RESAMPLES_MIN / alpha)
        raise InvalidInput(f"{resamples} resamples cannot show the tails of a {confidence} interval; at least {needed} can")
    drawn = bootstrap(statistic, n, rng=rng, resamples=resamples)
    undefined = np.isnan(drawn)
    low = np.quantile(np.where(undefined, -np.inf, drawn), alpha, method="lower")
    high = np.quantile(np.where(undefined, np.inf, drawn), 1 - alpha, method="higher")
    return Interval(statistic(np.arange(n)), float(low), float(high))


def rows_for_share(
    successes: float, n: float, limit: float, *, confidence: float, method: Callable[..., Interval] = clopper_pearson
) -> int | None:
    """Return how many rows would put `limit` outside the interval, if the share stays what it is.

    Returns:
        Whole rows, `n` or more, or None if the share is the limit itself or ROWS_PLANNED_MAX rows would not do.

    Raises:
        InvalidInput: The counts are no proportion, or the confidence is none.

    >>> rows_for_share(0, 100, 0.01, confidence=0.90)  # ln 0.05 / ln 0.99
    299
    """
    check_counts(successes, n)
    share = successes / n

    def settles(rows: int) -> bool:
        found = method(share * rows, rows, confidence=confidence)
        return found.high <= limit or found.low > limit

    return None if share == limit else first_rows(settles, math.ceil(n))


def first_rows(settles: Callable[[int], bool], n: int) -> int | None:
    """Return the fewest rows from `n` up that settle it, where more of them settle it, too; None if ROWS_PLANNED_MAX would not do."""
    high = n
    while not settles(high):
        high *= 2
        if high > ROWS_PLANNED_MAX:
            return None
    low = n - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settles(middle) else (middle, high)
    return high


def rows_for_bound(n: int, estimate: float, bound: float, limit: float, *, fixed: float = 0.0) -> int | None:
    """Return how many rows in all would bring a bound to a limit, if the estimate stays where it is.

    The bound comes nearer to the estimate with the square root of the rows; `fixed` of the way between them is no noise of rows and
    stays.

    Returns:
        Whole rows, above `n`, or None if the estimate is the limit, or nearer to it than `fixed`, or ROWS_PLANNED_MAX rows would not do.

    >>> rows_for_bound(100, 0.05, 0.15, 0.10), rows_for_bound(100, 0.05, 0.15, 0.10, fixed=0.05)
    (400, None)
    """
    way, distance = abs(bound - estimate) - fixed, abs(limit - estimate) - fixed
    if distance <= 0 or way > distance * math.sqrt(ROWS_PLANNED_MAX / n):
        return None
    return max(n + 1, math.ceil(n * (way / distance) ** 2 - 1e-6))  # a float above a whole number is no row more
