"""Which files a source stands on: the rules for paths, for patterns and for symbolic links.

1. A relative path is under the project's root, written without a `..` that leaves it, and still inside after every symbolic link
   is followed. Data that lives elsewhere is declared by an absolute path, so that the pipeline's text says so.
2. `*` and `?` match within one name; `**` matches any number of folders; `[abc]` one character. A name that begins with a dot is
   matched only by a pattern part that begins with one too, and `.incumbent` only by its full name.
3. Symbolic links are followed while they stay in bounds (the project's root; for an absolute path, its own folder). A link that
   leads back to a folder it is in, or out of bounds, is refused rather than left out: a missing file would be silent.
4. Names are UTF-8 without a backslash, entries are regular files, and a pattern that matches nothing is an error: no data is
   never what was meant.
"""

import fnmatch
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from incumbent.base.errors import Conflict, InvalidInput
from incumbent.execution.codecs.files import check_name
from incumbent.execution.sources.intake import need_regular, need_text_name, refuse, show
from incumbent.execution.stat_cache import FileStat, file_stat

_OWN_FOLDER = ".incumbent"


@dataclass(frozen=True, slots=True)
class Place:
    """A located source.

    Attributes:
        path: Absolute, with its symbolic links unresolved: a later look at it sees where they lead by then.
        bound: The folder that symbolic links below it may not leave.
        name: The last part of the path as it was declared, which a stage can see; "" for the project's root itself.
    """

    path: str
    bound: str
    name: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder that match, sorted by name, and every folder that was looked into."""

    files: tuple[tuple[str, FileStat], ...]
    folders: tuple[FileStat, ...]


def locate(root: Path, location: str) -> Place:
    """Return where `location` is, by rule 1.

    Raises:
        InvalidInput: It leaves the project, is a loop, or its name is not legal.
        NotFound: There is nothing there.
    """
    need_text_name(location)
    plain = os.path.normpath(location)
    name = "" if plain == os.curdir else os.path.basename(plain)
    if plain == os.pardir or plain.startswith(os.pardir + os.sep):
        raise InvalidInput(f"{show(location)} leaves the project ({root}); declare data that lives elsewhere by its absolute path")
    if name:
        check_name(name)
    path = os.path.normpath(os.path.join(root, plain))  # an absolute path stays as it is
    try:
        target = os.path.realpath(path, strict=True)
        is_folder = os.path.isdir(target)
    except OSError as error:
        refuse(location, error)
    if os.path.isabs(location):
        return Place(path, target if is_folder else os.path.dirname(target), name)
    if not is_inside(target, str(root)):
        raise InvalidInput(
            f"{show(location)} leaves the project ({root}): a symbolic link leads to {show(target)}; "
            "declare data that lives elsewhere by its absolute path"
        )
    return Place(path, str(root), name)


def is_inside(path: str, folder: str) -> bool:
    """Return whether a resolved path is `folder` or below it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def stat_file(path: str) -> FileStat:
    """Return the stamp of a regular file; errors of the system become ours."""
    try:
        found = os.stat(path)
    except OSError as error:
        refuse(path, error)
    need_regular(path, found.st_mode)
    return file_stat(path, found)


def list_files(place: Place, pattern: str) -> Listing:
    """Return the files under `place` that match `pattern`, by rules 2 to 4.

    Raises:
        InvalidInput: A rule above is broken; the message names the file.
        Conflict: A file vanished while the folder was listed.
    """
    glob = _Pattern(pattern)
    files: list[tuple[str, FileStat]] = []
    folders: list[FileStat] = []
    waiting = [_Folder(place.path, "", glob.start, ())]
    while waiting:
        folder = waiting.pop()
        stamp = _stat_folder(folder.path)
        trail = (*folder.trail, (stamp.device, stamp.inode))
        if trail[-1] in folder.trail:
            raise InvalidInput(f"{show(folder.path)} is a symbolic link to a folder that it is in; remove it, or name a pattern without it")
        folders.append(stamp)
        for name, states, entry in _matching(folder, glob):
            try:
                if entry.is_symlink():
                    _check_link(entry.path, place.bound)
                if entry.is_dir():
                    if min(states) < glob.length:
                        waiting.append(_Folder(entry.path, name + "/", states, trail))
                elif glob.length in states:
                    files.append((name, _stamp(entry)))
            except OSError as error:
                refuse(entry.path, error)
    if not files:
        raise InvalidInput(f"no file in {show(place.path)} matches {pattern!r}; an empty source is never taken in")
    files.sort()
    folders.sort()
    return Listing(tuple(files), tuple(folders))


