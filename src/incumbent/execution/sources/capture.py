"""The Sources port: each kind of source has one row in a table, how it is captured and what its signature is."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.errors import IncumbentError
from incumbent.execution.observed import observe_input
from incumbent.execution.sources.delta import capture_delta, sign_delta
from incumbent.execution.sources.files import (
    capture_file,
    capture_folder,
    capture_parquet,
    capture_plain_files,
    sign_file,
    sign_folder,
)
from incumbent.execution.sources.intake import Intake, ignore_progress
from incumbent.execution.sources.listed import capture_listed
from incumbent.execution.sources.listing import Place, locate, stat_file
from incumbent.execution.sources.objects import capture_objects
from incumbent.execution.sources.packages import capture_package_file, sign_package_file
from incumbent.execution.sources.sql import capture_sql
from incumbent.execution.stat_cache import FileStat, StatCache, file_stat, is_racy, is_same_file_state
from incumbent.pipeline.action import Captured
from incumbent.pipeline.source import SourceKind, SourceSpec
from incumbent.usecases.ports import Blobs, Codecs, Progress, Signature

_Capture = Callable[[Intake, SourceSpec], Captured]
_Sign = Callable[[Intake, SourceSpec], Sequence[FileStat] | None]


def _sign_nothing(_: Intake, __: SourceSpec) -> None:
    """A live source: only capturing it tells whether it is unchanged."""


KINDS: Mapping[SourceKind, tuple[_Capture, _Sign]] = {
    "file": (capture_file, sign_file),
    "folder": (capture_folder, sign_folder),
    "parquet": (capture_parquet, sign_folder),
    "package_file": (capture_package_file, sign_package_file),
    "sql": (capture_sql, _sign_nothing),
    "objects": (capture_objects, _sign_nothing),
    "delta": (capture_delta, sign_delta),
}


class DeclaredSources:
    """Captures declared sources into one blob store, with one stat cache."""

    def __init__(self, root: Path, blobs: Blobs, codecs: Codecs, cache: StatCache, environ: Mapping[str, str] = os.environ) -> None:
        """Read sources of the project at `root`; relative paths start there."""
        self._intake = Intake(Path(os.path.realpath(root)), blobs, codecs, cache, environ)

    def capture(self, spec: SourceSpec, *, anew: bool = False, progress: Progress | None = None) -> Captured:
        """Read, hash and store a source; unchanged files are known by their stat and not read again.

        Args:
            spec: The source.
            anew: Read everything in any case: for when a blob that was taken in earlier is gone or corrupt.
            progress: Called with (bytes done, bytes in all; 0 if nobody knows).

        Raises:
            InvalidInput: The source cannot be used as it is declared.
            NotFound: There is nothing there.
            Conflict: It changed while it was read; nothing was taken in.
            Unavailable: A disk, database or object storage does not answer, or the disk is full.
        """
        capture, _ = KINDS[spec.kind]
        own = self._intake
        return capture(Intake(own.root, own.blobs, own.codecs, own.cache, own.environ, anew, progress or ignore_progress), spec)

    def capture_many(self, specs: Mapping[str, SourceSpec], say: Callable[[str], None]) -> dict[str, Captured]:
        """Capture sources by name; plain files share their waits for the disk. Raises as `capture` does, naming the source."""
        plain: dict[str, tuple[Place, FileStat]] = {}
        captured: dict[str, Captured] = {}
        for name, spec in specs.items():
            with _naming(name):
                if spec.kind == "file" and not spec.link:
                    place = locate(self._intake.root, spec.location)
                    plain[name] = place, stat_file(place.path)
                else:
                    say(f"reading source {name} ({spec.kind} {spec.location})")
                    captured[name] = self.capture(spec)
        if plain:
            say(f"reading {len(plain)} source file{'s' * (len(plain) > 1)}")
            captured |= capture_plain_files(self._intake, plain)
        return {name: captured[name] for name in specs}

    def signature(self, spec: SourceSpec) -> Signature | None:
        """Return what a fast check looks at by stat alone: while it stays the same, so does what was captured after it.

        None if only capturing tells (SQL, object storage), or if a stamp is so fresh that a later write could leave it as it is.

        Raises:
            InvalidInput, NotFound: As for `capture`.
        """
        _, sign = KINDS[spec.kind]
        looked_ns = self._intake.cache.now_ns()
        stamps = sign(self._intake, spec)
        if stamps is None or any(is_racy(stamp, looked_ns) for stamp in stamps):
            return None
        return tuple((stamp.path, stamp.size, stamp.mtime_ns, stamp.ctime_ns, stamp.inode % (1 << 64)) for stamp in stamps)

    def capture_files(self, paths: Sequence[str]) -> Artifact:
        """Store these files (relative to the root) as one "tree" artifact, each under its path. Raises NotFound, Conflict."""
        return capture_listed(self._intake, paths)

    def observe(self, kind: str, name: str) -> str:
        """Return the digest of an undeclared input as it is now, "" if it is absent; a file is read only if its stat changed."""
        own = self._intake
        before = None if kind != "file" or name.endswith("/") else _find_stamp(str(own.root / name))
        if before is None:
            return observe_input(own.root, kind, name, own.blobs.algorithm)
        if not stat.S_ISREG(before.mode):
            return ""  # opening a pipe could wait for ever
        known = own.cache.find([before]).get(before.path)
        if known is not None:
            return known
        read_from_ns = own.cache.now_ns()
        digest = observe_input(own.root, kind, name, own.blobs.algorithm)
        after = _find_stamp(before.path)
        if digest and after is not None and is_same_file_state(before, after) and not is_racy(before, read_from_ns):
            own.cache.record([(after, Digest(digest))])
        return digest


@contextmanager
def _naming(source: str) -> Iterator[None]:
    try:
        yield
    except IncumbentError as error:
        raise type(error)(f"source {source!r}: {error}") from error


def _find_stamp(path: str) -> FileStat | None:
    try:
        return file_stat(path, os.stat(path))
    except (OSError, ValueError):
        return None
