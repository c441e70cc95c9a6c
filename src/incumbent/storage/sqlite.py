"""SQLite: opening a file safely, and transactions on it.

Writers begin with BEGIN IMMEDIATE: a transaction that read first and wrote later could find that it can do neither (its
snapshot is old, so no wait helps). WAL lets readers go on meanwhile. `synchronous` is FULL for governed records: the
commit is on disk when it returns; NORMAL otherwise: a power cut may take the newest commits, never a part of one.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from incumbent.base.digest import Algorithm
from incumbent.base.errors import Conflict, Corrupt, IncumbentError, InvalidInput, Refused, Unavailable
from incumbent.storage.session import Dialect, Session
from incumbent.storage.versions import HEAD, judge_settings, missing_triggers

BUSY_TIMEOUT_S = 30.0
_MEMORY = ":memory:"
_CORRUPT_ADVICE = "it was not touched; restore it from a backup, or move it away and run again to begin a new workspace"


@dataclass(slots=True)
class _Link:
    """A connection and the settings it has now, so that they are sent only when they change."""

    raw: sqlite3.Connection
    is_full: bool | None = None
    is_query_only: bool = False


class SqliteDatabase:
    """One SQLite file (or memory), open and of our version. Connections are kept for the next transaction.

    Args:
        url: `sqlite:///relative/path`, `sqlite:////absolute/path`, or `sqlite://` for memory.
        algorithm: The workspace's digest algorithm; a new database remembers it.
        busy_timeout_s: How long to wait for another writer.

    Raises:
        InvalidInput: Written by a newer version, or with another digest algorithm; or not an SQLite URL.
        Corrupt: The file is damaged, or no database. It is left as it is.
        Unavailable: The folder cannot be written, or the disk is full.
        Conflict: Another process held the file for longer than the timeout.
    """

    dialect: Dialect = "sqlite"

    def __init__(self, url: str, algorithm: Algorithm, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.path = sqlite_path(url)
        self._busy_timeout_s = busy_timeout_s
        self._idle: list[_Link] = []
        self._guard = threading.Lock()
        self._memory_turn = threading.Lock()
        self._pid = os.getpid()
        link = self._take()
        try:
            self._open(link, algorithm)
        except BaseException as error:
            link.raw.close()
            if isinstance(error, sqlite3.Error):
                raise self.translate(error) from error
            raise
        self._put_back(link)

    def _open(self, link: _Link, algorithm: Algorithm) -> None:
        settings = _read_settings(link.raw)
        if settings.get("revision") != HEAD:
            judge_settings(settings, algorithm, str(self.path))
            self._migrate(link.raw, algorithm)
            settings = _read_settings(link.raw)
        judge_settings(settings, algorithm, str(self.path))

    def _migrate(self, raw: sqlite3.Connection, algorithm: Algorithm) -> None:
        """Bring the schema to our version. Alembic and SQLAlchemy are imported only here."""
        from incumbent.storage.migrate import migrate_sqlite  # noqa: PLC0415

        if self.path != _MEMORY:
            self._switch_to_wal(raw)
        migrate_sqlite(raw, algorithm)

    def _switch_to_wal(self, raw: sqlite3.Connection) -> None:
        """WAL is a property of the file. SQLite does not wait for another process that is switching too, so we do."""
        deadline = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                raw.execute("PRAGMA journal_mode=WAL").fetchall()
                return
            except sqlite3.OperationalError as error:
                if primary_code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    @contextmanager
    def begin(self, *, durable: bool, read_only: bool) -> Iterator[Session]:
        """Open a transaction; commit when the block ends well, roll back otherwise."""
        link = self._take()
        is_sound = False
        cursor = link.raw.cursor()
        try:
            session = Session(cursor, "sqlite", self.translate, is_read_only=read_only)
            try:
                self._set(link, is_full=durable, is_query_only=read_only)
                link.raw.execute("BEGIN" if read_only else "BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                raise self.translate(error) from error
            try:
                yield session
                session.must_be_sound()
                link.raw.execute("COMMIT")
                is_sound = True
            except sqlite3.Error as error:
                raise self.translate(error) from error
        finally:
            if not is_sound:
                with suppress(sqlite3.Error):  # a full disk has rolled back already; the first error is the one to tell
                    if link.raw.in_transaction:
                        link.raw.execute("ROLLBACK")
            cursor.close()  # a statement that it still held would keep the file open after the connection is closed
            self._put_back(link)

    def _set(self, link: _Link, *, is_full: bool, is_query_only: bool) -> None:
        if link.is_full is not is_full:
            link.raw.execute(f"PRAGMA synchronous={'FULL' if is_full else 'NORMAL'}")
            link.is_full = is_full
        if link.is_query_only is not is_query_only:
            link.raw.execute(f"PRAGMA query_only={'ON' if is_query_only else 'OFF'}")
            link.is_query_only = is_query_only

    def _take(self) -> _Link:
        if self.path == _MEMORY and not self._memory_turn.acquire(timeout=self._busy_timeout_s):
            raise Conflict("another transaction on this database in memory has not ended")
        with self._guard:
            if self._pid != os.getpid():  # forked: a connection carried over would break the parent's locks
                self._idle, self._pid = [], os.getpid()
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _connect(self) -> _Link:
        try:
            raw = sqlite3.connect(
                self.path, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            raw.execute("PRAGMA foreign_keys=ON")
            raw.create_function("lower_text", 1, _lower, deterministic=True)
        except sqlite3.Error as error:
            raise self.translate(error) from error
        return _Link(raw)

    def _put_back(self, link: _Link) -> None:
        with self._guard:
            self._idle.append(link)
        if self.path == _MEMORY:
            self._memory_turn.release()

    def check(self) -> Sequence[str]:
        """Return what SQLite finds wrong with the file, rows that point nowhere, and rules that are missing."""
        try:
            with self.begin(durable=False, read_only=True) as session:
                found = [str(row[0]) for row in session.all("PRAGMA integrity_check") if row[0] != "ok"]
                for table, row, parent, _ in session.all("PRAGMA foreign_key_check"):
                    found.append(f"row {row} of {table} points to a row of {parent} that is not there")
                present = {str(row[0]) for row in session.all("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
        except Corrupt as error:
            return [str(error)]
        return found + missing_triggers(present)

    def close(self) -> None:
        """Close idle connections. Closing the last one of a file folds its WAL in."""
        with self._guard:
            idle, self._idle = self._idle, []
        if self._pid == os.getpid():
            for link in idle:
                link.raw.close()

    def translate(self, error: Exception) -> IncumbentError:
        """Return our error for the driver's."""
        if isinstance(error, IncumbentError):
            return error
        if isinstance(error, (OverflowError, UnicodeError, sqlite3.ProgrammingError, sqlite3.DataError)):
            return InvalidInput(f"a value cannot be stored: {error}")
        code = primary_code(error)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return Conflict(f"{self.path}: another process held the database for {self._busy_timeout_s:g} s; try again")
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return Corrupt(f"{self.path} is damaged or no SQLite database ({error}); {_CORRUPT_ADVICE}")
        return _constraint(error) or Unavailable(f"{self.path}: {error}; {_ADVICE.get(code, 'mend that and run again; nothing was lost')}")


