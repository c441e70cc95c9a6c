"""The verbs `plan` and `why`: what a run would do with each stage, and for which reason, without importing or running code."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.documents import Document, Json
from incumbent.base.errors import Corrupt, InvalidInput, NotFound
from incumbent.pipeline.action import Action, Policy
from incumbent.pipeline.config import Config
from incumbent.pipeline.difference import Difference, diff_recipes
from incumbent.pipeline.plan import Plan, StagePlan
from incumbent.usecases.parts import gather_items, list_items, list_tree
from incumbent.usecases.ports import Transaction
from incumbent.usecases.prepare import (
    Prepared,
    Say,
    find_document,
    find_missing,
    find_moved,
    find_previous,
    prepare,
    stands,
)
from incumbent.usecases.run_pipeline import SNAPSHOT
from incumbent.usecases.workspace import Workspace


def plan_pipeline(
    ws: Workspace,
    *,
    pipeline: str,
    config: Config | None = None,
    seed: int = 0,
    edited: Sequence[str] = (),
    policy: Policy = "fail",
    say: Say = lambda _: None,
) -> Plan:
    """Say which stages would rerun, which are hits, and which wait to see.

    Args:
        ws: The workspace.
        pipeline: `FILE.py:NAME` or `module:NAME`.
        config: Stage -> parameter -> value, over the defaults.
        seed: The run seed.
        edited: Stages to take as edited: they and all that stands below them are no hits.
        policy: What an undeclared input does in the run that is planned; a stricter one takes fewer earlier results.
        say: Told what takes long.

    Raises:
        InvalidInput, NotFound: The pipeline, config or a source cannot be used; an edited stage does not exist.
    """
    prepared = prepare(ws, pipeline=pipeline, config=config or {}, seed=seed, say=say)
    for stage in edited:
        prepared.graph.get_stage(stage)
    with ws.store.begin(read_only=True) as tx:
        return _Planner(ws, prepared, tx, policy, frozenset(edited)).plan()


class _Planner:
    """Walks the graph level by level, so that each level is one look-up."""

    def __init__(self, ws: Workspace, prepared: Prepared, tx: Transaction, policy: Policy, edited: frozenset[str]) -> None:
        self.ws, self.prepared, self.tx, self.policy, self.edited = ws, prepared, tx, policy, edited
        self.previous = find_previous(tx, prepared.graph.name)
        self.known: dict[str, Artifact] = {name: captured.artifact for name, captured in prepared.sources.items()}
        self.plans: dict[str, StagePlan] = {}
        self.causes: dict[str, tuple[str, ...]] = {}
        # Code closures and environments of now, which no run has stored yet.
        self.present: dict[str, Document] = {str(closure.digest): closure.document() for closure in prepared.code.closures.values()}
        self.present.update({str(found.digest): found.document for found in prepared.environments.values()})

    def plan(self) -> Plan:
        graph = self.prepared.graph
        waiting = {stage: {w.producer for w in wires.values() if w.producer} for stage, wires in graph.wires.items()}
        consumers: dict[str, list[str]] = {}
        for stage, producers in waiting.items():
            for producer in producers:
                consumers.setdefault(producer, []).append(stage)
        level = [stage for stage, producers in waiting.items() if not producers]
        while level:
            self._plan_level(level)
            following = []
            for stage in level:
                for consumer in consumers.get(stage, ()):
                    waiting[consumer].discard(stage)
                    if not waiting[consumer]:
                        following.append(consumer)
            level = following
        return Plan(graph.name, {stage: self.plans[stage] for stage in graph.stages})

    def _plan_level(self, stages: Sequence[str]) -> None:
        jobs: dict[str, list[tuple[int | None, Document, Digest]]] = {}
        for stage in stages:
            blockers = self._find_blockers(stage)
            if blockers:
                self.causes[stage] = blockers
                differences, widened = self._explain_waiting(stage), self.prepared.code.closures[stage].widened
                self.plans[stage] = StagePlan(stage, "waits", differences=differences, waits_for=blockers, widened=widened)
            else:
                jobs[stage] = self._list_jobs(stage)
        actions = self.tx.actions.find([key for found in jobs.values() for _, _, key in found])
        for stage, found in jobs.items():
            self.plans[stage] = self._judge(stage, found, actions)
            if self.plans[stage].state == "run":
                self.causes[stage] = (stage,)
            else:
                self.known.update(self.plans[stage].outputs)

    def _find_blockers(self, stage: str) -> tuple[str, ...]:
        """Return the nearest reruns above: those of the producers whose outputs are not known yet."""
        found: dict[str, None] = {}
        for wire in self.prepared.graph.wires[stage].values():
            if wire.name not in self.known and wire.producer is not None:
                found.update(dict.fromkeys(self.causes[wire.producer]))
        return tuple(found)

    def _list_jobs(self, stage: str) -> list[tuple[int | None, Document, Digest]]:
        wires = self.prepared.graph.wires[stage]
        data = {parameter: self.known[wire.name] for parameter, wire in wires.items()}
        mapped = self.prepared.graph.stages[stage].options.map_over
        algorithm = self.ws.blobs.algorithm
        if mapped is None:
            recipe = self.prepared.recipe(stage, data)
            return [(None, recipe.document(), recipe.key(algorithm))]
        recipes = [self.prepared.recipe(stage, {**data, mapped: item}, item) for item in list_items(self.ws, data[mapped]) or []]
        return [(place, recipe.document(), recipe.key(algorithm)) for place, recipe in enumerate(recipes)]

    def _judge(self, stage: str, jobs: Sequence[tuple[int | None, Document, Digest]], actions: Mapping[Digest, Action]) -> StagePlan:
        closure = self.prepared.code.closures[stage]
        spec = self.prepared.graph.stages[stage]
        reasons: list[Difference] = []
        hits = 0
        for item, recipe, key in jobs:
            found = self._explain(stage, item, recipe, actions.get(key))
            reasons += found
            hits += not found
        is_mapped = spec.options.map_over is not None
        items = (hits, len(jobs)) if is_mapped else None
        single = None if is_mapped else jobs[0][2]
        if reasons:
            return StagePlan(stage, "run", single, {}, tuple(dict.fromkeys(reasons)), items=items, widened=closure.widened)
        outputs = self._gather(stage, jobs, actions) if is_mapped else actions[jobs[0][2]].outputs
        return StagePlan(stage, "hit", single, outputs, items=items, widened=closure.widened)

    def _explain(self, stage: str, item: int | None, recipe: Document, action: Action | None) -> list[Difference]:
        """Return why this job is no hit; nothing if it is one."""
        if stage in self.edited:
            return [Difference("edited", stage)]
        if not self.prepared.graph.stages[stage].options.cache:
            return [Difference("uncached", stage)]
        if action is not None:
            gone = [Difference("gone", name) for name in find_missing(self.ws, action)]
            return gone + self._explain_undeclared(action)
        before = self.previous.get((stage, item))
        old = find_document(self.tx, before) if before else None
        if old is None:
            return [Difference("new", stage)]
        found = diff_recipes(old, recipe, lambda digest: find_document(self.tx, digest) or self.present.get(digest))
        return found or [Difference("gone", "the cache entry")]

    def _explain_waiting(self, stage: str) -> tuple[Difference, ...]:
        """Return what differs whatever the stages above will give; the same bytes as before do not spare the stage then."""
        if stage in self.edited:
            return (Difference("edited", stage),)
        if not self.prepared.graph.stages[stage].options.cache:
            return (Difference("uncached", stage),)
        before = self.previous.get((stage, None))
        old = find_document(self.tx, before) if before else None
        if old is None:
            return ()
        wires = self.prepared.graph.wires[stage]
        known = {parameter: self.known[wire.name] for parameter, wire in wires.items() if wire.name in self.known}
        new = self.prepared.recipe(stage, known).document()
        supposed = {name: value for table in (old.get("data"), new["data"]) if isinstance(table, dict) for name, value in table.items()}
        return tuple(
            diff_recipes(old, {**new, "data": supposed}, lambda digest: find_document(self.tx, digest) or self.present.get(digest))
        )

    def _explain_undeclared(self, action: Action) -> list[Difference]:
        if stands(self.ws, action, self.policy):
            return []
        moved = [Difference("undeclared", f"{kind} {name}", old, new) for kind, name, old, new in find_moved(self.ws, action)]
        if moved and self.policy == "warn":
            return moved
        return [Difference("undeclared", f"{kind} {name}".strip(), value, "not taken under the policy " + self.policy)
                for kind, name, value in action.undeclared]  # fmt: skip

    def _gather(
        self, stage: str, jobs: Sequence[tuple[int | None, Document, Digest]], actions: Mapping[Digest, Action]
    ) -> dict[str, Artifact]:
        """Return the "list" artifacts of a mapped stage whose items are all hits (a run would store the same documents)."""
        names = [output.name for output in self.prepared.graph.stages[stage].outputs]
        return {name: gather_items(self.ws, [actions[key].outputs[name] for _, _, key in jobs]) for name in names}


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a stage would rerun, or why not.

    Attributes:
        plan: What a run would do with it.
        causes: For a stage that waits: the plans of the stages above that rerun.
        code: For each edited symbol its difference, as unified diff text.
        last_run: The run compared with, "" when there is none.
        made_by: For a hit: the run whose output is taken.
    """

    plan: StagePlan
    causes: Sequence[StagePlan] = ()
    code: Mapping[str, str] = field(default_factory=dict)
    last_run: str = ""
    made_by: str = ""

    def to_json(self) -> Json:
        """Return the document form."""
        return {
            "plan": self.plan.to_json(),
            "causes": [cause.to_json() for cause in self.causes],
            "code": dict(self.code),
            "last_run": self.last_run,
            "made_by": self.made_by,
        }


