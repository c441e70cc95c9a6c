"""A running MLflow server, read through its REST API with the standard library: no package of MLflow is needed, and none is trusted."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from incumbent.base.errors import Corrupt, NotFound
from incumbent.execution.mlflow_source.http_client import MlflowHttp
from incumbent.execution.mlflow_source.http_files import ServedFiles
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

_API = "/api/2.0/mlflow"
RUNS_PAGE = 100
POINTS_PAGE = 25_000
_Fields = Mapping[str, Any]


class HttpStore:
    """Reads one server."""

    def __init__(self, address: str, *, user: str = "", password: str = "", token: str = "") -> None:
        self._http = MlflowHttp(address, user=user, password=password, token=token)
        self.name = self._http.name
        self.files: SourceFiles = ServedFiles(self._http)

    def list_experiments(self) -> Iterator[SourceExperiment]:
        """Yield experiments, deleted ones too."""
        for found in self._pages(
            "experiments", lambda page: self._http.post(f"{_API}/experiments/search", {"view_type": "ALL", "max_results": 1000, **page})
        ):
            yield SourceExperiment(
                experiment_id=_text(found, "experiment_id"),
                name=_text(found, "name"),
                created_ms=_maybe(found, "creation_time"),
                updated_ms=_maybe(found, "last_update_time"),
                is_deleted=found.get("lifecycle_stage") == "deleted",
                tags=_pairs(found.get("tags")),
            )

    def list_runs(self, experiment_id: str) -> Iterator[SourceRun]:
        """Yield the runs of an experiment, deleted ones too, oldest first."""
        body = {
            "experiment_ids": [experiment_id],
            "run_view_type": "ALL",
            "max_results": RUNS_PAGE,
            "order_by": ["attributes.start_time ASC"],
        }
        for found in self._pages("runs", lambda page: self._http.post(f"{_API}/runs/search", {**body, **page})):
            try:
                yield _run(found, experiment_id)
            except Corrupt as error:
                yield unreadable_run(_object(found, "info").get("run_id"), experiment_id, str(error))

    def list_points(self, run: SourceRun) -> Iterator[tuple[str, Sequence[SourcePoint]]]:
        """Yield the whole history of each metric."""
        for name in sorted(run.latest):
            query = {"run_id": run.run_id, "metric_key": name, "max_results": POINTS_PAGE}
            # Mypy infers no lambda with a default.
            for page in self._raw_pages(lambda page, query=query: self._http.get(f"{_API}/metrics/get-history", {**query, **page})):  # type: ignore[misc]
                points = [_point(one) for one in _objects(page.get("metrics"))]
                if points:
                    yield name, points

    def list_logged_models(self, experiment_id: str) -> Iterator[SourceLoggedModel]:
        """Yield the logged models of an experiment; none where the server is older than they are."""
        body = {"experiment_ids": [experiment_id], "max_results": 50}
        try:
            for found in self._pages("models", lambda page: self._http.post(f"{_API}/logged-models/search", {**body, **page})):
                yield _logged_model(found, experiment_id)
        except NotFound:
            return

    def list_registered(self) -> Iterator[SourceRegistered]:
        """Yield the registered models; none where the server has no registry."""
        try:
            for found in self._pages(
                "registered_models", lambda page: self._http.get(f"{_API}/registered-models/search", {"max_results": 100, **page})
            ):
                name = _text(found, "name")
                aliases = {_text(one, "alias"): _number(one, "version") for one in _objects(found.get("aliases"))}
                yield SourceRegistered(name, _text(found, "description"), _pairs(found.get("tags")), aliases, list(self._versions(name)))
        except NotFound:
            return

    def close(self) -> None:
        """Give up the connection."""
        self._http.close()

    def _versions(self, name: str) -> Iterator[SourceVersion]:
        if "'" in name and '"' in name:
            raise Corrupt(f"registered model {name[:80]!r} cannot stand in a filter")
        quote = '"' if "'" in name else "'"
        query: dict[str, str | int] = {"filter": f"name={quote}{name}{quote}", "max_results": 1000}
        for found in self._pages("model_versions", lambda page: self._http.get(f"{_API}/model-versions/search", {**query, **page})):
            texts = [_text(found, field) for field in ("current_stage", "source", "run_id", "user_id")]
            yield SourceVersion(
                _number(found, "version"), texts[0] or "None", texts[1], texts[2], texts[3], _maybe(found, "creation_timestamp") or 0,
                _text(found, "status"), _text(found, "description"), _pairs(found.get("tags")),
            )  # fmt: skip

    def _pages(self, field: str, ask: Callable[[dict[str, str]], dict[str, Any]]) -> Iterator[_Fields]:
        for page in self._raw_pages(ask):
            yield from _objects(page.get(field))

    def _raw_pages(self, ask: Callable[[dict[str, str]], dict[str, Any]]) -> Iterator[dict[str, Any]]:
        seen: set[str] = set()
        token = ""
        while token not in seen:
            seen.add(token)
            page = ask({"page_token": token} if token else {})
            yield page
            token = str(page.get("next_page_token") or "")
            if not token:
                return
        raise Corrupt(f"{self.name} gives page {token[:40]!r} again and again")


def _run(found: _Fields, experiment_id: str) -> SourceRun:
    info, data = _object(found, "info"), _object(found, "data")
    inputs, outputs = _object(found, "inputs"), _object(found, "outputs")
    run_id = _text(info, "run_id") or _text(info, "run_uuid")
    return SourceRun(
        run_id=run_id,
        experiment_id=experiment_id,
        name=_text(info, "run_name"),
        user=_text(info, "user_id"),
        status=_text(info, "status"),
        started_ms=_maybe(info, "start_time") or 0,
        ended_ms=_maybe(info, "end_time") or None,
        is_deleted=info.get("lifecycle_stage") == "deleted",
        deleted_ms=None,
        place=Place("run", run_id, _text(info, "artifact_uri")),
        params=_pairs(data.get("params")),
        tags=_pairs(data.get("tags")),
        latest={_text(one, "key"): _point(one) for one in _objects(data.get("metrics"))},
        datasets=[_dataset(one) for one in _objects(inputs.get("dataset_inputs"))],
        models=[
            *(ModelLink(run_id, "input", _text(one, "model_id")) for one in _objects(inputs.get("model_inputs"))),
            *(
                ModelLink(run_id, "output", _text(one, "model_id"), _maybe(one, "step") or 0)
                for one in _objects(outputs.get("model_outputs"))
            ),
        ],
    )


def _dataset(found: _Fields) -> DatasetInput:
    one = _object(found, "dataset")
    texts = [_text(one, field) for field in ("name", "digest", "source_type", "source", "schema", "profile")]
    return DatasetInput(texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], _pairs(found.get("tags")))


def _logged_model(found: _Fields, experiment_id: str) -> SourceLoggedModel:
    info, data = _object(found, "info"), _object(found, "data")
    model_id = _text(info, "model_id")
    return SourceLoggedModel(
        model_id=model_id,
        experiment_id=experiment_id,
        name=_text(info, "name"),
        run_id=_text(info, "source_run_id"),
        kind=_text(info, "model_type"),
        status={"LOGGED_MODEL_READY": "READY", "LOGGED_MODEL_UPLOAD_FAILED": "FAILED"}.get(_text(info, "status"), "PENDING"),
        created_ms=_number(info, "creation_timestamp_ms"),
        updated_ms=_number(info, "last_updated_timestamp_ms"),
        is_deleted=False,
        place=Place("model", model_id, _text(info, "artifact_uri")),
        params=_pairs(data.get("params")),
        tags=_pairs(info.get("tags")),
        metrics=[
            SourceModelMetric(
                _text(one, "key"), _point(one), _text(one, "run_id"), _text(one, "dataset_name"), _text(one, "dataset_digest")
            )
            for one in _objects(data.get("metrics"))
        ],
    )


def _point(found: _Fields) -> SourcePoint:
    value = found.get("value", 0.0)  # a message of protobuf leaves out what is zero
    try:
        return SourcePoint(float(value), _maybe(found, "step") or 0, _maybe(found, "timestamp") or 0)
    except (TypeError, ValueError, OverflowError):
        raise Corrupt(f"a metric's value is {str(value)[:40]!r}, which is no number") from None


def _objects(value: object) -> list[_Fields]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Corrupt(f"the server gives {str(value)[:80]!r} where a list of objects belongs")
    return value


def _object(found: _Fields, field: str) -> _Fields:
    value = found.get(field, {})
    if not isinstance(value, dict):
        raise Corrupt(f"the server gives {str(value)[:80]!r} where {field} belongs")
    return value


def _pairs(value: object) -> dict[str, str]:
    return {_text(one, "key"): _text(one, "value") for one in _objects(value)}


def _text(found: _Fields, field: str) -> str:
    value = found.get(field, "")
    if not isinstance(value, str):
        raise Corrupt(f"the server gives {str(value)[:80]!r} where the text {field} belongs")
    return value


def _maybe(found: _Fields, field: str) -> int | None:
    """Return a whole number, which may be spelled as text: protobuf's JSON does that with 64 bits."""
    value = found.get(field)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value, re.ASCII):
        return int(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise Corrupt(f"the server gives {str(value)[:80]!r} where the number {field} belongs")


def _number(found: _Fields, field: str) -> int:
    value = _maybe(found, field)
    if value is None:
        raise Corrupt(f"the server gives no {field} in {str(found)[:80]}")
    return value
