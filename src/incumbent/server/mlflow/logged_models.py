"""MLflow's routes of logged models: what a run made before anybody registers it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from incumbent.base.errors import InvalidInput, NotFound
from incumbent.server.messages import Request, Response, Server
from incumbent.server.mlflow.experiments import Pair
from incumbent.server.mlflow.replies import describe_model_metric
from incumbent.server.mlflow.wire import check_limit, offset_of, page, read_body, read_query, reply, to_ms
from incumbent.tracking.experiment import LoggedModel, ModelMetric, ModelStatus
from incumbent.tracking.matching import Values, matches, sort_by
from incumbent.tracking.mlflow_filter import LOGGED_MODEL_FIELDS, parse_filter, parse_orders
from incumbent.tracking.record import check_name
from incumbent.usecases.ports import Transaction
from incumbent.usecases.tracked_runs import DEFAULT_EXPERIMENT, experiment_id_of, find_experiment, get_tracked_run, must_be_active

PAGE_MAX = 1000
PARAM_CHARACTERS_MAX = 6_000
TAG_CHARACTERS_MAX = 8_000
PAIRS_MAX = 1000
"""Params, or tags, of one logged model."""
_NAME_FORBIDDEN = re.compile(r"[/:.%\"']")
_STATUSES: Mapping[str, ModelStatus] = {
    "LOGGED_MODEL_PENDING": "PENDING", "LOGGED_MODEL_READY": "READY", "LOGGED_MODEL_UPLOAD_FAILED": "FAILED",
    "1": "PENDING", "2": "READY", "3": "FAILED",
}  # fmt: skip
_SPOKEN = {status: name for name, status in _STATUSES.items() if not name.isdigit()}


class _Create(msgspec.Struct):
    experiment_id: str
    name: str = ""
    model_type: str = ""
    source_run_id: str = ""
    params: list[Pair] = []
    tags: list[Pair] = []


class _Finalize(msgspec.Struct):
    status: str | int


class _Get(msgspec.Struct):
    allow_deleted: bool = False


class _Params(msgspec.Struct):
    params: list[Pair] = []


class _Tags(msgspec.Struct):
    tags: list[Pair] = []


class _Dataset(msgspec.Struct):
    dataset_name: str
    dataset_digest: str = ""


class _Order(msgspec.Struct):
    field_name: str
    ascending: bool = True
    dataset_name: str = ""
    dataset_digest: str = ""


class _Search(msgspec.Struct):
    experiment_ids: list[str] = []
    filter: str = ""
    datasets: list[_Dataset] = []
    order_by: list[_Order] = []
    max_results: int = 100
    page_token: str = ""


def create(server: Server, request: Request) -> Response:
    """Begin a logged model; its files come next, and then its status."""
    asked = read_body(request, _Create)
    ws = server.ws
    model_id, now = f"m-{ws.ids.salt().hex()[:32]}", ws.clock.now()
    name = check_name("logged model", asked.name or f"model-{model_id[-8:]}")
    if _NAME_FORBIDDEN.search(name):
        raise InvalidInput(f"Invalid model name {name!r}: it must not contain '/', ':', '.', '%', or quotes")
    if len(asked.model_type) > 500:
        raise InvalidInput(f"model_type has {len(asked.model_type)} characters; at most 500")
    params, tags = _texts("param", asked.params, PARAM_CHARACTERS_MAX), _texts("tag", asked.tags, TAG_CHARACTERS_MAX)

    def write(tx: Transaction) -> dict[str, Any]:
        number = must_be_active(find_experiment(tx, asked.experiment_id)).number or tx.experiments.create(DEFAULT_EXPERIMENT, {}, now)
        run_id = get_tracked_run(tx, asked.source_run_id).run_id if asked.source_run_id else ""
        tx.logged_models.create(
            LoggedModel(model_id, number, name, run_id, asked.model_type, "PENDING", now, now, params=params, tags=tags)
        )
        return _describe(tx, [tx.logged_models.get(model_id)])[0]

    return reply({"model": server.writer.write(ws.store, write)})


def get(server: Server, request: Request) -> Response:
    """Return a logged model."""
    asked = read_query(request, _Get)
    with server.ws.store.begin(read_only=True) as tx:
        found = tx.logged_models.get(request.path["model_id"])
        if found.deleted_at is not None and not asked.allow_deleted:
            raise _is_deleted(found)
        return reply({"model": _describe(tx, [found])[0]})


def finalize(server: Server, request: Request) -> Response:
    """Say whether its files came whole."""
    asked = read_body(request, _Finalize)
    status = _STATUSES.get(str(asked.status))
    if status is None:
        raise InvalidInput(f"Invalid model status {str(asked.status)[:40]!r}; legal: {', '.join(_SPOKEN.values())}")
    return reply({"model": _change(server, request, lambda model: replace(model, status=status))})


def delete(server: Server, request: Request) -> Response:
    """Delete a logged model: its record stays, out of sight, and its files are named no more. A version made from it keeps its own."""
    model_id, now = request.path["model_id"], server.ws.clock.now()

    def write(tx: Transaction) -> None:
        found = _find(tx, model_id)
        tx.open_artifacts.delete_files(model_id, [file.path for file in tx.logged_models.list_files(model_id)])
        tx.logged_models.change(replace(found, deleted_at=now, updated_at=now))

    server.writer.write(server.ws.store, write)
    return reply({})


def log_params(server: Server, request: Request) -> Response:
    """Add params, each once."""
    given = _texts("param", read_body(request, _Params).params, PARAM_CHARACTERS_MAX)

    def add(model: LoggedModel) -> LoggedModel:
        changed = next((name for name, value in given.items() if model.params.get(name, value) != value), None)
        if changed is not None:
            raise InvalidInput(f"param {changed!r} of {model.model_id} is {model.params[changed][:80]!r} already: a param is set once")
        return replace(model, params=_bounded("params", {**model.params, **given}))

    _change(server, request, add)
    return reply({})


def set_tags(server: Server, request: Request) -> Response:
    """Set tags."""
    given = _texts("tag", read_body(request, _Tags).tags, TAG_CHARACTERS_MAX)
    return reply({"model": _change(server, request, lambda model: replace(model, tags=_bounded("tags", {**model.tags, **given})))})


def delete_tag(server: Server, request: Request) -> Response:
    """Remove a tag."""
    key = request.path["key"]

    def remove(model: LoggedModel) -> LoggedModel:
        if key not in model.tags:
            raise NotFound(f"No tag with key {key[:80]!r} found for logged model {model.model_id}")
        return replace(model, tags={name: value for name, value in model.tags.items() if name != key})

    _change(server, request, remove)
    return reply({})


def search(server: Server, request: Request) -> Response:
    """Return logged models that a filter matches, newest first unless an order is given."""
    asked = read_body(request, _Search)
    condition = parse_filter(asked.filter, LOGGED_MODEL_FIELDS)
    orders = [
        (one, parse_orders([f"{one.field_name} {'ASC' if one.ascending else 'DESC'}"], LOGGED_MODEL_FIELDS)) for one in asked.order_by
    ]
    limit, offset = check_limit(asked.max_results, PAGE_MAX), offset_of(asked.page_token)
    with server.ws.store.begin(read_only=True) as tx:
        known = {experiment_id_of(one): one.number for one in tx.experiments.list_all()}
        everything = tx.logged_models.list_all([known[one] for one in asked.experiment_ids if one in known])
        metrics = tx.logged_models.list_metrics([model.model_id for model in everything])
        ids = {number: experiment_id for experiment_id, number in known.items()}
        found: list[LoggedModel] = [
            model for model in everything
            if model.deleted_at is None and matches(condition, _values(model, ids, metrics[model.model_id], asked.datasets))
        ]  # fmt: skip
        for one, order in reversed(orders):
            wanted = [_Dataset(one.dataset_name, one.dataset_digest)] if one.dataset_name else []
            # Mypy infers no lambda with a default.
            found = sort_by(found, order, lambda model, wanted=wanted: _values(model, ids, metrics[model.model_id], wanted))  # type: ignore[misc]
        shown, more = page(found[offset : offset + limit + 1], limit, offset)
        return reply({"models": _describe(tx, shown), **more})


def _change(server: Server, request: Request, work: Callable[[LoggedModel], LoggedModel]) -> dict[str, Any]:
    model_id, now = request.path["model_id"], server.ws.clock.now()

    def write(tx: Transaction) -> dict[str, Any]:
        changed = replace(work(_find(tx, model_id)), updated_at=now)
        tx.logged_models.change(changed)
        return _describe(tx, [changed])[0]

    return server.writer.write(server.ws.store, write)


def _find(tx: Transaction, model_id: str) -> LoggedModel:
    found = tx.logged_models.get(model_id)
    if found.deleted_at is not None:
        raise _is_deleted(found)
    return found


def _is_deleted(model: LoggedModel) -> NotFound:
    return NotFound(f"Logged model with ID {model.model_id!r} not found: it was deleted")


def _describe(tx: Transaction, models: Sequence[LoggedModel]) -> list[dict[str, Any]]:
    metrics = tx.logged_models.list_metrics([model.model_id for model in models])
    ids = {number: experiment_id_of(tx.experiments.get(number)) for number in {model.experiment for model in models}}
    return [
        {
            "info": {
                "model_id": model.model_id,
                "experiment_id": ids[model.experiment],
                "name": model.name,
                "creation_timestamp_ms": to_ms(model.created_at),
                "last_updated_timestamp_ms": to_ms(model.updated_at),
                "artifact_uri": f"mlflow-artifacts:/{ids[model.experiment]}/models/{model.model_id}/artifacts",
                "status": _SPOKEN[model.status],
                "model_type": model.kind,
                "source_run_id": model.run_id,
                "tags": [{"key": name, "value": value} for name, value in model.tags.items()],
            },
            "data": {
                "params": [{"key": name, "value": value} for name, value in model.params.items()],
                "metrics": [describe_model_metric(point) for point in metrics[model.model_id]],
            },
        }
        for model in models
    ]


def _values(model: LoggedModel, ids: Mapping[int, str], metrics: Sequence[ModelMetric], datasets: Sequence[_Dataset]) -> Values:
    counted = [point for point in metrics if not datasets or any(_is_about(point, one) for one in datasets)]
    attributes: dict[str, str | int] = {
        "name": model.name, "model_id": model.model_id, "model_type": model.kind, "source_run_id": model.run_id, "status": model.status,
        "experiment_id": ids[model.experiment], "creation_time": to_ms(model.created_at), "last_updated_time": to_ms(model.updated_at),
    }  # fmt: skip
    return {
        **{("attributes", name): value for name, value in attributes.items()},
        **{("params", name): value for name, value in model.params.items()},
        **{("tags", name): value for name, value in model.tags.items()},
        **{("metrics", point.name): point.value for point in counted},
    }


def _is_about(point: ModelMetric, dataset: _Dataset) -> bool:
    return dataset.dataset_name == point.dataset_name and dataset.dataset_digest in ("", point.dataset_digest)


def _texts(what: str, pairs: Sequence[Pair], most: int) -> dict[str, str]:
    found = {check_name(what, pair.key): pair.value for pair in pairs}
    for name, value in found.items():
        if len(value) > most:
            raise InvalidInput(f"The value of {what} {name[:80]!r} has {len(value)} characters; at most {most}")
    return _bounded(f"{what}s", found)


def _bounded(what: str, found: dict[str, str]) -> dict[str, str]:
    if len(found) > PAIRS_MAX:
        raise InvalidInput(f"A logged model has at most {PAIRS_MAX} {what}; these would be {len(found)}")
    return found
