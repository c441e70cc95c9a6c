"""Aliases of models: words that point at a version, and names for what is live, which only a promotion moves."""

from typing import Annotated

from msgspec import Meta

from incumbent.server.api.cursor import cut_page
from incumbent.server.api.operation import Call, In, Operation, Out, Page
from incumbent.server.api.shapes import Document, Number
from incumbent.server.messages import Server
from incumbent.usecases.model_aliases import acts_of_alias, delete_alias, find_slot, get_aliases, get_by_alias, set_alias
from incumbent.usecases.rights import GOVERN, READ


class Alias(Out):
    """An alias of a model."""

    alias: str
    version: int
    slot: Annotated[str | None, Meta(description="The slot of which it says what is live; null: it is a word.")]


class Pointed(In):
    """Where an alias is to point."""

    version: Number


class Gone(Out):
    """An alias that points at nothing any more."""

    alias: str


def _show(alias: str, found: tuple[int, str | None]) -> object:
    return {"alias": alias, "version": found[0], "slot": found[1]}


def list_model_aliases(server: Server, call: Call) -> Page:
    """List the aliases of a model."""
    found = get_aliases(server.ws, model=call.path["model"])
    return cut_page(found.items(), place=lambda one: (one[0],), show=lambda one: _show(*one), call=call)


def get_one_alias(server: Server, call: Call) -> object:
    """Show what an alias points at."""
    model, alias = call.path["model"], call.path["alias"]
    with server.ws.store.begin(read_only=True) as tx:
        return _show(alias, (get_by_alias(tx, model, alias), find_slot(tx, model, alias)))


def point_alias(server: Server, call: Call) -> object:
    """Point an alias at a version."""
    asked: Pointed = call.body
    model, alias = call.path["model"], call.path["alias"]
    call.check_scope(*acts_of_alias(server.ws, model=model, alias=alias, version=asked.version))
    slot = set_alias(server.ws, model=model, alias=alias, version=asked.version)
    return _show(alias, (asked.version, slot))


def remove_alias(server: Server, call: Call) -> object:
    """Take an alias away."""
    call.check_scope("set-alias")
    delete_alias(server.ws, model=call.path["model"], alias=call.path["alias"])
    return {"alias": call.path["alias"]}


_ALIAS: Document = {"alias": "team-choice", "version": 3, "slot": None}

OPERATIONS = (
    Operation(
        "list_aliases", "models", "GET", "/models/{model}/aliases", READ, "List the aliases of a model that point at a version, by name.",
        list_model_aliases, Alias, _ALIAS, is_paged=True, by=("model_aliases.get_aliases",),
    ),
    Operation(
        "get_alias", "models", "GET", "/models/{model}/aliases/{alias}", READ, "Show which version an alias of a model points at.",
        get_one_alias, Alias, _ALIAS, by=("model_aliases.get_by_alias", "model_aliases.find_slot"),
    ),
    Operation(
        "set_alias", "models", "PUT", "/models/{model}/aliases/{alias}", GOVERN, "Point an alias of a model at a version.",
        point_alias, Alias, _ALIAS, body=Pointed, sent={"version": 3}, refuses=True, may_conflict=True,
        by=("model_aliases.set_alias", "model_aliases.acts_of_alias"),
        more="`champion`, `production`, and the name of a slot that the model has stood in say what is live: they are moved by the same "
        "promotion or roll-back, gate, quorum and rights as the slot.",
    ),
    Operation(
        "delete_alias", "models", "DELETE", "/models/{model}/aliases/{alias}", GOVERN, "Take an alias of a model away.",
        remove_alias, Gone, {"alias": "team-choice"}, refuses=True, by=("model_aliases.delete_alias",),
        more="One that is not there is no error; one that says what is live goes when that version is retired.",
    ),
)  # fmt: skip
