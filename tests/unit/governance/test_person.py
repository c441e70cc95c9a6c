import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from incumbent.base.errors import InvalidInput, Refused
from incumbent.governance.person import Key, Person, accountable, check_change, check_may, check_people, find_person, key_from_json

AT = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)


def person(person_id, *, roles=(), aliases=(), kind="person", owner="", group="", is_active=True):
    return Person(person_id, kind, frozenset(roles), group, tuple(aliases), owner, is_active, AT)


def service(person_id, owner, **facts):
    return person(person_id, kind="service", owner=owner, **facts)


ANN = person("ann", aliases=["ann@old.example", "Ann Lee", "https://id.example sub-7"])
BOT = service("retrainer", "ann", aliases=["bot@ci.example"])
PEOPLE = (ANN, person("bob"), BOT)


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("ann", "ann"), ("ann@old.example", "ann"), ("ANN@Old.Example", "ann"), ("  ann@old.example ", "ann"), ("Ann Lee", "ann"),
        ("https://id.example sub-7", "ann"), ("bot@ci.example", "retrainer"),
        ("ann lee", None), ("https://id.example SUB-7", None), ("Ann", None), ("ann@old.example.org", None), ("", None),
    ],
)  # fmt: skip
def test_a_name_leads_to_the_person_and_only_mails_are_compared_in_any_case(name, who):
    found = find_person(PEOPLE, name)
    assert (found and found.person_id) == who


@pytest.mark.parametrize(
    ("name", "who"),
    [("ann@OLD.example", "ann"), ("retrainer", "ann"), ("bot@ci.example", "ann"), ("bob", "bob"), ("Eve@x.example", "Eve@x.example")],
)
def test_the_accountable_person_is_behind_the_account_and_unknown_names_stay(name, who):
    assert accountable(PEOPLE, name) == who


def test_a_chain_of_services_ends_with_the_person_who_answers_for_it_though_such_people_do_not_pass():
    chain = (*PEOPLE, service("cron", "retrainer"))
    assert accountable(chain, "cron") == "ann"


def test_services_that_own_each_other_answer_without_end_to_nobody():
    circle = (service("a", "b"), service("b", "a"))
    assert accountable(circle, "a") in {"a", "b"}
    with pytest.raises(InvalidInput, match="service a needs an owner"):
        check_people(circle)


@pytest.mark.parametrize(
    "other",
    [person("eve", aliases=["Ann@OLD.example"]), person("eve", aliases=["ann"]), person("ann"), service("eve", "ann", aliases=["Ann Lee"])],
)
def test_a_name_of_two_is_refused(other):
    with pytest.raises(InvalidInput, match="would name both ann and"):
        check_people((*PEOPLE, other))
    with pytest.raises(InvalidInput, match="would name both"):
        find_person((*PEOPLE, other), "bob")


@pytest.mark.parametrize("owner", ["nobody", "retrainer"])
def test_a_service_needs_a_known_person_as_its_owner(owner):
    with pytest.raises(InvalidInput, match=f"service cron needs an owner who answers for it; '{owner}'"):
        check_people((*PEOPLE, service("cron", owner)))


def test_people_who_fit_together_pass():
    check_people(PEOPLE)
    check_people(())


@pytest.mark.parametrize("name", ["", "Ann", "-ann", "ann lee", "ann@x", "änn", "a" * 65, "ann\n", "../ann", "ann\x00"])
def test_a_malformed_id_is_refused(name):
    with pytest.raises(InvalidInput, match="lower-case letters"):
        person(name)


@pytest.mark.parametrize("alias", ["", " ", "a\nb", "\x1b[31mann", "ann\u202e", " ann@x", "\ud800", "x" * 301])
def test_an_alias_that_cannot_be_shown_is_refused(alias):
    with pytest.raises(InvalidInput, match="alias"):
        person("ann", aliases=[alias])


