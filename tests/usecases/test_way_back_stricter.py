"""A model that moved into a stricter tier: what went live on less is no way back without a word, and `live` says what lacks."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from incumbent.base.errors import NotFound, Refused
from incumbent.cli import main
from incumbent.usecases.findings import list_findings
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.live_today import get_today
from incumbent.usecases.people import change_person
from incumbent.usecases.roll_back import roll_back
from incumbent.usecases.sign_off import sign_off
from incumbent.usecases.tiers import assess_tier
from office import MODEL, PEOPLE, SLOT, as_actor, make_live, open_copy

WHO = {"model": MODEL, "slot": SLOT}
LEVELS = {1: ("high", "high", "medium"), 2: ("medium", "medium", "high"), 3: ("medium", "medium", "medium")}


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unsigned")
    make_live(folder, tier=4)
    return folder


@pytest.fixture
def office(unsigned, tmp_path):
    ws = open_copy(unsigned, tmp_path)
    yield {name: as_actor(ws, name) for name in PEOPLE}
    ws.store.close()


def assess(office, tier):
    exposure, purpose, inherent = LEVELS[tier]
    assess_tier(office["omar"], model=MODEL, exposure=exposure, purpose=purpose, inherent=inherent, reason="it lends money now")


def test_in_the_tier_of_its_day_the_way_back_is_free(office):
    assert get_today(office["ben"], SLOT).to_json() == {
        "tier": "4", "lacks": [], "roll_back_to": {"model": MODEL, "version": 1, "lacks": []},
    }  # fmt: skip
    assert roll_back(office["olga"], slot=SLOT, reason="error rate").version.version == 1


@pytest.mark.parametrize(("tier", "missing", "approvers"), [(1, "1 validator; 2 approvers", 2), (3, "1 approver", 1)])
def test_what_nobody_signed_is_approved_by_as_many_as_todays_tier_asks_for(office, tier, missing, approvers):
    assess(office, tier)
    told = rf"double@1 went live on less than tier {tier} asks for today \(missing: {missing}\).*\({approvers} asked, 0 there\)"
    with pytest.raises(Refused, match=told):
        roll_back(office["olga"], slot=SLOT, reason="error rate")
    for name in ("petra", "omar")[:approvers]:
        with pytest.raises(Refused, match="went live on less"):
            roll_back(office["olga"], slot=SLOT, reason="error rate")
        sign_off(office[name], **WHO, version=1, capacity="approver", comment="go back")
    assert roll_back(office["olga"], slot=SLOT, reason="error rate").version.version == 1
    assert list(list_findings(office["ben"], is_open=True)) == []
    assert reconcile(office["ben"]).differences == ()


def test_a_broken_glass_goes_back_to_it_at_once_and_opens_a_finding(office):
    assess(office, 1)
    done = roll_back(office["olga"], slot=SLOT, reason="error rate, nobody answers", break_glass=True)
    assert done.version.version == 1
    assert [one.finding.finding_id for one in list_findings(office["ben"], subject=SLOT, is_open=True)] == [done.finding]
    assert get_today(office["ben"], SLOT).lacks == ("1 validator", "2 approvers")


def test_live_tells_todays_tier_and_what_lacks_of_the_version_and_of_the_way_back(office, monkeypatch, capsys):
    assess(office, 2)
    monkeypatch.chdir(office["ada"].folder.parent)
    assert main(["live", SLOT]) == 0
    shown = capsys.readouterr().out
    assert "  tier          4\n" in shown
    assert "  today         held to tier 2, and lacks: 1 validator; 1 approver\n" in shown
    assert "  the way back  to double@1 lacks: 1 validator; 1 approver; missing: 1 approver\n" in shown
    assert main(["live", SLOT, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["today"]["lacks"] == ["1 validator", "1 approver"]
    with pytest.raises(NotFound, match="there is no slot 'other'"):
        get_today(office["ben"], "other")


def test_whoever_left_since_had_signed_and_a_term_that_ended_is_told(office):
    assess(office, 3)
    sign_off(office["omar"], **WHO, version=1, capacity="approver", comment="go back")
    roll_back(office["olga"], slot=SLOT, reason="error rate")
    assert get_today(office["ben"], SLOT).lacks == ()
    change_person(office["ada"], person="omar", is_active=False)
    assert get_today(office["ben"], SLOT).lacks == ()
    [told, *_] = get_today(replace(office["ben"], clock=Later()), SLOT).lacks
    assert told.startswith("its approval expired on ")


class Later:
    """A clock in 400 days, when the approvals of tier 3 have expired."""

    def now(self):
        return datetime.now(UTC) + timedelta(days=400)
