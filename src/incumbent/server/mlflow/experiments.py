"""MLflow's routes of experiments."""

from dataclasses import replace

import msgspec

from incumbent.base.errors import Conflict, InvalidInput
from incumbent.server.messages import Request, Response, Server
from incumbent.server.mlflow.replies import describe_experiment
from incumbent.server.mlflow.wire import Asked, MlflowProblem, check_limit, offset_of, page, read_body, read_query, reply, to_ms
from incumbent.tracking.experiment import Experiment
from incumbent.tracking.matching import Values, matches, sort_by
from incumbent.tracking.mlflow_filter import EXPERIMENT_FIELDS, parse_filter, parse_orders
from incumbent.tracking.record import check_name
from incumbent.usecases.ports import Transaction
from incumbent.usecases.tracked_runs import DEFAULT_EXPERIMENT, delete_experiment, experiment_id_of, find_experiment, must_be_active

PAGE_MAX = 50_000
TAG_CHARACTERS_MAX = 20_000


class Pair(Asked):
    """A name and a text."""

    key: str
    value: str = ""


class _Create(msgspec.Struct):
    name: str
    tags: list[Pair] = []
    artifact_location: str = ""


class _Id(msgspec.Struct):
    experiment_id: str


class _Name(msgspec.Struct):
    experiment_name: str


class _Update(msgspec.Struct):
    experiment_id: str
    new_name: str


class _Tag(msgspec.Struct):
    experiment_id: str
    key: str
    value: str = ""


class _Search(msgspec.Struct):
    max_results: int = 1000
    page_token: str = ""
    filter: str = ""
    order_by: list[str] = []
    view_type: str = "ACTIVE_ONLY"


def create(server: Server, request: Request) -> Response:
    """Add an experiment."""
    asked = read_body(request, _Create)
    if asked.artifact_location:
        raise InvalidInput("Invalid value for parameter 'artifact_location': artifacts are kept by this server; leave it out")
    name = check_name("experiment", asked.name)
    tags = {check_name("tag", tag.key): _check_tag(tag.value) for tag in asked.tags}

    def write(tx: Transaction) -> str:
        number = tx.experiments.create(name, tags, server.ws.clock.now())
        return experiment_id_of(tx.experiments.get(number))

    try:
        return reply({"experiment_id": server.writer.write(server.ws.store, write)})
    except Conflict as error:
        raise _name_is_taken(error) from error


def get(server: Server, request: Request) -> Response:
    """Return an experiment by id."""
    asked = read_query(request, _Id)
    with server.ws.store.begin(read_only=True) as tx:
        return reply({"experiment": describe_experiment(find_experiment(tx, asked.experiment_id))})


def get_by_name(server: Server, request: Request) -> Response:
    """Return an experiment by name."""
    asked = read_query(request, _Name)
    with server.ws.store.begin(read_only=True) as tx:
        found = tx.experiments.find(asked.experiment_name)
        if found is None and asked.experiment_name == DEFAULT_EXPERIMENT:
            found = find_experiment(tx, "0")
    if found is None:
        name = asked.experiment_name[:80]
        raise MlflowProblem(404, "RESOURCE_DOES_NOT_EXIST", f"Could not find experiment with name '{name}'")
    return reply({"experiment": describe_experiment(found)})


def search(server: Server, request: Request) -> Response:
    """Return experiments that a filter matches."""
    asked = read_body(request, _Search) if request.method == "POST" else read_query(request, _Search)
    condition, orders = parse_filter(asked.filter, EXPERIMENT_FIELDS), parse_orders(asked.order_by, EXPERIMENT_FIELDS)
    limit, offset = check_limit(asked.max_results, PAGE_MAX), offset_of(asked.page_token)
    with server.ws.store.begin(read_only=True) as tx:
        everything = list(tx.experiments.list_all())
        if all(one.name != DEFAULT_EXPERIMENT for one in everything):
            everything.append(find_experiment(tx, "0"))
    wanted = is_wanted(asked.view_type)
    found = [one for one in everything if wanted in (None, one.deleted_at is not None) and matches(condition, _values(one))]
    shown, more = page(sort_by(found, orders, _values)[offset : offset + limit + 1], limit, offset)
    return reply({"experiments": [describe_experiment(one) for one in shown], **more})


