"""Pipelines that this server's checkout has: which there are, and what an edit would rerun. Nothing is run here."""

from typing import Annotated

from msgspec import Meta

from incumbent.server.api.cursor import cut_page
from incumbent.server.api.operation import Call, In, Operation, Out, Page
from incumbent.server.api.shapes import RUN, Document, Time
from incumbent.server.messages import Server
from incumbent.usecases.pipeline_map import explain_mapped_stage, get_pipeline_map, list_pipelines
from incumbent.usecases.rights import READ


class Pipeline(Out):
    """A pipeline that was run."""

    pipeline: str
    runs: Annotated[int, Meta(description="Among the newest runs.")]
    last_run: str
    last_started_at: Time


class Plan(Out):
    """What a run with the last config and seed would do, stage by stage."""

    reference: str
    last_run: str
    needs: Annotated[dict[str, list[str]], Meta(description="Stage or source -> what it needs.")]
    plan: Annotated[Document, Meta(description="As `incumbent plan --json` has it.")]


class Why(Out):
    """Why a stage would rerun, or why not."""

    plan: Annotated[Document, Meta(description="What a run would do with it, and which of its inputs differ, with both values.")]
    causes: Annotated[list[Document], Meta(description="Of a stage that waits: the plans of the stages above that rerun.")]
    code: Annotated[dict[str, str], Meta(description="For each edited symbol its difference, as unified diff.")]
    last_run: Annotated[str, Meta(description="Compared with; empty if there is none.")]
    made_by: Annotated[str, Meta(description="Of a stage that would not rerun: the run whose output is taken.")]


class Edited(In):
    """What to take as edited."""

    edited: Annotated[str, Meta(max_length=8_000, description="Stages, commas between.")] = ""


def list_all_pipelines(server: Server, call: Call) -> Page:
    """List the pipelines among the newest runs."""
    return cut_page(
        list_pipelines(server.ws), place=lambda one: (one[0],), call=call,
        show=lambda one: {"pipeline": one[0], "runs": one[1], "last_run": one[2].run_id, "last_started_at": one[2].started_at.isoformat()},
    )  # fmt: skip


def plan_pipeline(server: Server, call: Call) -> object:
    """Plan a pipeline."""
    asked: Edited = call.query
    edited = [name for name in asked.edited.split(",") if name]
    found = get_pipeline_map(server.ws, pipeline=call.path["pipeline"], edited=edited)
    return {
        "reference": found.reference, "last_run": found.last_run.run_id, "needs": {name: [*of] for name, of in found.needs.items()},
        "plan": found.plan.to_json(),
    }  # fmt: skip


def explain_one_stage(server: Server, call: Call) -> object:
    """Say why a stage would rerun."""
    return explain_mapped_stage(server.ws, pipeline=call.path["pipeline"], stage=call.path["stage"]).to_json()


OPERATIONS = (
    Operation(
        "list_pipelines", "pipelines", "GET", "/pipelines", READ, "List the pipelines among the newest runs, by name.",
        list_all_pipelines, Pipeline, {"pipeline": "credit", "runs": 12, "last_run": RUN, "last_started_at": "2026-11-25T09:30:00+00:00"},
        is_paged=True, by=("pipeline_map.list_pipelines",),
    ),
    Operation(
        "plan_pipeline", "pipelines", "GET", "/pipelines/{pipeline}/plan", READ,
        "Say what a run would do again and why, with the config and the seed of the last finished run.",
        plan_pipeline, Plan,
        {
            "reference": "pipelines/credit.py:pipeline", "last_run": RUN, "needs": {"train": ["features"], "features": []},
            "plan": {"pipeline": "credit", "counts": {"hit": 1, "run": 1, "waits": 0}, "stages": []},
        },
        query=Edited, refuses=True, by=("pipeline_map.get_pipeline_map",),
    ),
    Operation(
        "why", "pipelines", "GET", "/pipelines/{pipeline}/stages/{stage}/why", READ,
        "Say why a stage would rerun: the inputs that differ from the last finished run, both values, and the difference of its code.",
        explain_one_stage, Why,
        {
            "plan": {"stage": "train", "state": "run", "differences": [{"kind": "config", "name": "depth", "old": "6", "new": "8"}]},
            "causes": [], "code": {}, "last_run": RUN, "made_by": "",
        },
        refuses=True, by=("pipeline_map.explain_mapped_stage",),
    ),
)  # fmt: skip
