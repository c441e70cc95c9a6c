"""The proof of a cache entry: a digest over what it says, so that an edited row is a miss and not a wrong answer.

It holds no secret: who sets out to deceive can compute it too. It tells accidents, and edits made by hand, from what was written;
proof against intent is the ledger's work.
"""

from collections.abc import Sequence

from incumbent.base.digest import Digest, digest_bytes, parse_digest
from incumbent.base.documents import document_bytes

PROVEN = ("key", "stage", "outputs", "metrics", "undeclared", "log")
"""Columns that a proof covers."""


def prove(cells: Sequence[str | None]) -> Digest:
    """Return the proof of an entry from its cells as they stand (`PROVEN`, in this order), with the algorithm of its key.

    Raises:
        InvalidInput: The key is no digest.
    """
    algorithm, _ = parse_digest(str(cells[0]))
    return digest_bytes(document_bytes(dict(zip(PROVEN, cells, strict=True))), algorithm)
