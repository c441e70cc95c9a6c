"""What takes a person's own signature: what is to be signed, and the envelope that comes back. The key stays where it is."""

import base64
from collections.abc import Callable
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from incumbent.base.errors import InvalidInput
from incumbent.governance.sign_off import ACT_OF, MEANT, Meaning, Seat
from incumbent.ledger.primitives import PAYLOAD_TYPE, PREDICATE_TYPE
from incumbent.ledger.statement import statement_bytes
from incumbent.server.api.operation import Call, In, Operation, Out
from incumbent.server.api.shapes import DIGEST, Document, Name, Number, Time
from incumbent.server.messages import Server
from incumbent.usecases.envelopes import GOOD_FOR, Prepared, bring, prepare
from incumbent.usecases.rights import GOVERN
from incumbent.usecases.sign_off import SignedOff as SignedOffValue
from incumbent.usecases.sign_off import sign_off
from incumbent.usecases.workspace import Workspace

_T = TypeVar("_T")
Salt = Annotated[
    str, Meta(max_length=64, description="What came as `salt` with what was signed: behind it words of more than 280 characters are kept.")
]
_Base64 = Annotated[str, Meta(min_length=1, max_length=100_000, description="In base64.")]


class Signature(In):
    """A signature of the payload's DSSE encoding."""

    keyid: Annotated[str, Meta(min_length=1, max_length=128)]
    sig: _Base64


class Envelope(In):
    """A DSSE envelope with one signature."""

    payload: _Base64
    payload_type: Annotated[str, Meta(description=PAYLOAD_TYPE, max_length=200)] = msgspec.field(name="payloadType")
    signatures: Annotated[list[Signature], Meta(min_length=1, max_length=1)]


class Statement(Out):
    """What is to be signed."""

    payload: Annotated[str, Meta(description="The statement's exact bytes, in base64.")]
    payload_type: str
    to_sign: Annotated[str, Meta(description="What the key signs: DSSE's encoding of the payload, in base64.")]
    statement: Annotated[Document, Meta(description="What the payload says: act, meaning, signer, time, digests.")]
    printed_name: Annotated[str, Meta(description="The signer's; the statement holds a commitment to it.")]
    key_ids: Annotated[list[str], Meta(description="Keys that it may be signed with.")]
    salt: Annotated[str, Meta(description="In base64, to be sent back beside the envelope; empty where the words stand in the statement.")]
    expires_at: Annotated[Time, Meta(description="Until when the envelope is taken.")]


class NewSignOff(In):
    """A sign-off: in which seat, and what it says."""

    model: Name
    version: Number
    capacity: Seat
    meaning: Annotated[Meaning | None, Meta(description="What the seat says, if it is left out.")] = None
    comment: Annotated[str, Meta(max_length=16_000)] = ""


class SignedSignOff(NewSignOff):
    """A sign-off, and the envelope."""

    envelope: Envelope | None = None
    salt: Salt = ""


class SignedOff(Out):
    """A sign-off, and what is still missing."""

    sign_off: Document
    entry: int
    missing: list[str]


def show_statement(server: Server, do: Callable[[Workspace], object]) -> object:
    """Return what is to be signed for an act."""
    return _show(prepare(server.ws, do))


def do_signed(server: Server, envelope: Envelope | None, salt: str, do: Callable[[Workspace], _T]) -> _T:
    """Do an act on the envelope that came, or else with the keys that the server may use. Raises InvalidInput."""
    if envelope is None:
        return do(server.ws)
    try:
        salt_bytes = base64.b64decode(salt, validate=True)
    except ValueError as error:
        raise InvalidInput("the salt is not base64: send it as it came with what was to be signed") from error
    return bring(server.ws, msgspec.to_builtins(envelope), do, salt=salt_bytes)


def _show(found: Prepared) -> object:
    return {
        "payload": base64.b64encode(found.payload).decode(), "payload_type": PAYLOAD_TYPE,
        "to_sign": base64.b64encode(statement_bytes(found.payload)).decode(), "statement": msgspec.Raw(found.payload),
        "printed_name": found.printed_name, "key_ids": [*found.key_ids], "expires_at": found.expires_at.isoformat(),
        "salt": base64.b64encode(found.salt).decode(),
    }  # fmt: skip


