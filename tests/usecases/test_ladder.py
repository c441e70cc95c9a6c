"""The Ladder remembers what the rows of a holdout have told: to two at once, by another model's policy, by another metric."""

import pytest

from incumbent.base.errors import Conflict
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases import evaluate as evaluating
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.holdouts import list_holdouts
from incumbent.usecases.policies import set_policy
from office import MODEL, POLICY, SLOT, go_live, open_office, prepare, register_factor

WHO = {"model": MODEL, "slot": SLOT}
LADDER = POLICY.replace("looks_max = 20", 'looks_max = 20\nreuse = "ladder"').replace("margin = 0.05", "margin = 0.001")


@pytest.fixture
def host(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "bundles").mkdir()
    ws = open_workspace(read_settings(tmp_path / "project", {"INCUMBENT_KEYS": str(tmp_path / "keys")}))
    opened = open_model_host(ws)
    opened.ws = ws
    yield opened
    opened.close()
    ws.store.close()


@pytest.fixture
def office(host, tmp_path):
    """Version 1, of factor 1.5, is live; 2, 3 and 4 are better, each than the one before."""
    people = open_office(host.ws)
    prepare(people, tmp_path / "bundles")
    go_live(people, host, 1)
    for factor in (1.8, 1.9, 1.95):
        register_factor(people["ann"], tmp_path / "bundles", factor)
    return people


def primary(evidence):
    return next(result for result in evidence.verdict.results if result.rule.startswith("primary"))


def test_a_lower_rung_that_is_recorded_later_takes_none_back(office, host):
    set_policy(office["rita"], target=MODEL, text=LADDER)
    best = primary(evaluate(office["rita"], host, **WHO, version=4))
    assert best.outcome == "passed"
    for version in (3, 2, 4):
        found = primary(evaluate(office["rita"], host, **WHO, version=version))
        assert (found.outcome, found.estimate) == ("failed", None)
        assert found.facts["ladder_best"] == pytest.approx(best.facts["ladder_best"], abs=1 / 400)


def test_of_two_at_once_the_later_is_refused_and_finds_the_higher_rung_when_it_comes_again(office, host, monkeypatch):
    set_policy(office["rita"], target=MODEL, text=LADDER)
    judged, between = evaluating.judge, []

    def judge(*given, **named):
        if not between:
            between.append(None)
            between[0] = evaluate(office["vera"], host, **WHO, version=4)
        return judged(*given, **named)

    monkeypatch.setattr(evaluating, "judge", judge)
    with pytest.raises(Conflict, match="another verdict on the rows of double@2's holdout came while it was being judged: evaluate again"):
        evaluate(office["rita"], host, **WHO, version=2)
    assert primary(between[0]).outcome == "passed"
    looks = list_holdouts(host.ws)[0].looks
    again = primary(evaluate(office["rita"], host, **WHO, version=2))
    assert (again.outcome, again.estimate) == ("failed", None)
    assert list_holdouts(host.ws)[0].looks == looks + 1 == 4, "a look that came to nothing was one"


def test_a_score_that_another_policy_told_in_full_is_a_rung(office, host):
    set_policy(office["rita"], target=MODEL, text=POLICY)
    told = primary(evaluate(office["rita"], host, **WHO, version=4)).facts["challenger"]
    set_policy(office["rita"], target=MODEL, text=LADDER)
    found = primary(evaluate(office["rita"], host, **WHO, version=3))
    assert found.outcome == "failed", "it is better than the champion, and worse than what has been told"
    assert found.facts["ladder_best"] == -told


def test_who_asks_by_another_metric_meanwhile_pays_for_each_look(office, host):
    set_policy(office["rita"], target=MODEL, text=LADDER.replace('"mae"', '"rmse"'))
    evaluate(office["rita"], host, **WHO, version=2)
    set_policy(office["rita"], target=MODEL, text=LADDER)
    found = primary(evaluate(office["rita"], host, **WHO, version=3))
    assert "the price of reuse, by rmse too" in found.reason
    assert found.facts["alpha"] == pytest.approx(0.05 * 6 / (3.14159265358979**2 * 9)), "it is the third look at these rows"
