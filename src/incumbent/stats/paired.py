"""Two models on the same rows: what differs between them, with the noise of the difference and not of either model.

Both models meet the same easy and hard rows, so the noise of their difference is far below that of two separate samples. The
difference is always challenger minus champion.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from incumbent.base.errors import InvalidInput
from incumbent.stats.intervals import RESAMPLES, ROWS_PLANNED_MAX, bootstrap, first_rows, normal_quantile
from incumbent.stats.tango import score_low, score_statistic, variance_at

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Challenger minus champion on the same rows.

    Attributes:
        difference: In the metric's own unit.
        se: Standard error of the difference.
        m: Rows compared.
        method: How its noise was found, for people: "paired mean", "DeLong", "paired bootstrap", "Tango's score".
        discordant: For right and wrong: rows where only the challenger is right, rows where only the champion is. Bounds and p-values
            are then Tango's (stats/tango.py), which hold for few such rows, too; elsewhere they are normal.
    """

    difference: float
    se: float
    m: int
    method: str
    discordant: tuple[int, int] | None = None

    def low(self, alpha: float) -> float:
        """Return the bound that the true difference is below with probability about `alpha`."""
        if self.discordant is not None:
            return score_low(*self.discordant, self.m, alpha)
        return self.difference - normal_quantile(1 - alpha) * self.se

    def high(self, alpha: float) -> float:
        """Return the bound that the true difference is above with probability about `alpha`."""
        if self.discordant is not None:
            return -score_low(*self.discordant[::-1], self.m, alpha)
        return self.difference + normal_quantile(1 - alpha) * self.se

    def exceeds(self, margin: float, alpha: float) -> bool:
        """Tell whether the true difference is above `margin`, wrong with probability at most about `alpha`.

        For right and wrong and a margin from 0 up the exact McNemar test must agree: with few discordant rows the score is too sure.
        """
        return self.low(alpha) > margin and not self.is_held_back(margin, alpha)

    def is_held_back(self, margin: float, alpha: float) -> bool:
        """Tell whether there are too few discordant rows to exceed `margin`, whatever the bound says."""
        return self.discordant is not None and margin >= 0 and mcnemar_better(*self.discordant) > alpha

    def rows_to_settle(self, margin: float, alpha: float) -> int | None:
        """Return about how many more such rows would show on which side of `margin` the true difference lies; None if no number would."""
        if self.discordant is None:
            total = rows_to_resolve(self.m * self.se**2, self.difference - margin, alpha=alpha)
        else:
            total = rows_to_resolve(variance_at(*self.discordant, self.m, margin), self.difference - margin, alpha=alpha)
        if total is not None and self.difference > margin and self.is_held_back(margin, alpha):
            least = first_rows(lambda rows: mcnemar_better(*self._scaled(rows)) <= alpha, self.m)
            total = None if least is None else max(total, least)
        return None if total is None else max(1, total - self.m)

    def _scaled(self, rows: int) -> tuple[int, int]:
        """Return the discordant rows of so many rows in all, rounded against the challenger."""
        n01, n10 = self.discordant or (0, 0)
        return n01 * rows // self.m, -(-n10 * rows // self.m)

    def p_not_above(self, margin: float) -> float:
        """Return the one-sided p-value of "the true difference is at most `margin`".

        >>> round(paired_counts(25, 10, 100).p_not_above(0.0), 6)  # McNemar: z = 15 / sqrt(35)
        0.005615
        """
        if self.discordant is not None:
            return float(scipy.special.ndtr(-score_statistic(*self.discordant, self.m, margin)))
        if self.se == 0:
            return 0.0 if self.difference > margin else 1.0
        return float(scipy.special.ndtr(-(self.difference - margin) / self.se))


@dataclass(frozen=True, slots=True)
class McNemar:
    """Two-sided p-values of "both models are right equally often", from the rows where just one is right."""

    exact: float
    mid_p: float
    chi2_cc: float
    chi2_cc_p: float


def _check_pairs(n01: int, n10: int, m: int) -> None:
    if min(n01, n10) < 0 or m < 1 or n01 + n10 > m:
        raise InvalidInput(f"{n01} and {n10} discordant rows of {m} cannot be: both >= 0, and their sum at most m >= 1")


