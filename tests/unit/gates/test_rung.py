"""Where the Ladder stands after what verdicts have told, whoever asked and however that was paid for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.gates.holdout import alpha_of_look
from incumbent.gates.rung import Rung, find_rung
from incumbent.gates.verdict import RuleResult
from unit.gates.judged import ACCURACY, ask, labelled, only, policy

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=6)


def result(rule, estimate=None, **facts):
    return RuleResult(rule, "failed", "as it is", estimate, facts=facts)


@given(SCORES, st.randoms())
def test_the_rung_is_the_best_ever_told_in_whatever_order_verdicts_came(scores, chance):
    told = [result("primary accuracy", ladder_best=score) for score in scores]
    chance.shuffle(told)
    assert find_rung("accuracy", told) == Rung(max(scores))


@pytest.mark.parametrize(
    ("told", "best"),
    [
        (result("primary accuracy", 0.01, champion=0.80, challenger=0.81, margin=0.0), 0.81),
        (result("primary accuracy", -0.03, champion=0.80, challenger=0.77), 0.80),
        (result("primary accuracy", 0.77), 0.77),
        (result("guardrail accuracy", 0.91, alpha=0.05), 0.91),
        (result("guardrail accuracy to the champion", 0.01, tolerance=0.02), None),
        (result("primary accuracy", reuse="ladder"), None),
        (result("primary accuracy", 0.02, answered_by="training"), None),
    ],
    ids=["spent", "spent, and worse", "unopposed", "a guardrail", "a difference", "kept back", "Thresholdout's gain"],
)
def test_a_score_that_was_told_otherwise_is_a_rung_too(told, best):
    assert find_rung("accuracy", [told]) == Rung(best)


def test_less_is_better_where_it_is_and_another_metric_is_named_and_no_rung():
    told = [result("primary mae", champion=0.5, challenger=0.4), result("primary rmse", 0.2), result("primary accuracy", ladder_best=0.9)]
    assert find_rung("mae", told) == Rung(-0.4, ("accuracy", "rmse"))


def test_the_ladder_is_paid_for_look_by_look_once_the_rows_were_asked_by_another_metric():
    rules = policy(look_rules={"reuse": "ladder"}, **ACCURACY)
    rows = labelled(90, 40, 4000)
    alone, beside = (only(ask(rules, look=5, rung=Rung(0.97, others), **rows)) for others in ((), ("mcc",)))
    assert alone.facts["alpha"] == pytest.approx(0.05)
    assert beside.facts["alpha"] == pytest.approx(alpha_of_look(0.05, 5)) == pytest.approx(0.05 * 6 / (3.14159265**2 * 25))
    assert "the price of reuse, by mcc too" in beside.reason
