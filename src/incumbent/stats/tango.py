"""Two models right or wrong on the same rows, at any margin: Tango's score statistic and the bounds that are its inversion.

    T(delta) = (n01 - n10 - m delta) / sqrt(m (2 q + delta (1 - delta)))        (Tango 1998)

q is the likeliest share of rows where only the champion is right if the true difference is delta. At delta = 0 it is McNemar's statistic
without correction. A bound at level alpha is where T crosses the normal quantile, so bound and test never disagree; with no row that
tells the models apart the bounds are still z^2 / (m + z^2) away from 0, as Wilson's for 0 of m are.
"""

import math

import scipy

from incumbent.stats.intervals import normal_quantile

_WIDTH = 1e-13


def variance_at(n01: int, n10: int, m: int, margin: float) -> float:
    """Return the variance of the difference on one row, 2 q + delta (1 - delta), if the true difference is `margin`.

    q solves 2 m q^2 + B q - n10 delta (1 - delta) = 0 with B = (2 m - n01 + n10) delta - n01 - n10: the likelihood's derivative.

    Args:
        n01: Rows where only the challenger is right.
        n10: Rows where only the champion is right.
        m: All rows.
        margin: From -1 to 1.
    """
    spread = margin * (1 - margin)
    b, c = (2 * m - n01 + n10) * margin - n01 - n10, -n10 * spread
    root = abs(b) if c == 0 else math.sqrt(max(b * b - 8 * m * c, 0.0))  # a square of a tiny margin would be 0
    share = (root - b) / (4 * m) if b <= 0 else -2 * c / (b + root)  # the form that does not subtract like from like
    return max(2 * share + spread, 0.0)


def score_statistic(n01: int, n10: int, m: int, margin: float) -> float:
    """Return T at a margin: above the normal quantile, the true difference is above the margin. Arguments as in `variance_at`.

    >>> round(score_statistic(25, 10, 100, 0.0), 6)  # McNemar: 15 / sqrt(35)
    2.535463
    """
    above, noise = n01 - n10 - m * margin, math.sqrt(m * variance_at(n01, n10, m, margin))
    if noise > 0:
        return above / noise
    return math.copysign(math.inf, above) if above else 0.0


def score_low(n01: int, n10: int, m: int, alpha: float) -> float:
    """Return the bound that the true difference is below with probability about `alpha` (less than 1/2), from -1 up.

    The upper bound is the lower one of the same rows seen from the other side: -score_low(n10, n01, m, alpha).

    >>> round(score_low(1, 7, 21, 0.025), 3), round(-score_low(7, 1, 21, 0.025), 3)
    (-0.517, -0.026)
    """
    z = normal_quantile(1 - alpha)
    if n10 == m:  # T falls as the margin rises, from infinity at -1 but for this
        return -1.0
    return float(scipy.optimize.bisect(lambda margin: score_statistic(n01, n10, m, margin) - z, -1.0, (n01 - n10) / m, xtol=_WIDTH))
