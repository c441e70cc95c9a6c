"""A pipeline's page: its graph, with what the next run would do with each stage, and what an edit of one would rerun."""

from dataclasses import dataclass

from incumbent.base.errors import IncumbentError, NotFound
from incumbent.pipeline.plan import StagePlan
from incumbent.server.messages import Request, Response, Server
from incumbent.server.pages.layers import Layout, lay_out
from incumbent.server.pages.render import link, page, problems_as_pages
from incumbent.tracking.compare import stage_name
from incumbent.usecases.log_run import get_run
from incumbent.usecases.pipeline_map import PipelineMap, get_last_run, get_pipeline_map, list_pipelines

LABEL_CHARACTERS = 22
"""As many as a box has room for; the whole name stands in its title and in the table."""
BOXES_MAX = 1000


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage of the table."""

    plan: StagePlan
    why: str
    edit: str
    downstream: tuple[str, ...]


@problems_as_pages
def show_pipelines(server: Server, _request: Request) -> Response:
    """Show the pipelines that have runs."""
    return page("pipelines.html", "Pipelines", room="/pipelines", pipelines=list_pipelines(server.ws))


@problems_as_pages
def show_pipeline(server: Server, request: Request) -> Response:
    """Show a pipeline's plan; of one that cannot be planned any more, its last run and why."""
    name = request.path["pipeline"]
    edited = request.read_query().get("edited", "")
    last = get_last_run(server.ws, name)
    try:
        found = get_pipeline_map(server.ws, pipeline=name, edited=[edited] if edited else [])
    except IncumbentError as error:
        if edited and isinstance(error, NotFound) and "stage" in str(error):
            raise
        stages = get_run(server.ws, run_id=last.run_id).stages
        return page(
            "pipeline.html", f"Pipeline {name}", room="/pipelines", name=name, last=last, problem=str(error), stages=stages,
            stage_name=stage_name, found=None, edited=edited,
        )  # fmt: skip
    layout = lay_out(found.needs) if len(found.needs) <= BOXES_MAX else None
    return page(
        "pipeline.html", f"Pipeline {name}", room="/pipelines", name=name, last=last, problem="", found=found, edited=edited,
        counts=found.plan.count(), rows=_list_rows(name, found), layout=layout, boxes=_list_boxes(layout, found), label=_label,
    )  # fmt: skip


def _list_rows(name: str, found: PipelineMap) -> list[StageRow]:
    return [
        StageRow(plan, explain(plan), link("pipelines", name, edited=stage), found.downstream[stage][1:])
        for stage, plan in found.plan.stages.items()
    ]


def explain(plan: StagePlan) -> str:
    """Return in words why a stage would do what the plan says."""
    more = f", and {len(plan.differences) - 1} more" if len(plan.differences) > 1 else ""
    if plan.state == "waits":
        first = f"{', '.join(plan.waits_for)} would rerun first"
        return (
            f"{first}; then {plan.differences[0]}{more}" if plan.differences else f"{first}; spared if that gives the same bytes as before"
        )
    if plan.state == "hit":
        return "data, code, config, environment and seed are as they were"
    return f"{plan.differences[0]}{more}" if plan.differences else "something it needs is not as it was"


def _list_boxes(layout: Layout | None, found: PipelineMap) -> list[tuple[str, float, float, str]]:
    """Return (name, x, y, kind) of every box: kind "source", or the stage's state in the plan."""
    boxes = layout.boxes if layout else ()
    return [(box.name, box.x, box.y, "source" if box.name in found.sources else found.plan.stages[box.name].state) for box in boxes]


def _label(name: str) -> str:
    return name if len(name) <= LABEL_CHARACTERS else f"{name[: LABEL_CHARACTERS - 1]}…"
