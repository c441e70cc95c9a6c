"""The primary rule where the training rows answer for the holdout (Thresholdout; Dwork et al. 2015, "The reusable holdout", Science).

The question is the gain of the challenger over the champion. It is measured on the challenger's training rows and on the holdout:

    they agree, within T and noise      the training rows answer; the holdout has told one bit, and no answer is spent
    they do not                         the holdout answers, with noise; one of its answers is spent
    the answers are used up             nobody answers, and the rule is undecided

What is answered is judged like any gain, by an interval that has room for all that it does not tell. With q the 1 - alpha / 2 quantile of
the noise and z that of the normal:

    the training rows answered    +/- (T + q(Lap(2 sigma) + Lap(4 sigma)) + z se)
    the holdout answered          +/- (q(Lap(sigma)) + z se)

alpha is the level of the look (`spend`), so the sum over all looks is bounded here too. What Thresholdout adds is that the numbers that
people see, and tune by, carry next to nothing of the holdout. Values and widths are told in coarse steps: a standard error to all its
digits would give the difference away to whoever knows how many rows the two models answer differently.
"""

import math
from dataclasses import dataclass

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.gates.holdout import comparison_quantile, thresholdout
from incumbent.gates.holdout_rule import ThresholdoutRule
from incumbent.gates.level import Level
from incumbent.gates.verdict import Outcome, RuleResult, tell_needed
from incumbent.stats.intervals import normal_quantile, rows_for_bound
from incumbent.stats.paired import PairedDifference

ANSWERED_BY = "answered_by"
FREE = ("training", "nobody")
"""Values of the fact `answered_by` of a look that cost the holdout no answer; the other is "holdout"."""


@dataclass(frozen=True, slots=True)
class LaplaceDraws:
    """The chance of one look, each from the Laplace distribution of scale 1.

    Attributes:
        threshold: Of T; the same until an answer was spent.
        comparison: Of the comparison; fresh at each look.
        answer: Of the holdout's answer; fresh at each look.
        entries: Numbers of the two ledger entries that they were drawn from: the look's, and the threshold's.
        seed_digest: Digest of the seeds: who draws again can show that it is the same.
    """

    threshold: float
    comparison: float
    answer: float
    entries: tuple[int, int]
    seed_digest: str


@dataclass(frozen=True, slots=True)
class Reused:
    """What Thresholdout needs to know beside the holdout.

    Attributes:
        training_gain: Challenger minus champion on the challenger's training rows, turned so that more is better; None without champion.
        answers: How many answers of the holdout are spent.
        answers_max: How many it has: the policy's, or fewer where fewer were allowed at an earlier look.
        draws: The noise.
    """

    training_gain: float | None
    answers: int
    answers_max: int
    draws: LaplaceDraws


def judge_thresholdout(
    name: str, paired: PairedDifference, reused: Reused | None, *, rule: ThresholdoutRule, margin: float, level: Level
) -> RuleResult:
    """Return whether the challenger beats the champion, by what Thresholdout lets out.

    Raises:
        InvalidInput: There is no gain on training rows, or it is no finite number.
    """
    if reused is None or reused.training_gain is None or not math.isfinite(reused.training_gain):
        raise InvalidInput("Thresholdout compares the holdout with the gain on training rows, and the sample has no such number")
    facts: dict[str, Json] = {
        "reuse": "thresholdout", "margin": margin, "alpha": level.alpha, "look": level.note, "agreement": rule.agreement,
        "noise": rule.noise, "noise_entries": [*reused.draws.entries], "noise_seed_digest": reused.draws.seed_digest,
        "answers_max": reused.answers_max,
    }  # fmt: skip
    left = reused.answers_max - reused.answers
    if left < 1:
        facts |= {ANSWERED_BY: "nobody", "answers": reused.answers}
        spent = f"the {reused.answers_max} answers that this holdout may give are used up ({reused.answers} looks took one)"
        reason = f"{spent}, so nothing is answered; register a fresh holdout and name it in the policy; {level.note}"
        return RuleResult(name, "undecided", reason, n=paired.m, facts=facts)
    if not math.isfinite(paired.se):
        facts |= {ANSWERED_BY: "nobody", "answers": reused.answers}
        return RuleResult(name, "undecided", f"the noise of the difference cannot be told on {paired.m:,} rows", n=paired.m, facts=facts)
    sigma, draws = rule.noise, reused.draws
    answer = thresholdout(
        reused.training_gain, paired.difference, threshold=rule.agreement, noise=4 * sigma * draws.comparison,
        threshold_noise=2 * sigma * draws.threshold, answer_noise=sigma * draws.answer,
    )  # fmt: skip
    sampling = _two_digits_up(normal_quantile(1 - level.alpha / 2) * paired.se)
    if answer.costs_budget:
        step = _step(sigma)
        value = round(answer.value / step) * step
        half = sampling + step / 2 + sigma * math.log(1 / level.alpha)  # P(Lap > q) = exp(-q) / 2, at alpha / 2
        facts |= {ANSWERED_BY: "holdout", "answers": reused.answers + 1}
        told = f"the holdout answered with noise of scale {sigma:g}, answer {reused.answers + 1} of {reused.answers_max}"
    else:
        value, half = answer.value, sampling + rule.agreement + sigma * comparison_quantile(level.alpha / 2)
        facts |= {ANSWERED_BY: "training", "answers": reused.answers}
        told = (
            f"the training rows answered: the holdout agrees within {rule.agreement:g} and noise of scale {sigma:g}, and {left} of its "
            f"{reused.answers_max} answers are left"
        )
    low, high = value - half, value + half
    outcome: Outcome = "passed" if low > margin else "failed" if high <= margin else "undecided"
    says = {"passed": "all of it above", "failed": "none of it above", "undecided": "which spans"}[outcome]
    needed = None
    if outcome == "undecided":  # computed from what is told, so it tells no more
        rows = rows_for_bound(paired.m, value, low if value > margin else high, margin, fixed=half - sampling)
        needed = None if rows is None else rows - paired.m
        told = f"{tell_needed(needed)}; {told}"
    reason = f"gain {value:+.6g}, {low:+.6g} to {high:+.6g} by Thresholdout, {says} the margin {margin:.6g}; {told}; {level.note}"
    return RuleResult(name, outcome, reason, value, low, high, paired.m, needed, facts)


def _step(sigma: float) -> float:
    """Return the step in which an answer of the holdout is told: a power of ten, at least 10 steps to sigma.

    Noise in a number of 53 bits could be taken off again by its last bits (Mironov 2012); a step far above them leaves none.
    """
    return float(10.0 ** (math.floor(math.log10(sigma)) - 1))


def _two_digits_up(number: float) -> float:
    """Return a number from 0 up, rounded up to two significant digits."""
    if number <= 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(number)) - 1)
    return float(math.ceil(number / step) * step) if step else number  # beside the least floats there is nothing to round to
