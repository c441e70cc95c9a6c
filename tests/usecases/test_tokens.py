"""API tokens: who may make one, what it says of itself, and whom it lets in."""

from datetime import timedelta

import pytest

from incumbent.base.errors import InvalidInput, NotFound, Refused
from incumbent.governance.acts import ACTS
from incumbent.usecases.admission import admit_token, note_use, read_register
from incumbent.usecases.people import change_person
from incumbent.usecases.rights import RIGHTS, check_may_ask, check_scope, rights_of_scope
from incumbent.usecases.tokens import list_tokens, new_token, revoke_token
from logins import ROLES, SERVICE, MovedClock, as_person, open_empty, open_people


@pytest.fixture
def clock():
    return MovedClock()


@pytest.fixture
def ws(tmp_path, clock):
    ws = open_people(tmp_path, clock)
    yield ws
    ws.store.close()


def admit(ws, secret):
    with ws.store.begin(read_only=True) as tx:
        return admit_token(tx, read_register(tx), secret, ws.clock.now())


def test_a_token_lets_its_owner_in_and_only_its_digest_is_kept(ws, tmp_path):
    made = new_token(as_person(ws, "dev"), name="laptop")
    assert made.secret.startswith("inc_")
    assert len(made.secret) == 47
    admission = admit(ws, made.secret)
    assert (admission.person.person_id, admission.scope) == ("dev", ("write",))
    ws.store.close()
    kept = b"".join(path.read_bytes() for path in (tmp_path / ".incumbent").glob("incumbent.db*"))
    assert made.token.secret_hash.encode() in kept
    assert made.secret.encode() not in kept
    assert made.secret[4:].encode() not in kept


@pytest.mark.parametrize("change", [lambda s: s[:-1], lambda s: s + "A", lambda s: s[4:], lambda s: "INC_" + s[4:], lambda s: s[:-1] + "é",
                                    lambda s: "", lambda s: " " + s, lambda s: s + "\n", lambda s: "inc_" + "A" * 43])  # fmt: skip
def test_anything_near_a_token_lets_nobody_in(ws, change):
    secret = new_token(as_person(ws, "dev"), name="laptop").secret
    with pytest.raises(Refused, match="lets nobody in"):
        admit(ws, change(secret))


def test_a_token_ends_on_its_day(ws, clock):
    secret = new_token(as_person(ws, "dev"), name="laptop", days=2).secret
    clock.move(days=2, microseconds=-1)
    assert admit(ws, secret).person.person_id == "dev"
    clock.move(microseconds=1)
    with pytest.raises(Refused, match="has expired"):
        admit(ws, secret)


@pytest.mark.parametrize("days", [0, -1, 367, True])
def test_a_token_for_no_time_or_for_ever_is_not_made(ws, days):
    with pytest.raises(InvalidInput, match="1 to 366 days"):
        new_token(as_person(ws, "dev"), name="x", days=days)


def test_it_is_good_for_ninety_days_if_nothing_is_said(ws, clock):
    assert new_token(as_person(ws, "dev"), name="x").token.expires_at == clock.at + timedelta(days=90)


def test_a_revoked_token_is_over_at_once_and_is_revoked_once(ws):
    made = new_token(as_person(ws, "dev"), name="laptop")
    assert revoke_token(as_person(ws, "dev"), token=made.token.token_id).revoked_at is not None
    with pytest.raises(Refused, match="revoked"):
        admit(ws, made.secret)
    with pytest.raises(Refused, match="revoked already"):
        revoke_token(as_person(ws, "dev"), token=made.secret)
    with pytest.raises(NotFound, match="no such token"):
        revoke_token(as_person(ws, "dev"), token="token-none")


@pytest.mark.parametrize("actor", sorted({"ann", "val"}))
def test_nobody_makes_a_token_that_speaks_for_another_person_not_even_an_admin(ws, actor):
    with pytest.raises(Refused, match="would speak in their name"):
        new_token(as_person(ws, actor), person="dev", name="x")


@pytest.mark.parametrize(("actor", "may"), [("ann", True), ("dev", True), ("val", False)])
def test_a_services_token_is_made_by_its_owner_or_an_admin(ws, actor, may):
    if may:
        made = new_token(as_person(ws, actor), person=SERVICE, name="nightly")
        assert (made.token.person_id, made.token.made_by) == (SERVICE, actor)
    else:
        with pytest.raises(Refused):
            new_token(as_person(ws, actor), person=SERVICE, name="nightly")


