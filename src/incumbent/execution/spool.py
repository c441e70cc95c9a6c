"""The spool: files in which acknowledged records wait until the store has them.

Files `<run>.<writer>.<nnnn>.spool` in `.incumbent/spool/`, one after another for each writer (a new one every SEGMENT_BYTES); the name of
a writer that is the run's owner begins with o, any other's with w.

    header   8 bytes INCSPL1 and a line feed | 1 byte fence | 7 bytes zero
    frame    2 bytes A7 5B | u32 payload length | u64 sequence number | u32 CRC-32 of length, number and payload | payload

All little-endian. Why it loses nothing that `append` acknowledged:

1. One `os.write` puts the frame into the kernel's page cache, which outlives the process (kill -9). `sync` adds fsync for a power cut.
2. A frame is whole or not there: a torn or flipped one fails its CRC, and reading goes on at the next frame that verifies.
3. The writer holds an flock on its newest file for as long as it lives. The kernel drops it at death, whatever the cause; unlike a process
   number it cannot be taken for that of a later process, nor misread from another container.
4. Whoever seals the run first sets the fence byte, then reads to the end. The writer looks at the byte (shared memory) after each write.
   So either the reader sees the record, or the writer sees the fence and does not acknowledge: there is no third case. A writer that
   begins a new file looks at the old one's fence once the new one can be found; whoever fences looks for new files until there are none.
"""

import errno
import fcntl
import mmap
import os
import re
import secrets
import threading
import time
import weakref
import zlib
from collections.abc import Sequence
from pathlib import Path
from struct import Struct

from incumbent.base.errors import InvalidInput, NotFound, Refused, Unavailable
from incumbent.usecases.spools import Spool, SpoolRead, SpoolWriter

MAGIC = b"INCSPL1\n"
FENCE_AT = len(MAGIC)
FRAMES_AT = 16
MARK = b"\xa7\x5b"
FRAME = Struct("<2sIQI")
CHECKED = Struct("<IQ")
PAYLOAD_BYTES_MAX = 2**20
"""Above any record that we write; a length beyond it is a flipped bit."""
SEGMENT_BYTES = 8 * 2**20
"""A new file from here on: bounds the disk that a long run holds, the memory of one look, and the work after a crash."""
DRAFT_AGE_S_MAX = 60.0
"""A file gets its name milliseconds after it is made."""

_NAME = re.compile(r"(?P<run>[A-Za-z0-9][A-Za-z0-9_-]*)\.(?P<writer>[ow][0-9a-f]{16})\.(?P<segment>[0-9]{4,})\.spool", re.ASCII)
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def frame(sequence: int, payload: bytes) -> bytes:
    """Return the bytes of one record."""
    crc = zlib.crc32(payload, zlib.crc32(CHECKED.pack(len(payload), sequence)))
    return FRAME.pack(MARK, len(payload), sequence, crc) + payload


def read_frames(data: bytes) -> tuple[list[tuple[int, bytes]], int, list[tuple[int, int]]]:
    """Return (records, bytes used, damaged stretches as (start, end)) of bytes that follow a header or a frame.

    What no frame follows is left unused: it may be a frame that is still being written. Numbers only rise: a frame of an
    older file in a reused disk block is not taken for a record.
    """
    records: list[tuple[int, bytes]] = []
    damaged: list[tuple[int, int]] = []
    least = at = 0
    while at < len(data):
        size = _whole_frame(data, at, least)
        if size:
            sequence = CHECKED.unpack_from(data, at + 2)[1]
            records.append((sequence, data[at + FRAME.size : at + size]))
            least = sequence + 1
            at += size
            continue
        found = _next_frame(data, at + 1, least)
        if found is None:
            break
        damaged.append((at, found))
        at = found
    return records, at, damaged


def _whole_frame(data: bytes, at: int, least: int) -> int:
    if at + FRAME.size > len(data):
        return 0
    mark, length, sequence, crc = FRAME.unpack_from(data, at)
    end: int = at + FRAME.size + length
    if mark != MARK or sequence < least or length > PAYLOAD_BYTES_MAX or end > len(data):
        return 0
    found = zlib.crc32(data[at + FRAME.size : end], zlib.crc32(data[at + 2 : at + 2 + CHECKED.size]))
    return end - at if found == crc else 0


