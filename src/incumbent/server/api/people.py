"""Who is known here: people and services, their tokens, and witnesses."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from incumbent.base.documents import Document as Json
from incumbent.governance.acts import Role
from incumbent.server.api.cursor import cut_page
from incumbent.server.api.keys import KEY, Key, Z
from incumbent.server.api.operation import Call, In, Operation, Out, Page
from incumbent.server.api.shapes import AT, Document, Name, Reason, Time, WithReason
from incumbent.server.messages import Server
from incumbent.usecases.account_ports import Token as TokenValue
from incumbent.usecases.people import PersonRecord, add_person, change_person, list_person_records
from incumbent.usecases.rights import READ, SESSION
from incumbent.usecases.tokens import DAYS, DAYS_MAX, list_tokens, new_token, revoke_token
from incumbent.usecases.witnesses import add_witness, list_witnesses, revoke_witness

PersonId = Annotated[str, Meta(min_length=1, max_length=64)]


class Person(Out):
    """A person or service."""

    person_id: str
    kind: Literal["person", "service"]
    roles: list[Role]
    group: str
    aliases: list[str]
    owner: Annotated[str, Meta(description="Who answers for a service.")]
    is_active: bool
    added_at: str
    name_commitment: str
    vouched_by: str
    grouped_by: Annotated[str, Meta(description="Who set the group; empty without one.")]


class PersonWhole(Person):
    """A person or service, with the printed name and keys."""

    name: Annotated[str, Meta(description="Empty if it was erased.")]
    keys: list[Key]


class NewPerson(In):
    """Somebody to make known."""

    person: PersonId
    name: Annotated[str, Meta(min_length=1, max_length=250)]
    roles: list[Role]
    kind: Literal["person", "service"] = "person"
    group: Annotated[str, Meta(max_length=250)] = ""
    aliases: Annotated[list[Annotated[str, Meta(max_length=250)]], Meta(max_length=100)] = msgspec.field(default_factory=list)
    owner: Annotated[str, Meta(max_length=64)] = ""


class PersonChange(In):
    """What to change; what is left out stays."""

    roles: list[Role] | None = None
    group: Annotated[Annotated[str, Meta(max_length=250)] | None, Meta()] = None
    aliases: list[str] | None = None
    is_active: bool | None = None
    reason: Annotated[str, Meta(max_length=280)] = ""


class Token(Out):
    """A token, without its secret."""

    id: str
    acts_as: str
    name: str
    scope: list[str]
    made_at: Time
    made_by: str
    expires_at: Time
    used_at: Time | None
    revoked_at: Time | None


class MadeToken(Token):
    """A token, and its secret, which is shown this once."""

    token: str


class NewToken(In):
    """A token to make."""

    name: Name
    person: Annotated[str, Meta(max_length=64, description="Whom it acts as: oneself, or a service that one answers for.")] = ""
    scope: Annotated[list[str], Meta(min_length=1, max_length=50, description="read, write, admin, or rights by name.")] = msgspec.field(
        default_factory=lambda: ["write"]
    )
    days: Annotated[int, Meta(ge=1, le=DAYS_MAX)] = DAYS


class Whose(In):
    """Whose tokens."""

    everybodys: Annotated[bool, Meta(description="Everybody's, for an admin.")] = False


class Witness(Out):
    """A key whose cosignatures count."""

    key_id: str
    name: str
    public: str
    owner: str
    added_at: str
    added_by: str
    revoked_at: str | None


class NewWitness(In):
    """A witness's key, and who answers for it."""

    vkey: Annotated[str, Meta(min_length=1, max_length=500)]
    owner: PersonId


def _show_person(record: PersonRecord) -> Json:
    return {**record.person.to_json(), "name": record.printed_name, "keys": [key.to_json() for key in record.keys]}


def list_people(server: Server, call: Call) -> Page:
    """List everybody who is known."""
    return cut_page(list_person_records(server.ws), place=lambda one: (one.person.person_id,), show=_show_person, call=call)


def add_one_person(server: Server, call: Call) -> object:
    """Make somebody known."""
    asked: NewPerson = call.body
    made = add_person(
        server.ws, person=asked.person, name=asked.name, roles=asked.roles, kind=asked.kind, group=asked.group, aliases=asked.aliases,
        owner=asked.owner,
    )  # fmt: skip
    return made.to_json()


def change_one_person(server: Server, call: Call) -> object:
    """Change what is given."""
    asked: PersonChange = call.body
    changed = change_person(
        server.ws, person=call.path["person"], roles=asked.roles, group=asked.group, aliases=asked.aliases, is_active=asked.is_active,
        reason=asked.reason,
    )  # fmt: skip
    return changed.to_json()


def _show_token(token: TokenValue) -> Json:
    return {
        "id": token.token_id, "acts_as": token.person_id, "name": token.name, "scope": [*token.scope], "made_at": token.made_at.isoformat(),
        "made_by": token.made_by, "expires_at": token.expires_at.isoformat(),
        "used_at": token.used_at.isoformat() if token.used_at else None,
        "revoked_at": token.revoked_at.isoformat() if token.revoked_at else None,
    }  # fmt: skip


