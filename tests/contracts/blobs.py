"""What every blob store does. A subclass says which one: fixtures `blobs`, and `damage` to flip a bit behind its back."""

import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from blake3 import blake3

from incumbent.base.digest import Digest
from incumbent.base.errors import Conflict, Corrupt, InvalidInput, NotFound
from incumbent.usecases.ports import Blobs

HOSTILE = [
    "",
    "blake3:",
    "blake3:../../../../etc/passwd",
    "blake3:" + "A" * 64,
    "blake3:" + "0" * 63,
    "blake3:" + "0" * 65,
    "blake3:" + "0" * 62 + "/x",
    "blake3:" + "0" * 64 + "\n",
    "blake3:" + chr(0x660) * 64,
    "md5:" + "0" * 64,
    "blake3:..%2f" + "0" * 58,
    "../" + "0" * 64,
    "blake3:" + "0" * 63 + "\0",
]
ABSENT = Digest("blake3:" + "0" * 64)
MIB = 1 << 20
SIZES = [0, 1, 1023, 65_536, MIB - 1, MIB, MIB + 1, 9 * MIB + 7]


def name_of(data: bytes) -> Digest:
    return Digest("blake3:" + blake3(data).hexdigest())


def pattern(size: int, seed: int = 0) -> bytes:
    return hashlib.shake_128(bytes([seed])).digest(size)