@dataclass(frozen=True, slots=True)
class _Folder:
    path: str
    prefix: str
    states: frozenset[int]
    trail: tuple[tuple[int, int], ...]


def _stat_folder(path: str) -> FileStat:
    try:
        found = os.stat(path)
    except OSError as error:
        refuse(path, error)
    if not stat.S_ISDIR(found.st_mode):
        raise InvalidInput(f'{show(path)} is not a folder; declare one file with file("…")')
    return file_stat(path, found)


def _matching(folder: _Folder, glob: "_Pattern") -> Iterator[tuple[str, frozenset[int], os.DirEntry[str]]]:
    """Yield (name below the source, states after it, entry) of each entry that the pattern has not ruled out."""
    try:
        with os.scandir(folder.path) as entries:
            for entry in entries:
                states = glob.step(entry.name, folder.states)
                if states:
                    yield folder.prefix + entry.name, states, entry
    except OSError as error:
        refuse(folder.path, error)


def _stamp(entry: os.DirEntry[str]) -> FileStat:
    try:
        found = entry.stat()
    except FileNotFoundError:
        raise Conflict(f"{show(entry.path)} vanished while its folder was listed; run again when its writer has finished") from None
    need_regular(entry.path, found.st_mode)
    if not entry.name.isascii() or "\\" in entry.name:  # the plain case is ten thousand times as common
        need_text_name(entry.name)
        check_name(entry.name)
    return file_stat(entry.path, found)


def _check_link(path: str, bound: str) -> None:
    target = os.path.realpath(path, strict=True)
    if not is_inside(target, bound):
        raise InvalidInput(
            f"{show(path)} is a symbolic link that leads out of {show(bound)}, to {show(target)}; "
            "declare that data by its own absolute path, or put it here"
        )


class _Pattern:
    """A glob pattern as a small automaton: a state is the number of parts that are done, `length` of them is a match."""

    def __init__(self, pattern: str) -> None:
        parts = pattern.split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise InvalidInput(
                f"{pattern!r} is not a pattern inside a folder: it may not begin or end with '/', nor hold '.', '..' or '//'"
            )
        if parts[-1] == "**":
            parts.append("*")
        self._parts = tuple(None if part == "**" else _compile_part(part) for part in parts)
        self._closures: dict[frozenset[int], frozenset[int]] = {}
        self.length = len(parts)
        self.start = self._close(frozenset({0}))

    def step(self, name: str, states: frozenset[int]) -> frozenset[int]:
        """Return where the pattern may stand after one more name."""
        after = []
        for state in states:
            if state < self.length:
                part = self._parts[state]
                if part is None:
                    if not name.startswith("."):
                        after.append(state)
                elif part(name):
                    after.append(state + 1)
        found = frozenset(after)
        return self._closures.get(found) or self._close(found)

    def _close(self, states: frozenset[int]) -> frozenset[int]:
        """Add the states that a `**` may be left for without eating a name."""
        closed = set(states)
        for state in states:
            at = state
            while at < self.length and self._parts[at] is None:
                at += 1
                closed.add(at)
        self._closures[states] = frozenset(closed)
        return self._closures[states]


def _compile_part(part: str) -> Callable[[str], object]:
    hidden = "" if part.startswith(".") else r"(?!\.)"
    own = "" if part == _OWN_FOLDER else rf"(?!{re.escape(_OWN_FOLDER)}\Z)"
    return re.compile(hidden + own + fnmatch.translate(part)).match
