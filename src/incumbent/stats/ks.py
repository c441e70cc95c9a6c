"""The two-sample Kolmogorov-Smirnov test: how far two empirical distributions are apart, and how often luck does that."""

import math

import numpy as np
import scipy
from numpy.typing import NDArray

from incumbent.base.errors import InvalidInput


def ks(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float]:
    """Return (D, p): the largest gap of the two empirical distribution functions, and P(a gap so large | one distribution).

    p is Kolmogorov's limit at (sqrt(n) + 0.12 + 0.11 / sqrt(n)) D, n = N M / (N + M) (Stephens 1970). With ties it is too large
    rather than too small, so a test on it raises no more false alarms than it says.

    Args:
        first: Shape (N,), finite, N >= 1.
        second: Shape (M,), finite, M >= 1.

    Raises:
        InvalidInput: One is empty, or holds what is not finite.

    >>> d, p = ks(np.arange(0.0, 100.0), np.arange(50.0, 150.0))
    >>> d, p < 1e-9
    (0.5, True)
    """
    a, b = np.sort(np.asarray(first, dtype=np.float64)), np.sort(np.asarray(second, dtype=np.float64))
    if a.ndim != 1 or b.ndim != 1 or a.size == 0 or b.size == 0 or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InvalidInput(
            f"two rows of finite numbers are compared, not {a.shape} and {b.shape}, of which some are not finite or none are"
        )
    points = np.concatenate([a, b])
    gaps = np.abs(np.searchsorted(a, points, side="right") / a.size - np.searchsorted(b, points, side="right") / b.size)
    root = math.sqrt(a.size * b.size / (a.size + b.size))
    d = float(gaps.max())
    return d, float(scipy.special.kolmogorov((root + 0.12 + 0.11 / root) * d))
