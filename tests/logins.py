"""An installation where people log in: a clock that a test moves, cheap password hashes, the office's people."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.execution.passwords import Argon2Passwords
from incumbent.usecases.accounts import make_link, use_link
from incumbent.usecases.people import add_person
from incumbent.usecases.workspace import Workspace

PASSWORD = "correct horse 9"
ROLES = {
    "ann": ["admin"],
    "dev": ["developer"],
    "val": ["validator"],
    "app": ["approver"],
    "ops": ["operator"],
    "aud": ["auditor"],
    "none": [],
}
"""One person a role, and one without any."""
SERVICE = "bot"
CHEAP = Argon2Passwords(memory_kib=64, passes=1, lanes=1, waiting_max=100)


@dataclass
class MovedClock:
    """The `Clock` port."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


def open_empty(folder: Path, clock: object | None = None) -> Workspace:
    """Open a workspace where nobody is registered."""
    ws = open_workspace(read_settings(folder, {"INCUMBENT_ACTOR": "root", "INCUMBENT_KEYS": str(folder / "keys-of-people")}))
    return replace(ws, clock=clock) if clock else ws


def open_people(folder: Path, clock: object | None = None) -> Workspace:
    """Open a workspace with one person a role and a service, as ann, its admin."""
    ws = replace(open_empty(folder, clock), actor="ann")
    for person, roles in ROLES.items():
        add_person(ws, person=person, name=f"{person.title()} Person", roles=roles)
    add_person(ws, person=SERVICE, name="Bot", roles=["service"], kind="service", owner="dev")
    return ws


def as_person(ws: Workspace, person: str) -> Workspace:
    """Return the workspace as somebody else."""
    return replace(ws, actor=person)


def set_password(ws: Workspace, person: str, password: str = PASSWORD, passwords: Argon2Passwords = CHEAP) -> None:
    """Set a password by a link, as people do."""
    link = make_link(ws, person=person)
    use_link(ws, passwords=passwords, secret=link.path.removeprefix("/set-up/"), password=password)
