"""The verb behind a pipeline's page: its graph, and what a run would do with each stage, from the settings of its last run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput, NotFound
from incumbent.pipeline.plan import Plan
from incumbent.tracking.run import Run
from incumbent.tracking.search import Comparison, Query
from incumbent.usecases.plan_pipeline import Explanation, explain_stage, plan_pipeline
from incumbent.usecases.workspace import Workspace

RUNS_LOOKED_AT = 500
"""How far back `list_pipelines` looks."""
_OF_PIPELINES = Query(Comparison("attributes", "pipeline", "!=", ""))


@dataclass(frozen=True, slots=True)
class PipelineMap:
    """A pipeline as it is now, planned with the config and the seed of its last finished run.

    Attributes:
        reference: `FILE.py:NAME` or `module:NAME`.
        needs: Stage or source -> the stages and sources that it needs.
        sources: Names of the sources among them.
        downstream: Stage -> itself and all that needs it.
    """

    reference: str
    last_run: Run
    needs: Mapping[str, tuple[str, ...]]
    sources: frozenset[str]
    downstream: Mapping[str, tuple[str, ...]]
    plan: Plan


def get_pipeline_map(ws: Workspace, *, pipeline: str, edited: Sequence[str] = ()) -> PipelineMap:
    """Return a pipeline's graph and plan. Sources are looked at, as for any plan; no code is imported or run.

    Args:
        ws: The workspace.
        pipeline: Its name.
        edited: Stages to take as edited.

    Raises:
        NotFound: It has no finished run, its code or data is not here any more, or an edited stage does not exist.
        InvalidInput: Its code or a source cannot be used.
    """
    last = get_last_run(ws, pipeline)
    reference, config = _settings_of(last)
    plan = plan_pipeline(ws, pipeline=reference, config=config, seed=last.seed or 0, edited=edited)
    graph = ws.code.read(reference).graph
    wires = {stage: tuple(dict.fromkeys(wire.producer or wire.name for wire in found.values())) for stage, found in graph.wires.items()}
    return PipelineMap(
        reference=reference,
        last_run=last,
        needs={**dict.fromkeys(graph.sources, ()), **wires},
        sources=frozenset(graph.sources),
        downstream={stage: graph.list_downstream(stage) for stage in graph.stages},
        plan=plan,
    )


def explain_mapped_stage(ws: Workspace, *, pipeline: str, stage: str) -> Explanation:
    """Say why a stage would rerun with the config and the seed of the pipeline's last finished run, or why it would not.

    Args:
        ws: The workspace.
        pipeline: Its name.
        stage: Name of the stage.

    Raises:
        NotFound: The pipeline has no finished run, its code or data is not here any more, or it has no such stage.
        InvalidInput: Its code or a source cannot be used.
    """
    last = get_last_run(ws, pipeline)
    reference, config = _settings_of(last)
    return explain_stage(ws, stage=stage, pipeline=reference, config=config, seed=last.seed or 0)


def _settings_of(run: Run) -> tuple[str, dict[str, dict[str, Json]]]:
    reference = run.facts.get("pipeline")
    if not isinstance(reference, str):
        raise NotFound(f"run {run.run_id} does not say where the pipeline {run.pipeline[:80]!r} stands, so it cannot be planned")
    return reference, _tables(run.facts.get("config"))


def get_last_run(ws: Workspace, pipeline: str) -> Run:
    """Return the newest finished run of a pipeline.

    Raises:
        NotFound: There is none; the message lists the pipelines that are.
    """
    with ws.store.begin(read_only=True) as tx:
        found = tx.index.find_latest(pipeline)
    if found is None:
        known = ", ".join(name for name, _, _ in list_pipelines(ws))
        raise NotFound(f"no run of a pipeline {pipeline[:80]!r} has finished; there are: {known or 'none yet'}")
    return found


def list_pipelines(ws: Workspace) -> Sequence[tuple[str, int, Run]]:
    """Return (name, number of runs, newest run) of the pipelines among the newest runs, those run last first."""
    with ws.store.begin(read_only=True) as tx:
        runs = tx.index.search(_OF_PIPELINES, limit=RUNS_LOOKED_AT)
    counted = Counter(one.pipeline for one in runs)
    newest: dict[str, Run] = {}
    for one in runs:
        newest.setdefault(one.pipeline, one)
    return [(name, counted[name], one) for name, one in newest.items()]


def _tables(config: Json) -> dict[str, dict[str, Json]]:
    if config is None:
        return {}
    if not isinstance(config, dict) or not all(isinstance(values, dict) for values in config.values()):
        raise InvalidInput("the config on record is no table of tables")
    return {stage: values for stage, values in config.items() if isinstance(values, dict)}