def mcnemar(n01: int, n10: int) -> McNemar:
    """Return McNemar's tests (McNemar 1947; mid-p: Fagerland et al. 2013; chi-square with Edwards' correction).

    Args:
        n01: Rows where only the challenger is right.
        n10: Rows where only the champion is right.

    Raises:
        InvalidInput: A count is negative.

    >>> round(mcnemar(10, 25).exact, 9)
    0.016673848
    """
    if min(n01, n10) < 0:
        raise InvalidInput(f"{n01} and {n10} discordant rows cannot be: both are counts")
    n, k = n01 + n10, min(n01, n10)
    if n == 0:
        return McNemar(1.0, 1.0, 0.0, 1.0)
    tail = float(scipy.special.bdtr(k, n, 0.5))
    at = tail - (float(scipy.special.bdtr(k - 1, n, 0.5)) if k else 0.0)
    chi2 = max(abs(n01 - n10) - 1, 0) ** 2 / n
    return McNemar(min(1.0, 2 * tail), min(1.0, 2 * tail - at), chi2, float(scipy.special.chdtrc(1, chi2)))


def mcnemar_better(n01: int, n10: int) -> float:
    """Return the exact one-sided p-value of "the challenger is right no more often", P(Binomial(n01 + n10, 1/2) >= n01).

    >>> mcnemar_better(3, 0)
    0.125
    """
    _check_pairs(n01, n10, max(n01 + n10, 1))
    return 1.0 if n01 == 0 else float(scipy.special.bdtrc(n01 - 1, n01 + n10, 0.5))


def paired_counts(n01: int, n10: int, m: int, *, pseudo: float = 0.0) -> PairedDifference:
    """Return the difference of two proportions on the same m rows: d = (n01 - n10) / m, se = sqrt(((n01 + n10) / m - d^2) / m).

    Args:
        n01: Rows where only the challenger is right.
        n10: Rows where only the champion is right.
        m: All rows.
        pseudo: Added to each of the four cells before the standard error; 0.5 (Agresti and Min 2005) keeps it above zero when
            the models never differ, which m rows cannot prove. Difference and bounds are as they are without.

    Raises:
        InvalidInput: The counts cannot be.
    """
    _check_pairs(n01, n10, m)
    rows = m + 4 * pseudo
    variance = (n01 + n10 + 2 * pseudo) / rows - ((n01 - n10) / rows) ** 2
    return PairedDifference((n01 - n10) / m, math.sqrt(max(variance, 0.0) / rows), m, "Tango's score", (n01, n10))


def paired_mean(champion: Floats, challenger: Floats) -> PairedDifference:
    """Return the difference of the means of two scores a row; for 0/1 scores it agrees with `paired_counts`.

    Args:
        champion: One score a row, shape (m,).
        challenger: The same rows in the same order, shape (m,).

    Raises:
        InvalidInput: The shapes differ, there are no rows, or a score is not finite.
    """
    first, second = _same_rows(champion, challenger)
    d = second - first
    return PairedDifference(float(d.mean()), float(d.std()) / math.sqrt(d.size), int(d.size), "paired mean")


