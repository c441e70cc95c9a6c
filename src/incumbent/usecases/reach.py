"""What is still needed: every digest that a run, a version, a ledger entry, or an action of a run that is kept leads to.

Marking is generous: any text in a kept document that has the form of a digest counts as a reference, whatever it means. So a
document of a later format, or a fact that happens to name a blob, keeps what it names; nothing is removed by misreading.

What a pipeline's stages gave can be given again by their recipes. So a run may be *spent*: its record stays whole (params,
metrics, digests, logs), and so does all that it began from (data, project files, code, environment); only the bytes of what
its stages gave may go, unless something else needs them. A script's run is never spent: nothing gives its outputs again.
"""

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from types import MappingProxyType

from incumbent.base.artifact import Artifact, artifact_from_json
from incumbent.base.digest import Digest
from incumbent.base.documents import Json
from incumbent.base.errors import Corrupt, InvalidInput, NotFound
from incumbent.tracking.run import Run
from incumbent.tracking.search import Query
from incumbent.usecases.governed_ports import Record
from incumbent.usecases.parts import list_parts
from incumbent.usecases.ports import Transaction
from incumbent.usecases.workspace import Workspace

PAGE_RUNS = 500
GOVERNED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "version": ("bundle",),
        "holdout": ("artifact",),
        "look": ("data",),
        "evidence": ("bundle", "holdout.data", "predictions"),
        "examination": ("bundle", "holdout.data", "training"),
        "attestation": ("bundle",),
    }
)
"""Kind of governed document -> where it names a blob that it rests on: as an artifact, or by the digest alone."""
_MENTION = re.compile(r"(?:\b(list|tree) )?((?:blake3|sha256):[0-9a-f]{64})(?![0-9a-f])", re.ASCII)


@dataclass(slots=True)
class Reach:
    """What is needed, and why.

    Attributes:
        blobs: Blob -> what needs it, in words: each should be in the store.
        mentioned: Every other digest that something kept names: a document, a key, a blob that may be gone for good reason.
        records: Documents that stay for the record alone; the blobs that they name may go.
        unneeded: Keys of actions that only spent runs have used.
        unread: What could not be looked into, in words: lists and folders whose own document is gone or damaged.
    """

    blobs: dict[Digest, str] = field(default_factory=dict)
    mentioned: set[Digest] = field(default_factory=set)
    records: set[Digest] = field(default_factory=set)
    unneeded: list[Digest] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def keeps_blob(self, digest: Digest) -> bool:
        """Return whether a blob stays."""
        return digest in self.blobs or digest in self.mentioned

    def keeps_document(self, digest: Digest) -> bool:
        """Return whether a document stays."""
        return digest in self.mentioned or digest in self.records or digest in self.blobs