def _next_frame(data: bytes, at: int, least: int) -> int | None:
    while (at := data.find(MARK, at)) != -1:
        if _whole_frame(data, at, least):
            return at
        at += 1
    return None


class DiskSpools:
    """The spools of a workspace, in one folder."""

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes

    def open(self, run_id: str, *, is_owner: bool) -> SpoolWriter:
        """See `Spools.open`."""
        writer = f"{'o' if is_owner else 'w'}{secrets.token_hex(8)}"
        if _NAME.fullmatch(f"{run_id}.{writer}.0000.spool") is None:
            raise InvalidInput(f"{run_id!r} cannot be a run id: letters, digits, - and _ only")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            return _Writer(self._folder, run_id, writer, self._segment_bytes)
        except OSError as error:
            raise _unavailable(f"nothing can be logged to {run_id}", self._folder, error) from error

    def _sweep(self) -> None:
        """Remove what a process left that was killed between making a file and giving it its name: no record was in it yet."""
        for path in self._folder.glob("*.new"):
            try:
                if time.time() - path.stat().st_mtime > DRAFT_AGE_S_MAX:
                    path.unlink()
            except FileNotFoundError:
                pass  # it has its name by now, or another process swept it

    def find(self, run_id: str | None = None) -> Sequence[Spool]:
        """See `Spools.find`."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unavailable("what runs have logged cannot be read", self._folder, error) from error
        matches = [found for name in names if (found := _NAME.fullmatch(name)) and run_id in (None, found["run"])]
        matches.sort(key=lambda found: (found["run"], found["writer"], int(found["segment"])))
        return [DiskSpool(self._folder / found[0], found["run"], found["writer"]) for found in matches]


def _unavailable(what: str, place: Path, error: OSError) -> Unavailable:
    if error.errno in _DISK_FULL:
        return Unavailable(f"{what}: the disk that holds {place} is full ({error.strerror}); free some space and log it again")
    return Unavailable(f"{what}: {place}: {error.strerror or error}; the folder must be writable, on a file system with locks (flock)")


class DiskSpool:
    """One file as found in the folder."""

    def __init__(self, path: Path, run_id: str, writer: str) -> None:
        self.run_id = run_id
        self.writer = writer
        self.name = path.name
        self.is_owner = writer.startswith("o")
        self._path = path

    def is_alive(self) -> bool:
        """See `Spool.is_alive`: whether the lock is held."""
        try:
            fd = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def read(self, position: int) -> SpoolRead:
        """See `Spool.read`. A stretch that is no record is a loss only once a record follows it, or nobody can finish it."""
        is_final = not self.is_alive()  # asked first: whatever a dead writer wrote is there by now
        at = max(position, FRAMES_AT)
        try:
            with self._path.open("rb", buffering=0) as file:
                file.seek(at)
                data = file.readall() or b""
        except FileNotFoundError as error:
            raise NotFound(f"{self.name} is gone: another process has stored its records") from error
        records, used, damaged = read_frames(data)
        if is_final and used < len(data):
            damaged.append((used, len(data)))
            used = len(data)
        losses = [
            f"{self.name}: bytes {at + start} to {at + end} are no record: a write that was cut off before it was acknowledged, or damage"
            for start, end in damaged
        ]
        return SpoolRead(records, at + used, is_final, losses)

    def fence(self) -> None:
        """See `Spool.fence`."""
        try:
            fd = os.open(self._path, os.O_WRONLY)
        except FileNotFoundError:
            return
        try:
            os.pwrite(fd, b"\x01", FENCE_AT)
        finally:
            os.close(fd)

    def remove(self) -> None:
        """See `Spool.remove`."""
        self._path.unlink(missing_ok=True)

    def set_aside(self) -> Path:
        """See `Spool.set_aside`: `.spool` becomes `.refused`."""
        target = self._path.with_suffix(".refused")
        self._path.replace(target)
        return target


class _Segment:
    """One open file of a writer: its descriptor carries the lock, its map shows the fence."""

    def __init__(self, folder: Path, run_id: str, writer: str, number: int) -> None:
        self.path = folder / f"{run_id}.{writer}.{number:04d}.spool"
        hidden = self.path.with_suffix(".new")  # nobody finds it before it is locked and has its header
        self.fd = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.write(self.fd, MAGIC.ljust(FRAMES_AT, b"\0")) < FRAMES_AT:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._head = mmap.mmap(self.fd, FRAMES_AT, prot=mmap.PROT_READ)
            hidden.rename(self.path)
        except BaseException:
            hidden.unlink(missing_ok=True)
            os.close(self.fd)
            raise

    def is_fenced(self) -> bool:
        return self._head[FENCE_AT] != 0

    def close(self) -> None:
        self._head.close()
        os.close(self.fd)


class _Writer:
    """See `SpoolWriter`. Safe to call from several threads; a forked child finds it closed."""

    def __init__(self, folder: Path, run_id: str, writer: str, segment_bytes: int) -> None:
        self.writer = writer
        self._folder = folder
        self._run_id = run_id
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        self._next = 0
        self._segments_begun = 1
        self._room = segment_bytes
        self._unsynced: list[_Segment] = []
        self._segment: _Segment | None = _Segment(folder, run_id, writer, 0)
        _writers.add(self)

    def append(self, payload: bytes, count: int = 1) -> None:
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise InvalidInput(
                f"one record of {len(payload)} bytes: at most {PAYLOAD_BYTES_MAX} can be logged at once; store it as an artifact"
            )
        with self._lock:
            segment = self._segment
            if segment is None:
                raise Refused(f"{self._run_id} takes no more records here: its recording has ended in this process")
            number = self._next
            self._next = number + count  # before the write: an interrupt after it must not give the number out twice
            data = frame(number, payload)
            try:
                written = os.write(segment.fd, data)
            except OSError as error:
                raise _unavailable(f"not logged to {self._run_id}", self._folder, error) from error
            if written != len(data):
                self._take_back(segment.fd, written)
            if segment.is_fenced():
                raise Refused(f"not logged: run {self._run_id} was sealed by another process; a sealed run takes notes only")
            self._room -= written
            if self._room <= 0:
                self._begin_segment(segment)

    def _take_back(self, fd: int, written: int) -> None:
        """Undo a short write. No reader has taken the torn frame for a record, so nobody stands beyond the cut."""
        end = os.lseek(fd, 0, os.SEEK_CUR) - written
        os.ftruncate(fd, end)
        os.lseek(fd, end, os.SEEK_SET)
        raise _unavailable(f"not logged to {self._run_id}", self._folder, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def _begin_segment(self, old: _Segment) -> None:
        try:
            new = _Segment(self._folder, self._run_id, self.writer, self._segments_begun)
        except OSError:
            return  # the present file serves on; the next append tries again
        self._segments_begun += 1
        if old.is_fenced():  # whoever did it may not have seen the new one: see 4 above
            new.path.unlink(missing_ok=True)
            new.close()
            return
        self._segment = new
        self._room = self._segment_bytes
        fcntl.flock(old.fd, fcntl.LOCK_UN)  # final from here on; the new one shows that its writer lives
        still_there = [one for one in (*self._unsynced, old) if os.fstat(one.fd).st_nlink]
        for gone in {*self._unsynced, old}.difference(still_there):
            gone.close()
        self._unsynced = still_there

    def sync(self) -> None:
        with self._lock:
            if self._segment is None:
                return
            try:
                for segment in (*self._unsynced, self._segment):
                    os.fsync(segment.fd)
                folder = os.open(self._folder, os.O_RDONLY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
            except OSError as error:
                raise _unavailable(f"what was logged to {self._run_id} may not outlive a power cut", self._folder, error) from error
            for segment in self._unsynced:
                segment.close()
            self._unsynced = []

    def close(self) -> None:
        with self._lock:
            segments, self._segment, self._unsynced = (*self._unsynced, self._segment), None, []
            for segment in segments:
                if segment is not None:
                    segment.close()


_writers: weakref.WeakSet[_Writer] = weakref.WeakSet()


def _close_in_child() -> None:
    """Let go of the parent's files: writes there would mix two sequences, and an open descriptor would keep the parent's lock alive."""
    for writer in _writers:
        writer._lock = threading.Lock()  # another thread of the parent may have held it; that thread is not here
        writer.close()


os.register_at_fork(after_in_child=_close_in_child)
