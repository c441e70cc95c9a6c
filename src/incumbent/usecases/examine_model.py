"""Tests of the model layer: training converged, it beats simple models, and small changes of its inputs do not flip its decisions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput, Refused
from incumbent.gates.verdict import tell_needed
from incumbent.registry.signature import Scalar
from incumbent.stats.comparison import compare, rows_short, tell_short
from incumbent.stats.intervals import rows_for_share, wilson
from incumbent.stats.metrics import METRICS, Metric
from incumbent.usecases.answering import ask
from incumbent.usecases.examine_benchmark import Kind, benchmark_answers
from incumbent.usecases.examine_subject import Array, Exam, Found, Rows, count_rows, is_number_label, numbers, objects, shown, spread

ALPHA = 0.05
"""One-sided level of each bound."""
FLIP_SHARE_MAX, NULL_FLIP_SHARE_MAX = 0.02, 0.25
"""Decisions that may flip under noise of NOISE_SDS, and when one column is not known."""
NOISE_SDS = 0.01
ROBUST_ROWS_MAX, NULL_ROWS_MAX = 2_000, 500
MOVE_SDS = 0.1
"""An estimated number has flipped when it moves by more than so many standard deviations of the answers."""
DEFAULT_METRICS: dict[Kind, str] = {"probability": "brier", "label": "accuracy", "number": "mse"}


def examine_converges(exam: Exam) -> Found:
    """Every metric that the run logged over several steps stayed finite, and each loss ended lower than it began."""
    run, _ = exam.run
    with exam.ws.store.begin(read_only=True) as tx:
        names = sorted(tx.metrics.latest([run.run_id]).get(run.run_id, {}))
        series = {name: [point.value for point in tx.metrics.history(run.run_id, name)] for name in names}
    series = {name: values for name, values in series.items() if len(values) > 1}
    losses = {
        name: values for name, values in series.items() if any(word in name.lower() for word in ("loss", "error", "rmse", "mse", "mae"))
    }
    endless = [name for name, values in series.items() if not all(map(math.isfinite, values))]
    if endless:
        return Found("failed", f"{shown(endless)} of run {run.run_id} took values that are not finite", {"not_finite": list[Json](endless)})
    if not losses:
        return Found("not-applicable", f"run {run.run_id} logged no loss or error over several steps")
    worse = [name for name, values in losses.items() if values[-1] > values[0]]
    facts: dict[str, Json] = {name: {"first": values[0], "last": values[-1], "points": len(values)} for name, values in losses.items()}
    if worse:
        return Found("failed", f"{shown(worse)} of run {run.run_id} ended higher than it began", facts)
    still = [name for name, values in losses.items() if values[-1] == values[0]]
    if still:
        return Found("undecided", f"{shown(still)} of run {run.run_id} ended where it began: nothing shows that it was learning", facts)
    return Found("passed", f"{shown([*losses])} of run {run.run_id} stayed finite and ended lower than it began", facts)


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Truth and answers of the holdout, as a metric takes them."""

    kind: Kind
    truth: Array
    answers: Array
    positive: Scalar


def read_target(exam: Exam) -> Target | str:
    """Return truth and answers, or why there are none, in words."""
    scoring, holdout = exam.subject.scoring, exam.holdout
    assert scoring is not None
    assert holdout is not None
    if scoring.label not in holdout or scoring.output not in exam.answers:
        return f"the holdout has no {scoring.label!r}, or the answers have no {scoring.output!r}"
    truth, answers = objects(holdout[scoring.label]), objects(exam.answers[scoring.output])
    if any(value is None for value in [*truth.tolist(), *answers.tolist()]):
        return f"some rows have no {scoring.label!r} or no {scoring.output!r}"
    is_binary = scoring.positive is not None or all(value in (0, 1) for value in truth.tolist())
    if is_number_label(exam.subject, truth.tolist()):
        plain = numbers(answers.tolist())
        if plain is None or numbers(truth.tolist()) is None:
            return f"{scoring.label!r} is a number and {scoring.output!r} is none"
        return Target("number", truth.astype(np.float64), plain, None)
    if not is_binary:
        return Target("label", truth, answers, None)
    positive: Scalar = True if scoring.positive is None else scoring.positive
    flags = np.array([value == positive for value in truth.tolist()], dtype=np.bool_)
    if all(isinstance(value, float) for value in answers.tolist()):
        chances = answers.astype(np.float64)
        if not ((chances >= 0) & (chances <= 1)).all():
            return f"{scoring.output!r} holds numbers that are no probability, and {scoring.label!r} is yes or no"
        return Target("probability", flags, chances, positive)
    return Target("label", flags, np.array([value == positive for value in answers.tolist()], dtype=np.bool_), positive)


