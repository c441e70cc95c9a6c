"""Files on their way into the local blob store and out of it: opened safely, watched for changes, cleared up after a crash."""

import os
import re
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import BinaryIO

from incumbent.base.digest import Algorithm, Digest
from incumbent.base.errors import Conflict, InvalidInput
from incumbent.storage.disk import clone, is_alive, remove, source_error, store_error
from incumbent.storage.hashing import CHUNK_BYTES, SinkError, hash_file

SMALL_BYTES_MAX = CHUNK_BYTES
"""Up to this size bytes are hashed in memory first, so that a blob which is there already is not written at all."""

MODE = 0o444
"""Permissions of a blob."""

Signature = tuple[int, int, int, int]
"""(size, mtime_ns, ctime_ns, inode): while all four stay, the bytes do (a same-size edit with a restored mtime moves the ctime)."""

_LEFTOVER_AGE_S = 60.0
_FOREIGN_AGE_S = 7 * 86_400.0
_FAN_OUT = re.compile(r"[0-9a-f]{2}", re.ASCII)
_REST = re.compile(r"[0-9a-f]{62}", re.ASCII)


def is_fan_out(name: str) -> bool:
    """Return whether a folder's name is the first two hex characters of digests."""
    return _FAN_OUT.fullmatch(name) is not None


def is_rest(name: str) -> bool:
    """Return whether a file's name is the other 62."""
    return _REST.fullmatch(name) is not None


def signature(seen: os.stat_result) -> Signature:
    """Return what tells that a file is still the one that was looked at."""
    return seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino


@dataclass(slots=True)
class Group:
    """Files that are not durable yet.

    Attributes:
        waiting: Digest -> (temporary file, size), written and not yet synced or named.
        renewed: Blobs that were there; the process that named them may not have synced the name yet.
        size: Bytes in all.
    """

    waiting: dict[Digest, tuple[str, int]] = field(default_factory=dict)
    renewed: set[Digest] = field(default_factory=set)
    size: int = 0

    def add(self, path: str, digest: Digest, size: int) -> None:
        """Take in one more."""
        self.waiting[digest] = path, size
        self.size += size

    def clear(self) -> None:
        """Begin anew."""
        self.waiting.clear()
        self.renewed.clear()
        self.size = 0


@contextmanager
def open_source(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """Open a user's file: (descriptor, stat).

    Raises:
        NotFound: It is not there.
        InvalidInput: It cannot be read, or is no regular file (reading a pipe or a device may never end).
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise source_error(error if isinstance(error, OSError) else OSError(0, str(error)), path) from error
    try:
        before = os.fstat(number)
        if not stat.S_ISREG(before.st_mode):
            kind = "a folder" if stat.S_ISDIR(before.st_mode) else "no regular file"
            raise InvalidInput(f"{path} is {kind}, so it cannot be stored as a file")
        yield number, before
    finally:
        os.close(number)


def read_source(path: Path, number: int, before: os.stat_result) -> bytes:
    """Return all bytes of a small open file. Raises Conflict if it changed meanwhile."""
    parts, total = [], 0
    try:
        while total <= before.st_size and (part := os.read(number, CHUNK_BYTES)):
            parts.append(part)
            total += len(part)
    except OSError as error:
        raise source_error(error, path) from error
    data = b"".join(parts)
    must_be_unchanged(path, number, before, len(data))
    return data


def hash_source(path: Path, number: int, algorithm: Algorithm, before: os.stat_result, sink: int | None = None) -> tuple[Digest, int]:
    """Return (digest, size) of an open file, copying it to `sink` on the way.

    Raises:
        Conflict: It changed meanwhile.
        InvalidInput: It cannot be read.
        OSError: Writing the copy failed.
    """
    try:
        digest, size = hash_file(number, algorithm, before.st_size, sink)
    except SinkError as error:
        raise error.error from error
    except OSError as error:
        raise source_error(error, path) from error
    must_be_unchanged(path, number, before, size)
    return digest, size


def must_be_unchanged(path: Path, number: int, before: os.stat_result, size: int) -> None:
    """Raise Conflict unless an open file is as it was before it was read, and gave as many bytes as it had."""
    if signature(os.fstat(number)) != signature(before) or size != before.st_size:
        raise changed(path)


def changed(path: Path) -> Conflict:
    """Return the error for a file that changed under our eyes."""
    return Conflict(f"{path} changed while it was read; wait until whoever writes it is done, and run again. Nothing of it was kept")


@cache
def _host() -> str:
    """Return this host's name, fit for a file name."""
    return re.sub(r"[^\w.]", "_", socket.gethostname())


def temporary_name() -> str:
    """Return a fresh name that says who writes: HOST-PID-RANDOM."""
    return f"{_host()}-{os.getpid()}-{secrets.token_hex(8)}"


def clear_leftovers(folder: str) -> None:
    """Remove temporary files whose writers are gone: killed here, or on another host and not heard of for days."""
    now = time.time()
    for entry in os.scandir(folder):
        host, _, pid = entry.name.rpartition("-")[0].rpartition("-")
        with suppress(FileNotFoundError):
            age_s = now - entry.stat(follow_symlinks=False).st_mtime
            is_dead = host == _host() and pid.isdecimal() and not is_alive(int(pid)) and age_s > _LEFTOVER_AGE_S
            if is_dead or age_s > _FOREIGN_AGE_S:
                remove(entry.path)


def copy_out(file: BinaryIO, target: Path) -> None:
    """Copy an open blob to `target`, which appears whole or not at all. Raises Unavailable."""
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as copy:
            if not clone(file.fileno(), copy.fileno()):
                shutil.copyfileobj(file, copy, CHUNK_BYTES)
            os.fchmod(copy.fileno(), MODE)
        temporary.rename(target)
    except OSError as error:
        remove(temporary)
        raise store_error(error, f"writing {target}") from error