def test_a_person_has_no_owner_a_service_has_one_and_times_have_zones():
    with pytest.raises(InvalidInput, match="an alias of theirs"):
        person("ann2", owner="ann")
    with pytest.raises(InvalidInput, match="the owner of a service"):
        service("cron", "")
    with pytest.raises(InvalidInput, match="a person or a service"):
        person("ann", kind="robot")
    with pytest.raises(InvalidInput, match="no zone"):
        replace(ANN, added_at=AT.replace(tzinfo=None))
    with pytest.raises(InvalidInput, match="no roles"):
        person("ann", roles=["king"])


def test_a_human_act_is_not_for_a_service_nor_for_somebody_who_has_left():
    check_may(person("ann", roles=["approver"]), "approve")
    check_may(service("cd", "ann", roles=["operator"]), "promote")
    with pytest.raises(Refused, match="cd is a service: ann may act for themselves"):
        check_may(service("cd", "ann", roles=["approver"]), "approve")
    with pytest.raises(Refused, match="ann is no longer active"):
        check_may(person("ann", roles=["approver"], is_active=False), "approve")
    with pytest.raises(Refused, match="ann: approve is for the role approver; the actor holds operator"):
        check_may(person("ann", roles=["operator"]), "approve")


def test_what_was_theirs_stays_theirs_when_a_record_changes():
    check_change(ANN, replace(ANN, aliases=(*ANN.aliases, "lee"), roles=frozenset({"admin"}), group="risk", is_active=False))
    check_change(ANN, replace(ANN, aliases=("ANN@old.example", *ANN.aliases[1:])))
    with pytest.raises(Refused, match=r"ann acted as ann@old\.example; a name that was once theirs stays theirs"):
        check_change(ANN, replace(ANN, aliases=ANN.aliases[1:]))
    with pytest.raises(Refused, match="ann answers for what retrainer did"):
        check_change(BOT, replace(BOT, owner="bob"))
    with pytest.raises(InvalidInput, match="person ann cannot become person bob"):
        check_change(ANN, person("bob"))


PUBLIC = base64.b64encode(bytes(range(32))).decode()


def test_a_key_is_good_from_when_it_was_added_until_it_is_revoked():
    key = Key("ed25519:7f", "ann", PUBLIC, AT, AT + timedelta(days=1))
    moments = [AT - timedelta(microseconds=1), AT, AT + timedelta(hours=23), AT + timedelta(days=1), AT + timedelta(days=9)]
    assert [key.is_good_at(at) for at in moments] == [False, True, True, False, False]
    assert replace(key, revoked_at=None).is_good_at(AT + timedelta(days=9))
    with pytest.raises(InvalidInput, match="cannot be revoked before it was added"):
        replace(key, revoked_at=AT - timedelta(days=1))


@pytest.mark.parametrize(
    "public",
    ["", "AA==", PUBLIC[:-1], PUBLIC + "\n", PUBLIC[:-2] + "9=", base64.b64encode(bytes(33)).decode(), "ключ", PUBLIC.replace("A", "_", 1)],
)
def test_a_public_key_is_the_one_base64_of_32_bytes(public):
    with pytest.raises(InvalidInput, match="base64"):
        Key("k", "ann", public, AT)
    with pytest.raises(InvalidInput):
        key_from_json({"key_id": "k", "person_id": "ann", "public": public, "added_at": "2026-11-25T14:00:00.000000Z", "revoked_at": None})


def test_a_key_is_good_until_it_was_revoked_or_may_have_been_in_other_hands():
    day = timedelta(days=1)
    plain, stolen = Key("k", "ann", PUBLIC, AT, AT + 3 * day), Key("k", "ann", PUBLIC, AT, AT + 3 * day, "ada", AT + day)
    assert [plain.is_good_at(AT + number * day) for number in range(4)] == [True, True, True, False]
    assert [stolen.is_good_at(AT + number * day) for number in range(4)] == [True, False, False, False]
    for wrong in ((None, AT), (AT + day, AT + 2 * day), (AT + day, AT.replace(tzinfo=None))):
        with pytest.raises(InvalidInput):
            Key("k", "ann", PUBLIC, AT, wrong[0], "ada", wrong[1])
