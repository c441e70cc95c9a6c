"""The online gate: what live traffic says of a challenger, at any moment, from running sums.

    passed      the score's lower bound is above the limit and every guardrail holds: it may be promoted (a person still decides)
    failed      a guardrail is broken, or the score's upper bound is not above the limit: the rollout stops, its share goes back
    undecided   go on; each rule says how many rows more it needs

The verdict may be asked for as often as one likes: the bounds hold at all moments together (stats/sequential.py), and a fixed horizon
pays for its looks (stats/group_sequential.py). Guardrails share their level and stop a rollout by themselves; none of them promotes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.gates.online_rule import RATES_ONLINE, SUBGROUP, OnlineGuardrail, OnlineRule, OnlineScore
from incumbent.gates.tally import SCORE, Rollout
from incumbent.gates.verdict import Outcome, RuleResult, Verdict, combine
from incumbent.stats.group_sequential import LOOKS_MAX, obrien_fleming
from incumbent.stats.intervals import rows_for_share
from incumbent.stats.metrics import is_share
from incumbent.stats.sequential import Difference, share_sequence

COMPARED_ROWS_MIN = 500
"""Rows in each arm before a guardrail's comparison with the champion says anything, where no score has said how many."""
COMPARED_ROWS_TUNED = 5000


def judge_online(rule: OnlineRule, rollout: Rollout, *, quantiles: Mapping[str, float], looks: Sequence[int] = ()) -> Verdict:
    """Return the verdict on a rollout as it stands.

    Args:
        rule: [online] of the policy that was in force when it began.
        rollout: What it has counted.
        quantiles: Latency metric -> the share of answers that its ceiling is for.
        looks: For a fixed horizon: at how many rows its score was judged before, in order. Whoever asks keeps them.

    Raises:
        InvalidInput: The looks are none that this rollout can have had.
    """
    alpha = (1 - rule.guardrail_confidence) / max(len(rule.guardrails), 1)
    results = [_judge_score(rule.score, rollout, looks) if rule.score else _no_score()]
    for rail in rule.guardrails:
        if rail.metric == SUBGROUP:
            results.append(_judge_groups(rail, rule, rollout, alpha))
        elif rail.tolerance is not None:
            asked = _Asked(RATES_ONLINE[rail.metric], is_higher_better=False, is_share=True)
            results.append(_judge_tolerance(rail.name, rail.tolerance, asked, rule, rollout, alpha=alpha))
        else:
            results.append(_judge_ceiling(rail, rollout, alpha, quantiles))
    return combine(results)


