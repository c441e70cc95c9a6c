"""MLflow's routes of runs: beginning and ending them, params, metrics and tags, one by one and in batches, and looking for them."""

from collections.abc import Sequence
from typing import NoReturn

import msgspec

from incumbent.base.errors import InvalidInput, NotFound
from incumbent.base.metric import PointCells
from incumbent.server.group import Write
from incumbent.server.messages import Request, Response, Server
from incumbent.server.mlflow.experiments import Pair, is_wanted
from incumbent.server.mlflow.replies import describe_history, describe_info, describe_runs
from incumbent.server.mlflow.wire import TIMES_MS, Asked, check_limit, from_ms, offset_of, page, read_body, read_query, reply
from incumbent.tracking.experiment import ModelMetric
from incumbent.tracking.mlflow_filter import parse_filter, parse_orders
from incumbent.tracking.record import check_name
from incumbent.tracking.run import RunState
from incumbent.tracking.search import Combination, Comparison, Query
from incumbent.usecases.ports import Transaction
from incumbent.usecases.tracked_runs import NAME_TAG, begin_tracked_run, experiment_id_of, find_experiment, get_tracked_run

METRICS_MAX = 1000
PAIRS_MAX = 100
PARAM_CHARACTERS_MAX = 6_000
TAG_CHARACTERS_MAX = 8_000
DATASET_NAME_CHARACTERS_MAX = 500
HISTORY_PAGE_MAX = 25_000
RUNS_PAGE_MAX = 50_000
_STEPS = range(-(2**63), 2**63)
_STATES: dict[str, RunState] = {
    "RUNNING": "running", "SCHEDULED": "running", "FINISHED": "finished", "FAILED": "failed", "KILLED": "killed",
    "1": "running", "2": "running", "3": "finished", "4": "failed", "5": "killed",
}  # fmt: skip


class _Metric(Asked):
    key: str
    value: float | str
    timestamp: int
    step: int | None = None
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class _Create(Asked):
    experiment_id: str = "0"
    user_id: str = ""
    run_name: str = ""
    start_time: int = -1
    tags: list[Pair] = msgspec.field(default_factory=list)


class _Run(Asked):
    run_id: str = ""
    run_uuid: str = ""


class _Update(_Run):
    status: str | int = ""
    end_time: int | None = None
    run_name: str = ""


class _LogMetric(_Run, kw_only=True):
    key: str
    value: float | str
    timestamp: int
    step: int | None = None
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class _LogPair(_Run, kw_only=True):
    key: str
    value: str = ""


class _Batch(_Run):
    metrics: list[_Metric] = msgspec.field(default_factory=list)
    params: list[Pair] = msgspec.field(default_factory=list)
    tags: list[Pair] = msgspec.field(default_factory=list)


class _Search(Asked):
    experiment_ids: list[str] = msgspec.field(default_factory=list)
    filter: str = ""
    run_view_type: str | int = "ACTIVE_ONLY"
    max_results: int = 1000
    order_by: list[str] = msgspec.field(default_factory=list)
    page_token: str = ""


class _History(_Run, kw_only=True):
    metric_key: str
    page_token: str = ""
    max_results: int = HISTORY_PAGE_MAX


def create(server: Server, request: Request) -> Write:
    """Begin a run."""
    asked = read_body(request, _Create)
    ws = server.ws
    tags = _tags(asked.tags)
    if asked.user_id:
        tags.setdefault("mlflow.user", _text("tag", "mlflow.user", asked.user_id, TAG_CHARACTERS_MAX))
    started_at = ws.clock.now() if asked.start_time < 0 else from_ms(asked.start_time, "start_time")
    run_id = ws.ids.new("run")

    def write(tx: Transaction) -> dict[str, object]:
        experiment = find_experiment(tx, asked.experiment_id)
        run = begin_tracked_run(ws, tx, experiment=experiment, run_id=run_id, name=asked.run_name, started_at=started_at, tags=tags)
        [described] = describe_runs(tx, [run])
        return described

    return Write(write, lambda described: reply({"run": described}))


def get(server: Server, request: Request) -> Response:
    """Return a run."""
    run_id = _id(read_query(request, _Run))
    with server.ws.store.begin(read_only=True) as tx:
        [described] = describe_runs(tx, [get_tracked_run(tx, run_id)])
    return reply({"run": described})


