"""Datasets of runs, logged models and their files, and words about registered models, in SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from incumbent.base.digest import Digest
from incumbent.base.errors import Conflict, NotFound
from incumbent.storage.cells import from_micros, from_real, to_json, to_micros, to_real, to_text
from incumbent.storage.session import Row, Session
from incumbent.storage.sql_runs import open_run
from incumbent.storage.sql_tracked import read_tags
from incumbent.tracking.experiment import DatasetInput, LoggedModel, ModelFile, ModelLink, ModelMetric

CONTEXT_TAG = "mlflow.data.context"
_MODEL = "model_id, experiment_no, name, run_id, kind, status, created_at, updated_at, deleted_at, params, tags"
_METRIC = "model_id, run_id, name, value, step, at, dataset_name, dataset_digest"


class SqlRunLinks:
    """What runs read and made, beside artifacts."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add_datasets(self, run_id: str, datasets: Sequence[DatasetInput]) -> None:
        """Add what a run read; the same name and digest is there once. Raises Refused once the run is sealed."""
        run_no = open_run(self._session, run_id)
        rows = [
            (run_no, *(to_text(text, "dataset") for text in (one.name, one.digest, one.source_type, one.source, one.schema, one.profile)),
             to_text(one.tags.get(CONTEXT_TAG, ""), "context"), to_json(dict(one.tags)))
            for one in datasets
        ]  # fmt: skip
        self._session.many(
            "INSERT INTO run_datasets (run_no, name, digest, source_type, source, schema, profile, context, tags) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            rows,
        )

    def list_datasets(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[DatasetInput]]:
        """Return what these runs read."""
        found: dict[str, list[DatasetInput]] = {run_id: [] for run_id in run_ids}
        sql = (
            "SELECT run_id, run_datasets.name, digest, source_type, source, schema, profile, tags FROM run_datasets "
            "JOIN runs ON runs.run_no = run_datasets.run_no WHERE run_id IN (*)"
        )
        for row in sorted(self._session.among(sql, list(found))):
            run_id, name, digest, source_type, source, schema, profile, tags = row
            found[run_id].append(DatasetInput(name, digest, source_type, source, schema, profile, read_tags(tags)))
        return found

    def add_models(self, links: Sequence[ModelLink]) -> None:
        """Add links between runs and logged models. Raises Refused once the run is sealed."""
        numbers = {run_id: open_run(self._session, run_id) for run_id in sorted({link.run_id for link in links})}
        self._session.many(
            "INSERT INTO run_models (run_no, direction, model_id, step) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (run_no, direction, model_id) DO UPDATE SET step = excluded.step",
            [(numbers[link.run_id], link.direction, to_text(link.model_id, "model id"), link.step) for link in links],
        )

    def list_models(self, run_ids: Sequence[str]) -> Sequence[ModelLink]:
        """Return the links of these runs."""
        sql = "SELECT run_id, direction, model_id, step FROM run_models JOIN runs ON runs.run_no = run_models.run_no WHERE run_id IN (*)"
        return [ModelLink(*row) for row in sorted(self._session.among(sql, list(dict.fromkeys(run_ids))))]

    def list_deleted(self, run_ids: Sequence[str]) -> Mapping[str, datetime]:
        """Return which of these runs are deleted, and since when."""
        sql = "SELECT run_id, deleted_at FROM runs WHERE deleted_at IS NOT NULL AND run_id IN (*)"
        return {run_id: from_micros(at) for run_id, at in self._session.among(sql, list(dict.fromkeys(run_ids)))}


