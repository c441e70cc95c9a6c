"""The verb `run`: plan, run what is not cached, record everything, seal the run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.documents import Document, Json
from incumbent.base.errors import Corrupt, IncumbentError, NotFound
from incumbent.pipeline.action import Captured, Policy
from incumbent.pipeline.config import Config
from incumbent.tracking.run import Run, RunArtifact, RunState, StageRun
from incumbent.usecases.lazy_runner import LazyRunner
from incumbent.usecases.log_run import describe_run, seal_run
from incumbent.usecases.parts import list_parts
from incumbent.usecases.pipeline_run import CorruptInput, Failure, PipelineRun
from incumbent.usecases.prepare import Prepared, find_previous, prepare
from incumbent.usecases.progress import Event, Listener, ignore
from incumbent.usecases.run_records import record_beginning
from incumbent.usecases.workspace import Workspace

REBUILDS_MAX = 3
SNAPSHOT = "project source"
"""Name of the run input that holds the project files which the code digests come from."""


class Outputs(Mapping[str, object]):
    """The outputs of a run by name; a value is read from the store when it is asked for."""

    def __init__(self, ws: Workspace, artifacts: Mapping[str, Artifact]) -> None:
        self._ws = ws
        self.artifacts = MappingProxyType(dict(artifacts))

    def __getitem__(self, name: str) -> object:
        artifact = self.artifacts[name]
        folder = self._ws.folder / "tmp" / "outputs" / artifact.digest.replace(":", "-")
        return self._ws.codecs.decode(artifact, object, self._ws.blobs, folder)

    def __iter__(self) -> Iterator[str]:
        return iter(self.artifacts)

    def __len__(self) -> int:
        return len(self.artifacts)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What `run_pipeline` gives.

    Attributes:
        state: "finished" or "failed".
        stages: One entry a stage (or item), in the order in which they ended.
        outputs: Output name -> value, read when asked for; `outputs.artifacts` has the digests.
        failure: What failed first, None when all went well.
        hits, ran: Number of stages (or items) of each kind.
        prepared: The five inputs as they were taken.
        has_undeclared: Some stage read what it does not declare (under the policy "warn").
    """

    run_id: str
    state: RunState
    stages: Sequence[StageRun]
    outputs: Outputs
    metrics: Mapping[str, float]
    hits: int
    ran: int
    prepared: Prepared
    has_undeclared: bool = False
    failure: Failure | None = None


def run_pipeline(
    ws: Workspace,
    *,
    pipeline: str,
    config: Config | None = None,
    seed: int = 0,
    experiment: str = "",
    executor: str = "local",
    policy: Policy = "fail",
    pinned: Mapping[str, Artifact] | None = None,
    parent: str | None = None,
    listen: Listener = ignore,
) -> RunResult:
    """Run a pipeline; only what its recipe has not given before is run.

    Args:
        ws: The workspace.
        pipeline: `FILE.py:NAME` or `module:NAME`.
        config: Stage -> parameter -> value, over the defaults.
        seed: The run seed.
        experiment: Group of runs; the pipeline's name by default.
        executor: "local" (worker processes) or "inline" (this process).
        policy: What an undeclared input does: "fail", "warn" (widens the key), or "off".
        pinned: Sources taken as these artifacts instead of being captured.
        parent: The run that this one is nested in.
        listen: Told what goes on.

    Returns:
        The result, of a failed run too: see `failure`.

    Raises:
        InvalidInput, NotFound: Found before anything ran; no run is recorded.
        Corrupt: A blob failed again and again although it was rebuilt.
    """
    before = prepare(
        ws, pipeline=pipeline, config=config or {}, seed=seed, pinned=pinned, say=lambda text: listen(Event("note", text=text))
    )
    name = before.graph.name
    listen(Event("total", name, count=len(before.graph.stages)))
    for stage, closure in before.code.closures.items():
        for reason in closure.widened:
            listen(Event("warning", stage, text=f"key widened to whole modules: {reason}"))
    run = _begin(ws, before, experiment or name, policy, parent)
    owner = f"{ws.processes.own_name()} {run.run_id}"
    runner = LazyRunner(ws, executor, before.code, listen)
    with ws.store.begin(read_only=True) as tx:
        previous = find_previous(tx, name)
    done = PipelineRun(ws, before, runner, run.run_id, owner, policy, listen, previous)
    state: RunState = "killed"
    try:
        done = _execute(ws, done, pinned)
        state = "failed" if done.failure else "finished"
        if state == "finished":
            _record_outputs(ws, run, done)
    except IncumbentError as error:
        state = "failed"
        run = replace(run, facts={**run.facts, "error": str(error)})
        raise
    finally:
        runner.close()
        with ws.store.begin(durable=False) as tx:
            tx.actions.release(owner)
        seal_run(ws, run=run, state=state)
    return _result(ws, run, state, done)


