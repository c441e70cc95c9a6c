"""The verbs on people's keys: make one on this machine, bind it to a person, revoke it."""

import base64
from dataclasses import dataclass, replace

from incumbent.base.errors import Conflict, NotFound, Refused
from incumbent.governance.person import Key, key_from_json
from incumbent.ledger.note import key_name, key_text, parse_key
from incumbent.usecases.people import get_person
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import attempting, check_acting, find_acting, governed, record_act
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was made.

    Attributes:
        public: As `add_key` takes it.
        bound: What binds it to the person; None if the one who made it may not bind it, and an admin has to.
    """

    public: str
    bound: Key | None


def new_key(ws: Workspace, *, person: str, name: str = "") -> NewKey:
    """Make a key pair on this machine, and bind it to a person if the actor is an admin. The private half never leaves the machine.

    Args:
        ws: The workspace.
        person: Whose key it is to be.
        name: Of the key's files; the person's id by default.

    Raises:
        NotFound: There is no such person.
        Conflict: There is a key of this name.
    """
    with ws.store.begin(read_only=True) as tx:
        owner = get_person(tx, person)
        may_bind = "admin" in find_acting(ws, tx).roles
    public = key_text(ws.keys.make(name or owner.person_id))
    return NewKey(public, add_key(ws, person=owner.person_id, public=public) if may_bind else None)


def add_key(ws: Workspace, *, person: str, public: str) -> Key:
    """Bind a public key to a person: from now on its signatures are theirs.

    Raises:
        InvalidInput: `public` is no public key.
        NotFound: There is no such person.
        Conflict: The key is bound already.
        Refused: The actor is no admin.
    """
    raw = parse_key(public)
    with attempting(ws, act="add-key", kind="key", object_id=key_name(raw)), governed(ws) as tx:
        acting = check_acting(ws, tx, "add-key")
        owner = get_person(tx, person)
        taken = tx.records.find("key", key_name(raw))
        if taken is not None:
            raise Conflict(f"key {key_name(raw)} is bound to {taken.subject} already")
        key = Key(key_name(raw), owner.person_id, base64.b64encode(raw).decode(), ws.clock.now())
        record_act(
            ws,
            tx,
            act="add-key",
            kind="key",
            object_id=key.key_id,
            acting=acting,
            body=key.to_json(),
            subject=owner.person_id,
            after=public,
        )
    return key


def revoke_key(ws: Workspace, *, key: str, reason: str) -> Key:
    """End a key's use: what it signed before stands, what it signs from now on does not count.

    Args:
        ws: The workspace.
        key: Its name, "ed25519:…", or 6 or more characters of the beginning of that.
        reason: Why, in words.

    Raises:
        NotFound: There is no such key, or several begin so.
        Refused: It is revoked already, or the actor is no admin.
    """
    with attempting(ws, act="revoke-key", kind="key", object_id=key[:80]), governed(ws) as tx:
        acting = check_acting(ws, tx, "revoke-key")
        found = _find_key(tx, key)
        if found.revoked_at is not None:
            raise Refused(f"key {found.key_id} is revoked already, since {found.revoked_at:%Y-%m-%d %H:%M:%S} UTC")
        revoked = replace(found, revoked_at=ws.clock.now())
        record_act(
            ws, tx, act="revoke-key", kind="key", object_id=revoked.key_id, acting=acting, body=revoked.to_json(),
            subject=revoked.person_id, reason=reason,
        )  # fmt: skip
    return revoked


def list_good_keys(tx: Transaction, person_id: str) -> list[Key]:
    """Return a person's keys that are not revoked, oldest first."""
    keys = [key_from_json(record.body) for record in tx.records.list_all("key", subject=person_id)]
    return [key for key in keys if key.revoked_at is None]


def _find_key(tx: Transaction, name: str) -> Key:
    wanted = name if name.startswith("ed25519:") else f"ed25519:{name}"
    keys = [key_from_json(record.body) for record in tx.records.list_all("key")]
    found = [key for key in keys if key.key_id.startswith(wanted)]
    if len(found) != 1 or len(wanted) < len("ed25519:") + 6:
        raise NotFound(f"{len(found)} keys begin with {name[:80]!r}; there are: {', '.join(key.key_id for key in keys) or 'none'}")
    return found[0]
