"""Signing human acts: a DSSE statement by the person's own key, with printed name, time and meaning (21 CFR 11.50).

The key has to be bound to the person here, not revoked, and its private half on this machine, or the statement signed where it is
(`incumbent.usecases.envelopes`): whoever runs the database has the ledger's key, and none of these.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from incumbent.base.documents import Document
from incumbent.base.errors import NotFound, Refused
from incumbent.governance.acts import get_act
from incumbent.governance.person import Key, Person, index_people
from incumbent.governance.vouching import find_author, find_own_word, list_vouchers, tell_voucher
from incumbent.ledger.entry import Actor, Draft, ObjectRef, format_time
from incumbent.ledger.note import key_name, parse_key
from incumbent.ledger.statement import assemble_envelope, check_signed, parse_envelope, statement_bytes, statement_payload
from incumbent.usecases.person_keys import list_good_keys
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import Acting, keep_words
from incumbent.usecases.standing import read_vouching
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed act.

    Attributes:
        statement: The DSSE envelope, for the entry.
        key_id: The key that signed.
        reason: The signer's own words, for the entry: "" where they are kept outside.
        payloads: The commitments to the signer's printed name, and to their words where those are kept outside, for the entry.
    """

    statement: Document
    key_id: str
    reason: str
    payloads: Mapping[str, str]


def sign_act(
    ws: Workspace,
    tx: Transaction,
    *,
    acting: Acting,
    act: str,
    kind: str,
    object_id: str,
    digests: Mapping[str, str],
    at: datetime,
    before: str = "",
    after: str = "",
    reason: str = "",
) -> Signed:
    """Sign an act with the actor's own key.

    Args:
        ws: The workspace, whose keys are those of this machine.
        tx: The transaction in which the act is recorded.
        acting: Who acts.
        act: A human act of the table.
        kind: What kind of thing is acted on.
        object_id: Which one.
        digests: What is signed: name -> digest, each also a ref of that name in the entry.
        at: When the entry is written; also when it is signed, unless it was signed elsewhere before.
        before: Where the object comes from.
        after: Where it goes.
        reason: The signer's own words. What the entry takes of them is in the answer.

    Raises:
        Refused: The actor is nobody who is registered here, or has no key that is good; what their key gave does not verify
            with its public half, as it is bound; what was signed elsewhere is something else, or was done already.
        NotFound: None of their keys is on this machine.
    """
    key = choose_key(ws, tx, acting, act)
    signer, commitment = key.person_id, acting.person.name_commitment if acting.person else ""
    public = parse_key(f"ed25519:{key.public}")
    first = tx.ledger.get(0)
    reason, payloads = keep_words(tx, reason, ws.ids.salt if ws.signer is None else ws.signer.salt)
    payload = statement_payload(
        log=first.log,
        tenant=first.tenant,
        subjects=digests,
        act=act,
        meaning=get_act(act).meaning,
        signer=signer,
        name_commitment=commitment,
        at=format_time(get_signing_time(ws, at)),
        object_name=f"{kind} {object_id}",
        before=before,
        after=after,
        reason=reason,
        reason_commitment=payloads.get("reason", ""),
    )
    payloads |= {"name": commitment} if commitment else {}
    if ws.signer is None:
        envelope = assemble_envelope(payload, {key.key_id: ws.keys.sign(public, statement_bytes(payload))})
    else:
        envelope = ws.signer.sign(payload, key)
        _check_new(tx, act, f"{kind} {object_id}", payload)
    draft = Draft(
        act, ObjectRef(kind, object_id), Actor(signer), refs=dict(digests), before=before, after=after, reason=reason, payloads=payloads,
        statement=envelope,
    )  # fmt: skip
    check_signed(draft, public, log=first.log, tenant=first.tenant, at=at)  # what does not verify is never stored
    return Signed(envelope, key.key_id, reason, payloads)


