"""The verbs on people's keys: the holder makes one and asks for it, an admin binds it, an admin revokes it.

Nobody makes a key for another. `new_key` is done by the holder; what it records is signed by the new key, and an admin's `bind_key`
verifies that before the key speaks for anybody. Only an admin's own key is bound as it is made, or the first admin could not begin.
"""

import base64
import itertools
from dataclasses import dataclass, replace
from datetime import datetime

from incumbent.base.errors import Conflict, InvalidInput, NotFound, Refused
from incumbent.governance.fields import check_time, format_time
from incumbent.governance.key_request import KeyRequest, key_request_from_json, possession_bytes
from incumbent.governance.person import Key, key_from_json
from incumbent.ledger.note import key_name, key_text, parse_key
from incumbent.ledger.primitives import verify_signature
from incumbent.usecases.asked import asked
from incumbent.usecases.governed_ports import Record
from incumbent.usecases.people import get_person
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import Acting, attempting, check_acting, find_acting, governed, record_act
from incumbent.usecases.standing import bound
from incumbent.usecases.workspace import Workspace

_NAME_MIN = len("ed25519:") + 6


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was made.

    Attributes:
        public: Its public half, "ed25519:" and base64.
        bound: What binds it to the person; None if it was asked for, and an admin has to.
        is_new: It was made now; one of that name that is on this machine, and that this ledger never heard of, is taken instead.
    """

    public: str
    bound: Key | None
    is_new: bool


def new_key(ws: Workspace, *, person: str, name: str = "") -> NewKey:
    """Make a key pair on this machine for the one who acts, and ask that it be bound to them. The private half never leaves the machine.

    A key of that name that is here already, from another installation or from an attempt that broke off, is used again: what it signs
    names the ledger, so it counts in no other one.

    Args:
        ws: The workspace; its actor is the one whose key it is to be.
        person: The same person, by any of their names.
        name: Of the key's files; the person's id by default.

    Raises:
        NotFound: There is no such person.
        Conflict: The key of this name is known here already.
        Refused: The one who acts is somebody else.
    """
    with attempting(ws, act="request-key", kind="key-request", object_id=person):
        with ws.store.begin(read_only=True) as tx:
            owner = get_person(tx, person)
            acting = find_acting(ws, tx)
            if acting.actor != owner.person_id:
                raise Refused(
                    f"{acting.actor} may not make a key of {owner.person_id}: whoever makes it could sign with it. {owner.person_id} "
                    f"makes it, as INCUMBENT_ACTOR={owner.person_id}, and an admin binds it with `incumbent keys bind {owner.person_id}`"
                )
            check_acting(ws, tx, "request-key")
            log = tx.ledger.get(0).log
            found = _find_unused(ws, tx, name or owner.person_id)
            if found is None:
                _check_free(ws, tx, name or owner.person_id, owner.person_id)
        raw = found or ws.keys.make(name or owner.person_id)
        public = key_text(raw)
        signature = base64.b64encode(ws.keys.sign(raw, possession_bytes(log=log, person=owner.person_id, public=public))).decode()
        with governed(ws) as tx:
            acting = check_acting(ws, tx, "request-key")
            request = KeyRequest(owner.person_id, public, signature, ws.clock.now())
            seq = _record_request(ws, tx, acting, request)
            if "admin" not in acting.roles:
                return NewKey(public, None, is_new=found is None)
            return NewKey(public, _bind(ws, tx, acting, request, seq), is_new=found is None)


def request_key(ws: Workspace, *, public: str, signature: str) -> KeyRequest:
    """Ask that a key which the one who acts made on another machine be bound to them. Also an admin's waits for another admin.

    Args:
        ws: The workspace; its actor is the one whose key it is to be.
        public: The key's public half, "ed25519:" and base64.
        signature: Base64 of what the key signed: `possession_bytes` of this ledger, this person and this key.

    Raises:
        InvalidInput: It is no such key, or no signature.
        Conflict: The key is known here already.
        Refused: It is not signed by that key, or nobody is registered here.
    """
    raw = parse_key(public)
    with attempting(ws, act="request-key", kind="key-request", object_id=key_name(raw)), governed(ws) as tx:
        acting = check_acting(ws, tx, "request-key")
        if acting.person is None:
            raise Refused("a key is bound to a person, and nobody is registered here: `incumbent users add` makes the first one known")
        request = KeyRequest(acting.actor, key_text(raw), signature, ws.clock.now())
        if any(tx.records.find(kind, key_name(raw)) for kind in ("key", "key-request")):
            raise Conflict(f"key {key_name(raw)} is known here already: a key is asked for once, and bound to one person")
        _check_possession(request, tx.ledger.get(0).log)
        _record_request(ws, tx, acting, request)
    return request


def _record_request(ws: Workspace, tx: Transaction, acting: Acting, request: KeyRequest) -> int:
    entry = record_act(
        ws, tx, act="request-key", kind="key-request", object_id=key_name(parse_key(request.public)), acting=acting,
        body=request.to_json(), after=request.public,
    )  # fmt: skip
    return entry.seq


def _check_possession(request: KeyRequest, log: str) -> None:
    raw = parse_key(request.public)
    asked = possession_bytes(log=log, person=request.person_id, public=request.public)
    if not verify_signature(raw, asked, request.signature_bytes):
        raise Refused(f"the request for key {key_name(raw)} is not signed by that key: whoever asked does not show that they hold it")


def bind_key(ws: Workspace, *, key: str, is_at_hand: bool = True) -> Key:
    """Bind a key that its holder asked for: from now on its signatures are theirs.

    A key that somebody else has bound, or its holder as an admin, can be bound again: the word for it is the actor's from then on.

    Args:
        ws: The workspace; its actor is the admin.
        key: The key's name or 6 or more characters of the beginning of it, or the person, if they asked for one only.
        is_at_hand: Whether the admin sits at a machine that has the workspace. Somebody who only brings their token binds no key of their
            own: a token that was stolen would become a signature.

    Raises:
        NotFound: No request, or more than one, goes by that.
        Conflict: The actor has bound it already.
        Refused: The request is not signed by the key that it names, the key is revoked, or the actor is no admin, or asked themselves.
    """
    with attempting(ws, act="add-key", kind="key", object_id=key[:80]), governed(ws) as tx:
        acting = check_acting(ws, tx, "add-key")
        record = _find_request(tx, key)
        if record.subject == acting.actor and not is_at_hand:
            raise Refused(
                f"{acting.actor} may not bind a key of their own with a log-in or a token, which is not a signature: another admin binds "
                "it, or they do it on a machine that has the workspace, with `incumbent keys bind`"
            )
        return _bind(ws, tx, acting, key_request_from_json(record.body), record.seq)


def list_key_requests(tx: Transaction) -> list[tuple[str, KeyRequest]]:
    """Return (name of the key, request) of all that nobody has bound yet, oldest first."""
    taken = {record.record_id for record in tx.records.list_all("key")}
    waiting = [record for record in tx.records.list_all("key-request") if record.record_id not in taken]
    return [(record.record_id, key_request_from_json(record.body)) for record in waiting]


def _find_unused(ws: Workspace, tx: Transaction, name: str) -> bytes | None:
    """Return the key of a name that is on this machine and that this ledger has never heard of; the ledger's own are nobody's."""
    found = None if name.startswith("ledger") else ws.keys.find(name)
    if found is None or any(tx.records.find(kind, key_name(found)) for kind in ("key", "key-request")):
        return None
    return found


def _check_free(ws: Workspace, tx: Transaction, name: str, person: str) -> None:
    """Raise Conflict where a key of this name is here, saying what became of it and how another is made."""
    raw = ws.keys.find(name)
    record = None if raw is None else tx.records.find("key", key_name(raw))
    if raw is None or (record is None and tx.records.find("key-request", key_name(raw)) is None):
        return
    key = key_from_json(record.body) if record is not None else None
    state = "asks to be bound" if key is None else f"was revoked on {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "is bound"
    taken = ws.keys.list_names()
    free = next(other for number in itertools.count(2) if (other := f"{person}-{number}") not in taken)
    raise Conflict(
        f"there is a key named {name!r} on this machine already, {key_name(raw)}, which {state}; make another under another name:\n"
        f"  INCUMBENT_ACTOR={person} incumbent keys new {person} --name {free}"
    )


def _bind(ws: Workspace, tx: Transaction, acting: Acting, request: KeyRequest, seq: int) -> Key:
    raw, entry = parse_key(request.public), tx.ledger.get(seq)
    owner = get_person(tx, request.person_id)
    if entry.draft.actor.actor_id != owner.person_id or entry.draft.object.object_id != key_name(raw):
        raise Refused(f"ledger entry {seq} is no request of {owner.person_id} for key {key_name(raw)}")
    _check_possession(request, entry.log)
    taken = tx.records.find("key", key_name(raw))
    added_at = ws.clock.now() if taken is None else _check_again(bound(tx, key_from_json(taken.body)), acting)
    key = Key(key_name(raw), owner.person_id, base64.b64encode(raw).decode(), added_at, bound_by=acting.actor)
    record_act(
        ws, tx, act="add-key", kind="key", object_id=key.key_id, acting=acting, body=key.to_json(),
        after=request.public, refs={"request": str(seq)},
    )  # fmt: skip
    return key


def _check_again(known: Key, acting: Acting) -> datetime:
    """Return since when a key is bound, if another may bind it again. Raises Refused, Conflict."""
    if known.revoked_at is not None:
        raise Refused(f"key {known.key_id} of {known.person_id} was revoked, and comes not back; they make another, with --name")
    if acting.actor in (known.bound_by, known.person_id):
        raise Conflict(f"key {known.key_id} of {known.person_id} is bound already, by {known.bound_by}; another admin may bind it again")
    return known.added_at


@asked
def revoke_key(ws: Workspace, *, key: str, reason: str, compromised_since: datetime | None = None) -> Key:
    """End a key's use. What it signed before stands, unless it may have been in other hands by then.

    Of a key that is revoked already, it can still be said since when it was compromised, or that it was earlier than thought.

    Args:
        ws: The workspace.
        key: Its name, "ed25519:…", or 6 or more characters of the beginning of that; or whose it is, if they have one only.
        reason: Why, in words.
        compromised_since: From when on somebody else may have signed with it: no sign-off of that time or later counts any more.

    Raises:
        InvalidInput: `compromised_since` is later than now (or than the revocation).
        NotFound: There is no such key, or several begin so.
        Refused: It is revoked already, or the actor is no admin.
    """
    with attempting(ws, act="revoke-key", kind="key", object_id=key[:80]), governed(ws) as tx:
        acting = check_acting(ws, tx, "revoke-key")
        found, now = bound(tx, _find_key(tx, key)), ws.clock.now()
        if compromised_since is not None and check_time(compromised_since) > (found.revoked_at or now):
            raise InvalidInput(
                f"key {found.key_id} is compromised since a time up to its revocation, not since {format_time(compromised_since)}: "
                "from the revocation on it signs nothing anyway"
            )
        act = "revoke-key" if found.revoked_at is None else "disown-key"
        if found.revoked_at is not None:
            known = found.compromised_since
            if compromised_since is None or (known is not None and compromised_since >= known):
                held = (
                    f", and compromised since {format_time(known)}"
                    if known
                    else "; --compromised-since says since when it was in other hands"
                )
                raise Refused(f"key {found.key_id} is revoked already, since {found.revoked_at:%Y-%m-%d %H:%M:%S} UTC{held}")
        revoked = replace(found, revoked_at=found.revoked_at or now, compromised_since=compromised_since)
        record_act(
            ws, tx, act=act, kind="key", object_id=revoked.key_id, acting=acting, body=revoked.to_json(), reason=reason,
        )  # fmt: skip
    return revoked


def list_good_keys(tx: Transaction, person_id: str) -> list[Key]:
    """Return a person's keys that are not revoked, oldest first, each with who bound it."""
    keys = [key_from_json(record.body) for record in tx.records.list_all("key", subject=person_id)]
    return [bound(tx, key) for key in keys if key.revoked_at is None]


