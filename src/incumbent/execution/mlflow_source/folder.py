"""The artifacts of an MLflow store in a folder of this machine.

A database says where artifacts are, and a database can say anything: nothing is read that is not inside the one folder that the
caller named (or that stands beside the database). Links are followed where they stay inside the artifacts that they belong to.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from incumbent.base.errors import Conflict, Refused, Unavailable
from incumbent.usecases.import_mlflow_ports import Place, SourceFile

CHUNK_BYTES = 1 << 20
PROXIED = "mlflow-artifacts"
_BESIDE = ("mlartifacts", "mlruns")


class ArtifactFolder:
    """Files below one folder."""

    def __init__(self, database: Path, given: Path | None) -> None:
        self._base = database.parent.resolve()
        self._given = None if given is None else given.resolve()

    def list_files(self, place: Place) -> Sequence[SourceFile]:
        """Return all files at a place, by path. Raises Refused where they may not be read."""
        root = self._find(place)
        found = []
        for folder, folders, files in os.walk(root, onerror=_raise):
            folders.sort()
            linked = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for name in sorted([*files, *linked]):
                path = Path(folder, name)
                found.append(_look(root, path, path.relative_to(root).as_posix()))
        return sorted(found, key=lambda file: file.path)

    def read_file(self, place: Place, file: SourceFile) -> Iterator[bytes]:
        """Yield a file's bytes. Raises Conflict if there are not as many as were listed."""
        root = self._find(place)
        path = (root / file.path).resolve()
        if not path.is_relative_to(root):
            raise Refused(f"{file.path!r} leads out of {root}")
        left = file.size
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(handle, "rb") as stream:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise Refused(f"{file.path!r} is no regular file")
                while chunk := stream.read(CHUNK_BYTES):
                    left -= len(chunk)
                    yield chunk
        except OSError as error:
            raise Unavailable(f"{path} cannot be read: {error.strerror}") from error
        if left:
            raise Conflict(
                f"{file.path!r} was listed with {file.size} bytes and has {file.size - left}: it changed meanwhile; import again"
            )

    def _find(self, place: Place) -> Path:
        """Return the folder of a place; one that is not there has no files. Raises Refused if it is not one that may be read."""
        parts = urlsplit(place.uri)
        if parts.scheme not in ("", "file", PROXIED) or (parts.scheme == "file" and parts.netloc not in ("", "localhost")):
            raise Refused(
                f"its artifacts are at {place.uri[:200]!r}, which an import from a file does not reach; "
                "copy them into a folder and give it with --artifacts, or import from the running MLflow server"
            )
        path = unquote(parts.path) if parts.scheme else place.uri
        if "\0" in path or ".." in path.split("/"):
            raise Refused(f"its artifacts are said to be at {place.uri[:200]!r}, which is no plain path")
        wanted = list(_candidates(path, place.owner_id)) if self._given is not None or parts.scheme == PROXIED else []
        for root in self._roots():
            for suffix in wanted:
                found = (root / suffix).resolve()
                if found.is_dir() and found.is_relative_to(root):
                    return found
        plain = (self._base / path).resolve()
        if self._given is not None and parts.scheme != PROXIED and not plain.is_relative_to(self._given) and plain.is_dir():
            raise Refused(f"its artifacts are at {str(plain)[:200]!r}, outside of {self._given}")
        if parts.scheme == PROXIED or (self._given is not None and not plain.is_relative_to(self._given)):
            return self._missing(place, path)
        if not plain.is_relative_to(self._given or self._base):
            raise Refused(
                f"its artifacts are at {str(plain)[:200]!r}, outside of {self._given or self._base}; if that folder is the store's, "
                "name it with --artifacts DIR"
            )
        return plain

    def _roots(self) -> list[Path]:
        return [self._given] if self._given is not None else [self._base / name for name in _BESIDE]

    def _missing(self, place: Place, path: str) -> Path:
        roots = self._roots()
        if any(root.is_dir() for root in roots):
            return roots[0] / path.strip("/")  # a run without artifacts has no folder
        raise Refused(
            f"its artifacts are at {place.uri[:200]!r}, and {' or '.join(map(str, roots))} is not there; name the folder with --artifacts"
        )


def _candidates(path: str, owner_id: str) -> Iterator[str]:
    """Yield the ends of a path that still name its owner, longest first: what a moved artifact folder would hold."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    for start in range(len(parts)):
        if owner_id in parts[start:]:
            yield "/".join(parts[start:])


def _look(root: Path, path: Path, name: str) -> SourceFile:
    try:
        target = path.resolve(strict=True)
        found = target.stat()
    except (OSError, RuntimeError):
        return SourceFile(name, 0, refusal="it is a link that leads nowhere")
    if not target.is_relative_to(root):
        return SourceFile(name, 0, refusal="it is a link that leads out of the artifacts that it is among")
    if not stat.S_ISREG(found.st_mode):
        return SourceFile(name, 0, refusal="it is no regular file" if not path.is_symlink() else "it is a link to a folder")
    return SourceFile(name, found.st_size, stamp=str(found.st_mtime_ns))


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise Unavailable(f"{error.filename} cannot be read: {error.strerror}") from error
