from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from incumbent.base.errors import InvalidInput, NotFound, Refused
from incumbent.governance.finding import close_finding, find_blocking, open_finding
from incumbent.governance.person import Person

AT = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def person(person_id, *roles, aliases=(), kind="person", owner="", is_active=True):
    return Person(person_id, kind, frozenset(roles), "", tuple(aliases), owner, is_active, AT)


PEOPLE = (
    person("ann", "operator", "approver", aliases=["ann@x.example"]),
    person("bob", "approver"),
    person("cy", "validator"),
    person("dan", "admin", "auditor", "operator", "developer"),
    person("eve", "approver", is_active=False),
    person("cd", "operator", "approver", kind="service", owner="bob"),
)


def finding(kind="validation", opened_by="cy", **facts):
    return open_finding(
        "f-1", kind=kind, title="scores drift at night", severity="high", subject="flights-late", opened_by=opened_by, opened_at=AT,
        due_at=AT + 30 * DAY, **facts,
    )  # fmt: skip


def close(found, by, **facts):
    facts = {"at": AT + DAY, "resolution": "refitted on nights", "people": PEOPLE, "authors": frozenset()} | facts
    return close_finding(found, by=by, **facts)


def test_an_opened_finding_is_open_until_somebody_closes_it_with_a_resolution():
    opened = finding()
    assert (opened.state, opened.closed_by, opened.closed_at, opened.resolution, opened.blocks_promotion) == ("open", "", None, "", False)
    closed = close(opened, "cy")
    assert (closed.state, closed.closed_by, closed.closed_at, closed.resolution) == ("closed", "cy", AT + DAY, "refitted on nights")
    assert opened.state == "open"


def test_a_broken_glass_is_closed_only_by_an_approver_who_did_not_break_it():
    broken = finding("break-glass", "ann@x.example")
    assert broken.blocks_promotion
    with pytest.raises(Refused, match=r"f-1 \(break-glass\) cannot be closed by ann, who broke the glass; another approver may"):
        close(broken, "ann")
    with pytest.raises(Refused, match="cannot be closed by cy, who holds validator; it is for the role approver"):
        close(broken, "cy")
    assert close(broken, "bob").closed_by == "bob"


def test_the_owner_of_the_service_that_broke_the_glass_does_not_close_its_finding():
    with pytest.raises(Refused, match="bob, who broke the glass"):
        close(finding("break-glass", "cd"), "bob")


@pytest.mark.parametrize("kind", ["validation", "audit", "monitoring", "break-glass"])
def test_whoever_may_not_close_is_told_why(kind):
    opened = finding(kind, "dan")
    with pytest.raises(Refused, match="close-finding is for the role validator or approver; the actor holds admin, auditor"):
        close(opened, "dan")
    with pytest.raises(Refused, match="eve is no longer active"):
        close(opened, "eve")
    with pytest.raises(Refused, match="cd is a service"):
        close(opened, "cd")
    with pytest.raises(NotFound, match="nobody is known by the name 'zoe'"):
        close(opened, "zoe")
    with pytest.raises(Refused, match="cannot be closed by bob, who had a hand in flights-late"):
        close(opened, "bob", authors={"bob"})
    assert close(opened, "bob", authors={"dan"}).closed_by == "bob"


def test_a_closed_finding_stays_closed():
    with pytest.raises(Refused, match="f-1 is closed already, by cy; open a new one"):
        close(close(finding(), "cy"), "bob")


@pytest.mark.parametrize("facts", [{"resolution": ""}, {"resolution": " \n"}, {"at": AT - DAY}, {"resolution": "\x1b[2J"}])
def test_it_is_not_closed_without_a_resolution_or_before_it_was_opened(facts):
    with pytest.raises(InvalidInput):
        close(finding(), "cy", **facts)


@pytest.mark.parametrize(
    "facts",
    [
        {"kind": "rumour"}, {"severity": "awful"}, {"state": "lost"}, {"title": ""}, {"subject": "a\nb"}, {"due_at": AT - DAY},
        {"closed_by": "ann"}, {"closed_at": AT}, {"resolution": "done"}, {"state": "closed"}, {"opened_at": AT.replace(tzinfo=None)},
        {"kind": "break-glass", "blocks_promotion": False},
    ],
)  # fmt: skip
def test_a_finding_that_contradicts_itself_is_refused(facts):
    with pytest.raises(InvalidInput):
        replace(finding(), **facts)


def test_overdue_is_open_and_past_its_date():
    opened = finding()
    assert [opened.is_overdue(AT + days * DAY) for days in (29, 30, 31)] == [False, False, True]
    assert not close(opened, "cy").is_overdue(AT + 31 * DAY)


def test_what_blocks_a_promotion_is_open_about_the_subject_and_said_to_block():
    blocking = finding(blocks_promotion=True)
    slot = replace(blocking, finding_id="f-2", subject="flights-late/nyc")
    others = [finding(), close(blocking, "cy"), replace(blocking, subject="credit")]
    assert find_blocking([*others, blocking, slot], "flights-late", "flights-late/nyc") == (blocking, slot)
    assert find_blocking([*others, blocking, slot], "flights-late") == (blocking,)
    assert find_blocking([blocking]) == ()
