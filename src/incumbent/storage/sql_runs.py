"""Runs, their stage runs and artifacts, in SQL. Sealing is held twice: here, with a message, and by triggers."""

from collections.abc import Sequence

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.documents import Json
from incumbent.base.errors import Conflict, InvalidInput, NotFound, Refused
from incumbent.storage.cells import (
    artifacts_from_json,
    artifacts_to_json,
    from_json,
    from_micros,
    object_from_json,
    to_json,
    to_micros,
    to_number,
    to_text,
)
from incumbent.storage.session import Row, Session
from incumbent.tracking.run import CodeVersion, Run, RunArtifact, StageRun

PREFIX_CHARACTERS_MIN = 6
_RUN_FIELDS = (
    "experiment_no, name, pipeline, parent_id, state, started_at, ended_at, seed, commit_hash, is_dirty, dirty_tree, facts, manifest"
)
RUN_COLUMNS = (
    "runs.run_no, runs.run_id, experiments.name, runs.name, runs.pipeline, runs.parent_id, runs.state, runs.started_at, runs.ended_at, "
    "runs.seed, runs.commit_hash, runs.is_dirty, runs.dirty_tree, runs.facts, runs.manifest"
)
_FROM = "FROM runs JOIN experiments ON experiments.experiment_no = runs.experiment_no"
_STAGE_FIELDS = "stage, item, state, key, inputs, outputs, log, wall_s, cpu_s, rss_bytes_max, why"
STAGE_COLUMNS = ", ".join(f"stage_runs.{name}" for name in _STAGE_FIELDS.split(", "))
_WHOLE = -1
"""`item` of a stage that is not mapped: a NULL would never collide with itself in a unique index."""