def _execute(ws: Workspace, attempt: PipelineRun, pinned: Mapping[str, Artifact] | None) -> PipelineRun:
    """Execute; when a blob turns out corrupt, forget it and start over: all that is sound is a hit then."""
    rebuilt: dict[Digest, int] = {}
    while True:
        try:
            attempt.execute()
            return attempt
        except CorruptInput as corrupt:
            digest = corrupt.digest
            rebuilt[digest] = rebuilt.get(digest, 0) + 1
            if rebuilt[digest] > REBUILDS_MAX:
                raise Corrupt(f"blob {digest} failed its check {REBUILDS_MAX} times although it was rebuilt: check the disk") from None
            attempt.listen(Event("warning", text=f"blob {digest} is missing or corrupt: rebuilding it from its recipe"))
            _forget(ws, digest, list(attempt.artifacts.values()))
            prepared = attempt.prepared
            if any(digest in _digests(ws, captured.artifact) for captured in prepared.sources.values()):
                prepared = replace(prepared, sources={name: _retake(ws, prepared, name, pinned) for name in prepared.sources})
            attempt = attempt.afresh(prepared)


def _retake(ws: Workspace, prepared: Prepared, name: str, pinned: Mapping[str, Artifact] | None) -> Captured:
    if pinned and name in pinned:
        raise Corrupt(
            f"source {name!r} at its recorded digest {pinned[name].digest} is no longer in the store, so the run cannot be repeated"
        )
    return ws.sources.capture(prepared.graph.sources[name], anew=True)


def _digests(ws: Workspace, artifact: Artifact) -> set[Digest]:
    """Return all blob digests behind an artifact; parts of an unreadable document are unknown."""
    found = {artifact.digest}
    try:
        for part in list_parts(ws, artifact):
            found |= _digests(ws, part)
    except (Corrupt, NotFound):
        pass
    return found


def _forget(ws: Workspace, digest: Digest, known: Sequence[Artifact]) -> None:
    """Make every action that gave this blob, itself or inside a list or folder, a miss, and drop the blob."""
    holders = {artifact.digest for artifact in known if digest in _digests(ws, artifact)} | {digest}
    with ws.store.begin() as tx:
        for holder in holders:
            tx.actions.forget_output(holder)
    ws.blobs.delete(digest)


def _begin(ws: Workspace, prepared: Prepared, experiment: str, policy: Policy, parent: str | None) -> Run:
    snapshot = _snapshot(ws, prepared)
    facts: Document = {
        "pipeline": prepared.reference,
        "policy": policy,
        "config": {stage: dict(values) for stage, values in prepared.config.items()},
        "sources": {name: {"version": captured.version, **captured.facts} for name, captured in prepared.sources.items()},
        "widened": {stage: list(closure.widened) for stage, closure in prepared.code.closures.items() if closure.widened},
    }
    params: dict[str, Json] = {f"{s}.{key}": value for s, values in prepared.config.items() for key, value in values.items()}
    began = describe_run(ws, experiment=experiment, parent_id=parent, seed=prepared.seed, params=params, facts=facts)
    run = replace(began.run, pipeline=prepared.graph.name)
    run_id = run.run_id
    inputs = [
        RunArtifact(run_id, "input", name, captured.artifact, _media(captured.artifact)) for name, captured in prepared.sources.items()
    ]
    inputs.append(RunArtifact(run_id, "input", SNAPSHOT, snapshot, _media(snapshot)))
    with ws.store.begin() as tx:
        tx.documents.put(prepared.documents())
        record_beginning(tx, replace(began, run=run))
        tx.runs.record_artifacts(inputs)
    return run


def _snapshot(ws: Workspace, prepared: Prepared) -> Artifact:
    """Keep every project file that the code digests come from, so that `why` can show a diff and `reproduce` needs no commit."""
    paths = {path for closure in prepared.code.closures.values() for path in closure.paths} | set(prepared.code.files)
    if (ws.root / "pyproject.toml").is_file():
        paths.add("pyproject.toml")
    return ws.sources.capture_files(sorted(paths))


def _media(artifact: Artifact) -> str:
    return f"application/x-incumbent-{artifact.codec}"


def _record_outputs(ws: Workspace, run: Run, done: PipelineRun) -> None:
    names = [output.name for spec in done.prepared.graph.stages.values() for output in spec.outputs]
    rows = [RunArtifact(run.run_id, "output", name, done.artifacts[name], _media(done.artifacts[name])) for name in names]
    with ws.store.begin(durable=False) as tx:
        tx.runs.record_artifacts(rows)


def _result(ws: Workspace, run: Run, state: RunState, done: PipelineRun) -> RunResult:
    with ws.store.begin(read_only=True) as tx:
        stages = tx.runs.list_stages(run.run_id)
        latest = tx.metrics.latest([run.run_id]).get(run.run_id, {})
    produced = {name: artifact for name, artifact in done.artifacts.items() if name not in done.prepared.sources}
    return RunResult(
        run_id=run.run_id,
        state=state,
        stages=stages,
        outputs=Outputs(ws, produced),
        metrics={name: point.value for name, point in latest.items()},
        hits=done.hits,
        ran=done.ran,
        prepared=done.prepared,
        has_undeclared=done.has_undeclared,
        failure=done.failure,
    )