def list_own_tokens(server: Server, call: Call) -> Page:
    """List tokens."""
    asked: Whose = call.query
    found = list_tokens(server.ws, everybodys=asked.everybodys)
    return cut_page(found, place=lambda one: (one.token_id,), show=_show_token, call=call)


def make_token(server: Server, call: Call) -> object:
    """Make a token."""
    asked: NewToken = call.body
    made = new_token(server.ws, name=asked.name, person=asked.person, scope=asked.scope, days=asked.days)
    return {**_show_token(made.token), "token": made.secret}


def revoke_one_token(server: Server, call: Call) -> object:
    """End a token's use."""
    return _show_token(revoke_token(server.ws, token=call.path["token"]))


def list_all_witnesses(server: Server, call: Call) -> Page:
    """List the witnesses."""
    return cut_page(list_witnesses(server.ws), place=lambda one: (one.name, one.key_id), show=lambda one: one.to_json(), call=call)


def add_one_witness(server: Server, call: Call) -> object:
    """Register a witness's key."""
    asked: NewWitness = call.body
    return add_witness(server.ws, vkey=asked.vkey, owner=asked.owner).to_json()


def revoke_one_witness(server: Server, call: Call) -> object:
    """Take a witness's key out of the count."""
    asked: WithReason = call.body
    return revoke_witness(server.ws, witness=call.path["witness"], reason=asked.reason).to_json()


_PERSON: Document = {
    "person_id": "vera", "kind": "person", "roles": ["validator"], "group": "risk", "aliases": ["vera@example.com"], "owner": "",
    "is_active": True, "added_at": Z, "name_commitment": "sha256:9f86d081884c7d65", "vouched_by": "ada",
    "grouped_by": "ada",
}  # fmt: skip
_TOKEN: Document = {
    "id": "token-0mjq1k2v3-7f3a", "acts_as": "ann", "name": "laptop", "scope": ["write"], "made_at": AT, "made_by": "ann",
    "expires_at": "2027-02-23T09:30:00+00:00", "used_at": None, "revoked_at": None,
}  # fmt: skip
_WITNESS: Document = {
    "key_id": "8bd5c2a1", "name": "witness.example.com", "public": "Ad9n0nOq", "owner": "ben", "added_at": Z, "added_by": "ada",
    "revoked_at": None,
}  # fmt: skip
_LOST: Reason = "the laptop was lost"

OPERATIONS = (
    Operation(
        "list_people", "people", "GET", "/people", READ, "List everybody who is known, with roles and keys.",
        list_people, PersonWhole, {**_PERSON, "name": "Vera Ito", "keys": [KEY]}, is_paged=True, by=("people.list_person_records",),
    ),
    Operation(
        "add_person", "people", "POST", "/people", "add-person", "Make a person or service known, with roles.",
        add_one_person, Person, _PERSON, body=NewPerson, sent={"person": "vera", "name": "Vera Ito", "roles": ["validator"]}, status=201,
        refuses=True, may_conflict=True, by=("people.add_person",),
    ),
    Operation(
        "change_person", "people", "PATCH", "/people/{person}", "change-person", "Change roles, group, other names or standing.",
        change_one_person, Person, _PERSON, body=PersonChange, sent={"roles": ["validator"], "reason": "moved to risk"}, refuses=True,
        by=("people.change_person",),
    ),
    Operation(
        "list_tokens", "tokens", "GET", "/tokens", READ, "List one's own tokens, or everybody's.",
        list_own_tokens, Token, _TOKEN, query=Whose, is_paged=True, refuses=True, by=("tokens.list_tokens",),
    ),
    Operation(
        "make_token", "tokens", "POST", "/tokens", SESSION, "Make a token; its secret is shown this once.",
        make_token, MadeToken, {**_TOKEN, "token": "inc_…"}, body=NewToken, sent={"name": "laptop", "scope": ["read"]}, status=201,
        refuses=True, repeats=False, by=("tokens.new_token",),
        more="Only from a browser's session: a token that could make tokens could make one of a wider scope.",
    ),
    Operation(
        "revoke_token", "tokens", "DELETE", "/tokens/{token}", SESSION, "End a token's use.",
        revoke_one_token, Token, {**_TOKEN, "revoked_at": AT}, refuses=True, by=("tokens.revoke_token",),
    ),
    Operation(
        "list_witnesses", "witnesses", "GET", "/witnesses", READ, "List the keys of witnesses.",
        list_all_witnesses, Witness, _WITNESS, is_paged=True, by=("witnesses.list_witnesses",),
    ),
    Operation(
        "add_witness", "witnesses", "POST", "/witnesses", "add-witness", "Register the key of a witness, and who answers for it.",
        add_one_witness, Witness, _WITNESS, body=NewWitness, sent={"vkey": "witness.example.com+8bd5c2a1+BA9n0nOq", "owner": "ben"},
        status=201, refuses=True, may_conflict=True, by=("witnesses.add_witness",),
    ),
    Operation(
        "revoke_witness", "witnesses", "POST", "/witnesses/{witness}/revoke", "revoke-witness", "Take a witness's key out of the count.",
        revoke_one_witness, Witness, {**_WITNESS, "revoked_at": Z}, body=WithReason, sent={"reason": _LOST}, refuses=True,
        by=("witnesses.revoke_witness",),
    ),
)  # fmt: skip
