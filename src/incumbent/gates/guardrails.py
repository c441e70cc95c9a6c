"""Guardrails: each must hold beyond its noise, so that none passes by luck.

Passed: the bound on the far side is within the limit. Failed: the bound on the near side is outside. Otherwise undecided, with the
rows that would settle it. A tolerance is non-inferiority to the champion: difference - z * se > -tolerance.
"""

import math
from collections.abc import Callable

import numpy as np

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.gates.level import Level
from incumbent.gates.policy import LATENCIES, MEMORY, GuardrailRule
from incumbent.gates.sample import HoldoutSample, Scored
from incumbent.gates.verdict import NOISE_UNKNOWN, Outcome, RuleResult, tell_needed
from incumbent.stats.calibration import calibration_error
from incumbent.stats.comparison import Estimate, compare, estimate, rows_short, tell_short
from incumbent.stats.intervals import clopper_pearson, normal_quantile, quantile_interval, rows_for_share, wilson
from incumbent.stats.metrics import METRICS
from incumbent.stats.paired import rows_to_resolve
from incumbent.stats.subgroups import GroupRate, gap, group_rates

GROUPS_MAX = 100
"""More groups than this are no groups: the column is an identifier, or wants binning."""


def judge_guardrail(
    rule: GuardrailRule, sample: HoldoutSample, scored: Scored | None, *, level: Level, rng: np.random.Generator
) -> RuleResult:
    """Return whether a guardrail holds.

    Raises:
        InvalidInput: The sample lacks what the rule is about, or the metric is undefined on it.
    """
    if rule.metric in LATENCIES:
        return _judge_latency(rule, sample, level)
    if rule.metric == MEMORY:
        return _judge_memory(rule, sample)
    if rule.metric == "forbidden_rate":
        return _judge_forbidden(rule, sample, level)
    if scored is None:
        raise InvalidInput(f"{rule.name}: the sample has no scored answers")
    if scored.challenger.problem is not None:
        return RuleResult(rule.name, "failed", f"the challenger cannot be scored: {scored.challenger.problem}")
    if rule.metric == "subgroup_gap":
        return _judge_gap(rule, sample, scored, level)
    return _judge_metric(rule, scored, level, rng)


def _limit(rule: GuardrailRule) -> tuple[float, bool]:
    """(limit, whether it is a floor)."""
    if rule.floor is not None:
        return rule.floor, True
    if rule.ceiling is not None:
        return rule.ceiling, False
    raise InvalidInput(f"{rule.name} has neither floor nor ceiling")


def _answer(rule: GuardrailRule, found: Estimate, level: Level, more: Callable[[], int | None], facts: dict[str, Json]) -> RuleResult:
    """Compare an estimate's bounds with the limit; `more` counts the missing rows and is asked only if they are."""
    limit, is_floor = _limit(rule)
    within = found.low >= limit if is_floor else found.high <= limit
    outside = found.high < limit if is_floor else found.low > limit
    outcome: Outcome = "passed" if within else "failed" if outside else "undecided"
    needed = more() if outcome == "undecided" else None
    word = f"{'floor' if is_floor else 'ceiling'} {limit:.6g}"
    says = {"passed": f"all of it within the {word}", "failed": f"all of it outside the {word}", "undecided": f"which spans the {word}"}[
        outcome
    ]
    if outcome == "undecided":
        says += f"; {tell_needed(needed)}"
    bounds = ", ".join(
        text
        for number, text in ((found.low, f"at least {found.low:.6g}"), (found.high, f"at most {found.high:.6g}"))
        if math.isfinite(number)
    )
    reason = f"{found.value:.6g} ({bounds or 'no bound yet'}) on {found.n:,} rows, {says}; {level.note}"
    return RuleResult(rule.name, outcome, reason, found.value, found.low, found.high, found.n, needed, {"alpha": level.alpha, **facts})


def _more(total: int | None, n: int) -> int | None:
    return None if total is None else max(1, total - n)


