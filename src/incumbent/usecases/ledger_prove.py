"""The verb `ledger prove`: that one entry stands in the ledger, or that one checkpoint continues another, to be handed out alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from incumbent.base.errors import Corrupt, InvalidInput, NotFound
from incumbent.ledger.entry import parse_entry
from incumbent.ledger.note import parse_key
from incumbent.ledger.primitives import Malformed, leaf_hash, parse_note, verify_consistency, verify_inclusion, verify_note
from incumbent.ledger.proof import EntryProof, check_proof, parse_proof, prove_consistency, prove_inclusion, write_proof
from incumbent.usecases.ledger_log import NO_LEDGER, full_note
from incumbent.usecases.ports import Transaction
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Consistency:
    """That an earlier checkpoint is the beginning of a later one (RFC 9162 §2.1.4).

    Attributes:
        hashes: The proof, in hexadecimal.
        note: The later checkpoint, signed.
    """

    size: int
    later_size: int
    hashes: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class ProvedEntry:
    """What a proof of one entry showed.

    Attributes:
        body: The entry, as it was written.
        size: How many entries the checkpoint covers.
    """

    seq: int
    size: int
    log: str
    body: str


def prove_entry(ws: Workspace, *, seq: int) -> str:
    """Return the text of a `.tlog-proof` file: the entry, the hashes that lead to the newest checkpoint, and that, signed.

    Raises:
        NotFound: There is no such entry.
        Corrupt: The stored tree does not lead from the entry to the checkpoint, so no proof is given out.
    """
    with ws.store.begin(read_only=True) as tx:
        size, note = _find_newest(tx)
        if not 0 <= seq < size:
            raise NotFound(f"the newest checkpoint covers {size} entries, numbered from 0: there is no entry {seq} to prove")
        entry = tx.ledger.get(seq)
        hashes = tuple(prove_inclusion(seq, size, tx.ledger.get_node))
    if not verify_inclusion(leaf_hash(entry.body), seq, size, hashes, parse_note(note).root):
        raise Corrupt(f"the stored tree does not lead from entry {seq} to the newest checkpoint; `incumbent ledger verify` says why")
    return write_proof(EntryProof(seq, hashes, note, entry.body))


def prove_continuation(ws: Workspace, *, note: str) -> Consistency:
    """Return the proof that the newest checkpoint continues one that was noted earlier.

    Raises:
        InvalidInput: `note` is no checkpoint.
        Corrupt: It does not continue it: another ledger, a fork, a rewrite, or a cut tail.
    """
    try:
        earlier = parse_note(note)
    except Malformed as error:
        raise InvalidInput(f"this is no checkpoint: {error}") from error
    with ws.store.begin(read_only=True) as tx:
        size, newest = _find_newest(tx)
        later = parse_note(newest)
        if later.origin != earlier.origin:
            raise Corrupt(f"the checkpoint is of ledger {earlier.origin[:80]}, and this is {later.origin[:80]}")
        if earlier.size > size:
            raise Corrupt(
                f"the checkpoint covers {earlier.size} entries, and this ledger has {size}: its end is gone, or a backup was restored"
            )
        hashes = prove_consistency(earlier.size, size, tx.ledger.get_node)
    if not verify_consistency(earlier.size, earlier.root, size, later.root, hashes):
        raise Corrupt(f"the first {earlier.size} entries are not those of the checkpoint: this ledger was rewritten, or is another branch")
    return Consistency(earlier.size, size, tuple(step.hex() for step in hashes), newest)


def check_entry_proof(ws: Workspace, *, text: str, body: bytes | None = None, key: str = "") -> ProvedEntry:
    """Check a proof that was handed out, against this workspace's ledger name and keys, or a key that is known otherwise.

    Args:
        ws: The workspace.
        text: The `.tlog-proof` file.
        body: The entry's exact bytes, where they did not come along.
        key: A key that is trusted; by default any that has ruled this ledger.

    Raises:
        InvalidInput: It is no proof, or the key no key.
        NotFound: There is no ledger here to take the keys from.
        Corrupt: It proves nothing of the kind.
    """
    proof = parse_proof(text)
    with ws.store.begin(read_only=True) as tx:
        log, keys = _find_trusted(tx, proof, key)
    note = parse_note(proof.note)
    public = next((public for public in keys if verify_note(note, log, public)), keys[0])
    size = check_proof(proof, log=log, public=public, body=body)
    data = proof.extra if body is None else body
    parse_entry(data)
    return ProvedEntry(proof.index, size, log, data.decode())


def _find_trusted(tx: Transaction, proof: EntryProof, key: str) -> tuple[str, Sequence[bytes]]:
    if key:
        return parse_note(proof.note).origin, [parse_key(key)]
    if tx.ledger.size() == 0:
        raise NotFound(f"{NO_LEDGER}; to check the proof of another ledger, give the key that you trust with --key")
    first = tx.ledger.get(0)
    return first.log, [parse_key(entry.draft.after) for entry in (*tx.ledger.find(act="rotate-key", limit=10_000), first)]


def _find_newest(tx: Transaction) -> tuple[int, str]:
    newest = tx.checkpoints.find()
    if newest is None:
        raise NotFound(NO_LEDGER)
    try:
        parse_note(full_note(newest))
    except Malformed as error:
        raise Corrupt(f"the newest checkpoint is no signed note: {error}") from error
    return newest.size, full_note(newest)
