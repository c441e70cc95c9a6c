"""PostgreSQL: connections and transactions through psycopg 3.

Writers run READ COMMITTED. Where two could cross, the statements themselves settle it: upserts that say when, and row locks
on the run that is written to (`sql_runs.open_run`). What still collides is a Conflict, to be tried again.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from incumbent.base.digest import Algorithm
from incumbent.base.errors import Conflict, Corrupt, IncumbentError, InvalidInput, Refused, Unavailable
from incumbent.storage.rules import POSTGRES_RULES, postgres_rules, tell_differences
from incumbent.storage.session import Dialect, Session
from incumbent.storage.versions import HEAD, judge_settings

LOCK_TIMEOUT_S = 30.0
_IDLE_MAX = 8


class PostgresDatabase:
    """One PostgreSQL database, open and of our version. A few connections are kept for the next transaction.

    Args:
        url: `postgresql://user@host/database`; what libpq understands in it, such as `?host=/run/postgresql`, is understood.
        algorithm: The workspace's digest algorithm; a new database remembers it.
        lock_timeout_s: How long to wait for another writer.

    Raises:
        InvalidInput: Written by a newer version, or with another digest algorithm; or a malformed URL.
        Unavailable: The server cannot be reached, or does not let us in.
    """

    dialect: Dialect = "postgresql"

    def __init__(self, url: str, algorithm: Algorithm, *, lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
        self._shown = shown_url(url)
        self._url = "postgresql://" + url.partition("://")[2]
        _must_parse(self._url, self._shown)
        self._lock_timeout_s = lock_timeout_s
        self._idle: list[psycopg.Connection] = []
        self._guard = threading.Lock()
        self._pid = os.getpid()
        try:
            settings = self._read_settings()
            judge_settings(settings, algorithm, self._shown)
            if settings.get("revision") != HEAD:
                self._migrate(algorithm)
                judge_settings(self._read_settings(), algorithm, self._shown)
        except BaseException:
            self.close()
            raise

    def _migrate(self, algorithm: Algorithm) -> None:
        """Bring the schema to our version. Alembic and SQLAlchemy are imported only here."""
        from sqlalchemy.exc import DBAPIError  # noqa: PLC0415  (slow to import, and for PostgreSQL alone)

        from incumbent.storage.migrate import migrate_postgres  # noqa: PLC0415  (Alembic is slow to import)

        try:
            migrate_postgres(self._url, algorithm)
        except DBAPIError as error:
            cause = error.orig if isinstance(error.orig, Exception) else error
            raise self.translate(cause) from error

    def _read_settings(self) -> dict[str, str]:
        """Return the settings of a database, {} when it is new. Writes nothing."""
        with self.begin(durable=False, read_only=True) as session:
            rows = session.all("SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()")
            tables = {str(row[0]) for row in rows}
            if not tables:
                return {}
            if not {"settings", "alembic_version"} <= tables:
                return {"foreign": ", ".join(sorted(tables)[:5])}
            settings = {str(name): str(value) for name, value in session.all("SELECT name, value FROM settings")}
            revision = session.one("SELECT version_num FROM alembic_version")
            return {**settings, "revision": str(revision[0]) if revision else ""}

    @contextmanager
    def begin(self, *, durable: bool, read_only: bool) -> Iterator[Session]:
        """Open a transaction; commit when the block ends well, roll back otherwise."""
        raw = self._take()
        is_sound = False
        try:
            cursor = raw.cursor(binary=True)
            try:
                if read_only:
                    raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                else:
                    raw.execute("BEGIN" if durable else "BEGIN; SET LOCAL synchronous_commit = off")
            except psycopg.Error as error:
                raise self.translate(error) from error
            session = Session(cursor, "postgresql", self.translate, is_read_only=read_only)
            try:
                yield session
                session.must_be_sound()
                cursor.execute("COMMIT")
                is_sound = True
            except psycopg.Error as error:
                raise self.translate(error) from error
        finally:
            if not is_sound:
                with suppress(psycopg.Error):  # the first error is the one to tell; a broken connection is dropped below
                    if raw.info.transaction_status != TransactionStatus.IDLE:
                        raw.execute("ROLLBACK")
            self._put_back(raw)

    def _take(self) -> psycopg.Connection:
        with self._guard:
            if self._pid != os.getpid():  # forked: the parent goes on talking over these sockets
                self._idle, self._pid = [], os.getpid()
            while self._idle:
                raw = self._idle.pop()
                if not raw.closed:
                    return raw
        try:
            raw = psycopg.connect(self._url, autocommit=True, connect_timeout=10, application_name="incumbent")
            raw.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(int(self._lock_timeout_s * 1_000))))
            return raw
        except psycopg.Error as error:
            raise self.translate(error) from error

    def _put_back(self, raw: psycopg.Connection) -> None:
        with self._guard:
            if not raw.closed and raw.info.transaction_status == TransactionStatus.IDLE and len(self._idle) < _IDLE_MAX:
                self._idle.append(raw)
                return
        raw.close()

    def stamp(self) -> int | None:
        """Return None: to ask a server for its state takes as long as to read what one wants to know."""
        return None

    def identity(self) -> str:
        """Return which server, database and schema it is, as the server knows them: it can have many names and addresses."""
        with self.begin(durable=False, read_only=True) as session:
            row = session.one(
                "SELECT pg_postmaster_start_time()::text, oid::text, current_schema()::text "
                "FROM pg_database WHERE datname = current_database()"
            )
        assert row is not None
        return "postgresql " + " ".join(str(part) for part in row)

    def check(self) -> Sequence[str]:
        """Return rules that are missing, changed or switched off, in words; its files are watched by the server itself."""
        with self.begin(durable=False, read_only=True) as session:
            return tell_differences(postgres_rules(), session.all(POSTGRES_RULES))

    def close(self) -> None:
        """Close idle connections."""
        with self._guard:
            idle, self._idle = self._idle, []
        if self._pid == os.getpid():
            for raw in idle:
                raw.close()

    def translate(self, error: Exception) -> IncumbentError:
        """Return our error for the driver's."""
        if isinstance(error, IncumbentError):
            return error
        state = getattr(error, "sqlstate", None) or ""
        message = str(error).strip().partition("\n")[0]
        if state == "P0001":
            return Refused(message)
        if state == "23503":
            return Refused(f"other records rest on this one: {message}")
        if state[:2] == "40" or state in ("55P03", "23505"):
            return Conflict(f"{self._shown}: another writer was first ({message}); try again")
        if state[:2] in ("22", "23", "54") or isinstance(error, (OverflowError, UnicodeError, psycopg.DataError)):
            return InvalidInput(f"a value cannot be stored: {message}")
        if state[:2] == "XX":
            return Corrupt(f"{self._shown} is damaged ({message}); call whoever runs the database")
        return Unavailable(f"{self._shown}: {message}; check the server and the address, and run again. Nothing was lost")


def shown_url(url: str) -> str:
    """Return a URL as messages may show it, without the password.

    Raises:
        InvalidInput: It is not clear where the password ends, or which part is what. Nothing of the URL is repeated then.

    >>> shown_url("postgresql://me:secret@db:5432/work?sslmode=require")
    'postgresql://me@db:5432/work'
    """
    unclear = InvalidInput(
        "the address of the database cannot be read: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, and in the password "
        "write %2F for /, %3F for ?, %23 for #, %40 for @, %25 for % and %20 for a space"
    )
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise unclear from None
    has_lost_its_user = "@" in parts.query and ":" in parts.netloc and "@" not in parts.netloc
    if "://" not in url or "@" in parts.path or parts.fragment or has_lost_its_user:
        raise unclear
    user = f"{parts.username}@" if parts.username else ""
    return f"postgresql://{user}{host}{port}{parts.path}"


def _must_parse(url: str, shown: str) -> None:
    """Raise unless libpq can read the URL. What it says of one that it cannot read may quote the password, so it is not passed on."""
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise InvalidInput(
            f"the address of the database at {shown} cannot be read: an option after the ? is unknown, or a character needs "
            "percent-encoding (%25 for %, %20 for a space)"
        ) from None
