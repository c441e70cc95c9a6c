"""Every governed act, as one table: which roles may do it, whether it needs a person's own signature, and what it says.

This file alone decides who may do what; the documentation's table of rights is drawn from ACTS. A person holds a set of roles
and each act is judged on its own, so "may approve and never operate" is the role approver without the role operator. The role
admin manages people and keys: by itself it may not validate, approve, or add to the evidence.

A human act carries a statement signed by the person's own key. `meaning` is the phrase that such a statement shows beside the
printed name and the time (21 CFR 11.50(a)(3)); of other acts it says what the entry means.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast, get_args

from incumbent.base.errors import InvalidInput, Refused

Role = Literal["developer", "validator", "approver", "operator", "auditor", "admin", "service"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Act:
    """A governed act.

    Attributes:
        roles: Any one of them is enough.
        meaning: What its entry says, as a phrase.
        is_human: It needs a statement signed by the person's own key; a service cannot do it.
        is_independent: Nobody who had a hand in the version may do it (`incumbent.governance.independence`).
        is_automatic: It is anybody's: the ledger writes it in the course of another act, or before anyone has a role; or it is about who
            comes in, and its use case judges whose account that is.
    """

    name: str
    roles: frozenset[Role]
    meaning: str
    is_human: bool = False
    is_independent: bool = False
    is_automatic: bool = False


def _act(name: str, roles: str, meaning: str, *marks: Literal["human", "independent", "automatic"]) -> Act:
    held = frozenset(ROLES) if roles == "*" else frozenset(cast(Role, role) for role in roles.split())
    return Act(name, held, meaning, "human" in marks, "independent" in marks, "automatic" in marks)


_WORKERS = "developer validator approver operator service"

ACTS: Mapping[str, Act] = MappingProxyType(
    {
        act.name: act
        for act in (
            _act("add-person", "admin", "makes a person or service known, with roles"),
            _act("change-person", "admin", "changes the roles, group, other names or standing of a person or service"),
            _act("request-key", "*", "asks that a key which its holder made be bound to them, with a signature of that key"),
            _act("add-key", "admin", "binds the key that a person asked for to that person"),
            _act("revoke-key", "admin", "ends a key's use for new signatures"),
            _act("disown-key", "admin", "says since when a revoked key may have been in other hands, so that no signature of it counts"),
            _act("add-witness", "admin", "registers the key of a witness, and who answers for it"),
            _act("revoke-witness", "admin", "takes a witness's key out of the count"),
            _act("set-policy", "developer validator approver", "sets the rules of a gate from now on"),
            _act("set-schema", "developer validator approver", "registers what the rows of a model have to be, from now on"),
            _act("set-tiers", "approver", "sets what each risk tier asks for from now on"),
            _act("assess-tier", "developer validator approver", "puts a model into a risk tier"),
            _act("register-holdout", "developer validator", "freezes evaluation data as a holdout"),
            _act("register", "developer service", "makes an immutable version from a run's bundle"),
            _act("propose", "developer service", "asks for a slot: None -> Staging"),
            _act("reject", "developer validator approver", "turns a proposal down: Staging -> Archived"),
            _act("evaluate", "developer validator service", "records evidence and a gate's verdict"),
            _act(
                "attest", "validator", "I have done this test by hand, and its result is documented as stated",
                "human", "independent",
            ),
            _act(
                "validate", "validator", "I have examined this version and its evidence independently, and find it fit for its purpose",
                "human", "independent",
            ),
            _act(
                "approve", "approver", "I approve that this version goes into production on this evidence",
                "human", "independent",
            ),
            _act(
                "accept-risk", "approver", "I accept, in the name of the organisation, the risk that this statement names",
                "human", "independent",
            ),
            _act("promote", "operator", "puts a version into production: Staging -> Production"),
            _act("supersede", "operator", "archives the version that a promotion replaces: Production -> Archived"),
            _act("roll-back", "operator", "puts an earlier version back: Archived -> Production"),
            _act(
                "break-glass", "operator", "I put an approved version back at once, without the sign-offs, and answer for it",
                "human",
            ),
            _act("archive", "operator", "retires a version: Production -> Archived"),
            _act("note", _WORKERS, "adds a note"),
            _act("tag", _WORKERS, "adds a tag"),
            _act("set-alias", _WORKERS, "points an alias that says nothing about what is live at a version, or at none"),
            _act("open-finding", f"{_WORKERS} auditor", "raises an issue with an owner and a due date"),
            _act(
                "close-finding", "validator approver", "I have examined this finding and hold it to be resolved as stated",
                "human", "independent",
            ),
            _act("add-webhook", "admin", "has an address told of what happens here from now on"),
            _act("remove-webhook", "admin", "has an address told of nothing any more"),
            _act("erase", "admin", "erases a text that stands outside of its entry; the entry stays"),
            _act("rotate-key", "admin", "replaces the key that signs the ledger's checkpoints"),
            _act("accept-clock", "admin", "accepts that the ledger's last entry is later than the clock, and has acts go on at its time"),
            _act("witness", "auditor service", "cosigns a checkpoint from a second place"),
            _act("make-token", "*", "makes an API token of one's own, or of a service that one answers for", "automatic"),
            _act("revoke-token", "*", "ends an API token", "automatic"),
            _act("make-link", "*", "makes a link with which a person sets their password", "automatic"),
            _act("use-link", "*", "sets a password with a link, which is spent, and ends the person's sessions", "automatic"),
            _act("change-password", "*", "changes one's own password, and ends one's sessions", "automatic"),
            _act("end-sessions", "*", "logs a person out everywhere", "automatic"),
            _act("admit", "*", "lets a person in whom the company's provider names, for the first time by that provider", "automatic"),
            _act("adopt-accounts", "*", "names the tokens and passwords that were there before they were told in the ledger", "automatic"),
            _act("refuse", "*", "records an attempt that the rules refused", "automatic"),
            _act("begin", "*", "begins the ledger", "automatic"),
        )
    }
)  # fmt: skip
"""Every governed act by name, in the order of the documentation's table."""


