from datetime import UTC, datetime

import pytest

from incumbent.base.errors import InvalidInput, Refused
from incumbent.governance.acts import ACTS
from incumbent.governance.independence import Authorship, authors, check_independence, find_unknown
from incumbent.governance.person import Person

AT = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
PEOPLE = (
    Person("ann", "person", frozenset({"developer", "approver"}), "models", ("ann@old.example",), "", is_active=True, added_at=AT),
    Person("bob", "person", frozenset({"approver"}), "risk", ("bob@x.example",), "", is_active=True, added_at=AT),
    Person("retrainer", "service", frozenset({"service"}), "", ("bot@ci.example",), "bob", is_active=True, added_at=AT),
)
COMMIT = Authorship("Ann@OLD.example", "commit", "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d")
SUBJECT = "flights-late@2"


@pytest.mark.parametrize(
    ("person", "work", "told"),
    [
        ("ann", COMMIT, "ann wrote commit 1a2b3c4d5e6f in flights-late@2's lineage (as Ann@OLD.example)"),
        ("ann@old.example", Authorship("ann", "run", "r-7"), "ann started run r-7 in flights-late@2's lineage;"),
        ("ann", Authorship("ann", "registration", SUBJECT), "ann registered flights-late@2;"),
        ("bob", Authorship("retrainer", "run", "r-8"), "bob started run r-8 in flights-late@2's lineage (through retrainer)"),
        ("bob", Authorship("bot@ci.example", "data", "d-1"), "bob changed data d-1 in flights-late@2's lineage (through bot@ci.example)"),
        ("retrainer", Authorship("bob", "policy", "gate-3"), "bob set policy gate-3 in flights-late@2's lineage;"),
        ("bob", Authorship("bob", "prompt", "p-1"), "bob edited prompt p-1 in flights-late@2's lineage;"),
        ("stranger@x", Authorship("stranger@x", "commit", "abc"), "stranger@x wrote commit abc in flights-late@2's lineage;"),
    ],
)  # fmt: skip
def test_whoever_had_a_hand_in_it_is_refused_and_told_which_work_bars_them(person, work, told):
    for act in ("attest", "validate", "approve", "accept-risk", "close-finding"):
        with pytest.raises(Refused) as refused:
            check_independence(person, act, [Authorship("carl", "commit", "0"), work], PEOPLE, subject=SUBJECT)
        assert f"may not {act}: {told}" in f"{refused.value};"


def test_others_may_and_acts_that_judge_nothing_ask_for_no_independence():
    check_independence("bob", "approve", [COMMIT], PEOPLE)
    check_independence("ann", "approve", [], PEOPLE)
    judging = {"attest", "validate", "approve", "accept-risk", "close-finding"}
    for act in ACTS.keys() - judging:
        check_independence("ann", act, [COMMIT], PEOPLE)
    with pytest.raises(InvalidInput, match="not a governed act"):
        check_independence("bob", "aprove", [], PEOPLE)


def test_the_authors_are_the_accountable_persons_each_once():
    work = [COMMIT, Authorship("ann", "run", "1"), Authorship("bot@ci.example", "run", "2"), Authorship("zoe@x", "data", "3")]
    assert authors(work, PEOPLE) == {"ann", "bob", "zoe@x"}
    assert authors([], PEOPLE) == frozenset()


def test_names_that_nobody_is_known_by_are_listed():
    work = [COMMIT, Authorship("zoe@x", "data", "3"), Authorship("zoe@x", "run", "4"), Authorship("bot@ci.example", "run", "2")]
    assert find_unknown(work, PEOPLE) == ("zoe@x",)


@pytest.mark.parametrize(
    ("who", "what", "ref"),
    [("", "run", "1"), ("ann", "run", " "), ("ann", "idea", "1"), ("ann\x1b[0m", "run", "1"), ("ann", "run", "x" * 301)],
)
def test_a_malformed_authorship_is_refused(who, what, ref):
    with pytest.raises(InvalidInput):
        Authorship(who, what, ref)