def _find_key(tx: Transaction, name: str) -> Key:
    wanted = _wanted(name)
    keys = [key_from_json(record.body) for record in tx.records.list_all("key")]
    found = [key for key in keys if key.key_id.startswith(wanted)] if len(wanted) >= _NAME_MIN else []
    if not found:
        theirs = [key for key in keys if key.person_id == name]
        found = [key for key in theirs if key.revoked_at is None] or theirs
    if len(found) != 1:
        told = ", ".join(f"{key.key_id} of {key.person_id}{' (revoked)' if key.revoked_at else ''}" for key in found or keys)
        raise NotFound(f"{len(found)} keys go by {name[:80]!r}; there are: {told or 'none'}")
    return found[0]


def _find_request(tx: Transaction, name: str) -> Record:
    waiting, wanted = list_key_requests(tx), _wanted(name)
    every = [record.record_id for record in tx.records.list_all("key-request")]  # the bound ones too: another may bind them again
    found = [key_id for key_id in every if len(wanted) >= _NAME_MIN and key_id.startswith(wanted)]
    found = found or [key_id for key_id, asked in waiting if asked.person_id == name]
    record = tx.records.find("key-request", found[0]) if len(found) == 1 else None
    if record is None:
        known = ", ".join(f"{key_id} of {asked.person_id}" for key_id, asked in waiting) or "no request at all"
        raise NotFound(
            f"{len(found)} requests to bind a key go by {name[:80]!r}; there are: {known}. Its holder makes a key and asks, with "
            "`incumbent keys new ID`"
        )
    return record


def _wanted(name: str) -> str:
    return name if name.startswith("ed25519:") else f"ed25519:{name}"