def convert_answers(target: Target, answers: Sequence[Scalar]) -> Array:
    """Return other answers to the same rows as the metric takes them. Raises InvalidInput when they are of another kind."""
    found: Array | None = objects(answers)
    if target.kind == "label" and target.positive is not None:
        found = np.array([value == target.positive for value in answers], dtype=np.bool_)
    elif target.kind != "label":
        found = numbers(answers)
    if found is None or any(value is None for value in answers):
        raise InvalidInput("some changed rows are answered with null, or with another kind of value")
    return found


def choose_metric(exam: Exam, target: Target) -> tuple[str, Metric]:
    """Return the policy's primary metric, if it takes such answers, or the kind's own."""
    named = exam.subject.metric
    name = named if named and METRICS[named].needs == target.kind else DEFAULT_METRICS[target.kind]
    return name, METRICS[name]


def examine_benchmark(exam: Exam) -> Found:
    """It beats each simple model learnt from the same training rows, on the holdout, by a paired interval."""
    target = read_target(exam)
    if isinstance(target, str):
        return Found("not-applicable", target)
    scoring, training, holdout = exam.subject.scoring, exam.training, exam.holdout
    assert scoring is not None
    assert training is not None
    assert holdout is not None
    if scoring.label not in training:
        return Found("not-applicable", f"the training rows have no label {scoring.label!r} for a benchmark model to learn from")
    name, metric = choose_metric(exam, target)
    if rows_short(metric, target.truth):
        return Found("undecided", tell_short(name, metric, target.truth))
    columns = [column for column in exam.inputs if column in training and column in holdout]
    simple = benchmark_answers(training, holdout, columns=columns, label=scoring.label, kind=target.kind, positive=target.positive)
    if not simple:
        return Found("undecided", "the training rows hold no label, so no benchmark model can be learnt")
    facts: dict[str, Json] = {"metric": name, "model": _plain(metric.function(target.truth, target.answers))}
    outcomes: dict[str, list[str]] = {"passed": [], "failed": [], "undecided": []}
    for other, answers in simple.items():
        gain = compare(metric, target.truth, answers, target.answers, rng=exam.rng())
        low, high = gain.low(ALPHA), gain.high(ALPHA)
        outcome = "passed" if gain.exceeds(0.0, ALPHA) else "failed" if high <= 0 else "undecided"
        more = gain.rows_to_settle(0.0, ALPHA) if outcome == "undecided" else None
        told = f"{other} by {gain.difference:.4g} ({low:.4g} to {high:.4g})"
        outcomes[outcome].append(f"{told}: {tell_needed(more)}" if outcome == "undecided" else told)
        facts[other] = {"value": _plain(metric.function(target.truth, answers)), "gain": gain.difference, "low": _plain(low),
                        "high": _plain(high), "rows_needed": more}  # fmt: skip
    rows = f"in {name} on {target.truth.size:,} rows"
    if outcomes["failed"]:
        return Found("failed", f"it is no better than the {'; '.join(outcomes['failed'])} {rows}", facts)
    if outcomes["undecided"]:
        return Found("undecided", f"{rows} it may be luck that it beats the {'; '.join(outcomes['undecided'])}", facts)
    return Found("passed", f"it beats the {'; '.join(outcomes['passed'])} {rows}", facts)


def _plain(number: float) -> float | None:
    return number if math.isfinite(number) else None