def _judge_metric(rule: GuardrailRule, scored: Scored, level: Level, rng: np.random.Generator) -> RuleResult:
    m, metric = int(scored.truth.size), METRICS.get(rule.metric)
    if rule.tolerance is not None and scored.champion is None:
        return RuleResult(rule.name, "passed", "not applicable: the slot has no champion that it could be worse than")
    short = rows_short(metric, scored.truth)
    if short:
        return RuleResult(rule.name, "undecided", tell_short(rule.metric, metric, scored.truth), n=m, rows_needed=short)
    if metric is None:
        probabilities = scored.challenger.by_kind["probability"]
        found = calibration_error(scored.truth, probabilities, alpha=level.alpha, rng=rng)
        return _answer(rule, found, level, lambda: _planned(found, _limit(rule)[0], level), {})
    if rule.tolerance is not None:
        return _judge_tolerance(rule, rule.tolerance, scored, level, rng)
    answers = scored.challenger.by_kind[metric.needs]
    value = estimate(metric, scored.truth, answers, alpha=level.alpha, rng=rng)
    counts = metric.counts(scored.truth, answers) if metric.counts is not None else None

    def more() -> int | None:
        if counts is None:
            return _planned(value, _limit(rule)[0], level)
        successes, n = counts
        if n == 0:
            return None
        total = rows_for_share(successes, n, _limit(rule)[0], confidence=1 - 2 * level.alpha, method=wilson)
        return None if total is None else max(1, math.ceil((total - n) * m / n))

    return _answer(rule, value, level, more, {})


def _planned(found: Estimate, limit: float, level: Level) -> int | None:
    return _more(rows_to_resolve(found.variance, found.value - limit, alpha=level.alpha), found.n)


def _judge_tolerance(rule: GuardrailRule, tolerance: float, scored: Scored, level: Level, rng: np.random.Generator) -> RuleResult:
    metric = METRICS[rule.metric]
    assert scored.champion is not None
    paired = compare(metric, scored.truth, scored.champion.by_kind[metric.needs], scored.challenger.by_kind[metric.needs], rng=rng)
    if not math.isfinite(paired.se):
        return RuleResult(rule.name, "undecided", f"{NOISE_UNKNOWN} ({paired.method} on {paired.m:,} rows)", n=paired.m)
    low, high = paired.low(level.alpha), paired.high(level.alpha)
    outcome: Outcome = "passed" if paired.exceeds(-tolerance, level.alpha) else "failed" if high <= -tolerance else "undecided"
    needed = None
    says = {"passed": "not worse by more than", "failed": "worse by more than", "undecided": "which spans minus"}[outcome]
    says = f"{says} the tolerance {tolerance:.6g}"
    if outcome == "undecided":
        needed = paired.rows_to_settle(-tolerance, level.alpha)
        says += f"; {tell_needed(needed)}"
    found = f"gain {paired.difference:+.6g}, {low:+.6g} to {high:+.6g} by {paired.method} on {paired.m:,} rows"
    facts: dict[str, Json] = {"alpha": level.alpha, "tolerance": tolerance, "p_value": paired.p_not_above(-tolerance)}
    return RuleResult(rule.name, outcome, f"{found}, {says}; {level.note}", paired.difference, low, high, paired.m, needed, facts)


def _judge_latency(rule: GuardrailRule, sample: HoldoutSample, level: Level) -> RuleResult:
    """The q-quantile is at most the ceiling where a share of at most 1 - q is above it: a proportion, with exact bounds."""
    values = sample.challenger_latencies_ms
    if values is None or values.size == 0:
        raise InvalidInput(f"{rule.name}: no latencies of the challenger were measured")
    times = values.astype(np.float64)
    if not (np.isfinite(times) & (times >= 0)).all():
        raise InvalidInput(f"{rule.name}: a latency is negative or no finite number of milliseconds; look at the clock that measured it")
    ceiling, _ = _limit(rule)
    quantile, confidence, n = LATENCIES[rule.metric], 1 - 2 * level.alpha, times.size
    slow, share = int((times > ceiling).sum()), round(1 - quantile, 12)
    bounds, above = quantile_interval(times, quantile, confidence=confidence), clopper_pearson(slow, n, confidence=confidence)
    outcome: Outcome = "passed" if above.high <= share else "failed" if above.low > share else "undecided"
    needed = _more(rows_for_share(slow, n, share, confidence=confidence), n) if outcome == "undecided" else None
    says = {"passed": "at most", "failed": "more than", "undecided": "perhaps more than"}[outcome]
    reason = f"{bounds.estimate:.4g} ms: {slow:,} of {n:,} answers took longer than the ceiling {ceiling:.6g} ms, {says} {share:.2g} of all"
    if outcome == "undecided":
        reason += f"; {tell_needed(needed, 'measurements')}"
    facts: dict[str, Json] = {"alpha": level.alpha, "slower_than_ceiling": slow}
    if sample.champion_latencies_ms is not None and sample.champion_latencies_ms.size:
        facts["champion"] = float(np.quantile(sample.champion_latencies_ms.astype(np.float64), quantile, method="inverted_cdf"))
    return RuleResult(rule.name, outcome, reason, bounds.estimate, bounds.low, bounds.high, n, needed, facts)


