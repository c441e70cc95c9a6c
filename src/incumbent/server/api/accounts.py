"""Who can log in, and logging people out: an admin's. Links to set a password with are made on the server's machine alone."""

from typing import Annotated

from msgspec import Meta

from incumbent.governance.acts import Role
from incumbent.server.api.cursor import cut_page
from incumbent.server.api.operation import Call, Operation, Out, Page
from incumbent.server.api.shapes import AT, Time
from incumbent.server.messages import Server
from incumbent.usecases.accounts import end_sessions, list_accounts
from incumbent.usecases.rights import ACCOUNTS


class Account(Out):
    """What lets somebody in."""

    person: str
    roles: list[Role]
    is_active: bool
    password_set_at: Annotated[Time | None, Meta(description="null without a password.")]
    good_tokens: Annotated[int, Meta(description="How many tokens are good now.")]


class LoggedOut(Out):
    """Who was logged out."""

    person: str
    ended: Annotated[int, Meta(description="How many sessions that ended.")]


def list_all_accounts(server: Server, call: Call) -> Page:
    """List everybody with what lets them in."""
    return cut_page(list_accounts(server.ws), place=lambda one: (one.person.person_id,), show=lambda one: one.to_json(), call=call)


def log_out_person(server: Server, call: Call) -> object:
    """Log a person out everywhere."""
    return {"person": call.path["person"], "ended": end_sessions(server.ws, person=call.path["person"])}


OPERATIONS = (
    Operation(
        "list_accounts", "people", "GET", "/accounts", ACCOUNTS, "List everybody with what lets them in: password, tokens, roles.",
        list_all_accounts, Account, {"person": "ann", "roles": ["developer"], "is_active": True, "password_set_at": AT, "good_tokens": 1},
        is_paged=True, refuses=True, by=("accounts.list_accounts",),
    ),
    Operation(
        "end_sessions", "people", "DELETE", "/people/{person}/sessions", ACCOUNTS,
        "Log a person out of every browser at once. Their tokens stay good: `revoke_token` ends one, `change_person` all that they may do.",
        log_out_person, LoggedOut, {"person": "ann", "ended": 2}, refuses=True, by=("accounts.end_sessions",),
    ),
)  # fmt: skip
