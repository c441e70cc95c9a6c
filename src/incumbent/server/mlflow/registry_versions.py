"""MLflow's routes of model versions: making one from files that this server has, words about it, its stage, and looking for them."""

from typing import Annotated

import msgspec

from incumbent.base.errors import InvalidInput
from incumbent.registry.alias import find_stages, own_slot
from incumbent.server.access import check_scope
from incumbent.server.messages import Request, Response, Server
from incumbent.server.mlflow.experiments import Pair
from incumbent.server.mlflow.registry import Named, Search, check_tags, read_fields
from incumbent.server.mlflow.registry_replies import describe_version, download_address, version_values
from incumbent.server.mlflow.wire import check_limit, offset_of, page, read_body, read_query, reply
from incumbent.tracking.matching import matches, sort_by
from incumbent.tracking.mlflow_filter import VERSION_FIELDS, parse_filter, parse_orders
from incumbent.tracking.search import Order
from incumbent.usecases import registered_models as models
from incumbent.usecases.model_aliases import acts_of_move, move_to
from incumbent.usecases.ports import Transaction
from incumbent.usecases.register_logged import register_logged

PAGE_MAX, PAGE_DEFAULT = 200_000, 10_000
_Number = Annotated[int, msgspec.Meta(ge=1, lt=10**9)]
_NEWEST = tuple(
    Order("attributes", name, is_descending=is_descending)
    for name, is_descending in (("last_updated_timestamp", True), ("name", False), ("version_number", True))
)


class _Create(Named):
    source: str = ""
    run_id: str | None = None
    model_id: str | None = None
    run_link: str | None = None
    description: str | None = None
    tags: list[Pair] = msgspec.field(default_factory=list)


class _Version(Named, kw_only=True):
    version: _Number


class _Update(_Version, kw_only=True):
    description: str | None = None


class _SetTag(_Version, kw_only=True):
    key: str
    value: str = ""


class _DeleteTag(_Version, kw_only=True):
    key: str


class _Transition(_Version, kw_only=True):
    stage: str
    archive_existing_versions: bool = False


def create(server: Server, request: Request) -> Response:
    """Make a version from files that this server has."""
    asked, ws = read_body(request, _Create), server.ws
    tags = check_tags(asked.tags)
    with ws.store.begin(read_only=True) as tx:
        models.check_model(tx, asked.name)
    check_scope(request.caller, "register")
    made = register_logged(
        ws, model=asked.name, source=asked.source, run=asked.run_id or "", model_id=asked.model_id or "", run_link=asked.run_link or ""
    )

    if not (asked.description or tags):
        with ws.store.begin(read_only=True) as tx:
            return reply({"model_version": describe_version(models.get_words(tx, asked.name, made.version))})

    def write(tx: Transaction) -> dict[str, object]:
        if asked.description:
            models.describe(ws, tx, asked.name, made.version, asked.description)
        for key, value in tags.items():
            models.set_word(ws, tx, asked.name, made.version, key=key, value=value)
        return describe_version(models.get_words(tx, asked.name, made.version))

    return reply({"model_version": server.writer.write(ws.store, write)})


def get(server: Server, request: Request) -> Response:
    """Return a version."""
    asked = read_query(request, _Version)
    with server.ws.store.begin(read_only=True) as tx:
        return reply({"model_version": describe_version(models.get_words(tx, asked.name, asked.version))})


def get_download_uri(server: Server, request: Request) -> Response:
    """Say where the files of a version are read."""
    asked = read_query(request, _Version)
    with server.ws.store.begin(read_only=True) as tx:
        return reply({"artifact_uri": download_address(models.get_words(tx, asked.name, asked.version).version)})


def update(server: Server, request: Request) -> Response:
    """Replace the description."""
    asked = read_body(request, _Update)

    def write(tx: Transaction) -> dict[str, object]:
        if asked.description is not None:
            models.describe(server.ws, tx, asked.name, asked.version, asked.description)
        return describe_version(models.get_words(tx, asked.name, asked.version))

    return reply({"model_version": server.writer.write(server.ws.store, write)})


def delete(server: Server, request: Request) -> Response:
    """Put a version out of sight."""
    asked = read_body(request, _Version)
    server.writer.write(server.ws.store, lambda tx: models.hide_version(server.ws, tx, asked.name, asked.version))
    return reply({})


def set_tag(server: Server, request: Request) -> Response:
    """Set a tag."""
    asked = read_body(request, _SetTag)
    server.writer.write(
        server.ws.store, lambda tx: models.set_word(server.ws, tx, asked.name, asked.version, key=asked.key, value=asked.value)
    )
    return reply({})


def delete_tag(server: Server, request: Request) -> Response:
    """Remove a tag."""
    asked = read_body(request, _DeleteTag)
    server.writer.write(server.ws.store, lambda tx: models.delete_word(server.ws, tx, asked.name, asked.version, asked.key))
    return reply({})


def transition(server: Server, request: Request) -> Response:
    """Propose, promote or archive a version in the model's own slot."""
    asked = read_body(request, _Transition)
    [stage] = find_stages([asked.stage])
    if asked.archive_existing_versions and stage not in ("Staging", "Production"):
        raise InvalidInput("archive_existing_versions goes with the stages Staging and Production only")
    if asked.archive_existing_versions and stage == "Staging":
        raise InvalidInput(
            "archive_existing_versions is not done for Staging here: candidates are turned down one by one, each for a reason"
        )
    with server.ws.store.begin(read_only=True) as tx:
        models.get_words(tx, asked.name, asked.version)
    where = own_slot(asked.name)
    check_scope(request.caller, *acts_of_move(server.ws, model=asked.name, version=asked.version, slot=where, to=stage))
    move_to(server.ws, model=asked.name, version=asked.version, to=stage, reason=f"stage {stage} asked for in slot {where}")
    with server.ws.store.begin(read_only=True) as tx:
        return reply({"model_version": describe_version(models.get_words(tx, asked.name, asked.version))})


def search(server: Server, request: Request) -> Response:
    """Return versions that a filter matches, what was changed last first unless another order is asked for."""
    asked = read_fields(request, Search)
    condition, orders = parse_filter(asked.filter, VERSION_FIELDS), parse_orders(asked.order_by, VERSION_FIELDS) or _NEWEST
    limit, offset = check_limit(PAGE_DEFAULT if asked.max_results is None else asked.max_results, PAGE_MAX), offset_of(asked.page_token)
    with server.ws.store.begin(read_only=True) as tx:
        everything = [one for model in models.list_models(tx) for one in model.versions]
    found = [one for one in everything if matches(condition, version_values(one))]
    shown, more = page(sort_by(found, orders, version_values)[offset : offset + limit + 1], limit, offset)
    return reply({"model_versions": [describe_version(one) for one in shown], **more})
