import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.documents import document_bytes, parse_document
from incumbent.base.errors import InvalidInput
from incumbent.gates.verdict import OUTCOMES, RuleResult, Verdict, combine, result_from_json, verdict_from_json

numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
results = st.builds(
    RuleResult, st.text(min_size=1, max_size=5), st.sampled_from(OUTCOMES), st.text(min_size=1, max_size=9),
    numbers, numbers, numbers, st.none() | st.integers(0), st.none() | st.integers(0), st.dictionaries(st.text(max_size=3), st.integers()),
)  # fmt: skip
verdicts = st.lists(results, min_size=1, max_size=6, unique_by=lambda result: result.rule).map(combine)


@given(verdicts)
def test_one_failure_fails_and_one_open_rule_keeps_it_open(verdict):
    outcomes = [result.outcome for result in verdict.results]
    assert (verdict.outcome == "failed") == ("failed" in outcomes)
    assert verdict.is_passed == (set(outcomes) == {"passed"})


@given(verdicts)
def test_a_verdict_survives_its_document(verdict):
    assert verdict_from_json(parse_document(document_bytes(verdict.to_json()))) == verdict


def test_no_rule_at_all_is_refused_because_it_would_pass_everything():
    with pytest.raises(InvalidInput, match="would pass everything"):
        combine([])
    with pytest.raises(InvalidInput, match="would pass everything"):
        Verdict("passed", ())
    with pytest.raises(InvalidInput, match="would pass everything"):
        verdict_from_json({"outcome": "passed", "results": []})


def test_a_verdict_that_contradicts_its_results_is_refused():
    document = combine([RuleResult("a", "failed", "too slow")]).to_json()
    with pytest.raises(InvalidInput, match="contradicts"):
        verdict_from_json({**document, "outcome": "passed"})


def test_two_results_of_one_rule_are_refused():
    with pytest.raises(InvalidInput, match="two results are called a"):
        combine([RuleResult("a", "passed", "x"), RuleResult("a", "passed", "y")])


def test_a_bound_that_is_not_there_is_none_so_that_the_result_has_a_document():
    found = RuleResult("a", "undecided", "x", math.nan, -math.inf, math.inf)
    assert (found.estimate, found.low, found.high) == (None, None, None)
    assert b'"high":null' in document_bytes(found.to_json())


@pytest.mark.parametrize(("rule", "outcome", "reason"), [("a", "maybe", "x"), ("", "passed", "x"), ("a", "passed", "")])
def test_a_result_without_name_outcome_or_reason_is_refused(rule, outcome, reason):
    with pytest.raises(InvalidInput):
        RuleResult(rule, outcome, reason)


GOOD = RuleResult("a", "passed", "x", 1.0).to_json()


@pytest.mark.parametrize(
    "value",
    [None, [], {}, {**GOOD, "more": 1}, {**GOOD, "n": 1.5}, {**GOOD, "n": True}, {**GOOD, "low": "1"}, {**GOOD, "facts": None},
     {**GOOD, "outcome": "maybe"}, {key: value for key, value in GOOD.items() if key != "n"}],
)  # fmt: skip
def test_a_document_of_another_form_is_refused(value):
    with pytest.raises(InvalidInput):
        result_from_json(value)


@pytest.mark.parametrize(
    "value", [None, {"outcome": "passed"}, {"outcome": "passed", "results": {}}, {"outcome": ["passed"], "results": [GOOD]}]
)
def test_a_verdict_document_of_another_form_is_refused(value):
    with pytest.raises(InvalidInput):
        verdict_from_json(value)
