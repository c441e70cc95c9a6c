"""A bundle's files, read so that no path leaves the folder, and looked at before anything opens them."""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from incumbent.base.errors import InvalidInput, Refused
from incumbent.registry.pickle_scan import PickleScan, scan_pickle

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SCANS_SHOWN = 3


def find_inside(folder: Path, settings: Mapping[str, Any], key: str) -> Path:
    """Return the path that a setting names, which must lie in the folder, with no symbolic link on the way.

    Raises:
        InvalidInput: It names no path, one that leaves the folder, a link, or nothing that is there.
    """
    name = settings.get(key)
    parts = name.split("/") if isinstance(name, str) else []
    if not parts or not all(_PART.fullmatch(part) for part in parts):
        raise InvalidInput(f"the bundle's {key} is {str(name)[:80]!r}; expected a path inside of the bundle, such as model.txt")
    path = folder
    for part in parts:
        path = path / part
        if not os.path.lexists(path):
            raise InvalidInput(f"the bundle says that {key} is {name}, which is not in it")
        if path.is_symlink():
            raise InvalidInput(f"the bundle's {key} {name} leads through a symbolic link, which is not followed")
    return path


def read_inside(folder: Path, settings: Mapping[str, Any], *, key: str = "file") -> bytes:
    """Return the bytes of the file that a setting names.

    Raises:
        InvalidInput: As `find_inside`, or it is no regular file.
    """
    path = find_inside(folder, settings, key)
    if not stat.S_ISREG(path.lstat().st_mode):
        raise InvalidInput(f"the bundle's {key} {settings[key]} is no regular file")
    return path.read_bytes()


def walk_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of each file under a folder, in the order of their paths.

    Raises:
        InvalidInput: There is a symbolic link, or something that is neither file nor folder.
    """
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise InvalidInput(f"{name} is neither file nor folder; links are not followed")
        if stat.S_ISREG(mode):
            yield name, path.read_bytes()


def refuse_pickles(scans: list[PickleScan], what: str) -> None:
    """Hold that there is no pickle where a safe format is claimed.

    Raises:
        Refused: There is one.
    """
    found = [scan for scan in scans if scan.verdict != "none"]
    if found:
        shown = "; ".join(scan.describe() for scan in found[:_SCANS_SHOWN])
        raise Refused(f"{what} says that it needs no pickle and holds one: {shown}")


def refuse_dangerous(scans: list[PickleScan], what: str) -> None:
    """Hold that no pickle does what runs code of its own, whoever allowed pickles.

    Raises:
        Refused: One does, or cannot be read to its end.
    """
    found = [scan for scan in scans if scan.verdict == "dangerous"]
    if found:
        shown = "; ".join(scan.describe() for scan in found[:_SCANS_SHOWN])
        raise Refused(f"{what} holds a pickle that is not opened, whoever allows pickles: {shown}")


def scan_bytes(path: str, data: bytes) -> PickleScan:
    """Return the scan of one file."""
    return scan_pickle(data, path)
