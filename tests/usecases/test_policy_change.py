"""A threshold that was set after a version's result was seen: whoever signs is told, and `live` keeps telling."""

import pytest

from incumbent.bootstrap.models import open_model_host
from incumbent.cli import main
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.live import get_live
from incumbent.usecases.policies import set_policy
from incumbent.usecases.promote import check_promotion, promote
from incumbent.usecases.sign_off import sign_off
from office import MODEL, POLICY, SLOT

WHO = {"model": MODEL, "slot": SLOT, "version": 1}


@pytest.fixture
def office(evaluated_office):
    return evaluated_office


def notes(office):
    return [note for note in check_promotion(office["olga"], **WHO).notes if note.startswith("policy changed")]


def test_whoever_signs_and_whoever_looks_later_is_told_what_was_lowered_after_the_first_look_and_by_whom(office, monkeypatch, capsys):
    assert notes(office) == []
    set_policy(office["ann"], target=MODEL, text=POLICY.replace("0.05", "0.002"))
    set_policy(office["petra"], target=MODEL, text=POLICY.replace("0.05", "0.002").replace("5000.0", "9000.0"))
    [note] = notes(office)
    assert note.startswith("policy changed since the first look at this version (entry ")
    assert note.endswith("): primary margin 0.05 -> 0.002 by ann; guardrail p99_latency_ms ceiling 5000.0 -> 9000.0 by petra")
    host = open_model_host(office["rita"])
    evaluate(office["rita"], host, **WHO)
    host.close()
    assert notes(office) == [note]
    assert note in sign_off(office["vera"], **WHO, capacity="validator").readiness.notes
    sign_off(office["omar"], **WHO, capacity="approver")
    monkeypatch.chdir(office["ada"].folder.parent)
    assert main(["promote", f"{MODEL}@1", "--slot", SLOT, "--check"]) == 0
    assert f"  note: {note}\n" in capsys.readouterr().out
    promote(office["olga"], **WHO, reason="better")
    assert get_live(office["ben"], SLOT).basis.policy_change == note
    assert main(["live", SLOT]) == 0
    assert f"  note          {note}\n" in capsys.readouterr().out
    assert reconcile(office["ben"]).differences == ()


def test_a_policy_that_was_set_anew_word_for_word_or_back_again_is_no_change(office):
    set_policy(office["ann"], target=MODEL, text=POLICY.replace("0.05", "0.002"))
    assert notes(office)
    set_policy(office["petra"], target=MODEL, text=f"# as it was\n{POLICY}")
    assert notes(office) == []


def test_a_policy_that_takes_the_place_of_the_tiers_is_a_change(office):
    """Whose policy it is may differ: what counts is what it asks."""
    other = POLICY.replace('required = ["serves"]', 'required = ["serves", "skew"]')
    set_policy(office["petra"], target="tier-2", text=other)
    assert notes(office) == []  # the model's own comes first
    set_policy(office["ann"], target=MODEL, text=other)
    [note] = notes(office)
    assert note.endswith("): tests required serves -> serves, skew by ann")
