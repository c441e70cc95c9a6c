"""Files that MLflow's clients log, one row a path: of runs that nobody has sealed, and of logged models."""

from collections.abc import Sequence
from typing import Literal

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.errors import InvalidInput
from incumbent.storage.session import Session
from incumbent.storage.sql_runs import SqlRuns, open_run
from incumbent.tracking.run import RunArtifact


class SqlOpenArtifacts:
    """Files of runs and of logged models, by path."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._runs = SqlRuns(session)

    def must_be_open(self, run_id: str) -> None:
        """Return if files of a run may change. Raises NotFound; Refused once it is sealed; InvalidInput if it is deleted."""
        run_no = open_run(self._session, run_id)
        if self._session.one("SELECT 1 FROM runs WHERE run_no = ? AND deleted_at IS NOT NULL", (run_no,)) is not None:
            raise InvalidInput(f"run {run_id} is deleted, and a deleted run takes nothing more; restore it first")

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
        inside = f"{folder}/"
        rows = {
            "run": "SELECT 1 FROM run_artifacts WHERE run_no = (SELECT run_no FROM runs WHERE run_id = ?) AND direction = 'output' "
            "AND substr(name, 1, ?) = ? LIMIT 1",
            "model": "SELECT 1 FROM logged_model_files WHERE model_id = ? AND substr(path, 1, ?) = ? LIMIT 1",
        }
        return self._session.one(rows[kind], (owner, len(inside), inside)) is not None

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
