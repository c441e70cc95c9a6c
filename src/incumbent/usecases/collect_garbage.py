"""The verb `artifacts gc`: remove what nothing needs any more.

Safe while others run, and at any moment killed: a candidate is old (nobody has put it for `grace_s`), then unreached (looked
up after the candidates were listed), and the store deletes it only if it still is old (putting a blob again renews it). What
is removed first is what is named last: documents go after blobs, so nothing that stays ever names what went.
"""

from dataclasses import dataclass
from datetime import timedelta

from incumbent.base.digest import Digest
from incumbent.base.documents import Document
from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.usecases.drain_spools import drain_spools
from incumbent.usecases.reach import find_reach
from incumbent.usecases.workspace import Workspace

GRACE_S = 3_600.0
"""Default age below which nothing is removed: longer than any run takes between putting an output and recording it."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed, or would be.

    Attributes:
        blobs: (digest, size in bytes) of each.
        documents: Digests of documents removed.
        kept_blobs: How many blobs stay.
        is_dry_run: Nothing was removed.
    """

    blobs: tuple[tuple[Digest, int], ...]
    documents: tuple[Digest, ...]
    kept_blobs: int
    is_dry_run: bool

    @property
    def freed_bytes(self) -> int:
        """Size of all blobs removed (a linked one frees nothing while the user's file is there)."""
        return sum(size for _, size in self.blobs)

    def to_json(self) -> Document:
        """Return the document form."""
        return {
            "dry_run": self.is_dry_run,
            "blobs": [{"digest": digest, "size": size} for digest, size in self.blobs],
            "documents": list(self.documents),
            "freed_bytes": self.freed_bytes,
            "kept_blobs": self.kept_blobs,
        }


def collect_garbage(ws: Workspace, *, dry_run: bool = False, grace_s: float = GRACE_S, ignore_damage: bool = False) -> Collected:
    """Remove blobs and documents that no run, version, or action of a run reaches.

    Args:
        ws: The workspace.
        dry_run: Only say what would go.
        grace_s: Nothing younger than this goes, in seconds. Below the time that a run takes from putting an output to
            recording it, this is safe only while nothing else runs.
        ignore_damage: Go on although some lists or folders cannot be looked into; their parts may go then.

    Raises:
        InvalidInput: `grace_s` is negative.
        Corrupt: Something that is needed cannot be looked into, so what it needs is unknown. Nothing was removed.
    """
    if not 0 <= grace_s < 1e9:
        raise InvalidInput(f"a grace period of {grace_s} s: expected 0 or more")
    drain_spools(ws)  # what a run has logged and the store does not have yet needs its blobs too
    before = ws.clock.now() - timedelta(seconds=grace_s)
    candidates = list(ws.blobs.list_digests(before=before))
    with ws.store.begin(read_only=True) as tx:
        old = list(tx.documents.list_digests(before=before))
        reach = find_reach(ws, tx)
    if reach.unread and not ignore_damage:
        raise Corrupt(
            f"{len(reach.unread)} needed documents cannot be read, so what they need is unknown and nothing was removed; "
            f"first: {reach.unread[0]}. Run the pipeline again to rebuild them, or give --ignore-damage"
        )
    removed = []
    for digest in candidates:
        size = None if digest in reach else ws.blobs.size(digest)
        if size is not None and (dry_run or ws.blobs.delete(digest, before=before)):
            removed.append((digest, size))
    unneeded = [digest for digest in old if digest not in reach]
    if unneeded and not dry_run:
        with ws.store.begin() as tx:
            tx.documents.delete(unneeded, before=before)
    kept = sum(1 for _ in ws.blobs.list_digests()) - (len(removed) if dry_run else 0)
    return Collected(tuple(removed), tuple(unneeded), kept, dry_run)