def _sign_off(call: Call) -> Callable[[Workspace], SignedOffValue]:
    asked: NewSignOff = call.body
    act = ACT_OF.get((asked.capacity, asked.meaning or MEANT[asked.capacity]))
    call.check_scope(*(() if act is None else (act,)))
    return lambda ws: sign_off(
        ws, model=asked.model, version=asked.version, slot=call.path["slot"], capacity=asked.capacity, meaning=asked.meaning,
        comment=asked.comment,
    )  # fmt: skip


def prepare_sign_off(server: Server, call: Call) -> object:
    """Say what is to be signed for a sign-off."""
    return show_statement(server, _sign_off(call))


def sign_version_off(server: Server, call: Call) -> object:
    """Take a sign-off."""
    asked: SignedSignOff = call.body
    done = do_signed(server, asked.envelope, asked.salt, _sign_off(call))
    return {"sign_off": done.sign_off.to_json(), "entry": done.entry, "missing": [*done.readiness.problems]}


ENVELOPE: Document = {
    "payload": "eyJfdHlwZSI6…", "payloadType": PAYLOAD_TYPE, "signatures": [{"keyid": "ed25519:2f4c81a90b3d77e6", "sig": "zdTl…"}],
}  # fmt: skip


def example(act: str, meaning: str, signer: str, thing: str, reason: str = "", **digests: str) -> Document:
    """Return an example of a statement."""
    subject = [{"name": name, "digest": dict([digest.split(":")])} for name, digest in digests.items()]
    return {
        "payload": "eyJfdHlwZSI6…", "payload_type": PAYLOAD_TYPE, "to_sign": "RFNTRXYxIDI4IGFwcGxpY2F0aW9u…",
        "statement": {
            "_type": "https://in-toto.io/Statement/v1", "predicateType": PREDICATE_TYPE, "subject": subject,
            "predicate": {
                "act": act, "meaning": meaning, "signer": signer, "object": thing, "at": "2026-11-25T09:30:00.000000Z", "reason": reason,
            },
        },
        "printed_name": "Omar Diaz", "key_ids": ["ed25519:2f4c81a90b3d77e6"], "expires_at": "2026-11-25T09:45:00+00:00",
        "salt": "",
    }  # fmt: skip


def tell_signing(path: str) -> str:
    """Return how an act is signed, for the reference."""
    return (
        f"What is to be signed comes from `POST {path}/statement`, with the same body. Sign `to_sign` (Ed25519) where your key is, and "
        "send the same body again with the DSSE envelope as `envelope`. Nothing is done without: a token is no signature. What the server "
        f"would have signed then must be what was signed, byte for byte, and at most {GOOD_FOR.seconds // 60} minutes ago. An envelope is "
        "good once. What you say with it (comment, reason, resolution) is signed too, by its commitment where it is longer than 280 "
        "characters: then send the `salt` that came as well."
    )


PREPARES = (
    "It is judged as the act itself is, and a refusal is recorded; nothing else is kept. Look at what you sign: it binds the digests, and "
    "what you say."
)
_SENT: Document = {"model": "credit", "version": 3, "capacity": "approver"}

OPERATIONS = (
    Operation(
        "prepare_sign_off", "slots", "POST", "/slots/{slot}/sign-offs/statement", GOVERN, "Say what is to be signed for a sign-off.",
        prepare_sign_off, Statement,
        example(
            "approve", "I approve that this version goes into production on this evidence", "omar", "sign-off sign-off-0mjq1k2v37f3a",
            bundle=DIGEST, evidence=DIGEST, policy=DIGEST, tier=DIGEST,
        ),
        body=NewSignOff, sent=_SENT, refuses=True, by=("envelopes.prepare",), more=PREPARES,
    ),
    Operation(
        "sign_off", "slots", "POST", "/slots/{slot}/sign-offs", GOVERN, "Sign for a version in a slot, as validator or approver.",
        sign_version_off, SignedOff,
        {"sign_off": {"model": "credit", "version": 3, "meaning": "approved"}, "entry": 40, "missing": []},
        body=SignedSignOff, sent={**_SENT, "envelope": ENVELOPE}, status=201, refuses=True, by=("sign_off.sign_off", "envelopes.bring"),
        more=tell_signing("/slots/{slot}/sign-offs"),
    ),
)  # fmt: skip