class SqlRuns:
    """Runs by id."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._open: dict[str, int] = {}

    def create(self, run: Run) -> None:
        """Add a running run (its experiment too, if new). Raises Conflict if the id is taken, NotFound if the parent is not there."""
        if run.parent_id is not None and self._session.one("SELECT 1 FROM runs WHERE run_id = ?", (run.parent_id,)) is None:
            raise NotFound(f"run {run.run_id}: its parent {run.parent_id} is not in this workspace")
        if self._session.one("SELECT 1 FROM runs WHERE run_id = ?", (run.run_id,)) is not None:
            raise Conflict(f"run {run.run_id} exists already")
        fields = self._fields(run)
        row = self._session.one(
            f"INSERT INTO runs (run_id, {_RUN_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL) RETURNING run_no",
            (to_text(run.run_id, "run id"), *fields),
        )
        assert row is not None
        self._add_params(row[0], run)
        self._add_tags(row[0], run)
        if run.manifest is not None:
            self._session.run("UPDATE runs SET manifest = ? WHERE run_no = ?", (run.manifest, row[0]))

    def update(self, run: Run) -> None:
        """Replace the fields of a running run; with a manifest this seals it. Raises Refused once it is sealed."""
        run_no = open_run(self._session, run.run_id)
        present: dict[str, str] = dict(self._session.all("SELECT name, value FROM params WHERE run_no = ?", (run_no,)))
        if present != {name: to_json(value) for name, value in run.params.items()}:
            self._session.run("DELETE FROM params WHERE run_no = ?", (run_no,))
            self._add_params(run_no, run)
        if dict(self._session.all("SELECT name, value FROM tags WHERE run_no = ?", (run_no,))) != dict(run.tags):
            self._session.run("DELETE FROM tags WHERE run_no = ?", (run_no,))
            self._add_tags(run_no, run)
        assignments = ", ".join(f"{name} = ?" for name in _RUN_FIELDS.split(", "))
        self._session.run(f"UPDATE runs SET {assignments} WHERE run_no = ?", (*self._fields(run), run.manifest, run_no))
        self._open.pop(run.run_id, None)

    def record_stage(self, run_id: str, stage_run: StageRun) -> None:
        """Append a stage run (same stage and item: replaced). Raises Refused once the run is sealed."""
        run_no = self._open.get(run_id)
        if run_no is None:
            run_no = self._open[run_id] = open_run(self._session, run_id)
        item = _WHOLE if stage_run.item is None else stage_run.item
        place = (run_no, to_text(stage_run.stage, "stage"), item)
        removed = self._session.run("DELETE FROM stage_runs WHERE run_no = ? AND stage = ? AND item = ?", place)
        if removed:  # a replaced one ended anew: it goes to the end of the list
            self._session.run("DELETE FROM stage_artifacts WHERE run_no = ? AND stage = ? AND item = ?", place)
        self._session.run(
            f"INSERT INTO stage_runs (run_no, {_STAGE_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *place,
                stage_run.state,
                stage_run.key,
                artifacts_to_json(stage_run.inputs),
                artifacts_to_json(stage_run.outputs),
                stage_run.log,
                stage_run.wall_s,
                stage_run.cpu_s,
                stage_run.rss_bytes_max,
                to_text(stage_run.why, "reason"),
            ),
        )
        rows = [
            (digest, direction, *place)
            for direction, artifacts in (("input", stage_run.inputs), ("output", stage_run.outputs))
            for digest in sorted({artifact.digest for artifact in artifacts.values()})
        ]
        self._session.many("INSERT INTO stage_artifacts (digest, direction, run_no, stage, item) VALUES (?, ?, ?, ?, ?)", rows)

    def record_artifacts(self, artifacts: Sequence[RunArtifact]) -> None:
        """Append inputs and outputs (same run, direction and name: replaced). Raises Refused once the run is sealed."""
        numbers = {run_id: open_run(self._session, run_id) for run_id in sorted({artifact.run_id for artifact in artifacts})}
        rows = [
            (
                numbers[found.run_id],
                found.direction,
                to_text(found.name, "artifact name"),
                found.artifact.codec,
                found.artifact.digest,
                found.artifact.size,
                to_text(found.artifact.name, "file name"),
                to_text(found.media_type, "media type"),
            )
            for found in artifacts
        ]
        self._session.many(
            "INSERT INTO run_artifacts (run_no, direction, name, codec, digest, size, file_name, media_type) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run_no, direction, name) DO UPDATE SET "
            "codec = excluded.codec, digest = excluded.digest, size = excluded.size, "
            "file_name = excluded.file_name, media_type = excluded.media_type",
            rows,
        )

    def get(self, run_id: str) -> Run:
        """Return a run by id or unique prefix. In a transaction that may write, the run then stands still until its end."""
        rows = self._session.all(f"SELECT {RUN_COLUMNS} {_FROM} WHERE runs.run_id = ?{self._lock()}", (run_id,))
        if not rows and len(run_id) >= PREFIX_CHARACTERS_MIN:
            rows = self._session.all(
                f"SELECT {RUN_COLUMNS} {_FROM} WHERE substr(runs.run_id, 1, ?) = ? ORDER BY runs.run_no LIMIT 3{self._lock()}",
                (len(run_id), run_id),
            )
        if not rows:
            hint = "" if len(run_id) >= PREFIX_CHARACTERS_MIN else f" (a prefix needs {PREFIX_CHARACTERS_MIN} characters or more)"
            raise NotFound(f"no run {run_id[:80]!r} in this workspace{hint}; `incumbent runs ls` lists them")
        if len(rows) > 1:
            raise InvalidInput(f"run {run_id!r} is ambiguous: {', '.join(str(row[1]) for row in rows)} all begin so; give more characters")
        return build_runs(self._session, rows)[0]

    def list_stages(self, run_id: str) -> Sequence[StageRun]:
        """Return its stage runs in the order in which they ended."""
        rows = self._session.all(
            f"SELECT {STAGE_COLUMNS} FROM stage_runs JOIN runs ON runs.run_no = stage_runs.run_no WHERE run_id = ? ORDER BY stage_run_no",
            (run_id,),
        )
        return [build_stage_run(row) for row in rows]

    def list_artifacts(self, run_id: str) -> Sequence[RunArtifact]:
        """Return its inputs and outputs, by direction and name."""
        rows = self._session.all(
            "SELECT run_id, direction, run_artifacts.name, codec, digest, size, file_name, media_type FROM run_artifacts "
            "JOIN runs ON runs.run_no = run_artifacts.run_no WHERE run_id = ?",
            (run_id,),
        )
        return [
            RunArtifact(owner, direction, name, Artifact(codec, Digest(digest), size, file_name), media_type)
            for owner, direction, name, codec, digest, size, file_name, media_type in sorted(rows, key=lambda row: (row[1], row[2]))
        ]

    def _lock(self) -> str:
        """SQLite has one writer anyway; PostgreSQL must be told that nobody may seal or change the run meanwhile."""
        return "" if self._session.is_read_only or self._session.dialect == "sqlite" else " FOR NO KEY UPDATE OF runs"

    def _fields(self, run: Run) -> tuple[object, ...]:
        """Return the cells of `_RUN_FIELDS` but for the manifest."""
        return (
            self._experiment(run.experiment),
            to_text(run.name, "run name"),
            to_text(run.pipeline, "pipeline"),
            run.parent_id,
            run.state,
            to_micros(run.started_at),
            None if run.ended_at is None else to_micros(run.ended_at),
            run.seed,
            to_text(run.code.commit, "commit"),
            int(run.code.is_dirty),
            to_text(run.code.tree, "tree digest"),
            to_json(dict(run.facts)),
        )

    def _experiment(self, name: str) -> int:
        row = self._session.one("SELECT experiment_no FROM experiments WHERE name = ?", (to_text(name, "experiment"),))
        if row is None:
            self._session.run("INSERT INTO experiments (name) VALUES (?) ON CONFLICT (name) DO NOTHING", (name,))
            row = self._session.one("SELECT experiment_no FROM experiments WHERE name = ?", (name,))
        assert row is not None
        return int(row[0])

    def _add_params(self, run_no: int, run: Run) -> None:
        rows = [(run_no, to_text(name, "param"), to_json(value), param_text(value), to_number(value)) for name, value in run.params.items()]
        self._session.many("INSERT INTO params (run_no, name, value, text, number) VALUES (?, ?, ?, ?, ?)", rows)

    def _add_tags(self, run_no: int, run: Run) -> None:
        rows = [(run_no, to_text(name, "tag"), to_text(value, f"tag {name}")) for name, value in run.tags.items()]
        self._session.many("INSERT INTO tags (run_no, name, value) VALUES (?, ?, ?)", rows)


def param_text(value: Json) -> str:
    """Return what a search compares a param with, when it compares text: the text itself, else JSON.

    >>> param_text("adam"), param_text(True), param_text(None)
    ('adam', 'true', 'null')
    """
    return to_text(value, "param") if isinstance(value, str) else to_json(value)


def open_run(session: Session, run_id: str, *, may_be_deleted: bool = True) -> int:
    """Return the number of a run that may still be written to, and keep it from being sealed until the transaction ends.

    Raises:
        NotFound: No such run.
        Refused: It is sealed.
        InvalidInput: It is deleted, and may not be.
    """
    lock = "" if session.dialect == "sqlite" else " FOR SHARE"
    row = session.one(f"SELECT run_no, manifest, deleted_at FROM runs WHERE run_id = ?{lock}", (run_id,))
    if row is None:
        raise NotFound(f"no run {run_id[:80]!r} in this workspace")
    if row[1] is not None:
        raise Refused(f"run {run_id} is sealed: its record is final; add a note (`incumbent runs note`), or make a new run")
    if row[2] is not None and not may_be_deleted:
        raise InvalidInput(f"run {run_id} is deleted, and a deleted run takes nothing more; restore it first")
    return int(row[0])


def build_runs(session: Session, rows: Sequence[Row]) -> list[Run]:
    """Return the runs of rows of `RUN_COLUMNS`, with their params and tags."""
    numbers = [row[0] for row in rows]
    params: dict[int, dict[str, Json]] = {number: {} for number in numbers}
    tags: dict[int, dict[str, str]] = {number: {} for number in numbers}
    for number, name, value in session.among("SELECT run_no, name, value FROM params WHERE run_no IN (*)", numbers):
        params[number][name] = from_json(value)
    for number, name, value in session.among("SELECT run_no, name, value FROM tags WHERE run_no IN (*)", numbers):
        tags[number][name] = value
    return [_run(row, params[row[0]], tags[row[0]]) for row in rows]


def _run(row: Row, params: dict[str, Json], tags: dict[str, str]) -> Run:
    _, run_id, experiment, name, pipeline, parent_id, state, started_at, ended_at, seed, commit, is_dirty, tree, facts, manifest = row
    return Run(
        run_id=run_id,
        experiment=experiment,
        name=name,
        pipeline=pipeline,
        parent_id=parent_id,
        state=state,
        started_at=from_micros(started_at),
        ended_at=None if ended_at is None else from_micros(ended_at),
        seed=seed,
        code=CodeVersion(commit, bool(is_dirty), tree),
        facts=object_from_json(facts),
        params=params,
        tags=tags,
        manifest=None if manifest is None else Digest(manifest),
    )


def build_stage_run(row: Row) -> StageRun:
    """Return the stage run of a row of `STAGE_COLUMNS`."""
    stage, item, state, key, inputs, outputs, log, wall_s, cpu_s, rss_bytes_max, why = row
    return StageRun(
        stage=stage,
        item=None if item == _WHOLE else item,
        state=state,
        key=None if key is None else Digest(key),
        inputs=artifacts_from_json(inputs),
        outputs=artifacts_from_json(outputs),
        log=None if log is None else Digest(log),
        wall_s=wall_s,
        cpu_s=cpu_s,
        rss_bytes_max=rss_bytes_max,
        why=why,
    )
