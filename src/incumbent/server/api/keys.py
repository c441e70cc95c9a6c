"""Who asks, and the keys that people sign with: made by their holders elsewhere, asked for, bound, revoked."""

from typing import Annotated

from msgspec import Meta

from incumbent.base.documents import Document as Json
from incumbent.governance.acts import Role
from incumbent.governance.key_request import KeyRequest as KeyRequestValue
from incumbent.ledger.note import key_name, parse_key
from incumbent.server.api.cursor import cut_page
from incumbent.server.api.operation import Call, In, Operation, Out, Page
from incumbent.server.api.shapes import Document, Time, WithReason
from incumbent.server.messages import Server
from incumbent.usecases.people import get_person, list_person_records, printed_name
from incumbent.usecases.person_keys import bind_key, list_good_keys, list_key_requests, request_key, revoke_key
from incumbent.usecases.rights import READ

Z = "2026-11-25T09:30:00.000000Z"


class Key(Out):
    """A key that somebody signs with."""

    key_id: str
    person_id: str
    public: str
    added_at: str
    revoked_at: str | None
    bound_by: str
    compromised_since: str | None


class KeyRequest(Out):
    """A key that waits to be bound."""

    key_id: str
    person_id: str
    public: Annotated[str, Meta(description="`ed25519:` and base64.")]
    signature: str
    requested_at: str


class NewKeyRequest(In):
    """A key that one made, and the proof that one holds it."""

    public: Annotated[str, Meta(min_length=1, max_length=200, description="Its public half: `ed25519:` and 32 bytes in base64.")]
    signature: Annotated[str, Meta(min_length=1, max_length=200, description="In base64: what the key says to being asked for.")]


class Revocation(WithReason):
    """Why a key ends, and since when it may have been in other hands."""

    compromised_since: Annotated[Time | None, Meta(description="No sign-off from then on counts.")] = None


class Me(Out):
    """Who asks, by their token or session."""

    person: Annotated[str, Meta(description="Their id; in single-user mode, the name that the server acts under.")]
    name: Annotated[str, Meta(description="Printed; empty if none is kept.")]
    roles: list[Role]
    scope: Annotated[list[str] | None, Meta(description="Of the token; null without one.")]
    is_single_user: bool
    key_ids: Annotated[list[str], Meta(description="One's keys that are good.")]
    log: Annotated[str, Meta(description="Name of the ledger, which signatures name; empty before it begins.")]
    tenant: str


def get_me(server: Server, call: Call) -> object:
    """Say who asks."""
    caller = call.request.caller
    with server.ws.store.begin(read_only=True) as tx:
        first = tx.ledger.get(0) if tx.ledger.size() else None
        person = None if caller.person is None else get_person(tx, caller.person.person_id)
        return {
            "person": caller.name, "name": printed_name(tx, person) if person else "", "roles": sorted(person.roles) if person else [],
            "scope": None if caller.scope is None else [*caller.scope], "is_single_user": caller.is_single_user,
            "key_ids": [key.key_id for key in list_good_keys(tx, person.person_id)] if person else [],
            "log": first.log if first else "", "tenant": first.tenant if first else "",
        }  # fmt: skip


def list_all_keys(server: Server, call: Call) -> Page:
    """List the keys that were ever bound."""
    found = [key for record in list_person_records(server.ws) for key in record.keys]
    return cut_page(found, place=lambda one: (one.person_id, one.key_id), show=lambda one: one.to_json(), call=call)


def _show_request(request: KeyRequestValue) -> Json:
    return {"key_id": key_name(parse_key(request.public)), **request.to_json()}


def list_waiting_requests(server: Server, call: Call) -> Page:
    """List the keys that wait to be bound."""
    with server.ws.store.begin(read_only=True) as tx:
        found = [request for _, request in list_key_requests(tx)]
    return cut_page(found, place=lambda one: (one.person_id, one.public), show=_show_request, call=call)


def request_one_key(server: Server, call: Call) -> object:
    """Ask that a key be bound to oneself."""
    asked: NewKeyRequest = call.body
    return _show_request(request_key(server.ws, public=asked.public, signature=asked.signature))


def bind_one_key(server: Server, call: Call) -> object:
    """Bind a key to the person who asked."""
    return bind_key(server.ws, key=call.path["key"], is_at_hand=call.request.caller.is_single_user).to_json()


def revoke_one_key(server: Server, call: Call) -> object:
    """End a key's use."""
    asked: Revocation = call.body
    return revoke_key(server.ws, key=call.path["key"], reason=asked.reason, compromised_since=asked.compromised_since).to_json()


_PUBLIC = "Ad9n0nOqGkFJ3y0S4rJ8m0l0b6xqz3Yc7Jw0c2V1hX4="
KEY: Document = {
    "key_id": "ed25519:2f4c81a90b3d77e6", "person_id": "vera", "public": _PUBLIC, "added_at": Z, "revoked_at": None, "bound_by": "ada",
    "compromised_since": None,
}  # fmt: skip
_REQUEST: Document = {
    "key_id": "ed25519:2f4c81a90b3d77e6", "person_id": "vera", "public": f"ed25519:{_PUBLIC}", "signature": "zdTl…", "requested_at": Z,
}  # fmt: skip

OPERATIONS = (
    Operation(
        "get_me", "about", "GET", "/me", READ, "Say who asks, with which rights, and which ledger this is.",
        get_me, Me,
        {
            "person": "vera", "name": "Vera Ito", "roles": ["validator"], "scope": ["write"], "is_single_user": False,
            "key_ids": [KEY["key_id"]], "log": "incumbent-0mjq1k2v37f3a", "tenant": "default",
        },
        by=("people.get_person", "people.printed_name", "person_keys.list_good_keys"),
    ),
    Operation(
        "list_keys", "keys", "GET", "/keys", READ, "List the keys that were ever bound, by person.",
        list_all_keys, Key, KEY, is_paged=True, by=("people.list_person_records",),
    ),
    Operation(
        "list_key_requests", "keys", "GET", "/key-requests", READ, "List the keys that wait to be bound.",
        list_waiting_requests, KeyRequest, _REQUEST, is_paged=True, by=("person_keys.list_key_requests",),
    ),
    Operation(
        "request_key", "keys", "POST", "/key-requests", "request-key", "Ask that a key which one made elsewhere be bound to oneself.",
        request_one_key, KeyRequest, _REQUEST, body=NewKeyRequest, sent={"public": f"ed25519:{_PUBLIC}", "signature": "zdTl…"}, status=201,
        refuses=True, may_conflict=True, by=("person_keys.request_key",),
        more='The private half stays where it is. Sign with it the bytes `{"log":LOG,"person":YOU,"public":PUBLIC,"purpose":"incumbent: '
        'bind this key to this person"}`: JSON in UTF-8 without spaces, keys in this order; LOG and YOU are what `GET /me` says.',
    ),
    Operation(
        "bind_key", "keys", "POST", "/keys/{key}/bind", "add-key", "Bind a key to the person who asked for it.",
        bind_one_key, Key, KEY, refuses=True, by=("person_keys.bind_key",),
        more="`{key}` is the key's id, or the person if they asked for one only. An admin's own key is bound by another admin, or on a "
        "machine that has the workspace: a token alone must not become a signature.",
    ),
    Operation(
        "revoke_key", "keys", "POST", "/keys/{key}/revoke", "revoke-key", "End a key's use; what it signed before stands.",
        revoke_one_key, Key, {**KEY, "revoked_at": Z}, body=Revocation, sent={"reason": "the laptop was lost"}, refuses=True,
        by=("person_keys.revoke_key",),
    ),
)  # fmt: skip
