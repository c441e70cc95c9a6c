import os
import sqlite3
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incumbent.base.digest import digest_bytes
from incumbent.execution.stat_cache import RACY_NS, FileStat, StatCache, file_stat, is_racy

HOUR_NS = 3600 * 10**9


@pytest.fixture
def cache(tmp_path):
    cache = StatCache(tmp_path / "stat.db")
    yield cache
    cache.close()


def stamp_of(path):
    return file_stat(str(path), os.stat(path))


def remember(cache, path):
    stamp = stamp_of(path)
    cache.record([(stamp, digest_bytes(path.read_bytes()))])
    return stamp


def test_an_unchanged_file_is_known_and_another_is_not(cache, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    remember(cache, one)
    assert cache.find([stamp_of(one), stamp_of(other)]) == {str(one): digest_bytes(b"1")}


def test_a_same_size_edit_with_a_restored_mtime_is_caught(cache, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"AAAA")
    before = remember(cache, path)
    time.sleep(0.02)
    path.write_bytes(b"BBBB")
    os.utime(path, ns=(before.mtime_ns, before.mtime_ns))
    after = stamp_of(path)
    assert (after.size, after.mtime_ns, after.inode) == (before.size, before.mtime_ns, before.inode)
    assert cache.find([after]) == {}


def test_a_file_that_took_the_place_of_another_is_not_taken_for_it(cache, tmp_path):
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"AAAA")
    other.write_bytes(b"BBBB")
    stamp = remember(cache, path)
    os.replace(other, path)
    os.utime(path, ns=(stamp.mtime_ns, stamp.mtime_ns))
    assert cache.find([stamp_of(path)]) == {}


@pytest.mark.parametrize("field", ["size", "mtime_ns", "ctime_ns", "inode", "device"])
def test_each_field_of_the_stamp_counts(cache, field):
    stamp = FileStat("/data/a", 4, 10, 20, 30, 40, 0o100644)
    cache.record([(stamp, digest_bytes(b"AAAA"))])
    assert cache.find([stamp]) == {"/data/a": digest_bytes(b"AAAA")}
    assert cache.find([stamp._replace(mode=0o100600)]) == {"/data/a": digest_bytes(b"AAAA")}
    assert cache.find([stamp._replace(**{field: getattr(stamp, field) + 1})]) == {}


@pytest.mark.parametrize(("age_ns", "expected"), [(0, True), (RACY_NS - 1, True), (RACY_NS, False), (HOUR_NS, False), (-HOUR_NS, True)])
def test_a_stamp_as_fresh_as_the_reading_is_racy_and_so_is_one_from_the_future(age_ns, expected):
    now = 1_700_000_000 * 10**9
    assert is_racy(FileStat("/a", 1, 0, now - age_ns, 1, 1, 0), now) is expected


@pytest.mark.parametrize("inode", [2**63 - 1, 2**63, 2**64 - 1])
def test_inodes_of_64_bits_fit_and_stay_apart(cache, inode):
    found = SimpleNamespace(st_size=4, st_mtime_ns=1, st_ctime_ns=1, st_ino=inode, st_dev=2**64 - 5, st_mode=0o100644)
    stamp = file_stat("/a", found)
    cache.record([(stamp, digest_bytes(b"x"))])
    assert cache.find([stamp]) == {"/a": digest_bytes(b"x")}


def test_more_files_than_one_statement_can_name(cache):
    stamps = [FileStat(f"/data/{number}", number, 1, 1, number, 1, 0) for number in range(70_000)]
    cache.record((stamp, digest_bytes(b"x")) for stamp in stamps)
    assert len(cache.find(stamps)) == 70_000


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.binary(min_size=1, max_size=60).filter(lambda name: b"\0" not in name))
def test_any_file_name_can_be_remembered(cache, name):
    stamp = FileStat(os.fsdecode(b"/data/" + name), 1, 1, 1, 1, 1, 0)
    cache.record([(stamp, digest_bytes(name))])
    assert cache.find([stamp]) == {stamp.path: digest_bytes(name)}


def test_a_note_holds_while_its_stamp_does(cache):
    cache.record_notes([("s3://b/k", "etag-1", "blob 1"), ("s3://b/j", "etag-9", "blob 9")])
    assert cache.find_notes({"s3://b/k": "etag-1", "s3://b/j": "etag-10", "s3://b/i": ""}) == {"s3://b/k": "blob 1"}
    cache.record_notes([("s3://b/k", "etag-2", "blob 2")])
    assert cache.find_notes({"s3://b/k": "etag-1"}) == {}
    assert cache.find_notes({"s3://b/k": "etag-2"}) == {"s3://b/k": "blob 2"}