_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space and run again; the transaction was rolled back and nothing was lost",
    sqlite3.SQLITE_CANTOPEN: "check that the folder exists and that you may write in it",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only for you: check the permissions",
    sqlite3.SQLITE_IOERR: "the disk or the file system failed: check it and run again",
}


def primary_code(error: Exception) -> int:
    """Return SQLite's primary result code of an error, 0 when it is not SQLite's."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _constraint(error: Exception) -> IncumbentError | None:
    if primary_code(error) == sqlite3.SQLITE_TOOBIG:
        return InvalidInput(f"a value is too large for the database: {error}")
    if not isinstance(error, sqlite3.IntegrityError):
        return None
    code = getattr(error, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
        return Refused(str(error))
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return Refused(f"other records rest on this one: {error}")
    return Conflict(f"another writer was first: {error}")


def _lower(text: str) -> str:
    """SQLite's own lower() knows ASCII only."""
    return text.lower()


def sqlite_path(url: str) -> Path | str:
    """Return the file that an SQLite URL names.

    >>> str(sqlite_path("sqlite:////var/a%20b.db")), sqlite_path("sqlite://")
    ('/var/a b.db', ':memory:')
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("sqlite", "sqlite+pysqlite") or (rest and not rest.startswith("/")) or "?" in rest:
        raise InvalidInput(f"{url!r} is not an SQLite URL; write sqlite:///relative/path or sqlite:////absolute/path")
    name = unquote(rest[1:])
    if "\0" in name:
        raise InvalidInput(f"{url!r} names no file: it holds a NUL")
    return _MEMORY if name in ("", _MEMORY) else Path(name)


def _read_settings(raw: sqlite3.Connection) -> dict[str, str]:
    """Return the settings of a database, {} when it is new. Writes nothing: it may be newer than we, or not ours."""
    tables = {row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()}
    if not tables:
        return {}
    if not {"settings", "alembic_version"} <= tables:
        return {"foreign": ", ".join(sorted(tables)[:5])}
    settings = {str(name): str(value) for name, value in raw.execute("SELECT name, value FROM settings").fetchall()}
    revision = raw.execute("SELECT version_num FROM alembic_version").fetchone()
    return {**settings, "revision": str(revision[0]) if revision else ""}
