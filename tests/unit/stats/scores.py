"""Tango's statistic and interval the slow way: the likelihood maximised by a root finder, the bound read off a fine grid."""

import math

import numpy as np
from scipy import optimize, stats


def reference_statistic(n01, n10, m, delta):
    """The score of the trinomial likelihood at p01 = q + delta, p10 = q, with q where its derivative is 0, or at the end of its range."""
    rest, least, most = m - n01 - n10, max(0.0, -delta), (1 - delta) / 2

    def slope(q):
        """Of n01 ln(q + delta) + n10 ln q + rest ln(1 - 2 q - delta)."""
        parts = [(n01, q + delta, 1), (n10, q, 1), (rest, 1 - 2 * q - delta, -2)]
        return sum(count * sign / share for count, share, sign in parts if count)

    edge = (most - least) * 1e-12
    if slope(least + edge) <= 0:
        q = least
    elif slope(most - edge) >= 0:
        q = most
    else:
        q = optimize.brentq(slope, least + edge, most - edge, xtol=1e-15, rtol=1e-14)
    above, variance = n01 - n10 - m * delta, m * (2 * q + delta - delta**2)
    return above / math.sqrt(variance) if variance > 1e-12 else math.copysign(math.inf, above)


def reference_low(n01, n10, m, alpha):
    """Where the statistic falls below the quantile: on a grid of 0.005, then on finer ones within the cell."""
    z, low, high = stats.norm.ppf(1 - alpha), -1.0, (n01 - n10) / m
    if n10 == m:
        return -1.0
    for _ in range(6):
        grid = np.linspace(low, high, 402)[1:-1]
        below = [delta for delta in grid if reference_statistic(n01, n10, m, delta) < z]
        step = grid[1] - grid[0]
        high = below[0] if below else high
        low = max(low, high - 1.01 * step)
    return (low + high) / 2


def reference_bounds(n01, n10, m, alpha):
    """(difference, low, high)."""
    return (n01 - n10) / m, reference_low(n01, n10, m, alpha), -reference_low(n10, n01, m, alpha)
