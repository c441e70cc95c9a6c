"""What a route of the server asks for: a governed act by its name, or one of the few rights that are no acts. One table.

    public     anybody, also without a name                   session    whoever is logged in with a browser
    read       every role                                     predict    everybody but auditors and those who are admins alone
    track      log runs, metrics, artifacts                   govern     ask for a change of what is governed: the act itself is
    metrics    read the server's figures                                 judged by the use case, against the table of acts
    webhooks   see who is told of what happens here, and how far: an admin's
    accounts   see who can log in, and log people out: an admin's

A person's rights are what their roles give at this moment. A token narrows them by its scope and never widens them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from incumbent.base.errors import InvalidInput, Refused
from incumbent.governance.acts import ACTS, ROLES, Role
from incumbent.governance.person import Person

_WORKERS: frozenset[Role] = frozenset(("developer", "validator", "approver", "operator", "service"))
_ADMIN: frozenset[Role] = frozenset(("admin",))


@dataclass(frozen=True, slots=True)
class Right:
    """What a route asks for.

    Attributes:
        roles: Any one of them is enough.
        meaning: What it lets one do.
        is_human: It is an act that needs a statement signed with the person's own key.
    """

    name: str
    roles: frozenset[Role]
    meaning: str
    is_human: bool = False


PUBLIC = "public"
SESSION = "session"
READ = "read"
METRICS = "metrics"
PREDICT = "predict"
TRACK = "track"
GOVERN = "govern"
WEBHOOKS = "webhooks"
ACCOUNTS = "accounts"

RIGHTS: Mapping[str, Right] = MappingProxyType(
    {
        right.name: right
        for right in (
            Right(PUBLIC, frozenset(ROLES), "is open to anybody, also to whoever does not say who they are"),
            Right(SESSION, frozenset(ROLES), "is about one's own log-in: a browser's session, never a token"),
            Right(READ, frozenset(ROLES), "reads: slots, versions, runs, lineage, pages"),
            Right(METRICS, frozenset(ROLES), "reads the figures that the server keeps about itself, at /metrics"),
            Right(PREDICT, _WORKERS, "asks a live model; the answer is recorded"),
            Right(TRACK, _WORKERS, "logs runs, params, metrics, artifacts"),
            Right(GOVERN, _WORKERS, "asks for a governed act, which its use case judges"),
            Right(WEBHOOKS, _ADMIN, "lists, tries and resumes webhooks, which carry what happens here elsewhere"),
            Right(ACCOUNTS, _ADMIN, "sees who has a password and tokens, and logs people out"),
            *(Right(act.name, act.roles, act.meaning, act.is_human) for act in ACTS.values() if not act.is_automatic),
        )
    }
)
"""Every right by name: those of the server, then the governed acts."""

_NEVER_BY_TOKEN = frozenset((PUBLIC, SESSION))
SCOPES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "read": frozenset((READ,)),
        "write": frozenset(name for name, right in RIGHTS.items() if right.roles != _ADMIN) - _NEVER_BY_TOKEN,
        "admin": frozenset(RIGHTS) - _NEVER_BY_TOKEN,
    }
)
"""Words for sets of rights, as a token's scope. The word `read` is the right of that name."""


def check_scope(scope: Collection[str]) -> tuple[str, ...]:
    """Return a token's scope: one of the words, or rights by name.

    Raises:
        InvalidInput: It is empty, mixes a word with rights, or names none.

    >>> check_scope(["write"]), check_scope(["read", "predict"])
    (('write',), ('read', 'predict'))
    """
    names = tuple(dict.fromkeys(scope))
    if len(names) == 1 and names[0] in SCOPES:
        return names
    unknown = [name for name in names if name not in SCOPES["admin"]]
    if unknown or not names:
        what = f"{unknown[0][:80]!r} is no right" if unknown else "a token needs a scope"
        raise InvalidInput(f"{what}; a scope is read, write or admin, or any of: {', '.join(sorted(SCOPES['admin']))}")
    return names


def rights_of_scope(scope: Collection[str]) -> frozenset[str]:
    """Return the rights that a token's scope leaves."""
    names = tuple(scope)
    return SCOPES[names[0]] if len(names) == 1 and names[0] in SCOPES else frozenset(names)


def check_may_ask(person: Person, right: str, scope: Collection[str] | None) -> None:
    """Pass if a person may ask for this now, by a token of this scope (None: without one).

    Raises:
        Refused: Their roles do not give the right, or the scope leaves it out.
    """
    wanted = RIGHTS[right]
    if right != SESSION and not wanted.roles & person.roles:  # also who has no role any more may log out
        may = " or ".join(role for role in ROLES if role in wanted.roles)
        held = ", ".join(sorted(person.roles)) or "no role"
        raise Refused(f"{person.person_id}: {right} is for the role {may}; they hold {held}")
    if scope is not None and right not in rights_of_scope(scope):
        raise Refused(f"{person.person_id}: this token's scope is {', '.join(scope)}, which leaves out {right}; make another with it")


def server_rights_table() -> str:
    """Return the table of the rights that are no acts, in Markdown: one row a right, one column a role.

    >>> server_rights_table().splitlines()[0]
    '| right | developer | validator | approver | operator | auditor | admin | service | what it lets one do |'
    """
    lines = [f"| right | {' | '.join(ROLES)} | what it lets one do |", "|---" * (len(ROLES) + 2) + "|"]
    for name in (PUBLIC, SESSION, READ, METRICS, PREDICT, TRACK, GOVERN, WEBHOOKS, ACCOUNTS):
        cells = ["anybody" if name == PUBLIC else "yes" if role in RIGHTS[name].roles else "" for role in ROLES]
        lines.append(f"| `{name}` | {' | '.join(cells)} | {RIGHTS[name].meaning} |")
    return "\n".join(lines) + "\n"
