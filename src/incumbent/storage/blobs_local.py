"""The blob store on a local disk: durable before it says so, never half-written, checked whenever it is read.

A blob comes to be in four steps: write a temporary file on the same file system (hashing on the way), fsync it, link it to
its name without overwriting, fsync the folder. Killed between any two of them, it leaves at most a temporary file, which is
cleared when its writer is known to be gone. A blob's age is its change time: putting one that is there renews it, under a
shared lock, and gc deletes under the exclusive lock only what is still old, so it never takes what was just put.

    blobs/ab/cd…        the bytes, read-only; ab and cd… are the digest's hex
    blobs/incoming/     temporary files: HOST-PID-RANDOM
    blobs/quarantine/   blobs that failed their check
"""

import errno
import itertools
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TypeVar

from incumbent.base.digest import Algorithm, Digest, digest_bytes, finish, new_hasher, parse_digest
from incumbent.base.errors import Conflict, Corrupt, NotFound
from incumbent.storage.blob_files import (
    MODE,
    SMALL_BYTES_MAX,
    Group,
    Signature,
    changed,
    clear_leftovers,
    copy_out,
    hash_source,
    is_fan_out,
    is_rest,
    open_source,
    read_source,
    signature,
    temporary_name,
)
from incumbent.storage.cells import to_micros
from incumbent.storage.disk import clone, is_no_link, locked, remove, store_error, sync_files, sync_folder
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
        self._folder = folder
        self._incoming = folder / "incoming"
        self._lock = folder / "lock"
        self._verified: dict[Digest, Signature] = {}
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
            clear_leftovers(self._incoming)
        except OSError as error:
            raise store_error(error, f"blob store {folder}") from error

    def put(self, chunks: Iterable[bytes]) -> Stored:
        """Store the bytes, durable before this returns. Raises Unavailable when the disk is full."""
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
        with self._storing(f"{len(data)} bytes"):
            if not self._renew(digest, len(data)):
                with self._temporary() as (path, number):
                    write_all(number, data)
                    os.fsync(number)
                    self._adopt(path, digest, len(data))
        return Stored(digest, len(data))

    def _put_stream(self, head: Sequence[bytes], rest: Iterator[bytes]) -> Stored:
        hasher, size = new_hasher(self.algorithm), 0
        with self._temporary() as (path, number):
            for chunk in itertools.chain(head, rest):  # what the caller's iterator raises is its own affair
                hasher.update(chunk)
                with self._storing("a stream of bytes"):
                    write_all(number, chunk)
                size += len(chunk)
            digest = finish(hasher, self.algorithm)
            with self._storing("a stream of bytes"):
                os.fsync(number)
                self._adopt(path, digest, size)
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
        with self._storing(str(path)), self._temporary() as (temporary, number):
            if clone(source, number):  # a snapshot: whoever writes to the file now does not reach it
                digest, size = hash_file(number, self.algorithm, before.st_size)
            else:
                digest, size = hash_source(path, source, self.algorithm, before, number)
            os.fsync(number)
            self._adopt(temporary, digest, size)
        return Stored(digest, size)

    def _put_linked(self, path: Path, source: int, before: os.stat_result) -> Stored | None:
        """Link the file itself into the store; None where that cannot be (another file system, another owner)."""
        digest, size = hash_source(path, source, self.algorithm, before)
        with self._storing(str(path)):
            if self._renew(digest, size):
                return Stored(digest, size)
            spare = self._incoming / temporary_name()
            try:
                os.link(os.path.realpath(path), spare)
            except OSError as error:
                if is_no_link(error):
                    return None
                raise
            try:
                linked = spare.stat()
                if (linked.st_ino, linked.st_size, linked.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
                    raise changed(path)  # the path was given another file, or new bytes, since it was opened
                os.fchmod(source, stat.S_IMODE(before.st_mode) & ~0o222)
                os.fsync(source)
                self._adopt(spare, digest, size)
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
                    self._settle(group)
            self._settle(group)
        finally:
            for temporary, _, _ in group.waiting:
                remove(temporary)
        return done

    def _put_grouped(self, path: Path, group: "Group", *, link: bool) -> Stored:
        with open_source(path) as (number, before):
            if link or before.st_size > SMALL_BYTES_MAX:
                return self.put_file(path, link=link)
            data = read_source(path, number, before)
        digest = digest_bytes(data, self.algorithm)
        with self._storing(str(path)):
            if digest not in group.digests and not self._renew(digest, len(data), is_synced=False):
                with self._temporary(is_kept=True) as (temporary, target):
                    write_all(target, data)
                group.add(temporary, digest, len(data))
        return Stored(digest, len(data))

    def _settle(self, group: "Group") -> None:
        """Make a group durable: all bytes first, then all names."""
        with self._storing(f"{len(group.waiting)} files"):
            sync_files(self._folder, [temporary for temporary, _, _ in group.waiting])
            with locked(self._lock, exclusive=False):
                for temporary, digest, size in group.waiting:
                    self._link(temporary, self.path(digest), size)
            for folder in {self.path(digest).parent for _, digest, _ in group.waiting}:
                sync_folder(folder)
        for temporary, _, _ in group.waiting:
            remove(temporary)
        group.clear()

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
                os.link(self.path(digest), target)
                self._remember(digest, file)  # linking changed the file's change time
            except FileExistsError as error:
                raise Conflict(f"{target} exists already; blob {digest} was not written over it") from error
            except OSError as error:
                if not is_no_link(error):
                    raise store_error(error, f"writing {target}") from error
                copy_out(file, target)

    def size(self, digest: Digest) -> int | None:
        """Return the size in bytes, or None if there is no such blob. Does not read it."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise store_error(error, f"blob {digest}") from error

    def list_digests(self, *, before: datetime | None = None) -> Iterator[Digest]:
        """Yield every digest in the store, or those last put before a time."""
        limit = None if before is None else to_micros(before) * 1_000
        try:
            folders = sorted(entry.name for entry in os.scandir(self._folder) if is_fan_out(entry.name))
            for head in folders:
                for entry in sorted(os.scandir(self._folder / head), key=lambda entry: entry.name):
                    if is_rest(entry.name) and (limit is None or entry.stat().st_ctime_ns < limit):
                        yield Digest(f"{self.algorithm}:{head}{entry.name}")
        except OSError as error:
            raise store_error(error, f"blob store {self._folder}") from error

    def delete(self, digest: Digest, *, before: datetime | None = None) -> bool:
        """Remove a blob (unless it was put, even again, at that time or later) and return whether it was removed."""
        path = self.path(digest)
        try:
            with locked(self._lock, exclusive=True):
                if before is not None and path.stat().st_ctime_ns >= to_micros(before) * 1_000:
                    return False
                path.unlink()
                return True
        except FileNotFoundError:
            return False
        except OSError as error:
            raise store_error(error, f"removing blob {digest}") from error

    def path(self, digest: Digest) -> Path:
        """Return where a blob is or would be. The digest is parsed first: nothing else ever becomes a path."""
        algorithm, name = parse_digest(digest)
        if algorithm != self.algorithm:
            raise NotFound(f"no blob {digest}: this workspace names blobs by {self.algorithm}")
        return self._folder / name[:2] / name[2:]

    @contextmanager
    def _storing(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise store_error(error, f"storing {what} in {self._folder}") from error

    @contextmanager
    def _temporary(self, *, is_kept: bool = False) -> Iterator[tuple[Path, int]]:
        """Open a temporary file; it is removed at the end, or (`is_kept`) only if the block fails."""
        path = self._incoming / temporary_name()
        with self._storing("a temporary file"):
            number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, MODE)
        is_done = False
        try:
            yield path, number
            is_done = True
        finally:
            os.close(number)
            if not (is_kept and is_done):
                remove(path)

    def _renew(self, digest: Digest, size: int, *, is_synced: bool = True) -> bool:
        """If the blob is there, make it young again, so that gc leaves it, and return True. One of another size is damaged."""
        path = self.path(digest)
        with locked(self._lock, exclusive=False):
            try:
                found = path.stat()
                if found.st_size != size:
                    return False
                os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))  # sets the change time; the rest stays
            except (FileNotFoundError, PermissionError):
                return False
        if self._verified.get(digest) == signature(found):
            self._verified[digest] = signature(path.stat())
        if is_synced:  # another process may have linked it a moment ago
            sync_folder(path.parent)
        return True

    def _adopt(self, temporary: Path, digest: Digest, size: int) -> None:
        """Give a finished temporary file its name, durably."""
        path = self.path(digest)
        with locked(self._lock, exclusive=False):
            self._link(temporary, path, size)
        sync_folder(path.parent)

    def _link(self, source: Path, target: Path, size: int) -> None:
        """Link without overwriting what is sound; what has another size, or another owner, is replaced."""
        try:
            os.link(source, target)
        except FileNotFoundError:
            if target.parent.exists():
                raise
            target.parent.mkdir(exist_ok=True)
            sync_folder(self._folder)
            self._link(source, target, size)
        except FileExistsError:
            found = target.stat()
            with suppress(PermissionError):
                if found.st_size == size:
                    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
                    return
            spare = self._incoming / temporary_name()
            os.link(source, spare)
            spare.replace(target)

    def _open(self, digest: Digest) -> BinaryIO:
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError as error:
            raise NotFound(f"no blob {digest} in {self._folder}") from error
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
        quarantine = self._folder / "quarantine"
        kept = quarantine / f"{parse_digest(digest)[1]}.{time.time_ns()}"
        where = f"it was moved to {kept}"
        try:
            quarantine.mkdir(exist_ok=True)
            with locked(self._lock, exclusive=True):
                self.path(digest).rename(kept)
        except OSError as error:
            where = f"it could not be moved away ({error.strerror})"
        return Corrupt(f"blob {digest} is damaged: its bytes have digest {found}; {where}. Run the pipeline again to rebuild it")


def open_local_blobs(folder: Path, algorithm: Algorithm) -> Blobs:
    """Open the blob store in a folder, which is made if need be. Raises Unavailable."""
    return LocalBlobs(folder, algorithm)
