"""An MLflow store in an SQLite file, read as it is: nothing is written to it, and no code of MLflow is needed.

The tables are those of MLflow 2 and 3; what an older one lacks is taken as empty. A cell can hold anything, so each is looked at.
"""

import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from incumbent.base.errors import Corrupt, InvalidInput, NotFound, Unavailable
from incumbent.execution.mlflow_source.folder import ArtifactFolder
from incumbent.tracking.experiment import DatasetInput, ModelLink
from incumbent.usecases.import_mlflow_ports import (
    Place,
    SourceExperiment,
    SourceFiles,
    SourceLoggedModel,
    SourceModelMetric,
    SourcePoint,
    SourceRegistered,
    SourceRun,
    SourceVersion,
    unreadable_run,
)

POINTS_PART = 20_000
_TABLES = ("experiments", "experiment_tags", "runs", "params", "tags", "metrics", "latest_metrics", "alembic_version")
_MODEL_STATUS = {1: "PENDING", 2: "READY", 3: "FAILED"}


class SqliteStore:
    """Reads one file."""

    def __init__(self, path: Path, artifacts: Path | None) -> None:
        if not path.is_file():
            raise NotFound(f"there is no MLflow database at {path}")
        self.name = f"sqlite:///{path.name}"
        self.files: SourceFiles = ArtifactFolder(path, artifacts)
        self._connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, isolation_level=None, timeout=30.0)
        self._columns: dict[str, set[str]] = {}
        try:
            for (table,) in self._rows("SELECT name FROM sqlite_master WHERE type = 'table'"):
                self._columns[str(table)] = {str(row[1]) for row in self._rows(f"PRAGMA table_info({_quoted(str(table))})")}
            missing = [table for table in _TABLES if table not in self._columns]
            if missing or not {"step", "is_nan"} <= self._columns["metrics"]:
                raise InvalidInput(
                    f"{path} is no database of MLflow, or of a release before 1.0 (it lacks {', '.join(missing) or 'steps'}); "
                    "`mlflow db upgrade` brings an old one up to date"
                )
        except BaseException:
            self._connection.close()
            raise

    def list_experiments(self) -> Iterator[SourceExperiment]:
        """Yield experiments, deleted ones too."""
        times = "creation_time, last_update_time" if "creation_time" in self._columns["experiments"] else "NULL, NULL"
        sql = f"SELECT experiment_id, name, lifecycle_stage, {times} FROM experiments ORDER BY experiment_id"  # noqa: S608  (our own words)
        for number, name, life, created, updated in self._rows(sql):
            tags = self._pairs("experiment_tags", "key", "value", "experiment_id", number)
            yield SourceExperiment(str(_number(number)), _text(name), _maybe(created), _maybe(updated), life == "deleted", tags)

    def list_runs(self, experiment_id: str) -> Iterator[SourceRun]:
        """Yield the runs of an experiment, deleted ones too, oldest first."""
        columns = "run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri"
        deleted_time = "deleted_time" if "deleted_time" in self._columns["runs"] else "NULL"
        sql = f"SELECT {columns}, {deleted_time} FROM runs WHERE experiment_id = ? ORDER BY start_time, run_uuid"  # noqa: S608  (our own words)
        for row in list(self._rows(sql, (int(experiment_id),))):
            try:
                yield self._run(row, experiment_id)
            except Corrupt as error:
                yield unreadable_run(row[0], experiment_id, str(error))

    def _run(self, row: tuple[Any, ...], experiment_id: str) -> SourceRun:
        run_id, name, user, status, started, ended, life, uri, deleted = row
        tags = self._pairs("tags", "key", "value", "run_uuid", run_id)
        return SourceRun(
            run_id=_text(run_id),
            experiment_id=experiment_id,
            name=tags.get("mlflow.runName") or _text(name or ""),
            user=_text(user or ""),
            status=_text(status or ""),
            started_ms=_maybe(started) or 0,
            ended_ms=_maybe(ended),
            is_deleted=life == "deleted",
            deleted_ms=_maybe(deleted),
            place=Place("run", _text(run_id), _text(uri or "")),
            params=self._pairs("params", "key", "value", "run_uuid", run_id),
            tags=tags,
            latest=self._latest(run_id),
            datasets=self._datasets(run_id),
            models=self._models(run_id),
        )

    def list_points(self, run: SourceRun) -> Iterator[tuple[str, Sequence[SourcePoint]]]:
        """Yield the whole history of each metric."""
        sql = "SELECT key, value, is_nan, step, timestamp FROM metrics WHERE run_uuid = ? ORDER BY key, timestamp, step"
        name, part = "", list[SourcePoint]()
        for key, *cells in self._rows(sql, (run.run_id,)):
            if part and (key != name or len(part) >= POINTS_PART):
                yield name, part
                part = []
            name = _text(key)
            part.append(_point(*cells))
        if part:
            yield name, part

    def list_logged_models(self, experiment_id: str) -> Iterator[SourceLoggedModel]:
        """Yield the logged models of an experiment."""
        if "logged_models" not in self._columns:
            return
        sql = (
            "SELECT model_id, name, source_run_id, model_type, status, creation_timestamp_ms, last_updated_timestamp_ms, lifecycle_stage, "
            "artifact_location FROM logged_models WHERE experiment_id = ? ORDER BY creation_timestamp_ms, model_id"
        )
        for model_id, name, run_id, kind, status, created, updated, life, uri in list(self._rows(sql, (int(experiment_id),))):
            yield SourceLoggedModel(
                model_id=_text(model_id),
                experiment_id=experiment_id,
                name=_text(name),
                run_id=_text(run_id or ""),
                kind=_text(kind or ""),
                status=_MODEL_STATUS.get(status, "PENDING"),
                created_ms=_number(created),
                updated_ms=_number(updated),
                is_deleted=life == "deleted",
                place=Place("model", _text(model_id), _text(uri or "")),
                params=self._pairs("logged_model_params", "param_key", "param_value", "model_id", model_id),
                tags=self._pairs("logged_model_tags", "tag_key", "tag_value", "model_id", model_id),
                metrics=self._model_metrics(model_id),
            )

    def list_registered(self) -> Iterator[SourceRegistered]:
        """Yield the registered models."""
        if "registered_models" not in self._columns:
            return
        for name, description in list(self._rows("SELECT name, description FROM registered_models ORDER BY name")):
            has_aliases = "registered_model_aliases" in self._columns
            found = self._rows("SELECT alias, version FROM registered_model_aliases WHERE name = ?", (name,)) if has_aliases else ()
            aliases = {_text(alias): _number(version) for alias, version in found}
            tags = self._pairs("registered_model_tags", "key", "value", "name", name)
            yield SourceRegistered(_text(name), _text(description or ""), tags, aliases, self._versions(name))

    def close(self) -> None:
        """Give up the connection."""
        self._connection.close()

    def _versions(self, name: str) -> list[SourceVersion]:
        sql = (
            "SELECT version, current_stage, source, run_id, user_id, creation_time, status, description FROM model_versions "
            "WHERE name = ? AND current_stage != 'Deleted_Internal' ORDER BY version"
        )
        found = []
        for version, life, source, run_id, user, created, status, description in self._rows(sql, (name,)):
            tags = {_text(key): _text(value or "") for key, value in self._rows(
                "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?", (name, version))}  # fmt: skip
            texts = [_text(text or "") for text in (life, source, run_id, user)]
            found.append(
                SourceVersion(
                    _number(version),
                    texts[0] or "None",
                    texts[1],
                    texts[2],
                    texts[3],
                    _maybe(created) or 0,
                    _text(status or ""),
                    _text(description or ""),
                    tags,
                )
            )
        return found

    def _latest(self, run_id: str) -> dict[str, SourcePoint]:
        rows = self._rows("SELECT key, value, is_nan, step, timestamp FROM latest_metrics WHERE run_uuid = ?", (run_id,))
        return {_text(key): _point(*cells) for key, *cells in rows}

    def _datasets(self, run_id: str) -> list[DatasetInput]:
        if not {"inputs", "datasets", "input_tags"} <= self._columns.keys():
            return []
        sql = (
            "SELECT input_uuid, name, digest, dataset_source_type, dataset_source, dataset_schema, dataset_profile FROM inputs "
            "JOIN datasets ON datasets.dataset_uuid = inputs.source_id WHERE source_type = 'DATASET' AND destination_type = 'RUN' "
            "AND destination_id = ? ORDER BY name, digest, input_uuid"
        )
        found = []
        for input_id, *cells in list(self._rows(sql, (run_id,))):
            name, digest, kind, source, schema, profile = (_text(cell or "") for cell in cells)
            tags = self._pairs("input_tags", "name", "value", "input_uuid", input_id)
            found.append(DatasetInput(name, digest, kind, source, schema, profile, tags))
        return found

    def _models(self, run_id: str) -> list[ModelLink]:
        if "step" not in self._columns.get("inputs", ()):
            return []
        sql = (
            "SELECT source_type, destination_id, step FROM inputs WHERE source_id = ? AND source_type IN ('RUN_INPUT', 'RUN_OUTPUT') "
            "ORDER BY source_type, destination_id"
        )
        rows = self._rows(sql, (run_id,))
        return [ModelLink(run_id, "input" if kind == "RUN_INPUT" else "output", _text(model), _number(step)) for kind, model, step in rows]

    def _model_metrics(self, model_id: str) -> list[SourceModelMetric]:
        if "logged_model_metrics" not in self._columns:
            return []
        sql = (
            "SELECT metric_name, run_id, dataset_name, dataset_digest, metric_value, 0, metric_step, metric_timestamp_ms "
            "FROM logged_model_metrics WHERE model_id = ? ORDER BY metric_name, metric_timestamp_ms, metric_step"
        )
        return [
            SourceModelMetric(_text(name), _point(*cells), _text(run_id), _text(dataset or ""), _text(digest or ""))
            for name, run_id, dataset, digest, *cells in self._rows(sql, (model_id,))
        ]

    def _pairs(self, table: str, key: str, value: str, owner: str, owner_id: object) -> dict[str, str]:
        if table not in self._columns:
            return {}
        rows = self._rows(f"SELECT {key}, {value} FROM {table} WHERE {owner} = ? ORDER BY {key}", (owner_id,))  # noqa: S608  (our own words)
        return {_text(name): _text("" if text is None else text) for name, text in rows}

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            with closing(self._connection.execute(sql, parameters)) as cursor:
                yield from cursor
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise Unavailable(f"{self.name} is being written to and stays locked; stop the MLflow server, or import from it") from error
            raise Corrupt(f"{self.name} cannot be read: {error}; nothing was written to it") from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _point(value: object, is_nan: object, step: object, at: object) -> SourcePoint:
    if is_nan or value is None:
        return SourcePoint(math.nan, _number(step), _number(at))
    if not isinstance(value, int | float):
        raise Corrupt(f"a metric's value is {str(value)[:40]!r}, which is no number")
    return SourcePoint(float(value), _number(step), _number(at))


def _text(cell: object) -> str:
    if not isinstance(cell, str):
        if isinstance(cell, int | float):
            return str(cell)
        raise Corrupt(f"the store holds {str(cell)[:40]!r} where a text belongs")
    return cell


def _number(cell: object) -> int:
    if not isinstance(cell, int):
        raise Corrupt(f"the store holds {str(cell)[:40]!r} where a whole number belongs")
    return cell


def _maybe(cell: object) -> int | None:
    return None if cell is None else _number(cell)
