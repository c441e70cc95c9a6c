"""The primary rule: does the challenger beat the champion by the margin, beyond the noise of the difference.

    promote    <=>  lower bound of (challenger - champion) > margin         passed
                    upper bound <= margin                                   failed
                    otherwise                                               undecided, with the rows that would settle it

The difference is turned so that more is better. The bounds are those of the same rows answered by both models. Where the Ladder prices
reuse, a challenger that climbed a rung is judged by all digits, and told to 1/m.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import cast

import numpy as np

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.gates.champion import noise_margin
from incumbent.gates.holdout import ladder
from incumbent.gates.holdout_rule import HoldoutRule, Reuse
from incumbent.gates.level import Level
from incumbent.gates.policy import PrimaryRule
from incumbent.gates.sample import HoldoutSample, Scored
from incumbent.gates.thresholdout import ANSWERED_BY, judge_thresholdout
from incumbent.gates.verdict import NOISE_UNKNOWN, Outcome, RuleResult, tell_needed
from incumbent.stats.comparison import compare, rows_short, tell_short
from incumbent.stats.metrics import METRICS
from incumbent.stats.paired import PairedDifference


def judge_primary(
    rule: PrimaryRule, scored: Scored, *, level: Level, holdout: HoldoutRule, sample: HoldoutSample, rng: np.random.Generator
) -> RuleResult:
    """Return whether the challenger beats the champion.

    Raises:
        InvalidInput: The metric is undefined on the holdout, or Thresholdout has no gain on training rows to compare with.
    """
    name, metric = f"primary {rule.metric}", METRICS[rule.metric]
    if scored.challenger.problem is not None:
        return RuleResult(name, "failed", f"the challenger cannot be scored: {scored.challenger.problem}")
    m, answers = int(scored.truth.size), scored.challenger.by_kind[metric.needs]
    mine = metric.function(scored.truth, answers)
    if scored.champion is None:
        return _unopposed(name, rule.metric, mine, m, reuse=holdout.reuse)
    incumbents = scored.champion.by_kind[metric.needs]
    theirs = metric.function(scored.truth, incumbents)
    short = rows_short(metric, scored.truth)
    if short:
        return RuleResult(name, "undecided", tell_short(rule.metric, metric, scored.truth), n=m, rows_needed=short)
    _check_defined(rule.metric, m, mine, theirs)
    tell = partial(_round_to_rows, m=m) if holdout.reuse == "ladder" else float
    margin = noise_margin(tell(theirs), m) if rule.margin == "noise" else rule.margin
    paired = compare(metric, scored.truth, incumbents, answers, rng=rng)
    if holdout.thresholdout is not None:
        return judge_thresholdout(name, paired, sample.reused, rule=holdout.thresholdout, margin=margin, level=level)
    facts: dict[str, Json] = {
        "champion": tell(theirs), "challenger": tell(mine), "margin": margin,
        "alpha": level.alpha, "method": rule.method, "look": level.note,
    }  # fmt: skip
    if paired.discordant is not None:
        facts["only_challenger_right"], facts["only_champion_right"] = paired.discordant
    if holdout.reuse == "ladder":
        best = sample.rung.best if sample.rung.best is not None else metric.sign * tell(theirs)
        if not math.isfinite(paired.se):  # nobody can say whether it climbed, so nothing of it is told
            return _judge_paired(name, paired, margin, level, {})
        step = ladder(best, metric.sign * mine, se=paired.se, m=m)
        if not step.improved:
            return _no_rung(name, best, level, m)
        facts["ladder_best"] = step.released
    if rule.method == "points":
        return _judge_points(name, metric.sign * (mine - theirs), m, level, facts, tell=tell)
    return _judge_paired(name, paired, margin, level, facts, tell=tell)


def _round_to_rows(value: float, *, m: int) -> float:
    """Return a score as the Ladder releases it, which is what its promise rests on: each further digit is a look for nothing."""
    return round(value * m) / m


def _check_defined(metric: str, m: int, *values: float) -> None:
    if not all(map(math.isfinite, values)):
        raise InvalidInput(f"{metric} is undefined on these {m:,} rows: the truth never varies; register another holdout")


def _unopposed(name: str, metric: str, mine: float, m: int, *, reuse: Reuse) -> RuleResult:
    """Nobody is to be beaten. A score to all its digits would be a free look at what the Ladder and Thresholdout sell dear."""
    _check_defined(metric, m, mine)
    if reuse != "spend":
        reason = "the slot has no champion, so there is nothing to beat; what the holdout says of the challenger is kept back"
        free = {ANSWERED_BY: "nobody"} if reuse == "thresholdout" else {}  # beside the Ladder guardrails tell what they measure
        return RuleResult(name, "passed", reason, n=m, facts={"reuse": reuse, **free})
    reason = f"the slot has no champion, so there is nothing to beat; {metric} of the challenger is {mine:.6g} on {m:,} rows"
    return RuleResult(name, "passed", reason, mine, n=m)


def _no_rung(name: str, best: float, level: Level, m: int) -> RuleResult:
    """Nothing is told but that it was not better: what the Ladder keeps back is what a lucky series would feed on."""
    reason = f"does not beat the best score that this holdout has given ({best:.6g}, more is better) by one standard error; {level.note}"
    return RuleResult(name, "failed", reason, n=m, facts={"ladder_best": best})


def _judge_points(
    name: str, gain: float, m: int, level: Level, facts: dict[str, Json], *, tell: Callable[[float], float] = float
) -> RuleResult:
    margin = cast(float, facts["margin"])
    beats, gain = gain > margin, tell(gain)
    note = level.note.split(":")[0]
    reason = f"gain {gain:+.6g} is {'above' if beats else 'not above'} the margin {margin:.6g} on points (EQ V7.3), noise aside; {note}"
    return RuleResult(name, "passed" if beats else "failed", reason, gain, n=m, facts=facts)


def _judge_paired(
    name: str,
    paired: PairedDifference,
    margin: float,
    level: Level,
    facts: dict[str, Json],
    *,
    tell: Callable[[float], float] = float,
) -> RuleResult:
    if not math.isfinite(paired.se):
        return RuleResult(name, "undecided", f"{NOISE_UNKNOWN} ({paired.method} on {paired.m:,} rows)", n=paired.m, facts=facts)
    low, high = paired.low(level.alpha), paired.high(level.alpha)
    gain, least, most = tell(paired.difference), tell(low), tell(high)
    found = f"gain {gain:+.6g}, {least:+.6g} to {most:+.6g} by {paired.method} on {paired.m:,} rows"
    outcome: Outcome
    needed: int | None = None
    if paired.exceeds(margin, level.alpha):
        outcome, says = "passed", f"all of it above the margin {margin:.6g}"
    elif high <= margin:
        outcome, says = "failed", f"none of it above the margin {margin:.6g}"
    else:
        outcome = "undecided"
        needed = paired.rows_to_settle(margin, level.alpha)
        says = f"which spans the margin {margin:.6g}"
        if low > margin:
            apart = f"{sum(paired.discordant or ()):,} rows that tell the two apart"
            says = f"all of it above the margin {margin:.6g}, but on {apart} McNemar's exact test is open"
        says += f"; {tell_needed(needed)}"
    reason = f"{found}, {says}; {level.note}"
    return RuleResult(name, outcome, reason, gain, least, most, paired.m, needed, facts)
