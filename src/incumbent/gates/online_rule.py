"""[online] of a policy: what a challenger has to show on live traffic, and what stops it there.

metric      the score that decides; without one the guardrails may stop a rollout and nothing can pass it
margin      by how much the challenger must be better, or tolerance: by how much it may be worse
method      "anytime": judged whenever one likes; "obrien-fleming": a fixed horizon, judged a few times on the way
"""

from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.gates.holdout_rule import read_confidence
from incumbent.gates.table import Table, without_none
from incumbent.stats.metrics import METRICS, is_share

OUTCOME: Final = "outcome"
"""What the caller reports for a request, such as a sale: no label and no answer are compared."""
ONLINE_METRICS: Final = (*(name for name, row in METRICS.items() if row.per_row is not None), OUTCOME)
"""A metric of single rows: only those add up."""
RATES_ONLINE: Final = {"error_rate": "error", "refusal_rate": "refusal"}
"""Guardrail metric -> measure."""
SUBGROUP: Final = "subgroup"
GROUPS_MAX: Final = 50
ROWS_MAX: Final = 10**9

OnlineMethod = Literal["anytime", "obrien-fleming"]


@dataclass(frozen=True, slots=True)
class OnlineGuardrail:
    """What stops a rollout by itself.

    Attributes:
        metric: A key of RATES_ONLINE, a latency such as p99_latency_ms, or "subgroup": the score of [online] within groups.
        ceiling: A share, or milliseconds.
        tolerance: How much worse than the champion it may be.
        by: For subgroup: the column.
        groups: For subgroup: the values that are watched, named beforehand so that each has its part of the level.
    """

    metric: str
    ceiling: float | None = None
    tolerance: float | None = None
    by: str | None = None
    groups: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The rule's name in a verdict."""
        words = ("online guardrail", self.metric, f"by {self.by}" if self.by else "", "" if self.tolerance is None else "to the champion")
        return " ".join(filter(None, words))

    def to_json(self) -> Json:
        """Return the rule as plain JSON, in the keys that TOML has."""
        groups: Json = list[Json](self.groups) or None
        return without_none({"metric": self.metric, "ceiling": self.ceiling, "tolerance": self.tolerance, "by": self.by, "groups": groups})


@dataclass(frozen=True, slots=True)
class OnlineScore:
    """The score that decides.

    Attributes:
        metric: One of ONLINE_METRICS.
        is_higher_better: Which way is better.
        limit: What challenger minus champion, turned so that more is better, must exceed: the margin, or minus the tolerance.
        confidence: One-sided level of each bound.
        method: How often it may be looked at, and when.
        rows_min: Rows in each arm (or pairs) before it says anything: the bounds are asymptotic.
        rows_tuned: For anytime: where the bounds are tightest.
        horizon_rows: For obrien-fleming: rows of both arms (or pairs) at which it ends.
    """

    metric: str
    is_higher_better: bool
    limit: float
    confidence: float
    method: OnlineMethod
    rows_min: int
    rows_tuned: int
    horizon_rows: int | None

    def to_json(self) -> dict[str, Json]:
        """Return the rule as plain JSON, in the keys that TOML has."""
        bound: dict[str, Json] = {"margin": self.limit} if self.limit > 0 else {"tolerance": -self.limit}
        better: dict[str, Json] = {"better": "higher" if self.is_higher_better else "lower"} if self.metric == OUTCOME else {}
        how: dict[str, Json] = {"rows_tuned": self.rows_tuned} if self.horizon_rows is None else {"horizon_rows": self.horizon_rows}
        said: dict[str, Json] = {"confidence": self.confidence, "method": self.method, "rows_min": self.rows_min}
        return {"metric": self.metric, **bound, **better, **said, **how}


@dataclass(frozen=True, slots=True)
class OnlineRule:
    """What judges a rollout.

    Attributes:
        score: None: nothing can pass it, guardrails may stop it.
        guardrails: Each may stop it.
        guardrail_confidence: Of all guardrails together: the chance that a sound challenger is stopped by any of them at any time is
            at most what is left of 1.
    """

    score: OnlineScore | None
    guardrails: tuple[OnlineGuardrail, ...]
    guardrail_confidence: float

    def to_json(self) -> dict[str, Json]:
        """Return the rule as plain JSON, defaults filled in."""
        rails: dict[str, Json] = {"guardrail": [rail.to_json() for rail in self.guardrails]} if self.guardrails else {}
        return {**(self.score.to_json() if self.score else {}), "guardrail_confidence": self.guardrail_confidence, **rails}


