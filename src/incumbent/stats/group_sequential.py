"""A comparison with a fixed horizon, looked at a few times on the way: O'Brien-Fleming boundaries by alpha spending.

At the share t of the horizon's rows 2 (1 - Phi(z / sqrt(t))) of alpha is spent, z the normal quantile of 1 - alpha / 2 (Lan and DeMets
1983): next to nothing early, nearly all at the end, so the last look costs little more than a test that was never looked at. Looks may
come at any rows, as traffic falls. The boundaries are found by integrating the density of what has not crossed yet (Armitage,
McPherson and Rowe 1969).
"""

import math
from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

from incumbent.base.errors import InvalidInput
from incumbent.stats.intervals import normal_quantile

LOOKS_MAX = 100
_NODES = 200
_TAIL = 9.0
"""Standard deviations beyond which a density is 0: Phi(-9) is 1e-19."""

Floats = NDArray[np.float64]


def spent(fraction: float, alpha: float) -> float:
    """Return how much of a one-sided `alpha` is spent at a share of the horizon.

    >>> [round(spent(t, 0.025), 6) for t in (0.25, 0.5, 1.0)]
    [7e-06, 0.001525, 0.025]
    """
    return float(2 * scipy.special.ndtr(-normal_quantile(1 - alpha / 2) / math.sqrt(min(fraction, 1.0))))


def obrien_fleming(fractions: Sequence[float], alpha: float) -> list[float]:
    """Return the z that the look at each share of the horizon asks for; a true zero reaches one of them with probability `alpha`.

    Args:
        fractions: Rows at each look over the rows of the horizon, rising, the last at most 1. A look's boundary does not depend on
            later looks, so looks yet to come may be left out.
        alpha: One-sided.

    Raises:
        InvalidInput: The fractions do not rise within (0, 1], or there are more than LOOKS_MAX.

    >>> [round(z, 3) for z in obrien_fleming([0.2, 0.4, 0.6, 0.8, 1.0], 0.025)]
    [4.877, 3.357, 2.68, 2.29, 2.031]
    """
    if (
        not 1 <= len(fractions) <= LOOKS_MAX
        or any(not a < b for a, b in zip([0.0, *fractions], fractions, strict=False))
        or fractions[-1] > 1
    ):
        raise InvalidInput(
            f"looks at {list(fractions)[:8]} of the horizon: from one to {LOOKS_MAX}, each later than the last, none beyond 1"
        )
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    places, masses = np.zeros(1), np.ones(1)  # what has not crossed, on the scale of Brownian motion: all at 0
    before, boundaries = 0.0, []
    for fraction in fractions:
        step = math.sqrt(fraction - before)
        price = spent(fraction, alpha) - (spent(before, alpha) if before else 0.0)
        boundary = _boundary(places, masses, step, math.sqrt(fraction), price)
        top, bottom = boundary * math.sqrt(fraction), -_TAIL * math.sqrt(fraction)
        grid = bottom + (top - bottom) * (nodes + 1) / 2
        density = np.exp(-(((grid[:, None] - places[None, :]) / step) ** 2) / 2) / (step * math.sqrt(2 * math.pi)) @ masses
        places, masses = grid, density * weights * (top - bottom) / 2
        before = fraction
        boundaries.append(boundary)
    return boundaries


def _boundary(places: Floats, masses: Floats, step: float, scale: float, price: float) -> float:
    """Return the z above which `price` of what is left crosses at this look."""

    def over(z: float) -> float:
        return float(masses @ scipy.special.ndtr((places - z * scale) / step)) - price

    return _TAIL if over(_TAIL) >= 0 or price <= 0 else float(scipy.optimize.brentq(over, -_TAIL, _TAIL, xtol=1e-10))
