"""The short way of `incumbent run`: when nothing at all has changed since a run, say so without planning.

A finished run leaves a *standing*: the signature (size, mtime, ctime, inode, all in nanoseconds) of every file that its
plan depends on, the environment values, and its outputs. While all of these still hold, a run would be all hits, and the
earlier run is its answer. Every file is looked at again, every time; only the planning is spared. Imported before anything
else, so this file imports next to nothing (held by tests/test_house.py).
"""

import hashlib
import json
import os
import sys
import zlib

FORMAT = 1
RACY_NS = 50_000_000
"""A file changed this close before the run began may change again within one tick of the file system's clock."""


def find(arguments: list[str]) -> dict[str, object] | None:
    """Return what an earlier identical `incumbent run` left ("text", "json"), or None if a real run is needed."""
    root = _find_folder(os.getcwd())
    return None if root is None else load(root, arguments)


def load(root: str, arguments: list[str]) -> dict[str, object] | None:
    """Return what an earlier identical run left, if all that it depends on is as it was; else None."""
    try:
        with open(_path(root, arguments), encoding="utf-8") as file:
            record = json.load(file)
        if record["identity"] != _identity(arguments) or record["values"] != _values(record["values"]):
            return None
        stat = os.stat
        for path, size, mtime, ctime, inode in record["files"]:
            now = stat(path)
            if now.st_size != size or now.st_mtime_ns != mtime or now.st_ctime_ns != ctime or now.st_ino != inode:
                return None
        for path in record["there"]:
            stat(path)
        for path, size in record["blobs"]:
            if stat(path).st_size != size:
                return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # gone, half written or of another format: a real run answers, and leaves a good one
    return record if isinstance(record.get("text"), str) else None


def leave(
    root: str,
    arguments: list[str],
    *,
    began_ns: int,
    files: list[str],
    there: list[str],
    variables: list[str],
    blobs: list[tuple[str, int]],
    text: str,
    document: object,
) -> bool:
    """Leave a standing for `arguments`; False if a file changed since the run began, so that it may not be trusted.

    Args:
        root: The project's root.
        arguments: The command line behind `incumbent run`.
        began_ns: Wall clock when the run began to read, in nanoseconds.
        files: Every file and folder that the plan depends on.
        there: Files that need only exist (the database changes with every run).
        variables: Environment variables that it depends on.
        blobs: (path, size) of every output.
        text: What to print.
        document: What to print under --json.
    """
    signatures = []
    for path in sorted(set(files)):
        try:
            found = os.stat(path)
        except OSError:
            return False
        if max(found.st_mtime_ns, found.st_ctime_ns) > began_ns - RACY_NS:
            return False
        signatures.append([path, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino])
    record = {
        "identity": _identity(arguments),
        "values": _values(dict.fromkeys(variables)),
        "files": signatures,
        "there": there,
        "blobs": blobs,
        "text": text,
        "json": document,
    }
    path = _path(root, arguments)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    draft = f"{path}.{os.getpid()}"
    with open(draft, "w", encoding="utf-8") as file:
        json.dump(record, file, separators=(",", ":"))
    os.replace(draft, path)
    return True


def _identity(arguments: list[str]) -> list[object]:
    """What must be equal besides the files: command line, folder, interpreter, machine, our own settings."""
    python = [_hide(os.environ.get(name, "")) for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")]
    ours = sorted([name, _hide(value)] for name, value in os.environ.items() if name.startswith("INCUMBENT_"))
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [FORMAT, arguments, os.getcwd(), sys.executable, sys.version, _boot_id(), cores, ours, python]


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


def _values(names: dict[str, object]) -> dict[str, str | None]:
    return {name: None if name not in os.environ else _hide(os.environ[name]) for name in names}


def _hide(value: str) -> str:
    """Return a digest: a variable may hold a secret, and this file is nobody's vault."""
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()


def _path(root: str, arguments: list[str]) -> str:
    name = f"{zlib.crc32(repr(arguments).encode('utf-8', 'surrogateescape')):08x}.json"
    return os.path.join(root, ".incumbent", "standing", name)


def _find_folder(start: str) -> str | None:
    """Return the project's root, by the rule of `config.find_root`, if it has a workspace."""
    while True:
        if os.path.isdir(os.path.join(start, ".incumbent")):
            return start
        if any(os.path.exists(os.path.join(start, mark)) for mark in ("pyproject.toml", ".git")):
            return None
        above = os.path.dirname(start)
        if above == start:
            return None
        start = above
