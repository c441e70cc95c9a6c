"""The blob store in memory: for trials, and the fast real store of tests. Same rules as on disk, gone with the process."""

import io
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from incumbent.base.digest import Algorithm, Digest, digest_bytes, parse_digest
from incumbent.base.errors import Conflict, Corrupt, NotFound
from incumbent.storage.blob_files import MODE, open_source, read_source
from incumbent.storage.disk import store_error
from incumbent.usecases.ports import Stored


def _now() -> datetime:
    return datetime.now(UTC)


class MemoryBlobs:
    """Blobs in a dict.

    Attributes:
        algorithm: Of every digest here.
    """

    def __init__(self, algorithm: Algorithm, now: Callable[[], datetime] = _now) -> None:
        self.algorithm: Algorithm = algorithm
        self._now = now
        self._kept: dict[Digest, tuple[bytes, datetime]] = {}
        self._guard = threading.Lock()

    def put(self, chunks: Iterable[bytes]) -> Stored:
        """Store the bytes."""
        data = b"".join(chunks)
        digest = digest_bytes(data, self.algorithm)
        with self._guard:
            self._kept[digest] = data, self._now()
        return Stored(digest, len(data))

    def put_file(self, path: Path, *, link: bool = False) -> Stored:
        """Store a file's bytes; there is nothing to link. Raises Conflict if it changed while it was read."""
        del link
        with open_source(path) as (number, before):
            return self.put([read_source(path, number, before)])

    def put_files(self, paths: Sequence[Path], *, link: bool = False) -> Sequence[Stored]:
        """Store many files, in order."""
        return [self.put_file(path, link=link) for path in paths]

    def open(self, digest: Digest) -> BinaryIO:
        """Open for reading, verified. Raises NotFound, Corrupt."""
        return io.BytesIO(self.get(digest))

    def get(self, digest: Digest) -> bytes:
        """Return all the bytes, verified. Raises NotFound, Corrupt."""
        self._must_be_ours(digest)
        kept = self._kept.get(digest)
        if kept is None:
            raise NotFound(f"no blob {digest} in memory")
        found = digest_bytes(kept[0], self.algorithm)
        if found != digest:
            self.delete(digest)
            raise Corrupt(f"blob {digest} is damaged: its bytes have digest {found}; it was removed. Run the pipeline again to rebuild it")
        return kept[0]

    def fetch(self, digest: Digest, target: Path) -> None:
        """Make the bytes appear, verified and read-only, at `target`. Raises Conflict if something is there."""
        data = self.get(digest)
        try:
            with target.open("xb") as file:
                file.write(data)
            target.chmod(MODE)
        except FileExistsError as error:
            raise Conflict(f"{target} exists already; blob {digest} was not written over it") from error
        except OSError as error:
            raise store_error(error, f"writing {target}") from error

    def size(self, digest: Digest) -> int | None:
        """Return the size in bytes, or None if there is no such blob."""
        self._must_be_ours(digest)
        kept = self._kept.get(digest)
        return None if kept is None else len(kept[0])

    def list_digests(self, *, before: datetime | None = None) -> Iterator[Digest]:
        """Yield every digest, or those last put before a time."""
        yield from sorted(digest for digest, (_, at) in list(self._kept.items()) if before is None or at < before)

    def delete(self, digest: Digest, *, before: datetime | None = None) -> bool:
        """Remove a blob (unless it was put, even again, at that time or later) and return whether it was removed."""
        self._must_be_ours(digest)
        with self._guard:
            kept = self._kept.get(digest)
            if kept is None or (before is not None and kept[1] >= before):
                return False
            del self._kept[digest]
            return True

    def _must_be_ours(self, digest: Digest) -> None:
        algorithm, _ = parse_digest(digest)
        if algorithm != self.algorithm:
            raise NotFound(f"no blob {digest}: this workspace names blobs by {self.algorithm}")
