"""What a gate judges: the holdout's truth and what each model answered to the same rows, as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from incumbent.base.errors import InvalidInput
from incumbent.gates.policy import GatePolicy, Scoring
from incumbent.gates.rung import NOTHING_TOLD, Rung
from incumbent.gates.thresholdout import Reused
from incumbent.stats.metrics import Array, Needs

NUMBER_MAX = 1e100
"""Beyond this a square overflows, and no metric of it means anything."""


@dataclass(frozen=True, slots=True, eq=False)
class HoldoutSample:
    """One measurement of a challenger, and of the champion on the same rows in the same order.

    Attributes:
        truth: The policy's label column, shape (m,); None if no rule compares answers with a truth.
        challenger: The policy's output column of the challenger's answers, shape (m,), as answered; None like truth.
        champion: The champion's; None if the slot has none.
        groups: Column -> the group of each row, shape (m,).
        forbidden: Column -> whether the challenger's answer is forbidden, shape (m,).
        challenger_latencies_ms: One a request, in milliseconds, of any number.
        champion_latencies_ms: The champion's, measured side by side.
        challenger_memory_bytes: Peak resident memory of the challenger's process, where it was measured.
        rung: For reuse = "ladder": what this holdout has told so far.
        reused: For reuse = "thresholdout": the gain on training rows, the answers spent and the noise.
    """

    truth: Array | None = None
    challenger: Array | None = None
    champion: Array | None = None
    groups: Mapping[str, Array] = field(default_factory=dict)
    forbidden: Mapping[str, Array] = field(default_factory=dict)
    challenger_latencies_ms: Array | None = None
    champion_latencies_ms: Array | None = None
    rung: Rung = NOTHING_TOLD
    challenger_memory_bytes: int | None = None
    reused: Reused | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """One model's answers as each kind of metric takes them; or why they cannot be scored."""

    by_kind: Mapping[Needs, Array]
    problem: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The truth as metrics take it, and the answers."""

    truth: Array
    challenger: Answers
    champion: Answers | None


def score(policy: GatePolicy, sample: HoldoutSample) -> Scored:
    """Return truth and answers in the form that the policy's metrics take.

    A challenger whose answers cannot be scored has a problem, which fails its rules. What is wrong with the holdout or the champion
    is no fault of the challenger, and an error.

    Raises:
        InvalidInput: Truth or answers are missing, of another length, or not what the policy says of them.
    """
    scoring = policy.scoring
    if scoring is None:
        raise InvalidInput("the policy scores no column; only tests and latencies are judged")
    if sample.truth is None or sample.challenger is None:
        raise InvalidInput(f"the policy scores {scoring.output!r} against {scoring.label!r}; the sample lacks truth or answers")
    arrays = [sample.truth, sample.challenger, *([] if sample.champion is None else [sample.champion]), *sample.groups.values()]
    if any(array.shape != sample.truth.shape for array in arrays) or sample.truth.ndim != 1 or sample.truth.size == 0:
        raise InvalidInput(f"truth, answers and groups describe the same rows, one or more; they have {[array.shape for array in arrays]}")
    truth = _read_truth(policy, scoring, sample.truth)
    challenger = _read_answers(policy, scoring, truth, sample.challenger)
    champion = None if sample.champion is None else _read_answers(policy, scoring, truth, sample.champion)
    if champion is not None and champion.problem is not None:
        raise InvalidInput(f"the champion cannot be compared: {champion.problem}; judge by guardrails alone, or mend the champion")
    return Scored(truth, challenger, champion)


def _is_missing(value: object) -> bool:
    return value is None or value != value  # noqa: PLR0124 - NaN differs from itself


def _read_truth(policy: GatePolicy, scoring: Scoring, truth: Array) -> Array:
    values = truth.tolist()
    missing = sum(map(_is_missing, values))
    if missing:
        raise InvalidInput(f"{missing:,} of {len(values):,} rows of the holdout have no {scoring.label!r}; a frozen holdout is labelled")
    if policy.needs == {"number"}:
        numbers = _floats(truth)
        if numbers is None or not (np.abs(numbers) <= NUMBER_MAX).all():
            raise InvalidInput(f"{scoring.label!r} holds what is no number up to {NUMBER_MAX}, and the policy's metrics compare numbers")
        return numbers
    if scoring.positive is not None:
        flags = np.array([value == scoring.positive for value in values], dtype=np.bool_)
        if not flags.any():
            seen = ", ".join(sorted({repr(value) for value in values})[:5])
            raise InvalidInput(f"no row of the holdout has {scoring.label!r} = {scoring.positive!r}, the positive value; it has {seen}")
        return flags
    if all(value in (0, 1) for value in values):
        return np.array(values, dtype=np.bool_)
    if _is_many_classed(policy):
        return _objects(truth)
    raise InvalidInput(f"{scoring.label!r} is neither 0/1 nor boolean: say which value is `positive`")


def _is_many_classed(policy: GatePolicy) -> bool:
    """Whether every rule on answers is accuracy, which alone is defined for many classes."""
    named = {rule.metric for rule in (policy.primary, *policy.guardrails) if rule is not None}
    return policy.needs == {"label"} and "subgroup_gap" not in named and not named & {"f1", "precision", "recall", "specificity"}


def _objects(values: Array) -> Array:
    array = np.empty(values.shape, dtype=object)
    array[:] = values.tolist()
    return array


def _floats(values: Array) -> Array | None:
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        return None


def _read_answers(policy: GatePolicy, scoring: Scoring, truth: Array, answers: Array) -> Answers:
    as_numbers = policy.needs == {"number"}
    if not as_numbers and "probability" not in policy.needs and scoring.threshold is None:
        return _read_labels(scoring, truth, answers)
    numbers = _floats(answers)
    if numbers is None:
        return Answers({}, f"{scoring.output!r} holds answers that are no numbers")
    legal = np.abs(numbers) <= NUMBER_MAX if as_numbers else (numbers >= 0) & (numbers <= 1)
    if not legal.all():
        kind = f"number up to {NUMBER_MAX}" if as_numbers else "probability from 0 to 1"
        return Answers({}, f"{int((~legal).sum()):,} of {numbers.size:,} answers in {scoring.output!r} are no {kind}")
    if as_numbers:
        return Answers({"number": numbers})
    labels: dict[Needs, Array] = {} if scoring.threshold is None else {"label": numbers >= scoring.threshold}
    return Answers({"probability": numbers, **labels})


def _read_labels(scoring: Scoring, truth: Array, answers: Array) -> Answers:
    values = answers.tolist()
    missing = sum(map(_is_missing, values))
    if missing:
        return Answers({}, f"{missing:,} of {len(values):,} answers in {scoring.output!r} are missing")
    if truth.dtype != np.bool_:
        return Answers({"label": _objects(answers)})
    if scoring.positive is not None:
        return Answers({"label": np.array([value == scoring.positive for value in values], dtype=np.bool_)})
    if all(value in (0, 1) for value in values):
        return Answers({"label": np.array(values, dtype=np.bool_)})
    return Answers({}, f"{scoring.output!r} holds answers that are neither 0/1 nor boolean; a policy for probabilities gives a threshold")