def update(server: Server, request: Request) -> Response:
    """Rename an experiment."""
    asked = read_body(request, _Update)
    name = check_name("experiment", asked.new_name)

    def write(tx: Transaction) -> None:
        found = must_be_active(_stored(tx, asked.experiment_id))
        tx.experiments.change(replace(found, name=name, updated_at=server.ws.clock.now()))

    try:
        server.writer.write(server.ws.store, write)
    except Conflict as error:
        raise _name_is_taken(error) from error
    return reply({})


def delete(server: Server, request: Request) -> Response:
    """Put an experiment out of sight."""
    asked = read_body(request, _Id)
    server.writer.write(server.ws.store, lambda tx: delete_experiment(server.ws, tx, _stored(tx, asked.experiment_id)))
    return reply({})


def restore(server: Server, request: Request) -> Response:
    """Bring an experiment back."""
    asked = read_body(request, _Id)

    def write(tx: Transaction) -> None:
        found = _stored(tx, asked.experiment_id)
        if found.deleted_at is None:
            raise InvalidInput(f"The experiment {asked.experiment_id} must be in the 'deleted' state; it is active")
        tx.experiments.change(replace(found, deleted_at=None, updated_at=server.ws.clock.now()))

    server.writer.write(server.ws.store, write)
    return reply({})


def set_tag(server: Server, request: Request) -> Response:
    """Set a tag of an experiment."""
    asked = read_body(request, _Tag)
    name, value = check_name("tag", asked.key), _check_tag(asked.value)

    def write(tx: Transaction) -> None:
        found = must_be_active(_stored(tx, asked.experiment_id))
        tx.experiments.change(replace(found, tags={**found.tags, name: value}, updated_at=server.ws.clock.now()))

    server.writer.write(server.ws.store, write)
    return reply({})


def delete_tag(server: Server, request: Request) -> Response:
    """Remove a tag of an experiment."""
    asked = read_body(request, _Tag)

    def write(tx: Transaction) -> None:
        found = must_be_active(_stored(tx, asked.experiment_id))
        if asked.key not in found.tags:
            raise MlflowProblem(404, "RESOURCE_DOES_NOT_EXIST", f"No tag with name: {asked.key[:80]}")
        kept = {name: value for name, value in found.tags.items() if name != asked.key}
        tx.experiments.change(replace(found, tags=kept, updated_at=server.ws.clock.now()))

    server.writer.write(server.ws.store, write)
    return reply({})


def is_wanted(view: str | int) -> bool | None:
    """Return whether deleted things are asked for; None for both. Raises InvalidInput."""
    known = {"ACTIVE_ONLY": False, "1": False, "DELETED_ONLY": True, "2": True, "ALL": None, "3": None}
    if str(view) not in known:
        raise InvalidInput(f"Invalid view type {str(view)[:40]!r}; legal: ACTIVE_ONLY, DELETED_ONLY, ALL")
    return known[str(view)]


def _stored(tx: Transaction, experiment_id: str) -> Experiment:
    found = find_experiment(tx, experiment_id)
    if not found.number:
        raise InvalidInput("experiment 0 comes about with its first run, and there is none yet")
    return found


def _values(one: Experiment) -> Values:
    times = {"creation_time": one.created_at, "last_update_time": one.updated_at}
    return {
        ("attributes", "name"): one.name,
        ("attributes", "experiment_id"): experiment_id_of(one),
        **{("attributes", name): to_ms(at) for name, at in times.items() if at is not None},
        **{("tags", name): value for name, value in one.tags.items()},
    }


def _check_tag(value: str) -> str:
    if len(value) > TAG_CHARACTERS_MAX:
        raise InvalidInput(f"A tag's value has {len(value)} characters; at most {TAG_CHARACTERS_MAX}")
    return value


def _name_is_taken(error: Conflict) -> Exception:
    return MlflowProblem(400, "RESOURCE_ALREADY_EXISTS", str(error)) if "exists already" in str(error) else error
