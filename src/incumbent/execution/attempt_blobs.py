"""The blob store as one attempt sees it: remembers which blob was asked for last, and stops an output that grows too large."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from incumbent.base.digest import Algorithm, Digest
from incumbent.base.errors import InvalidInput
from incumbent.usecases.ports import Blobs, Stored


class OutputTooLarge(InvalidInput):
    """An output passed the stage's limit while it was being written."""


class AttemptBlobs:
    """`Blobs` around another one. When reading fails, `asked` is the blob that did not verify, also deep inside a tree or list.

    Attributes:
        algorithm: As of the store underneath.
        asked: The digest that was opened or fetched last.
    """

    def __init__(self, blobs: Blobs, output_bytes_max: int | None) -> None:
        self.algorithm: Algorithm = blobs.algorithm
        self.asked: Digest | None = None
        self._blobs = blobs
        self._limit = output_bytes_max
        self._written = 0

    def begin_output(self) -> None:
        """Start counting the bytes of one output."""
        self._written = 0

    def put(self, chunks: Iterable[bytes]) -> Stored:
        """Store the bytes. Raises OutputTooLarge, before the store takes them as whole, when they pass the limit."""
        return self._blobs.put(chunks if self._limit is None else self._count(chunks))

    def put_file(self, path: Path, *, link: bool = False) -> Stored:
        """Store a file. Raises OutputTooLarge before reading it when it is over the limit."""
        if self._limit is not None:
            self._add(path.stat().st_size)
        return self._blobs.put_file(path, link=link)

    def put_files(self, paths: Sequence[Path], *, link: bool = False) -> Sequence[Stored]:
        """Store many files. Raises OutputTooLarge before reading any when together they are over the limit."""
        if self._limit is not None:
            for path in paths:
                self._add(path.stat().st_size)
        return self._blobs.put_files(paths, link=link)

    def get(self, digest: Digest) -> bytes:
        """Return all the bytes, verified."""
        self.asked = digest
        return self._blobs.get(digest)

    def open(self, digest: Digest) -> BinaryIO:
        """Open for reading."""
        self.asked = digest
        return self._blobs.open(digest)

    def fetch(self, digest: Digest, target: Path) -> None:
        """Make the bytes appear at `target`."""
        self.asked = digest
        self._blobs.fetch(digest, target)

    def size(self, digest: Digest) -> int | None:
        """Return the size in bytes, or None."""
        return self._blobs.size(digest)

    def list_digests(self, *, before: datetime | None = None) -> Iterator[Digest]:
        """Yield the digests in the store."""
        return self._blobs.list_digests(before=before)

    def delete(self, digest: Digest, *, before: datetime | None = None) -> bool:
        """Remove a blob."""
        return self._blobs.delete(digest, before=before)

    def _count(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._add(len(chunk))
            yield chunk

    def _add(self, count: int) -> None:
        self._written += count
        if self._limit is not None and self._written > self._limit:
            raise OutputTooLarge(f"over the limit of {self._limit} bytes")