def read_online(table: Table, latencies: tuple[str, ...]) -> OnlineRule:
    """Return the rule that [online] spells.

    Raises:
        InvalidInput: A key is unknown, missing or not legal, or there is no rule at all.
    """
    score = _read_score(table) if "metric" in table else None
    if score is None:
        table.take("metric")
    value = table.take("guardrail")
    if value is not None and not isinstance(value, list):
        raise InvalidInput("online.guardrail is a list of tables: write [[online.guardrail]], with two brackets, before each")
    places = enumerate(value or (), 1)
    rails = tuple(_read_guardrail(Table(f"[[online.guardrail]] {place}", item), latencies, score) for place, item in places)
    names = [rail.name for rail in rails]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(f"two entries say {twice[0]!r}; one rule has one limit")
    wanted = "a number between 0.5 and 1, such as 0.95"
    confidence = table.number("guardrail_confidence", lambda number: 0.5 < number < 1, wanted, default=0.95)
    table.done()
    if score is None and not rails:
        raise InvalidInput("[online] has no rule: give metric, [[online.guardrail]], or both")
    return OnlineRule(score, rails, confidence)


def _read_score(table: Table) -> OnlineScore:
    metric = table.choice("metric", ONLINE_METRICS)
    higher = metric in METRICS and METRICS[metric].higher_is_better
    if metric == OUTCOME:
        higher = table.choice("better", ("higher", "lower")) == "higher"
    limits = [key for key in ("margin", "tolerance") if key in table]
    if len(limits) != 1:
        raise InvalidInput(f"{table.name} takes exactly one of margin and tolerance; it has {' and '.join(limits) or 'none'}")
    meaning = {"margin": "the gain that is worth a change", "tolerance": "how much worse than the champion is no matter"}[limits[0]]
    limit = table.number(limits[0], lambda number: number > 0, f"a number above 0 in the unit of {metric}, {meaning}")
    confidence = read_confidence(table)
    method = cast(OnlineMethod, table.choice("method", get_args(OnlineMethod), default="anytime"))
    rows_min = table.whole("rows_min", 100, ROWS_MAX, default=500)
    horizon, tuned = None, 0
    if method == "anytime":
        tuned = table.whole("rows_tuned", 100, ROWS_MAX, default=5000)
    else:
        if "horizon_rows" not in table:
            raise table.error("horizon_rows", None, 'rows of both arms together at which it ends, for method = "obrien-fleming"')
        horizon = table.whole("horizon_rows", 2 * rows_min, ROWS_MAX, default=0)
    signed = limit if limits == ["margin"] else -limit
    score = OnlineScore(metric, higher, signed, confidence, method, rows_min, tuned, horizon)
    if is_share(metric) and limit >= 1:
        raise table.error(limits[0], limit, "a number below 1: beyond it every model would fail or pass")
    return score


def _read_guardrail(table: Table, latencies: tuple[str, ...], score: OnlineScore | None) -> OnlineGuardrail:
    metric = table.choice("metric", (*RATES_ONLINE, *latencies, SUBGROUP))
    table.name = f"{table.name} ({metric})"
    legal = ("tolerance",) if metric == SUBGROUP else ("ceiling", "tolerance") if metric in RATES_ONLINE else ("ceiling",)
    given = [key for key in ("ceiling", "tolerance") if key in table]
    if len(given) != 1 or given[0] not in legal:
        raise InvalidInput(f"{table.name} takes one limit, {' or '.join(legal)}; it has {' and '.join(given) or 'none'}")
    if metric in RATES_ONLINE:
        limit = table.number(given[0], lambda number: 0 < number < 1, "a share between 0 and 1; at 0 no evidence could be enough")
    else:
        limit = table.number(given[0], lambda number: number > 0, "a number above 0")
    by: str | None = None
    groups: tuple[str, ...] = ()
    if metric == SUBGROUP:
        if score is None:
            raise InvalidInput(f"{table.name} watches the score within groups, and [online] names no metric")
        by, groups = table.text("by"), _read_groups(table)
    table.done()
    return OnlineGuardrail(metric, by=by, groups=groups, **{given[0]: limit})


def _read_groups(table: Table) -> tuple[str, ...]:
    value = table.take("groups")
    wanted = f"a list of from 1 to {GROUPS_MAX} different values of that column, as texts"
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise table.error("groups", value, wanted)
    if not 1 <= len(value) <= GROUPS_MAX or len(set(value)) != len(value):
        raise table.error("groups", value, wanted)
    return tuple(value)
