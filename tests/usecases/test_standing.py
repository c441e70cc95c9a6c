"""What stands behind a sign-off: an admin who is an author cannot be a whole quorum, whichever way the identities come about."""

import base64
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest

from incumbent.base.errors import Conflict, InvalidInput, NotFound, Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.governance.key_request import KeyRequest, possession_bytes
from incumbent.governance.person import Key, Person
from incumbent.ledger.note import key_name, key_text
from incumbent.usecases import sign_off as signing_off
from incumbent.usecases import signing
from incumbent.usecases.archive import archive
from incumbent.usecases.attest import attest
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.findings import close_finding, open_finding
from incumbent.usecases.live import get_live
from incumbent.usecases.people import add_person, change_person
from incumbent.usecases.person_keys import bind_key, new_key, revoke_key
from incumbent.usecases.promote import check_promotion, promote
from incumbent.usecases.recording import find_acting, governed, record_act
from incumbent.usecases.roll_back import roll_back
from incumbent.usecases.sign_off import sign_off
from office import MODEL, PEOPLE, SLOT, as_actor, open_office, prepare, sign_all

WHO = {"model": MODEL, "slot": SLOT, "version": 1}
AUTHOR_IS_ADMIN = ["admin", "developer", "approver"]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A version of Ann's with evidence that nobody has signed."""
    folder = tmp_path_factory.mktemp("evaluated")
    (folder / "project").mkdir()
    (folder / "bundles").mkdir()
    ws = open_workspace(read_settings(folder / "project", {"INCUMBENT_KEYS": str(folder / "keys")}))
    people = open_office(ws)
    prepare(people, folder / "bundles")
    host = open_model_host(ws)
    evaluate(people["rita"], host, **WHO)
    host.close()
    ws.store.close()
    return folder


@pytest.fixture
def ws(evaluated, tmp_path):
    shutil.copytree(evaluated, tmp_path / "copy")
    opened = open_workspace(read_settings(tmp_path / "copy" / "project", {"INCUMBENT_KEYS": str(tmp_path / "copy" / "keys")}))
    yield opened
    opened.store.close()


@pytest.fixture
def office(ws):
    return {name: as_actor(ws, name) for name in PEOPLE}


@pytest.fixture
def let_in(monkeypatch):
    """What a release that did not ask who vouched would have let in: the judgement has to find it all the same."""
    monkeypatch.setattr(signing_off, "check_vouched", lambda *_, **__: None)


def problems(office):
    return "\n".join(check_promotion(office["olga"], **WHO).problems)


def refused_acts(office):
    with office["ada"].store.begin(read_only=True) as tx:
        return [(entry.draft.after, entry.draft.actor.actor_id) for entry in tx.ledger.find(act="refuse", limit=50)]


def make_ann_admin(office):
    change_person(office["ada"], person="ann", roles=AUTHOR_IS_ADMIN)


def bind_anew(office, person, by):
    new_key(office[person], person=person, name=f"{person}-2")
    bind_key(office[by], key=person)


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


def test_a_quorum_by_keys_that_an_author_bound_is_none(office, monkeypatch):
    make_ann_admin(office)
    for person in ("vera", "omar"):
        bind_anew(office, person, by="ann")
    with pytest.raises(Refused, match=r"vera may not validate: ann bound the key ed25519:\S+ of vera, and had a hand in double@1"):
        sign_all(office, 1)
    assert refused_acts(office) == [("validate", "vera")]
    monkeypatch.setattr(signing_off, "check_vouched", lambda *_, **__: None)
    sign_all(office, 1)
    assert problems(office).count("ann bound the key") == 2
    with pytest.raises(Refused, match="missing: 1 validator"):
        promote(office["olga"], **WHO, reason="by keys of others")


