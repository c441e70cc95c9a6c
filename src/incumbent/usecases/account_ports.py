"""Ports of who logs in: accounts, tokens, sessions, links, failed attempts. Of every secret only a SHA-256 is kept, of a password argon2id.

None of these is a governed document: roles come from the register of people, and are looked up whenever somebody asks for something.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Account:
    """How a person logs in with a password.

    Attributes:
        password_hash: As the port `Passwords` made it.
        changed_at: When the password was set.
    """

    person_id: str
    password_hash: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """An API token, without its secret.

    Attributes:
        secret_hash: SHA-256 of the token, in hexadecimal.
        person_id: Who it acts as: a person or service.
        name: What it is for, in its owner's words.
        scope: Names of rights, or one of the words `read`, `write` and `admin` alone; never more than its owner may now.
        used_at: When it was last used, to the hour; None if it never was.
        made_by: Who made it.
    """

    token_id: str
    secret_hash: str
    person_id: str
    name: str
    scope: tuple[str, ...]
    made_at: datetime
    expires_at: datetime
    made_by: str
    used_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is logged in.

    Attributes:
        secret_hash: SHA-256 of what its cookie holds, in hexadecimal.
        seen_at: When it was last used, to some minutes.
        expires_at: When it ends however much it is used.
    """

    secret_hash: str
    person_id: str
    started_at: datetime
    seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Link:
    """A link to set a password with, once.

    Attributes:
        person_id: Whose password; "" while nobody is registered: it makes the first person, an admin.
    """

    secret_hash: str
    person_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed log-ins of one account name or address, since the last that succeeded."""

    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Journey:
    """A log-in at a provider that a browser has begun.

    Attributes:
        state_hash: SHA-256 of the `state` that comes back.
        browser_hash: SHA-256 of what the browser's cookie holds.
        nonce: What the provider's token must repeat.
        verifier: PKCE's secret, of which the provider has the digest.
        onward: The path to go to afterwards.
    """

    state_hash: str
    browser_hash: str
    nonce: str
    verifier: str
    onward: str
    expires_at: datetime


class Accounts(Protocol):
    """Passwords, and links to set them."""

    def put(self, account: Account) -> None:
        """Set an account's password hash."""

    def find(self, person_id: str) -> Account | None:
        """Return an account."""

    def list_all(self) -> Sequence[Account]:
        """Return all, by person."""

    def put_link(self, link: Link) -> None:
        """Keep a link; earlier ones of the same person are gone."""

    def find_link(self, secret_hash: str) -> Link | None:
        """Return a link."""

    def take_link(self, secret_hash: str) -> Link | None:
        """Return a link and remove it: of two who ask at once, one gets it."""


class Tokens(Protocol):
    """API tokens."""

    def add(self, token: Token) -> None:
        """Keep a token."""

    def find(self, secret_hash: str) -> Token | None:
        """Return the token of a secret."""

    def list_all(self, person_id: str | None = None) -> Sequence[Token]:
        """Return tokens (of one person), newest first, revoked and expired ones too."""

    def touch(self, token_id: str, at: datetime) -> None:
        """Note that it was used."""

    def revoke(self, token_id: str, at: datetime) -> None:
        """End it."""


class Sessions(Protocol):
    """Sessions, and log-ins at a provider under way."""

    def add(self, session: Session) -> None:
        """Keep a session."""

    def find(self, secret_hash: str) -> Session | None:
        """Return the session of a secret."""

    def touch(self, secret_hash: str, at: datetime) -> None:
        """Note that it was used."""

    def end(self, *, secret_hash: str | None = None, person_id: str | None = None) -> int:
        """Remove a session, or all of a person, and return how many there were."""

    def add_journey(self, journey: Journey) -> None:
        """Keep a log-in at a provider that begins."""

    def take_journey(self, state_hash: str) -> Journey | None:
        """Return one and remove it: a state counts once."""

    def prune(self, now: datetime, *, idle_since: datetime) -> None:
        """Remove sessions, links and journeys that are over."""


class Attempts(Protocol):
    """Failed log-ins, and how new what is known about people is."""

    def find(self, subject: str) -> Failures | None:
        """Return the failures of an account name or address; in a transaction that writes, nobody else counts them until it ends."""

    def put(self, subject: str, failures: Failures) -> None:
        """Set them."""

    def forget(self, subject: str) -> None:
        """Remove them: a log-in succeeded."""

    def prune(self, before: datetime) -> None:
        """Remove those whose last failure is older."""

    def people_version(self) -> int:
        """Return a number that changes whenever anything about people does; -1 while nobody is registered."""


class Passwords(Protocol):
    """A slow hash for passwords."""

    def hash(self, password: bytes) -> str:
        """Return the hash, with its parameters and salt. Raises Unavailable when too many are being made."""

    def verify(self, password_hash: str | None, password: bytes) -> bool:
        """Return whether it is the password's; without a hash it takes as long and is False. Raises Unavailable."""

    def is_outdated(self, password_hash: str) -> bool:
        """Return whether it was made with weaker parameters than new ones are."""


class IdentityProvider(Protocol):
    """A company's OpenID Connect provider."""

    def begin(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Return the address to send the browser to. Raises Unavailable."""

    def finish(self, *, redirect_uri: str, code: str, nonce: str, verifier: str, now: datetime) -> str:
        """Exchange a code and return who it is, as "issuer subject". Raises Refused (what it says does not hold), Unavailable."""

    def check_issuer(self, issuer: str | None) -> None:
        """Pass if an answer that names its issuer (RFC 9207) comes from the one that is set. Raises Refused."""
