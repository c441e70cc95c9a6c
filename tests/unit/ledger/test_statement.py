"""Statements: what a person signs counts for exactly that, in that ledger, once."""

import base64
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput, Refused
from incumbent.ledger.entry import Actor, Draft, ObjectRef
from incumbent.ledger.statement import assemble_envelope, check_signed, parse_statement, statement_bytes, statement_payload
from unit.ledger.exported import AT, BUNDLE, LOG, TENANT, Export, first_form, private, public

BOB = private(7)


def check(draft, **changed):
    check_signed(draft, **{"public": public(BOB), "log": LOG, "tenant": TENANT, "at": AT, **changed})


def test_the_payload_is_an_in_toto_statement_of_the_act():
    payload = statement_payload(
        log=LOG, tenant=TENANT, act="approve", subjects={"evidence": "sha256:" + "cd" * 32, "bundle": BUNDLE}, meaning="I approve",
        signer="bob",
        name_commitment="sha256:" + "00" * 32, at="2026-11-25T14:00:00.000000Z", object_name="version flights-late@1",
        before="", after="approved", reason="small", reason_commitment="sha256:" + "11" * 32,
    )  # fmt: skip
    assert json.loads(payload) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "bundle", "digest": {"blake3": "ab" * 32}}, {"name": "evidence", "digest": {"sha256": "cd" * 32}}],
        "predicateType": "urn:incumbent:act:v2",
        "predicate": {
            "act": "approve", "meaning": "I approve", "signer": "bob", "name_commitment": "sha256:" + "00" * 32,
            "at": "2026-11-25T14:00:00.000000Z", "log": LOG, "tenant": TENANT,
            "object": "version flights-late@1", "from": "", "to": "approved",
            "reason": "small", "reason_commitment": "sha256:" + "11" * 32,
        },
    }  # fmt: skip
    assert statement_bytes(payload) == b"DSSEv1 28 application/vnd.in-toto+json %d " % len(payload) + payload


def test_a_statement_that_says_what_the_draft_says_passes():
    check(Export().approval("bob", BOB))


def test_the_digest_of_the_object_may_be_the_one_that_was_signed():
    draft = Export().approval("bob", BOB)
    check(replace(draft, refs={}, object=replace(draft.object, digest=BUNDLE)))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"act": "validate"}, "signed act 'validate', and the entry says 'approve'"),
        ({"log": "incumbent/other"}, "signed log"),
        ({"tenant": "other"}, "signed tenant"),
        ({"signer": "ann"}, "signed signer"),
        ({"object_name": "version flights-late@2"}, "signed object"),
        ({"before": "x"}, "signed from"),
        ({"after": "rejected"}, "signed to"),
        ({"reason": "the errors are small"}, "signed reason 'the errors are small', and the entry says ''"),
        ({"reason_commitment": "sha256:" + "11" * 32}, "signed reason_commitment"),
        ({"name_commitment": "sha256:" + "11" * 32}, "signed name_commitment"),
        ({"subjects": {"bundle": "blake3:" + "00" * 32}}, "digest that was signed as 'bundle'"),
        ({"subjects": {"bundle": BUNDLE, "evidence": BUNDLE}}, "digest that was signed as 'evidence'"),
        ({"at": "2026-11-25T14:05:02.000000Z"}, "after its entry was written"),
    ],
)
def test_a_statement_that_says_something_else_is_refused(said, message):
    with pytest.raises(Refused, match=message):
        check(Export().approval("bob", BOB, **said))


@pytest.mark.parametrize("changed", [{"reason": "the errors are large"}, {"reason": ""}, {"payloads": {"reason": "sha256:" + "11" * 32}}])
def test_words_that_were_exchanged_after_they_were_signed_are_refused(changed):
    draft = replace(Export().approval("bob", BOB, reason="the errors are small"), reason="the errors are small")
    check(draft)
    with pytest.raises(Refused, match="the person signed reason"):
        check(replace(draft, **changed))


