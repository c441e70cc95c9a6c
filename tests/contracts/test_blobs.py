"""The blob contract on memory, local disk and S3, and what only a disk can do wrong."""

import hashlib
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.blobs import MIB, BlobsContract, name_of, pattern
from incumbent.base.digest import Digest
from incumbent.base.errors import Conflict, Corrupt, InvalidInput, Unavailable
from incumbent.storage.blobs_local import open_local_blobs
from incumbent.storage.blobs_memory import MemoryBlobs
from incumbent.storage.blobs_s3 import open_s3_blobs
from incumbent.usecases.ports import Blobs


class TestMemoryBlobs(BlobsContract):
    @pytest.fixture
    def blobs(self) -> Blobs:
        return MemoryBlobs("blake3")

    @pytest.fixture
    def damage(self, blobs: MemoryBlobs) -> Callable[[Digest], None]:
        def flip(digest: Digest) -> None:
            data, at = blobs._kept[digest]
            blobs._kept[digest] = bytes([data[0] ^ 1]) + data[1:], at

        return flip


class TestS3Blobs(BlobsContract):
    @pytest.fixture
    def blobs(self, s3_url: str) -> Blobs:
        return open_s3_blobs(s3_url, "blake3")

    @pytest.fixture
    def damage(self, blobs: Blobs) -> Callable[[Digest], None]:
        def flip(digest: Digest) -> None:
            data = blobs.get(digest)
            blobs._store.put(blobs._key(digest), bytes([data[0] ^ 1]) + data[1:])  # type: ignore[attr-defined]

        return flip


def path_in(folder: Path, digest: Digest) -> Path:
    name = digest.partition(":")[2]
    return folder / name[:2] / name[2:]


