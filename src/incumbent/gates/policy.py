"""A gate's policy: which rules a challenger is judged by, written down before it is.

The policy is TOML, read strictly into frozen values: a key that is misspelt, a limit the wrong way round or a policy without any
rule is an error and never a gate that lets everything pass. `to_json` is its one document form, defaults filled in; its digest
is frozen into each decision. docs/reference describes every key.
"""

import math
import tomllib
from dataclasses import dataclass, replace
from typing import Final, Literal, cast

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput
from incumbent.gates.holdout_rule import HoldoutRule, read_confidence, read_holdout
from incumbent.gates.online_rule import OnlineRule, read_online
from incumbent.gates.table import Scalar, Table, without_none
from incumbent.stats.metrics import METRICS, Needs, is_share
from incumbent.stats.subgroups import RATES

FORMAT = 1
LATENCIES: Final[dict[str, float]] = {"p50_latency_ms": 0.50, "p95_latency_ms": 0.95, "p99_latency_ms": 0.99}
"""Name -> quantile."""
MEMORY: Final = "memory_bytes"
"""Peak resident memory of the process that answers, Python and all libraries included."""
CEILING_ONLY = (*LATENCIES, MEMORY, "calibration_error", "subgroup_gap", "forbidden_rate")
"""Guardrail metrics beside METRICS; less is better for each."""
SHARES = ("calibration_error", "subgroup_gap", "forbidden_rate")

Method = Literal["paired", "points"]


@dataclass(frozen=True, slots=True)
class Scoring:
    """Which columns are compared.

    Attributes:
        label: Column of the holdout that holds the truth.
        output: Column of the models' answers that is scored.
        positive: The value of `label` that counts as positive; None: the truth is 0/1 or booleans, or has many classes.
        threshold: From which probability an answer is called positive; None: the answers are labels or numbers already.
    """

    label: str
    output: str
    positive: Scalar | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class PrimaryRule:
    """The metric in which the challenger must beat the champion.

    Attributes:
        metric: A key of METRICS.
        margin: Business margin in the metric's unit, > 0; or "noise": 1.96 sqrt(p (1 - p) / m) of the champion.
        confidence: One-sided level of the paired interval.
        method: "paired" rows, or "points": EQ V7.3 on point values.
    """

    metric: str
    margin: float | Literal["noise"]
    confidence: float
    method: Method


@dataclass(frozen=True, slots=True)
class GuardrailRule:
    """A metric that must stay within one limit, beyond its noise.

    Attributes:
        metric: A key of METRICS, one of LATENCIES, MEMORY, or "calibration_error", "subgroup_gap", "forbidden_rate".
        floor: Least value, for a metric of which more is better.
        ceiling: Greatest value, for one of which less is better.
        tolerance: How much worse than the champion it may be, in the metric's unit.
        by: For subgroup_gap: the column that holds the groups.
        of: For subgroup_gap: the rate, a key of RATES.
        rows_min: For subgroup_gap: fewer rows in a group are no evidence about it.
        output: For forbidden_rate: the boolean column of the answers.
    """

    metric: str
    floor: float | None = None
    ceiling: float | None = None
    tolerance: float | None = None
    by: str | None = None
    of: str | None = None
    rows_min: int | None = None
    output: str | None = None

    @property
    def name(self) -> str:
        """The rule's name in a verdict; two of one name say the same thing twice."""
        about = self.output or (f"of {self.of} by {self.by}" if self.by else "")
        kind = "to the champion" if self.tolerance is not None else ""
        return " ".join(filter(None, ("guardrail", self.metric, about, kind)))