def works(cache):
    stamp = FileStat("/data/new", 4, 10, 20, 30, 40, 0)
    cache.record([(stamp, digest_bytes(b"new"))])
    return cache.find([stamp]) == {"/data/new": digest_bytes(b"new")}


@pytest.mark.parametrize(
    "content", [b"", b"not a database", b"SQLite format 3\0" + b"\xff" * 4080, b"\0" * 8192], ids=["empty", "text", "head only", "zeros"]
)
def test_a_corrupt_cache_is_thrown_away_and_begun_anew(tmp_path, content):
    (tmp_path / "stat.db").write_bytes(content)
    cache = StatCache(tmp_path / "stat.db")
    assert cache.find([FileStat("/a", 1, 1, 1, 1, 1, 0)]) == {}
    assert works(cache)
    cache.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300), is_headed=st.booleans())
def test_random_bytes_as_a_cache_are_never_an_error(tmp_path_factory, content, is_headed):
    path = tmp_path_factory.mktemp("cache") / "stat.db"
    path.write_bytes(b"SQLite format 3\0" * is_headed + content)
    cache = StatCache(path)
    assert works(cache)
    cache.close()


def test_every_page_of_the_cache_may_rot(tmp_path):
    path = tmp_path / "stat.db"
    stamps = [FileStat(f"/data/{number}", number, 1, 1, number, 1, 0) for number in range(500)]
    cache = StatCache(path)
    cache.record((stamp, digest_bytes(str(stamp.size).encode())) for stamp in stamps)
    cache.close()
    sound = path.read_bytes()
    for start in range(0, len(sound), 4096):
        path.write_bytes(sound[:start] + b"\xa5" * 4096 + sound[start + 4096 :])
        cache = StatCache(path)
        for file, digest in cache.find(stamps).items():
            assert digest == digest_bytes(file.rpartition("/")[2].encode())
        assert works(cache)
        cache.close()


@pytest.mark.parametrize(
    "statement",
    ["DROP TABLE files", "PRAGMA user_version = 99", "ALTER TABLE files RENAME COLUMN digest TO d", "UPDATE files SET digest = 'x'"],
)
def test_a_cache_of_another_layout_or_with_damaged_rows_is_begun_anew(tmp_path, statement):
    cache = StatCache(tmp_path / "stat.db")
    stamp = FileStat("/data/a", 1, 1, 1, 1, 1, 0)
    cache.record([(stamp, digest_bytes(b"a"))])
    cache.close()
    with sqlite3.connect(tmp_path / "stat.db") as connection:
        connection.execute(statement)
    connection.close()
    assert cache.find([stamp]) == {}
    assert works(cache)
    cache.close()


@pytest.mark.parametrize("kind", ["folder", "pipe", "nowhere"])
def test_a_cache_that_cannot_be_opened_remembers_nothing_and_is_no_error(tmp_path, kind):
    path = tmp_path / "stat.db"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path = tmp_path / "no" / "such" / "folder" / "stat.db"
    cache = StatCache(path)
    stamp = FileStat("/data/a", 1, 1, 1, 1, 1, 0)
    cache.record([(stamp, digest_bytes(b"a"))])
    assert cache.find([stamp]) == {}
    cache.close()
    assert path.exists() is (kind != "nowhere")


WRITER = """
import sys
from pathlib import Path
from incumbent.base.digest import digest_bytes
from incumbent.execution.stat_cache import FileStat, StatCache
cache = StatCache(Path(sys.argv[1]))
for number in range(200):
    stamp = FileStat(f"/{sys.argv[2]}/{number}", number, 1, 1, 1, 1, 0)
    cache.record([(stamp, digest_bytes(sys.argv[2].encode()))])
    assert cache.find([stamp])
"""


def test_two_processes_at_once_remember_both(tmp_path):
    path = tmp_path / "stat.db"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in ("one", "two")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    cache = StatCache(path)
    stamps = [FileStat(f"/{name}/{number}", number, 1, 1, 1, 1, 0) for name in ("one", "two") for number in range(200)]
    assert len(cache.find(stamps)) == 400
    cache.close()


def test_threads_share_one_cache(cache):
    def work(name):
        for number in range(50):
            cache.record([(FileStat(f"/{name}/{number}", 1, 1, 1, 1, 1, 0), digest_bytes(b"x"))])

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cache.find([FileStat(f"/{name}/{number}", 1, 1, 1, 1, 1, 0) for name in range(4) for number in range(50)])) == 200
