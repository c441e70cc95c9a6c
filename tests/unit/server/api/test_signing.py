"""Acts that are signed where the person's key is: what is to be signed, the envelope that comes back, and each that is refused."""

import base64
import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from asgi import open_app
from incumbent.base.errors import InvalidInput, Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.ledger.note import key_name, parse_key
from incumbent.ledger.statement import assemble_envelope, statement_bytes
from incumbent.usecases.envelopes import check_prepared, prepare
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.findings import close_finding, open_finding
from incumbent.usecases.person_keys import bind_key, new_key, revoke_key
from incumbent.usecases.roll_back import roll_back
from incumbent.usecases.sign_off import sign_off
from incumbent.usecases.tiers import assess_tier
from incumbent.usecases.tokens import new_token
from logins import open_empty
from office import MODEL, SLOT, as_actor, go_live, open_office, register_factor
from office import prepare as prepare_office
from unit.server.api.test_governed import IN_SLOT, Asker

SIGN_OFFS = f"{IN_SLOT}/sign-offs"
BY_HAND = {"point": "data-6", "reason": "a feature took two days"}


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """Askers with tokens, and what stands on their own machines; two versions are evaluated and unsigned."""
    folder = tmp_path_factory.mktemp("signing")
    (folder / "bundles").mkdir()
    ws = open_empty(folder).named("ada")
    people = open_office(ws)
    prepare_office(people, folder / "bundles")
    register_factor(people["ann"], folder / "bundles", 2.0)
    host = open_model_host(ws)
    for version in (1, 2):
        evaluate(people["rita"], host, model=MODEL, slot=SLOT, version=version)
    host.close()
    app = open_app(ws)
    yield {name: Asker(app, new_token(as_actor(ws, name), name="t", scope=["write"]).secret) for name in people}, people
    app.close()
    ws.store.close()


def seal(people, who, payload, key=""):
    """Sign a payload on somebody's own machine."""
    public = people[who].keys.find(key or who)
    return assemble_envelope(payload, {key_name(public): people[who].keys.sign(public, statement_bytes(payload))})


def sign(office, who, path, body, *, signer="", key=""):
    """Have somebody ask what is to be signed, and return that with the envelope that they (or another) made of it."""
    askers, people = office
    status, found = askers[who].post(f"{path}/statement", body)
    assert status == 200, found
    return found, seal(people, signer or who, base64.b64decode(found["payload"]), key)


def capacity(role, version=1, **more):
    return {"model": MODEL, "version": version, "capacity": role, **more}


def size(people):
    with people["ada"].store.begin(read_only=True) as tx:
        return tx.ledger.size()


def last_refusal(people):
    with people["ada"].store.begin(read_only=True) as tx:
        entry = tx.ledger.get(tx.ledger.size() - 1)
        text = entry.draft.reason or tx.payloads.find(entry.draft.payloads["reason"]).text.decode()
        return entry.draft.act, entry.draft.after, entry.draft.actor.actor_id, text


def check_refused(office, who, path, body, words, act):
    """A refusal says why, stores nothing but itself, and is in the ledger as an attempt of that person."""
    askers, people = office
    before = size(people)
    status, problem = askers[who].post(path, body)
    assert (status, problem["type"]) == (422, "/api/v1/problems/refused")
    assert words in problem["detail"]
    assert size(people) == before + 1
    did, attempted, actor, reason = last_refusal(people)
    assert (did, attempted, actor) == ("refuse", act, who)
    assert words in reason


def test_an_approval_that_was_signed_elsewhere_counts_as_one_signed_here(office):
    askers, people = office
    before = size(people)
    found, envelope = sign(office, "vera", SIGN_OFFS, capacity("validator"))
    assert size(people) == before
    payload = base64.b64decode(found["payload"])
    assert base64.b64decode(found["to_sign"]) == b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
    assert found["statement"] == json.loads(payload)
    assert {one["name"] for one in found["statement"]["subject"]} == {"bundle", "evidence", "policy", "tier"}
    assert (found["printed_name"], found["key_ids"]) == ("Vera Ito", [key_name(people["vera"].keys.find("vera"))])
    now = people["vera"].clock.now()
    said = check_prepared(payload, act="validate", signer="vera", after="validated", now=now, words="")
    assert said.meaning.startswith("I have examined this version")
    status, done = askers["vera"].post(SIGN_OFFS, capacity("validator", envelope=envelope))
    assert (status, done["sign_off"]["person_id"], done["sign_off"]["statement"]) == (201, "vera", envelope)
    assert not any("validator" in problem for problem in done["missing"])
    _, envelope = sign(office, "omar", SIGN_OFFS, capacity("approver"))
    assert askers["omar"].post(SIGN_OFFS, capacity("approver", envelope=envelope))[1]["missing"] == []
    assert askers["ben"].get("/ledger/verification")[1]["is_sound"] is True
    assert askers["ben"].get("/ledger/reconciliation")[1]["differences"] == []
    moved = askers["olga"].post(f"{IN_SLOT}/promotions", {"model": MODEL, "version": 1, "reason": "the first"})
    assert moved[0] == 201
    check_refused(
        office, "omar", SIGN_OFFS, capacity("approver", envelope=envelope), "recorded already: a statement is good once", "approve"
    )


