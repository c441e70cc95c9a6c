"""The verbs on witnesses: register the key of one, revoke it, list them; and the count of those that saw an entry.

The lines beside a checkpoint are what anybody could have written there. Counted is what a registered key is proven to have signed.
"""

import base64
from collections.abc import Sequence
from dataclasses import replace

from incumbent.base.errors import Conflict, InvalidInput, NotFound, Refused
from incumbent.governance.independence import Authorship
from incumbent.governance.person import key_from_json
from incumbent.governance.witness import Witness, count_witnesses, find_bar, witness_from_json
from incumbent.ledger.note import key_name, key_text
from incumbent.ledger.primitives import Malformed, parse_note, parse_vkey, verify_cosignature
from incumbent.usecases.asked import asked
from incumbent.usecases.governed_ports import Checkpoint
from incumbent.usecases.people import get_person
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import attempting, check_acting, governed, list_people, record_act
from incumbent.usecases.standing import read_vouching
from incumbent.usecases.workspace import Workspace

_KEYS_RULED_MAX = 10_000


def add_witness(ws: Workspace, *, vkey: str, owner: str) -> Witness:
    """Register the key of a witness: from now on its cosignatures count, those that it gave before too.

    Args:
        ws: The workspace.
        vkey: The witness's verifier key, NAME+HASH+BASE64, as `ledger witness` prints it.
        owner: Who answers for it: a person, or a service of theirs.

    Raises:
        InvalidInput: `vkey` is no verifier key of a witness, or it is a key of the ledger or of a person.
        NotFound: There is no such owner.
        Conflict: The key is registered already, or was.
        Refused: The actor is no admin.
    """
    try:
        name, public = parse_vkey(vkey)
    except Malformed as error:
        raise InvalidInput(f"{error}; `incumbent ledger witness` prints it") from error
    key_id = key_name(public)
    with attempting(ws, act="add-witness", kind="witness", object_id=key_id), governed(ws) as tx:
        acting = check_acting(ws, tx, "add-witness")
        answering = get_person(tx, owner)
        taken = tx.records.find("witness", key_id)
        if taken is not None:
            known = witness_from_json(taken.body)
            state = "was revoked, and comes not back: the witness makes another" if known.revoked_at else "is registered already"
            raise Conflict(f"key {key_id} of {known.name}, for {known.owner}, {state}")
        _check_own(tx, public)
        witness = Witness(key_id, name, base64.b64encode(public).decode(), answering.person_id, ws.clock.now(), acting.actor)
        record_act(
            ws, tx, act="add-witness", kind="witness", object_id=key_id, acting=acting, body=witness.to_json(), after=vkey,
        )  # fmt: skip
    return witness


def _check_own(tx: Transaction, public: bytes) -> None:
    """A witness is somebody besides whoever signs the ledger, with a key for nothing else."""
    ruling = [entry.draft.after for act in ("begin", "rotate-key") for entry in tx.ledger.find(act=act, limit=_KEYS_RULED_MAX)]
    if key_text(public) in ruling:
        raise InvalidInput(f"{key_name(public)} signs, or signed, this ledger itself: a witness has a key of its own")
    record = tx.records.find("key", key_name(public))
    if record is not None:
        raise InvalidInput(f"{key_name(public)} is what {key_from_json(record.body).person_id} signs with: a witness has a key of its own")


@asked
def revoke_witness(ws: Workspace, *, witness: str, reason: str) -> Witness:
    """Take a witness out of the count: nothing that its key signed counts any more.

    Args:
        ws: The workspace.
        witness: Its name, if one only goes by it, or its key's: "ed25519:…", or 6 or more characters of the beginning of that.
        reason: Why, in words.

    Raises:
        NotFound: There is no such witness, or several go by that name.
        Refused: It is revoked already, or the actor is no admin.
    """
    with attempting(ws, act="revoke-witness", kind="witness", object_id=witness[:80]), governed(ws) as tx:
        acting = check_acting(ws, tx, "revoke-witness")
        found = _get_witness(_list(tx), witness)
        if found.revoked_at is not None:
            raise Refused(f"witness {found.name} ({found.key_id}) is revoked already, since {found.revoked_at:%Y-%m-%d %H:%M:%S} UTC")
        revoked = replace(found, revoked_at=ws.clock.now())
        record_act(
            ws, tx, act="revoke-witness", kind="witness", object_id=revoked.key_id, acting=acting, body=revoked.to_json(), reason=reason,
        )  # fmt: skip
    return revoked


def list_witnesses(ws: Workspace) -> Sequence[Witness]:
    """Return every witness that was ever registered, oldest first."""
    with ws.store.begin(read_only=True) as tx:
        return _list(tx)


def list_counted(tx: Transaction) -> list[Witness]:
    """Return the witnesses that are registered and not revoked."""
    return [witness for witness in _list(tx) if witness.revoked_at is None]


def count_cosignatures(tx: Transaction, seq: int, authorships: Sequence[Authorship] = ()) -> int:
    """Return by how many witnesses the ledger was cosigned that count for a version with these authors, after an entry was in it.

    Each proven key counts once, and so does each person who answers for any. Who cosigned a later checkpoint has seen the entry too.

    Args:
        tx: An open transaction.
        seq: The entry's number.
        authorships: Who had a part in the version.
    """
    registered = _list(tx)
    covering = [known for known in tx.checkpoints.list_all() if known.size > seq and known.cosignatures]
    seen = [witness for witness in registered if any(_has_signed(witness, known) for known in covering)]
    return count_witnesses(seen, list_people(tx), read_vouching(tx), authorships)


def tell_standing(tx: Transaction, name: str, public: bytes) -> str:
    """Return why the cosignatures of a key count for no version at all, "" if they count for somebody's."""
    record = tx.records.find("witness", key_name(public))
    if record is None:
        return "its key is not registered here"
    witness = witness_from_json(record.body)
    if witness.name != name:
        return f"its key is registered here under the name {witness.name}"
    return find_bar(witness, list_people(tx), read_vouching(tx))


def _has_signed(witness: Witness, checkpoint: Checkpoint) -> bool:
    """Each line is judged by itself, so that a wrong one which somebody put beside it does not take a right one away."""
    for line in checkpoint.cosignatures:
        try:
            note = parse_note(f"{checkpoint.note}{line.rstrip()}\n")
        except Malformed:  # whatever it is, it proves nothing
            continue
        if note.size == checkpoint.size and verify_cosignature(note, witness.name, witness.raw) is not None:
            return True
    return False


def _list(tx: Transaction) -> list[Witness]:
    return [witness_from_json(record.body) for record in tx.records.list_all("witness")]


def _get_witness(known: Sequence[Witness], name: str) -> Witness:
    wanted = name if name.startswith("ed25519:") else f"ed25519:{name}"
    is_long = len(wanted) >= len("ed25519:") + 6
    found = [witness for witness in known if witness.name == name or (is_long and witness.key_id.startswith(wanted))]
    good = [witness for witness in found if witness.revoked_at is None] or found
    if len(good) != 1:
        told = ", ".join(f"{witness.name} ({witness.key_id})" for witness in known) or "none"
        raise NotFound(f"{len(good)} witnesses go by {name[:80]!r}; there are: {told}")
    return good[0]