def find_reach(ws: Workspace, tx: Transaction, *, spent: AbstractSet[str] = frozenset()) -> Reach:
    """Return all that the runs, versions, actions and ledger of this workspace need; of the runs `spent`, only their records."""
    walk = _Walk(ws, tx)
    for version in tx.registry.list_versions():
        walk.add_artifact(version.bundle, f"{version.model}@{version.version}")
        walk.mention([version.manifest, version.key, dict(version.facts)])
    for record in tx.records.list_history():
        walk.mention([record.body])
        walk.add_governed(record)
    for body in tx.ledger.read():
        walk.mention([body.decode("utf-8")])
    for file in tx.logged_models.list_files():
        walk.reach.blobs.setdefault(file.digest, f"logged model {file.model_id}, {file.path!r}")
    runs = list(list_runs(tx))
    used = {stage.key for run in runs if run.run_id not in spent for stage in tx.runs.list_stages(run.run_id)}
    standing = []
    for action in tx.actions.list_all():
        if action.run_id in spent and action.key not in used:
            walk.reach.unneeded.append(action.key)
        else:
            standing.append(action)
    walk.given = {artifact.digest for action in standing for artifact in action.outputs.values()}
    for run in runs:
        walk.add_run(run, is_spent=run.run_id in spent)
    run_ids = {run.run_id for run in runs}
    for action in standing:
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
    """Marks, then follows what the marked documents name, until nothing new comes up.

    Attributes:
        given: Outputs of actions that stand: what a later run would take as a hit, so it must be there.
    """

    def __init__(self, ws: Workspace, tx: Transaction) -> None:
        self.reach = Reach()
        self.given: set[Digest] = set()
        self._ws, self._tx = ws, tx
        self._documents = set(tx.documents.list_digests())
        self._todo: list[Digest] = []
        self._records: list[Digest] = []
        self._expanded: set[tuple[str, Digest, bool]] = set()

    def add_run(self, run: Run, *, is_spent: bool) -> None:
        """Mark all that hangs on a run; of a spent one, its record and what it began from.

        The manifest is record only: it repeats the rows, and in words also why a stage ran ("was …"), which needs no blob.
        """
        self.mention([dict(run.facts), dict(run.params), dict(run.tags)])
        self._record(run.manifest)
        began_from = set()
        for row in self._tx.runs.list_artifacts(run.run_id):
            if row.direction == "input" or not run.pipeline:
                began_from.add(row.artifact.digest)
                self.add_artifact(row.artifact, f"run {run.run_id}, {row.direction} {row.name!r}")
            elif not is_spent:
                self._add_given(row.artifact, f"run {run.run_id}, {row.direction} {row.name!r}")
        for stage in self._tx.runs.list_stages(run.run_id):
            where = f"run {run.run_id}, stage {stage.stage!r}"
            if stage.log is not None:
                self.reach.blobs.setdefault(stage.log, f"{where}, log")
            if is_spent:
                self._record(stage.key)
                continue
            for name, artifact in [*stage.inputs.items(), *stage.outputs.items()]:
                if artifact.digest not in began_from:
                    self._add_given(artifact, f"{where}, {name!r}")
            self.mention([stage.key])

    def add_governed(self, record: Record) -> None:
        """Mark the blobs that a governed document rests on: what was judged, on what data, and the answers that gave the verdict."""
        for place in GOVERNED.get(record.kind, ()):
            value: Json = dict(record.body)
            for name in place.split("."):
                value = value.get(name) if isinstance(value, dict) else None
            if value in (None, ""):
                continue
            try:
                named = artifact_from_json(value if isinstance(value, dict) else {"codec": "bytes", "digest": value, "size": 0})
            except InvalidInput as error:
                self.reach.unread.append(f"{record.kind} {record.record_id}, {place}: {error}")
            else:
                self.add_artifact(named, f"{record.kind} {record.record_id}")

    def _add_given(self, artifact: Artifact, origin: str) -> None:
        """Mark what a stage gave: it must be there while an action says so, and may be gone when its run was spent once."""
        if artifact.digest in self.given:
            self.add_artifact(artifact, origin)
        else:
            self.mention([artifact.identity])

    def add_artifact(self, artifact: Artifact, origin: str) -> None:
        """Mark a blob, and the parts that it names if it is a list or a folder."""
        todo = [artifact]
        while todo:
            found = todo.pop()
            self.reach.blobs.setdefault(found.digest, origin)
            todo += self._expand(found, origin, is_needed=True)

    def _mention_parts(self, artifact: Artifact) -> None:
        todo = [artifact]
        while todo:
            found = todo.pop()
            self.reach.mentioned.add(found.digest)
            if self._ws.blobs.size(found.digest) is not None:
                todo += self._expand(found, "an action", is_needed=False)

    def _expand(self, artifact: Artifact, origin: str, *, is_needed: bool) -> list[Artifact]:
        place = (artifact.codec, artifact.digest, is_needed)
        if artifact.codec not in ("list", "tree") or place in self._expanded:
            return []
        self._expanded.add(place)
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
                if codec:
                    self._mention_parts(Artifact(codec, digest, 0))
                elif digest not in self.reach.mentioned:
                    self.reach.mentioned.add(digest)
                    self._todo.append(digest)

    def _record(self, digest: Digest | None) -> None:
        if digest is not None and digest in self._documents and digest not in self.reach.records:
            self.reach.records.add(digest)
            self._records.append(digest)

    def follow(self) -> None:
        """Read the documents among what was mentioned, and mark what they mention."""
        while self._todo:
            for document in self._read(self._todo.pop()):
                self.mention(document)
        while self._records:
            for document in self._read(self._records.pop()):
                for text in _texts(document):
                    for _, name in _MENTION.findall(text):
                        self._record(Digest(name))

    def _read(self, digest: Digest) -> list[Json]:
        if digest in self._documents:
            try:
                return [self._tx.documents.get(digest)]
            except (Corrupt, NotFound, InvalidInput) as error:
                self.reach.unread.append(str(error))
        return []


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
