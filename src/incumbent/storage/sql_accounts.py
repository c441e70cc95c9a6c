"""Accounts, tokens, sessions, links and failed log-ins, in SQL."""

import json
from collections.abc import Sequence
from datetime import datetime

from incumbent.base.errors import Corrupt
from incumbent.storage.cells import from_json, from_micros, to_micros, to_text
from incumbent.storage.session import Row, Session
from incumbent.usecases import account_ports as ports

_TOKEN = "token_id, secret_hash, person_id, name, scope, made_at, expires_at, made_by, used_at, revoked_at"  # noqa: S105  (names of columns)
_SESSION = "secret_hash, person_id, started_at, seen_at, expires_at"
_JOURNEY = "state_hash, browser_hash, nonce, verifier, onward, expires_at"


class SqlAccounts:
    """Passwords, and links to set them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, account: ports.Account) -> None:
        """Set an account's password hash."""
        self._session.run(
            "INSERT INTO accounts (person_id, password_hash, changed_at) VALUES (?, ?, ?) ON CONFLICT (person_id) "
            "DO UPDATE SET password_hash = excluded.password_hash, changed_at = excluded.changed_at",
            (to_text(account.person_id, "person"), account.password_hash, to_micros(account.changed_at)),
        )

    def find(self, person_id: str) -> ports.Account | None:
        """Return an account."""
        row = self._session.one("SELECT person_id, password_hash, changed_at FROM accounts WHERE person_id = ?", (person_id,))
        return None if row is None else ports.Account(row[0], row[1], from_micros(row[2]))

    def list_all(self) -> Sequence[ports.Account]:
        """Return all, by person."""
        rows = self._session.all("SELECT person_id, password_hash, changed_at FROM accounts")
        return [ports.Account(row[0], row[1], from_micros(row[2])) for row in sorted(rows)]

    def put_link(self, link: ports.Link) -> None:
        """Keep a link; earlier ones of the same person are gone."""
        self._session.run("DELETE FROM account_links WHERE person_id = ?", (link.person_id,))
        self._session.run(
            "INSERT INTO account_links (secret_hash, person_id, expires_at) VALUES (?, ?, ?)",
            (link.secret_hash, to_text(link.person_id, "person"), to_micros(link.expires_at)),
        )

    def find_link(self, secret_hash: str) -> ports.Link | None:
        """Return a link."""
        return _link(
            self._session.one("SELECT secret_hash, person_id, expires_at FROM account_links WHERE secret_hash = ?", (secret_hash,))
        )

    def take_link(self, secret_hash: str) -> ports.Link | None:
        """Return a link and remove it: of two who ask at once, one gets it."""
        sql = "DELETE FROM account_links WHERE secret_hash = ? RETURNING secret_hash, person_id, expires_at"
        return _link(self._session.one(sql, (secret_hash,)))


def _link(row: Row | None) -> ports.Link | None:
    return None if row is None else ports.Link(row[0], row[1], from_micros(row[2]))


