"""Calibration error: how far probabilities are from the frequencies that they announce."""

import math

import numpy as np
from numpy.typing import NDArray

from incumbent.base.errors import InvalidInput
from incumbent.stats.comparison import Estimate
from incumbent.stats.intervals import bootstrap, normal_quantile
from incumbent.stats.paired import bootstrap_se

BINS = 15
Probabilities = NDArray[np.float64]
Truth = NDArray[np.bool_]


def _bin_of_each(truth: Truth, probabilities: Probabilities, bins: int) -> NDArray[np.intp]:
    """Bins of equal mass (their edges are quantiles, ties collapse them): with equal widths most rows can fall into one."""
    if probabilities.ndim != 1 or probabilities.shape != truth.shape or probabilities.size == 0 or bins < 1:
        raise InvalidInput(f"{probabilities.shape} probabilities, {truth.shape} truths and {bins} bins do not go together")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise InvalidInput("a probability is NaN or outside 0 to 1")
    edges = np.unique(np.quantile(probabilities, np.arange(1, bins) / bins, method="inverted_cdf"))
    return np.searchsorted(edges, probabilities, side="left")


def _gaps(truth: Truth, probabilities: Probabilities, where: NDArray[np.intp]) -> tuple[NDArray[np.float64], ...]:
    """(rows, mean truth minus mean probability, mean truth) of each bin that has rows."""
    n = np.bincount(where)
    full = n > 0
    rows = n[full].astype(np.float64)
    observed = np.bincount(where, weights=truth)[full] / rows
    announced = np.bincount(where, weights=probabilities)[full] / rows
    return rows, observed - announced, observed


def plugin_ece(truth: Truth, probabilities: Probabilities, *, bins: int = BINS) -> float:
    """Return the expected calibration error as it is usually computed: sum_b w_b |mean p - mean y|.

    It is biased upwards: a perfectly calibrated model has about 0.3 * sqrt(bins / m), so compare `calibration_error` with limits.

    Raises:
        InvalidInput: The shapes differ, there are no rows, or a probability is outside 0 to 1.
    """
    rows, gap, _ = _gaps(truth, probabilities, _bin_of_each(truth, probabilities, bins))
    return float((rows / rows.sum()) @ np.abs(gap))


def _debiased_square(truth: Truth, probabilities: Probabilities, where: NDArray[np.intp]) -> float:
    rows, gap, observed = _gaps(truth, probabilities, where)
    noise = observed * (1 - observed) / np.maximum(rows - 1, 1)
    return float((rows / rows.sum()) @ (gap * gap - noise))


def calibration_error(truth: Truth, probabilities: Probabilities, *, alpha: float, rng: np.random.Generator, bins: int = BINS) -> Estimate:
    """Return the debiased calibration error (Kumar, Liang and Ma 2019), root of sum_b w_b [(p_b - y_b)^2 - y_b (1 - y_b) / (n_b - 1)].

    The bracket takes off what the sampling of the truth adds, so a calibrated model has 0 on average at any m; below 0 it is
    reported as 0. The bounds are the estimate's on the square's own scale, with the bootstrap's standard error: resampling adds
    noise to every bin once more, so its percentiles would sit too high.

    Args:
        truth: True where the row is positive, shape (m,).
        probabilities: Of being positive, shape (m,), 0 to 1.
        alpha: One-sided level of each bound.
        rng: The caller's chance.
        bins: Bins of equal mass.

    Raises:
        InvalidInput: The shapes differ, there are fewer than two rows, or a probability is outside 0 to 1.
    """
    where = _bin_of_each(truth, probabilities, bins)
    square = _debiased_square(truth, probabilities, where)
    drawn = bootstrap(lambda rows: _debiased_square(truth[rows], probabilities[rows], where[rows]), truth.size, rng=rng)
    se = bootstrap_se(drawn)
    half = normal_quantile(1 - alpha) * se
    value, low, high = (math.sqrt(max(0.0, number)) for number in (square, square - half, square + half))
    return Estimate(value, low, high, truth.size, _variance_of_root(value, se, truth.size))


def _variance_of_root(value: float, se: float, m: int) -> float:
    """Delta method where the root is smooth, else the root of the noise itself."""
    return m * (se / (2 * value)) ** 2 if value * value > se else m * se
