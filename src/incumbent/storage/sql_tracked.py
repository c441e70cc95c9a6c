"""Experiments, and runs that are written to piece by piece, in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from incumbent.base.errors import Conflict, InvalidInput, NotFound
from incumbent.base.metric import PointCells
from incumbent.storage.cells import from_json, from_micros, to_json, to_micros, to_number, to_text
from incumbent.storage.session import Row, Session
from incumbent.storage.sql_metrics import SqlMetrics
from incumbent.storage.sql_runs import open_run
from incumbent.tracking.experiment import Experiment
from incumbent.tracking.run import RunState

WRITER = "by content"
_COLUMNS = "experiment_no, name, created_at, updated_at, deleted_at"


class SqlExperiments:
    """Experiments by number and name."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, number: int) -> Experiment:
        """Return one. Raises NotFound."""
        row = self._session.one(f"SELECT {_COLUMNS} FROM experiments WHERE experiment_no = ?", (number,))
        if row is None:
            raise NotFound(f"no experiment {number} in this workspace; `incumbent runs experiments` lists them by name")
        return self._with_tags([row])[0]

    def find(self, name: str) -> Experiment | None:
        """Return the one of that name, deleted or not."""
        row = self._session.one(f"SELECT {_COLUMNS} FROM experiments WHERE name = ?", (name,))
        return None if row is None else self._with_tags([row])[0]

    def create(self, name: str, tags: Mapping[str, str], at: datetime) -> int:
        """Add one and return its number. Raises Conflict if the name is taken."""
        self._must_be_free(name)
        row = self._session.one(
            "INSERT INTO experiments (name, created_at, updated_at) VALUES (?, ?, ?) RETURNING experiment_no",
            (to_text(name, "experiment"), to_micros(at), to_micros(at)),
        )
        assert row is not None
        self._put_tags(row[0], tags)
        return int(row[0])

    def change(self, experiment: Experiment) -> None:
        """Replace name, times and tags of one. Raises Conflict if the name is taken."""
        present = self.get(experiment.number)
        if experiment.name != present.name:
            self._must_be_free(experiment.name)
        times = [None if at is None else to_micros(at) for at in (experiment.created_at, experiment.updated_at, experiment.deleted_at)]
        self._session.run(
            "UPDATE experiments SET name = ?, created_at = ?, updated_at = ?, deleted_at = ? WHERE experiment_no = ?",
            (to_text(experiment.name, "experiment"), *times, experiment.number),
        )
        if dict(experiment.tags) != dict(present.tags):
            self._session.run("DELETE FROM experiment_tags WHERE experiment_no = ?", (experiment.number,))
            self._put_tags(experiment.number, experiment.tags)

    def list_all(self) -> Sequence[Experiment]:
        """Return all, deleted ones too, newest first."""
        return self._with_tags(self._session.all(f"SELECT {_COLUMNS} FROM experiments ORDER BY experiment_no DESC"))

    def _must_be_free(self, name: str) -> None:
        if self._session.one("SELECT 1 FROM experiments WHERE name = ?", (to_text(name, "experiment"),)) is not None:
            raise Conflict(f"an experiment {name[:80]!r} exists already, perhaps deleted; restore that one or take another name")

    def _put_tags(self, number: int, tags: Mapping[str, str]) -> None:
        rows = [(number, to_text(name, "tag"), to_text(value, f"tag {name}")) for name, value in tags.items()]
        self._session.many("INSERT INTO experiment_tags (experiment_no, name, value) VALUES (?, ?, ?)", rows)

    def _with_tags(self, rows: Sequence[Row]) -> list[Experiment]:
        found = {row[0]: _experiment(row) for row in rows}
        tags: dict[int, dict[str, str]] = {number: {} for number in found}
        sql = "SELECT experiment_no, name, value FROM experiment_tags WHERE experiment_no IN (*)"
        for number, name, value in self._session.among(sql, list(found)):
            tags[number][name] = value
        return [replace(one, tags=tags[number]) for number, one in found.items()]