def update(server: Server, request: Request) -> Write:
    """End a run, go on with it, or rename it."""
    asked = read_body(request, _Update)
    run_id = _id(asked)
    if asked.status and str(asked.status) not in _STATES:
        raise InvalidInput(f"Invalid value {str(asked.status)[:40]!r} for parameter 'status'; legal: {', '.join(list(_STATES)[:5])}")
    given = None if asked.end_time is None else from_ms(asked.end_time, "end_time")
    name = check_name("run", asked.run_name) if asked.run_name else None

    def write(tx: Transaction) -> dict[str, object]:
        run = get_tracked_run(tx, run_id)
        state = _STATES[str(asked.status)] if asked.status else run.state
        ended = None if state == "running" else given or run.ended_at or server.ws.clock.now()
        tx.open_runs.set_state(run_id, state, ended, name)
        if name is not None:
            tx.open_runs.set_tags(run_id, {NAME_TAG: name})
        found = tx.experiments.find(run.experiment)
        assert found is not None
        return describe_info(tx.runs.get(run_id), experiment_id_of(found), is_deleted=False)

    return Write(write, lambda described: reply({"run_info": described}))


def delete(server: Server, request: Request) -> Write:
    """Put a run out of sight."""
    run_id, now = _id(read_body(request, _Run)), server.ws.clock.now()
    return Write(lambda tx: tx.open_runs.set_deleted(run_id, now), _done)


def restore(_server: Server, request: Request) -> Write:
    """Bring a run back."""
    run_id = _id(read_body(request, _Run))
    return Write(lambda tx: tx.open_runs.set_deleted(run_id, None), _done)


def log_metric(_server: Server, request: Request) -> Write:
    """Add a point."""
    asked = read_body(request, _LogMetric)
    run_id = _id(asked)
    about = asked.model_id, asked.dataset_name, asked.dataset_digest
    metric = _Metric(asked.key, asked.value, asked.timestamp, asked.step, *about)
    points, of_models = _points([metric]), _of_models(run_id, [metric])

    def write(tx: Transaction) -> None:
        tx.open_runs.append(run_id, points)
        if of_models:
            _write_of_models(tx, of_models)

    return Write(write, _done)


def log_param(_server: Server, request: Request) -> Write:
    """Set a param, once."""
    asked = read_body(request, _LogPair)
    run_id, params = _id(asked), _params([Pair(asked.key, asked.value)])
    return Write(lambda tx: tx.open_runs.set_params(run_id, params), _done)


def set_tag(_server: Server, request: Request) -> Write:
    """Set a tag."""
    asked = read_body(request, _LogPair)
    run_id, tags = _id(asked), _tags([Pair(asked.key, asked.value)])
    return Write(lambda tx: _write_tags(tx, run_id, tags), _done)


def delete_tag(_server: Server, request: Request) -> Write:
    """Remove a tag."""
    asked = read_body(request, _LogPair)
    run_id = _id(asked)
    return Write(lambda tx: tx.open_runs.delete_tag(run_id, asked.key), _done)


def log_batch(_server: Server, request: Request) -> Write:
    """Add points, params and tags, all or none."""
    asked = read_body(request, _Batch)
    run_id = _id(asked)
    counts = {"metrics": (len(asked.metrics), METRICS_MAX), "params": (len(asked.params), PAIRS_MAX), "tags": (len(asked.tags), PAIRS_MAX)}
    for what, (count, most) in counts.items():
        if count > most:
            raise InvalidInput(f"A batch has {count} {what}; at most {most}: send several")
    if len(asked.metrics) + len(asked.params) + len(asked.tags) > METRICS_MAX:
        raise InvalidInput(f"A batch has at most {METRICS_MAX} metrics, params and tags together: send several")
    points, params, tags = _points(asked.metrics), _params(asked.params), _tags(asked.tags)
    of_models = _of_models(run_id, asked.metrics)

    def write(tx: Transaction) -> None:
        tx.open_runs.append(run_id, points)  # also with none: it says whether the run may be written to
        if params:
            tx.open_runs.set_params(run_id, params)
        if tags:
            _write_tags(tx, run_id, tags)
        if of_models:
            _write_of_models(tx, of_models)

    return Write(write, _done)


