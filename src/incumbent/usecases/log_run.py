"""The verbs of runs: begin one, log to it, seal it, add a note, look at it, search, compare.

Every function here works on the store at once. A training script logs through `live_run`, which writes to a spool instead.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from incumbent.base.digest import Digest, digest_bytes
from incumbent.base.documents import Json, document_bytes
from incumbent.base.errors import Corrupt, InvalidInput, Refused
from incumbent.base.metric import MetricPoint
from incumbent.tracking.compare import RunComparison, RunDetails, compare_runs
from incumbent.tracking.record import Began, check_name, check_text, check_time
from incumbent.tracking.run import Note, Run, RunState
from incumbent.tracking.search import Query, parse_query
from incumbent.usecases.ports import Transaction
from incumbent.usecases.run_records import describe_manifest, is_equal, list_histories, record_beginning, record_note, seal
from incumbent.usecases.sink import Logging
from incumbent.usecases.workspace import Workspace

SEARCH_LIMIT = 100


def describe_run(
    ws: Logging,
    *,
    experiment: str,
    name: str = "",
    parent_id: str | None = None,
    seed: int | None = None,
    params: Mapping[str, Json] | None = None,
    tags: Mapping[str, str] | None = None,
    facts: Mapping[str, Json] | None = None,
) -> Began:
    """Return how a run begins, with the commit and the environment of this process; nothing is stored.

    Raises:
        InvalidInput: A name or tag cannot be stored.
    """
    run_id = ws.ids.new("run")
    environment = ws.environment.summary()
    digest = digest_bytes(document_bytes(environment), ws.blobs.algorithm)
    run = Run(
        run_id=run_id,
        experiment=check_name("experiment", experiment),
        name=check_name("run", name) if name else f"{experiment[:200]} {run_id[-6:]}",
        pipeline="",
        parent_id=parent_id,
        state="running",
        started_at=ws.clock.now(),
        ended_at=None,
        seed=seed,
        code=ws.code.version(),
        facts={"environment": digest, "process": ws.processes.own_name(), **(facts or {}), **_describe_actor(ws)},
        params=dict(params or {}),
        tags={"actor": ws.actor, **{check_name("tag", key): check_text("tag", key, text) for key, text in (tags or {}).items()}},
    )
    return Began(run, environment)


def _describe_actor(ws: Logging) -> dict[str, Json]:
    return {"actor": ws.actor, "account": ws.account} if ws.account else {"actor": ws.actor}


def start_run(ws: Workspace, *, began: Began) -> Run:
    """Store a run that `describe_run` described, and return it."""
    with ws.store.begin() as tx:
        record_beginning(tx, began)
    return began.run


def log_points(ws: Workspace, *, run_id: str, points: Sequence[MetricPoint], writer: str, first: int) -> None:
    """Store metric points, durable before this returns; the same (run, writer, number) is stored once, however often it is sent.

    Raises:
        Refused: The run is sealed.
    """
    with ws.store.begin() as tx:
        tx.metrics.append(run_id, points, writer=writer, first=first)


def seal_run(ws: Workspace, *, run: Run, state: RunState, error: str = "", ended_at: datetime | None = None) -> Run:
    """End a run: write its manifest, and with it refuse every later write. Return the run as it stays.

    Args:
        ws: The workspace.
        run: The run as its owner knows it; params and tags that others have logged are kept.
        state: How it ended; not "running".
        error: Why it failed or was killed.
        ended_at: When; now if it is left out.

    Raises:
        Refused: It is sealed already.
    """
    with ws.store.begin() as tx:
        return seal(
            tx, run=run, state=state, error=error, ended_at=ended_at or ws.clock.now(), algorithm=ws.blobs.algorithm
        )  # fmt: skip


def verify_seal(ws: Workspace, *, run_id: str) -> Digest:
    """Compute the manifest of a sealed run again from what is stored, and return its digest.

    Raises:
        Refused: The run is not sealed.
        Corrupt: What is stored is not what was sealed.
    """
    with ws.store.begin(read_only=True) as tx:
        run = tx.runs.get(run_id)
        if run.manifest is None:
            raise Refused(f"run {run.run_id} is {run.state} and not sealed, so there is no seal to verify")
        now = describe_manifest(tx, run, ws.blobs.algorithm)
        sealed = tx.documents.get(run.manifest)
    if digest_bytes(document_bytes(now), ws.blobs.algorithm) != run.manifest:
        changed = [name for name in sorted({*sealed, *now}) if not is_equal(sealed.get(name), now.get(name))]
        raise Corrupt(
            f"run {run.run_id} is not what was sealed as {run.manifest}: {', '.join(changed)} changed since; "
            "that manifest still says what it was"
        )
    return run.manifest


def add_note(ws: Workspace, *, run_id: str, text: str, at: datetime | None = None) -> Note:
    """Append words to a run, sealed or not; return the note.

    Args:
        ws: The workspace.
        run_id: The run.
        text: The words.
        at: When they were written, if that is not now; with it, the same note sent again is there once.

    Raises:
        NotFound: There is no such run.
        InvalidInput: The text is empty or too long, or the time is none at which something can have been written.
    """
    if not text.strip():
        raise InvalidInput("an empty note says nothing")
    with ws.store.begin() as tx:
        run = tx.runs.get(run_id)
        written = ws.clock.now() if at is None else check_time(at)
        note = Note(run.run_id, written, ws.actor, check_text("note on", run.run_id, text))
        record_note(tx, note)
    return note


def get_run(ws: Workspace, *, run_id: str) -> RunDetails:
    """Return a run and all that hangs on it. Takes a unique prefix of its id too. Raises NotFound, InvalidInput."""
    with ws.store.begin(read_only=True) as tx:
        return _details(tx, run_id)


def _details(tx: Transaction, run_id: str) -> RunDetails:
    run = tx.runs.get(run_id)
    environment = run.facts.get("environment")
    if isinstance(environment, str):
        environment = tx.documents.get(Digest(environment))
    return RunDetails(
        run=run,
        stages=tx.runs.list_stages(run.run_id),
        artifacts=tx.runs.list_artifacts(run.run_id),
        metrics=tx.metrics.latest([run.run_id]).get(run.run_id, {}),
        notes=tx.index.list_notes(run.run_id),
        environment=environment if isinstance(environment, dict) else {},
    )


def get_points(ws: Workspace, *, run_id: str, names: Sequence[str] | None = None) -> Mapping[str, Sequence[MetricPoint]]:
    """Return all points of the named metrics of a run (default: of every metric), in the order in which they were logged."""
    with ws.store.begin(read_only=True) as tx:
        run = tx.runs.get(run_id)
        if names is None:
            return dict(list_histories(tx, run.run_id))
        return {name: tx.metrics.history(run.run_id, name) for name in names}


def search_runs(ws: Workspace, *, query: str | Query = "", limit: int = SEARCH_LIMIT, offset: int = 0) -> Sequence[Run]:
    """Return the runs that a query matches (language: `tracking/search.py`), in its order, else newest first.

    Raises:
        InvalidInput: The query is not of the language, with the place and what is legal there.
    """
    if limit < 1 or offset < 0:
        raise InvalidInput(f"limit {limit}, offset {offset}: a search returns at least one run, from 0 on")
    parsed = parse_query(query) if isinstance(query, str) else query
    with ws.store.begin(read_only=True) as tx:
        return tx.index.search(parsed, limit=limit, offset=offset, is_deleted=False)


def get_last_points(ws: Workspace, *, run_ids: Sequence[str]) -> Mapping[str, Mapping[str, MetricPoint]]:
    """Return the last point of each metric of each run."""
    with ws.store.begin(read_only=True) as tx:
        return tx.metrics.latest(run_ids)


def compare(ws: Workspace, *, run_ids: Sequence[str]) -> RunComparison:
    """Return where runs differ, and what they share. Raises NotFound; InvalidInput for fewer than two."""
    with ws.store.begin(read_only=True) as tx:
        return compare_runs([_details(tx, run_id) for run_id in run_ids])