@pytest.mark.parametrize(
    ("asked", "sent", "words"),
    [
        ({}, {"version": 1}, "what was signed names the bundle"),
        ({}, {"meaning": "rejected", "comment": "no"}, "what was signed says after approved, and this says rejected"),
        ({"meaning": "accepted-risk", "comment": "small"}, {}, "what was signed says act accept-risk, and this says approve"),
        (
            {"comment": "for small loans"},
            {"comment": "for every loan"},
            "what was signed says reason for small loans, and this says for ev",
        ),
        ({"comment": "for small loans"}, {}, "what was signed says reason for small loans, and this says"),
    ],
    ids=["another version", "another meaning", "another act", "other words", "no words"],
)
def test_an_envelope_of_something_else_is_refused(office, asked, sent, words):
    _, envelope = sign(office, "omar", SIGN_OFFS, capacity("approver", 2, **asked))
    check_refused(office, "omar", SIGN_OFFS, {**capacity("approver", 2), **sent, "envelope": envelope}, words, "approve")


def test_an_envelope_of_an_attestation_makes_no_sign_off(office):
    _, envelope = sign(office, "vera", "/models/double/versions/2/attestations", BY_HAND)
    check_refused(office, "vera", SIGN_OFFS, capacity("validator", 2, envelope=envelope), "this makes a new sign-off", "validate")


@pytest.mark.parametrize(
    ("who", "signer", "key", "words"),
    [
        ("petra", "omar", "", "which is none of petra that is good"),
        ("omar", "omar", "petra", "which is none of omar that is good"),
        ("petra", "petra", "", "what was signed says signer omar, and this says petra"),
    ],
    ids=["of another person", "by another's key", "for another person"],
)
def test_only_the_signer_themselves_brings_it_signed_with_their_own_key(office, who, signer, key, words):
    _, envelope = sign(office, "omar", SIGN_OFFS, capacity("approver", 2), signer=signer, key=key)
    check_refused(office, who, SIGN_OFFS, capacity("approver", 2, envelope=envelope), words, "approve")


def test_what_was_changed_after_it_was_signed_is_refused(office):
    found, envelope = sign(office, "omar", SIGN_OFFS, capacity("approver", 2))
    edited = base64.b64decode(found["payload"]).replace(b'"to":"approved"', b'"to":"rejected"')
    forged = {**envelope, "payload": base64.b64encode(edited).decode()}
    for meaning in ("rejected", "approved"):
        body = capacity("approver", 2, meaning=meaning, comment="no", envelope=forged)
        check_refused(office, "omar", SIGN_OFFS, body, "is not signed with key", "approve")
    body = capacity("approver", 2, envelope={**envelope, "payload": "bm90aGluZw=="})
    assert office[0]["omar"].post(SIGN_OFFS, body)[0] == 400


def test_what_is_not_so_any_more_has_to_be_signed_anew(office):
    askers, people = office
    _, envelope = sign(office, "omar", SIGN_OFFS, capacity("approver", 2))
    assess_tier(people["omar"], model=MODEL, exposure="medium", purpose="medium", inherent="high", reason="looked at again")
    body = capacity("approver", 2, envelope=envelope)
    check_refused(office, "omar", SIGN_OFFS, body, "what was signed names the tier", "approve")
    _, envelope = sign(office, "omar", SIGN_OFFS, capacity("approver", 2))
    assert askers["omar"].post(SIGN_OFFS, capacity("approver", 2, envelope=envelope))[0] == 201


