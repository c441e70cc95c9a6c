"""The verb `artifacts gc`: remove what nothing needs any more.

Safe while others run, and at any moment killed: a candidate is old (nobody has put it for `grace_s`), then unreached (looked
up after the candidates were listed), and the store deletes it only if it still is old (putting a blob again renews it). What
is removed first is what is named last: documents go after blobs, so nothing that stays ever names what went.

By default every run keeps all it gave. `keep_runs` and `older_than_days` make older runs of pipelines *spent* (`reach`): what
their stages gave may go, and their cache entries are forgotten first, so that none promises what is gone. A run that takes
such an entry as a hit at this very moment loses no more than time: an input that is gone is given again by its recipe.
"""

from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

from incumbent.base.digest import Digest
from incumbent.base.documents import Document
from incumbent.base.errors import Corrupt, InvalidInput, Refused
from incumbent.usecases.drain_spools import drain_spools
from incumbent.usecases.ports import Transaction
from incumbent.usecases.reach import Reach, find_reach, list_runs
from incumbent.usecases.workspace import Workspace

GRACE_S = 3_600.0
"""Default age below which nothing is removed: longer than any run takes between putting an output and recording it."""
DAYS_MAX = 36_500


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed, or would be.

    Attributes:
        blobs: (digest, size in bytes) of each.
        documents: Digests of documents removed.
        actions: How many cache entries were forgotten.
        spent_runs: How many runs keep their record, but not what their stages gave.
        kept_blobs: How many blobs stay.
        is_dry_run: Nothing was removed.
    """

    blobs: tuple[tuple[Digest, int], ...]
    documents: tuple[Digest, ...]
    actions: int
    spent_runs: int
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
            "actions": self.actions,
            "spent_runs": self.spent_runs,
            "freed_bytes": self.freed_bytes,
            "kept_blobs": self.kept_blobs,
        }


@dataclass(frozen=True, slots=True)
class Retention:
    """Which runs keep what their stages gave; with neither limit, all. A run goes only if every limit that is set says so.

    Attributes:
        keep_runs: The newest runs of each pipeline that finished, this many, keep everything.
        older_than_days: So do all runs that ended within this many days.
    """

    keep_runs: int | None = None
    older_than_days: float | None = None

    def __post_init__(self) -> None:
        if self.keep_runs is not None and self.keep_runs < 0:
            raise InvalidInput(f"keep {self.keep_runs} runs: expected 0 or more")
        if self.older_than_days is not None and not (0 <= self.older_than_days <= DAYS_MAX):
            raise InvalidInput(f"older than {self.older_than_days} days: expected 0 to {DAYS_MAX:,}")


def collect_garbage(
    ws: Workspace,
    *,
    retention: Retention | None = None,
    dry_run: bool = False,
    grace_s: float = GRACE_S,
    ignore_damage: bool = False,
    is_sole_user: bool = False,
) -> Collected:
    """Remove blobs and documents that no run, version, or action of a run reaches.

    Args:
        ws: The workspace.
        retention: Which runs keep what their stages gave; all of them by default.
        dry_run: Only say what would go.
        grace_s: Nothing younger than this goes, in seconds. Below the time that a run takes from putting an output to
            recording it, this is safe only while nothing else runs.
        ignore_damage: Go on although some lists or folders cannot be looked into; their parts may go then.
        is_sole_user: No other workspace keeps blobs where this one does.

    Raises:
        InvalidInput: `grace_s` is negative.
        Corrupt: Something that is needed cannot be looked into, so what it needs is unknown. Nothing was removed.
        Refused: Another workspace may need blobs that this one knows nothing of.
    """
    if not 0 <= grace_s < 1e9:
        raise InvalidInput(f"a grace period of {grace_s} s: expected 0 or more")
    if not (ws.owns_blobs or dry_run or is_sole_user):
        raise Refused(
            "gc over INCUMBENT_BLOBS from the SQLite of one checkout: whatever other checkouts keep there would look unneeded and "
            "be removed. Share the database too (INCUMBENT_URL), or give --sole-user if nothing else keeps blobs there"
        )
    drain_spools(ws)  # what a run has logged and the store does not have yet needs its blobs too
    before = ws.clock.now() - timedelta(seconds=grace_s)
    candidates = list(ws.blobs.list_digests(before=before))
    with ws.store.begin(read_only=True) as tx:
        old = list(tx.documents.list_digests(before=before))
        spent = find_spent(tx, retention or Retention(), ws.clock.now())
        reach = find_reach(ws, tx, spent=spent)
    if reach.unread and not ignore_damage:
        raise Corrupt(
            f"{len(reach.unread)} needed documents cannot be read, so what they need is unknown and nothing was removed; "
            f"first: {reach.unread[0]}. Run the pipeline again to rebuild them, or give --ignore-damage"
        )
    removed, unneeded = _remove(ws, candidates, old, reach, before=before, dry_run=dry_run)
    kept = sum(1 for _ in ws.blobs.list_digests()) - (len(removed) if dry_run else 0)
    return Collected(tuple(removed), tuple(unneeded), len(reach.unneeded), len(spent), kept, dry_run)


def _remove(
    ws: Workspace, candidates: list[Digest], old: list[Digest], reach: Reach, *, before: datetime, dry_run: bool
) -> tuple[list[tuple[Digest, int]], list[Digest]]:
    if reach.unneeded and not dry_run:
        with ws.store.begin() as tx:
            tx.actions.forget(reach.unneeded)
    removed = []
    for digest in candidates:
        size = None if reach.keeps_blob(digest) else ws.blobs.size(digest)
        if size is not None and (dry_run or ws.blobs.delete(digest, before=before)):
            removed.append((digest, size))
    unneeded = [digest for digest in old if not reach.keeps_document(digest)]
    if unneeded and not dry_run:
        with ws.store.begin() as tx:
            tx.documents.delete(unneeded, before=before)
    return removed, unneeded


def find_spent(tx: Transaction, retention: Retention, now: datetime) -> AbstractSet[str]:
    """Return the ids of the sealed pipeline runs that keep only their record. A run that a version came from is never one."""
    if retention == Retention():
        return frozenset()
    registered = {version.run_id for version in tx.registry.list_versions()}
    limit = None if retention.older_than_days is None else now - timedelta(days=retention.older_than_days)
    finished: Counter[str] = Counter()
    spent = set()
    for run in list_runs(tx):
        is_within = retention.keep_runs is not None and finished[run.pipeline] < retention.keep_runs
        finished[run.pipeline] += run.state == "finished"
        is_recent = limit is not None and (run.ended_at is None or run.ended_at > limit)
        if run.pipeline and run.manifest is not None and run.run_id not in registered and not is_within and not is_recent:
            spent.add(run.run_id)
    return spent