class BlobsContract:
    """Every rule of the port `Blobs`."""

    @pytest.mark.parametrize("size", SIZES)
    def test_what_was_put_is_read_back_under_the_digest_of_its_bytes(self, blobs: Blobs, tmp_path: Path, size: int) -> None:
        data = pattern(size)
        stored = blobs.put(data[at : at + 100_000] for at in range(0, size, 100_000))
        assert (stored.digest, stored.size) == (name_of(data), size)
        assert blobs.get(stored.digest) == data
        with blobs.open(stored.digest) as file:
            assert file.read() == data
        blobs.fetch(stored.digest, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == data
        assert (tmp_path / "copy").stat().st_mode & 0o222 == 0
        assert blobs.size(stored.digest) == size

    @pytest.mark.parametrize("chunks", [[], [b""], [b"", b"a", b"", b"bc"], [bytes(MIB), b"", b"x"], [b"x" * 700_000] * 3])
    def test_the_digest_does_not_depend_on_how_the_bytes_are_cut(self, blobs: Blobs, chunks: list[bytes]) -> None:
        assert blobs.put(chunks).digest == name_of(b"".join(chunks))

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("link", [False, True])
    def test_a_file_is_stored_as_its_bytes(self, blobs: Blobs, tmp_path: Path, size: int, link: bool) -> None:
        path = tmp_path / "file"
        path.write_bytes(pattern(size))
        stored = blobs.put_file(path, link=link)
        assert stored.digest == name_of(pattern(size))
        assert stored.size == size
        assert blobs.get(stored.digest) == path.read_bytes() == pattern(size)

    def test_an_open_blob_can_be_sought_in(self, blobs: Blobs) -> None:
        data = pattern(3 * MIB)
        with blobs.open(blobs.put([data]).digest) as file:
            file.seek(2 * MIB)
            assert file.read(10) == data[2 * MIB : 2 * MIB + 10]
            file.seek(-5, os.SEEK_END)
            assert file.read() == data[-5:]

    def test_putting_twice_stores_once(self, blobs: Blobs) -> None:
        assert blobs.put([b"same"]) == blobs.put([b"sa", b"me"])
        assert list(blobs.list_digests()) == [name_of(b"same")]

    def test_many_files_come_back_in_order_equal_ones_and_large_ones_among_them(self, blobs: Blobs, tmp_path: Path) -> None:
        contents = [pattern(20_000, n % 7) for n in range(30)] + [b"", pattern(2 * MIB)]
        paths = [tmp_path / str(n) for n in range(len(contents))]
        for path, data in zip(paths, contents, strict=True):
            path.write_bytes(data)
        for _ in range(2):
            stored = blobs.put_files(paths)
            assert [(found.digest, found.size) for found in stored] == [(name_of(data), len(data)) for data in contents]
        assert sorted(blobs.list_digests()) == sorted({name_of(data) for data in contents})
        assert all(blobs.get(name_of(data)) == data for data in contents)

    @pytest.mark.parametrize("sizes", [[10], [10, 2 * MIB]])
    def test_a_writer_that_fails_midway_leaves_nothing(self, blobs: Blobs, sizes: list[int]) -> None:
        def chunks() -> Iterator[bytes]:
            for size in sizes:
                yield bytes(size)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            blobs.put(chunks())
        assert list(blobs.list_digests()) == []

    def test_what_is_not_there_is_not_found(self, blobs: Blobs, tmp_path: Path) -> None:
        assert blobs.size(ABSENT) is None
        assert blobs.delete(ABSENT) is False
        for ask in (blobs.get, blobs.open, lambda digest: blobs.fetch(digest, tmp_path / "x")):
            with pytest.raises(NotFound, match=f"no blob {ABSENT}"):
                ask(ABSENT)
        assert not (tmp_path / "x").exists()

    def test_a_digest_of_the_other_algorithm_is_not_found(self, blobs: Blobs) -> None:
        blobs.put([b"x"])
        with pytest.raises(NotFound, match="names blobs by blake3"):
            blobs.get(Digest("sha256:" + hashlib.sha256(b"x").hexdigest()))

    @pytest.mark.parametrize("text", HOSTILE)
    def test_no_method_takes_what_is_not_a_digest(self, blobs: Blobs, tmp_path: Path, text: str) -> None:
        digest = Digest(text)
        asks: list[Callable[[], object]] = [
            lambda: blobs.get(digest),
            lambda: blobs.open(digest),
            lambda: blobs.size(digest),
            lambda: blobs.delete(digest),
            lambda: blobs.fetch(digest, tmp_path / "x"),
        ]
        for ask in asks:
            with pytest.raises(InvalidInput, match="is not a digest"):
                ask()

    @pytest.mark.parametrize("size", [1, 50_000, 5 * MIB])
    def test_a_flipped_bit_is_found_on_every_way_of_reading_and_mended_by_putting_again(
        self, blobs: Blobs, damage: Callable[[Digest], None], tmp_path: Path, size: int
    ) -> None:
        data = pattern(size)
        for read in (blobs.get, blobs.open, lambda digest: blobs.fetch(digest, tmp_path / "x")):
            digest = blobs.put([data]).digest
            damage(digest)
            with pytest.raises(Corrupt, match=f"blob {digest} is damaged: its bytes have digest blake3:"):
                read(digest)
            assert not (tmp_path / "x").exists()
            with pytest.raises(NotFound):
                read(digest)
            assert list(blobs.list_digests()) == []
        assert blobs.get(blobs.put([data]).digest) == data

    def test_nothing_is_written_over(self, blobs: Blobs, tmp_path: Path) -> None:
        digest = blobs.put([b"new"]).digest
        (tmp_path / "mine").write_bytes(b"old")
        with pytest.raises(Conflict, match="exists already"):
            blobs.fetch(digest, tmp_path / "mine")
        assert (tmp_path / "mine").read_bytes() == b"old"
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["mine"]

    def test_a_fetched_copy_is_complete_or_absent_where_it_cannot_be(self, blobs: Blobs, tmp_path: Path) -> None:
        from incumbent.base.errors import Unavailable

        with pytest.raises(Unavailable, match="writing"):
            blobs.fetch(blobs.put([b"x"]).digest, tmp_path / "no" / "such" / "folder")

    def test_bad_files_are_named(self, blobs: Blobs, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        for path, error, words in (
            (tmp_path / "none", NotFound, "none does not exist"),
            (tmp_path, InvalidInput, "is a folder"),
            (tmp_path / "pipe", InvalidInput, "no regular file"),
            (Path("/dev/zero"), InvalidInput, "no regular file"),
        ):
            for ask in (blobs.put_file, lambda path: blobs.put_files([path])):
                with pytest.raises(error, match=words):
                    ask(path)
        assert list(blobs.list_digests()) == []

    @pytest.mark.parametrize("link", [False, True])
    def test_a_file_that_gives_more_than_its_size_has_changed(self, blobs: Blobs, link: bool) -> None:
        path = Path("/proc/version")  # says that it has 0 bytes, and gives some: what a file that grows looks like
        if not path.exists():
            pytest.skip("needs Linux's /proc")
        with pytest.raises(Conflict, match="changed while it was read"):
            blobs.put_file(path, link=link)
        assert list(blobs.list_digests()) == []

    def test_only_what_was_put_before_a_time_is_listed_and_deleted(self, blobs: Blobs) -> None:
        digest = blobs.put([b"x"]).digest
        past, future = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
        assert list(blobs.list_digests(before=past)) == []
        assert blobs.delete(digest, before=past) is False
        assert blobs.get(digest) == b"x"
        assert list(blobs.list_digests(before=future)) == [digest]
        assert blobs.delete(digest, before=future) is True
        assert blobs.delete(digest) is False
        assert blobs.size(digest) is None
