"""MLflow's routes of registered models: names, descriptions, tags, aliases, and looking for them."""

from typing import TypeVar
from urllib.parse import parse_qs

import msgspec

from incumbent.base.errors import Conflict, InvalidInput, NotFound, Refused
from incumbent.registry.alias import check_alias, find_stages
from incumbent.registry.transitions import STATES
from incumbent.server.access import check_scope
from incumbent.server.messages import Request, Response, Server
from incumbent.server.mlflow.experiments import Pair
from incumbent.server.mlflow.registry_replies import describe_model, describe_version, list_latest, model_values
from incumbent.server.mlflow.wire import MlflowProblem, check_limit, convert, offset_of, page, read_body, read_query, reply
from incumbent.tracking.matching import matches, sort_by
from incumbent.tracking.mlflow_filter import MODEL_FIELDS, parse_filter, parse_orders
from incumbent.tracking.search import Order
from incumbent.usecases import registered_models as models
from incumbent.usecases.model_aliases import acts_of_alias, delete_alias, get_by_alias, set_alias
from incumbent.usecases.ports import Transaction

PAGE_MAX = 1000
_T = TypeVar("_T")


class Named(msgspec.Struct):
    """What names a model."""

    name: str


class _Create(Named):
    description: str | None = None
    tags: list[Pair] = []


class _Update(Named):
    description: str | None = None


class _Rename(Named):
    new_name: str = ""


class _SetTag(Named, kw_only=True):
    key: str
    value: str = ""


class _DeleteTag(Named, kw_only=True):
    key: str


class Alias(Named, kw_only=True):
    """What names an alias."""

    alias: str


class _SetAlias(Alias, kw_only=True):
    version: int


class _Latest(Named):
    stages: list[str] = []


class Search(msgspec.Struct):
    """What a search asks for."""

    filter: str = ""
    max_results: int | None = None
    order_by: list[str] = []
    page_token: str = ""


def create(server: Server, request: Request) -> Response:
    """Make a name known."""
    asked = read_body(request, _Create)
    tags = check_tags(asked.tags)

    def write(tx: Transaction) -> dict[str, object]:
        models.create_model(server.ws, tx, asked.name, description=asked.description or "", tags=tags)
        return describe_model(models.get_model(tx, asked.name))

    try:
        return reply({"registered_model": server.writer.write(server.ws.store, write)})
    except Conflict as error:
        raise MlflowProblem(400, "RESOURCE_ALREADY_EXISTS", str(error)) if "already exists" in str(error) else error from error


def get(server: Server, request: Request) -> Response:
    """Return a model."""
    asked = read_query(request, Named)
    with server.ws.store.begin(read_only=True) as tx:
        return reply({"registered_model": describe_model(models.get_model(tx, asked.name))})


def rename(server: Server, request: Request) -> Response:
    """Say no: the name is in entries, manifests and slots."""
    asked = read_body(request, _Rename)
    with server.ws.store.begin(read_only=True) as tx:
        models.check_model(tx, asked.name)
    raise Refused(
        f"the model {asked.name} cannot be renamed: its name is part of what the ledger, its versions' manifests and its slots say. "
        "Register the next version under the other name; the lineage of both is kept"
    )


def update(server: Server, request: Request) -> Response:
    """Replace the description."""
    asked = read_body(request, _Update)

    def write(tx: Transaction) -> dict[str, object]:
        if asked.description is not None:
            models.describe(server.ws, tx, asked.name, 0, asked.description)
        return describe_model(models.get_model(tx, asked.name))

    return reply({"registered_model": server.writer.write(server.ws.store, write)})


def delete(server: Server, request: Request) -> Response:
    """Put a model out of sight."""
    asked = read_body(request, Named)
    server.writer.write(server.ws.store, lambda tx: models.hide_model(server.ws, tx, asked.name))
    return reply({})


