"""Keys of people: the holder makes one and asks, an admin binds and revokes."""

import base64

import pytest

from incumbent.base.errors import Conflict, NotFound, Refused
from incumbent.bootstrap.workspace import open_workspace
from incumbent.cli import main
from incumbent.config import read_settings
from incumbent.governance.key_request import KeyRequest, possession_bytes
from incumbent.ledger.note import key_name, key_text
from incumbent.usecases.people import add_person
from incumbent.usecases.person_keys import bind_key, new_key, revoke_key
from incumbent.usecases.recording import find_acting, governed, record_act
from office import PEOPLE, as_actor


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    """An installation whose people have no keys; each test makes its own people's."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "project").mkdir()
    opened = open_workspace(read_settings(folder / "project", {"INCUMBENT_KEYS": str(folder / "keys"), "INCUMBENT_ACTOR": "ada"}))
    for name, (printed, roles) in PEOPLE.items():
        add_person(opened, person=name, name=printed, roles=roles)
    yield opened
    opened.store.close()


@pytest.fixture(scope="module")
def office(ws):
    return {name: as_actor(ws, name) for name in PEOPLE}


def refused_acts(office):
    with office["ada"].store.begin(read_only=True) as tx:
        return [(entry.draft.after, entry.draft.actor.actor_id) for entry in tx.ledger.find(act="refuse", limit=50)]


def test_nobody_makes_a_key_for_another_and_an_admin_binds_what_was_asked_for_only(office):
    with pytest.raises(Refused, match="ada may not make a key of vera: whoever makes it could sign with it"):
        new_key(office["ada"], person="vera", name="vera-2")
    assert refused_acts(office) == [("request-key", "ada")]
    with pytest.raises(NotFound, match="0 requests to bind a key go by 'vera'"):
        bind_key(office["ada"], key="vera")
    assert new_key(office["vera"], person="vera", name="vera-2").bound is None
    with pytest.raises(Refused, match="add-key is for the role admin"):
        bind_key(office["vera"], key="vera")
    assert bind_key(office["ada"], key="vera").bound_by == "ada"


def ask(ws, body, key):
    """Write a request for a key as whoever has the database would."""
    with governed(ws) as tx:
        record_act(
            ws, tx, act="request-key", kind="key-request", object_id=key, acting=find_acting(ws, tx), body=body.to_json(),
            after=body.public,
        )  # fmt: skip


def test_a_request_for_a_key_counts_for_no_other_person_and_in_no_other_ledger(office):
    ws = office["vera"]
    raw = ws.keys.make("stolen")
    public, name, now = key_text(raw), key_name(raw), ws.clock.now()
    with ws.store.begin(read_only=True) as tx:
        log = tx.ledger.get(0).log

    def request(person, *, log=log, signed_for=None):
        proof = ws.keys.sign(raw, possession_bytes(log=log, person=signed_for or person, public=public))
        return KeyRequest(person, public, base64.b64encode(proof).decode(), now)

    for by, body, why in (
        ("petra", request("petra", signed_for="vera"), "is not signed by that key"),
        ("vera", request("vera", log="incumbent-of-others"), "is not signed by that key"),
        ("ann", request("petra"), "is no request of petra"),
    ):
        ask(office[by], body, name)
        with pytest.raises(Refused, match=why):
            bind_key(office["ada"], key=name)
    ask(office["vera"], request("vera"), name)
    assert bind_key(office["ada"], key=name).person_id == "vera"


def test_a_key_is_revoked_by_its_person_and_a_name_that_is_taken_says_how_to_make_another(office):
    asked = new_key(office["omar"], person="omar")
    with pytest.raises(Conflict, match=r"named 'omar' on this machine already, ed25519:\S+, which asks to be bound"):
        new_key(office["omar"], person="omar")
    bind_key(office["ada"], key="omar")
    with pytest.raises(NotFound, match="0 keys go by 'petra'; there are: .* of omar"):
        revoke_key(office["ada"], key="petra", reason="lost")
    assert revoke_key(office["ada"], key="omar", reason="laptop lost").public == asked.public.removeprefix("ed25519:")
    with pytest.raises(
        Conflict, match=r"which was revoked on \S+; make another .*:\n  INCUMBENT_ACTOR=omar incumbent keys new omar --name omar-2$"
    ):
        new_key(office["omar"], person="omar")
    with pytest.raises(Refused, match="was revoked, and comes not back"):
        bind_key(office["ada"], key=key_name(base64.b64decode(asked.public.removeprefix("ed25519:"))))
    for number in (2, 3):
        new_key(office["omar"], person="omar", name=f"omar-{number}")
        with pytest.raises(Conflict, match=f"--name omar-{number + 1}$"):
            new_key(office["omar"], person="omar", name=f"omar-{number}")
        bind_key(office["ada"], key="omar")
    with pytest.raises(NotFound, match="2 keys go by 'omar'"):
        revoke_key(office["ada"], key="omar", reason="which?")


def test_one_persons_key_serves_in_two_installations_and_is_asked_for_once_in_each(tmp_path, monkeypatch, capsys):
    keys = str(tmp_path / "keys")
    for name in "ab":
        (tmp_path / name).mkdir()
    first, second = (open_workspace(read_settings(tmp_path / name, {"INCUMBENT_KEYS": keys, "INCUMBENT_ACTOR": "ada"})) for name in "ab")
    for ws in (first, second):
        add_person(ws, person="ada", name="Ada Roth", roles=["admin"])
        add_person(ws, person="vera", name="Vera Ito", roles=["validator"])
    made = new_key(as_actor(first, "vera"), person="vera")
    monkeypatch.chdir(tmp_path / "b")
    monkeypatch.setenv("INCUMBENT_KEYS", keys)
    monkeypatch.setenv("INCUMBENT_ACTOR", "vera")
    assert (made.is_new, main(["keys", "new", "vera"])) == (True, 0)
    told = capsys.readouterr().out
    assert told.startswith("the key that was on this machine already asks to be bound; an admin does it with")
    assert made.public in told, "the key is there already, and its holder shows it to the second ledger, too"
    assert bind_key(second, key="vera").public == made.public.removeprefix("ed25519:")
    with pytest.raises(Conflict, match="there is a key named 'vera'"):
        new_key(as_actor(second, "vera"), person="vera")
    for ws in (first, second):
        ws.store.close()


def test_the_ledgers_own_key_becomes_nobodys(office):
    add_person(office["ada"], person="ledger", name="Led Ger", roles=["validator"])
    with pytest.raises(Conflict, match="there is a key named 'ledger'"):
        new_key(as_actor(office["ada"], "ledger"), person="ledger")