def examine_robust(exam: Exam) -> Found:
    """Noise of 1 % of a standard deviation flips few decisions, nor does one unknown column flip many; neither makes it fail."""
    assert exam.rows is not None
    absent = [name for name in exam.inputs if name not in exam.rows]
    if absent:
        return Found("not-applicable", f"the rows do not have {shown(absent)}, which the model is asked with")
    rows = spread({name: exam.rows[name] for name in exam.inputs}, ROBUST_ROWS_MAX)
    output = exam.subject.scoring.output if exam.subject.scoring else exam.card.signature.outputs[0].name
    before = _answers(exam, rows, output)
    scale = _find_scale(exam, before)
    try:
        flips = _count_flips(exam, before, _answers(exam, _shake(exam, rows), output), scale)
        nulled = _null_each(exam, spread(rows, NULL_ROWS_MAX), output, scale)
    except (Refused, InvalidInput) as error:
        return Found("failed", f"it fails on rows that its signature allows: {error}")
    n = len(before)
    if n == 0:
        return Found("undecided", "there are no rows to change")
    bounds = wilson(flips, n, confidence=1 - 2 * ALPHA)
    facts: dict[str, Json] = {"output": output, "rows": n, "flips": flips, "low": bounds.low, "high": bounds.high,
                              "limit": FLIP_SHARE_MAX, "null_limit": NULL_FLIP_SHARE_MAX, "null_flips": {**nulled}}  # fmt: skip
    said = f"noise of {NOISE_SDS:.0%} of a standard deviation flips {flips:,} of {n:,} decisions (at most {bounds.high:.2%})"
    fragile = [name for name, share in nulled.items() if share > NULL_FLIP_SHARE_MAX]
    if bounds.low > FLIP_SHARE_MAX:
        return Found("failed", f"{said}; the limit is {FLIP_SHARE_MAX:.0%}", facts)
    if fragile:
        return Found("failed", f"without {shown(fragile)} more than {NULL_FLIP_SHARE_MAX:.0%} of the decisions flip", facts)
    if bounds.high > FLIP_SHARE_MAX:
        total = rows_for_share(flips, n, FLIP_SHARE_MAX, confidence=1 - 2 * ALPHA, method=wilson)
        more = None if total is None or total > ROBUST_ROWS_MAX else total - n  # of more rows so many are looked at
        return Found("undecided", f"{said}; the limit is {FLIP_SHARE_MAX:.0%}; {tell_needed(more)}", facts)
    return Found("passed", f"{said}; of {len(nulled)} columns that may be null none decides alone", facts)


def _answers(exam: Exam, rows: Rows, output: str) -> list[Scalar]:
    if count_rows(rows) == 0:
        return []
    answered = ask(exam.ws, exam.host, exam.subject.version, rows, is_timed=False).columns
    if output not in answered:
        raise InvalidInput(f"the answers have no column {output!r}; they have {shown([*answered])}")
    return answered[output]


def _shake(exam: Exam, rows: Rows) -> dict[str, list[Scalar]]:
    rng = exam.rng()
    shaken = {name: list(values) for name, values in rows.items()}
    for column in exam.card.signature.inputs:
        values = numbers(shaken[column.name])
        if column.type not in {"int", "float"} or values is None:
            continue
        moved = values + rng.uniform(-1, 1, values.size) * NOISE_SDS * float(np.nanstd(values))
        whole = column.type == "int"  # a whole number stays one: noise below a half leaves it where it is
        shaken[column.name] = [
            None if math.isnan(new) or old is None else old if not math.isfinite(new) else round(new) if whole else new
            for new, old in zip(moved.tolist(), rows[column.name], strict=True)
        ]
    return shaken


def _find_scale(exam: Exam, answers: Sequence[Scalar]) -> float:
    """How far a number may move before the decision counts as flipped; 0 where answers are compared as they are."""
    values = numbers(answers)
    if values is None or _threshold(exam, answers) is not None or any(not isinstance(value, float) for value in answers):
        return 0.0
    return MOVE_SDS * float(values.std())


def _threshold(exam: Exam, answers: Sequence[Scalar]) -> float | None:
    scoring = exam.subject.scoring
    if scoring is not None and scoring.threshold is not None:
        return scoring.threshold
    is_chance = not exam.subject.is_number and all(isinstance(value, float) and 0 <= value <= 1 for value in answers)
    return 0.5 if is_chance else None


def _count_flips(exam: Exam, before: Sequence[Scalar], after: Sequence[Scalar], scale: float) -> int:
    cut = _threshold(exam, before)
    flips = 0
    for old, new in zip(before, after, strict=True):
        if isinstance(old, float) and isinstance(new, float):
            flips += (old >= cut) != (new >= cut) if cut is not None else abs(old - new) > scale
        else:
            flips += old != new
    return flips


def _null_each(exam: Exam, rows: dict[str, list[Scalar]], output: str, scale: float) -> dict[str, float]:
    """Return, per column that may be null, the share of decisions that flip when it is."""
    before = _answers(exam, rows, output)
    shares = {}
    for column in exam.card.signature.inputs:
        if column.is_nullable and before:
            after = _answers(exam, {**rows, column.name: [None] * len(before)}, output)
            shares[column.name] = _count_flips(exam, before, after, scale) / len(before)
    return shares
