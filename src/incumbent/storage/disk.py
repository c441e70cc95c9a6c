"""The few things that a durable store needs from a file system, and what its errors mean to a user."""

import ctypes
import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_SH, flock, ioctl
from functools import cache
from pathlib import Path

from incumbent.base.errors import IncumbentError, InvalidInput, NotFound, Unavailable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EROFS)
ONE_BY_ONE_MAX = 16
"""So many files are synced each for itself (about 2 ms); for more, the whole file system is asked to sync, others' bytes included."""
_FICLONE = 0x40049409
"""ioctl that makes one file share another's blocks until either is written (Btrfs, XFS, bcachefs)."""


def store_error(error: OSError, what: str) -> Unavailable:
    """Return our error for one of the disk that the store is on."""
    if error.errno in _FULL:
        return Unavailable(f"{what}: the disk is full; free some space and run again. What was stored before is safe")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Unavailable(f"{what}: not allowed to write there ({error.strerror}); check the folder's permissions and whose it is")
    return Unavailable(f"{what}: {error.strerror or error}; check the disk and run again. What was stored before is safe")


def source_error(error: OSError, path: Path) -> IncumbentError:
    """Return our error for a file that the user named."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(f"{path} does not exist")
    return InvalidInput(f"{path} cannot be read: {error.strerror or error}")


def is_no_link(error: OSError) -> bool:
    """Return whether this says that the file system will not link here, so that a copy must do."""
    return error.errno in _NO_LINK


def sync_folder(folder: str) -> None:
    """Wait until the names in a folder are on the disk."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def sync_files(folder: str, paths: Sequence[str]) -> None:
    """Wait until files and folders, all on the file system of `folder`, are on the disk: many in one go where the system can."""
    syncfs = _syncfs() if len(paths) > ONE_BY_ONE_MAX else None
    if syncfs is None:
        for path in paths:
            number = os.open(path, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)
        return
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if syncfs(number) != 0:  # since Linux 5.8 this also reports what failed in writing back
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    finally:
        os.close(number)


@cache
def _syncfs():  # type: ignore[no-untyped-def]  # a foreign function has no type
    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None) if sys.platform == "linux" else None


def clone(source: int, target: int) -> bool:
    """Make `target` share the blocks of `source`; return False where the file system cannot."""
    if sys.platform != "linux":
        return False
    try:
        ioctl(target, _FICLONE, source)
        return True
    except OSError:
        return False


@contextmanager
def locked(path: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold a file's lock: shared by those who add names, exclusive for the one who takes some away."""
    number = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        flock(number, LOCK_EX if exclusive else LOCK_SH)
        yield
    finally:
        os.close(number)


def remove(path: str | Path) -> None:
    """Remove a file if it is there and can be."""
    with suppress(OSError):
        os.unlink(path)


def is_alive(pid: int) -> bool:
    """Return whether a process of this number runs on this host."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
