"""A clock that was ahead stops nothing for good: the way back is there at once, and an admin lets the rest go on."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from incumbent.base.errors import InvalidInput, Refused
from incumbent.cli import main
from incumbent.ledger.entry import format_time
from incumbent.usecases.findings import close_finding, list_findings, open_finding
from incumbent.usecases.ledger_clock import accept_clock
from incumbent.usecases.ledger_log import get_entry, list_entries
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.live import get_live
from incumbent.usecases.roll_back import roll_back
from incumbent.usecases.sign_off import sign_off
from office import MODEL, PEOPLE, SLOT, as_actor, make_live, open_copy

NOW = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)


class Clock:
    def __init__(self, now):
        self.at = now

    def now(self):
        return self.at


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clock")
    make_live(folder, tier=2)
    return folder


@pytest.fixture
def office(made, tmp_path):
    """Everybody, by a clock of this day."""
    ws = replace(open_copy(made, tmp_path), clock=Clock(NOW))
    yield {name: as_actor(ws, name) for name in PEOPLE}
    ws.store.close()


def run_ahead(office, days):
    """Have one act come from a machine whose clock is ahead."""
    open_finding(replace(office["vera"], clock=Clock(NOW + timedelta(days=days))), subject=MODEL, title="a typo in the card")


def is_sound(office):
    failed = [check for check in verify_ledger(office["ben"]).checks if check.outcome == "failed"]
    return (failed, reconcile(office["ben"]).differences) == ([], ())


@pytest.mark.parametrize("break_glass", [False, True])
def test_the_way_back_takes_the_ledgers_time_and_keeps_its_own_beside_it(office, break_glass):
    run_ahead(office, 100)
    with pytest.raises(Refused, match="if it was the last entry's clock that was ahead, roll-back and break-glass work all the same"):
        open_finding(office["vera"], subject=MODEL, title="another")
    done = roll_back(office["olga"], slot=SLOT, reason="error rate", break_glass=break_glass)
    entry = get_entry(office["ben"], done.placement.seq).entry
    assert (entry.at, entry.draft.refs["clock"], done.lag) == (NOW + timedelta(days=100), format_time(NOW), timedelta(days=100))
    assert get_live(office["ben"], SLOT).live.version == 1
    opened = [one.finding for one in list_findings(office["ben"], subject=SLOT)]
    told = [f"{SLOT} was rolled back to {MODEL}@1 without the approvals of its tier, by a clock that is 100 d behind the ledger"]
    assert [finding.title for finding in opened] == (told if break_glass else [])
    assert [finding.opened_at for finding in opened] == ([NOW] if break_glass else [])
    assert is_sound(office)


def test_setting_a_clock_back_brings_no_expired_approval_to_life_but_by_a_broken_glass(office):
    run_ahead(office, 365)
    with pytest.raises(Refused, match="expired on .* by the ledger's time, which is 365 d ahead of this clock: go at once"):
        roll_back(office["olga"], slot=SLOT, reason="error rate")
    assert roll_back(office["olga"], slot=SLOT, reason="error rate", break_glass=True).version.version == 1
    assert is_sound(office)


def test_an_admin_lets_all_acts_go_on_until_the_clock_is_past_it(office):
    run_ahead(office, 365)
    for name, reason, error, told in (
        ("vera", "x", Refused, "accept-clock is for the role admin"),
        ("ada", " ", InvalidInput, "needs a reason"),
    ):
        with pytest.raises(error, match=told):
            accept_clock(office[name], reason=reason)
    done = accept_clock(office["ada"], reason="the laptop of vera was a year ahead")
    assert (done.lag, done.entry.draft.refs["clock"]) == (timedelta(days=365), format_time(NOW))
    sign_off(office["omar"], model=MODEL, slot=SLOT, version=1, capacity="approver", comment="still good")
    opened = open_finding(office["vera"], subject=MODEL, title="another")
    assert opened.finding.opened_at == NOW
    close_finding(office["omar"], finding=opened.finding.finding_id, resolution="it is fine")
    assert roll_back(office["olga"], slot=SLOT, reason="error rate").version.version == 1
    assert {entry.at for entry in list_entries(office["ben"], before=None)[:6]} == {NOW + timedelta(days=365)}
    assert is_sound(office)
    later = Clock(NOW + timedelta(days=366))
    seq = open_finding(replace(office["vera"], clock=later), subject=MODEL, title="a year on").entry
    assert (get_entry(office["ben"], seq).entry.at, "clock" in get_entry(office["ben"], seq).entry.draft.refs) == (later.at, False)


def test_what_was_accepted_holds_for_that_time_and_for_no_clock_that_goes_back_further(office):
    run_ahead(office, 10)
    accept_clock(office["ada"], reason="a laptop")
    open_finding(replace(office["vera"], clock=Clock(NOW + timedelta(hours=2))), subject=MODEL, title="fine")
    for behind in (timedelta(hours=1), -timedelta(days=3)):
        with pytest.raises(Refused, match="an entry is never older than the one before it"):
            open_finding(replace(office["vera"], clock=Clock(NOW + behind)), subject=MODEL, title="dated back")
    run_ahead(office, 20)
    with pytest.raises(Refused, match="an entry is never older than the one before it"):
        open_finding(replace(office["vera"], clock=Clock(NOW + timedelta(hours=3))), subject=MODEL, title="another machine")
    accept_clock(replace(office["ada"], clock=Clock(NOW + timedelta(hours=4))), reason="another laptop")
    open_finding(replace(office["vera"], clock=Clock(NOW + timedelta(hours=5))), subject=MODEL, title="fine")
    assert is_sound(office)


def test_where_no_clock_was_ahead_there_is_nothing_to_accept(office):
    with pytest.raises(Refused, match="no entry of the ledger is later: there is nothing to accept"):
        accept_clock(office["ada"], reason="to be sure")


def test_the_command_says_how_far_the_clock_is_behind(office, monkeypatch, capsys):
    run_ahead(office, 40)
    monkeypatch.chdir(office["ada"].folder.parent)
    monkeypatch.setenv("INCUMBENT_KEYS", str(office["ada"].folder.parents[1] / "keys"))
    monkeypatch.setenv("INCUMBENT_ACTOR", "olga")
    assert main(["roll-back", SLOT, "--reason", "error rate"]) == 0
    assert (
        "  the clock here runs behind the ledger by 40 d: the entry has the ledger's time, and its own beside it\n"
        in capsys.readouterr().out
    )
    monkeypatch.setenv("INCUMBENT_ACTOR", "ada")
    assert main(["ledger", "accept-clock", "--reason", "the laptop of vera", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["until"], round(told["lag_s"] / 86400)) == (format_time(NOW + timedelta(days=40)), 40)
