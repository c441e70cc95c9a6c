"""The population stability index: how far a window's shares are from the baseline's."""

import math

import numpy as np
import scipy
from numpy.typing import NDArray

from incumbent.base.errors import InvalidInput


def psi(expected: NDArray[np.int64], actual: NDArray[np.int64]) -> float:
    """Return the population stability index of `actual` against `expected`.

    PSI = sum_i (a_i - e_i) * ln(a_i / e_i), e_i and a_i the shares of bin i (EQ V7.4). Symmetric; 0 if and only if the
    shares agree. The cut-offs 0.10 and 0.25 ignore sample size: without drift, N and M rows in B bins give about
    (B - 1) * (1/N + 1/M) (Yurdakul and Naranjo 2020), so 200 rows against 200 cross 0.10 by luck about one time in three.

    Args:
        expected: Baseline counts per bin, shape (B,), B >= 2, every count >= 1.
        actual: Window counts over the same bins, shape (B,), every count >= 1.

    Returns:
        PSI in nats, >= 0.

    Raises:
        InvalidInput: The shapes differ, or a bin is empty on either side (merge bins first).

    >>> round(psi(np.array([250, 250, 250, 250]), np.array([20, 40, 60, 80])), 3)
    0.228
    """
    return float(psi_terms(expected, actual).sum())


def psi_terms(expected: NDArray[np.int64], actual: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what each bin adds to the PSI, shape (B,), in nats, each >= 0: the bins that moved stand out.

    Raises:
        InvalidInput: As for `psi`.
    """
    baseline, window = np.asarray(expected), np.asarray(actual)
    if baseline.ndim != 1 or baseline.shape != window.shape or baseline.size < 2:
        raise InvalidInput(f"PSI compares two rows of counts over the same two or more bins, not {baseline.shape} and {window.shape}")
    for name, counts in (("expected", baseline), ("actual", window)):
        if counts.dtype.kind not in "iu":
            raise InvalidInput(f"{name} holds {counts.dtype}; PSI takes counts (whole numbers), which tell how many rows there were")
        if counts.min() < 1:
            raise InvalidInput(f"bin {int(counts.argmin())} of {name} holds {counts.min()} rows; merge bins until every one has some")
    e, a = baseline / baseline.sum(), window / window.sum()
    terms: NDArray[np.float64] = (a - e) * np.log(a / e)
    return terms


def psi_floor(n: int, m: int, bins: int, *, alpha: float) -> float:
    """Return the PSI that `n` and `m` rows of one distribution exceed with probability `alpha`.

    Without drift PSI / (1/n + 1/m) is about chi-square with bins - 1 degrees of freedom (Yurdakul and Naranjo 2020), where each
    bin is expected to have 5 rows or more.

    Raises:
        InvalidInput: There are no rows on a side, fewer than two bins, or alpha is not between 0 and 1.

    >>> round(psi_floor(200, 200, 10, alpha=0.05), 3)  # 16.919 * (1/200 + 1/200)
    0.169
    """
    if n < 1 or m < 1 or bins < 2 or not 0 < alpha < 1 or not math.isfinite(alpha):
        raise InvalidInput(f"{n} and {m} rows in {bins} bins at {alpha} have no noise floor: rows on both sides, two bins, 0 < alpha < 1")
    return float(scipy.special.chdtri(bins - 1, alpha)) * (1 / n + 1 / m)