def _judge_memory(rule: GuardrailRule, sample: HoldoutSample) -> RuleResult:
    """A peak is what it is: one number, measured once, with no interval."""
    found = sample.challenger_memory_bytes
    if found is None:
        return RuleResult(rule.name, "undecided", "the memory of a process cannot be measured on this machine")
    if found <= 0:
        raise InvalidInput(f"{rule.name}: a process of {found} bytes is none; look at what measured it")
    ceiling, _ = _limit(rule)
    outcome: Outcome = "passed" if found <= ceiling else "failed"
    word = "within" if outcome == "passed" else "above"
    reason = f"{found:,} bytes at the peak, Python included, {word} the ceiling {ceiling:,.0f}; measured once"
    return RuleResult(rule.name, outcome, reason, float(found), n=1)


def _judge_forbidden(rule: GuardrailRule, sample: HoldoutSample, level: Level) -> RuleResult:
    flags = sample.forbidden.get(rule.output or "")
    if flags is None or flags.size == 0:
        raise InvalidInput(f"{rule.name}: the sample has no answers with the column {rule.output!r}")
    values = flags.tolist()
    unsaid = sum(not isinstance(value, bool | np.bool_) for value in values)
    if unsaid:
        return RuleResult(
            rule.name, "failed", f"{unsaid:,} of {len(values):,} answers do not say whether they are forbidden", n=len(values)
        )
    ceiling, _ = _limit(rule)
    hits, n, confidence = sum(values), len(values), 1 - 2 * level.alpha
    bounds = clopper_pearson(hits, n, confidence=confidence)
    found = Estimate(bounds.estimate, bounds.low, bounds.high, n, bounds.estimate * (1 - bounds.estimate))
    return _answer(rule, found, level, lambda: _more(rows_for_share(hits, n, ceiling, confidence=confidence), n), {"forbidden": hits})


def _group_json(group: GroupRate) -> Json:
    rate = None if math.isnan(group.rate) else group.rate
    bounds: dict[str, Json] = {"low": group.interval.low, "high": group.interval.high, "p_holm": group.p_holm}
    return {"group": group.group, "hits": group.hits, "n": group.n, "rows": group.rows, "rate": rate, **bounds}


def _judge_gap(rule: GuardrailRule, sample: HoldoutSample, scored: Scored, level: Level) -> RuleResult:
    groups = sample.groups.get(rule.by or "")
    if groups is None:
        raise InvalidInput(f"{rule.name}: the sample has no column {rule.by!r}")
    confidence, m = 1 - 2 * level.alpha, int(scored.truth.size)
    rates = group_rates(rule.of or "", scored.truth, scored.challenger.by_kind["label"], groups, confidence=confidence)
    if len(rates) > GROUPS_MAX:
        raise InvalidInput(f"{rule.name}: {rule.by!r} has {len(rates):,} values; at most {GROUPS_MAX} are groups. Bin the column")
    facts: dict[str, Json] = {"groups": [_group_json(group) for group in rates]}
    least = rule.rows_min or 1
    small, large = [group for group in rates if group.n < least], [group for group in rates if group.n >= least]
    ceiling, _ = _limit(rule)
    bounds = gap(large, alpha=level.alpha) if len(large) > 1 else None
    if bounds is None or (small and bounds.low <= ceiling):
        return _insufficient(rule, small, least, m, facts)
    z = normal_quantile(1 - level.alpha)
    se = ((bounds.high - bounds.estimate) if bounds.estimate <= ceiling else (bounds.estimate - bounds.low)) / z
    found = Estimate(bounds.estimate, bounds.low, bounds.high, m, m * se * se)
    return _answer(rule, found, level, lambda: _planned(found, ceiling, level), facts)


def _insufficient(rule: GuardrailRule, small: list[GroupRate], least: int, m: int, facts: dict[str, Json]) -> RuleResult:
    if not small:
        reason = f"insufficient evidence: {rule.by!r} has one group only on this holdout, so there is no gap to measure"
        return RuleResult(rule.name, "undecided", reason, n=m, facts=facts)
    few = ", ".join(f"{group.group} ({group.n})" for group in small[:8])
    rarest = min(group.n for group in small)
    needed = math.ceil(m * (least - rarest) / rarest) if rarest else None
    more = f"about {needed:,} more rows like these would do" if needed else "a group without a single such row cannot be planned for"
    reason = f"insufficient evidence: {rule.of} of fewer than {least} rows says nothing about {few}; {more}"
    return RuleResult(rule.name, "undecided", reason, n=m, rows_needed=needed, facts=facts)