class TestLocalBlobs(BlobsContract):
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "blobs"

    @pytest.fixture
    def blobs(self, folder: Path) -> Blobs:
        return open_local_blobs(folder, "blake3")

    @pytest.fixture
    def damage(self, folder: Path) -> Callable[[Digest], None]:
        return lambda digest: flip_bit(path_in(folder, digest))

    def test_putting_again_renews_a_blob_so_that_gc_leaves_it(self, blobs: Blobs) -> None:
        digest = blobs.put([b"x"]).digest
        time.sleep(0.02)  # file systems tick in milliseconds
        began = datetime.now(UTC)
        time.sleep(0.02)
        assert list(blobs.list_digests(before=began)) == [digest]
        blobs.put([b"x"])
        assert list(blobs.list_digests(before=began)) == []
        assert blobs.delete(digest, before=began) is False
        assert blobs.get(digest) == b"x"

    def test_a_same_size_edit_with_a_restored_time_is_found_by_a_reader_that_has_read_it_before(self, blobs: Blobs, folder: Path) -> None:
        digest = blobs.put([pattern(2 * MIB)]).digest
        blobs.open(digest).close()
        path = path_in(folder, digest)
        before = path.stat()
        flip_bit(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(Corrupt):
            blobs.open(digest)

    def test_a_damaged_blob_is_kept_for_the_one_who_is_called(self, blobs: Blobs, folder: Path) -> None:
        digest = blobs.put([b"evidence"]).digest
        flip_bit(path_in(folder, digest))
        with pytest.raises(Corrupt, match="it was moved to "):
            blobs.get(digest)
        [kept] = (folder / "quarantine").iterdir()
        assert kept.name.startswith(digest.partition(":")[2])

    def test_a_blob_cut_short_is_mended_by_putting_it_again(self, blobs: Blobs, folder: Path) -> None:
        digest = blobs.put([b"whole"]).digest
        path = path_in(folder, digest)
        path.chmod(0o644)
        path.write_bytes(b"wh")
        blobs.put([b"whole"])
        assert blobs.get(digest) == b"whole"

    def test_a_linked_file_is_the_blob_and_is_made_read_only(self, blobs: Blobs, folder: Path, tmp_path: Path) -> None:
        path = tmp_path / "big"
        path.write_bytes(pattern(2 * MIB))
        digest = blobs.put_file(path, link=True).digest
        assert path.samefile(path_in(folder, digest))
        assert stat.S_IMODE(path.stat().st_mode) & 0o222 == 0
        before = path.stat().st_mtime_ns
        assert blobs.put_file(path, link=True).digest == digest
        assert path.stat().st_mtime_ns == before

    def test_a_file_on_another_file_system_is_copied_instead_of_linked(self, blobs: Blobs, folder: Path) -> None:
        other = Path("/dev/shm")
        if not other.is_dir() or other.stat().st_dev == folder.stat().st_dev:
            pytest.skip("needs a second file system at /dev/shm")
        path = other / f"incumbent-test-{os.getpid()}"
        try:
            path.write_bytes(pattern(2 * MIB))
            digest = blobs.put_file(path, link=True).digest
            assert not path.samefile(path_in(folder, digest))
            assert blobs.get(digest) == pattern(2 * MIB)
            target = path.with_suffix(".out")
            try:
                blobs.fetch(digest, target)
                assert target.read_bytes() == pattern(2 * MIB)
            finally:
                target.unlink()
        finally:
            path.unlink()

    def test_a_file_that_is_being_written_is_refused_or_stored_as_it_was_at_one_moment(self, blobs: Blobs, tmp_path: Path) -> None:
        path = tmp_path / "log"
        path.write_bytes(bytes(6 * MIB))
        stop = threading.Event()

        def write() -> None:
            with path.open("ab", buffering=0) as file:
                while not stop.wait(0.0005):
                    file.write(b"x" * 1_000)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(10):
                try:
                    data = blobs.get(blobs.put_file(path).digest)
                except Conflict:
                    continue
                else:
                    assert data == bytes(6 * MIB) + b"x" * (len(data) - 6 * MIB)
        finally:
            stop.set()
            writer.join()

    def test_temporary_files_of_the_dead_are_cleared_and_those_of_the_living_are_not(self, folder: Path) -> None:
        blobs = open_local_blobs(folder, "blake3")
        with pytest.raises(ZeroDivisionError):
            blobs.put(boom(2 * MIB))
        assert list((folder / "incoming").iterdir()) == []
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        host = (
            __import__("incumbent.storage.blob_files", fromlist=["temporary_name"]).temporary_name().rpartition("-")[0].rpartition("-")[0]
        )
        ages = {f"{host}-{dead.pid}-aa": 3_600, f"{host}-{os.getpid()}-bb": 3_600, "elsewhere-1-cc": 3_600, "elsewhere-1-dd": 30 * 86_400}
        for name, age_s in ages.items():
            (folder / "incoming" / name).write_bytes(b"half")
            os.utime(folder / "incoming" / name, (time.time() - age_s,) * 2)
        open_local_blobs(folder, "blake3")
        assert sorted(path.name for path in (folder / "incoming").iterdir()) == sorted([f"{host}-{os.getpid()}-bb", "elsewhere-1-cc"])

    def test_a_full_disk_is_a_clear_error_and_leaves_no_half_blob(self, small_disk: Path, tmp_path: Path) -> None:
        blobs = open_local_blobs(small_disk / "blobs", "blake3")
        kept = blobs.put([b"kept"]).digest
        large = tmp_path / "large"
        large.write_bytes(bytes(3 * MIB))
        small = [tmp_path / str(n) for n in range(8)]
        for n, path in enumerate(small):
            path.write_bytes(pattern(200_000, n))
        for ask in (
            lambda: blobs.put([bytes(3 * MIB)]),
            lambda: blobs.put([bytes(MIB), b"x"]),
            lambda: blobs.put_file(large),
            lambda: blobs.put_file(large, link=True),
            lambda: blobs.put_files(small),
        ):
            with pytest.raises(Unavailable, match="the disk is full; free some space and run again. What was stored before is safe"):
                ask()
            assert list((small_disk / "blobs" / "incoming").iterdir()) == []
        assert list(blobs.list_digests()) == [kept]
        assert blobs.get(kept) == b"kept"

    def test_a_read_only_store_can_be_read_and_says_why_it_cannot_be_written(self, small_disk: Path) -> None:
        blobs = open_local_blobs(small_disk / "blobs", "blake3")
        digest = blobs.put([b"x"]).digest
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        assert blobs.get(digest) == b"x"
        with pytest.raises(Unavailable, match="not allowed to write there"):
            blobs.put([b"y"])

    def test_a_folder_that_cannot_be_made_is_unavailable(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(Unavailable, match="storing blobs in "):
            open_local_blobs(tmp_path / "file" / "blobs", "blake3")

    def test_many_processes_at_once_store_each_blob_once_and_whole(self, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=put_many, args=(folder,)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0, 0, 0]
        blobs = open_local_blobs(folder, "blake3")
        assert sorted(blobs.list_digests()) == sorted(name_of(pattern(5_000, n)) for n in range(40))
        assert all(blobs.get(name_of(pattern(5_000, n))) == pattern(5_000, n) for n in range(40))
        assert list((folder / "incoming").iterdir()) == []

    def test_a_deleter_never_takes_what_is_being_put_again(self, folder: Path) -> None:
        began = datetime.now(UTC)
        blobs = open_local_blobs(folder, "blake3")
        stop = threading.Event()

        def sweep() -> None:
            other = open_local_blobs(folder, "blake3")
            while not stop.is_set():
                for digest in other.list_digests():
                    other.delete(digest, before=began)

        sweeper = threading.Thread(target=sweep)
        sweeper.start()
        try:
            for n in range(300):
                digest = blobs.put([b"%d" % (n % 3)]).digest
                assert blobs.size(digest) is not None
        finally:
            stop.set()
            sweeper.join()

    @pytest.mark.parametrize("round_", range(6))
    def test_killed_at_any_moment_every_acknowledged_blob_is_there_and_sound(self, folder: Path, round_: int) -> None:
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline()]
        time.sleep(0.013 * round_)
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.stdout.read().splitlines(keepends=True)
        writer.stdout.close()
        writer.wait()
        whole = [Digest(line.decode().strip()) for line in acknowledged if line.endswith(b"\n")]
        blobs = open_local_blobs(folder, "blake3")
        assert whole
        assert all(name_of(blobs.get(digest)) == digest for digest in [*whole, *blobs.list_digests()])
        assert blobs.get(blobs.put([b"the next run"]).digest) == b"the next run"


WRITER = textwrap.dedent("""
    import os, sys
    from pathlib import Path
    from incumbent.storage.blobs_local import open_local_blobs
    folder = Path(sys.argv[1])
    blobs = open_local_blobs(folder, "blake3")
    paths = [folder / f"source-{n}" for n in range(5)]
    n = 0
    while True:
        for path in paths:
            path.write_bytes(os.urandom(3_000))
        for stored in [blobs.put([os.urandom(10)]), blobs.put([os.urandom(1_500_000)]), *blobs.put_files(paths)]:
            os.write(1, stored.digest.encode() + b"\\n")
""")


def put_many(folder: Path) -> None:
    blobs = open_local_blobs(folder, "blake3")
    for n in range(40):
        blobs.put([pattern(5_000, n)])


def boom(size: int):
    yield bytes(size)
    raise ZeroDivisionError


def flip_bit(path: Path) -> None:
    with path.open("rb") as file:
        first = file.read(1)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(bytes([first[0] ^ 1]))
    path.chmod(0o444)


def test_a_workspace_may_name_blobs_by_sha256_alone(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(pattern(9 * MIB))
    for blobs in (MemoryBlobs("sha256"), open_local_blobs(tmp_path / "blobs", "sha256")):
        assert blobs.put([b"x"]).digest == "sha256:" + hashlib.sha256(b"x").hexdigest()
        assert blobs.put_file(large).digest == "sha256:" + hashlib.sha256(pattern(9 * MIB)).hexdigest()


@pytest.mark.parametrize("url", ["s3://", "http://host/x", "s3://b/../c", "s3://key:secret@b/x", "s3://b/x?y=1"])
def test_what_is_no_s3_address_is_refused_in_words(url: str) -> None:
    with pytest.raises(InvalidInput, match="is not an S3 address"):
        open_s3_blobs(url, "blake3")


def test_an_s3_server_that_is_away_is_unavailable(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = open_s3_blobs("s3://no-such-bucket-here/x", "blake3")
    with pytest.raises(Unavailable, match="check the address and the credentials"):
        blobs.put([b"x"])
