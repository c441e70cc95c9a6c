"""Runs: the table of them, one run whole, its points, and where runs differ."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from incumbent.base.documents import Document as Json
from incumbent.base.errors import InvalidInput
from incumbent.base.metric import MetricPoint, Value, show_value
from incumbent.server.api.cursor import place_of_time, read_place, time_of_place
from incumbent.server.api.operation import Call, In, Operation, Out, Page
from incumbent.server.api.shapes import ARTIFACT, AT, DIGEST, RUN, Artifact, Document, Time
from incumbent.server.messages import Server
from incumbent.tracking.manifest import stage_document
from incumbent.tracking.record import artifact_document, run_document
from incumbent.tracking.run import Run as RunValue
from incumbent.tracking.search import Combination, Comparison, Query, parse_query
from incumbent.usecases.log_run import compare, get_last_points, get_run, search_runs, verify_seal
from incumbent.usecases.rights import READ

POINTS_MAX = 25_000
RUNS_COMPARED_MAX = 50


class Code(Out):
    """The commit that a run ran."""

    commit: str
    is_dirty: bool
    tree: Annotated[str, Meta(description="Digest of the working tree, where it differed from the commit.")]


class LastPoint(Out):
    """The last point of a metric."""

    value: Value
    step: int
    at: Time


class Run(Out):
    """A run, without what hangs on it."""

    run_id: str
    experiment: str
    name: str
    pipeline: str
    parent_id: str | None
    state: Literal["running", "finished", "failed", "killed"]
    started_at: Time
    ended_at: Time | None
    seed: int | None
    code: Code
    facts: Document
    params: Document
    tags: dict[str, str]
    manifest: Annotated[str | None, Meta(description="Digest of what was sealed; null while the run goes on.")]
    metrics: dict[str, LastPoint]


class Attached(Out):
    """An input or output of a run."""

    direction: Literal["input", "output"]
    name: str
    artifact: Artifact
    media_type: str


class Note(Out):
    """Words about a run."""

    at: Time
    actor: str
    text: str


class RunWhole(Run):
    """A run and all that hangs on it, but for the single points of its metrics."""

    stages: list[Document]
    artifacts: list[Attached]
    notes: list[Note]
    environment: Document


class Point(Out):
    """A point of a metric."""

    value: Value
    step: int
    at: Time


class Seal(Out):
    """What a run's manifest was computed to be, from what is stored."""

    run_id: str
    manifest: str


class Row(Out):
    """One field across the compared runs."""

    section: str
    name: str
    values: Annotated[list[Any], Meta(description="One a run, in the order asked for; null where a run has none.")]
    has: Annotated[list[bool], Meta(description="Whether a run has the field.")]
    is_same: bool


class RunComparison(Out):
    """Where runs differ."""

    runs: list[str]
    rows: list[Row]


class Search(In):
    """Which runs."""

    query: Annotated[
        str,
        Meta(
            max_length=20_000, description="In the language of `incumbent runs search`.",
            examples=["metrics.auc > 0.9 and params.depth = 6 order by metrics.auc desc"],
        ),
    ] = ""  # fmt: skip


class Compared(In):
    """Which runs to compare."""

    runs: Annotated[str, Meta(min_length=1, max_length=8_000, description="Ids, commas between.")]
    all: Annotated[bool, Meta(description="Also what they share.")] = False


def list_runs(server: Server, call: Call) -> Page:
    """List the runs that a query matches, in its order, else newest first."""
    asked: Search = call.query
    query = parse_query(asked.query)
    page = _list_ordered if query.order else _list_newest
    runs, after = page(server, query, call)
    points = get_last_points(server.ws, run_ids=[one.run_id for one in runs])
    return Page([show_run(one, points.get(one.run_id, {})) for one in runs], after)


def _list_newest(server: Server, query: Query, call: Call) -> tuple[Sequence[RunValue], list[str | int] | None]:
    """Go on after the time of the last run, and after as many runs of that very time as were shown."""
    micros, shown = read_place(call, int, int) or (None, 0)
    condition = query if micros is None else _begun_by(query, micros)
    found = search_runs(server.ws, query=condition, limit=call.limit + 1, offset=shown)
    runs = found[: call.limit]
    if len(found) <= call.limit:
        return runs, None
    last = place_of_time(runs[-1].started_at)
    equal = sum(1 for one in runs if place_of_time(one.started_at) == last)
    return runs, [last, equal + (shown if micros == last else 0)]


def _list_ordered(server: Server, query: Query, call: Call) -> tuple[Sequence[RunValue], list[str | int] | None]:
    """Count from the start, among the runs that had begun when the first page was asked for."""
    micros, shown = read_place(call, int, int) or (None, 0)
    until = place_of_time(server.ws.clock.now()) if micros is None else micros
    found = search_runs(server.ws, query=_begun_by(query, until), limit=call.limit + 1, offset=shown)
    runs = found[: call.limit]
    return runs, [until, shown + call.limit] if len(found) > call.limit else None


def _begun_by(query: Query, micros: int) -> Query:
    at = time_of_place(micros).isoformat(timespec="microseconds")
    pinned = Comparison("attributes", "started_at", "<=", at)
    return Query(pinned if query.condition is None else Combination("and", (pinned, query.condition)), query.order)


