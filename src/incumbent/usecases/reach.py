"""What is still needed: every digest that a run, a version, or an action of a run that is kept leads to.

Marking is generous: any text in a kept document that has the form of a digest counts as a reference, whatever it means. So a
document of a later format, or a fact that happens to name a blob, keeps what it names; nothing is removed by misreading.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.documents import Json
from incumbent.base.errors import Corrupt, InvalidInput, NotFound
from incumbent.tracking.run import Run
from incumbent.tracking.search import Query
from incumbent.usecases.parts import list_parts
from incumbent.usecases.ports import Transaction
from incumbent.usecases.workspace import Workspace

PAGE_RUNS = 500
_MENTION = re.compile(r"(?:\b(list|tree) )?((?:blake3|sha256):[0-9a-f]{64})(?![0-9a-f])", re.ASCII)


@dataclass(slots=True)
class Reach:
    """What is needed, and why.

    Attributes:
        blobs: Blob -> what needs it, in words: each should be in the store.
        mentioned: Every other digest that something kept names: a document, a key, a blob that may be gone for good reason.
        unread: What could not be looked into, in words: lists and folders whose own document is gone or damaged.
    """

    blobs: dict[Digest, str] = field(default_factory=dict)
    mentioned: set[Digest] = field(default_factory=set)
    unread: list[str] = field(default_factory=list)

    def __contains__(self, digest: Digest) -> bool:
        return digest in self.blobs or digest in self.mentioned


def find_reach(ws: Workspace, tx: Transaction) -> Reach:
    """Return all that the runs, versions and actions of this workspace need."""
    walk = _Walk(ws, tx)
    run_ids = set()
    for run in list_runs(tx):
        run_ids.add(run.run_id)
        walk.add_run(run)
    for version in tx.registry.list_versions():
        origin = f"{version.model}@{version.version}"
        walk.add_artifact(version.bundle, origin)
        walk.mention([version.manifest, version.key, dict(version.facts)])
    for action in tx.actions.list_all():
        if action.run_id in run_ids:
            walk.mention([action.key, action.log, *[artifact.identity for artifact in action.outputs.values()]])
    walk.follow()
    return walk.reach


def list_runs(tx: Transaction) -> Iterator[Run]:
    """Yield every run, newest first."""
    offset = 0
    while page := tx.index.search(Query(), limit=PAGE_RUNS, offset=offset):
        yield from page
        offset += len(page)


class _Walk:
    """Marks, then follows what the marked documents name, until nothing new comes up."""

    def __init__(self, ws: Workspace, tx: Transaction) -> None:
        self.reach = Reach()
        self._ws, self._tx = ws, tx
        self._documents = set(tx.documents.list_digests())
        self._todo: list[Digest] = []
        self._expanded: set[tuple[str, Digest]] = set()

    def add_run(self, run: Run) -> None:
        """Mark all that hangs on a run."""
        self.mention([run.manifest, dict(run.facts)])
        for row in self._tx.runs.list_artifacts(run.run_id):
            self.add_artifact(row.artifact, f"run {run.run_id}, {row.direction} {row.name!r}")
        for stage in self._tx.runs.list_stages(run.run_id):
            where = f"run {run.run_id}, stage {stage.stage!r}"
            for name, artifact in [*stage.inputs.items(), *stage.outputs.items()]:
                self.add_artifact(artifact, f"{where}, {name!r}")
            if stage.log is not None:
                self.reach.blobs.setdefault(stage.log, f"{where}, log")
            self.mention([stage.key])

    def add_artifact(self, artifact: Artifact, origin: str) -> None:
        """Mark a blob, and the parts that it names if it is a list or a folder."""
        todo = [artifact]
        while todo:
            found = todo.pop()
            self.reach.blobs.setdefault(found.digest, origin)
            todo += self._expand(found, origin)

    def _expand(self, artifact: Artifact, origin: str) -> list[Artifact]:
        if artifact.codec not in ("list", "tree") or (artifact.codec, artifact.digest) in self._expanded:
            return []
        self._expanded.add((artifact.codec, artifact.digest))
        try:
            return list_parts(self._ws, artifact)
        except (Corrupt, NotFound) as error:
            self.reach.unread.append(f"{origin}: {error}")
            return []

    def mention(self, value: Json | list[Digest | Json | None]) -> None:
        """Mark every digest in a value, however deep. A list or folder named with its codec is looked into."""
        for text in _texts(value):
            for codec, name in _MENTION.findall(text):
                digest = Digest(name)
                if codec and self._ws.blobs.size(digest) is not None:
                    self.add_artifact(Artifact(codec, digest, 0), "an action")
                elif digest not in self.reach.mentioned:
                    self.reach.mentioned.add(digest)
                    self._todo.append(digest)

    def follow(self) -> None:
        """Read the documents among what was mentioned, and mark what they mention."""
        while self._todo:
            digest = self._todo.pop()
            if digest in self._documents:
                try:
                    self.mention(self._tx.documents.get(digest))
                except (Corrupt, NotFound, InvalidInput) as error:
                    self.reach.unread.append(str(error))


def _texts(value: object) -> Iterator[str]:
    todo = [value]
    while todo:
        found = todo.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, dict):
            todo += [*found.keys(), *found.values()]
            if isinstance(found.get("codec"), str) and isinstance(found.get("digest"), str):
                yield f"{found['codec']} {found['digest']}"
        elif isinstance(found, list):
            todo += found
