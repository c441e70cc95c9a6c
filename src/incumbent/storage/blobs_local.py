"""The blob store on a local disk: durable before it says so, never half-written, checked whenever it is read."""

import errno
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TypeVar

from incumbent.base.digest import Algorithm, Digest, digest_bytes, finish, new_hasher
from incumbent.base.errors import Conflict, Corrupt, NotFound
from incumbent.storage.blob_files import SMALL_BYTES_MAX, Group, Signature, copy_out, hash_source, open_source, read_source, signature
from incumbent.storage.blob_folder import BlobFolder
from incumbent.storage.disk import clone, is_no_link, remove, store_error
from incumbent.storage.hashing import hash_file, write_all
from incumbent.usecases.ports import Blobs, Stored

GROUP_BYTES_MAX = 256 << 20
GROUP_FILES_MAX = 20_000
"""How much `put_files` writes before it waits for the disk."""
_T = TypeVar("_T")


class LocalBlobs:
    """Blobs under one folder. Safe for any number of processes and threads at once.

    Attributes:
        algorithm: Of every digest here.
    """

    def __init__(self, folder: Path, algorithm: Algorithm) -> None:
        self.algorithm: Algorithm = algorithm
        self._folder = BlobFolder(folder, algorithm)
        self._verified: dict[Digest, Signature] = {}

    def put(self, chunks: Iterable[bytes]) -> Stored:
        """Store the bytes, durable before this returns. Raises Unavailable when the disk is full."""
        if isinstance(chunks, Sequence) and len(chunks) == 1:  # all of it is in memory, whatever its size
            return self._put_small(chunks[0])
        pending = iter(chunks)
        head, size = [], 0
        for chunk in pending:
            head.append(chunk)
            size += len(chunk)
            if size > SMALL_BYTES_MAX:
                return self._put_stream(head, pending)
        return self._put_small(b"".join(head))

    def _put_small(self, data: bytes) -> Stored:
        digest = digest_bytes(data, self.algorithm)
        with self._folder.storing(f"{len(data)} bytes"):
            if not self._folder.renew(digest, len(data)):
                with self._folder.temporary() as (path, number):
                    write_all(number, data)
                    os.fsync(number)
                    self._folder.adopt(path, digest, len(data))
        return Stored(digest, len(data))

    def _put_stream(self, head: Sequence[bytes], rest: Iterator[bytes]) -> Stored:
        hasher, size = new_hasher(self.algorithm), 0
        with self._folder.temporary() as (path, number):
            for chunk in itertools.chain(head, rest):  # what the caller's iterator raises is its own affair
                hasher.update(chunk)
                with self._folder.storing("a stream of bytes"):
                    write_all(number, chunk)
                size += len(chunk)
            digest = finish(hasher, self.algorithm)
            with self._folder.storing("a stream of bytes"):
                os.fsync(number)
                self._folder.adopt(path, digest, size)
        return Stored(digest, size)

    def put_file(self, path: Path, *, link: bool = False) -> Stored:
        """Store a file in one pass, or linked (it is made read-only then). Raises Conflict if it changed while it was read."""
        with open_source(path) as (number, before):
            if link:
                stored = self._put_linked(path, number, before)
                if stored is not None:
                    return stored
                os.lseek(number, 0, os.SEEK_SET)
            if before.st_size <= SMALL_BYTES_MAX:
                return self._put_small(read_source(path, number, before))
            return self._put_copy(path, number, before)

    def _put_copy(self, path: Path, source: int, before: os.stat_result) -> Stored:
        with self._folder.storing(str(path)), self._folder.temporary() as (temporary, number):
            if clone(source, number):  # a snapshot: whoever writes to the file now does not reach it
                digest, size = hash_file(number, self.algorithm, before.st_size)
            else:
                digest, size = hash_source(path, source, self.algorithm, before, number)
            os.fsync(number)
            self._folder.adopt(temporary, digest, size)
        return Stored(digest, size)

    def _put_linked(self, path: Path, source: int, before: os.stat_result) -> Stored | None:
        """Link the file itself into the store; None where that cannot be (another file system, another owner)."""
        digest, size = hash_source(path, source, self.algorithm, before)
        with self._folder.storing(str(path)):
            if self._folder.renew(digest, size):
                return Stored(digest, size)
            spare = self._folder.link_spare(path, source, before)
            if spare is None:
                return None
            try:
                os.fsync(source)
                self._folder.adopt(spare, digest, size)
            finally:
                remove(spare)
        return Stored(digest, size)

    def put_files(self, paths: Sequence[Path], *, link: bool = False) -> Sequence[Stored]:
        """Store many files, in order, with one wait for the disk per group. Raises Conflict naming the one that changed."""
        done: list[Stored] = []
        group = Group()
        try:
            for path in paths:
                done.append(self._put_grouped(path, group, link=link))
                if group.size > GROUP_BYTES_MAX or len(group.waiting) >= GROUP_FILES_MAX:
                    self._folder.settle(group)
            self._folder.settle(group)
        finally:
            self._folder.discard(group)
        return done

    def _put_grouped(self, path: Path, group: Group, *, link: bool) -> Stored:
        with open_source(path) as (number, before):
            if before.st_size > SMALL_BYTES_MAX:
                return self.put_file(path, link=link)
            data = read_source(path, number, before)
            digest, size = digest_bytes(data, self.algorithm), len(data)
            if digest in group.waiting:
                return Stored(digest, size)
            with self._folder.storing(str(path)):
                if self._folder.renew(digest, size, is_synced=False):
                    group.renewed.add(digest)
                    return Stored(digest, size)
                temporary = self._folder.link_spare(path, number, before) if link else None
                if temporary is None:
                    with self._folder.temporary(is_kept=True) as (temporary, target):
                        write_all(target, data)
                group.add(temporary, digest, size)
        return Stored(digest, size)

    def open(self, digest: Digest) -> BinaryIO:
        """Open for reading. The bytes are checked before the first is handed out. Raises NotFound, Corrupt."""
        file = self._open(digest)
        try:
            self._verify(digest, file)
        except BaseException:
            file.close()
            raise
        return file

    def get(self, digest: Digest) -> bytes:
        """Return all the bytes, verified. Raises NotFound, Corrupt."""
        with self._open(digest) as file:
            if os.fstat(file.fileno()).st_size > SMALL_BYTES_MAX:
                self._verify(digest, file)
                return file.read()
            data = self._reading(digest, file.read)
        found = digest_bytes(data, self.algorithm)
        if found != digest:
            raise self._set_aside(digest, found)
        return data

    def fetch(self, digest: Digest, target: Path) -> None:
        """Make the bytes appear, verified and read-only, at `target`: linked where the file system allows, else copied.

        Raises Conflict if something is there, and NotFound, Corrupt, Unavailable.
        """
        with self._open(digest) as file:
            self._verify(digest, file)
            try:
                os.link(self._folder.place(digest), target)
                self._remember(digest, file)
            except FileExistsError as error:
                raise Conflict(f"{target} exists already; blob {digest} was not written over it") from error
            except OSError as error:
                if not is_no_link(error):
                    raise store_error(error, f"writing {target}") from error
                copy_out(file, target)

    def size(self, digest: Digest) -> int | None:
        """Return the size in bytes, or None if there is no such blob. Does not read it."""
        try:
            return os.stat(self._folder.place(digest)).st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise store_error(error, f"blob {digest}") from error

    def path(self, digest: Digest) -> Path:
        """Return where a blob is or would be, for those who check by stat alone. Raises InvalidInput, NotFound (other algorithm)."""
        return Path(self._folder.place(digest))

    def list_digests(self, *, before: datetime | None = None) -> Iterator[Digest]:
        """Yield every digest in the store, or those last put before a time."""
        return self._folder.list_digests(before)

    def delete(self, digest: Digest, *, before: datetime | None = None) -> bool:
        """Remove a blob (unless it was put, even again, at that time or later) and return whether it was removed."""
        return self._folder.delete(digest, before)

    def _open(self, digest: Digest) -> BinaryIO:
        try:
            return open(self._folder.place(digest), "rb")
        except FileNotFoundError as error:
            raise NotFound(f"no blob {digest} in {self._folder.root}") from error
        except OSError as error:
            raise store_error(error, f"blob {digest}") from error

    def _verify(self, digest: Digest, file: BinaryIO) -> None:
        """Hash an open blob, unless this very file was hashed before by this process, and stand at its start."""
        seen = os.fstat(file.fileno())
        if self._verified.get(digest) == signature(seen):
            return
        found, _ = self._reading(digest, lambda: hash_file(file.fileno(), self.algorithm, seen.st_size))
        if found != digest:
            raise self._set_aside(digest, found)
        file.seek(0)
        self._verified[digest] = signature(seen)

    def _remember(self, digest: Digest, file: BinaryIO) -> None:
        """Note the new change time of a blob that we ourselves have just linked."""
        before, now = self._verified.get(digest), signature(os.fstat(file.fileno()))
        if before is not None and (before[0], before[1], before[3]) == (now[0], now[1], now[3]):
            self._verified[digest] = now

    def _reading(self, digest: Digest, read: Callable[[], _T]) -> _T:
        try:
            return read()
        except OSError as error:
            if error.errno == errno.EIO:
                raise Corrupt(f"blob {digest} cannot be read back: {error.strerror}; the disk is failing") from error
            raise store_error(error, f"reading blob {digest}") from error

    def _set_aside(self, digest: Digest, found: Digest) -> Corrupt:
        """Move a blob that is not its digest's bytes out of the way, and return the error that says so."""
        self._verified.pop(digest, None)
        where = self._folder.set_aside(digest)
        return Corrupt(f"blob {digest} is damaged: its bytes have digest {found}; {where}. Run the pipeline again to rebuild it")


def open_local_blobs(folder: Path, algorithm: Algorithm) -> Blobs:
    """Open the blob store in a folder, which is made if need be. Raises Unavailable."""
    return LocalBlobs(folder, algorithm)
