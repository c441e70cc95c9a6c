"""Who asks: from a token or a session to a person, as the register of people stands at this moment.

Roles are never taken from a token or session: whoever lost one has lost it here too. Whoever was deactivated finds every token and
session from before then gone, also after they are active again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from incumbent.base.errors import Refused
from incumbent.governance.person import Directory, Person, index_people, person_from_json
from incumbent.usecases.bearer import hash_secret
from incumbent.usecases.ports import Transaction
from incumbent.usecases.workspace import Workspace

IDLE = timedelta(hours=2)
TOKEN_USE_NOTED_EVERY = timedelta(hours=1)
SESSION_USE_NOTED_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Register:
    """The people, read once for as long as nothing about them changes.

    Attributes:
        version: As `Attempts.people_version` counts; -1 while nobody is registered.
        barred_at: Person -> when they were last deactivated.
    """

    version: int
    directory: Directory
    barred_at: Mapping[str, datetime]

    @property
    def is_empty(self) -> bool:
        """Whether nobody is registered."""
        return self.version < 0


@dataclass(frozen=True, slots=True)
class Admission:
    """Somebody who was let in.

    Attributes:
        scope: The token's, None for a session.
        until: When it has to be asked for anew, also if nothing changes in the store: it ends then, or its use is to be noted.
        stale: What to note as used: a token's id or a session's hash, "" if it was noted lately.
    """

    person: Person
    scope: tuple[str, ...] | None
    until: datetime
    stale: str = ""


def read_register(tx: Transaction, known: Register | None = None) -> Register:
    """Return the people as they are now; `known` again if nothing has changed since."""
    version = tx.attempts.people_version()
    if known is not None and known.version == version:
        return known
    people: dict[str, Person] = {}
    barred_at: dict[str, datetime] = {}
    for record in tx.records.list_history("person"):
        before = people.get(record.record_id)
        person = people[record.record_id] = person_from_json(record.body)
        if not person.is_active and (before is None or before.is_active):  # what else is changed about somebody who is away bars nothing
            barred_at[person.person_id] = tx.ledger.get(record.seq).at
    return Register(version, index_people(people.values()), barred_at)


def admit_token(tx: Transaction, register: Register, secret: str, now: datetime) -> Admission:
    """Return whom a token lets in.

    Raises:
        Refused: It is none of ours, was revoked, has expired, or its owner is gone. One message for all: a guesser learns nothing.
    """
    digest = hash_secret(secret)
    token = tx.tokens.find(digest) if digest and secret.startswith("inc_") else None
    person = register.directory.find(token.person_id) if token else None
    if token is None or person is None or token.revoked_at is not None or token.expires_at <= now:
        raise Refused("this token lets nobody in: it is unknown, revoked or has expired; `incumbent tokens new` makes another")
    _check_standing(register, person, token.made_at)
    due_at = now if token.used_at is None else token.used_at + TOKEN_USE_NOTED_EVERY
    return Admission(person, token.scope, min(due_at, token.expires_at), token.token_id if due_at <= now else "")


def admit_session(tx: Transaction, register: Register, secret: str, now: datetime) -> Admission:
    """Return whom a session's cookie lets in.

    Raises:
        Refused: There is no such session, it is over, or its person is gone.
    """
    digest = hash_secret(secret)
    session = tx.sessions.find(digest) if digest else None
    person = register.directory.find(session.person_id) if session else None
    if session is None or person is None or session.expires_at <= now or session.seen_at + IDLE <= now:
        raise Refused("you are not logged in, or not any more: log in again")
    _check_standing(register, person, session.started_at)
    due_at = session.seen_at + SESSION_USE_NOTED_EVERY
    return Admission(person, None, min(due_at, session.expires_at), session.secret_hash if due_at <= now else "")


def _check_standing(register: Register, person: Person, since: datetime) -> None:
    if person.kind == "service":  # who answers for it may know its tokens
        owner = register.directory.find(person.owner)
        if owner is None:
            raise Refused(f"{person.person_id} is a service that nobody answers for")
        _check_standing(register, owner, since)
    barred_at = register.barred_at.get(person.person_id)
    if not person.is_active or (barred_at is not None and since <= barred_at):
        raise Refused(f"{person.person_id} was deactivated, which ended every token and session of theirs")


def note_use(ws: Workspace, *, admission: Admission, now: datetime) -> None:
    """Note that a token or session was used: rarely, and nobody waits for the disk."""
    with ws.store.begin(durable=False) as tx:
        if admission.scope is None:
            tx.sessions.touch(admission.stale, now)
        else:
            tx.tokens.touch(admission.stale, now)