def get_act(name: str) -> Act:
    """Return the act of that name.

    Raises:
        InvalidInput: There is none.
    """
    if name not in ACTS:
        raise InvalidInput(f"{name[:80]!r} is not a governed act; there are: {', '.join(ACTS)}")
    return ACTS[name]


def check_roles(roles: Iterable[str]) -> frozenset[Role]:
    """Return the roles as a set.

    Raises:
        InvalidInput: One of them is no role.
    """
    if isinstance(roles, str):
        raise InvalidInput(f"roles are a list such as ['developer'], not the text {roles[:80]!r}")
    held = frozenset(roles)
    unknown = sorted(str(role)[:80] for role in held - set(ROLES))
    if unknown:
        raise InvalidInput(f"{unknown} are no roles; there are: {', '.join(ROLES)}")
    return cast("frozenset[Role]", held)


def check_right(act: str, roles: Iterable[str]) -> None:
    """Pass if one of the roles may do the act.

    Raises:
        InvalidInput: The act or a role does not exist.
        Refused: None of them may; the message names those that may.

    >>> check_right("approve", ["admin", "developer"])
    Traceback (most recent call last):
    incumbent.base.errors.Refused: approve is for the role approver; the actor holds admin, developer
    """
    wanted, held = get_act(act), check_roles(roles)
    if wanted.is_automatic or wanted.roles & held:
        return
    may = " or ".join(role for role in ROLES if role in wanted.roles)
    raise Refused(f"{act} is for the role {may}; the actor holds {', '.join(sorted(held)) or 'no role'}")


def rights_table() -> str:
    """Return the table of rights in Markdown: one row an act, one column a role; "signed" where the act needs a signature.

    >>> rights_table().splitlines()[0]
    '| act | developer | validator | approver | operator | auditor | admin | service | what it says |'
    """
    lines = [f"| act | {' | '.join(ROLES)} | what it says |", "|---" * (len(ROLES) + 2) + "|"]
    for act in ACTS.values():
        mark = "signed" if act.is_human else "yes"
        cells = ["anybody" if act.is_automatic else mark if role in act.roles else "" for role in ROLES]
        lines.append(f"| `{act.name}` | {' | '.join(cells)} | {act.meaning} |")
    return "\n".join(lines) + "\n"
