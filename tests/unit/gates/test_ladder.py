"""What the judge tells where reuse of the holdout is priced by the Ladder."""

import math
import re
from dataclasses import replace

import pytest

from incumbent.base.documents import document_bytes
from incumbent.gates import primary
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


def _numbers(value):
    """Yield every number of a document, and those that stand in its words."""
    match value:
        case dict():
            for one in value.values():
                yield from _numbers(one)
        case bool() | None:
            return
        case int() | float():
            yield value
        case str():
            yield from map(float, re.findall(r"(?<![\w.])[-+]?\d+\.\d+(?:e[-+]\d+)?", value))


@pytest.mark.parametrize("method", ["paired", "points"])
def test_of_a_challenger_that_climbs_a_rung_everything_is_told_to_one_row(method):
    """A log loss has 15 digits, and a rung that tells them all tells as much of the rows as many looks: here each is a multiple of 1/m."""
    m = 3000
    rows = probabilities(1, m, {"champion": 2.0, "challenger": 0.5})
    rules = policy(metric="log_loss", method=method, margin=0.01, look_rules={"reuse": "ladder"})
    found = only(ask(rules, **rows))
    assert (found.outcome, found.facts["ladder_best"]) == ("passed", pytest.approx(-found.facts["challenger"]))
    other = found.facts["alpha"], found.facts["margin"], found.facts["ladder_best"]
    told = [number for number in _numbers(found.to_json()) if number not in other]
    assert len(told) >= 4
    assert [number * m for number in told] == pytest.approx([round(number * m) for number in told], abs=0.02)  # 6 digits in words
    in_full = only(ask(policy(metric="log_loss", method=method, margin=0.01), **rows))
    assert found.estimate == pytest.approx(in_full.estimate, abs=0.5 / m)
    assert abs(in_full.estimate * m - round(in_full.estimate * m)) > 0.02  # or the rounding would have had nothing to do


def test_the_ladder_tells_nothing_where_the_noise_is_unknown(monkeypatch):
    """Nobody can say then whether the challenger climbed: neither score is in the verdict."""
    rows = probabilities(1, 3000, {"champion": 2.0, "challenger": 0.5})
    compared = primary.compare
    monkeypatch.setattr(primary, "compare", lambda *given, **named: replace(compared(*given, **named), se=math.inf))
    found = only(ask(policy(metric="log_loss", margin=0.01, look_rules={"reuse": "ladder"}), **rows))
    assert (found.outcome, found.estimate, found.low, found.high, found.facts) == ("undecided", None, None, None, {})
    assert not [number for number in _numbers(found.reason) if number not in (3000, 1)]