def test_a_statement_of_the_first_form_holds_without_its_words():
    draft = first_form(Export().approval("bob", BOB), BOB)
    check(draft)
    check(replace(draft, reason="whatever", payloads={"reason": "sha256:" + "11" * 32}))
    with pytest.raises(Refused, match="signed to"):
        check(replace(draft, after="rejected"))


@pytest.mark.parametrize(("kind", "dropped"), [("v1", ()), ("v2", ("reason",)), ("v2", ("reason", "reason_commitment")), ("v3", ())])
def test_each_form_has_its_fields_and_no_others(kind, dropped):
    payload = json.loads(base64.b64decode(Export().approval("bob", BOB).statement["payload"]))
    payload["predicateType"] = f"urn:incumbent:act:{kind}"
    for name in dropped:
        del payload["predicate"][name]
    with pytest.raises(InvalidInput, match="no statement of an act"):
        parse_statement(json.dumps(payload).encode())


def test_a_signers_clock_may_run_a_little_ahead():
    check(Export().approval("bob", BOB, at="2026-11-25T14:05:00.000000Z"))


def test_another_key_a_changed_payload_and_no_statement_are_refused():
    draft = Export().approval("bob", BOB)
    with pytest.raises(Refused, match="not signed with key"):
        check(draft, public=public(private(8)))
    with pytest.raises(Refused, match="not signed with key"):
        check(Export().approval("bob", private(8)), public=public(BOB))
    payload = base64.b64decode(draft.statement["payload"]).replace(b"I approve", b"I regret!")
    with pytest.raises(Refused, match="not signed with key"):
        check(replace(draft, statement={**draft.statement, "payload": base64.b64encode(payload).decode()}))
    with pytest.raises(Refused, match="carries none"):
        check(replace(draft, statement=None))
    with pytest.raises(Refused, match="signed log"):
        check(draft, log="incumbent/other")
    check(draft, at=AT + timedelta(days=30))  # how old a signature may be is governance's question


def test_a_statement_signed_over_json_with_a_key_twice_is_refused():
    payload = b'{"_type":"https://in-toto.io/Statement/v1","_type":"x"}'
    envelope = assemble_envelope(payload, {"ed25519:" + "0" * 16: BOB.sign(statement_bytes(payload))})
    envelope["signatures"][0]["keyid"] = Export().approval("bob", BOB).statement["signatures"][0]["keyid"]
    with pytest.raises(Refused, match="a key stands twice"):
        check(replace(Export().approval("bob", BOB), statement=envelope))


@pytest.mark.parametrize(
    "changed",
    [
        {"subjects": {}},
        {"subjects": {"bundle": "ab"}},
        {"meaning": " "},
        {"name_commitment": "Bob"},
        {"reason_commitment": "small"},
        {"at": "today"},
        {"at": "2026-02-30T00:00:00.0Z"},
    ],
)
def test_what_cannot_be_signed_is_refused_before_it_is(changed):
    with pytest.raises(InvalidInput):
        Export().approval("bob", BOB, **changed)


def test_an_envelope_has_one_signature():
    for signatures in ({}, {"a": b"", "b": b""}):
        with pytest.raises(InvalidInput, match="the one who acts"):
            assemble_envelope(b"{}", signatures)


JSON = st.recursive(st.none() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
ENVELOPES = st.dictionaries(st.sampled_from(["payload", "payloadType", "signatures", "x"]), JSON)


@given(ENVELOPES, st.binary(max_size=80))
def test_any_other_envelope_is_refused(envelope, payload):
    draft = Draft("approve", ObjectRef("version", "m@1"), Actor("bob"))
    with pytest.raises(Refused):
        check(replace(draft, statement=envelope))
    named = Export().approval("bob", BOB).statement["signatures"][0]["keyid"]
    with pytest.raises(Refused):
        check(replace(draft, statement=assemble_envelope(payload, {named: BOB.sign(statement_bytes(payload))})))