def test_an_admin_revokes_anybodys_token_and_others_their_own(ws):
    first, second = (new_token(as_person(ws, "dev"), name=str(n)).token for n in range(2))
    with pytest.raises(Refused, match="belongs to dev"):
        revoke_token(as_person(ws, "val"), token=first.token_id)
    revoke_token(ws, token=first.token_id)
    open_ones = [token.token_id for token in list_tokens(as_person(ws, "dev")) if token.revoked_at is None]
    assert open_ones == [second.token_id]
    assert list_tokens(as_person(ws, "val")) == []
    assert {token.token_id for token in list_tokens(ws, everybodys=True)} == {first.token_id, second.token_id}
    with pytest.raises(Refused, match="no admin"):
        list_tokens(as_person(ws, "val"), everybodys=True)


def test_a_deactivated_persons_token_is_over_also_after_they_are_back(ws):
    secret = new_token(as_person(ws, "dev"), name="laptop").secret
    change_person(ws, person="dev", is_active=False)
    with pytest.raises(Refused, match="was deactivated"):
        admit(ws, secret)
    change_person(ws, person="dev", is_active=True)
    with pytest.raises(Refused, match="was deactivated"):
        admit(ws, secret)
    ws.clock.move(seconds=1)
    assert admit(ws, new_token(as_person(ws, "dev"), name="new").secret).person.person_id == "dev"


def test_when_who_answers_for_a_service_is_deactivated_its_tokens_are_over(ws):
    """They may know them."""
    secret = new_token(ws, person=SERVICE, name="nightly").secret
    assert admit(ws, secret).person.person_id == SERVICE
    change_person(ws, person="dev", is_active=False)
    with pytest.raises(Refused, match="dev was deactivated"):
        admit(ws, secret)
    change_person(ws, person="dev", is_active=True)
    with pytest.raises(Refused, match="dev was deactivated"):
        admit(ws, secret)


def test_rights_are_those_of_now_and_not_of_when_the_token_was_made(ws):
    secret = new_token(as_person(ws, "dev"), name="laptop").secret
    check_may_ask(admit(ws, secret).person, "register", ("write",))
    change_person(ws, person="dev", roles=["auditor"])
    with pytest.raises(Refused, match="register is for the role developer or service; they hold auditor"):
        check_may_ask(admit(ws, secret).person, "register", ("write",))


def test_a_scope_narrows_and_never_widens(ws):
    dev = admit(ws, new_token(as_person(ws, "dev"), name="x", scope=["read"]).secret)
    check_may_ask(dev.person, "read", dev.scope)
    with pytest.raises(Refused, match="scope is read, which leaves out track"):
        check_may_ask(dev.person, "track", dev.scope)
    with pytest.raises(Refused, match="add-person is for the role admin"):
        check_may_ask(dev.person, "add-person", ("admin",))
    with pytest.raises(Refused, match="leaves out session"):
        check_may_ask(dev.person, "session", ("admin",))


def test_write_is_everything_but_what_is_for_admins_alone():
    """By hand from docs/reference/rights.md: the acts and the right whose only column is admin."""
    keys = {"add-key", "revoke-key", "disown-key", "add-witness", "revoke-witness"}
    admins = {"add-person", "change-person", *keys, "add-webhook", "remove-webhook", "erase", "rotate-key", "accept-clock"}
    assert admins == {name for name, act in ACTS.items() if act.roles == {"admin"}}
    assert rights_of_scope(("admin",)) - rights_of_scope(("write",)) == {*admins, "webhooks", "accounts"}
    assert rights_of_scope(("read",)) == {"read"}
    assert {"read", "predict", "track", "govern", "promote", "register"} <= rights_of_scope(("write",))


@pytest.mark.parametrize("scope", [[], ["everything"], ["read", "admin"], ["write", "read"], ["session"], ["public"], ["refuse"]])
def test_a_scope_that_is_none_is_refused(scope):
    with pytest.raises(InvalidInput, match="a scope is read, write or admin, or any of"):
        check_scope(scope)


def test_the_use_is_noted_to_the_hour(ws, clock):
    made = new_token(as_person(ws, "dev"), name="laptop")
    admission = admit(ws, made.secret)
    assert admission.stale == made.token.token_id
    note_use(ws, admission=admission, now=clock.at)
    first = clock.at
    clock.move(minutes=59)
    assert admit(ws, made.secret).stale == ""
    assert list_tokens(as_person(ws, "dev"))[0].used_at == first
    clock.move(minutes=1)
    assert admit(ws, made.secret).stale == made.token.token_id


def test_where_nobody_is_registered_there_are_no_tokens(tmp_path):
    ws = open_empty(tmp_path)
    with pytest.raises(Refused, match="users add"):
        new_token(ws, name="x")
    ws.store.close()


def test_every_role_has_its_person_here():
    assert {role for roles in ROLES.values() for role in roles} | {"service"} == set().union(*(right.roles for right in RIGHTS.values()))


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 400])
def test_a_name_that_is_no_line_is_refused(ws, name):
    with pytest.raises(InvalidInput, match="the token's name"):
        new_token(as_person(ws, "dev"), name=name)
