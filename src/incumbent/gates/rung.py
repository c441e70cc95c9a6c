"""What verdicts on the same rows have told already, and so the rung of the Ladder that the next challenger has to climb.

The Ladder's promise rests on what was let out, whoever asked and however that look was paid for. A score that was told in full, where
looks are spent or by a guardrail of the same metric, is a rung as good as one that the Ladder released. And whoever asks by another
metric asks the same rows: scores of another metric cannot be compared, so looks are then paid for as where they are spent.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from incumbent.gates.verdict import RuleResult
from incumbent.stats.metrics import METRICS

_PRIMARY = "primary "


@dataclass(frozen=True, slots=True)
class Rung:
    """What a holdout has told, by all verdicts on it and on data that share its rows.

    Attributes:
        best: The best score told, more is better; None before the first.
        others: The metrics of primary rules that asked it, beside the one that asks now, sorted.
    """

    best: float | None = None
    others: tuple[str, ...] = ()


NOTHING_TOLD = Rung()
"""Before the first verdict."""


def find_rung(metric: str, results: Iterable[RuleResult]) -> Rung:
    """Return where the Ladder of a metric stands after all that verdicts have told, in any order.

    >>> told = RuleResult("primary mae", "failed", "…", facts={"champion": 0.5, "challenger": 0.4})
    >>> find_rung("mae", [told]), find_rung("rmse", [told])
    (Rung(best=-0.4, others=()), Rung(best=None, others=('mae',)))
    """
    listed = list(results)
    asked = {result.rule.removeprefix(_PRIMARY) for result in listed if result.rule.startswith(_PRIMARY)}
    return Rung(max((score for result in listed for score in _list_scores(metric, result)), default=None), tuple(sorted(asked - {metric})))


def _list_scores(metric: str, result: RuleResult) -> Iterator[float]:
    """Yield the scores of a metric that a result tells, turned so that more is better."""
    sign, facts = METRICS[metric].sign, result.facts
    if result.rule == f"{_PRIMARY}{metric}":
        turned = [facts.get("ladder_best"), *(_turn(sign, facts.get(name)) for name in ("champion", "challenger"))]
        if not facts:  # of a challenger without a champion; otherwise an estimate is of a difference
            turned.append(_turn(sign, result.estimate))
        yield from (float(score) for score in turned if isinstance(score, float | int))
    elif result.rule == f"guardrail {metric}" and result.estimate is not None:
        yield sign * result.estimate


def _turn(sign: int, score: object) -> float | None:
    return sign * score if isinstance(score, float | int) else None
