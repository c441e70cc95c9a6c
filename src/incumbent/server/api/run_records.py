"""What a run left behind beside its own record: what its stages printed, and its lineage as others read it."""

from typing import Annotated

from msgspec import Meta

from incumbent.server.api.cursor import read_place
from incumbent.server.api.operation import Call, In, Operation, Out, Page
from incumbent.server.api.shapes import AT, DIGEST, Document, Name
from incumbent.server.messages import Server
from incumbent.usecases.openlineage import get_lineage_events
from incumbent.usecases.rights import READ
from incumbent.usecases.stage_logs import find_stage_logs


class StageLog(Out):
    """What a stage, or one item of it, printed."""

    stage: Annotated[str, Meta(description="STAGE, or STAGE[ITEM].")]
    log: Annotated[str, Meta(description="Digest of the text; `GET /blobs/{digest}` gives it, in UTF-8.")]


class OfStage(In):
    """Of which stage."""

    stage: Annotated[Name | None, Meta(description="Only this one.")] = None


class LineageEvents(Out):
    """A run as OpenLineage tells it."""

    events: Annotated[list[Document], Meta(description="START, and COMPLETE, FAIL or ABORT once it is over.")]


def list_logs(server: Server, call: Call) -> Page:
    """List what the stages of a run printed, in the order in which they ended."""
    asked: OfStage = call.query
    [skipped] = read_place(call, int) or (0,)
    found = find_stage_logs(server.ws, run_id=call.path["run"], stage=asked.stage or "")
    end = skipped + call.limit
    return Page([{"stage": stage, "log": str(log)} for stage, log in found[skipped:end]], [end] if len(found) > end else None)


def get_run_lineage_events(server: Server, call: Call) -> object:
    """Tell a run as OpenLineage events."""
    return {"events": get_lineage_events(server.ws, call.path["run"])}


OPERATIONS = (
    Operation(
        "list_stage_logs", "runs", "GET", "/runs/{run}/logs", READ,
        "List what the stages of a run printed, in the order in which they ended.",
        list_logs, StageLog, {"stage": "train", "log": DIGEST}, query=OfStage, is_paged=True, by=("stage_logs.find_stage_logs",),
        more="A stage whose output came from the cache has what it printed when it ran.",
    ),
    Operation(
        "get_lineage_events", "runs", "GET", "/runs/{run}/lineage-events", READ,
        "Tell what a run took and gave as OpenLineage events: one while it runs, two once it is over.",
        get_run_lineage_events, LineageEvents,
        {"events": [{"eventType": "START", "eventTime": AT, "job": {"namespace": "incumbent", "name": "credit"}}]},
        by=("openlineage.get_lineage_events",),
    ),
)  # fmt: skip