def name_signed(ws: Workspace, tx: Transaction, kind: str) -> str:
    """Return the id of a thing that a signed act makes. Raises Refused where one that was signed elsewhere is of a thing that is there."""
    if ws.signer is None:
        return ws.ids.new(kind)
    object_id = ws.signer.new_id(kind)
    if tx.records.find(kind, object_id) is not None:
        raise Refused(f"{kind} {object_id} is recorded already: a statement is good once; have another one prepared")
    return object_id


def get_signing_time(ws: Workspace, at: datetime) -> datetime:
    """Return the time that a statement has whose entry is written at `at`."""
    return at if ws.signer is None else ws.signer.signed_at()


def _check_new(tx: Transaction, act: str, object_name: str, payload: bytes) -> None:
    """Pass if no entry stands on this very statement: whoever listens in cannot have it done again. Raises Refused."""
    for entry in tx.ledger.find(object_name=object_name, act=act):
        if entry.draft.statement is not None and parse_envelope(entry.draft.statement)[0] == payload:
            raise Refused(f"this statement was acted on already, in ledger entry {entry.seq}: it is good once; have another one prepared")


def choose_key(ws: Workspace, tx: Transaction, acting: Acting, act: str) -> Key:
    """Return the key that the one who acts would sign with: the newest that is good and on this machine.

    Raises:
        Refused: The actor is nobody who is registered here, or has no key that is good.
        NotFound: None of their keys is on this machine.
    """
    person = acting.person
    if person is None:
        raise Refused(
            f"{act} is signed by a person, and nobody is registered here: `incumbent users add ID --name NAME --role …`, then "
            "`incumbent keys new ID` as that person"
        )
    keys = list_good_keys(tx, person.person_id)
    if not keys:
        raise Refused(
            f"{person.person_id} has no key that is good, and {act} is signed: "
            f"`incumbent keys new {person.person_id}` as them, then an admin's `incumbent keys bind`"
        )
    if ws.signer is not None:
        return ws.signer.choose(keys)
    here = {key_name(public): public for public in ws.keys.list_names().values()}
    key = next((key for key in reversed(keys) if key.key_id in here), None)
    if key is None:
        raise NotFound(
            f"the keys of {person.person_id} ({', '.join(key.key_id for key in keys)}) are not on this machine; sign where they are, or "
            "point INCUMBENT_KEYS at their folder"
        )
    return key


def find_dependence(
    ws: Workspace,
    tx: Transaction,
    acting: Acting,
    act: str,
    *,
    involved: Collection[str],
    people: Iterable[Person],
    subject: str,
    is_grouped: bool = False,
) -> str:
    """Return in words why it does not count here that somebody is who they are: on whose word it rests; "" if it counts.

    Args:
        ws: The workspace.
        tx: An open transaction.
        acting: Who acts.
        act: What they are about to sign.
        involved: Ids of the accountable persons whose word does not count here.
        people: Everybody known.
        subject: What it is about: "flights-late@2".
        is_grouped: Reporting groups matter, so whoever set theirs vouches too.

    Raises:
        Refused: The actor has no key that is good.
        NotFound: None of their keys is on this machine.
    """
    if acting.person is None:
        return ""
    key, vouching = choose_key(ws, tx, acting, act), read_vouching(tx)
    vouchers = list_vouchers(vouching, acting.actor, key, is_grouped=is_grouped)
    voucher = find_author(vouchers, involved, index_people(people))
    if voucher is None:
        return find_own_word(vouching, acting.person, key, is_grouped=is_grouped)
    return (
        f"{tell_voucher(voucher, subject)}. An admin on whose word no author stands vouches with `incumbent users change {acting.actor} "
        f"--role …`, and binds the key with `incumbent keys bind {key.key_id}`"
    )


def check_vouched(
    ws: Workspace, tx: Transaction, acting: Acting, act: str, *, involved: Collection[str], people: Iterable[Person], subject: str
) -> None:
    """Pass if it counts here that the one who acts is who they are (`find_dependence`). Raises Refused, NotFound."""
    told = find_dependence(ws, tx, acting, act, involved=involved, people=people, subject=subject)
    if told:
        raise Refused(f"{acting.actor} may not {act}: {told}")