class SqlOpenRuns:
    """Runs by id, as long as nobody has sealed them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._metrics = SqlMetrics(session)
        self._numbers: dict[str, int] = {}

    def append(self, run_id: str, points: Sequence[PointCells]) -> None:
        """Store points; one with the same name, step, time and value is there once. Raises Refused once the run is sealed."""
        self._metrics.append_cells(self._open(run_id), points, writer=WRITER)

    def set_params(self, run_id: str, params: Mapping[str, str]) -> None:
        """Add params. Raises InvalidInput if one has another value already, Refused once the run is sealed."""
        run_no = self._open(run_id)
        present: dict[str, str] = dict(
            self._session.among("SELECT name, text FROM params WHERE run_no = ? AND name IN (*)", list(params), (run_no,))
        )
        for name, value in params.items():
            if present.get(name, value) != value:
                raise InvalidInput(
                    f"param {name[:80]!r} of run {run_id} is {present[name][:80]!r} already, and was asked to become {value[:80]!r}: "
                    "a param is set once; log a tag, or make a new run"
                )
        rows = [
            (run_no, to_text(name, "param"), to_json(value), to_text(value, f"param {name}"), to_number(value))
            for name, value in params.items()
            if name not in present
        ]
        self._session.many("INSERT INTO params (run_no, name, value, text, number) VALUES (?, ?, ?, ?, ?)", rows)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Add or replace tags. Raises Refused once the run is sealed."""
        run_no = self._open(run_id)
        self._session.many(
            "INSERT INTO tags (run_no, name, value) VALUES (?, ?, ?) ON CONFLICT (run_no, name) DO UPDATE SET value = excluded.value",
            [(run_no, to_text(name, "tag"), to_text(value, f"tag {name}")) for name, value in tags.items()],
        )

    def delete_tag(self, run_id: str, name: str) -> None:
        """Remove a tag. Raises NotFound if it is not there, Refused once the run is sealed."""
        if not self._session.run("DELETE FROM tags WHERE run_no = ? AND name = ?", (self._open(run_id), name)):
            raise NotFound(f"run {run_id} has no tag {name[:80]!r}")

    def set_state(self, run_id: str, state: RunState, ended_at: datetime | None, name: str | None) -> None:
        """Say how it stands, when it ended, and (unless None) its name. Raises Refused once the run is sealed."""
        run_no = self._open(run_id)
        ended = None if ended_at is None else to_micros(ended_at)
        self._session.run("UPDATE runs SET state = ?, ended_at = ? WHERE run_no = ?", (state, ended, run_no))
        if name is not None:
            self._session.run("UPDATE runs SET name = ? WHERE run_no = ?", (to_text(name, "run name"), run_no))

    def set_deleted(self, run_id: str, at: datetime | None) -> None:
        """Put it out of sight, or bring it back (None). Raises Refused once the run is sealed."""
        run_no = open_run(self._session, run_id)
        self._numbers.pop(run_id, None)
        self._session.run("UPDATE runs SET deleted_at = ? WHERE run_no = ?", (None if at is None else to_micros(at), run_no))

    def page_history(self, run_id: str, name: str, *, limit: int, offset: int) -> Sequence[tuple[float | None, int, int]]:
        """Return value (None: NaN), step and microseconds since 1970 of points of one metric, by time, step and value."""
        return self._session.all(
            "SELECT value, step, at FROM metric_points WHERE series_no = (SELECT series_no FROM metric_series JOIN runs "
            "ON runs.run_no = metric_series.run_no WHERE run_id = ? AND metric_series.name = ?) "
            "ORDER BY at, step, value, writer_no, seq LIMIT ? OFFSET ?",  # the order of an index that has all of it
            (run_id, name, limit, offset),
        )

    def _open(self, run_id: str) -> int:
        """Return the number of a run that takes more; found once in a transaction: if it is sealed in the same one, a trigger refuses."""
        run_no = self._numbers.get(run_id)
        if run_no is None:
            run_no = self._numbers[run_id] = open_run(self._session, run_id, may_be_deleted=False)
        return run_no


def _experiment(row: Row) -> Experiment:
    number, name, created_at, updated_at, deleted_at = row
    times = [None if at is None else from_micros(at) for at in (created_at, updated_at, deleted_at)]
    return Experiment(number, name, times[0], times[1], times[2])


def read_tags(text: str) -> dict[str, str]:
    """Return name -> text of a JSON object in a cell."""
    value = from_json(text)
    return {str(name): str(one) for name, one in value.items()} if isinstance(value, dict) else {}