def explain_stage(
    ws: Workspace,
    *,
    stage: str,
    pipeline: str,
    config: Config | None = None,
    seed: int = 0,
    policy: Policy = "fail",
    say: Say = lambda _: None,
) -> Explanation:
    """Say why a stage would rerun (the first input that differs from the last run, both values), or why it would not.

    Raises:
        NotFound: There is no such stage.
        InvalidInput: The pipeline, config or a source cannot be used.
    """
    prepared = prepare(ws, pipeline=pipeline, config=config or {}, seed=seed, say=say)
    prepared.graph.get_stage(stage)
    with ws.store.begin(read_only=True) as tx:
        plan = _Planner(ws, prepared, tx, policy, frozenset()).plan()
        latest = tx.index.find_latest(prepared.graph.name)
        found = plan.stages[stage]
        causes = [plan.stages[name] for name in found.waits_for]
        old = {} if latest is None else {row.name: row.artifact for row in tx.runs.list_artifacts(latest.run_id)}
        made_by = ""
        if found.key is not None and found.state == "hit":
            made_by = next((action.run_id for action in tx.actions.find([found.key]).values()), "")
    symbols = [d.name for p in (found, *causes) for d in p.differences if d.kind == "code" and "::" in d.name]
    code = {symbol: _diff_symbol(ws, symbol, old.get(SNAPSHOT)) for symbol in dict.fromkeys(symbols)}
    return Explanation(found, causes, code, latest.run_id if latest else "", made_by)


def _diff_symbol(ws: Workspace, symbol: str, snapshot: Artifact | None) -> str:
    """Return a symbol's unified diff between the last run's snapshot and now; "" on a side that has it not."""
    path, _, name = symbol.partition("::")
    before = "" if snapshot is None else _read_member(ws, snapshot, path)
    old = _symbol_lines(ws, path, name, before) if before else []
    new = _symbol_lines(ws, path, name, None)
    return "\n".join(difflib.unified_diff(old, new, f"last run {symbol}", f"now {symbol}", lineterm=""))


def _symbol_lines(ws: Workspace, path: str, name: str, source: str | None) -> list[str]:
    try:
        return ws.code.symbol_text(path, name, source).splitlines()
    except (NotFound, InvalidInput):
        return []


def _read_member(ws: Workspace, tree: Artifact, path: str) -> str:
    """Return a file of the snapshot as text, "" if it is not there or no longer readable: a diff is a courtesy."""
    try:
        member = list_tree(ws, tree).get(path)
        return "" if member is None else ws.blobs.get(member.digest).decode("utf-8", errors="replace")
    except (NotFound, Corrupt):
        return ""
