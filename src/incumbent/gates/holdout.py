"""The price of asking one holdout again: each look is paid for, so that the best of many equal challengers does not win by luck.

With 100 equal challengers on one holdout an unpaid 95 % rule promotes one of them four times in five. Three prices:

    spend         look k is judged at alpha * 6 / (pi^2 k^2); the looks' levels sum to alpha, however many there are.
    ladder        an answer is released only if it beats the best released by one standard error (Blum and Hardt 2015).
    thresholdout  the training set answers for as long as it agrees with the holdout (Dwork et al. 2015).
"""

import math
from dataclasses import dataclass

from incumbent.base.errors import InvalidInput


def alpha_of_look(alpha: float, look: int) -> float:
    """Return the one-sided level at which look number `look` is judged, alpha * 6 / (pi^2 look^2).

    The sum over all looks is alpha (Basel problem), so the chance of even one false promotion stays below it.

    Raises:
        InvalidInput: `look` is below 1, or `alpha` not between 0 and 1.

    >>> round(alpha_of_look(0.05, 1), 4), round(alpha_of_look(0.05, 3), 4)
    (0.0304, 0.0034)
    """
    if look < 1 or not 0.0 < alpha < 1.0:
        raise InvalidInput(f"look {look} at level {alpha} cannot be priced: looks count from 1, a level lies between 0 and 1")
    return alpha * 6 / (math.pi**2 * look**2)


@dataclass(frozen=True, slots=True)
class LadderAnswer:
    """What the Ladder lets out.

    Attributes:
        released: The best score that the holdout has given so far; it is the same as before unless improved.
        improved: Whether this model climbed the next rung.
    """

    released: float
    improved: bool


def ladder(best: float, score: float, *, se: float, m: int) -> LadderAnswer:
    """Answer by the parameter-free Ladder (Blum and Hardt 2015, figure 2).

    The score is released only if it exceeds the best released by more than one standard error of the paired difference, and then
    rounded to 1/m. All that an analyst learns otherwise is that it did not.

    Args:
        best: Best released so far, higher is better; for the first model the champion's own score.
        score: Of this model on the holdout.
        se: Standard error of the paired difference, sd / sqrt(m).
        m: Rows of the holdout.

    Raises:
        InvalidInput: A number is not finite, `se` is negative or `m` below 1.

    >>> ladder(0.80, 0.805, se=0.01, m=1000)
    LadderAnswer(released=0.8, improved=False)
    """
    if not (math.isfinite(best) and math.isfinite(score) and math.isfinite(se)) or se < 0 or m < 1:
        raise InvalidInput(f"no rung follows from best {best}, score {score}, standard error {se} and {m} rows")
    if score > best + se:
        return LadderAnswer(round(score * m) / m, True)
    return LadderAnswer(best, False)


@dataclass(frozen=True, slots=True)
class ThresholdoutAnswer:
    """An answer, and whether it used up some of the holdout's budget."""

    value: float
    costs_budget: bool


def thresholdout(
    train: float, holdout: float, *, threshold: float, noise: float, threshold_noise: float, answer_noise: float
) -> ThresholdoutAnswer:
    """Answer by Thresholdout (Dwork et al., Science 2015): from the training set unless the holdout plainly disagrees.

    A pure function: the caller draws the Laplace noise (scales 2 sigma for `threshold_noise`, 4 sigma for `noise`, sigma for
    `answer_noise`) and keeps the budget. `threshold_noise` stays the same until an answer cost budget; the others are fresh each time.

    Raises:
        InvalidInput: A number is not finite, or the threshold is not above 0.

    >>> thresholdout(0.60, 0.59, threshold=0.04, noise=0.0, threshold_noise=0.0, answer_noise=0.01)
    ThresholdoutAnswer(value=0.6, costs_budget=False)
    >>> thresholdout(0.60, 0.50, threshold=0.04, noise=0.0, threshold_noise=0.0, answer_noise=0.01)
    ThresholdoutAnswer(value=0.51, costs_budget=True)
    """
    if not all(map(math.isfinite, (train, holdout, threshold, noise, threshold_noise, answer_noise))) or threshold <= 0:
        raise InvalidInput("Thresholdout takes finite numbers and a threshold above 0")
    if abs(train - holdout) > threshold + threshold_noise + noise:
        return ThresholdoutAnswer(holdout + answer_noise, True)
    return ThresholdoutAnswer(train, False)


def draw_laplace(seed: bytes) -> float:
    r"""Return a draw from the Laplace distribution of scale 1, by the inverse of its distribution function.

    It depends on the seed alone and on no library's stream of chance, so it can be drawn again years later. 53 bits are used, so
    |x| stays below 37.

    Args:
        seed: 8 bytes or more that were drawn evenly, such as a digest; the first 8 are read.

    Raises:
        InvalidInput: The seed is shorter.

    >>> round(draw_laplace(b"\xc0" + bytes(7)), 6), round(draw_laplace(b"\x40" + bytes(7)), 6)
    (0.693147, -0.693147)
    """
    if len(seed) < 8:
        raise InvalidInput(f"{len(seed)} bytes are no seed; a draw takes 8")
    share = ((int.from_bytes(seed[:8], "big") >> 11) + 0.5) / 2**53
    return math.log(2 * share) if share < 0.5 else -math.log(2 * (1 - share))


def comparison_quantile(alpha: float) -> float:
    """Return what Lap(2) + Lap(4) exceeds with probability `alpha`: the noise of Thresholdout's comparison, in units of sigma.

    P(X > q) = (16 exp(-q / 4) - 4 exp(-q / 2)) / 24 for q >= 0; with u = exp(-q / 4) it is the quadratic u^2 - 4 u + 6 alpha = 0.

    Raises:
        InvalidInput: `alpha` is not above 0 and at most one half.

    >>> round(comparison_quantile(0.5), 6), round(comparison_quantile(0.025), 3)
    (0.0, 13.096)
    """
    if not 0.0 < alpha <= 0.5:
        raise InvalidInput(f"level {alpha} has no quantile above 0; a level lies above 0 and up to one half")
    u = 6 * alpha / (2 + math.sqrt(4 - 6 * alpha))  # the smaller root, in the form that loses no digits at small alpha
    return 4 * math.log(1 / u)
