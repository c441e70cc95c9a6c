"""The verbs on accounts: set a password with a link, change it, see who has one. There is no default password, and no way to read one.

An account belongs to a person of the register, who has the roles; a service has none and uses tokens. A link is made by whoever works
on the server's machine, or by an admin there. It works once, for a day, and only its hash is kept.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from incumbent.base.documents import Document
from incumbent.base.errors import InvalidInput, NotFound, Refused
from incumbent.governance.fields import format_time
from incumbent.governance.person import Person
from incumbent.usecases.account_entries import ACCOUNT, account_time, describe_account, tell
from incumbent.usecases.account_ports import Account, Link, Passwords
from incumbent.usecases.bearer import hash_secret, new_secret
from incumbent.usecases.guessing import count_attempt, forgive, subjects_of
from incumbent.usecases.people import add_person, get_person
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import Acting, attempting, find_acting, governed, list_people
from incumbent.usecases.workspace import Workspace

CHARACTERS_MIN = 12
BYTES_MAX = 1024
LINK_HOURS = 24


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """Somebody's way in, as shown to people.

    Attributes:
        changed_at: When the password was set; None without one.
        tokens: How many tokens are good now.
    """

    person: Person
    changed_at: datetime | None
    tokens: int

    def to_json(self) -> Document:
        """Return the document that every face shows."""
        return {
            "person": self.person.person_id,
            "roles": [*sorted(self.person.roles)],
            "is_active": self.person.is_active,
            "password_set_at": self.changed_at.isoformat() if self.changed_at else None,
            "good_tokens": self.tokens,
        }


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link to set a password with.

    Attributes:
        person_id: Whose; "" while nobody is registered.
        path: On the server; to be shown once.
    """

    person_id: str
    path: str
    expires_at: datetime


def password_bytes(password: str) -> bytes:
    """Return the bytes that are hashed: NFC, so that two keyboards that spell one letter differently agree, in UTF-8.

    Raises:
        InvalidInput: They are more than 1,024: nothing is ever cut off. Or half a character is among them.
    """
    try:
        # No text of more than four characters a byte is composed into so few; what is longer need not be composed to be refused.
        data = unicodedata.normalize("NFC", password).encode("utf-8") if len(password) <= 4 * BYTES_MAX else b""
    except UnicodeEncodeError:
        raise InvalidInput("a password is text, and this holds half a character") from None
    if len(password) > 4 * BYTES_MAX or len(data) > BYTES_MAX:
        raise InvalidInput(f"a password has at most {BYTES_MAX} bytes")
    return data


def check_new_password(password: str, person: str) -> bytes:
    """Return the bytes of a password that may be set.

    Raises:
        InvalidInput: It is shorter than 12 characters, longer than 1,024 bytes, one character repeated, or the person's own name.
    """
    data = password_bytes(password)
    if len(password) < CHARACTERS_MIN or len(set(password)) < 4 or password.strip().casefold() == person.casefold():
        raise InvalidInput(f"a password has at least {CHARACTERS_MIN} characters, four of them different, and is not one's own name")
    return data


def make_link(ws: Workspace, *, person: str) -> NewLink:
    """Make a link with which a person sets their password; an earlier link of theirs is void.

    Raises:
        NotFound: There is no such person.
        Refused: The actor is neither that person nor an admin; it is a service, or no longer active.
    """
    with attempting(ws, act="make-link", kind="link", object_id=person), governed(ws) as tx:
        acting = find_acting(ws, tx)
        owner = get_person(tx, person)
        if acting.person is None or ("admin" not in acting.roles and acting.actor != owner.person_id):
            raise Refused(f"{acting.actor} is no admin, and makes links for themselves only")
        if owner.kind == "service" or not owner.is_active:
            why = "is a service: it uses tokens" if owner.kind == "service" else "is no longer active"
            raise Refused(f"{owner.person_id} {why}, and needs no password")
        link = _put_link(ws, tx, owner.person_id)
        body: Document = {"person": owner.person_id, "expires_at": format_time(link.expires_at)}
        tell(ws, tx, act="make-link", acting=acting, at=account_time(ws, tx), kind="link", object_id=owner.person_id, body=body)
        return link


def make_first_link(ws: Workspace) -> NewLink | None:
    """Make the link of a first start, or None where somebody has a password already.

    While nobody is registered it makes the first person, an admin. Otherwise it is for the actor, or for the admin registered first.
    """
    with ws.store.begin() as tx:
        if tx.accounts.list_all():
            return None
        people = [person for person in list_people(tx) if person.is_active and person.kind == "person"]
        if not people:
            return _put_link(ws, tx, "")
        actor = next((person for person in people if ws.actor in (person.person_id, *person.aliases)), None)
        chosen = actor or next((person for person in people if "admin" in person.roles), people[0])
        return _put_link(ws, tx, chosen.person_id)


def _put_link(ws: Workspace, tx: Transaction, person_id: str) -> NewLink:
    secret = new_secret(ws)
    expires_at = ws.clock.now() + timedelta(hours=LINK_HOURS)
    tx.accounts.put_link(Link(hash_secret(secret) or "", person_id, expires_at))
    return NewLink(person_id, f"/set-up/{secret}", expires_at)