def looks_after(rule: OnlineRule, rollout: Rollout, looks: Sequence[int]) -> tuple[int, ...]:
    """Return the looks to keep after a verdict: with a fixed horizon, the rows that it was judged at, if those are new."""
    if rule.score is None or rule.score.horizon_rows is None or rollout.rows(SCORE) < rule.score.rows_min:
        return tuple(looks)
    n = rollout.difference(SCORE, is_share=is_share(rule.score.metric)).n
    return (*looks, n) if n > max(looks, default=0) else tuple(looks)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A measure that the two arms are compared in."""

    measure: str
    is_higher_better: bool
    is_share: bool
    group: tuple[str, str] | None = None

    def find(self, rollout: Rollout) -> Difference:
        """Challenger minus champion, turned so that more is better."""
        found = rollout.difference(self.measure, is_share=self.is_share, group=self.group)
        return found if self.is_higher_better else Difference(-found.value, found.se, found.n)


def _no_score() -> RuleResult:
    reason = "the policy's [online] names no metric: its guardrails may stop the rollout, and nothing here can pass it"
    return RuleResult("online score", "undecided", reason)


def _judge_score(score: OnlineScore, rollout: Rollout, looks: Sequence[int]) -> RuleResult:
    name, rows = f"online {score.metric}", rollout.rows(SCORE)
    if rows < score.rows_min:
        return _too_few(name, rows, score.rows_min)
    found = _Asked(SCORE, score.is_higher_better, is_share(score.metric)).find(rollout)
    if score.horizon_rows is not None:
        return _judge_horizon(name, found, score, score.horizon_rows, looks)
    return _judge_anytime(name, found, score.limit, alpha=1 - score.confidence, rows_tuned=score.rows_tuned)


def _judge_anytime(name: str, found: Difference, limit: float, *, alpha: float, rows_tuned: int) -> RuleResult:
    low, high = found.bounds(alpha, rows_tuned=rows_tuned)
    outcome = _outcome(low, high, limit)
    needed = found.rows_needed(limit, alpha=alpha, rows_tuned=rows_tuned) if outcome == "undecided" else None
    note = f"one-sided {alpha:.4g} at all moments together"
    return _difference_result(name, outcome, found, (low, high), limit=limit, needed=needed, alpha=alpha, note=note)


def _outcome(low: float, high: float, limit: float) -> Outcome:
    return "passed" if low > limit else "failed" if high <= limit else "undecided"


def _judge_horizon(name: str, found: Difference, score: OnlineScore, horizon: int, looks: Sequence[int]) -> RuleResult:
    """A look's boundary pays for the looks before it; what has not passed at the horizon has failed."""
    if any(not a < b for a, b in zip([0, *looks], looks, strict=False)) or (looks and looks[-1] > found.n):
        raise InvalidInput(f"{name}: looks at {list(looks)[:8]} rows do not come before a look at {found.n:,}")
    if looks and looks[-1] >= horizon and found.n > looks[-1]:
        reason = f"the horizon of {horizon:,} rows ended with the look at {looks[-1]:,}; what it said stands, and later rows change nothing"
        return RuleResult(name, "failed", reason, n=found.n)
    at = [*looks, found.n] if found.n > max(looks, default=0) else list(looks)
    is_last = at[-1] >= horizon
    if len(at) >= LOOKS_MAX and not is_last:
        reason = f"{len(looks)} looks were taken, and the last is kept for the horizon of {horizon:,} rows"
        return RuleResult(name, "undecided", reason, n=found.n, rows_needed=horizon - found.n)
    alpha = 1 - score.confidence
    z = obrien_fleming([rows / max(horizon, at[-1]) for rows in at], alpha)[-1]
    low, high = found.value - z * found.se, found.value + z * found.se
    outcome = _outcome(low, high, score.limit)
    if is_last and outcome == "undecided":
        outcome = "failed"  # not shown by the end: the champion stays
    needed = horizon - found.n if outcome == "undecided" else None
    note = f"look {len(at)} on the way to {horizon:,} rows, z {z:.4g} for one-sided {alpha:.4g} over all looks (O'Brien-Fleming)"
    return _difference_result(name, outcome, found, (low, high), limit=score.limit, needed=needed, alpha=alpha, note=note)


def _difference_result(
    name: str,
    outcome: Outcome,
    found: Difference,
    bounds: tuple[float, float],
    *,
    limit: float,
    needed: int | None,
    alpha: float,
    note: str,
) -> RuleResult:
    low, high = bounds
    between = f"{low:+.6g} to {high:+.6g}" if math.isfinite(low) else "no bounds, for no row varied"
    word = f"the margin {limit:.6g}" if limit > 0 else f"minus the tolerance {-limit:.6g}"
    says = {1: f"all of it above {word}", -1: f"none of it above {word}", 0: f"which spans {word}"}[(low > limit) - (high <= limit)]
    if outcome == "undecided":
        says += f"; {_more(needed)}"
    reason = f"gain {found.value:+.6g}, {between}, on {found.n:,} rows, {says}; {note}"
    return RuleResult(name, outcome, reason, found.value, low, high, found.n, needed, {"alpha": alpha, "limit": limit})


def _more(needed: int | None) -> str:
    return "no number of rows would settle it" if needed is None else f"about {needed:,} more rows would settle it"