def _same_rows(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or a.size == 0:
        raise InvalidInput(f"paired rows have one shape (m,) with m >= 1, not {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InvalidInput("a score is not finite (NaN or infinite); every row needs one from both models")
    return a, b


@dataclass(frozen=True, slots=True)
class DeLong:
    """Two areas under the ROC curve on the same rows, with their covariance.

    Attributes:
        auc: (champion, challenger).
        covariance: Shape (2, 2), same order.
        m: Rows.
    """

    auc: tuple[float, float]
    covariance: tuple[tuple[float, float], tuple[float, float]]
    m: int

    @property
    def difference(self) -> PairedDifference:
        """Challenger minus champion."""
        (v11, v12), (_, v22) = self.covariance
        return PairedDifference(self.auc[1] - self.auc[0], math.sqrt(max(v11 + v22 - 2 * v12, 0.0)), self.m, "DeLong")

    @property
    def z(self) -> float:
        """The difference in standard errors, 0 where both agree everywhere."""
        paired = self.difference
        return paired.difference / paired.se if paired.se > 0 else math.copysign(math.inf, paired.difference) if paired.difference else 0.0


def _midranks(values: Floats) -> Floats:
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle = last - (counts - 1) / 2
    ranks: Floats = middle[where].astype(np.float64)
    return ranks


def delong(truth: NDArray[np.bool_], champion: Floats, challenger: Floats) -> DeLong:
    """Compare two correlated AUCs (DeLong et al. 1988), by midranks in O(m log m) (Sun and Xu 2014).

    Args:
        truth: True where the row is positive, shape (m,).
        champion: Scores, higher means more positive, shape (m,).
        challenger: The same rows.

    Raises:
        InvalidInput: The shapes differ, a score is not finite, or a class has fewer than two rows.
    """
    scores = _same_rows(champion, challenger)
    positive = np.asarray(truth, dtype=np.bool_)
    if positive.shape != scores[0].shape:
        raise InvalidInput(f"the truth has shape {positive.shape}, the scores {scores[0].shape}")
    p, n = int(positive.sum()), int((~positive).sum())
    if min(p, n) < 2:
        raise InvalidInput(f"{p} positive and {n} negative rows: an AUC with its variance needs two of each")
    v10, v01 = np.empty((2, p)), np.empty((2, n))
    for index, score in enumerate(scores):
        ranks = _midranks(score)
        v10[index] = (ranks[positive] - _midranks(score[positive])) / n
        v01[index] = 1 - (ranks[~positive] - _midranks(score[~positive])) / p
    covariance = np.cov(v10) / p + np.cov(v01) / n
    (a, b), (c, d) = covariance.tolist()
    first, second = v10.mean(axis=1).tolist()
    return DeLong((first, second), ((a, b), (c, d)), p + n)


def paired_bootstrap(
    metric: Callable[[NDArray[np.intp], int], float], m: int, *, rng: np.random.Generator, resamples: int = RESAMPLES
) -> PairedDifference:
    """Return the difference of any metric, its standard error from resampling rows: both models meet the same draw.

    Args:
        metric: metric(rows, model) with model 0 the champion and 1 the challenger.
        m: Rows to draw from.
        rng: The caller's chance.
        resamples: Draws; see RESAMPLES.

    Returns:
        The difference; its standard error is infinite if the metric is undefined (NaN) on more than one draw in a hundred.

    Raises:
        InvalidInput: The metric is undefined on the rows themselves.
    """
    whole = np.arange(m)
    d = metric(whole, 1) - metric(whole, 0)
    if not math.isfinite(d):
        raise InvalidInput(f"the metric is undefined on these {m} rows")
    drawn = bootstrap(lambda rows: metric(rows, 1) - metric(rows, 0), m, rng=rng, resamples=resamples)
    return PairedDifference(d, bootstrap_se(drawn), m, "paired bootstrap")


def bootstrap_se(drawn: Floats) -> float:
    """Return the standard deviation of bootstrap draws; infinite if more than 1 % of them are undefined."""
    defined = drawn[np.isfinite(drawn)]
    return math.inf if defined.size < 0.99 * drawn.size else float(defined.std(ddof=1))


def rows_to_resolve(variance: float, gap: float, *, alpha: float, power: float = 0.80) -> int | None:
    """Return the rows with which a one-sided test at `alpha` sees a difference of `gap` with probability `power`.

    m = (z_alpha + z_beta)^2 * variance / gap^2. For two models right or wrong on the same rows the variance is the discordance:
    the share of rows where just one of them is right.

    Args:
        variance: Of the difference on one row.
        gap: True distance from the margin, in the metric's unit.
        alpha: One-sided level.
        power: Probability to see it.

    Returns:
        Whole rows, or None if there is no gap or no holdout could be so large.

    Raises:
        InvalidInput: The variance is negative or NaN, or the gap NaN.

    >>> rows_to_resolve(0.05, 0.005, alpha=0.025)
    15698
    """
    if math.isnan(gap) or not variance >= 0:
        raise InvalidInput(f"no plan follows from a variance of {variance} and a gap of {gap}")
    if gap == 0 or not math.isfinite(variance):
        return None
    rows = ((normal_quantile(1 - alpha) + normal_quantile(power)) / gap) ** 2 * variance
    return math.ceil(rows) if rows <= ROWS_PLANNED_MAX else None