@pytest.mark.parametrize("is_old", [False, True])
def test_a_quorum_of_people_whom_an_author_invented_is_none(office, let_in, monkeypatch, is_old):
    """Also where the documents are from before they said who vouched: then it is who wrote their entries."""
    make_ann_admin(office)
    if is_old:
        for kind, field in ((Person, "vouched_by"), (Key, "bound_by")):
            now = kind.to_json
            monkeypatch.setattr(
                kind, "to_json", lambda one, now=now, field=field: {name: value for name, value in now(one).items() if name != field}
            )
    for person, role in (("zoe", "validator"), ("zack", "approver")):
        add_person(office["ann"], person=person, name=person, roles=[role])
        office[person] = as_actor(office["ann"], person)
        bind_anew(office, person, by="ada")
        sign_off(office[person], **WHO, capacity=role)
    assert "zoe's sign-off: ann made zoe known here, or gave them the role, and had a hand in double@1" in problems(office)
    assert "zack's sign-off: ann made zack known here" in problems(office)
    with pytest.raises(Refused, match="missing: 1 approver"):
        promote(office["olga"], **WHO, reason="by people of straw")
    monkeypatch.undo()
    for person, role in (("zoe", "validator"), ("zack", "approver")):
        change_person(office["ada"], person=person, roles=[role], reason="I have met them")
    assert not problems(office), "an admin without a hand in it vouches, and what was signed counts"


def test_who_gives_a_role_that_signs_vouches_from_then_on(office):
    make_ann_admin(office)
    change_person(office["ann"], person="vera", group="risk")
    sign_off(office["vera"], **WHO, capacity="validator")
    change_person(office["ann"], person="vera", roles=["validator"])
    assert "ann made vera known here, or gave them the role" in problems(office)
    with pytest.raises(Refused, match="vera may not validate: ann made vera known here"):
        sign_off(office["vera"], **WHO, capacity="validator")
    assert sign_off(office["vera"], **WHO, capacity="validator", meaning="rejected", comment="no").sign_off.meaning == "rejected"


def test_an_admin_fills_no_seat(office):
    change_person(office["ada"], person="ada", roles=["admin", "approver"])
    with pytest.raises(Refused, match="ada may not approve: ada is an admin, who hands out the identities"):
        sign_off(office["ada"], **WHO, capacity="approver")
    sign_off(office["vera"], **WHO, capacity="validator")
    sign_off(office["omar"], **WHO, capacity="approver")
    assert not problems(office)
    change_person(office["ada"], person="omar", roles=["approver", "admin"])
    assert "omar is an admin" in problems(office)


def test_a_key_that_was_in_other_hands_takes_its_signatures_along_and_a_lost_one_does_not(office):
    signed = sign_off(office["vera"], **WHO, capacity="validator").sign_off
    sign_off(office["omar"], **WHO, capacity="approver")
    revoke_key(office["ada"], key=signed.key_id, reason="laptop lost")
    assert not problems(office), "what it signed before stands"
    with pytest.raises(InvalidInput, match="compromised since a time up to its revocation"):
        revoke_key(office["ada"], key=signed.key_id, reason="?", compromised_since=signed.at + timedelta(days=1))
    revoke_key(office["ada"], key=signed.key_id, reason="found in a shop", compromised_since=signed.at + timedelta(microseconds=1))
    assert not problems(office), "the signature is older than that"
    revoke_key(office["ada"], key=signed.key_id, reason="sold before", compromised_since=signed.at)
    assert f"vera's sign-off: its key {signed.key_id} may have been in other hands since" in problems(office)
    with pytest.raises(Refused, match="revoked already"):
        revoke_key(office["ada"], key=signed.key_id, reason="no, later", compromised_since=signed.at + timedelta(microseconds=1))


class Forging:
    """Keys whose signatures of people are another's."""

    def __init__(self, keys):
        self._keys = keys

    def __getattr__(self, name):
        return getattr(self._keys, name)

    def sign(self, public, data):
        names = self._keys.list_names()
        return self._keys.sign(names["omar"] if public == names["vera"] else public, data)


def test_a_statement_that_the_bound_key_did_not_sign_is_not_stored_and_does_not_count_where_it_is(office, monkeypatch):
    forging = replace(office["vera"], keys=Forging(office["vera"].keys))
    with pytest.raises(Refused, match="validate by vera is not signed as it has to be"):
        sign_off(forging, **WHO, capacity="validator")
    monkeypatch.setattr(signing, "check_signed", lambda *_, **__: None)  # whoever writes to the database makes no such check
    sign_off(forging, **WHO, capacity="validator")
    sign_off(office["omar"], **WHO, capacity="approver")
    assert "vera's sign-off: its signature does not hold" in problems(office)
    with pytest.raises(Refused, match="missing: 1 validator"):
        promote(office["olga"], **WHO, reason="forged")


