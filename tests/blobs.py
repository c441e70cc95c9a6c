"""A blob store in a dict, for tests of what stands on the `Blobs` port and not of stores themselves."""

import hashlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from incumbent.base.digest import Algorithm, Digest, digest_bytes
from incumbent.base.errors import Corrupt, NotFound
from incumbent.usecases.ports import Stored


class DictBlobs:
    """Keeps bytes by digest and hashes them again on every read."""

    algorithm: Algorithm = "blake3"

    def __init__(self) -> None:
        self.kept: dict[Digest, bytes] = {}

    def put(self, chunks: Iterable[bytes]) -> Stored:
        data = b"".join(chunks)
        digest = digest_bytes(data, self.algorithm)
        self.kept[digest] = data
        return Stored(digest, len(data))

    def put_file(self, path: Path, *, link: bool = False) -> Stored:
        return self.put([path.read_bytes()])

    def get(self, digest: Digest) -> bytes:
        if digest not in self.kept:
            raise NotFound(f"no blob {digest}")
        if digest_bytes(self.kept[digest], self.algorithm) != digest:
            raise Corrupt(f"blob {digest} does not hold its bytes")
        return self.kept[digest]

    def open(self, digest: Digest) -> BinaryIO:
        return io.BytesIO(self.get(digest))

    def fetch(self, digest: Digest, target: Path) -> None:
        target.write_bytes(self.get(digest))
        target.chmod(0o444)

    def size(self, digest: Digest) -> int | None:
        return len(self.kept[digest]) if digest in self.kept else None

    def list_digests(self) -> Iterator[Digest]:
        yield from self.kept

    def delete(self, digest: Digest) -> None:
        self.kept.pop(digest, None)


def sha256(data: bytes) -> str:
    """The digest that two processes print to be compared."""
    return hashlib.sha256(data).hexdigest()