class SqlLoggedModels:
    """Logged models by id."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, model: LoggedModel) -> None:
        """Add one. Raises Conflict if its id is taken."""
        if self._session.one("SELECT 1 FROM logged_models WHERE model_id = ?", (model.model_id,)) is not None:
            raise Conflict(f"logged model {model.model_id} exists already")
        texts = [to_text(text, "logged model") for text in (model.name, model.run_id, model.kind)]
        self._session.run(
            f"INSERT INTO logged_models ({_MODEL}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (model.model_id, model.experiment, *texts, *_changing(model)),
        )

    def get(self, model_id: str) -> LoggedModel:
        """Return one, also if it was deleted. Raises NotFound."""
        row = self._session.one(f"SELECT {_MODEL} FROM logged_models WHERE model_id = ?", (model_id,))
        if row is None:
            raise NotFound(f"no logged model {model_id[:80]!r} in this workspace")
        return _model(row)

    def change(self, model: LoggedModel) -> None:
        """Replace status, times, params and tags."""
        self._session.run(
            "UPDATE logged_models SET status = ?, created_at = ?, updated_at = ?, deleted_at = ?, params = ?, tags = ? WHERE model_id = ?",
            (*_changing(model), model.model_id),
        )

    def list_all(self, experiments: Sequence[int]) -> Sequence[LoggedModel]:
        """Return those of some experiments, deleted ones too, newest first."""
        rows = self._session.among(f"SELECT {_MODEL} FROM logged_models WHERE experiment_no IN (*)", list(dict.fromkeys(experiments)))
        return sorted(map(_model, rows), key=lambda model: (model.created_at, model.model_id), reverse=True)

    def add_metrics(self, metrics: Sequence[ModelMetric]) -> None:
        """Add points about models; the same one is there once."""
        self._session.many(
            f"INSERT INTO logged_model_metrics ({_METRIC}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [
                (one.model_id, one.run_id, to_text(one.name, "metric"), to_real(one.value), one.step, to_micros(one.at),
                 to_text(one.dataset_name, "dataset"), to_text(one.dataset_digest, "dataset"))
                for one in metrics
            ],
        )  # fmt: skip

    def list_metrics(self, model_ids: Sequence[str]) -> Mapping[str, Sequence[ModelMetric]]:
        """Return the points about these models, by name and time."""
        found: dict[str, list[ModelMetric]] = {model_id: [] for model_id in model_ids}
        rows = list(self._session.among(f"SELECT {_METRIC} FROM logged_model_metrics WHERE model_id IN (*)", list(found)))
        for row in sorted(rows, key=lambda row: (row[2], row[5], row[4])):
            found[row[0]].append(ModelMetric(row[0], row[1], row[2], from_real(row[3]), row[4], from_micros(row[5]), row[6], row[7]))
        return found

    def put_file(self, file: ModelFile) -> None:
        """Add a file, or replace the one of that path."""
        self._session.run(
            "INSERT INTO logged_model_files (model_id, path, digest, size) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (model_id, path) DO UPDATE SET digest = excluded.digest, size = excluded.size",
            (file.model_id, to_text(file.path, "path"), file.digest, file.size),
        )

    def list_files(self, model_id: str | None = None) -> Sequence[ModelFile]:
        """Return the files of one model, or of all, by path."""
        condition, values = ("", ()) if model_id is None else (" WHERE model_id = ?", (model_id,))
        rows = self._session.all(f"SELECT model_id, path, digest, size FROM logged_model_files{condition}", values)
        return [ModelFile(owner, path, Digest(digest), size) for owner, path, digest, size in sorted(rows)]


class SqlModelWords:
    """Descriptions and tags by model and version."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, model: str, version: int, kind: str, name: str, value: str) -> None:
        """Set one; `version` 0 is the model itself."""
        self._session.run("INSERT INTO models (model, last_version) VALUES (?, 0) ON CONFLICT DO NOTHING", (to_text(model, "model"),))
        self._session.run(
            "INSERT INTO model_words (model, version, kind, name, value) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (model, version, kind, name) DO UPDATE SET value = excluded.value",
            (model, version, kind, to_text(name, kind), to_text(value, kind)),
        )

    def delete(self, model: str, version: int, kind: str, name: str) -> None:
        """Remove one; absent is no error."""
        self._session.run("DELETE FROM model_words WHERE model = ? AND version = ? AND kind = ? AND name = ?", (model, version, kind, name))

    def list_all(self, models: Sequence[str], version: int | None = None) -> Mapping[tuple[str, int, str], Mapping[str, str]]:
        """Return (model, version, kind) -> name -> value; with `version`, of the models themselves and of their versions of that number."""
        found: dict[tuple[str, int, str], dict[str, str]] = {}
        condition, values = ("", ()) if version is None else ("version IN (0, ?) AND ", (version,))
        sql = f"SELECT model, version, kind, name, value FROM model_words WHERE {condition}model IN (*)"
        for model, number, kind, name, value in self._session.among(sql, list(dict.fromkeys(models)), values):
            found.setdefault((model, number, kind), {})[name] = value
        return found

    def list_models(self) -> Sequence[str]:
        """Return the names of all models, also of those without a version."""
        return sorted(str(row[0]) for row in self._session.all("SELECT model FROM models"))


def _changing(model: LoggedModel) -> tuple[object, ...]:
    deleted = None if model.deleted_at is None else to_micros(model.deleted_at)
    words = to_text(to_json(dict(model.params)), "params"), to_text(to_json(dict(model.tags)), "tags")
    return (model.status, to_micros(model.created_at), to_micros(model.updated_at), deleted, *words)


def _model(row: Row) -> LoggedModel:
    model_id, experiment, name, run_id, kind, status, created_at, updated_at, deleted_at, params, tags = row
    return LoggedModel(
        model_id, experiment, name, run_id, kind, status, from_micros(created_at), from_micros(updated_at),
        None if deleted_at is None else from_micros(deleted_at), read_tags(params), read_tags(tags),
    )  # fmt: skip
