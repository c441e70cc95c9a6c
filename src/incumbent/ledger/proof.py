"""Proofs from stored nodes (RFC 9162 §2.1.3, §2.1.4), and the proof of one entry as a text to be handed out alone (C2SP tlog-proof).

    c2sp.org/tlog-proof@v1
    extra BASE64(entry)          the entry's exact bytes, when they go along; proved by the hashes, like bytes that come apart
    index 73894
    BASE64(hash)                 from the leaf's sibling up
    <empty line>
    <checkpoint, a signed note>

Whoever holds the ledger's public key verifies it without the ledger. Verification itself is in `primitives`.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass

from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.ledger.primitives import Malformed, decode_base64, leaf_hash, node_hash, parse_note, verify_inclusion, verify_note

GetNode = Callable[[int, int], bytes]
"""Gives the hash of a complete node, by level (0 are the leaves) and index."""
_HEADER = "c2sp.org/tlog-proof@v1"
_HASHES_MAX = 63
_TEXT_CHARACTERS_MAX = 1 << 21


@dataclass(frozen=True, slots=True)
class EntryProof:
    """That one entry stands in a ledger.

    Attributes:
        index: The entry's number.
        hashes: From the leaf's sibling up.
        note: The checkpoint, with whatever cosignatures it has.
        extra: The entry's bytes; empty when they are handed over apart.
    """

    index: int
    hashes: tuple[bytes, ...]
    note: str
    extra: bytes = b""


def prove_inclusion(index: int, size: int, get_node: GetNode) -> list[bytes]:
    """Return the hashes that lead from leaf `index` to the root of the first `size` leaves (RFC 9162 §2.1.3.1), the leaf's sibling first.

    Raises:
        InvalidInput: There is no such leaf among the first `size`.
    """
    if not 0 <= index < size:
        raise InvalidInput(f"there is no entry {index} among the first {size}, which are numbered from 0")
    start, end, steps = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            steps.append(_subtree(middle, end, get_node))
            end = middle
        else:
            steps.append(_subtree(start, middle, get_node))
            start = middle
    return steps[::-1]


def prove_consistency(size: int, later_size: int, get_node: GetNode) -> list[bytes]:
    """Return the hashes that show that the first `size` leaves begin the first `later_size` (RFC 9162 §2.1.4.1).

    Empty for 0 and for equal sizes, where there is nothing to show.

    Raises:
        InvalidInput: `size` is negative or more than `later_size`.
    """
    if not 0 <= size <= later_size:
        raise InvalidInput(f"{size} entries cannot be the beginning of {later_size}")
    if size in {0, later_size}:
        return []
    start, end, steps = 0, later_size, []
    while size != end:
        middle = start + _split(end - start)
        if size <= middle:
            steps.append(_subtree(middle, end, get_node))
            end = middle
        else:
            steps.append(_subtree(start, middle, get_node))
            start = middle
    if start:
        steps.append(_subtree(start, end, get_node))
    return steps[::-1]


def tree_root(size: int, get_node: GetNode) -> bytes:
    """Return the root of the first `size` leaves, at least one, from stored nodes."""
    if size < 1:
        raise InvalidInput(f"a tree of {size} leaves has no stored node")
    return _subtree(0, size, get_node)


def _split(size: int) -> int:
    """Return the largest power of two below `size`, at least 2."""
    return 1 << (size - 1).bit_length() - 1


def _subtree(start: int, end: int, get_node: GetNode) -> bytes:
    """Return the hash over leaves start to end: stored if complete (`start` is then a multiple of its width), else put together."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return get_node(level, start >> level)
    middle = start + _split(width)
    return node_hash(_subtree(start, middle, get_node), _subtree(middle, end, get_node))


def write_proof(proof: EntryProof) -> str:
    """Return the text of a `.tlog-proof` file."""
    extra = f"extra {base64.b64encode(proof.extra).decode()}\n" if proof.extra else ""
    hashes = "".join(f"{base64.b64encode(step).decode()}\n" for step in proof.hashes)
    return f"{_HEADER}\n{extra}index {proof.index}\n{hashes}\n{proof.note}"


def parse_proof(text: str) -> EntryProof:
    """Return the proof that a `.tlog-proof` text spells; nothing is verified yet.

    Raises:
        InvalidInput: It has another form.
    """
    head, _, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    if first != _HEADER or not note or len(text) > _TEXT_CHARACTERS_MAX:
        raise InvalidInput(f"this is no proof of an entry: it begins with {text[:40]!r}, not with {_HEADER!r}, or has no checkpoint")
    extra = lines.pop(0).removeprefix("extra ") if lines and lines[0].startswith("extra ") else ""
    index = re.fullmatch(r"index (0|[1-9][0-9]{0,17})", lines.pop(0) if lines else "", re.ASCII)
    if index is None or len(lines) > _HASHES_MAX:
        raise InvalidInput(f"a proof says `index` and a number, then at most {_HASHES_MAX} hashes")
    try:
        hashes = tuple(decode_base64(line) for line in lines)
        if any(len(step) != 32 for step in hashes):
            raise Malformed("a hash has 32 bytes")
        parse_note(note)
        return EntryProof(int(index[1]), hashes, note, decode_base64(extra))
    except Malformed as error:
        raise InvalidInput(f"this is no proof of an entry: {error}") from error


def check_proof(proof: EntryProof, *, log: str, public: bytes, body: bytes | None = None) -> int:
    """Pass if the proof shows that an entry stands in a ledger, and return how many entries the checkpoint covers.

    Args:
        proof: The proof.
        log: Name of the ledger that is trusted.
        public: The public key that is trusted to sign its checkpoints.
        body: The entry's bytes; those that came with the proof otherwise.

    Raises:
        InvalidInput: There are no bytes to prove anything of.
        Corrupt: It shows no such thing; the message says at which step.
    """
    data = proof.extra if body is None else body
    if not data:
        raise InvalidInput("the proof came without its entry: give the entry's exact bytes")
    try:
        note = parse_note(proof.note)
    except Malformed as error:
        raise Corrupt(f"the proof's checkpoint is malformed: {error}") from error
    if note.origin != log:
        raise Corrupt(f"the proof's checkpoint is of ledger {note.origin[:80]!r}, not of {log!r}")
    if not verify_note(note, log, public):
        raise Corrupt(f"the proof's checkpoint is not signed with the key that is trusted for {log}")
    if not verify_inclusion(leaf_hash(data), proof.index, note.size, proof.hashes, note.root):
        raise Corrupt(f"these {len(data)} bytes are not entry {proof.index} of the {note.size} that the checkpoint covers")
    return note.size
