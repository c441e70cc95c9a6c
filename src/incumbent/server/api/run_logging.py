"""Logging a run from another machine: begin it, add params, tags, points, artifacts and notes, end it. All of it may be sent twice."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from incumbent.base.artifact import artifact_from_json
from incumbent.base.metric import MetricPoint, Value, read_value
from incumbent.server.api.operation import Call, In, Operation, Out
from incumbent.server.api.runs import RUN_SHOWN, Note, Run, show_run
from incumbent.server.api.shapes import ARTIFACT, AT, RUN, Document, Name, Time
from incumbent.server.messages import Server
from incumbent.tracking.run import CodeVersion, RunArtifact
from incumbent.usecases.log_run import add_note, get_last_points
from incumbent.usecases.ports import Transaction
from incumbent.usecases.remote_runs import Described, add_points, add_settings, attach, begin_remote_run, end_remote_run
from incumbent.usecases.rights import TRACK

POINTS_MAX = 5_000


class NewCode(In):
    """The commit that the run runs."""

    commit: Annotated[str, Meta(max_length=64)] = ""
    is_dirty: bool = False
    tree: Annotated[str, Meta(max_length=80, description="Digest of the files that differ from the commit.")] = ""


class NewRun(In):
    """How a run begins."""

    experiment: Name
    run_id: Annotated[
        str, Meta(max_length=44, description="Chosen by the client: sent twice, it begins one run. `run-` and 8 or more.")
    ] = ""
    name: Annotated[str, Meta(max_length=250)] = ""
    parent_id: Annotated[str | None, Meta(description="The run that this one is nested in.")] = None
    seed: int | None = None
    started_at: Annotated[Time | None, Meta(description="Now, if it is left out.")] = None
    code: NewCode = msgspec.field(default_factory=NewCode)
    script: Annotated[str, Meta(max_length=250, description="Name of the file that runs.")] = ""
    params: Document = msgspec.field(default_factory=dict)
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    environment: Annotated[Document, Meta(description="Interpreter and distributions of the machine that runs.")] = msgspec.field(
        default_factory=dict
    )


class Settings(In):
    """Params and tags to add."""

    params: Document = msgspec.field(default_factory=dict)
    tags: dict[str, str] = msgspec.field(default_factory=dict)


class Taken(Out):
    """What was not taken, in words: a param that had another value already. Tags replace."""

    conflicts: list[str]


class NewPoint(In):
    """A point of a metric."""

    name: Name
    value: Value
    at: Time
    step: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] = 0


class NewPoints(In):
    """Points, numbered by who sends them: one that is sent again, under its number, is stored once."""

    writer: Annotated[str, Meta(min_length=1, max_length=250, description="One word a process that logs.")]
    first: Annotated[int, Meta(ge=0, le=2**62, description="The number of the first point here; the others follow.")]
    points: Annotated[list[NewPoint], Meta(max_length=POINTS_MAX)]


class Stored(Out):
    """How many points there were."""

    points: int


class GivenArtifact(In):
    """Bytes by digest, as a codec stored them."""

    codec: Name
    digest: str
    size: Annotated[int, Meta(ge=0)]
    name: Annotated[str, Meta(max_length=250)] = ""


class NewArtifact(In):
    """An input or output whose bytes are in the blob store."""

    name: Annotated[str, Meta(min_length=1, max_length=250, description="A relative path.")]
    artifact: GivenArtifact
    direction: Literal["input", "output"] = "output"
    media_type: Annotated[str, Meta(max_length=200)] = ""


class Attachment(Out):
    """What hangs on the run now."""

    run_id: str
    name: str
    digest: str


class End(In):
    """How a run ended."""

    state: Literal["finished", "failed", "killed"]
    error: Annotated[str, Meta(max_length=16_000, description="Why, if it did not finish.")] = ""
    ended_at: Annotated[Time | None, Meta(description="Now, if it is left out.")] = None


class NewNote(In):
    """Words about a run."""

    text: Annotated[str, Meta(min_length=1, max_length=16_000)]
    at: Annotated[Time | None, Meta(description="When it was written; sent twice, it is there once. Now, if it is left out.")] = None


def begin_run(server: Server, call: Call) -> object:
    """Begin a run."""
    asked: NewRun = call.body
    described = Described(
        experiment=asked.experiment, run_id=asked.run_id, name=asked.name, parent_id=asked.parent_id, seed=asked.seed,
        started_at=asked.started_at, code=CodeVersion(asked.code.commit, asked.code.is_dirty, asked.code.tree), params=asked.params,
        tags=asked.tags, environment=asked.environment, script=asked.script,
    )  # fmt: skip
    run = server.writer.write(server.ws.store, lambda tx: begin_remote_run(server.ws, tx, described=described))
    return show_run(run, {})


def log_settings(server: Server, call: Call) -> object:
    """Add params and tags."""
    asked: Settings = call.body
    run_id = call.path["run"]

    def write(tx: Transaction) -> list[str]:
        return [*add_settings(tx, run_id=run_id, params=asked.params, tags=asked.tags)]

    return {"conflicts": server.writer.write(server.ws.store, write)}


def log_points(server: Server, call: Call) -> object:
    """Store points."""
    asked: NewPoints = call.body
    run_id = call.path["run"]
    points = [MetricPoint(one.name, read_value(one.value), one.step, one.at) for one in asked.points]
    server.writer.write(
        server.ws.store, lambda tx: add_points(tx, run_id=run_id, points=points, writer=asked.writer, first=asked.first)
    )  # fmt: skip
    return {"points": len(points)}


def attach_artifact(server: Server, call: Call) -> object:
    """Add an input or output."""
    asked: NewArtifact = call.body
    given: dict[str, Any] = msgspec.to_builtins(asked.artifact)
    artifact = RunArtifact(call.path["run"], asked.direction, asked.name, artifact_from_json(given), asked.media_type)
    server.writer.write(server.ws.store, lambda tx: attach(server.ws, tx, artifact=artifact))
    return {"run_id": artifact.run_id, "name": artifact.name, "digest": artifact.artifact.digest}


def end_run(server: Server, call: Call) -> object:
    """Seal a run."""
    asked: End = call.body
    run = end_remote_run(server.ws, run_id=call.path["run"], state=asked.state, error=asked.error, ended_at=asked.ended_at)
    return show_run(run, get_last_points(server.ws, run_ids=[run.run_id]).get(run.run_id, {}))


def note_run(server: Server, call: Call) -> object:
    """Add words to a run."""
    asked: NewNote = call.body
    note = add_note(server.ws, run_id=call.path["run"], text=asked.text, at=asked.at)
    return {"at": note.at.isoformat(), "actor": note.actor, "text": note.text}


OPERATIONS = (
    Operation(
        "begin_run", "runs", "POST", "/runs", TRACK, "Begin a run that another machine runs.",
        begin_run, Run, {**RUN_SHOWN, "state": "running", "ended_at": None, "manifest": None, "metrics": {}},
        body=NewRun, sent={"experiment": "credit", "seed": 7, "params": {"depth": 6}}, status=201, may_conflict=True,
        by=("remote_runs.begin_remote_run",),
    ),
    Operation(
        "log_settings", "runs", "POST", "/runs/{run}/settings", TRACK, "Add params and tags to a run; a param keeps its first value.",
        log_settings, Taken, {"conflicts": []}, body=Settings, sent={"params": {"rows": 12_000}, "tags": {"team": "risk"}}, refuses=True,
        by=("remote_runs.add_settings",),
    ),
    Operation(
        "log_points", "runs", "POST", "/runs/{run}/points", TRACK, "Store points of metrics; they are on disk when the answer comes.",
        log_points, Stored, {"points": 1}, body=NewPoints,
        sent={"writer": "host-4711", "first": 0, "points": [{"name": "valid/auc", "value": 0.914, "step": 12, "at": AT}]}, refuses=True,
        by=("remote_runs.add_points",),
    ),
    Operation(
        "attach_artifact", "runs", "POST", "/runs/{run}/artifacts", TRACK, "Add an input or output whose bytes are in the blob store.",
        attach_artifact, Attachment, {"run_id": RUN, "name": "model", "digest": ARTIFACT["digest"]},
        body=NewArtifact, sent={"name": "model", "artifact": ARTIFACT}, status=201, refuses=True, may_conflict=True,
        by=("remote_runs.attach",),
    ),
    Operation(
        "end_run", "runs", "POST", "/runs/{run}/end", TRACK, "End a run: what it logged is sealed, and it takes notes only from now on.",
        end_run, Run, RUN_SHOWN, body=End, sent={"state": "finished"}, refuses=True, by=("remote_runs.end_remote_run",),
    ),
    Operation(
        "note_run", "runs", "POST", "/runs/{run}/notes", TRACK, "Add a note to a run, sealed or not.",
        note_run, Note, {"at": AT, "actor": "rita", "text": "the baseline to beat"}, body=NewNote, sent={"text": "the baseline to beat"},
        status=201, by=("log_run.add_note",),
    ),
)  # fmt: skip