def test_a_key_that_was_revoked_or_is_not_bound_signs_nothing(office):
    _, people = office
    new_key(people["petra"], person="petra", name="petra-2")
    _, unbound = sign(office, "petra", SIGN_OFFS, capacity("approver", 2), key="petra-2")
    check_refused(office, "petra", SIGN_OFFS, capacity("approver", 2, envelope=unbound), "which is none of petra that is good", "approve")
    bind_key(people["ada"], key="petra")
    found, envelope = sign(office, "petra", SIGN_OFFS, capacity("approver", 2), key="petra")
    assert len(found["key_ids"]) == 2
    revoke_key(people["ada"], key=key_name(people["petra"].keys.find("petra")), reason="lost")
    check_refused(office, "petra", SIGN_OFFS, capacity("approver", 2, envelope=envelope), "which is none of petra that is good", "approve")


@pytest.mark.parametrize(("minutes", "words"), [(-16, "is good for 15 minutes"), (6, "nobody signs in the future")])
def test_a_statement_that_is_not_of_now_is_refused(office, minutes, words):
    people = office[1]

    class Clock:
        def now(self):
            return people["omar"].clock.now() + timedelta(minutes=minutes)

    def do(ws):
        return sign_off(ws, model=MODEL, version=2, slot=SLOT, capacity="approver")

    envelope = seal(people, "omar", prepare(replace(people["omar"], clock=Clock()), do).payload)
    check_refused(office, "omar", SIGN_OFFS, capacity("approver", 2, envelope=envelope), words, "approve")


def test_whoever_may_not_is_told_before_they_sign(office):
    body = {"subject": MODEL}
    check_refused(office, "ann", f"{SIGN_OFFS}/statement", capacity("approver", 2), "ann may not approve", "approve")
    check_refused(office, "olga", f"{SIGN_OFFS}/statement", capacity("approver", 2), "approve is for the role approver", "approve")
    assert office[0]["ann"].post("/models/double/versions/2/attestations/statement", {**BY_HAND, **body})[0] == 403


def test_a_client_signs_nothing_that_it_did_not_ask_for(office):
    people = office[1]
    found = prepare(people["omar"], lambda ws: sign_off(ws, model=MODEL, version=2, slot=SLOT, capacity="approver", comment="small"))
    now = people["omar"].clock.now()
    asked = {
        "act": "approve", "signer": "omar", "after": "approved", "now": now, "words": "small",
        "digests": {"bundle": found.statement.digests["bundle"]},
    }  # fmt: skip
    assert check_prepared(found.payload, **asked) == found.statement
    for change, words in [
        ({"act": "validate"}, "says act 'approve'"),
        ({"signer": "petra"}, "says signer 'omar'"),
        ({"after": "rejected"}, "says after 'approved'"),
        ({"words": "large"}, "says reason 'small', and 'large' was asked for"),
        ({"words": "x" * 281, "salt": bytes(32)}, "says reason 'small'"),
        ({"digests": {"bundle": "blake3:00"}}, "says bundle"),
        ({"digests": {"report": "blake3:00"}}, "says report 'nothing'"),
        ({"now": now + timedelta(minutes=6)}, "look at both clocks"),
        ({"now": now - timedelta(minutes=6)}, "look at both clocks"),
    ]:
        with pytest.raises(Refused, match=words):
            check_prepared(found.payload, **{**asked, **change})
    with pytest.raises(InvalidInput, match="no statement of an act"):
        check_prepared(b"{}", **asked)
    old = json.loads(found.payload)
    old["predicateType"] = "urn:incumbent:act:v1"
    del old["predicate"]["reason"], old["predicate"]["reason_commitment"]
    with pytest.raises(Refused, match="says reason None, and 'small' was asked for"):
        check_prepared(json.dumps(old).encode(), **asked)


def test_long_words_are_signed_by_their_commitment_and_its_salt_comes_back(office):
    askers, people = office
    words = "only for loans below 5,000. " * 20
    asked = capacity("approver", 2, meaning="accepted-risk", comment=words)
    found, envelope = sign(office, "omar", SIGN_OFFS, asked)
    salt, now = base64.b64decode(found["salt"]), people["omar"].clock.now()
    committed = "sha256:" + hashlib.sha256(b"incumbent-payload-v1\0" + salt + words.encode()).hexdigest()
    assert (len(salt), found["statement"]["predicate"]["reason_commitment"], words in str(found)) == (32, committed, False)
    payload = base64.b64decode(found["payload"])
    check_prepared(payload, act="accept-risk", signer="omar", now=now, words=words, salt=salt)
    with pytest.raises(Refused, match="says reason_commitment"):
        check_prepared(payload, act="accept-risk", signer="omar", now=now, words=words + ".", salt=salt)
    before = size(people)
    for wrong, told in [("", "bring its salt too"), ("AAAA", "bring its salt too"), ("?", "is not base64")]:
        status, problem = askers["omar"].post(SIGN_OFFS, {**asked, "envelope": envelope, "salt": wrong})
        assert (status, told in problem["detail"]) == (400, True)
    assert size(people) == before
    other = base64.b64encode(bytes(32)).decode()
    body = {**asked, "envelope": envelope, "salt": other}
    check_refused(office, "omar", SIGN_OFFS, body, "what was signed says reason commitment sha256:", "accept-risk")
    status, done = askers["omar"].post(SIGN_OFFS, {**asked, "envelope": envelope, "salt": found["salt"]})
    assert status == 201
    whole = askers["ben"].get(f"/ledger/entries/{done['entry']}")[1]
    assert (whole["texts"]["reason"], whole["is_reason_signed"]) == (words, True)
    assert askers["ben"].get("/ledger/verification")[1]["is_sound"] is True


