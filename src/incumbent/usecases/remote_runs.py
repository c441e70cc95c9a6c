"""Runs that another machine logs to this workspace over HTTP: begin one, add to it, end it.

Whoever runs sends what `describe_run` would have found on their machine: commit, environment, seed. Everything may be sent twice, as
a client does that got no answer: a run begins once under the id that the client chose, a point is known by writer and number, a param
keeps its first value, an artifact is there once, and a run that ended in a state ends in it again.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from incumbent.base.digest import digest_bytes
from incumbent.base.documents import Document, Json, document_bytes
from incumbent.base.errors import Conflict, InvalidInput, NotFound
from incumbent.base.metric import MetricPoint
from incumbent.tracking.param import plain_value
from incumbent.tracking.record import Settings, check_artifact_name, check_name, check_text, check_time
from incumbent.tracking.run import CodeVersion, Run, RunArtifact, RunState
from incumbent.usecases.log_run import seal_run
from incumbent.usecases.ports import Transaction
from incumbent.usecases.run_records import record_artifact, record_settings
from incumbent.usecases.tracked_runs import get_tracked_run
from incumbent.usecases.workspace import Workspace

_RUN_ID = re.compile(r"run-[a-z0-9]{8,40}", re.ASCII)
ENVIRONMENT_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Described:
    """How a run begins, as its own machine describes it.

    Attributes:
        run_id: Chosen by the client, so that a beginning that is sent twice is one run; "" lets the server choose.
        started_at: None: now.
        script: Name of the file that runs, "" if there is none.
        environment: What the client's interpreter and distributions are; {} if it does not say.
    """

    experiment: str
    run_id: str = ""
    name: str = ""
    parent_id: str | None = None
    seed: int | None = None
    started_at: datetime | None = None
    code: CodeVersion | None = None
    params: Mapping[str, Json] | None = None
    tags: Mapping[str, str] | None = None
    environment: Document | None = None
    script: str = ""


def begin_remote_run(ws: Workspace, tx: Transaction, *, described: Described) -> Run:
    """Store a running run and return it; one that the same actor began under this id is returned as it is.

    Raises:
        InvalidInput: The id, a name or a text cannot be stored, or the environment is too large.
        NotFound: The parent is not there.
        Conflict: Another run has the id.
    """
    if described.run_id and not _RUN_ID.fullmatch(described.run_id):
        raise InvalidInput(f"{described.run_id[:80]!r} is no run id: run- and 8 to 40 lower-case letters or digits")
    run_id = described.run_id or ws.ids.new("run")
    found = _find_begun(ws, tx, run_id)
    if found is not None:
        return found
    facts: dict[str, Json] = {"actor": ws.actor, "logged_by": "http"}
    if described.script:
        facts["script"] = check_text("the name of", "script", described.script)
    if described.environment:
        text = document_bytes(described.environment)
        if len(text) > ENVIRONMENT_BYTES_MAX:
            raise InvalidInput(f"the environment takes {len(text)} bytes; at most {ENVIRONMENT_BYTES_MAX} are kept")
        facts["environment"] = digest_bytes(text, ws.blobs.algorithm)
        tx.documents.put([described.environment])
    experiment = check_name("experiment", described.experiment)
    run = Run(
        run_id=run_id,
        experiment=experiment,
        name=check_name("run", described.name) if described.name else f"{experiment[:200]} {run_id[-6:]}",
        pipeline="",
        parent_id=described.parent_id,
        state="running",
        started_at=ws.clock.now() if described.started_at is None else check_time(described.started_at),
        ended_at=None,
        seed=described.seed,
        code=described.code or CodeVersion(),
        facts=facts,
        params=_params(described.params or {}),
        tags={"actor": ws.actor, **_tags(described.tags or {})},
    )
    tx.runs.create(run)
    return run


def _find_begun(ws: Workspace, tx: Transaction, run_id: str) -> Run | None:
    try:
        found = get_tracked_run(tx, run_id)
    except NotFound:
        return None
    if found.facts.get("actor") != ws.actor:
        raise Conflict(f"run {run_id} was begun by somebody else; choose another id")
    return found


def _params(params: Mapping[str, Json]) -> dict[str, Json]:
    return {check_name("param", name): plain_value(name, value) for name, value in params.items()}


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {check_name("tag", name): check_text("tag", name, text) for name, text in tags.items()}


def add_settings(tx: Transaction, *, run_id: str, params: Mapping[str, Json], tags: Mapping[str, str]) -> Sequence[str]:
    """Add params and tags; return in words what was not taken: a param that has another value already.

    Raises:
        NotFound: There is no run of exactly this id.
        InvalidInput: A name or text cannot be stored.
        Refused: The run is sealed.
    """
    get_tracked_run(tx, run_id)
    return record_settings(tx, run_id, Settings(_params(params), _tags(tags)))


def add_points(tx: Transaction, *, run_id: str, points: Sequence[MetricPoint], writer: str, first: int) -> None:
    """Store metric points numbered from `first` on by a writer; those stored before are left alone.

    Raises:
        NotFound: There is no run of exactly this id.
        InvalidInput: A name cannot be stored.
        Refused: The run is sealed.
    """
    get_tracked_run(tx, run_id)
    for name in {point.name for point in points}:
        check_name("metric", name)
    for point in points:
        check_time(point.at)
    tx.metrics.append(run_id, points, writer=check_name("writer", writer), first=first)


def attach(ws: Workspace, tx: Transaction, *, artifact: RunArtifact) -> None:
    """Add an input or output whose bytes are in the blob store.

    Raises:
        NotFound: There is no run of exactly this id, or no blob of this digest.
        InvalidInput: The name leaves its folder, or the size is not that of the blob.
        Conflict: Another one has the name, and stays.
        Refused: The run is sealed.
    """
    get_tracked_run(tx, artifact.run_id)
    check_artifact_name(artifact.name)
    given = artifact.artifact
    size = ws.blobs.size(given.digest)
    if size is None:
        raise NotFound(f"no blob {given.digest} in this workspace; send its bytes first")
    if given.codec == "file" and size != given.size:
        raise InvalidInput(f"artifact {artifact.name!r} is said to have {given.size} bytes, and its blob has {size}")
    for problem in record_artifact(tx, artifact):
        raise Conflict(problem)


def end_remote_run(ws: Workspace, *, run_id: str, state: RunState, error: str = "", ended_at: datetime | None = None) -> Run:
    """Seal a run and return it; one that was sealed in this state is returned as it is.

    Raises:
        NotFound: There is no run of exactly this id.
        InvalidInput: The state is that of a run that is not over, or it would have ended before it began.
        Refused: It is sealed in another state.
    """
    if state == "running":
        raise InvalidInput("a run ends finished, failed or killed")
    with ws.store.begin(read_only=True) as tx:
        run = get_tracked_run(tx, run_id)
    if ended_at is not None and check_time(ended_at) < run.started_at:
        raise InvalidInput(f"the run began at {run.started_at.isoformat()} and cannot have ended before")
    if run.manifest is not None and run.state == state:
        return run
    return seal_run(ws, run=run, state=state, error=check_text("error of", run_id, error), ended_at=ended_at)