def ask(ws, body, key):
    """Write a request for a key as whoever has the database would."""
    with governed(ws) as tx:
        record_act(
            ws, tx, act="request-key", kind="key-request", object_id=key, acting=find_acting(ws, tx), body=body.to_json(),
            subject=body.person_id, after=body.public,
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


def test_live_tells_who_vouched_and_who_bound(office):
    change_person(office["ada"], person="ben", roles=["auditor", "admin"])
    bind_anew(office, "omar", by="ben")
    sign_all(office, 1)
    promote(office["olga"], **WHO, reason="first")
    told = {one.person: one.words for one in get_live(office["olga"], SLOT).basis.approvals}
    assert told == {"vera": "vouched for and key bound by ada", "omar": "vouched for by ada, key bound by ben"}


def test_no_slot_goes_back_on_a_signature_of_a_key_that_was_in_other_hands(office):
    signed = sign_all(office, 1).sign_off
    promote(office["olga"], **WHO, reason="first")
    archive(office["olga"], **WHO, reason="looked at anew")
    revoke_key(office["ada"], key=signed.key_id, reason="sold", compromised_since=signed.at)
    bind_anew(office, "omar", by="ada")
    with pytest.raises(Refused, match=r"approval does not count any more \(omar's sign-off: its key .* other hands since"):
        roll_back(office["olga"], slot=SLOT, to=(MODEL, 1), reason="back", break_glass=True)
    sign_off(office["omar"], **WHO, capacity="approver")
    assert roll_back(office["olga"], slot=SLOT, to=(MODEL, 1), reason="approved anew").version.version == 1


def test_the_word_of_an_author_is_good_for_no_attestation_and_no_finding(office):
    make_ann_admin(office)
    change_person(office["ann"], person="vera", roles=["validator"])
    with pytest.raises(Refused, match="vera may not attest: ann made vera known here"):
        attest(office["vera"], model=MODEL, version=1, point="data-6", reason="done")
    opened = open_finding(office["ben"], subject=MODEL, title="it drifts").finding.finding_id
    with pytest.raises(Refused, match="vera may not close-finding: ann made vera known here"):
        close_finding(office["vera"], finding=opened, resolution="no matter")
    change_person(office["ada"], person="vera", roles=["validator"])
    assert close_finding(office["vera"], finding=opened, resolution="mended").finding.closed_by == "vera"


def test_who_broke_the_glass_vouches_for_nobody_who_sweeps_up(office):
    change_person(office["ada"], person="olga", roles=["operator", "admin"])
    opened = open_finding(office["olga"], subject=SLOT, title="it was night", kind="break-glass").finding.finding_id
    change_person(office["olga"], person="omar", roles=["approver"])
    with pytest.raises(Refused, match="omar may not close-finding: olga made omar known here"):
        close_finding(office["omar"], finding=opened, resolution="fine")
    assert close_finding(office["petra"], finding=opened, resolution="looked at").finding.state == "closed"


def test_one_persons_key_serves_in_two_installations_and_is_asked_for_once_in_each(office, tmp_path):
    keys = str(tmp_path / "keys")
    for name in "ab":
        (tmp_path / name).mkdir()
    first, second = (open_workspace(read_settings(tmp_path / name, {"INCUMBENT_KEYS": keys, "INCUMBENT_ACTOR": "ada"})) for name in "ab")
    for ws in (first, second):
        add_person(ws, person="ada", name="Ada Roth", roles=["admin"])
        add_person(ws, person="vera", name="Vera Ito", roles=["validator"])
    made = [new_key(as_actor(ws, "vera"), person="vera").public for ws in (first, second)]
    assert made[0] == made[1], "the key is there already, and its holder shows it to the second ledger, too"
    assert bind_key(second, key="vera").public == made[0].removeprefix("ed25519:")
    with pytest.raises(Conflict, match="there is a key named 'vera'"):
        new_key(as_actor(second, "vera"), person="vera")
    for ws in (first, second):
        ws.store.close()


def test_the_ledgers_own_key_becomes_nobodys(office):
    add_person(office["ada"], person="ledger", name="Led Ger", roles=["validator"])
    with pytest.raises(Conflict, match="there is a key named 'ledger'"):
        new_key(as_actor(office["ada"], "ledger"), person="ledger")