def set_tag(server: Server, request: Request) -> Response:
    """Set a tag."""
    asked = read_body(request, _SetTag)
    server.writer.write(server.ws.store, lambda tx: models.set_word(server.ws, tx, asked.name, 0, key=asked.key, value=asked.value))
    return reply({})


def delete_tag(server: Server, request: Request) -> Response:
    """Remove a tag."""
    asked = read_body(request, _DeleteTag)
    server.writer.write(server.ws.store, lambda tx: models.delete_word(server.ws, tx, asked.name, 0, asked.key))
    return reply({})


def put_alias(server: Server, request: Request) -> Response:
    """Point an alias at a version; one that says what is live goes through the gate."""
    asked = read_body(request, _SetAlias)
    with server.ws.store.begin(read_only=True) as tx:
        models.get_words(tx, asked.name, asked.version)
    check_scope(request.caller, *acts_of_alias(server.ws, model=asked.name, alias=asked.alias, version=asked.version))
    set_alias(server.ws, model=asked.name, alias=asked.alias, version=asked.version)
    return reply({})


def remove_alias(server: Server, request: Request) -> Response:
    """Take an alias away."""
    asked = read_body(request, Alias)
    with server.ws.store.begin(read_only=True) as tx:
        models.check_model(tx, asked.name)
    check_scope(request.caller, "set-alias")
    delete_alias(server.ws, model=asked.name, alias=asked.alias)
    return reply({})


def get_alias(server: Server, request: Request) -> Response:
    """Return the version that an alias points at."""
    asked = read_query(request, Alias)
    check_alias(asked.alias)
    with server.ws.store.begin(read_only=True) as tx:
        try:
            return reply({"model_version": describe_version(models.get_words(tx, asked.name, get_by_alias(tx, asked.name, asked.alias)))})
        except NotFound as error:
            models.check_model(tx, asked.name)
            raise InvalidInput(str(error)) from error  # MLflow's own server says so with this code, and clients look at it


def get_latest(server: Server, request: Request) -> Response:
    """Return the newest version of each stage."""
    asked = read_fields(request, _Latest)
    stages = find_stages(asked.stages) or STATES
    with server.ws.store.begin(read_only=True) as tx:
        found = models.get_model(tx, asked.name)
    return reply({"model_versions": [describe_version(one) for one in list_latest(found, stages)]})


def search(server: Server, request: Request) -> Response:
    """Return models that a filter matches, by name unless another order is asked for."""
    asked = read_fields(request, Search)
    condition = parse_filter(asked.filter, MODEL_FIELDS)
    orders = parse_orders(asked.order_by, MODEL_FIELDS) or (Order("attributes", "name", is_descending=False),)
    limit, offset = check_limit(100 if asked.max_results is None else asked.max_results, PAGE_MAX), offset_of(asked.page_token)
    with server.ws.store.begin(read_only=True) as tx:
        found = [one for one in models.list_models(tx) if matches(condition, model_values(one))]
    shown, more = page(sort_by(found, orders, model_values)[offset : offset + limit + 1], limit, offset)
    return reply({"registered_models": [describe_model(one) for one in shown], **more})


def read_fields(request: Request, kind: type[_T]) -> _T:
    """Return the body, or the query string of a GET, in which a list is a field given several times. Raises InvalidInput."""
    if request.method == "POST":
        return read_body(request, kind)
    fields: dict[str, object] = {**request.read_query()}
    # Msgspec takes any Struct class.
    lists = [field.name for field in msgspec.structs.fields(kind) if field.type == list[str]]  # type: ignore[arg-type]
    given = parse_qs(request.query, keep_blank_values=True)
    return convert({**fields, **{name: given[name] for name in lists if name in given}}, kind)


def check_tags(pairs: list[Pair]) -> dict[str, str]:
    """Return tags by key. Raises InvalidInput if a key is there twice."""
    found = {pair.key: pair.value for pair in pairs}
    if len(found) != len(pairs):
        raise InvalidInput("Duplicate tag keys have been submitted: each is set once")
    return found
