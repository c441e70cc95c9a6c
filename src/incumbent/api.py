"""The Python face: the verbs on the workspace of the current project.

Each opens the workspace (`.incumbent/` at the project's root, or what INCUMBENT_URL and INCUMBENT_BLOBS name), calls one use
case, and gives back its value. Where INCUMBENT_URL names a server (https://…), some ask it instead; the
others say that they need the workspace itself.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput, Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.server import Verbs, open_desk, open_server
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import Settings, find_root, read_settings
from incumbent.governance.sign_off import Meaning, Seat
from incumbent.pipeline.action import Policy
from incumbent.pipeline.comparison import Tolerance
from incumbent.pipeline.config import Config
from incumbent.pipeline.pipeline import Pipeline
from incumbent.pipeline.plan import Plan
from incumbent.registry.lineage import Lineage
from incumbent.registry.model import ModelVersion, Placement
from incumbent.tracking.run import Run
from incumbent.usecases import archive as archive_usecase
from incumbent.usecases import evaluate as evaluate_usecase
from incumbent.usecases import live as live_usecase
from incumbent.usecases import log_run
from incumbent.usecases import plan_pipeline as plan_usecase
from incumbent.usecases import promote as promote_usecase
from incumbent.usecases import propose as propose_usecase
from incumbent.usecases import register as register_usecase
from incumbent.usecases import reproduce as reproduce_usecase
from incumbent.usecases import roll_back as roll_back_usecase
from incumbent.usecases import run_pipeline as run_usecase
from incumbent.usecases import sign_off as sign_off_usecase
from incumbent.usecases import trace as trace_usecase
from incumbent.usecases.drain_spools import drain_spools
from incumbent.usecases.evidence import Evidence
from incumbent.usecases.live import LiveSlot
from incumbent.usecases.live_run import LiveRun, begin_run
from incumbent.usecases.progress import Listener, ignore
from incumbent.usecases.promote import Promotion
from incumbent.usecases.reproduce import Reproduction
from incumbent.usecases.roll_back import RollBack
from incumbent.usecases.run_pipeline import RunResult
from incumbent.usecases.sign_off import SignedOff
from incumbent.usecases.sink import Logging
from incumbent.usecases.workspace import Workspace


def run_pipeline(
    pipeline: Pipeline | str,
    *,
    config: Config | None = None,
    seed: int | None = None,
    experiment: str = "",
    executor: str = "local",
    undeclared: Policy | None = None,
    listen: Listener = ignore,
) -> RunResult:
    """Run a pipeline; only what its recipe has not given before is run.

    Args:
        pipeline: The pipeline (bound to a name at the top of a module), or `FILE.py:NAME`.
        config: Stage -> parameter -> value, over the defaults.
        seed: The run seed.
        experiment: Group of runs; the pipeline's name by default.
        executor: "local" (worker processes) or "inline" (this process, for a debugger).
        undeclared: What an input outside of the key does: "fail", "warn" or "off".
        listen: Told what goes on, event by event.

    Returns:
        The result: `run_id`, `outputs` (name -> value), `stages`, `metrics`.

    Raises:
        InvalidInput, NotFound: Found before anything ran.
        Refused: A stage failed; the message names it, and the run is recorded. Also in a worker that imports the caller's file.
    """
    with _opened(pipeline) as (ws, settings, reference):
        merged = {stage: dict(values) for stage, values in settings.stage_config.items()}
        for stage, values in (config or {}).items():
            merged.setdefault(stage, {}).update(values)
        result = run_usecase.run_pipeline(
            ws,
            pipeline=reference,
            config=merged,
            seed=settings.seed if seed is None else seed,
            experiment=experiment or settings.experiment,
            executor=executor,
            policy=undeclared or settings.policy,
            listen=listen,
        )
    if result.failure is not None:
        failed = result.failure
        raise Refused(
            f"stage {failed.stage} failed: {failed.message}; run {result.run_id} keeps what was finished\n{failed.traceback}".rstrip()
        )
    return result


def plan_pipeline(pipeline: Pipeline | str, *, config: Config | None = None, seed: int | None = None, edited: Sequence[str] = ()) -> Plan:
    """Say which stages would rerun, which are hits, and why, without running anything.

    Raises:
        InvalidInput, NotFound: The pipeline, config or a source cannot be used; an edited stage does not exist.
    """
    with _opened(pipeline) as (ws, settings, reference):
        merged = {**settings.stage_config, **(config or {})}
        chosen = settings.seed if seed is None else seed
        return plan_usecase.plan_pipeline(ws, pipeline=reference, config=merged, seed=chosen, edited=edited)


def reproduce(run: str, *, tolerance: Tolerance | None = None, canonical: bool = False) -> Reproduction:
    """Run a recorded run again from its record, in a clean folder and the present environment, and compare every stage.

    Args:
        run: Run id, or a prefix of it.
        tolerance: When numbers count as equal where bytes differ.
        canonical: Where bytes differ, compare canonical content.

    Raises:
        NotFound, InvalidInput, Refused: There is no such run, or it cannot be run again; the message says why.
    """
    with _opened(None) as (ws, _, _reference):
        return reproduce_usecase.reproduce(ws, run=run, tolerance=tolerance, is_canonical=canonical)


def run(
    *,
    experiment: str = "",
    name: str = "",
    parent: str | Run | LiveRun | None = None,
    seed: int | None = None,
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, object] | None = None,
) -> LiveRun:
    """Begin a run of a script or notebook that is no pipeline yet; use it in a `with` block.

    Args:
        experiment: Group of runs; `[tool.incumbent] experiment`, or "default".
        name: Name for people.
        parent: The run that this one is nested in, or its id.
        seed: The seed that the script uses, for the record.
        params: First params.
        tags: First tags.

    Returns:
        The run: `log_params`, `log_metric`, `log_artifact`, `log_input`, `set_tags`, `note`, `child`, `flush`.
    """
    _refuse_inside()
    settings = read_settings(find_root(Path.cwd()))
    place, close = _open_logging(settings)
    return begin_run(
        place, experiment=experiment or settings.experiment or "default", name=name, parent=parent, seed=seed, params=params, tags=tags,
        on_end=close,
    )  # fmt: skip


def search_runs(query: str = "", *, limit: int = 100) -> Sequence[Run]:
    """Return the runs that a query matches, e.g. `metrics.auc > 0.9 and params.depth = 6 order by metrics.auc desc`.

    Raises:
        InvalidInput: The query does not parse; the message points at the place.
    """
    if (server := _find_server()) is not None:
        return server.search_runs(query=query, limit=limit)
    with _opened(None) as (ws, _, _reference):
        drain_spools(ws)
        return log_run.search_runs(ws, query=query, limit=limit)


def register(
    *,
    model: str,
    run: str | RunResult,
    artifact: str = "model",
    slot: str | None = None,
    serving: Mapping[str, Json] | None = None,
) -> ModelVersion:
    """Register an output of a finished run as the next version of a model.

    Args:
        model: Name of the model.
        run: Run id, or the result of `run_pipeline`.
        artifact: Name of the output.
        slot: Where it asks for a place.
        serving: How it is to be served, pinned with the version.

    Raises:
        InvalidInput, NotFound, Refused, Corrupt: See `incumbent.usecases.register`.
    """
    run_id = run.run_id if isinstance(run, RunResult) else run
    if (server := _find_server()) is not None:
        return server.register(model=model, run=run_id, artifact=artifact, slot=slot, serving=serving)
    with _opened(None) as (ws, _, _reference):
        return register_usecase.register(ws, model=model, run=run_id, artifact=artifact, slot=slot, serving=serving)


def propose(*, model: str, version: int, slot: str) -> Placement:
    """Make a registered version a candidate in a slot.

    Raises:
        InvalidInput, NotFound, Refused, Corrupt: See `incumbent.usecases.propose`.
    """
    if (server := _find_server()) is not None:
        return server.propose(model=model, version=version, slot=slot)
    with _opened(None) as (ws, _, _reference):
        return propose_usecase.propose(ws, model=model, version=version, slot=slot)


def evaluate(*, model: str, version: int, slot: str) -> Evidence:
    """Judge a candidate by its gate policy, against what is live, and record the evidence, whatever it says.

    Returns:
        The evidence: `verdict.outcome` is "passed", "failed" or "undecided"; `verdict.results` has every rule with its numbers.

    Raises:
        InvalidInput, NotFound, Refused, Corrupt: See `incumbent.usecases.evaluate`.
    """
    if (server := _find_server()) is not None:
        return server.evaluate(model=model, version=version, slot=slot)
    with _opened(None) as (ws, _, _reference):
        host = open_model_host(ws)
        try:
            return evaluate_usecase.evaluate(ws, host, model=model, version=version, slot=slot)
        finally:
            host.close()


def sign_off(*, model: str, version: int, slot: str, capacity: Seat, meaning: Meaning | None = None, comment: str = "") -> SignedOff:
    """Sign for a version in a slot, as "validator" or "approver", with one's own key.

    Raises:
        InvalidInput, NotFound, Refused: See `incumbent.usecases.sign_off`.
    """
    with _opened(None) as (ws, _, _reference):
        return sign_off_usecase.sign_off(ws, model=model, version=version, slot=slot, capacity=capacity, meaning=meaning, comment=comment)


def promote(*, model: str, version: int, slot: str, reason: str) -> Promotion:
    """Put a candidate into Production of its slot, if its gate passed, its quorum signed, and nothing blocks it.

    Raises:
        InvalidInput, NotFound, Refused, Conflict, Corrupt: See `incumbent.usecases.promote`.
    """
    if (server := _find_server()) is not None:
        return server.promote(model=model, version=version, slot=slot, reason=reason)
    with _opened(None) as (ws, _, _reference):
        return promote_usecase.promote(ws, model=model, version=version, slot=slot, reason=reason)


def roll_back(*, slot: str, reason: str, to: tuple[str, int] | None = None, break_glass: bool = False) -> RollBack:
    """Point a slot at the version before, whose bytes are verified first.

    Args:
        slot: The slot.
        reason: Why, in words.
        to: (model, version) to go to; by default the one that `live` names.
        break_glass: Go without the approvals that the tier asks for; it opens a finding.

    Raises:
        InvalidInput, NotFound, Refused, Conflict, Corrupt: See `incumbent.usecases.roll_back`.
    """
    if not break_glass and (server := _find_server()) is not None:
        return server.roll_back(slot=slot, reason=reason, to=to)
    with _opened(None) as (ws, _, _reference):
        return roll_back_usecase.roll_back(ws, slot=slot, reason=reason, to=to, break_glass=break_glass)


def archive(*, model: str, version: int, slot: str, reason: str) -> Placement:
    """Reject a candidate, or retire what is live. Nothing is deleted.

    Raises:
        InvalidInput, NotFound, Refused: See `incumbent.usecases.archive`.
    """
    if (server := _find_server()) is not None:
        return server.archive(model=model, version=version, slot=slot, reason=reason)
    with _opened(None) as (ws, _, _reference):
        return archive_usecase.archive(ws, model=model, version=version, slot=slot, reason=reason)


def live(*, slot: str) -> LiveSlot:
    """Return what is live in a slot: version, digest, since when, who approved it, on which evidence, what to roll back to.

    Raises:
        NotFound: There is no such slot.
    """
    if (server := _find_server()) is not None:
        return server.live(slot=slot)
    with _opened(None) as (ws, _, _reference):
        return live_usecase.get_live(ws, slot)


def trace(subject: str) -> Lineage:
    """Return the lineage of a prediction, run, MODEL@VERSION or digest, up to data and commit and down to its uses.

    Raises:
        InvalidInput, NotFound: It is none of these, or not here.
    """
    if (server := _find_server()) is not None:
        return server.trace(subject)
    with _opened(None) as (ws, _, _reference):
        return trace_usecase.trace(ws, subject)


def _open_logging(settings: Settings) -> tuple[Logging, Callable[[], None]]:
    """Open what a run is logged to, and return with it what closes it."""
    if settings.is_remote:
        desk = open_desk(settings)
        return desk, desk.close
    ws = open_workspace(settings)
    return ws, ws.store.close


def _find_server() -> Verbs | None:
    """Return the server whose workspace this works on, None where it is one of its own."""
    _refuse_inside()
    settings = read_settings(find_root(Path.cwd()))
    return open_server(settings) if settings.is_remote else None


@contextmanager
def _opened(pipeline: Pipeline | str | None) -> Iterator[tuple[Workspace, Settings, str]]:
    """Open the workspace of a pipeline's project, or of the current folder; close its store afterwards."""
    _refuse_inside()
    reference = ""
    root = find_root(Path.cwd())
    if isinstance(pipeline, Pipeline):
        path, name = _find_name(pipeline)
        root = find_root(path.parent)
        reference = f"{path.relative_to(root).as_posix()}:{name}"
    elif pipeline is not None:
        reference = pipeline
    settings = read_settings(root)
    ws = open_workspace(settings)
    try:
        yield ws, settings, reference or settings.pipeline
    finally:
        ws.store.close()


def _refuse_inside() -> None:
    """Refuse to start anything in a process that only imports the caller's file: it would start itself without end."""
    if os.environ.get("INCUMBENT_INSIDE"):
        raise Refused(
            "a worker that imports this file was about to start a run of its own; "
            'put the call under `if __name__ == "__main__":`, or move it out of the file that defines the stages'
        )


def _find_name(pipeline: Pipeline) -> tuple[Path, str]:
    """Return (file, name) of the module-level name that holds this very pipeline: workers import it by that name."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not file:
            continue
        for name, value in list(vars(module).items()):
            if value is pipeline:
                return Path(os.path.realpath(file)), name
    raise InvalidInput(
        f"pipeline {pipeline.name!r} is not bound to a name at the top level of a file, so worker processes cannot find it; "
        "write `pipeline = inc.Pipeline(…)` in a module, not inside a function or a notebook cell"
    )