def get_link(ws: Workspace, secret: str) -> Link:
    """Return the link of a secret. Raises NotFound if there is none that is still good."""
    digest = hash_secret(secret)
    with ws.store.begin(read_only=True) as tx:
        link = tx.accounts.find_link(digest) if digest else None
    return _check_link(ws, link)


def use_link(ws: Workspace, *, passwords: Passwords, secret: str, password: str, person: str = "", name: str = "") -> str:
    """Set a password with a link, and return whose it is. The link is spent, and every session of theirs is over.

    Args:
        ws: The workspace.
        passwords: The slow hash.
        secret: The link's.
        password: The new password.
        person: Of a link that makes the first person: their id.
        name: Likewise, their printed name.

    Raises:
        NotFound: The link is none, spent or has expired.
        InvalidInput: The password or the new person's id may not be; the link is not spent by that.
        Refused: Somebody was registered in the meantime, or the person may no longer come in.
    """
    link = get_link(ws, secret)
    hashed = passwords.hash(check_new_password(password, link.person_id or person))
    if link.person_id == "":
        _add_first(ws, person, name)
    with governed(ws) as tx:
        taken = _check_link(ws, tx.accounts.take_link(link.secret_hash))
        owner = get_person(tx, taken.person_id or person)
        if not owner.is_active:
            raise Refused(f"{owner.person_id} is no longer active")
        _set(ws, tx, "use-link", Acting(owner.person_id, owner, owner.roles), hashed)
    return owner.person_id


def _add_first(ws: Workspace, person: str, name: str) -> None:
    with ws.store.begin(read_only=True) as tx:
        if list_people(tx):
            raise Refused("people are registered here by now; restart the server for a link for one of them, or ask an admin")
    add_person(ws.named(person), person=person, name=name, roles=["admin"])


def _check_link(ws: Workspace, link: Link | None) -> Link:
    if link is None or link.expires_at <= ws.clock.now():
        raise NotFound("this link is spent, has expired or never was; `incumbent accounts invite ID` makes another")
    return link


def change_password(ws: Workspace, *, passwords: Passwords, old: str, new: str) -> None:
    """Change the actor's own password; every session of theirs is over.

    Raises:
        InvalidInput: The new password may not be.
        TooManyAttempts: The old one was guessed too often: who has come by a session does not come by the password.
        Refused: The old one is wrong.
    """
    given = password_bytes(old)
    with ws.store.begin(durable=False) as tx:
        acting = find_acting(ws, tx)
        account = tx.accounts.find(acting.actor)
        data = check_new_password(new, acting.actor)
        subjects = subjects_of(account=acting.actor)
        count_attempt(tx, subjects, ws.clock.now())
    if not passwords.verify(account.password_hash if account else None, given):
        raise Refused("the present password is another; nothing was changed")
    hashed = passwords.hash(data)
    with governed(ws) as tx:
        forgive(tx, subjects)
        _set(ws, tx, "change-password", acting, hashed)


def _set(ws: Workspace, tx: Transaction, act: str, acting: Acting, hashed: str) -> None:
    at = account_time(ws, tx)
    tell(ws, tx, act=act, acting=acting, at=at, kind=ACCOUNT, object_id=acting.actor, body=describe_account(acting.actor, at))
    tx.accounts.put(Account(acting.actor, hashed, at))
    tx.sessions.end(person_id=acting.actor)


def end_sessions(ws: Workspace, *, person: str) -> int:
    """Log a person out everywhere, and return how many sessions that ended.

    Raises:
        NotFound: There is no such person.
        Refused: The actor is neither that person nor an admin.
    """
    with attempting(ws, act="end-sessions", kind="sessions", object_id=person), governed(ws) as tx:
        acting = find_acting(ws, tx)
        owner = get_person(tx, person)
        if acting.person is None or ("admin" not in acting.roles and acting.actor != owner.person_id):
            raise Refused(f"{acting.actor} is no admin, and logs out themselves only")
        ended = tx.sessions.end(person_id=owner.person_id)
        body: Document = {"person": owner.person_id, "ended": ended}
        tell(ws, tx, act="end-sessions", acting=acting, at=account_time(ws, tx), kind="sessions", object_id=owner.person_id, body=body)
    return ended


def list_accounts(ws: Workspace) -> Sequence[AccountRecord]:
    """Return everybody with what lets them in, for an admin: it says whom to attack, and how.

    Raises:
        NotFound: Nobody is registered.
        Refused: The actor is no admin.
    """
    now = ws.clock.now()
    with ws.store.begin(read_only=True) as tx:
        people = list_people(tx)
        if not people:
            raise NotFound("nobody is registered here: `incumbent users add ID --name NAME --role admin`")
        acting = find_acting(ws, tx)
        if "admin" not in acting.roles:
            raise Refused(f"{acting.actor} is no admin; who has a password, and who has none, is shown to admins")
        changed = {account.person_id: account.changed_at for account in tx.accounts.list_all()}
        good = [token.person_id for token in tx.tokens.list_all() if token.revoked_at is None and token.expires_at > now]
    return [AccountRecord(person, changed.get(person.person_id), good.count(person.person_id)) for person in people]