def show_run(run: RunValue, points: Mapping[str, MetricPoint]) -> Json:
    """Return a run as the table has it."""
    return {**run_document(run), "metrics": {name: _show_point(point) for name, point in points.items()}}


def _show_point(point: MetricPoint) -> Json:
    return {"value": show_value(point.value), "step": point.step, "at": point.at.isoformat()}


def get_one_run(server: Server, call: Call) -> object:
    """Show a run and all that hangs on it."""
    found = get_run(server.ws, run_id=call.path["run"])
    return {
        **show_run(found.run, found.metrics),
        "stages": [stage_document(stage) for stage in found.stages],
        "artifacts": [artifact_document(one) for one in found.artifacts],
        "notes": [{"at": note.at.isoformat(), "actor": note.actor, "text": note.text} for note in found.notes],
        "environment": found.environment,
    }


def list_points(server: Server, call: Call) -> Page:
    """List the points of one metric, by time and step."""
    [offset] = read_place(call, int) or (0,)
    with server.ws.store.begin(read_only=True) as tx:
        run = tx.runs.get(call.path["run"])
        found = tx.open_runs.page_history(run.run_id, call.path["metric"], limit=call.limit + 1, offset=offset)
    return Page([_show_cells(*cells) for cells in found[: call.limit]], [offset + call.limit] if len(found) > call.limit else None)


def _show_cells(value: float | None, step: int, micros: int) -> Json:
    return {"value": "NaN" if value is None else show_value(value), "step": step, "at": time_of_place(micros).isoformat()}


def get_seal(server: Server, call: Call) -> object:
    """Compute a run's manifest again."""
    run = get_run(server.ws, run_id=call.path["run"]).run
    return {"run_id": run.run_id, "manifest": verify_seal(server.ws, run_id=run.run_id)}


def compare_runs(server: Server, call: Call) -> object:
    """Show where runs differ."""
    asked: Compared = call.query
    names = asked.runs.split(",")
    if len(names) > RUNS_COMPARED_MAX:
        raise InvalidInput(f"{len(names)} runs: at most {RUNS_COMPARED_MAX} are compared at once")
    found = compare(server.ws, run_ids=names)
    rows = found.rows if asked.all else found.differences
    return {
        "runs": [*found.run_ids],
        "rows": [{"section": r.section, "name": r.name, "values": r.values, "has": r.has, "is_same": r.is_same} for r in rows],
    }


_POINT: Document = {"value": 0.914, "step": 12, "at": AT}
RUN_SHOWN: Document = {
    "run_id": RUN,
    "experiment": "credit",
    "name": "credit depth 6",
    "pipeline": "",
    "parent_id": None,
    "state": "finished",
    "started_at": AT,
    "ended_at": "2026-11-25T09:31:10+00:00",
    "seed": 7,
    "code": {"commit": "9e1a0c55d7d0b3a7a3c7c9f1f6f4a8b2c0d1e2f3", "is_dirty": False, "tree": ""},
    "facts": {"actor": "ann"},
    "params": {"depth": 6},
    "tags": {"actor": "ann"},
    "manifest": DIGEST,
    "metrics": {"valid/auc": _POINT},
}

OPERATIONS = (
    Operation(
        "list_runs", "runs", "GET", "/runs", READ, "List the runs that a query matches, in its order, else newest first.",
        list_runs, Run, RUN_SHOWN, query=Search, is_paged=True, by=("log_run.search_runs", "log_run.get_last_points"),
        more="Without an order of its own, a page goes on where the last one ended. With one, only runs that had begun when the first "
        "page was asked for are listed; a run whose metric moves meanwhile may change its place.",
    ),
    Operation(
        "compare_runs", "runs", "GET", "/compare/runs", READ, "Show where runs differ, in params, metrics, code, environment and all else.",
        compare_runs, RunComparison,
        {
            "runs": [RUN, "run-0mjq1k9z8-11bc"],
            "rows": [{"section": "params", "name": "depth", "values": [6, 8], "has": [True, True], "is_same": False}],
        },
        query=Compared, by=("log_run.compare",),
    ),
    Operation(
        "get_run", "runs", "GET", "/runs/{run}", READ, "Show a run and all that hangs on it, but for the single points of its metrics.",
        get_one_run, RunWhole,
        {
            **RUN_SHOWN,
            "stages": [],
            "artifacts": [{"direction": "output", "name": "model", "artifact": ARTIFACT, "media_type": ""}],
            "notes": [{"at": AT, "actor": "rita", "text": "the baseline to beat"}],
            "environment": {"python": "3.12.4"},
        },
        by=("log_run.get_run",),
    ),
    Operation(
        "list_points", "runs", "GET", "/runs/{run}/metrics/{metric}", READ, "List the points of one metric of a run, by time and step.",
        list_points, Point, _POINT, is_paged=True, rows_max=POINTS_MAX,
        more="A point that comes in late, with an earlier time, moves those after it by one place.",
    ),
    Operation(
        "verify_seal", "runs", "GET", "/runs/{run}/seal", READ,
        "Compute the manifest of a sealed run again from what is stored; 500 with the problem `corrupt` if it is not what was sealed.",
        get_seal, Seal, {"run_id": RUN, "manifest": DIGEST}, refuses=True, by=("log_run.verify_seal",),
    ),
)  # fmt: skip
