"""Files and folders. A file's blob is the file, so its digest is the file's own; a folder's blob is a document that names its parts.

The document: {"entries": [{"path", "digest", "size", "executable"} for a file, {"path"} for an empty folder]}, by path, with
forward slashes. Times, owners and other permissions are no part of the value. Names are judged when they are written and again
when they are read: no absolute path, no `..`, no backslash, nothing that would leave the folder.
"""

import os
import shutil
import stat
from pathlib import Path

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest, parse_digest
from incumbent.base.documents import Json, document_bytes, parse_document
from incumbent.base.errors import Corrupt, InvalidInput, NotFound
from incumbent.usecases.ports import Blobs

_FORBIDDEN = frozenset("\\\0")
_DEPTH_MAX = 100


def write_path(value: Path, blobs: Blobs) -> Artifact:
    """Store the file or the folder at `value`.

    Raises:
        NotFound: There is nothing there.
        InvalidInput: It holds something that is neither file nor folder, a link that leaves it, or a name that cannot be kept.
    """
    if value.is_file():
        stored = blobs.put_file(value)
        return Artifact("file", stored.digest, stored.size, check_name(value.name))
    if value.is_dir():
        return _write_tree(value, blobs)
    if not os.path.lexists(value):
        raise NotFound(f"the path {value} was returned, but nothing is there; write the file before returning its path")
    raise InvalidInput(f"{value} is neither a file nor a folder (a socket, a pipe, or a link to nothing)")


def check_name(name: str) -> str:
    """Return `name` if it is one plain part of a path.

    Raises:
        InvalidInput: It is empty, `.` or `..`, or holds a slash, a backslash, a NUL, or bytes that are not UTF-8.
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput(f"the file name {name!r} is not UTF-8; rename it") from error
    if name in ("", ".", "..") or "/" in name or _FORBIDDEN & set(name):
        raise InvalidInput(f"the file name {name!r} cannot be kept: it is empty, `.`, `..`, or holds a slash, a backslash or a NUL")
    return name


def _write_tree(root: Path, blobs: Blobs) -> Artifact:
    entries: list[Json] = []
    size = 0
    files, empty = _walk(root)
    for relative, path in sorted([*files.items(), *empty.items()]):
        if relative in empty:
            entries.append({"path": relative})
            continue
        stored = blobs.put_file(path)
        size += stored.size
        is_executable = bool(path.stat().st_mode & stat.S_IXUSR)
        entries.append({"path": relative, "digest": str(stored.digest), "size": stored.size, "executable": is_executable})
    document = blobs.put([document_bytes({"entries": entries})])
    return Artifact("tree", document.digest, size, check_name(root.resolve().name))


def _walk(root: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the files, and the folders that hold nothing, by their path below `root`."""
    inside = root.resolve()
    files: dict[str, Path] = {}
    empty: dict[str, Path] = {}
    todo: list[tuple[str, Path]] = [("", root)]
    while todo:
        prefix, folder = todo.pop()
        names = sorted(os.listdir(folder))
        if not names and prefix:
            empty[prefix.removesuffix("/")] = folder
        for name in names:
            path, relative = folder / name, prefix + check_name(name)
            if path.is_symlink() and not (path.is_file() and path.resolve().is_relative_to(inside)):
                raise InvalidInput(f"{path} is a link to a folder, to nothing, or out of {root}; copy what it points to")
            if path.is_dir():
                todo.append((relative + "/", path))
            elif path.is_file():
                files[relative] = path
            else:
                raise InvalidInput(f"{path} is neither a file nor a folder")
    return files, empty


def read_file(artifact: Artifact, blobs: Blobs, folder: Path) -> Path:
    """Make the file appear under `folder` by its own name and return its path."""
    target = _target(artifact, folder)
    blobs.fetch(artifact.digest, target)
    return target


def _target(artifact: Artifact, folder: Path) -> Path:
    try:
        name = check_name(artifact.name) if artifact.name else artifact.codec
    except InvalidInput as error:
        raise Corrupt(f"{artifact.codec} {artifact.digest}: {error}") from error
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def read_tree(artifact: Artifact, blobs: Blobs, folder: Path) -> Path:
    """Make the folder appear under `folder` by its own name and return its path. Files are read-only."""
    entries = list_entries(artifact, blobs)
    target = _target(artifact, folder)
    target.mkdir()
    for path, entry in entries.items():
        place = target.joinpath(*path.split("/"))
        if entry is None:
            place.mkdir(parents=True)
            continue
        digest, is_executable = entry
        place.parent.mkdir(parents=True, exist_ok=True)
        blobs.fetch(digest, place)
        if is_executable:
            _make_executable(place)
    return target


def _make_executable(place: Path) -> None:
    if place.stat().st_nlink > 1:  # linked to the store's own file, whose mode is not ours to change
        copy = place.with_name(place.name + ".copy")
        shutil.copyfile(place, copy)
        os.replace(copy, place)
    place.chmod(0o555)


def list_entries(artifact: Artifact, blobs: Blobs) -> dict[str, tuple[Digest, bool] | None]:
    """Return path -> (digest, is executable), or None for an empty folder, of a "tree" artifact.

    Raises:
        Corrupt: The document does not parse, or holds a path that could not have been written.
    """
    try:
        document = parse_document(blobs.get(artifact.digest))
        listed = document.get("entries")
        if set(document) != {"entries"} or not isinstance(listed, list):
            raise InvalidInput("not a document with the one field entries")
        found = dict(_read_entry(entry) for entry in listed)
        if len(found) != len(listed) or any(parent in found for path in found for parent in _parents(path)):
            raise InvalidInput("two entries stand at one place")
    except InvalidInput as error:
        raise Corrupt(f"tree {artifact.digest}: {error}") from error
    return found


def _read_entry(entry: Json) -> tuple[str, tuple[Digest, bool] | None]:
    match entry:
        case {"path": str(path), "digest": str(digest), "size": int(), "executable": bool(is_executable), **rest} if not rest:
            parse_digest(digest)
            return _check_path(path), (Digest(digest), is_executable)
        case {"path": str(path), **rest} if not rest:
            return _check_path(path), None
    raise InvalidInput(f"not an entry: {str(entry)[:80]}")


def _check_path(path: str) -> str:
    parts = path.split("/")
    if len(parts) > _DEPTH_MAX:
        raise InvalidInput(f"a path of {len(parts)} parts")
    for part in parts:
        check_name(part)
    return path


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]
