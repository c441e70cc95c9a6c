"""Files that MLflow's clients log, one row a path: of runs that nobody has sealed, and of logged models."""

from collections.abc import Mapping, Sequence
from typing import Literal

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.storage.session import Session
from incumbent.storage.sql_runs import SqlRuns, open_run
from incumbent.tracking.run import RunArtifact

_TABLES: Mapping[str, tuple[str, str, str]] = {
    "run": ("run_artifacts", "run_no = (SELECT run_no FROM runs WHERE run_id = ?) AND direction = 'output'", "name"),
    "model": ("logged_model_files", "model_id = ?", "path"),
}
"""Kind of owner -> table, whose rows, the column of the path."""


class SqlOpenArtifacts:
    """Files of runs and of logged models, by path."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._runs = SqlRuns(session)

    def must_be_open(self, run_id: str) -> None:
        """Return if files of a run may change. Raises NotFound; Refused once it is sealed; InvalidInput if it is deleted."""
        open_run(self._session, run_id, may_be_deleted=False)

    def find(self, kind: Literal["run", "model"], owner: str, path: str) -> Artifact | None:
        """Return the output of a run, or the file of a logged model, of exactly that path."""
        if kind == "model":
            row = self._session.one("SELECT digest, size FROM logged_model_files WHERE model_id = ? AND path = ?", (owner, path))
            return None if row is None else Artifact("file", Digest(row[0]), row[1])
        row = self._session.one(
            "SELECT codec, digest, size, file_name FROM run_artifacts WHERE run_no = (SELECT run_no FROM runs WHERE run_id = ?) "
            "AND direction = 'output' AND name = ?",
            (owner, path),
        )
        return None if row is None else Artifact(row[0], Digest(row[1]), row[2], row[3])

    def has_inside(self, kind: Literal["run", "model"], owner: str, folder: str) -> bool:
        """Return whether any of them lies in a folder."""
        table, whose, column = _TABLES[kind]
        ordered = column if self._session.dialect == "sqlite" else f'{column} COLLATE "C"'
        # By code point "FOLDER0" comes next after all that begins with "FOLDER/": a part of SQLite's index, however many files there are.
        sql = f"SELECT 1 FROM {table} WHERE {whose} AND {ordered} > ? AND {ordered} < ? LIMIT 1"
        return self._session.one(sql, (owner, f"{folder}/", f"{folder}0")) is not None

    def put(self, file: RunArtifact) -> None:
        """Add an output, or replace the one of that name. Raises as `must_be_open`."""
        self.must_be_open(file.run_id)
        self._runs.record_artifacts([file])

    def delete_outputs(self, run_id: str, names: Sequence[str]) -> None:
        """Remove outputs of a run; absent is no error. Raises as `must_be_open`."""
        self.must_be_open(run_id)
        run_no = open_run(self._session, run_id)
        self._session.many(
            "DELETE FROM run_artifacts WHERE run_no = ? AND direction = 'output' AND name = ?", [(run_no, name) for name in names]
        )

    def delete_files(self, model_id: str, paths: Sequence[str]) -> None:
        """Remove files of a logged model; absent is no error."""
        self._session.many("DELETE FROM logged_model_files WHERE model_id = ? AND path = ?", [(model_id, path) for path in paths])
