"""The stat cache: which digest a file had when its size, times and inode were these, so that unchanged bytes are not read again.

A row is believed only if all of size, mtime, ctime, inode and device agree, in nanoseconds. A same-size edit whose mtime was put
back still moves the ctime, which no call can set. Two traps remain, and the rules for them are:

1. *Racy stamps.* Kernels stamp files with a clock that ticks every 1 to 10 ms, so a second write within one tick leaves the ctime as
   it was. A file whose ctime lies within `RACY_NS` of the moment its reading began is therefore not remembered (`is_racy`); the
   next look reads it again. A file server whose clock is behind ours by more than that is outside of this rule.
2. *The cache is only a cache.* It lives in a local SQLite file, is never backed up, and may be deleted at any time. If the file is
   corrupt it is thrown away and begun anew; if it cannot be written, nothing is remembered. Neither is an error. A flipped bit in
   a digest names bytes that the blob store does not have, and the caller then reads the file again.
"""

import contextlib
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from incumbent.base.digest import Digest, parse_digest
from incumbent.base.errors import InvalidInput

RACY_NS = 50_000_000
_BATCH = 30_000  # SQLite takes 32,766 parameters in one statement
_SIGNED_MAX = (1 << 63) - 1
_WAIT_S = 5.0
_SCHEMA_VERSION = 1
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS files(
    path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL, device INTEGER NOT NULL, digest TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes(key BLOB PRIMARY KEY, stamp TEXT NOT NULL, text TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {_SCHEMA_VERSION};
"""
_OUT_OF_REACH = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT,
}  # fmt: skip
_T = TypeVar("_T")


class FileStat(NamedTuple):
    """What `stat` says of a file and a change of its bytes moves; `mode` rides along and is not compared."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int
    mode: int


def file_stat(path: str, found: os.stat_result) -> FileStat:
    """Return the stamp of `path` from what `os.stat` returned for it."""
    inode, device = found.st_ino, found.st_dev
    if inode > _SIGNED_MAX or device > _SIGNED_MAX:  # unsigned on some file systems; SQLite's integers are signed
        inode, device = _signed(inode), _signed(device)
    return FileStat(path, found.st_size, found.st_mtime_ns, found.st_ctime_ns, inode, device, found.st_mode)


def is_racy(stamp: FileStat, read_from_ns: int) -> bool:
    """Return whether a write after `read_from_ns` (when the reading began) could leave this stamp as it is."""
    return stamp.ctime_ns + RACY_NS > read_from_ns


def is_same_file_state(one: FileStat, other: FileStat) -> bool:
    """Return whether two stamps of one path say that its bytes did not change in between."""
    return one[1:6] == other[1:6]


class StatCache:
    """Digests by file stamp, and notes by key; both may be lost at any time without harm."""

    def __init__(self, path: Path, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        """Open or begin the cache at `path`; nothing is opened before it is needed."""
        self._path = path
        self.now_ns = now_ns
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def find(self, stamps: Sequence[FileStat]) -> dict[str, Digest]:
        """Return path -> digest for those of `stamps` that agree with their row."""
        asked = {os.fsencode(stamp.path): stamp for stamp in stamps}

        def look(connection: sqlite3.Connection) -> dict[str, Digest]:
            found = {}
            query = "SELECT path, size, mtime_ns, ctime_ns, inode, device, digest FROM files WHERE path"
            for row in _select(connection, query, list(asked)):
                stamp = asked[row[0]]
                if row[1:6] == stamp[1:6]:
                    parse_digest(row[6])
                    found[stamp.path] = Digest(row[6])
            return found

        return self._attempt(look, {})

    def record(self, rows: Iterable[tuple[FileStat, Digest]]) -> None:
        """Remember digests. Leave out what `is_racy`: the cache cannot know when the reading began."""
        values = [(os.fsencode(stamp.path), *stamp[1:6], str(digest)) for stamp, digest in rows]

        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", values)

        if values:
            self._attempt(write, None)

    def find_notes(self, stamps: Mapping[str, str]) -> dict[str, str]:
        """Return key -> text for those keys whose note was made under the same stamp (an etag, a table version, a digest)."""
        asked = {key.encode("utf-8", "surrogateescape"): key for key in stamps}

        def look(connection: sqlite3.Connection) -> dict[str, str]:
            rows = _select(connection, "SELECT key, stamp, text FROM notes WHERE key", list(asked))
            return {asked[key]: text for key, stamp, text in rows if stamp == stamps[asked[key]]}

        return self._attempt(look, {})

    def record_notes(self, notes: Iterable[tuple[str, str, str]]) -> None:
        """Remember (key, stamp, text); a later note on a key replaces the earlier one."""
        values = [(key.encode("utf-8", "surrogateescape"), stamp, text) for key, stamp, text in notes]

        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", values)

        if values:
            self._attempt(write, None)

    def close(self) -> None:
        """Give up the connection; the next use opens it again."""
        with self._lock:
            self._drop_connection()

    def _attempt(self, act: Callable[[sqlite3.Connection], _T], otherwise: _T) -> _T:
        """Do `act`, once more over an empty file if the present one is corrupt, else go without a cache."""
        with self._lock:
            for is_last in (False, True):
                try:
                    return act(self._open())
                except (sqlite3.Error, InvalidInput, OSError, ValueError, TypeError) as error:
                    self._drop_connection()
                    if is_last or _is_out_of_reach(error):
                        return otherwise
                    self._throw_away()  # not a database, a torn page, a missing table, a row that is no digest
        return otherwise

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            if self._path.exists() and not stat.S_ISREG(self._path.stat().st_mode):
                raise IsADirectoryError(f"{self._path} is not a regular file")
            connection = sqlite3.connect(self._path, timeout=_WAIT_S, check_same_thread=False)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    @staticmethod
    def _prepare(connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, _SCHEMA_VERSION):
            raise sqlite3.DatabaseError(f"the cache has layout {version}, not {_SCHEMA_VERSION}")
        if version == 0:
            _lay_out(connection)
        # With a write-ahead log this cannot corrupt the file, and losing the newest rows to a power cut costs one more read.
        connection.execute("PRAGMA synchronous = NORMAL")

    def _drop_connection(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _throw_away(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                os.unlink(f"{self._path}{suffix}")


def _lay_out(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file. Turning to the write-ahead log does not wait for another process that is about it: ask again."""
    until = time.monotonic() + _WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or time.monotonic() > until:
                raise
            time.sleep(0.002)
        else:
            return


def _select(connection: sqlite3.Connection, query: str, keys: list[bytes]) -> Iterator[tuple[Any, ...]]:
    for first in range(0, len(keys), _BATCH):
        batch = keys[first : first + _BATCH]
        yield from connection.execute(f"{query} IN ({','.join('?' * len(batch))})", batch)


def _is_out_of_reach(error: Exception) -> bool:
    """Return whether the file itself may be sound: locked for long, a folder that cannot be written, a full disk."""
    if isinstance(error, sqlite3.Error):  # one that the sqlite3 module itself raises carries no code of the library
        return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in _OUT_OF_REACH
    return isinstance(error, OSError)


def _signed(number: int) -> int:
    return number - (1 << 64) if number > _SIGNED_MAX else number