def search(server: Server, request: Request) -> Response:
    """Return runs that a filter matches."""
    asked = read_body(request, _Search)
    condition, orders = parse_filter(asked.filter), parse_orders(asked.order_by)
    limit, offset, wanted = check_limit(asked.max_results, RUNS_PAGE_MAX), offset_of(asked.page_token), is_wanted(asked.run_view_type)
    with server.ws.store.begin(read_only=True) as tx:
        numbers = {experiment_id_of(one): one for one in tx.experiments.list_all()}
        names = tuple(numbers[one].name for one in dict.fromkeys(asked.experiment_ids) if one in numbers)
        if not names:
            return reply({"runs": []})
        within = Comparison("attributes", "experiment", "in", names)
        both = within if condition is None else Combination("and", (within, condition))
        found = tx.index.search(Query(both, orders), limit=limit + 1, offset=offset, is_deleted=wanted)
        shown, more = page(found, limit, offset)
        return reply({"runs": describe_runs(tx, shown), **more})


def get_history(server: Server, request: Request) -> Response:
    """Return the points of a metric, in pages."""
    asked = read_query(request, _History)
    run_id, limit, offset = _id(asked), check_limit(asked.max_results, HISTORY_PAGE_MAX), offset_of(asked.page_token)
    with server.ws.store.begin(read_only=True) as tx:
        get_tracked_run(tx, run_id)
        found = tx.open_runs.page_history(run_id, asked.metric_key, limit=limit + 1, offset=offset)
    shown, more = page(found, limit, offset)
    return reply({"metrics": describe_history(asked.metric_key, shown), **more})


def _done(_: object) -> Response:
    return reply({})


def _write_tags(tx: Transaction, run_id: str, tags: dict[str, str]) -> None:
    tx.open_runs.set_tags(run_id, tags)
    if tags.get(NAME_TAG):
        run = tx.runs.get(run_id)
        tx.open_runs.set_state(run_id, run.state, run.ended_at, check_name("run", tags[NAME_TAG]))


def _id(asked: _Run) -> str:
    run_id = asked.run_id or asked.run_uuid
    if not run_id:
        raise InvalidInput("Missing value for required parameter 'run_id'")
    return run_id


def _points(metrics: Sequence[_Metric]) -> list[PointCells]:
    for name in {metric.key for metric in metrics}:
        check_name("metric", name)
    return [
        (metric.key, _value(metric), metric.step or 0, metric.timestamp * 1000)
        if (metric.step is None or metric.step in _STEPS) and metric.timestamp in TIMES_MS
        else _refuse_place(metric)
        for metric in metrics
    ]


def _of_models(run_id: str, metrics: Sequence[_Metric]) -> list[ModelMetric]:
    """Return the points that are about a logged model; they have passed as points of the run."""
    found = [
        ModelMetric(one.model_id, run_id, one.key, _value(one), one.step or 0, from_ms(one.timestamp, "timestamp"),
                    one.dataset_name, one.dataset_digest)
        for one in metrics
        if one.model_id
    ]  # fmt: skip
    if any(len(one.dataset_name) > DATASET_NAME_CHARACTERS_MAX or len(one.dataset_digest) > DATASET_NAME_CHARACTERS_MAX for one in found):
        raise InvalidInput(f"A dataset's name and digest have at most {DATASET_NAME_CHARACTERS_MAX} characters")
    return found


def _write_of_models(tx: Transaction, metrics: Sequence[ModelMetric]) -> None:
    for model_id in sorted({one.model_id for one in metrics}):
        if tx.logged_models.get(model_id).deleted_at is not None:
            raise NotFound(f"Logged model with ID {model_id!r} not found: it was deleted")
    tx.logged_models.add_metrics(metrics)


def _value(metric: _Metric) -> float:
    try:
        return float(metric.value)
    except ValueError:
        raise InvalidInput(f"Got invalid value {str(metric.value)[:80]!r} for metric {metric.key[:80]!r}: it is no number") from None


def _refuse_place(metric: _Metric) -> NoReturn:
    from_ms(metric.timestamp, "timestamp")
    raise InvalidInput(f"Got invalid step {metric.step} for metric {metric.key[:80]!r}: it does not fit in 64 bits")


def _params(pairs: Sequence[Pair]) -> dict[str, str]:
    found = {check_name("param", pair.key): _text("param", pair.key, pair.value, PARAM_CHARACTERS_MAX) for pair in pairs}
    if len(found) != len(pairs):
        raise InvalidInput("Duplicate parameter keys have been submitted: a batch names each param once")
    return found


def _tags(pairs: Sequence[Pair]) -> dict[str, str]:
    return {check_name("tag", pair.key): _text("tag", pair.key, pair.value, TAG_CHARACTERS_MAX) for pair in pairs}


def _text(what: str, name: str, value: str, most: int) -> str:
    if len(value) > most:
        raise InvalidInput(f"The value of {what} {name[:80]!r} has {len(value)} characters; at most {most}: log it as an artifact")
    return value
