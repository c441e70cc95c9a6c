"""SQLite: opening a file safely, and transactions on it.

Writers begin with BEGIN IMMEDIATE: a transaction that read first and wrote later could find that it can do neither (its
snapshot is old, so no wait helps). WAL lets readers go on meanwhile. `synchronous` is FULL for governed records: the
commit is on disk when it returns; NORMAL otherwise: a power cut may take the newest commits, never a part of one.

A file that may not be written is opened for reading, as an auditor does. A database in WAL mode is not only its file: while the WAL holds
anything, what was committed last stands there alone, and is read through the writer's index beside it. Only where there is no WAL is the
file all there is (`immutable`: nothing is locked, so what is read is held to the file's time and size when the transaction ends).
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
from incumbent.storage.new_sqlite import create_sqlite
from incumbent.storage.rules import SQLITE_RULES, sqlite_rules, tell_differences
from incumbent.storage.session import Dialect, Session
from incumbent.storage.versions import HEAD, judge_settings

BUSY_TIMEOUT_S = 30.0
_MEMORY = ":memory:"
_CORRUPT_ADVICE = "it was not touched; restore it from a backup, or move it away and run again to begin a new workspace"


@dataclass(slots=True)
class _Link:
    """A connection and the settings it has now, so that they are sent only when they change."""

    raw: sqlite3.Connection
    is_full: bool | None = None
    is_query_only: bool = False
    unlocked_at: tuple[int, int] | None = None
    """Time and size of a file that is read without any lock."""
    turn: "threading.Lock | None" = None
    """Held while it writes."""


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
        self._write_turn = threading.Lock()
        self._pid = os.getpid()
        self._watcher: tuple[int, sqlite3.Connection] | None = None
        self._is_read_only = isinstance(self.path, Path) and _is_read_only(self.path)
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
            if self._is_read_only:
                raise Unavailable(
                    f"{self.path} is of an older release, and you may not write it, so it cannot be brought to this one: have its owner "
                    "run any command on it, or copy the folder to where you may write"
                )
            self._migrate(link.raw, algorithm)
            settings = _read_settings(link.raw)
        judge_settings(settings, algorithm, str(self.path))

    def _migrate(self, raw: sqlite3.Connection, algorithm: Algorithm) -> None:
        """Bring the schema to our version. Alembic and SQLAlchemy are imported only here, and only for an older database."""
        if self.path != _MEMORY:
            self._switch_to_wal(raw)
        if not create_sqlite(raw, algorithm):
            from incumbent.storage.migrate import migrate_sqlite  # noqa: PLC0415  (Alembic is slow to import)

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
        if self._is_read_only and not read_only:
            raise Unavailable(f"{self.path} or its folder is read-only for you, so nothing can be recorded: check the permissions")
        link = self._take(is_writer=not read_only)
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
                self._must_be_unchanged(link)
                is_sound = True
            except Corrupt:
                self._must_be_unchanged(link)
                raise
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

    def _take(self, *, is_writer: bool = False) -> _Link:
        with self._guard:
            if self._pid != os.getpid():  # forked: a connection carried over would break the parent's locks
                self._idle, self._write_turn, self._pid = [], threading.Lock(), os.getpid()
        turn = self._take_turn() if is_writer else None
        try:
            if self.path == _MEMORY and not self._memory_turn.acquire(timeout=self._busy_timeout_s):
                raise Conflict("another transaction on this database in memory has not ended")
            with self._guard:
                link = self._idle.pop() if self._idle else None
            link = link or self._connect()
        except BaseException:
            if turn is not None:
                turn.release()
            raise
        link.turn = turn
        return link

    def _take_turn(self) -> threading.Lock:
        """Wait for this process' other writers. Here the next one goes on at once; SQLite alone looks again after up to 100 ms."""
        turn = self._write_turn
        if not turn.acquire(timeout=self._busy_timeout_s):
            raise Conflict(f"{self.path}: this process held the database for {self._busy_timeout_s:g} s; try again")
        return turn

    def _must_be_unchanged(self, link: _Link) -> None:
        """Raise Conflict if a file that was read without a lock was written meanwhile."""
        if link.unlocked_at is not None and isinstance(self.path, Path) and _stamp(self.path) != link.unlocked_at:
            raise Conflict(f"{self.path} was written while it was read, without a lock since you may not write there; run it again")

    def _connect(self) -> _Link:
        address, unlocked_at = _read_only_address(self.path) if self._is_read_only and isinstance(self.path, Path) else (self.path, None)
        try:
            raw = sqlite3.connect(
                address, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False, cached_statements=256,
                uri=self._is_read_only,
            )  # fmt: skip
            raw.execute("PRAGMA foreign_keys=ON")
            raw.execute("PRAGMA secure_delete=ON")  # what is erased leaves the file; some builds of SQLite only mark its place as free
            raw.create_function("lower_text", 1, _lower, deterministic=True)
        except sqlite3.Error as error:
            raise self.translate(error) from error
        return _Link(raw, unlocked_at=unlocked_at)

    def _put_back(self, link: _Link) -> None:
        turn, link.turn = link.turn, None
        if turn is not None:
            turn.release()
        if self._is_read_only:  # the next transaction looks anew whether there is a WAL
            link.raw.close()
            return
        with self._guard:
            self._idle.append(link)
        if self.path == _MEMORY:
            self._memory_turn.release()

    def stamp(self) -> int | None:
        """Return a number that stays while nobody commits; None in memory, where the file may not be written, and in a forked process.

        It is the data version that a connection sees which never writes, so everybody's commits count. That connection waits for nothing,
        is opened once, and never again: another one would count anew, and could come to a number that was given before.
        """
        if self.path == _MEMORY or self._is_read_only:
            return None
        try:
            with self._guard:
                if self._watcher is None:
                    raw = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
                    self._watcher = os.getpid(), raw
                pid, raw = self._watcher
                return int(raw.execute("PRAGMA data_version").fetchall()[0][0]) if pid == os.getpid() else None
        except sqlite3.Error:  # whoever needs to read learns what is wrong
            return None

    def identity(self) -> str:
        """Return which file it is, whatever links lead to it."""
        if not isinstance(self.path, Path):
            return f"memory {id(self)}"
        found = self.path.stat()
        return f"sqlite {found.st_dev} {found.st_ino}"

    def check(self) -> Sequence[str]:
        """Return what SQLite finds wrong with the file, rows that point nowhere, and rules that are missing or changed."""
        try:
            with self.begin(durable=False, read_only=True) as session:
                found = [str(row[0]) for row in session.all("PRAGMA integrity_check") if row[0] != "ok"]
                for table, row, parent, _ in session.all("PRAGMA foreign_key_check"):
                    found.append(f"row {row} of {table} points to a row of {parent} that is not there")
                found += tell_differences(sqlite_rules(), session.all(SQLITE_RULES))
        except Corrupt as error:
            return [str(error)]
        return found

    def close(self) -> None:
        """Close idle connections. Closing the last one of a file folds its WAL in."""
        with self._guard:
            idle, self._idle = self._idle, []
        if self._pid == os.getpid():
            for link in idle:
                link.raw.close()
        if self._watcher is not None and self._watcher[0] == os.getpid():
            self._watcher[1].close()

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


def _is_read_only(path: Path) -> bool:
    """Say whether a file is there that may not be written, or whose folder may not: SQLite has to put its WAL beside it."""
    return path.is_file() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def _read_only_address(path: Path) -> tuple[str, tuple[int, int] | None]:
    """Return the URI that a file is read at without writing beside it; with its time and size, if it is read without a lock.

    Raises:
        Unavailable: What was committed last stands in the WAL, and the index that leads through it is not there or cannot be read.
    """
    wal, index = (path.with_name(path.name + ending) for ending in ("-wal", "-shm"))
    address = f"{path.absolute().as_uri()}?mode=ro"
    if not wal.exists() or not wal.stat().st_size:
        return f"{address}&immutable=1", _stamp(path)
    if not (os.access(wal, os.R_OK) and os.access(index, os.R_OK)):
        raise Unavailable(
            f"{wal} holds what was committed last, and cannot be read by somebody who may not write there ({index.name} is missing or "
            f"unreadable); reading {path.name} alone would miss it. Have its owner run any command on it, which folds it in, or copy the "
            "folder to where you may write"
        )
    return address, None


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