def test_an_attestation_and_the_closing_of_a_finding_are_signed_likewise_and_once(office):
    askers, people = office
    path = "/models/double/versions/1/attestations"
    found, envelope = sign(office, "vera", path, BY_HAND)
    status, made = askers["vera"].post(path, {**BY_HAND, "envelope": envelope})
    assert (status, made["attestation"]["actor"], made["attestation"]["at"]) == (
        201, "vera", found["statement"]["predicate"]["at"].replace("Z", "+00:00"),
    )  # fmt: skip
    check_refused(office, "vera", path, {**BY_HAND, "envelope": envelope}, "recorded already: a statement is good once", "attest")
    _, envelope = sign(office, "vera", path, BY_HAND)
    assert found["salt"] == ""
    body = {**BY_HAND, "reason": "it took an hour", "envelope": envelope}
    check_refused(office, "vera", path, body, "what was signed names the attestation", "attest")
    finding = open_finding(people["rita"], subject=MODEL, title="it drifts").finding.finding_id
    path, body = f"/findings/{finding}/close", {"resolution": "mended"}
    _, envelope = sign(office, "vera", path, body)
    check_refused(
        office, "vera", path, {"resolution": "left as it is", "envelope": envelope}, "what was signed names the closed", "close-finding"
    )
    status, closed = askers["vera"].post(path, {**body, "envelope": envelope})
    assert (status, closed["state"], closed["closed_by"]) == (200, "closed", "vera")
    check_refused(office, "vera", path, {**body, "envelope": envelope}, "closed", "close-finding")


def test_a_broken_glass_is_signed_likewise_and_its_envelope_is_good_once(office):
    askers, people = office
    host = open_model_host(people["ada"])
    go_live(people, host, 2)
    host.close()
    path, body = f"{IN_SLOT}/roll-backs", {"reason": "errors doubled", "break_glass": True}
    found, envelope = sign(office, "olga", path, body)
    assert found["statement"]["predicate"]["object"] == f"placement {SLOT} {MODEL}@1"
    assert askers["olga"].post(path, {"reason": "errors doubled", "envelope": envelope})[0] == 400
    assert askers["olga"].post(f"{path}/statement", {"reason": "errors doubled"})[0] == 400
    other = {**body, "reason": "a drill", "envelope": envelope}
    check_refused(office, "olga", path, other, "what was signed says reason errors doubled, and this says a drill", "break-glass")
    status, back = askers["olga"].post(path, {**body, "envelope": envelope})
    assert (status, back["version"], back["left"]) == (201, 1, f"{MODEL}@2")
    assert back["finding"].startswith("finding-")
    forth = {**body, "to": {"model": MODEL, "version": 2}}
    check_refused(office, "olga", f"{path}/statement", forth, "the glass of double/eu is broken", "break-glass")
    close_finding(people["omar"], finding=back["finding"], resolution="the errors came from elsewhere")
    for who in ("omar", "petra"):
        sign_off(people[who], model=MODEL, version=2, slot=SLOT, capacity="approver")
    roll_back(people["olga"], slot=SLOT, to=(MODEL, 2), reason="forth again")
    again = {**body, "to": {"model": MODEL, "version": 1}, "envelope": envelope}
    check_refused(office, "olga", path, again, "this statement was acted on already, in ledger", "break-glass")


def test_the_public_half_in_the_list_is_what_verifies_the_signature(office):
    """Nothing of the server is needed to hold an envelope against the key that the list of people names."""
    askers, people = office
    keys = {one["person_id"]: one["keys"] for one in askers["ben"].get("/people?limit=50")[1]["items"]}
    assert parse_key(f"ed25519:{keys['omar'][0]['public']}") == people["omar"].keys.find("omar")
