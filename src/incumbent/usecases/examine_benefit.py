"""The test `feature-benefit`: what each input is worth on the holdout, and what it costs.

Benefit is permutation importance (Breiman 2001): how much worse the metric gets when the input's values are dealt out anew among
the rows, with a paired interval on the same rows. An input that another one stands in for shows no benefit of its own; so does one
that matters too rarely for these rows. The test therefore reports, and fails only by the number that the policy names.
"""

import json
import math
from collections.abc import Sequence

import numpy as np

from incumbent.base.documents import Json
from incumbent.registry.signature import Scalar
from incumbent.stats.comparison import compare, rows_short, tell_short
from incumbent.usecases.answering import ask
from incumbent.usecases.examine_model import ALPHA, Target, choose_metric, convert_answers, read_target
from incumbent.usecases.examine_subject import Exam, Found, count_rows, spread

BENEFIT_ROWS_MAX = 2_000
TIMED = 9
"""Answers with and without an input, of which the middle one counts."""


def examine_benefit(exam: Exam) -> Found:
    """Each input makes the answers to the holdout better; those that do not are named with what they cost."""
    target = read_target(exam)
    if isinstance(target, str):
        return Found("not-applicable", target)
    assert exam.holdout is not None
    places = _pick(count_rows(exam.holdout))
    truth, answers = target.truth[places], target.answers[places]
    name, metric = choose_metric(exam, target)
    if rows_short(metric, truth):
        return Found("undecided", tell_short(name, metric, truth))
    rows = {column: [exam.holdout[column][place] for place in places] for column in exam.inputs}
    facts: dict[str, Json] = {"metric": name, "rows": len(places), "alpha": ALPHA, "limit": exam.subject.useless_features_max}
    useless: list[str] = []
    for column in exam.inputs:
        dealt = _ask_dealt(exam, target, rows, column)
        gain = compare(metric, truth, dealt, answers, rng=exam.rng())
        low, high = gain.low(ALPHA), gain.high(ALPHA)
        told: dict[str, Json] = {"benefit": gain.difference, "low": _plain(low), "high": _plain(high), **_weigh(exam, rows, column)}
        facts[column] = told
        if not gain.exceeds(0.0, ALPHA):
            useless.append(f"{column[:64]!r} ({gain.difference:.3g}, {low:.3g} to {high:.3g}; {_tell_cost(told)})")
    return _judge(exam, name, useless, facts)


def _judge(exam: Exam, name: str, useless: Sequence[str], facts: dict[str, Json]) -> Found:
    limit = exam.subject.useless_features_max
    if not useless:
        return Found("passed", f"each of {len(exam.inputs)} inputs makes {name} better on the holdout, beyond noise", facts)
    reason = f"{len(useless)} of {len(exam.inputs)} inputs show no benefit in {name}: {'; '.join(useless[:5])}"
    if limit is None:
        return Found("undecided", f"{reason}. The policy does not say how many may ([tests] useless_features_max)", facts)
    if len(useless) > limit:
        return Found("failed", f"{reason}. The policy allows {limit}", facts)
    return Found("passed", f"{reason}. The policy allows {limit}", facts)


def _pick(count: int) -> list[int]:
    return list(range(count)) if count <= BENEFIT_ROWS_MAX else [place * count // BENEFIT_ROWS_MAX for place in range(BENEFIT_ROWS_MAX)]


def _ask_dealt(exam: Exam, target: Target, rows: dict[str, list[Scalar]], column: str) -> np.ndarray:
    """Return the answers where one column's values are dealt out anew, by chance that anybody can draw again."""
    assert exam.subject.scoring is not None
    order = exam.rng().permutation(len(rows[column]))
    dealt = {**rows, column: [rows[column][place] for place in order.tolist()]}
    answered = ask(exam.ws, exam.host, exam.subject.version, dealt, is_timed=False).columns
    return convert_answers(target, answered[exam.subject.scoring.output])


def _weigh(exam: Exam, rows: dict[str, list[Scalar]], column: str) -> dict[str, Json]:
    """Return what an input costs: bytes of a request, and time where the model may be asked without it."""
    size = len(json.dumps({column: rows[column]}).encode()) / max(1, len(rows[column]))
    spelled = next(one for one in exam.card.signature.inputs if one.name == column)
    if not spelled.is_nullable:
        return {"bytes_a_row": round(size, 1), "ms": None}
    one = spread(rows, 1)
    without: dict[str, list[Scalar]] = {**one, column: [None]}
    times = [(_time(exam, one), _time(exam, without)) for _ in range(TIMED)]
    whole, less = (sorted(part)[TIMED // 2] for part in zip(*times, strict=True))
    return {"bytes_a_row": round(size, 1), "ms": whole - less}


def _time(exam: Exam, columns: dict[str, list[Scalar]]) -> float:
    began = exam.ws.clock.now()
    exam.host.answer(exam.subject.version.bundle, columns)
    return (exam.ws.clock.now() - began).total_seconds() * 1000


def _tell_cost(told: dict[str, Json]) -> str:
    time = told["ms"]
    return f"{told['bytes_a_row']} bytes a row" + (f", {time:.2f} ms an answer" if isinstance(time, float) else "")


def _plain(number: float) -> float | None:
    return number if math.isfinite(number) else None
