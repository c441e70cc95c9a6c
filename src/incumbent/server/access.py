"""Who asks, and how this server is entered: values that requests, routes and pages share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from incumbent.base.errors import Refused
from incumbent.governance.person import Person
from incumbent.usecases.account_ports import IdentityProvider, Passwords
from incumbent.usecases.rights import GOVERN, READ, TRACK, rights_of_scope

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
SingleUser = Literal["never", "while nobody is registered", "always"]


@dataclass(frozen=True, slots=True)
class Door:
    """How this server is entered; fixed when it starts.

    Attributes:
        single_user: When whoever reaches the port is taken for the one who started the server. Beyond loopback: "never".
        public_url: Under which browsers know it, such as "https://incumbent.example.com"; "" on plain loopback.
        hosts: Names that the Host header may have, besides those of loopback; lower case.
        passwords: The slow hash.
        provider: The company's, if one is set.
    """

    single_user: SingleUser
    passwords: Passwords
    public_url: str = ""
    hosts: frozenset[str] = frozenset()
    provider: IdentityProvider | None = None

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it by https, so that cookies are Secure and `__Host-`."""
        return self.public_url.startswith("https://")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        name: A person's id; in single-user mode the actor of the server's own workspace; "" for nobody.
        person: As the register has them now.
        scope: Of the token; None without one.
        session: The secret of the browser's session, "" without one.
        is_single_user: They were taken for the one who started the server.
        until: When they have to show anew who they are, also if nothing changes in the store; None means never.
    """

    name: str = ""
    person: Person | None = None
    scope: tuple[str, ...] | None = None
    session: str = ""
    is_single_user: bool = False
    until: datetime | None = None


NOBODY = Caller()


def check_scope(caller: Caller, *acts: str) -> None:
    """Pass if the token of whoever asks leaves these acts: the right of a route alone is wider than some of them. Raises Refused."""
    if caller.scope is None:
        return
    missing = [act for act in acts if act not in rights_of_scope(caller.scope)]
    if missing:
        raise Refused(
            f"{caller.name}: this token's scope is {', '.join(caller.scope)}, which leaves out {' and '.join(missing)}: make another"
        )


def mlflow_right(method: str, path: str) -> str:
    """Return the right that a route of MLflow's REST asks for, by rule: reading, logging, or asking for what is governed.

    MLflow reads by POST too, where the path's last word says so.

    >>> mlflow_right("POST", "/api/2.0/mlflow/runs/search"), mlflow_right("POST", "/api/2.0/mlflow/runs/log-metric")
    ('read', 'track')
    >>> mlflow_right("POST", "/api/2.0/mlflow/model-versions/transition-stage")
    'govern'
    """
    last = path.rstrip("/").rpartition("/")[2]
    if method in {"GET", "HEAD"} or last.startswith(("search", "get", "list")):
        return READ
    return GOVERN if "/registered-models" in path or "/model-versions" in path else TRACK


def base_url(door: Door, headers: Mapping[str, str]) -> str:
    """Return the address under which the browser that sent these headers knows the server; the Host header has been checked."""
    return door.public_url or f"http://{headers.get('host', '')}"