def _too_few(name: str, rows: int, least: int) -> RuleResult:
    reason = f"{rows:,} rows in the smaller arm are too few for bounds that are true of many; from {least:,} on it is judged"
    return RuleResult(name, "undecided", reason, n=rows, rows_needed=least - rows)


def _judge_ceiling(rail: OnlineGuardrail, rollout: Rollout, alpha: float, quantiles: Mapping[str, float]) -> RuleResult:
    """A share of the challenger's requests, exactly: of those that failed, were refused, or took longer than the ceiling."""
    assert rail.ceiling is not None
    quantile = quantiles.get(rail.metric)
    limit = rail.ceiling if quantile is None else 1 - quantile
    counted = rollout.challenger.of(RATES_ONLINE[rail.metric] if quantile is None else rail.metric)
    if not counted.n:
        return RuleResult(rail.name, "undecided", "the challenger has answered no request yet", n=0)
    events, n, confidence = round(counted.total), counted.n, 1 - alpha
    found = share_sequence(events, n, confidence=confidence)
    outcome: Outcome = "passed" if found.high <= limit else "failed" if found.low > limit else "undecided"
    total = rows_for_share(events, n, limit, confidence=confidence, method=share_sequence) if outcome == "undecided" else None
    needed = None if total is None else max(1, total - n)
    says = {"passed": "all of it within", "failed": "all of it above", "undecided": "which spans"}[outcome]
    more = f"; {_more(needed)}" if outcome == "undecided" else ""
    what = f"{events:,} of {n:,} requests" + ("" if quantile is None else f" took longer than {rail.ceiling:.6g} ms")
    reason = (
        f"{what}, a share of {found.estimate:.6g} ({found.low:.6g} to {found.high:.6g}), {says} {limit:.6g}{more}; "
        f"both bounds together fail with {alpha:.4g} at all moments together"
    )
    facts: dict[str, Json] = {"alpha": alpha, "events": events, "limit": limit}
    return RuleResult(rail.name, outcome, reason, found.estimate, found.low, found.high, n, needed, facts)


def _judge_tolerance(name: str, tolerance: float, asked: _Asked, rule: OnlineRule, rollout: Rollout, *, alpha: float) -> RuleResult:
    """Not worse than the champion by more than the tolerance."""
    least = rule.score.rows_min if rule.score else COMPARED_ROWS_MIN
    rows = rollout.rows(asked.measure, asked.group)
    if rows < least:
        return _too_few(name, rows, least)
    return _judge_anytime(name, asked.find(rollout), -tolerance, alpha=alpha, rows_tuned=COMPARED_ROWS_TUNED)


def _judge_groups(rail: OnlineGuardrail, rule: OnlineRule, rollout: Rollout, alpha: float) -> RuleResult:
    """Each group has an equal part of the level; the worst answer is the rule's."""
    if rule.score is None or rail.by is None or rail.tolerance is None:
        raise InvalidInput(f"{rail.name} needs a score, a column and a tolerance; read_online makes no other")
    score, found = rule.score, []
    for group in rail.groups:
        asked = _Asked(SCORE, score.is_higher_better, is_share(score.metric), (rail.by, group))
        found.append(_judge_tolerance(group, rail.tolerance, asked, rule, rollout, alpha=alpha / len(rail.groups)))
    outcome = combine(found).outcome
    shown = [result for result in found if result.outcome == outcome]
    more = f"; and {len(shown) - 4} groups more" if len(shown) > 4 else ""
    reason = "; ".join(f"{rail.by} {result.rule}: {result.reason}" for result in shown[:4]) + more
    needs = [result.rows_needed for result in shown if result.rows_needed is not None]
    facts: dict[str, Json] = {"alpha": alpha, "groups": [result.to_json() for result in found]}
    return RuleResult(rail.name, outcome, reason, rows_needed=max(needs) if len(needs) == len(shown) else None, facts=facts)
