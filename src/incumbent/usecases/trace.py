"""The verb `trace`: from a prediction, version, run or digest up to data, code and commit, and down to what came of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest, parse_digest
from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput, NotFound
from incumbent.registry.lineage import Lineage, Link, Node
from incumbent.registry.model import ModelVersion, Placement
from incumbent.registry.names import parse_version_name
from incumbent.tracking.run import Run, StageRun
from incumbent.usecases.list_versions import list_version_placements
from incumbent.usecases.parts import list_parts
from incumbent.usecases.ports import Transaction
from incumbent.usecases.workspace import Workspace

PREDICTION_PREFIX = "prediction"
_RUN_FORM = re.compile(r"[A-Za-z0-9_-]{6,64}", re.ASCII)


def trace(ws: Workspace, subject: str) -> Lineage:
    """Return the lineage of a prediction, a run, a MODEL@VERSION or a digest, both ways.

    Raises:
        InvalidInput: `subject` has none of these forms.
        NotFound: There is no such thing here.
    """
    with ws.store.begin(read_only=True) as tx:
        walk = _Walk(ws, tx)
        if ":" in subject:
            parse_digest(subject)
            start = _start_digest(walk, Digest(subject))
        elif "@" in subject:
            start = walk.add_version(tx.registry.get_version(*parse_version_name(subject)))
        elif subject.startswith(f"{PREDICTION_PREFIX}-"):
            start = _start_prediction(walk, subject)
        elif _RUN_FORM.fullmatch(subject):
            start = _start_run(walk, tx.runs.get(subject))
        else:
            raise InvalidInput(f"{subject[:80]!r} is no prediction, run, MODEL@VERSION or digest; those are what can be traced")
        walk.climb()
        walk.descend()
        return Lineage(start, walk.nodes, tuple(walk.origins), tuple(walk.uses))


def _start_prediction(walk: "_Walk", prediction_id: str) -> str:
    found = walk.ws.open_predictions().find(prediction_id) or walk.tx.predictions.get(prediction_id)
    version = walk.tx.registry.get_version(found.model, found.version)
    placed = next((p for p in walk.tx.registry.list_placements(found.slot) if _had_put_live(p, version) and p.since_at <= found.at), None)
    facts: Document = {"at": found.at.isoformat(), "inputs": found.inputs, "output": found.output, "latency_ms": found.latency_ms}
    slot: Document = {"since": placed.since_at.isoformat(), "placed_by": placed.actor, "reason": placed.reason} if placed else {}
    start = walk.add(Node("prediction", prediction_id, facts=facts))
    walk.origins.append(Link(start, "answered in", walk.add(Node("slot", found.slot, facts=slot))))
    walk.origins.append(Link(start, "answered by", walk.add_version(version)))
    return start


def _had_put_live(placement: Placement, version: ModelVersion) -> bool:
    return (placement.model, placement.version) == (version.model, version.version) and placement.status == "Production"


def _start_run(walk: "_Walk", run: Run) -> str:
    start = walk.add_run(run)
    for taken in walk.tx.runs.list_artifacts(run.run_id):
        if taken.direction == "input":
            walk.origins.append(Link(start, "took", walk.add(_data_node(taken.name, taken.artifact))))
    for stage_run in reversed(walk.list_stages(run.run_id)):
        walk.origins.append(Link(start, "ran", walk.add_stage(stage_run, run)))
    walk.link_versions(start, run_id=run.run_id)
    return start


def _start_digest(walk: "_Walk", digest: Digest) -> str:
    makers = walk.tx.index.find_makers(digest)
    takers = walk.tx.index.find_takers(digest)
    versions = [v for v in walk.tx.registry.list_versions() if digest in {v.bundle.digest, v.manifest}]
    if makers:
        run_id, stage_run = makers[0]
        name, artifact = next((n, a) for n, a in stage_run.outputs.items() if a.digest == digest)
        start = walk.add_artifact(name, artifact, walk.tx.runs.get(run_id))
        walk.below.append(_Given(start, name, digest, run_id, stage_run.item is not None))
    elif takers:
        name, artifact = next((n, a) for n, a in takers[0][1].inputs.items() if a.digest == digest)
        start = walk.add(_data_node(name, artifact))
        walk.below.append(_Given(start, name, digest))
    elif versions:
        return walk.add_version(versions[0])
    else:
        raise NotFound(f"nothing recorded here was made from {digest}, and nothing here made it")
    return start


@dataclass(frozen=True, slots=True)
class _Given:
    """Something whose uses are still to be found.

    Attributes:
        run_id: A run that gave it, "" for data.
        is_item: A mapped stage gave it for one item, and a list of all of them went on.
    """

    node_id: str
    name: str
    digest: Digest
    run_id: str = ""
    is_item: bool = False


class _Walk:
    """A lineage as it grows. Work waits in two lists, so that no chain is too long for the interpreter's stack."""

    def __init__(self, ws: Workspace, tx: Transaction) -> None:
        self.ws = ws
        self.tx = tx
        self.nodes: dict[str, Node] = {}
        self.origins: list[Link] = []
        self.uses: list[Link] = []
        self.below: list[_Given] = []
        self._above: list[tuple[str, StageRun, Run]] = []
        self._stages: dict[str, Sequence[StageRun]] = {}
        self._makers: dict[str, dict[Digest, list[StageRun]]] = {}

    def add(self, node: Node) -> str:
        """Add a node unless it is there, and return its id."""
        self.nodes.setdefault(node.node_id, node)
        return node.node_id

    def add_version(self, version: ModelVersion) -> str:
        """Add a version with its bundle, its run, and the slots that hold it."""
        facts: Document = {"registered_at": version.created_at.isoformat(), "registered_by": version.actor, "manifest": version.manifest}
        start = self.add(Node("version", f"{version.model}@{version.version}", version.bundle.digest, facts))
        run = self.tx.runs.get(version.run_id)
        name = str(self.tx.documents.get(version.manifest)["artifact"])
        self.origins.append(Link(start, "deploys", self.add_artifact(name, version.bundle, run)))
        self.origins.append(Link(start, "registered from", self.add_run(run)))
        self._link_slots(start, version)
        return start

    def add_run(self, run: Run) -> str:
        """Add a run with its commit."""
        facts: Document = {"state": run.state, "started_at": run.started_at.isoformat(), "seed": run.seed, "experiment": run.experiment}
        start = self.add(Node("run", run.run_id, run.manifest, facts))
        if run.code.commit:
            tree: Document = {"is_dirty": run.code.is_dirty, "tree": run.code.tree}
            self.origins.append(Link(start, "at commit", self.add(Node("commit", run.code.commit, facts=tree))))
        return start

    def add_artifact(self, name: str, artifact: Artifact, run: Run, *, is_item: bool = False) -> str:
        """Add what a run's stage gave, with that stage; as data, if none of its stages gave it. `is_item`: a mapped stage took it."""
        maker = self._find_maker(name, artifact, run.run_id, is_item=is_item)
        if maker is None and artifact.codec != "list":
            return self.add(_data_node(name, artifact))
        node = Node("artifact", name, artifact.digest, {"codec": artifact.codec, "size": artifact.size})
        if node.node_id not in self.nodes:
            self.add(node)
            if maker is not None:
                self.origins.append(Link(node.node_id, "made by", self.add_stage(maker, run)))
            else:  # what a mapped stage gave, item by item
                for place, part in enumerate(list_parts(self.ws, artifact)):
                    self.origins.append(Link(node.node_id, "holds", self.add_artifact(f"{name}[{place}]", part, run)))
        return node.node_id

    def add_stage(self, stage_run: StageRun, run: Run) -> str:
        """Add a stage run; what it took is added by `climb`."""
        recipe = self._find_document(stage_run.key)
        facts: Document = {"state": stage_run.state, "run": run.run_id, "wall_s": round(stage_run.wall_s, 3)}
        facts |= {field: recipe[field] for field in ("config", "seed", "env") if field in recipe}
        node = Node("stage", _stage_name(stage_run), stage_run.key, facts)
        if node.node_id not in self.nodes:
            self._above.append((self.add(node), stage_run, run))
            if "code" in recipe:
                self.origins.append(Link(node.node_id, "by code", self.add(self._code_node(Digest(str(recipe["code"]))))))
        return node.node_id

    def climb(self) -> None:
        """Follow every stage to what it took, until data is reached."""
        while self._above:
            start, stage_run, run = self._above.pop()
            for parameter, artifact in stage_run.inputs.items():
                self.origins.append(Link(start, "took", self.add_artifact(parameter, artifact, run, is_item=stage_run.item is not None)))

    def descend(self) -> None:
        """Follow digests to what was made of them. Runs that took a stage from the cache are counted, not walked again."""
        met: set[Digest] = set()
        given_by: set[Link] = set()
        while self.below:
            given = self.below.pop()
            self.link_versions(given.node_id, bundle=given.digest)
            if given.digest in met:
                continue
            met.add(given.digest)
            for run_ids, stage_run in self._list_takers(given):
                runs: list[Json] = [*run_ids]
                taker = self.add(Node("stage", _stage_name(stage_run), stage_run.key, {"state": stage_run.state, "runs": runs}))
                self.uses.append(Link(given.node_id, "taken by", taker))
                for name, artifact in stage_run.outputs.items():
                    output = Node("artifact", name, artifact.digest, {"codec": artifact.codec, "size": artifact.size})
                    link = Link(taker, "gave", output.node_id)
                    if link not in given_by:
                        given_by.add(link)
                        self.uses.append(link)
                        self.below.append(_Given(self.add(output), name, artifact.digest, run_ids[0], stage_run.item is not None))

    def link_versions(self, start: str, *, run_id: str | None = None, bundle: Digest | None = None) -> None:
        """Link the versions of a run, or of a bundle, below `start`, with the slots that hold them."""
        for version in self.tx.registry.list_versions():
            if run_id == version.run_id or bundle == version.bundle.digest:
                node = self.add(Node("version", f"{version.model}@{version.version}", version.bundle.digest))
                self.uses.append(Link(start, "registered as", node))
                self._link_slots(node, version)

    def _link_slots(self, start: str, version: ModelVersion) -> None:
        for p in list_version_placements(self.tx, version):
            slot = Node("slot", p.slot, facts={"since": p.since_at.isoformat(), "placed_by": p.actor, "reason": p.reason})
            self.uses.append(Link(start, f"{p.status} in", self.add(slot)))

    def _list_takers(self, given: _Given) -> list[tuple[list[str], StageRun]]:
        """Return who took it, each stage once with its runs: by digest; and where a list came between, by name within the run."""
        found = list(self.tx.index.find_takers(given.digest))
        for stage_run in self.list_stages(given.run_id) if given.run_id else ():
            taken = stage_run.inputs.get(given.name)
            if (
                taken is not None
                and taken.digest != given.digest
                and (taken.codec == "list" if given.is_item else stage_run.item is not None)
            ):
                found.append((given.run_id, stage_run))
        by_key: dict[tuple[str, Digest | None], tuple[list[str], StageRun]] = {}
        for run_id, stage_run in found:
            by_key.setdefault((_stage_name(stage_run), stage_run.key), ([], stage_run))[0].append(run_id)
        return list(by_key.values())

    def _find_maker(self, name: str, artifact: Artifact, run_id: str, *, is_item: bool) -> StageRun | None:
        """Return the stage run of this run that gave the artifact, the one that calls it by this name first.

        An item of a list that one stage gave whole has a digest of its own: there only the name leads back.
        """
        if run_id not in self._makers:
            by_digest = self._makers.setdefault(run_id, {})
            for stage_run in self.list_stages(run_id):
                for output in stage_run.outputs.values():
                    by_digest.setdefault(output.digest, []).append(stage_run)
        makers = self._makers[run_id].get(artifact.digest, [])
        by_name = [s for s in self.list_stages(run_id) if name in s.outputs and s.item is None] if is_item and not makers else []
        return next((maker for maker in makers + by_name if name in maker.outputs), makers[0] if makers else None)

    def list_stages(self, run_id: str) -> Sequence[StageRun]:
        """Return the stage runs of a run, read once."""
        if run_id not in self._stages:
            self._stages[run_id] = self.tx.runs.list_stages(run_id)
        return self._stages[run_id]

    def _code_node(self, digest: Digest) -> Node:
        leaves = self._find_document(digest).get("leaves")
        symbols: list[Json] = [*leaves] if isinstance(leaves, dict) else []
        files = sorted({str(symbol).partition("::")[0] for symbol in symbols})
        return Node("code", ", ".join(files) or "code", digest, {"symbols": symbols})

    def _find_document(self, digest: Digest | None) -> Document:
        if digest is None:
            return {}
        try:
            return self.tx.documents.get(digest)
        except NotFound:
            return {}


def _stage_name(stage_run: StageRun) -> str:
    return stage_run.stage if stage_run.item is None else f"{stage_run.stage}[{stage_run.item}]"


def _data_node(name: str, artifact: Artifact) -> Node:
    return Node("data", artifact.name or name, artifact.digest, {"codec": artifact.codec, "size": artifact.size})
