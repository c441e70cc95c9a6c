"""One run of a pipeline, from its first lookup to its last output.

How it goes: a stage whose inputs are all known gets its key; a key that the cache knows is a hit; any other is claimed (so
that two runs over one workspace share the work) and given to the runner; what comes back is remembered under the key and
may make further stages ready. It is one loop over queues: nothing recurses, so a chain may be of any length. A stage run
and its cache entry are one transaction, written only when its output bytes are in the store: whatever stops this process,
the next run finds either the whole result or none of it.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.pipeline.action import Action, Policy, StageOutcome, StageTask
from incumbent.pipeline.difference import Difference, diff_recipes
from incumbent.pipeline.recipe import Recipe
from incumbent.pipeline.stage import StageSpec
from incumbent.tracking.run import StageRun
from incumbent.usecases.parts import gather_items, list_items
from incumbent.usecases.ports import Runner, Transaction
from incumbent.usecases.prepare import UNWATCHED, Prepared, find_document, find_hits
from incumbent.usecases.progress import Event, Listener
from incumbent.usecases.workspace import Workspace

LEASE_S = 10.0
POLL_S = 0.25


@dataclass(slots=True)
class Job:
    """One attempt to come: a stage, or one item of a mapped stage."""

    spec: StageSpec
    item: int | None
    recipe: Recipe
    key: Digest
    attempt: int = 1
    due_at: datetime | None = None
    why: str = ""
    is_announced: bool = False

    @property
    def task_id(self) -> str:
        """Name of the task: the stage, and the item in brackets."""
        return self.spec.name if self.item is None else f"{self.spec.name}[{self.item}]"


@dataclass(slots=True)
class Failure:
    """The first stage that failed for good."""

    stage: str
    message: str
    traceback: str = ""
    log: Digest | None = None


class CorruptInput(Exception):
    """A stored blob did not verify: what made it must run again."""

    def __init__(self, digest: Digest) -> None:
        super().__init__(str(digest))
        self.digest = digest


@dataclass(slots=True)
class PipelineRun:
    """The state of one run. `execute` drives it to its end.

    Attributes:
        previous: (stage, item) -> action key in the newest earlier run, to say why a stage reruns.
        artifacts: Output or source name -> artifact, as far as known.
    """

    ws: Workspace
    prepared: Prepared
    runner: Runner
    run_id: str
    owner: str
    policy: Policy
    listen: Listener
    previous: Mapping[tuple[str, int | None], Digest]
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    failure: Failure | None = None
    hits: int = 0
    ran: int = 0
    has_undeclared: bool = False
    _missing: dict[str, int] = field(default_factory=dict)
    _consumers: dict[str, list[str]] = field(default_factory=dict)
    _ready: deque[Job] = field(default_factory=deque)
    _in_flight: dict[str, Job] = field(default_factory=dict)
    _waiting: list[Job] = field(default_factory=list)
    _items: dict[str, list[Mapping[str, Artifact] | None]] = field(default_factory=dict)
    _renewed_at: datetime | None = None

    def afresh(self, prepared: Prepared) -> "PipelineRun":
        """Return the same run at its start: all that is sound in the cache will be a hit."""
        return PipelineRun(self.ws, prepared, self.runner, self.run_id, self.owner, self.policy, self.listen, self.previous)

    def execute(self) -> None:
        """Run every stage that is not a hit. Afterwards `failure` says whether it all went well.

        Raises:
            CorruptInput: A blob did not verify; the caller forgets it and starts over.
        """
        self._wire()
        self._advance([name for name, missing in self._missing.items() if missing == 0])
        while self._in_flight or (not self.failure and (self._ready or self._waiting)):
            self._fill()
            if self._in_flight:
                for outcome in self.runner.wait(POLL_S if self._waiting else LEASE_S / 4):
                    self._finish(outcome)
            elif not self.failure and (self._ready or self._waiting):  # all that is left is another run's, or waits for its retry
                self.ws.clock.sleep(POLL_S)
            self._tend_claims()
        self._skip_rest()

    def _wire(self) -> None:
        self.artifacts = {name: captured.artifact for name, captured in self.prepared.sources.items()}
        for stage, wires in self.prepared.graph.wires.items():
            needed = {wire.name for wire in wires.values() if wire.producer is not None}
            self._missing[stage] = len(needed)
            for name in needed:
                self._consumers.setdefault(name, []).append(stage)

    def _advance(self, stages: Sequence[str]) -> None:
        """Look up the stages whose inputs have just become known, and all that the hits among them make ready in turn."""
        ready = list(stages)
        while ready and not self.failure:
            jobs = [job for stage in ready for job in self._make_jobs(stage)]
            empty = [stage for stage in ready if stage in self._items and not self._items[stage]]
            freed: list[str] = []
            with self.ws.store.begin(durable=False) as tx:
                hits = find_hits(self.ws, tx, [job.key for job in jobs if job.spec.options.cache], self.policy)
                for job in jobs:
                    if job.key in hits:
                        freed += self._take_hit(tx, job, hits[job.key])
                    else:
                        self._ready.append(job)
            for stage in empty:
                freed += self._complete(self.prepared.graph.stages[stage], None, {})
            ready = freed

    def _make_jobs(self, stage: str) -> list[Job]:
        spec = self.prepared.graph.stages[stage]
        wires = self.prepared.graph.wires[stage]
        data = {parameter: self.artifacts[wire.name] for parameter, wire in wires.items()}
        mapped = spec.options.map_over
        if mapped is None:
            return [self._make_job(spec, None, data, None)]
        try:
            items = list_items(self.ws, data[mapped])
        except Corrupt as error:
            raise CorruptInput(data[mapped].digest) from error
        if items is None:
            raise InvalidInput(
                f"stage {stage!r} maps over {mapped!r}, which turned out to be one {data[mapped].codec}, not a list or a folder"
            )
        self._items[stage] = [None] * len(items)
        return [self._make_job(spec, place, {**data, mapped: item}, item) for place, item in enumerate(items)]

    def _make_job(self, spec: StageSpec, place: int | None, data: Mapping[str, Artifact], item: Artifact | None) -> Job:
        recipe = self.prepared.recipe(spec.name, data, item)
        return Job(spec, place, recipe, recipe.key(self.ws.blobs.algorithm))

    def _take_hit(self, tx: Transaction, job: Job, action: Action) -> list[str]:
        self.hits += 1
        self._record(tx, job, "hit", action)
        self.listen(Event("hit", job.spec.name, job.item))
        return self._complete(job.spec, job.item, action.outputs)

    def _complete(self, spec: StageSpec, item: int | None, outputs: Mapping[str, Artifact]) -> list[str]:
        """Take in the outputs of a stage (or an item); return the stages that this makes ready."""
        if spec.options.map_over is not None:
            gathered = self._items[spec.name]
            if item is not None:
                gathered[item] = outputs
            if any(part is None for part in gathered):
                return []
            outputs = {
                output.name: gather_items(self.ws, [part[output.name] for part in gathered if part is not None]) for output in spec.outputs
            }
        freed: list[str] = []
        for name, artifact in outputs.items():
            self.artifacts[name] = artifact
            for consumer in self._consumers.get(name, ()):
                self._missing[consumer] -= 1
                if self._missing[consumer] == 0:
                    freed.append(consumer)
        return freed

    def _fill(self) -> None:
        """Hand ready jobs to the runner, each claimed first; a claim that another run holds is waited for."""
        later: list[Job] = []
        now = self.ws.clock.now()
        while self._ready and not self.failure and len(self._in_flight) < self.runner.capacity:
            job = self._ready.popleft()
            if job.key in self._keys_in_flight():  # an equal item: the first one's outputs will be its own
                self._waiting.append(job)
                continue
            if job.due_at is not None and job.due_at > now:
                later.append(job)
                continue
            freed: list[str] | None = None
            with self.ws.store.begin(durable=False) as tx:
                holder = self._claim(tx, job, now)
                if holder is None:
                    # Another run may have finished this key between our lookup and our claim.
                    hits = find_hits(self.ws, tx, [job.key], self.policy) if job.spec.options.cache else {}
                    if job.key in hits:
                        tx.actions.release(self.owner, job.key)
                        freed = self._take_hit(tx, job, hits[job.key])
                    else:
                        job.why = job.why or self._explain(tx, job)
            if freed is not None:
                self._advance(freed)
            elif holder is None:
                self._submit(job)
            else:
                if not job.is_announced:
                    job.is_announced = True
                    self.listen(Event("waiting", job.spec.name, job.item, "another run is at it"))
                self._waiting.append(job)
        self._ready.extend(later)

    def _keys_in_flight(self) -> set[Digest]:
        return {job.key for job in self._in_flight.values()}

    def _claim(self, tx: Transaction, job: Job, now: datetime) -> str | None:
        holder = tx.actions.claim(job.key, self.owner, now, LEASE_S)
        if holder is not None and self.ws.processes.is_gone(holder.rpartition(" ")[0]):
            tx.actions.release(holder)
            holder = tx.actions.claim(job.key, self.owner, now, LEASE_S)
        return holder

    def _explain(self, tx: Transaction, job: Job) -> str:
        before = self.previous.get((job.spec.name, job.item))
        recipe = find_document(tx, before) if before else None
        if recipe is None:
            return str(Difference("new", ""))
        found = diff_recipes(recipe, job.recipe.document(), lambda digest: find_document(tx, digest))
        return str(found[0]) if found else ""

    def _submit(self, job: Job) -> None:
        spec, options = job.spec, job.spec.options
        self._in_flight[job.task_id] = job
        self.listen(Event("started", spec.name, job.item))
        self.runner.submit(
            StageTask(
                task_id=job.task_id,
                stage=spec.name,
                path=spec.path,
                module=spec.module,
                symbol=spec.symbol,
                data=job.recipe.data,
                config=job.recipe.config,
                injected=spec.injected,
                produces={output.name: output.type for output in spec.outputs},
                seed=job.recipe.seed,
                env=options.env,
                policy=self.policy,
                threads=options.threads,
                timeout_s=options.timeout_s,
                output_bytes_max=options.output_bytes_max,
            )
        )

    def _finish(self, outcome: StageOutcome) -> None:
        job = self._in_flight.pop(outcome.task_id)
        if outcome.state == "done":
            self._accept(job, outcome)
        elif outcome.state == "corrupt_input" and outcome.failure and outcome.failure.digest:
            self._drain()
            raise CorruptInput(outcome.failure.digest)
        elif (outcome.failure and outcome.failure.is_final) or job.attempt > job.spec.options.retries:
            self._fail(job, outcome)
        else:
            delay = job.spec.options.retry_delay_s * 2 ** (job.attempt - 1)
            message = outcome.failure.message if outcome.failure else outcome.state
            self.listen(Event("retry", job.spec.name, job.item, f"attempt {job.attempt} {outcome.state}: {message}; again in {delay:g} s"))
            self._ready.append(replace(job, attempt=job.attempt + 1, due_at=self.ws.clock.now() + timedelta(seconds=delay)))

    def _accept(self, job: Job, outcome: StageOutcome) -> None:
        action = Action(
            key=job.key,
            stage=job.spec.name,
            outputs=outcome.outputs,
            metrics=outcome.metrics,
            undeclared=UNWATCHED if self.policy == "off" else tuple((seen.kind, seen.name, seen.value) for seen in outcome.undeclared),
            log=outcome.log,
            resources=outcome.resources,
            run_id=self.run_id,
            created_at=self.ws.clock.now(),
        )
        with self.ws.store.begin(durable=False) as tx:
            tx.actions.record(action, job.recipe.document())
            tx.actions.release(self.owner, job.key)
            self._record(tx, job, "ran", action)
        self.ran += 1
        for seen in outcome.undeclared:
            self.listen(
                Event("warning", job.spec.name, job.item, f"read {seen.kind} {seen.name} at {seen.where}, which it does not declare")
            )
        for words in outcome.warnings:
            self.listen(Event("warning", job.spec.name, job.item, words))
        self.listen(Event("done", job.spec.name, job.item, job.why, outcome.resources.wall_s))
        self._advance(self._complete(job.spec, job.item, outcome.outputs))

    def _record(self, tx: Transaction, job: Job, state: str, action: Action) -> None:
        used = action.resources
        self.has_undeclared |= bool(action.undeclared)
        tx.runs.record_stage(
            self.run_id,
            StageRun(
                stage=job.spec.name,
                item=job.item,
                state="hit" if state == "hit" else "ran",
                key=job.key,
                inputs=job.recipe.data,
                outputs=action.outputs,
                log=action.log,
                wall_s=used.wall_s,
                cpu_s=used.cpu_s,
                rss_bytes_max=used.rss_bytes_max,
                why=job.why,
            ),
        )
        if action.metrics:
            # The writer is the task, so that a stage looked up again after a rebuild does not log its points twice.
            tx.metrics.append(self.run_id, action.metrics, writer=job.task_id, first=0)

    def _fail(self, job: Job, outcome: StageOutcome) -> None:
        failure = outcome.failure
        message = failure.message if failure else outcome.state
        if self.failure is None:
            self.failure = Failure(job.task_id, message, failure.traceback if failure else "", outcome.log)
        used = outcome.resources
        with self.ws.store.begin(durable=False) as tx:
            tx.actions.release(self.owner, job.key)
            tx.runs.record_stage(
                self.run_id,
                StageRun(job.spec.name, job.item, "failed", job.key, job.recipe.data, {}, outcome.log, used.wall_s, used.cpu_s,
                         used.rss_bytes_max, message),
            )  # fmt: skip
        self.listen(Event("failed", job.spec.name, job.item, message, used.wall_s))

    def _drain(self) -> None:
        """Let the attempts under way end, keeping what they give."""
        while self._in_flight:
            for outcome in self.runner.wait():
                job = self._in_flight.pop(outcome.task_id)
                if outcome.state == "done":
                    self._accept(job, outcome)

    def _tend_claims(self) -> None:
        now = self.ws.clock.now()
        if self._waiting:
            self._ready.extend(self._waiting)
            self._waiting.clear()
        if self._in_flight and (self._renewed_at is None or (now - self._renewed_at).total_seconds() > LEASE_S / 4):
            self._renewed_at = now
            with self.ws.store.begin(durable=False) as tx:
                tx.actions.renew(self.owner, now, LEASE_S)

    def _skip_rest(self) -> None:
        if self.failure is None:
            return
        why = f"not started: {self.failure.stage} failed"
        with self.ws.store.begin(durable=False) as tx:
            for name, spec in self.prepared.graph.stages.items():
                if any(output.name not in self.artifacts for output in spec.outputs) and name != self.failure.stage.partition("[")[0]:
                    tx.runs.record_stage(self.run_id, StageRun(name, None, "skipped", None, why=why))
                    self.listen(Event("skipped", name, text=why))