@dataclass(frozen=True, slots=True)
class TestsRule:
    """Tests (ML Test Score) that must have passed, and for how many days their evidence counts.

    Attributes:
        useless_features_max: How many inputs may be without a shown benefit before the test feature-benefit fails; None: it never
            fails for that, and stays undecided.
        groups: Columns whose groups the test subgroups compares, beside those that guardrails name.
    """

    __test__ = False  # no class of tests for pytest
    required: tuple[str, ...]
    valid_days: int
    useless_features_max: int | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """All rules of a gate; see `parse_policy`."""

    primary: PrimaryRule | None
    scoring: Scoring | None
    guardrails: tuple[GuardrailRule, ...]
    holdout: HoldoutRule | None
    tests: TestsRule | None
    online: OnlineRule | None = None

    @property
    def needs(self) -> frozenset[Needs]:
        """What the scored column must hold: every kind of prediction that a rule names."""
        named = {rule.metric for rule in (self.primary, *self.guardrails) if rule is not None}
        found: set[Needs] = {METRICS[name].needs for name in named & METRICS.keys()}
        if "calibration_error" in named:
            found.add("probability")
        if "subgroup_gap" in named:
            found.add("label")
        return frozenset(found)

    def to_json(self) -> Document:
        """Return the policy as plain JSON, defaults filled in; `policy_from_json` reads it."""
        document: Document = {"format": FORMAT}
        scoring = _scoring_json(self.scoring)
        if self.primary is not None:
            rule = self.primary
            document["primary"] = {
                "metric": rule.metric, "margin": rule.margin, "confidence": rule.confidence, "method": rule.method, **scoring,
            }  # fmt: skip
        elif scoring:
            document["scoring"] = scoring
        if self.guardrails:
            document["guardrail"] = [_guardrail_json(rail) for rail in self.guardrails]
        if self.holdout is not None:
            document["holdout"] = self.holdout.to_json()
        if self.tests is not None:
            document["tests"] = _tests_json(self.tests)
        if self.online is not None:
            document["online"] = self.online.to_json()
        return document


def _scoring_json(scoring: Scoring | None) -> dict[str, Json]:
    if scoring is None:
        return {}
    return without_none({"label": scoring.label, "output": scoring.output, "positive": scoring.positive, "threshold": scoring.threshold})


def _tests_json(rule: TestsRule) -> dict[str, Json]:
    written: dict[str, Json] = {"required": list(rule.required), "valid_days": rule.valid_days}
    if rule.useless_features_max is not None:
        written["useless_features_max"] = rule.useless_features_max
    return {**written, "groups": list[Json](rule.groups)} if rule.groups else written


def _guardrail_json(rail: GuardrailRule) -> Json:
    return without_none(
        {
            "metric": rail.metric, "floor": rail.floor, "ceiling": rail.ceiling, "tolerance": rail.tolerance,
            "by": rail.by, "of": rail.of, "rows_min": rail.rows_min, "output": rail.output,
        }
    )  # fmt: skip


