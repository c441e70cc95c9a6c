"""What every kind of source is captured with, and the two errors that the operating system gives for data on disk."""

import errno
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from incumbent.base.errors import Conflict, IncumbentError, InvalidInput, NotFound, Unavailable
from incumbent.execution.stat_cache import StatCache
from incumbent.usecases.ports import Blobs, Codecs, Progress

_SPECIAL = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}  # fmt: skip
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def ignore_progress(_done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Intake:
    """The surroundings of one capture.

    Attributes:
        root: The project's root, resolved: no symbolic link in it.
        environ: Where `$NAME` in a database URL is looked up.
        is_anew: Believe no cache.
    """

    root: Path
    blobs: Blobs
    codecs: Codecs
    cache: StatCache
    environ: Mapping[str, str] = field(repr=False)
    is_anew: bool = False
    progress: Progress = ignore_progress


def need_regular(path: str, mode: int) -> None:
    """Raise InvalidInput unless `mode` is a regular file's: opening a pipe or a device can hang, and has no bytes to version."""
    if not stat.S_ISREG(mode):
        what = _SPECIAL.get(stat.S_IFMT(mode), "neither a file nor a folder")
        hint = ' (declare it with folder("…"))' if stat.S_ISDIR(mode) else ""
        raise InvalidInput(f"{show(path)} is {what}, not a regular file{hint}")


def need_text_name(path: str) -> None:
    """Raise InvalidInput if a name is not UTF-8: it could not be written down in a recipe."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput(f"the file name {os.fsencode(path)!r} is not UTF-8; rename it") from None


def show(path: str) -> str:
    """Return a path as it may stand in a message: names may hold line ends and broken bytes."""
    return path if path.isprintable() else repr(os.fsencode(path))[1:]


def one_line(error: Exception, characters_max: int = 300) -> str:
    """Return what a library says of an error, without its line ends, colours and dumps of its own structures, and cut."""
    text = _COLOUR.sub("", str(error)).partition("Debug source:")[0]
    return " ".join(text.split())[:characters_max]


def refuse(path: str, error: OSError) -> NoReturn:
    """Raise the error of ours that says what `error` means for whoever declared `path`."""
    raise _translate(path, error) from error


def _translate(path: str, error: OSError) -> IncumbentError:
    name = show(path)
    match error:
        case FileNotFoundError() if os.path.islink(path):
            return NotFound(f"{name} is a symbolic link to {show(os.readlink(path))}, which does not exist")
        case FileNotFoundError():
            return NotFound(f"{name} does not exist; check the path, which is relative to the project's root")
        case NotADirectoryError():
            return InvalidInput(f"{name} leads through a file as if it were a folder")
        case PermissionError():
            return InvalidInput(f"{name} cannot be read: permission denied; give the user who runs this the right to read it")
        case OSError(errno=code) if code in _BAD_PATHS:
            return InvalidInput(f"{name[:200]} cannot be used: {_BAD_PATHS[code]}")
    return Unavailable(f"{name} cannot be read: {error.strerror or error}; nothing was taken in")


def changed(path: str) -> Conflict:
    """Return the error for data that moved while it was read."""
    return Conflict(f"{show(path)} changed while it was being read, so nothing was taken in; run again when its writer has finished")


_BAD_PATHS = {
    errno.ELOOP: "it is a loop of symbolic links",
    errno.ENAMETOOLONG: "its name is too long",
    errno.EINVAL: "its name is not legal here",
}
