"""The folder of a local blob store: how a file gets its name there durably, and how it loses it.

Four steps: a temporary file on the same file system, fsync, a link to its name without overwriting, fsync of the folder.
Killed between any two of them, a writer leaves at most a temporary file. A blob's age is its change time: putting one that
is there renews it under a shared lock, and deleting looks at the age under the exclusive one.

    ab/cd…        the bytes, read-only; ab and cd… are the digest's hex
    incoming/     temporary files: HOST-PID-RANDOM
    quarantine/   blobs that failed their check
"""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from incumbent.base.digest import Algorithm, Digest, parse_digest
from incumbent.base.errors import NotFound
from incumbent.storage.blob_files import MODE, Group, changed, clear_leftovers, is_fan_out, is_rest, temporary_name
from incumbent.storage.cells import to_micros
from incumbent.storage.disk import is_no_link, locked, remove, store_error, sync_files, sync_folder

NAMED_MAX = 100_000
"""How many blobs are remembered as named on the disk."""


class BlobFolder:
    """Names in one folder. Paths are text here: `put_files` asks for tens of thousands of them.

    Attributes:
        root: The folder.
    """

    def __init__(self, root: Path, algorithm: Algorithm) -> None:
        self.root = root
        self._algorithm = algorithm
        self._text = str(root)
        self._incoming = f"{root}/incoming"
        self._lock = root / "lock"
        self._named: dict[Digest, tuple[int, int]] = {}
        with self.storing("blobs"):
            os.makedirs(self._incoming, exist_ok=True)
            clear_leftovers(self._incoming)

    def place(self, digest: Digest) -> str:
        """Return where a blob is or would be. The digest is parsed first: nothing else ever becomes a path.

        Raises:
            InvalidInput: `digest` is none.
            NotFound: It is of another algorithm than this store's.
        """
        algorithm, name = parse_digest(digest)
        if algorithm != self._algorithm:
            raise NotFound(f"no blob {digest}: this workspace names blobs by {self._algorithm}")
        return f"{self._text}/{name[:2]}/{name[2:]}"

    @contextmanager
    def storing(self, what: str) -> Iterator[None]:
        """Turn what the disk says into Unavailable."""
        try:
            yield
        except OSError as error:
            raise store_error(error, f"storing {what} in {self._text}") from error

    @contextmanager
    def temporary(self, *, is_kept: bool = False) -> Iterator[tuple[str, int]]:
        """Open a temporary file (path, descriptor); it is removed at the end, or (`is_kept`) only if the block fails."""
        path = f"{self._incoming}/{temporary_name()}"
        with self.storing("a temporary file"):
            number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, MODE)
        is_done = False
        try:
            yield path, number
            is_done = True
        finally:
            os.close(number)
            if not (is_kept and is_done):
                remove(path)

    def link_spare(self, path: Path, source: int, before: os.stat_result) -> str | None:
        """Link a user's open file, made read-only, to a temporary name; None where that cannot be. Raises Conflict if it changed."""
        spare = f"{self._incoming}/{temporary_name()}"
        try:
            os.link(os.path.realpath(path), spare)
        except OSError as error:
            if is_no_link(error):
                return None
            raise
        linked = os.stat(spare)
        if (linked.st_ino, linked.st_size, linked.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
            remove(spare)
            raise changed(path)  # the path was given another file, or new bytes, since it was opened
        os.fchmod(source, stat.S_IMODE(before.st_mode) & ~0o222)
        return spare

    def renew(self, digest: Digest, size: int, *, is_synced: bool = True) -> bool:
        """If the blob is there, make it young again, so that gc leaves it, and return True. One of another size is damaged."""
        place = self.place(digest)
        if not os.path.exists(place):  # the common case, and the one that must be fast
            return False
        with locked(self._lock, exclusive=False):
            try:
                found = os.stat(place)
                if found.st_size != size:
                    return False
                os.utime(place, ns=(found.st_atime_ns, found.st_mtime_ns))  # sets the change time; the rest stays
            except (FileNotFoundError, PermissionError):
                return False
        if is_synced and self._named.get(digest) != _identity(found):  # another process may have linked it a moment ago
            sync_folder(os.path.dirname(place))
            self._note_named(digest, found)
        return True

    def _note_named(self, digest: Digest, found: os.stat_result) -> None:
        """Remember that this very file's name is on the disk: asking for that again takes a flush of the disk, even if nothing is due."""
        if len(self._named) >= NAMED_MAX:
            self._named.clear()
        self._named[digest] = _identity(found)

    def adopt(self, temporary: str, digest: Digest, size: int) -> None:
        """Give a finished, synced temporary file its name, durably."""
        place = self.place(digest)
        folder = os.path.dirname(place)
        if not os.path.exists(folder):
            os.makedirs(folder, exist_ok=True)
            sync_folder(self._text)
        with locked(self._lock, exclusive=False):
            self._link(temporary, place, size)
            found = os.stat(place)
        sync_folder(folder)
        self._note_named(digest, found)

    def settle(self, group: Group) -> None:
        """Make a group durable: all bytes first, then all names."""
        if not group.waiting and not group.renewed:
            return
        with self.storing(f"{len(group.waiting)} files"):
            sync_files(self._text, [temporary for temporary, _ in group.waiting.values()])
            places = {digest: self.place(digest) for digest in group.waiting}
            for folder in {os.path.dirname(place) for place in places.values()}:
                os.makedirs(folder, exist_ok=True)
            with locked(self._lock, exclusive=False):
                for digest, (temporary, size) in group.waiting.items():
                    self._link(temporary, places[digest], size)
            folders = {os.path.dirname(self.place(digest)) for digest in (*group.waiting, *group.renewed)}
            sync_files(self._text, [*folders, self._text])
        self.discard(group)

    def discard(self, group: Group) -> None:
        """Remove a group's temporary files and begin anew."""
        for temporary, _ in group.waiting.values():
            remove(temporary)
        group.clear()

    def _link(self, source: str, target: str, size: int) -> None:
        """Link without overwriting what is sound; what has another size, or another owner, is replaced."""
        try:
            os.link(source, target)
        except FileExistsError:
            found = os.stat(target)
            with suppress(PermissionError):
                if found.st_size == size:
                    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
                    return
            spare = f"{self._incoming}/{temporary_name()}"
            os.link(source, spare)
            os.replace(spare, target)

    def list_digests(self, before: datetime | None) -> Iterator[Digest]:
        """Yield every digest, or those last put before a time."""
        limit = None if before is None else to_micros(before) * 1_000
        try:
            folders = sorted(entry.name for entry in os.scandir(self._text) if is_fan_out(entry.name))
            for head in folders:
                for entry in sorted(os.scandir(f"{self._text}/{head}"), key=lambda entry: entry.name):
                    if is_rest(entry.name) and (limit is None or entry.stat().st_ctime_ns < limit):
                        yield Digest(f"{self._algorithm}:{head}{entry.name}")
        except OSError as error:
            raise store_error(error, f"blob store {self._text}") from error

    def delete(self, digest: Digest, before: datetime | None) -> bool:
        """Remove a blob, unless it was put at that time or later, and return whether it was removed."""
        place = self.place(digest)
        try:
            with locked(self._lock, exclusive=True):
                if before is not None and os.stat(place).st_ctime_ns >= to_micros(before) * 1_000:
                    return False
                os.unlink(place)
                return True
        except FileNotFoundError:
            return False
        except OSError as error:
            raise store_error(error, f"removing blob {digest}") from error

    def set_aside(self, digest: Digest) -> str:
        """Move a damaged blob out of the way, and return in words where it is now."""
        kept = f"{self._text}/quarantine/{parse_digest(digest)[1]}.{time.time_ns()}"
        try:
            os.makedirs(f"{self._text}/quarantine", exist_ok=True)
            with locked(self._lock, exclusive=True):
                os.rename(self.place(digest), kept)
        except OSError as error:
            return f"it could not be moved away ({error.strerror})"
        return f"it was moved to {kept}"


def _identity(found: os.stat_result) -> tuple[int, int]:
    """Return what tells a blob's file from one that another process linked in its place; putting it again changes neither."""
    return found.st_ino, found.st_mtime_ns