class SqlTokens:
    """API tokens."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, token: ports.Token) -> None:
        """Keep a token."""
        self._session.run(
            f"INSERT INTO access_tokens ({_TOKEN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                token.token_id,
                token.secret_hash,
                to_text(token.person_id, "person"),
                to_text(token.name, "the token's name"),
                json.dumps(token.scope),
                to_micros(token.made_at),
                to_micros(token.expires_at),
                to_text(token.made_by, "actor"),
                _micros(token.used_at),
                _micros(token.revoked_at),
            ),
        )

    def find(self, secret_hash: str) -> ports.Token | None:
        """Return the token of a secret."""
        row = self._session.one(f"SELECT {_TOKEN} FROM access_tokens WHERE secret_hash = ?", (secret_hash,))
        return None if row is None else _token(row)

    def list_all(self, person_id: str | None = None) -> Sequence[ports.Token]:
        """Return tokens (of one person), newest first, revoked and expired ones too."""
        condition, values = ("", ()) if person_id is None else (" WHERE person_id = ?", (person_id,))
        rows = self._session.all(f"SELECT {_TOKEN} FROM access_tokens{condition}", values)
        return sorted(map(_token, rows), key=lambda token: (token.made_at, token.token_id), reverse=True)

    def touch(self, token_id: str, at: datetime) -> None:
        """Note that it was used."""
        self._session.run("UPDATE access_tokens SET used_at = ? WHERE token_id = ?", (to_micros(at), token_id))

    def revoke(self, token_id: str, at: datetime) -> None:
        """End it."""
        self._session.run("UPDATE access_tokens SET revoked_at = ? WHERE token_id = ?", (to_micros(at), token_id))


def _token(row: Row) -> ports.Token:
    token_id, secret_hash, person_id, name, scope, made_at, expires_at, made_by, used_at, revoked_at = row
    rights = from_json(scope)
    if not isinstance(rights, list):
        raise Corrupt(f"token {token_id}: the database holds {str(scope)[:80]!r} where a list of rights belongs")
    return ports.Token(
        token_id, secret_hash, person_id, name, tuple(str(right) for right in rights), from_micros(made_at), from_micros(expires_at),
        made_by, _time(used_at), _time(revoked_at),
    )  # fmt: skip


class SqlSessions:
    """Sessions, and log-ins at a provider under way."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, session: ports.Session) -> None:
        """Keep a session."""
        times = (to_micros(session.started_at), to_micros(session.seen_at), to_micros(session.expires_at))
        self._session.run(
            f"INSERT INTO browser_sessions ({_SESSION}) VALUES (?, ?, ?, ?, ?)", (session.secret_hash, session.person_id, *times)
        )

    def find(self, secret_hash: str) -> ports.Session | None:
        """Return the session of a secret."""
        row = self._session.one(f"SELECT {_SESSION} FROM browser_sessions WHERE secret_hash = ?", (secret_hash,))
        return None if row is None else ports.Session(row[0], row[1], *(from_micros(cell) for cell in row[2:]))

    def touch(self, secret_hash: str, at: datetime) -> None:
        """Note that it was used."""
        self._session.run("UPDATE browser_sessions SET seen_at = ? WHERE secret_hash = ?", (to_micros(at), secret_hash))

    def end(self, *, secret_hash: str | None = None, person_id: str | None = None) -> int:
        """Remove a session, or all of a person, and return how many there were."""
        column, value = ("secret_hash", secret_hash) if secret_hash is not None else ("person_id", person_id)
        return self._session.run(f"DELETE FROM browser_sessions WHERE {column} = ?", (value,))

    def add_journey(self, journey: ports.Journey) -> None:
        """Keep a log-in at a provider that begins."""
        self._session.run(
            f"INSERT INTO provider_journeys ({_JOURNEY}) VALUES (?, ?, ?, ?, ?, ?)",
            (
                journey.state_hash,
                journey.browser_hash,
                journey.nonce,
                journey.verifier,
                to_text(journey.onward, "path"),
                to_micros(journey.expires_at),
            ),
        )

    def take_journey(self, state_hash: str) -> ports.Journey | None:
        """Return one and remove it: a state counts once."""
        row = self._session.one(f"DELETE FROM provider_journeys WHERE state_hash = ? RETURNING {_JOURNEY}", (state_hash,))
        if row is None:
            return None
        state, browser, nonce, verifier, onward, expires_at = row
        return ports.Journey(state, browser, nonce, verifier, onward, from_micros(expires_at))

    def prune(self, now: datetime, *, idle_since: datetime) -> None:
        """Remove sessions, links and journeys that are over."""
        for table in ("browser_sessions", "account_links", "provider_journeys"):
            self._session.run(f"DELETE FROM {table} WHERE expires_at <= ?", (to_micros(now),))
        self._session.run("DELETE FROM browser_sessions WHERE seen_at <= ?", (to_micros(idle_since),))


class SqlAttempts:
    """Failed log-ins, and how new what is known about people is."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, subject: str) -> ports.Failures | None:
        """Return the failures of an account name or address; in a transaction that writes, nobody else counts them until it ends."""
        if self._session.dialect == "postgresql" and not self._session.is_read_only:  # SQLite's writers take turns anyway
            self._session.all("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (subject,))
        row = self._session.one("SELECT failures, last_at FROM login_failures WHERE subject = ?", (subject,))
        return None if row is None else ports.Failures(int(row[0]), from_micros(row[1]))

    def put(self, subject: str, failures: ports.Failures) -> None:
        """Set them."""
        self._session.run(
            "INSERT INTO login_failures (subject, failures, last_at) VALUES (?, ?, ?) ON CONFLICT (subject) "
            "DO UPDATE SET failures = excluded.failures, last_at = excluded.last_at",
            (subject, failures.count, to_micros(failures.last_at)),
        )

    def forget(self, subject: str) -> None:
        """Remove them: a log-in succeeded."""
        self._session.run("DELETE FROM login_failures WHERE subject = ?", (subject,))

    def prune(self, before: datetime) -> None:
        """Remove those whose last failure is older."""
        self._session.run("DELETE FROM login_failures WHERE last_at < ?", (to_micros(before),))

    def people_version(self) -> int:
        """Return a number that changes whenever anything about people does; -1 while nobody is registered."""
        row = self._session.one("SELECT COALESCE(max(seq), -1) FROM records WHERE kind = 'person'")
        assert row is not None
        return int(row[0])


def _micros(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)


def _time(cell: int | None) -> datetime | None:
    return None if cell is None else from_micros(cell)