def parse_policy(text: str) -> GatePolicy:
    r"""Return the policy that a TOML text spells.

    Raises:
        InvalidInput: It is no TOML, or says something that no gate can hold; the message names the key and what is legal.

    >>> policy = parse_policy('format = 1\n[tests]\nrequired = ["serves"]')
    >>> policy.tests.required, policy.primary
    (('serves',), None)
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InvalidInput(f"the policy is no TOML: {error}") from error
    return policy_from_json(document)


def policy_from_json(document: object) -> GatePolicy:
    """Return the policy that `to_json` wrote, or that TOML tables of the same shape spell.

    Raises:
        InvalidInput: As for `parse_policy`.
    """
    top = Table("the policy", document)
    version = top.take("format")
    if isinstance(version, bool) or version != FORMAT:
        raise top.error("format", version, f"{FORMAT}, the only format that this version of Incumbent reads")
    primary, scoring = _read_primary(top)
    policy = GatePolicy(primary, scoring, _read_guardrails(top), _read_holdout(top, primary), _read_tests(top), _read_online(top))
    top.done()
    return _checked(policy)


def _read_primary(top: Table) -> tuple[PrimaryRule | None, Scoring | None]:
    if "primary" not in top:
        top.take("primary")
        value = top.take("scoring")
        if value is None:
            return None, None
        table = Table("[scoring]", value)
        scoring = _read_scoring(table)
        table.done()
        return None, scoring
    if "scoring" in top:
        raise InvalidInput("[scoring] is for a policy without [primary]; here [primary] itself names label and output")
    table = Table("[primary]", top.take("primary"))
    metric = table.choice("metric", METRICS)
    margin: float | Literal["noise"] = "noise"
    if table.peek("margin") == "noise":
        table.take("margin")
        if not METRICS[metric].is_proportion:
            shares = ", ".join(name for name, row in METRICS.items() if row.is_proportion)
            raise table.error("margin", "noise", f"a number above 0 for {metric}; sqrt(p (1 - p) / m) is the noise of {shares} only")
    else:
        margin = _read_distance(table, "margin", metric, "the gain that is worth a change")
    confidence = read_confidence(table)
    method = cast(Method, table.choice("method", ("paired", "points"), default="paired"))
    scoring = _read_scoring(table)
    table.done()
    return PrimaryRule(metric, margin, confidence, method), scoring


def _is_share(metric: str) -> bool:
    return metric in SHARES or is_share(metric)


def _read_distance(table: Table, key: str, metric: str, meaning: str) -> float:
    """Take a margin or tolerance: above 0, and for a share below 1, beyond which every model would fail or pass."""
    if _is_share(metric):
        return table.number(key, lambda number: 0 < number < 1, f"a number above 0 and below 1, {meaning}")
    return table.number(key, lambda number: number > 0, f"a number above 0, {meaning}")


def _read_scoring(table: Table) -> Scoring:
    threshold = table.optional_number("threshold", lambda number: 0 < number < 1, "a probability between 0 and 1")
    return Scoring(table.text("label"), table.text("output"), table.scalar("positive"), threshold)


def _read_guardrails(top: Table) -> tuple[GuardrailRule, ...]:
    value = top.take("guardrail")
    if value is None:
        return ()
    if not isinstance(value, list):
        raise InvalidInput("guardrail is a list of tables: write [[guardrail]], with two brackets, before each")
    rules = tuple(_read_guardrail(Table(f"[[guardrail]] {place}", item)) for place, item in enumerate(value, 1))
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f"two entries say {name!r}; one rule has one limit")
    return rules


def _read_guardrail(table: Table) -> GuardrailRule:
    metric = table.choice("metric", (*METRICS, *CEILING_ONLY))
    table.name = f"{table.name} ({metric})"
    limits = [key for key in ("floor", "ceiling", "tolerance") if key in table]
    if len(limits) != 1:
        given = " and ".join(limits) or "none"
        raise InvalidInput(f"{table.name} takes exactly one limit of floor, ceiling and tolerance; it has {given}")
    higher = metric in METRICS and METRICS[metric].higher_is_better
    right, wrong = ("floor", "ceiling") if higher else ("ceiling", "floor")
    if limits == [wrong]:
        raise InvalidInput(
            f"{table.name} has a {wrong}, the wrong way round: {'more' if higher else 'less'} is better, so it takes a {right}"
        )
    if limits == ["tolerance"] and metric not in METRICS:
        raise InvalidInput(f"{table.name} has a tolerance, but is not compared with the champion; it takes a {right}")
    number = _read_limit(table, metric, limits[0])
    by = of = output = rows_min = None
    if metric == "subgroup_gap":
        by, of = table.text("by"), table.choice("of", RATES)
        rows_min = table.whole("rows_min", 1, 10**9, default=50)
    if metric == "forbidden_rate":
        output = table.text("output")
    table.done()
    return GuardrailRule(metric, by=by, of=of, rows_min=rows_min, output=output, **{limits[0]: number})


def _read_limit(table: Table, metric: str, key: str) -> float:
    if key == "tolerance":
        return _read_distance(table, key, metric, "how much worse than the champion is no matter")
    if metric in LATENCIES:
        return table.number(key, lambda number: number > 0, "a time in milliseconds above 0")
    if metric == MEMORY:
        return table.number(key, lambda number: number > 0, "a number of bytes above 0")
    if _is_share(metric):
        return table.number(key, lambda number: 0 < number < 1, "a share between 0 and 1; at 0 or 1 no evidence could be enough")
    return table.number(key, math.isfinite, "a finite number")


def _read_holdout(top: Table, primary: PrimaryRule | None) -> HoldoutRule | None:
    value = top.take("holdout")
    if value is None:
        return None
    return read_holdout(Table("[holdout]", value), confidence=primary.confidence if primary else 0.95)


def _read_online(top: Table) -> OnlineRule | None:
    value = top.take("online")
    return None if value is None else read_online(Table("[online]", value), tuple(LATENCIES))


def _read_tests(top: Table) -> TestsRule | None:
    value = top.take("tests")
    if value is None:
        return None
    table = Table("[tests]", value)
    required = table.take("required")
    if not isinstance(required, list) or not required or not all(isinstance(name, str) and name.strip() for name in required):
        raise table.error("required", required, "a list with the names of one test or more")
    if len(set(required)) != len(required):
        raise table.error("required", required, "each test once")
    has_limit = "useless_features_max" in table
    useless = table.whole("useless_features_max", 0, 10**6, default=0)
    groups = table.take("groups")
    if groups is not None and not (isinstance(groups, list) and all(isinstance(name, str) and name.strip() for name in groups)):
        raise table.error("groups", groups, "a list of column names")
    rule = TestsRule(
        tuple(required), table.whole("valid_days", 1, 3650, default=90), useless if has_limit else None, tuple(dict.fromkeys(groups or ()))
    )
    table.done()
    return rule


def _checked(policy: GatePolicy) -> GatePolicy:
    """Refuse what only the whole shows, and fill in the threshold where probabilities must become labels."""
    if policy.primary is None and not policy.guardrails and policy.tests is None:
        raise InvalidInput("the policy has no rule: it would pass everything; give [primary], [[guardrail]] or [tests]")
    if (policy.primary or policy.guardrails) and policy.holdout is None:
        raise InvalidInput("[holdout] is missing; the primary metric and the guardrails are measured on a holdout that it names")
    _check_thresholdout(policy)
    needs, scoring = policy.needs | _online_needs(policy.online), policy.scoring
    if needs and scoring is None:
        raise InvalidInput("[scoring] is missing; without [primary] it names the columns that the guardrails score: label and output")
    if scoring is None:
        return policy
    if "number" in needs and len(needs) > 1:
        raise InvalidInput(f"one column cannot be both a {' and a '.join(sorted(needs))}; the metrics of a policy score one output")
    if scoring.threshold is not None and "label" not in needs:
        raise InvalidInput("threshold is given, but no metric of the policy turns probabilities into labels; leave it out")
    if scoring.positive is not None and needs == {"number"}:
        raise InvalidInput("positive is given, but the metrics of the policy compare numbers; leave it out")
    if {"probability", "label"} <= needs and scoring.threshold is None:
        scoring = Scoring(scoring.label, scoring.output, scoring.positive, 0.5)
    return replace(policy, scoring=scoring)


def _online_needs(rule: OnlineRule | None) -> set[Needs]:
    """What live answers must hold; the holdout is not asked for it."""
    score = rule.score if rule is not None else None
    return {METRICS[score.metric].needs} if score is not None and score.metric in METRICS else set()


def _check_thresholdout(policy: GatePolicy) -> None:
    """Refuse what would tell beside Thresholdout what it keeps back."""
    if policy.holdout is None or policy.holdout.thresholdout is None:
        return
    said = 'reuse = "thresholdout"'
    if policy.primary is None:
        raise InvalidInput(f"{said} compares gains on training rows and holdout, and without [primary] there is none; take spend or ladder")
    if policy.primary.method != "paired" or policy.primary.margin == "noise":
        raise InvalidInput(
            f'{said} takes method = "paired" and a margin that is a number: "points" has no interval for its noise to widen, and the '
            'margin "noise" tells what the champion scores on the holdout'
        )
    telling = [rule.metric for rule in policy.guardrails if rule.metric in {*METRICS, "calibration_error", "subgroup_gap"}]
    if telling:
        raise InvalidInput(
            f"the guardrails on {', '.join(telling)} tell at every look what the holdout says, and nothing would be left for {said} to "
            "keep back; take spend or ladder, or leave them out"
        )
