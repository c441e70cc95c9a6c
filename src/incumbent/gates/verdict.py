"""What a gate answers: passed, failed or undecided, rule by rule, with the numbers that it rests on.

Undecided is an answer of its own: the evidence spans the limit, and the rule says how many more rows would settle it. A verdict is
passed only if every rule passed; a rule that failed makes it failed, whatever is still undecided.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput

Outcome = Literal["passed", "failed", "undecided"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


NOISE_UNKNOWN = "the noise cannot be told: the metric is undefined on too many draws of these rows, so it takes more of the rarer kind"
"""Reason of an undecided rule whose standard error is infinite."""


def tell_needed(rows: int | None, what: str = "rows") -> str:
    """Return in words how many more would settle what is undecided; None says that no number would.

    >>> tell_needed(1200), tell_needed(None)
    ('about 1,200 more rows would settle it', 'no number of rows would settle it')
    """
    return f"no number of {what} would settle it" if rows is None else f"about {rows:,} more {what} would settle it"


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule's answer.

    Attributes:
        rule: Its name in the policy, such as "primary auc" or "guardrail p99_latency_ms".
        outcome: passed, failed or undecided.
        reason: One sentence for people: what was asked, what was found, what it means.
        estimate: What was measured; None where nothing may be told or could be measured.
        low: Bounds of the estimate at the level that the reason names; None where there is no bound.
        high: See low.
        n: Rows that the estimate rests on.
        rows_needed: For undecided: about how many more such rows would settle it; None where no number would.
        facts: What else was counted, as plain JSON.
    """

    rule: str
    outcome: Outcome
    reason: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    rows_needed: int | None = None
    facts: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise InvalidInput(f"{self.rule}: {self.outcome!r} is no outcome; there are {', '.join(OUTCOMES)}")
        if not self.rule or not self.reason:
            raise InvalidInput(f"a result names its rule and its reason, not {self.rule!r} and {self.reason!r}")
        for name in ("estimate", "low", "high"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                object.__setattr__(self, name, None)  # JSON has no infinity: a bound that is not there is None

    def to_json(self) -> dict[str, Json]:
        """Return the result as plain JSON; `result_from_json` reads it."""
        return {
            "rule": self.rule,
            "outcome": self.outcome,
            "reason": self.reason,
            "estimate": self.estimate,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "rows_needed": self.rows_needed,
            "facts": dict(self.facts),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """All answers together; make one with `combine`."""

    outcome: Outcome
    results: tuple[RuleResult, ...]

    def __post_init__(self) -> None:
        if self.outcome != _outcome_of(self.results):
            raise InvalidInput(f"a verdict of {len(self.results)} results that is {self.outcome!r} contradicts them")

    @property
    def is_passed(self) -> bool:
        """Whether every rule passed."""
        return self.outcome == "passed"

    def to_json(self) -> dict[str, Json]:
        """Return the verdict as plain JSON; `verdict_from_json` reads it."""
        return {"outcome": self.outcome, "results": [result.to_json() for result in self.results]}


def _outcome_of(results: tuple[RuleResult, ...]) -> Outcome:
    if not results:
        raise InvalidInput("a verdict without a single rule would pass everything; a gate needs at least one rule")
    outcomes = {result.outcome for result in results}
    return "failed" if "failed" in outcomes else "undecided" if "undecided" in outcomes else "passed"


def combine(results: Iterable[RuleResult]) -> Verdict:
    """Return the verdict of these results.

    Raises:
        InvalidInput: There are none (they would pass everything), or two have one name.

    >>> passed, open_ = RuleResult("a", "passed", "holds"), RuleResult("b", "undecided", "12 rows more")
    >>> combine([passed]).outcome, combine([passed, open_]).outcome
    ('passed', 'undecided')
    """
    found = tuple(results)
    names = [result.rule for result in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(f"two results are called {', '.join(twice)}; each rule is judged once")
    return Verdict(_outcome_of(found), found)


_KINDS: dict[str, tuple[type, ...]] = {
    "rule": (str,), "outcome": (str,), "reason": (str,), "estimate": (float, int, type(None)), "low": (float, int, type(None)),
    "high": (float, int, type(None)), "n": (int, type(None)), "rows_needed": (int, type(None)), "facts": (dict,),
}  # fmt: skip


def result_from_json(value: Json) -> RuleResult:
    """Return the result that `to_json` wrote.

    Raises:
        InvalidInput: `value` has another form.
    """
    if not isinstance(value, dict) or value.keys() != _KINDS.keys():
        raise InvalidInput(f"a rule's result has exactly the keys {', '.join(_KINDS)}")
    for key, kinds in _KINDS.items():
        if not isinstance(value[key], kinds) or (isinstance(value[key], bool)):
            raise InvalidInput(f"a rule's result has {key} = {value[key]!r}")
    return RuleResult(**cast(dict[str, object], value))  # type: ignore[arg-type]  # RuleResult judges its fields


def verdict_from_json(value: Json) -> Verdict:
    """Return the verdict that `to_json` wrote; one that contradicts its results is refused.

    Raises:
        InvalidInput: `value` has another form, or its outcome does not follow from its results.
    """
    if not isinstance(value, dict) or value.keys() != {"outcome", "results"} or not isinstance(value["results"], list):
        raise InvalidInput("a verdict has exactly the keys outcome and results")
    return Verdict(cast(Outcome, value["outcome"]), combine(map(result_from_json, value["results"])).results)
