"""The test `subgroups`: the quality in each group of rows, with counts and intervals."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from incumbent.base.documents import Json
from incumbent.gates.verdict import tell_needed
from incumbent.stats.intervals import normal_quantile, rows_for_bound
from incumbent.stats.metrics import METRICS
from incumbent.stats.subgroups import MISSING, GroupRate, gap, group_rates
from incumbent.usecases.examine_model import ALPHA, Target, choose_metric, read_target
from incumbent.usecases.examine_subject import Array, Exam, Found, objects, shown

ROWS_MIN, GROUPS_MAX = 30, 100
"""Fewer rows are no evidence about a group; more groups are no groups, but an identifier."""
GAP_MAX = 0.10
"""By how much the share of right decisions may differ between two groups."""
EXCESS_MAX = 0.5
"""By what part of the whole's mean error a group's may exceed that of all others, where numbers are estimated."""

Verdict = tuple[str, str, Json]
"""Outcome, words, facts."""


def examine_subgroups(exam: Exam) -> Found:
    """In no group of rows is the version much worse than in another."""
    if not exam.subject.groups:
        return Found("not-applicable", "no column with groups is named: by a guardrail subgroup_gap, [tests] groups or --group")
    target = read_target(exam)
    if isinstance(target, str):
        return Found("not-applicable", target)
    assert exam.holdout is not None
    absent = [name for name in exam.subject.groups if name not in exam.holdout]
    if absent:
        return Found("undecided", f"the holdout does not have {shown(absent)}, whose groups are asked for")
    alpha = ALPHA / len(exam.subject.groups)  # any one column fails the test, so the level is shared out
    facts: dict[str, Json] = {"rows_min": ROWS_MIN, "alpha": alpha}
    told: dict[str, list[str]] = {"failed": [], "undecided": [], "passed": []}
    for column in exam.subject.groups:
        outcome, words, fact = _judge_column(exam, target, objects(exam.holdout[column]), alpha)
        told[outcome].append(f"by {column[:64]!r} {words}")
        facts[column] = fact
    if told["failed"]:
        return Found("failed", "; ".join(told["failed"]), facts)
    if told["undecided"]:
        return Found("undecided", "; ".join(told["undecided"]), facts)
    return Found("passed", "; ".join(told["passed"]), facts)


def _judge_column(exam: Exam, target: Target, groups: Array, alpha: float) -> Verdict:
    names = {MISSING if value is None else str(value) for value in groups.tolist()}
    if len(names) > GROUPS_MAX:
        return "undecided", f"there are {len(names):,} values; at most {GROUPS_MAX} are groups", {}
    if len(names) < 2:
        return "undecided", "there is one group only, so nothing to compare", {}
    return _judge_errors(exam, target, groups, alpha) if target.kind == "number" else _judge_rates(exam, target, groups, alpha)


def _judge_rates(exam: Exam, target: Target, groups: Array, alpha: float) -> Verdict:
    """Compare the share of right decisions: the largest gap between two groups, with bounds that hold over all pairs."""
    right = _find_right(exam, target)
    rates = group_rates("accuracy", np.ones_like(right), right, groups, confidence=1 - 2 * alpha)
    facts: list[Json] = [_describe(rate) for rate in rates]
    small = [rate for rate in rates if rate.n < ROWS_MIN]
    large = [rate for rate in rates if rate.n >= ROWS_MIN]
    bounds = gap(large, alpha=alpha) if len(large) > 1 else None
    fact: dict[str, Json] = {"groups": facts, "limit": GAP_MAX}
    if bounds is not None:
        fact |= {"gap": bounds.estimate, "low": bounds.low, "high": bounds.high}
        said = (
            f"the share of right decisions differs by {bounds.estimate:.3f} ({bounds.low:.3f} to {bounds.high:.3f}); the limit is {GAP_MAX}"
        )
        if bounds.low > GAP_MAX:
            worst = min(large, key=lambda rate: rate.rate)
            return "failed", f"{said}; least in {worst.group[:64]!r}: {worst.rate:.3f} of {worst.n:,}", fact
        if not small and bounds.high <= GAP_MAX:
            return "passed", said, fact
        if not small:
            bound = bounds.low if bounds.estimate > GAP_MAX else bounds.high
            more = _more(sum(rate.n for rate in large), bounds.estimate, bound, GAP_MAX)
            return "undecided", f"{said}; {tell_needed(more)}", fact
    few = shown([f"{rate.group} ({rate.n})" for rate in small])
    return "undecided", f"fewer than {ROWS_MIN} rows say nothing of {few}", fact


def _find_right(exam: Exam, target: Target) -> Array:
    scoring = exam.subject.scoring
    labels = target.answers
    if target.kind == "probability":
        labels = target.answers >= (0.5 if scoring is None or scoring.threshold is None else scoring.threshold)
    return np.array([bool(one == other) for one, other in zip(target.truth.tolist(), labels.tolist(), strict=True)], dtype=np.bool_)


def _describe(rate: GroupRate) -> Json:
    return {
        "group": rate.group, "right": rate.hits, "n": rate.n, "share": None if math.isnan(rate.rate) else rate.rate,
        "low": rate.interval.low, "high": rate.interval.high, "p_holm": rate.p_holm,
    }  # fmt: skip


def _judge_errors(exam: Exam, target: Target, groups: Array, alpha: float) -> Verdict:
    """Compare each group's mean error with that of all others by Welch's difference of means; the level is shared out over the groups."""
    name, metric = choose_metric(exam, target)
    score = metric.per_row if metric.per_row is not None and not metric.higher_is_better else METRICS["mae"].per_row
    assert score is not None
    errors = score(target.truth, target.answers)
    keys = np.array([MISSING if value is None else str(value) for value in groups.tolist()])
    limit = EXCESS_MAX * float(errors.mean())
    found = list(_compare_groups(errors, keys, alpha))
    facts: list[Json] = [
        {"group": group, "n": n, "error": mean, "excess": excess, "low": low, "high": high} for group, n, mean, excess, low, high in found
    ]
    fact: dict[str, Json] = {"groups": facts, "limit": limit, "error": name if metric.per_row is score else "mae"}
    worse = [
        f"{group[:64]!r} by {excess:.4g} ({low:.4g} to {high:.4g})"
        for group, n, _, excess, low, high in found
        if n >= ROWS_MIN and low > limit
    ]
    if worse:
        return "failed", f"the mean error exceeds that of all others in {'; '.join(worse[:5])}; the limit is {limit:.4g}", fact
    small = [f"{group} ({n})" for group, n, *_ in found if n < ROWS_MIN]
    if small:
        return "undecided", f"fewer than {ROWS_MIN} rows say nothing of {shown(small)}", fact
    open_ones = [one for one in found if one[-1] > limit]
    if open_ones:
        named = shown([group for group, *_ in open_ones])
        said = f"that the mean error of {named} is within {limit:.4g} of all others' may be luck"
        wanted = [_more(errors.size, excess, low if excess > limit else high, limit) for _, _, _, excess, low, high in open_ones]
        known = [rows for rows in wanted if rows is not None]
        return "undecided", f"{said}; {tell_needed(max(known) if len(known) == len(wanted) else None)}", fact
    return "passed", f"no group's mean error exceeds that of all others by more than {limit:.4g}", fact


def _more(rows: int, estimate: float, bound: float, limit: float) -> int | None:
    """Return how many more rows, in the groups' shares, would bring a bound to the limit; None if no number would."""
    total = rows_for_bound(rows, estimate, bound, limit)
    return None if total is None else total - rows


def _compare_groups(errors: Array, keys: Array, alpha: float) -> Iterator[tuple[str, int, float, float, float, float]]:
    """Yield (group, n, mean error, excess over all others, its bounds), the level of each bound shared out over the groups."""
    names: Sequence[str] = sorted(set(keys.tolist()))
    z = normal_quantile(1 - alpha / len(names))
    for name in names:
        mine, others = errors[keys == name], errors[keys != name]
        excess = float(mine.mean() - others.mean())
        half = z * math.sqrt(_variance(mine) / mine.size + _variance(others) / others.size)
        yield name, int(mine.size), float(mine.mean()), excess, excess - half, excess + half


def _variance(errors: Array) -> float:
    return float(errors.var(ddof=1)) if errors.size > 1 else float(errors.mean()) ** 2
