"""The verbs on log-ins: by password, by a company's provider, and out again.

What a wrong name is answered, and how long that takes, is what a wrong password is answered; `guessing` makes both wait.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from incumbent.base.errors import InvalidInput, Refused
from incumbent.governance.person import Person, find_person
from incumbent.usecases.account_entries import account_time, tell
from incumbent.usecases.account_ports import Account, IdentityProvider, Journey, Passwords, Session
from incumbent.usecases.accounts import password_bytes
from incumbent.usecases.admission import IDLE
from incumbent.usecases.bearer import hash_secret, new_secret
from incumbent.usecases.guessing import count_attempt, forgive, subjects_of
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import Acting, governed, list_people
from incumbent.usecases.workspace import Workspace

SESSION_HOURS = 24
JOURNEY_MINUTES = 10
WRONG = "that name and password do not belong together"


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A session that was begun.

    Attributes:
        secret: What the browser's cookie is to hold; it is kept nowhere else.
    """

    person_id: str
    secret: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Departure:
    """A log-in at a provider that was begun.

    Attributes:
        address: Where to send the browser.
        browser: What a cookie of that browser is to hold, so that nobody else's answer is taken for its own.
    """

    address: str
    browser: str


def log_in(ws: Workspace, *, passwords: Passwords, name: str, password: str, address: str, previous: str = "") -> LoggedIn:
    """Begin a session with a name and password. The session is always a new one; `previous`, if it was one, is over.

    Args:
        ws: The workspace.
        passwords: The slow hash.
        name: Id or alias of a person.
        password: At most 1,024 bytes.
        address: Where the request comes from.
        previous: What the browser's cookie held before.

    Raises:
        TooManyAttempts: It has to wait.
        Refused: Name and password do not belong together, or the person is not active: one message for all.
        InvalidInput: The password is too long.
        Unavailable: Too many are logging in at once.
    """
    data = password_bytes(password)
    subjects = subjects_of(account=name, address=address)
    with ws.store.begin(durable=False) as tx:
        count_attempt(tx, subjects, ws.clock.now())
        person, account = _find_account(tx, name)
    is_right = passwords.verify(account.password_hash if account else None, data)
    if person is None or account is None or not is_right:
        raise Refused(WRONG)
    rehashed = passwords.hash(data) if passwords.is_outdated(account.password_hash) else None
    with ws.store.begin() as tx:
        again, now_account = _find_account(tx, name)
        if again is None or now_account != account:  # deactivated, or the password changed, while we looked at it
            raise Refused(WRONG)
        forgive(tx, subjects)
        if rehashed is not None:
            tx.accounts.put(Account(person.person_id, rehashed, account.changed_at))
        return _start(ws, tx, person, previous)


def _find_account(tx: Transaction, name: str) -> tuple[Person | None, Account | None]:
    person = find_person(list_people(tx), name)
    if person is None or not person.is_active or person.kind != "person":
        return None, None
    return person, tx.accounts.find(person.person_id)


def _start(ws: Workspace, tx: Transaction, person: Person, previous: str) -> LoggedIn:
    now = ws.clock.now()
    tx.sessions.prune(now, idle_since=now - IDLE)
    before = hash_secret(previous)
    if before:
        tx.sessions.end(secret_hash=before)
    secret = new_secret(ws)
    session = Session(hash_secret(secret) or "", person.person_id, now, now, now + timedelta(hours=SESSION_HOURS))
    tx.sessions.add(session)
    return LoggedIn(person.person_id, secret, session.expires_at)


def log_out(ws: Workspace, *, secret: str) -> None:
    """End a session; one that is over already is no error."""
    digest = hash_secret(secret)
    if digest:
        with ws.store.begin() as tx:
            tx.sessions.end(secret_hash=digest)


def begin_journey(ws: Workspace, *, provider: IdentityProvider, redirect_uri: str, onward: str, address: str) -> Departure:
    """Begin a log-in at the company's provider.

    Args:
        ws: The workspace.
        provider: The company's.
        redirect_uri: Where it is to send the browser back to.
        onward: Where to go on to afterwards.
        address: Where the request comes from: each journey is a row, and anybody may begin one.

    Raises:
        TooManyAttempts: Too many were begun from this address and not finished.
        Unavailable: The provider does not answer.
    """
    with ws.store.begin(durable=False) as tx:
        count_attempt(tx, subjects_of(journey=address), ws.clock.now())
    state, nonce, verifier, browser = (new_secret(ws) for _ in range(4))
    target = provider.begin(redirect_uri=redirect_uri, state=state, nonce=nonce, verifier=verifier)
    now = ws.clock.now()
    journey = Journey(
        hash_secret(state) or "", hash_secret(browser) or "", nonce, verifier, onward, now + timedelta(minutes=JOURNEY_MINUTES)
    )
    with ws.store.begin(durable=False) as tx:
        tx.sessions.prune(now, idle_since=now - IDLE)
        tx.sessions.add_journey(journey)
    return Departure(target, browser)


def finish_journey(
    ws: Workspace,
    *,
    provider: IdentityProvider,
    redirect_uri: str,
    state: str,
    code: str,
    browser: str,
    address: str,
    issuer: str | None = None,
    previous: str = "",
) -> tuple[LoggedIn, str]:
    """Finish a log-in at the company's provider; return the session and the path to go on to.

    Raises:
        Refused: The state is not of this browser, was used or is too old; what the provider says does not hold; or whom it names is
            nobody here.
        InvalidInput: There is no code.
        Unavailable: The provider does not answer.
    """
    digest = hash_secret(state)
    with ws.store.begin() as tx:
        journey = tx.sessions.take_journey(digest) if digest else None
    now = ws.clock.now()
    if journey is None or journey.expires_at <= now or not hmac.compare_digest(journey.browser_hash, hash_secret(browser) or ""):
        raise Refused("this answer belongs to no log-in that this browser has begun, or to one that is over: begin again")
    provider.check_issuer(issuer)
    if not code:
        raise InvalidInput("the provider gave no code: it refused the log-in, or somebody cancelled it")
    subject = provider.finish(redirect_uri=redirect_uri, code=code, nonce=journey.nonce, verifier=journey.verifier, now=now)
    with governed(ws) as tx:
        person = find_person(list_people(tx), subject)
        if person is None:
            raise Refused(f"{subject} is nobody here; an admin makes it a name of yours: `incumbent users change ID --alias '{subject}'`")
        if not person.is_active or person.kind != "person":
            raise Refused(f"{person.person_id} may not log in: not active, or a service")
        forgive(tx, subjects_of(journey=address))
        _tell_admission(ws, tx, person, subject.partition(" ")[0])
        return _start(ws, tx, person, previous), journey.onward


def _tell_admission(ws: Workspace, tx: Transaction, person: Person, issuer: str) -> None:
    """Tell whom a provider brought, the first time: afterwards it is a log-in like one with a password, which changes nothing."""
    kind, body = "admission", {"person": person.person_id, "provider": issuer}
    told = tx.records.find(kind, person.person_id)
    if told is None or told.body != body:
        acting = Acting(person.person_id, person, person.roles)
        at = account_time(ws, tx)
        tell(ws, tx, act="admit", acting=acting, at=at, kind=kind, object_id=person.person_id, body={**body})
