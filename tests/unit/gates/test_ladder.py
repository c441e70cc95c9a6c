"""What the judge tells where reuse of the holdout is priced by the Ladder."""

import pytest

from incumbent.base.documents import document_bytes
from incumbent.gates.rung import Rung
from unit.gates.judged import ACCURACY, ask, labelled, only, policy, probabilities


def test_the_ladder_tells_nothing_of_a_challenger_that_climbs_no_rung():
    rules = policy(look_rules={"reuse": "ladder"}, **ACCURACY)
    found = only(ask(rules, rung=Rung(0.999), **labelled(90, 40, 4000)))
    assert (found.outcome, found.estimate, found.low, found.high) == ("failed", None, None, None)
    assert found.facts == {"ladder_best": 0.999}
    better = only(ask(rules, rung=Rung(0.97), **labelled(90, 40, 4000)))
    assert better.outcome == "passed"
    assert better.facts["ladder_best"] == pytest.approx(0.99)
    assert only(ask(rules, **labelled(90, 40, 4000))).facts["ladder_best"] == pytest.approx(0.99)  # the champion has 0.9775


def test_the_ladder_and_thresholdout_keep_back_the_score_of_whoever_has_nobody_to_beat():
    """The score of 0.9175 is in no field of the verdict; where looks are spent it is told."""
    rows = labelled(0, 330, 4000) | {"champion": None}
    kept = [{"reuse": "ladder"}, {"reuse": "thresholdout", "agreement": 0.01, "noise": 0.002}]
    for look_rules in kept:
        found = only(ask(policy(look_rules=look_rules, **ACCURACY), **rows))
        assert (found.outcome, found.estimate, found.low, found.high) == ("passed", None, None, None)
        assert "kept back" in found.reason
        assert b"0.9175" not in document_bytes(found.to_json())
        assert (found.facts.get("answered_by") == "nobody") == (look_rules["reuse"] == "thresholdout")
    told = only(ask(policy(**ACCURACY), **rows))
    assert (told.outcome, told.estimate) == ("passed", 0.9175)


def test_the_ladder_climbs_downwards_where_less_is_better():
    """A log loss of 0.5 is a score of -0.5: one of 0.9 is no rung, although 0.9 is more than -0.5."""
    rows = probabilities(1, 3000, {"champion": 0.5, "challenger": 2.0})
    found = only(ask(policy(metric="log_loss", margin=0.01, look_rules={"reuse": "ladder"}), **rows))
    assert (found.outcome, found.estimate) == ("failed", None)
    assert found.facts["ladder_best"] < 0
    other = {**rows, "champion": rows["challenger"], "challenger": rows["champion"]}
    better = only(ask(policy(metric="log_loss", margin=0.01, look_rules={"reuse": "ladder"}), **other))
    assert better.facts["ladder_best"] == pytest.approx(-better.facts["challenger"], abs=1 / 3000)
