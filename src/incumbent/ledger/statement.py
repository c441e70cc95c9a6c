"""Statements: what a person signs with their own key when an act carries their will (DSSE 1.0 around an in-toto Statement v1).

    payload = statement_payload(log=…, tenant=…, act="approve", subjects={"bundle": "blake3:…"}, meaning="I approve …", …)
    envelope = assemble_envelope(payload, {key_name(public): keys.sign(public, statement_bytes(payload))})
    check_signed(replace(draft, statement=envelope), public, log=…, tenant=…, at=…)

So whoever holds the ledger's key cannot invent an approval. The statement names the ledger, so it counts in no other; who, when and with
which meaning are the fields of 21 CFR 11.50, the printed name behind its commitment. The signer's own words are signed as they stand in
the entry: in themselves where they are short, by their commitment where they are kept outside. Not signed are refs beside the subjects.
Statements of the first form (`WORDLESS_TYPE`) left the words out; they hold as they did, and `Statement.reason` is None.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from incumbent.base.digest import parse_digest
from incumbent.base.documents import Document, Json, document_bytes
from incumbent.base.errors import InvalidInput, Refused
from incumbent.ledger.entry import Draft, format_time
from incumbent.ledger.primitives import (
    PAYLOAD_TYPE,
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    Malformed,
    check_predicate,
    check_statement,
    open_envelope,
    pae,
    read_statement,
    verify_signature,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a person signs, read.

    Attributes:
        digests: Name -> digest of all that they vouch for.
        at: When they sign.
        object_name: Kind and id of what is acted on, "sign-off sign-off-…".
        before: Where it comes from.
        after: Where it goes.
        reason: The signer's own words, "" where there are none or they are kept outside; None where they were not signed.
        reason_commitment: Of words that are kept outside.
    """

    act: str
    meaning: str
    signer: str
    name_commitment: str
    at: datetime
    log: str
    tenant: str
    object_name: str
    before: str
    after: str
    digests: Mapping[str, str]
    reason: str | None
    reason_commitment: str


def parse_statement(payload: bytes) -> Statement:
    """Return what a payload says; whether it is signed, and by whom, is another question.

    Raises:
        InvalidInput: It is no statement of an act.
    """
    try:
        found, digests, at = read_statement(payload)
    except Malformed as error:
        raise InvalidInput(f"this is no statement of an act: {error}") from error
    return Statement(
        act=found["act"], meaning=found["meaning"], signer=found["signer"], name_commitment=found["name_commitment"], at=at,
        log=found["log"], tenant=found["tenant"], object_name=found["object"], before=found["from"], after=found["to"], digests=digests,
        reason=found.get("reason"), reason_commitment=found.get("reason_commitment", ""),
    )  # fmt: skip


def parse_envelope(envelope: Document) -> tuple[bytes, str, bytes]:
    """Return (payload, key id, signature) of an envelope, which is not verified by this. Raises InvalidInput."""
    try:
        return open_envelope(envelope)
    except Malformed as error:
        raise InvalidInput(str(error)) from error


def is_signed(payload: bytes, public: bytes, signature: bytes) -> bool:
    """Tell whether a payload is signed with this key."""
    return verify_signature(public, statement_bytes(payload), signature)


def statement_payload(
    *,
    log: str,
    tenant: str,
    act: str,
    subjects: Mapping[str, str],
    meaning: str,
    signer: str,
    name_commitment: str,
    at: str,
    object_name: str,
    before: str = "",
    after: str = "",
    reason: str = "",
    reason_commitment: str = "",
) -> bytes:
    """Return what a person vouches for; these bytes are signed, inside `statement_bytes`.

    The entry that carries the statement has to say the same: act, ledger, tenant, signer, object, before, after, reason and commitments;
    and it names each digest as the ref of that name, or as the digest of its object.

    Args:
        log: Name of the ledger in which it counts.
        tenant: The ledger's tenant.
        act: What is done.
        subjects: Name -> digest of all that the signer vouches for.
        meaning: What signing means, as a phrase.
        signer: Id of the person.
        name_commitment: Of the printed name; "" if none is kept.
        at: When they sign, as entries spell times.
        object_name: Kind and id of what is acted on, "version flights-late@2".
        before: Where it comes from.
        after: Where it goes.
        reason: The signer's own words, as they stand in the entry.
        reason_commitment: Of words that are kept outside of it; "" if none are.

    Raises:
        InvalidInput: There is no subject or no meaning, or a digest, a commitment or the time is malformed.
    """
    if not subjects:
        raise InvalidInput(f"{act} is signed over exact digests, and none was given")
    found: list[Json] = []
    for name, digest in sorted(subjects.items()):
        algorithm, hexadecimal = parse_digest(digest)
        found.append({"name": name, "digest": {algorithm: hexadecimal}})
    predicate: Document = {
        "act": act,
        "meaning": meaning,
        "signer": signer,
        "name_commitment": name_commitment,
        "at": at,
        "log": log,
        "tenant": tenant,
        "object": object_name,
        "from": before,
        "to": after,
        "reason": reason,
        "reason_commitment": reason_commitment,
    }
    try:
        check_predicate(predicate)
    except Malformed as error:
        raise InvalidInput(f"{act} cannot be signed so: {error}") from error
    return document_bytes({"_type": STATEMENT_TYPE, "subject": found, "predicateType": PREDICATE_TYPE, "predicate": predicate})


def statement_bytes(payload: bytes) -> bytes:
    """Return what the person's key signs: DSSE's pre-authentication encoding of the payload."""
    return pae(payload)


def assemble_envelope(payload: bytes, signatures: Mapping[str, bytes]) -> Document:
    """Return the DSSE envelope, as it stands in the entry.

    Args:
        payload: What was signed.
        signatures: The one signature, by the name of its key.

    Raises:
        InvalidInput: There is another number of signatures than one: an entry has one actor.
    """
    if len(signatures) != 1:
        raise InvalidInput(f"a statement carries the signature of the one who acts, not {len(signatures)}")
    signed: list[Json] = [{"keyid": name, "sig": base64.b64encode(signature).decode()} for name, signature in signatures.items()]
    return {"payload": base64.b64encode(payload).decode(), "payloadType": PAYLOAD_TYPE, "signatures": signed}


def check_signed(draft: Draft, public: bytes, *, log: str, tenant: str, at: datetime) -> None:
    """Pass if the draft's statement is signed with this key and says what the draft says: the check that a verifier will make.

    Args:
        draft: The act, with its statement.
        public: The signer's key, 32 bytes.
        log: Name of the ledger.
        tenant: Its tenant.
        at: When the entry is written.

    Raises:
        Refused: There is no statement, it is not signed with this key, or it says something else.
    """
    if draft.statement is None:
        raise Refused(f"{draft.act} needs a statement signed with a key of {draft.actor.actor_id}, and carries none")
    entry = {
        "act": draft.act,
        "log": log,
        "tenant": tenant,
        "at": format_time(at),
        "actor": {"id": draft.actor.actor_id},
        "object": {"kind": draft.object.kind, "id": draft.object.object_id, "digest": draft.object.digest},
        "refs": draft.refs,
        "from": draft.before,
        "to": draft.after,
        "reason": draft.reason,
        "payloads": draft.payloads,
        "statement": draft.statement,
    }
    try:
        check_statement(entry, public)
    except Malformed as error:
        raise Refused(f"{draft.act} by {draft.actor.actor_id} is not signed as it has to be: {error}") from error
