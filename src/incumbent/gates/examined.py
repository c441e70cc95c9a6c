"""What one test of a version answers: passed, failed, undecided, or not applicable with the reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.gates.verdict import RuleResult

Layer = Literal["data", "model", "infrastructure", "monitoring"]
LAYERS: tuple[Layer, ...] = get_args(Layer)
TestOutcome = Literal["passed", "failed", "undecided", "not-applicable"]
TEST_OUTCOMES: tuple[TestOutcome, ...] = get_args(TestOutcome)


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test's answer.

    Attributes:
        test: Its name in the table of tests, such as "serves".
        layer: The section of the ML Test Score that it belongs to.
        outcome: See TEST_OUTCOMES.
        reason: One sentence for people: what was asked, what was found.
        facts: What was measured and counted, as plain JSON.
    """

    __test__ = False  # no class of tests for pytest
    test: str
    layer: Layer
    outcome: TestOutcome
    reason: str
    facts: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.layer not in LAYERS or self.outcome not in TEST_OUTCOMES:
            raise InvalidInput(f"test {self.test!r} says layer {self.layer!r} and outcome {self.outcome!r}; one of them does not exist")
        if not self.test or not self.reason:
            raise InvalidInput(f"a test's result names the test and its reason, not {self.test!r} and {self.reason!r}")

    def to_rule_result(self) -> RuleResult:
        """Return the answer to a rule that requires this test: what does not apply has not been shown, so it is undecided.

        >>> TestResult("skew", "infrastructure", "not-applicable", "the run has no scores").to_rule_result().outcome
        'undecided'
        """
        if self.outcome == "not-applicable":
            return RuleResult(f"test {self.test}", "undecided", f"required, and not applicable: {self.reason}", facts=self.facts)
        return RuleResult(f"test {self.test}", self.outcome, self.reason, facts=self.facts)

    def to_json(self) -> dict[str, Json]:
        """Return the result as plain JSON; `result_of_test_from_json` reads it."""
        return {"test": self.test, "layer": self.layer, "outcome": self.outcome, "reason": self.reason, "facts": dict(self.facts)}


def result_of_test_from_json(value: Json) -> TestResult:
    """Return the result that `TestResult.to_json` wrote.

    Raises:
        InvalidInput: `value` has another form.
    """
    match value:
        case {"test": str(test), "layer": str(layer), "outcome": str(outcome), "reason": str(reason), "facts": dict(facts)}:
            return TestResult(test, cast(Layer, layer), cast(TestOutcome, outcome), reason, facts)
    raise InvalidInput("a test's result has the keys test, layer, outcome, reason and facts")
