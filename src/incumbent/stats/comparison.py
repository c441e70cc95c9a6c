"""A metric with its noise: of one model, and of the difference between two on the same rows.

This file alone decides which method belongs to which metric; METRICS says which it is.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from incumbent.base.errors import InvalidInput
from incumbent.stats.intervals import bootstrap, normal_quantile, wilson
from incumbent.stats.metrics import Array, Metric
from incumbent.stats.paired import PairedDifference, bootstrap_se, delong, paired_bootstrap, paired_counts, paired_mean

ROWS_MIN = 30
"""Below this a normal bound is not believed, whatever it says."""
CLASS_ROWS_MIN = 10
"""The same of the rarer class: with three positives DeLong's variance is of three rows, and a log loss or a bin hangs on each of them."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric of one model.

    Attributes:
        value: The metric, in its own unit and direction.
        low: Each bound holds at the one-sided level that was asked for.
        high: Infinite where the rows give no bound.
        n: Rows that it rests on (for a recall the positive ones).
        variance: Of one row; the squared standard error is variance / n.
    """

    value: float
    low: float
    high: float
    n: int
    variance: float


def rows_short(metric: Metric | None, truth: Array) -> int:
    """Return how many more rows the metric needs before its noise can be told at all; 0 if there are enough.

    A truth of yes and no needs CLASS_ROWS_MIN of the rarer: the rows where they are few are most of what varies, and no normal
    approximation, nor a bootstrap of them, knows how much. A plain share of right answers is the exception; it has bounds for few.
    With a class too rare the count assumes that its share stays as it is.

    Args:
        metric: None for what is no row of METRICS, such as a calibration error.
        truth: Shape (m,).
    """
    short, rare = max(0, ROWS_MIN - truth.size), _count_rarer(metric, truth)
    if rare is None or rare >= CLASS_ROWS_MIN:
        return short
    return max(short, math.ceil(CLASS_ROWS_MIN * truth.size / max(rare, 1)) - truth.size)


def tell_short(name: str, metric: Metric | None, truth: Array) -> str:
    """Return in words what `rows_short` asks for, for a metric of this name."""
    rare = _count_rarer(metric, truth)
    of, each = ("", "") if rare is None else (f", {rare:,} of them of the rarer class,", f" and {CLASS_ROWS_MIN} of each class")
    more = f"{rows_short(metric, truth):,} more rows"
    return f"{truth.size:,} rows{of} are too few to tell the noise of {name}: it takes {ROWS_MIN}{each}; about {more} are needed"


def _count_rarer(metric: Metric | None, truth: Array) -> int | None:
    """Return the rows of the rarer class; None where classes do not matter."""
    if (metric is not None and metric.comparison == "proportion") or truth.dtype != np.bool_:
        return None
    return min(int(truth.sum()), int((~truth).sum()))


def compare(metric: Metric, truth: Array, champion: Array, challenger: Array, *, rng: np.random.Generator) -> PairedDifference:
    """Return challenger minus champion on the same rows, turned so that above 0 means that the challenger is better.

    Right and wrong have Tango's bounds. Their standard error, for the Ladder and Thresholdout, has Agresti and Min's half row in each
    cell, so that models which never differ keep some doubt there, too.

    Raises:
        InvalidInput: The shapes differ, a value is not finite, or the metric is undefined on these rows.
    """
    sign = metric.sign
    if metric.comparison == "delong":
        return delong(truth, champion, challenger).difference
    if metric.per_row is not None:
        first, second = (sign * metric.per_row(truth, predicted) for predicted in (champion, challenger))
        if metric.comparison == "mean":
            return paired_mean(first, second)
        n01, n10 = int(((second == 1) & (first == 0)).sum()), int(((first == 1) & (second == 0)).sum())
        return paired_counts(n01, n10, first.size, pseudo=0.5)
    answers = (champion, challenger)

    def of_rows(rows: NDArray[np.intp], model: int) -> float:
        return sign * metric.function(truth[rows], answers[model][rows])

    return paired_bootstrap(of_rows, truth.size, rng=rng)


def estimate(metric: Metric, truth: Array, predicted: Array, *, alpha: float, rng: np.random.Generator) -> Estimate:
    """Return the metric of one model with bounds, each at one-sided `alpha`.

    Shares have Wilson's bounds, means their standard error, an AUC DeLong's variance, all others the bootstrap's.

    Raises:
        InvalidInput: The metric is undefined on these rows.
    """
    value, m = metric.function(truth, predicted), truth.size
    if not math.isfinite(value):
        raise InvalidInput(f"the metric is undefined on these {m} rows: the truth never varies")
    if metric.counts is not None:
        successes, n = metric.counts(truth, predicted)
        if n == 0:
            return Estimate(value, -math.inf, math.inf, 0, math.inf)
        bounds = wilson(successes, n, confidence=1 - 2 * alpha)
        return Estimate(value, bounds.low, bounds.high, n, value * (1 - value))
    if metric.comparison == "delong":
        return _auc_estimate(truth, predicted, alpha)
    if metric.per_row is not None:
        se = float(metric.per_row(truth, predicted).std()) / math.sqrt(m)
    else:
        se = bootstrap_se(bootstrap(lambda rows: metric.function(truth[rows], predicted[rows]), m, rng=rng))
    half = normal_quantile(1 - alpha) * se
    return Estimate(value, value - half, value + half, m, m * se * se)


def _auc_estimate(truth: Array, predicted: Array, alpha: float) -> Estimate:
    """DeLong's bounds; where a perfect (or worst) ranking has no variance, the bounds of that share of the rarer class."""
    found = delong(truth, predicted, predicted)
    value, se = found.auc[0], math.sqrt(max(found.covariance[0][0], 0.0))
    half = normal_quantile(1 - alpha) * se
    low, high = max(0.0, value - half), min(1.0, value + half)
    if se == 0:
        rare = min(int(truth.sum()), int((~truth).sum()))
        bounds = wilson(value * rare, rare, confidence=1 - 2 * alpha)
        low, high = bounds.low, bounds.high
    return Estimate(value, low, high, truth.size, truth.size * se * se)
