import os
import stat
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from incumbent.base.digest import digest_bytes
from incumbent.base.errors import Conflict, InvalidInput, NotFound
from incumbent.pipeline.source import file, folder


def forbid_reading(project, monkeypatch):
    def read(*_, **__):
        raise AssertionError("an unchanged file was read")

    monkeypatch.setattr(type(project.blobs), "put_files", read)
    monkeypatch.setattr(type(project.blobs), "put_file", read)


def test_a_file_is_captured_under_its_own_name_with_the_digest_of_its_bytes(project):
    project.write("data/flights.csv", b"a,b\n1,2\n")
    captured = project.capture(file("data/flights.csv"))
    assert (captured.artifact.codec, captured.artifact.name, captured.artifact.size) == ("file", "flights.csv", 8)
    assert captured.artifact.digest == digest_bytes(b"a,b\n1,2\n")
    assert captured.version == "8 bytes"
    assert project.read(captured) == b"a,b\n1,2\n"


def test_an_unchanged_file_is_known_by_its_stat_in_this_process_and_the_next(project, monkeypatch):
    project.write("a.csv", b"1")
    project.settle()
    first = project.capture(file("a.csv"))
    forbid_reading(project, monkeypatch)
    assert project.capture(file("a.csv")) == first
    again = project.again()
    assert again.capture(file("a.csv")) == first
    again.cache.close()


def test_a_same_size_edit_with_a_restored_mtime_is_captured_anew(project):
    path = project.write("a.csv", b"AAAA")
    project.settle()
    project.capture(file("a.csv"))
    was = path.stat().st_mtime_ns
    path.write_bytes(b"BBBB")
    os.utime(path, ns=(was, was))
    assert project.read(project.capture(file("a.csv"))) == b"BBBB"


def test_two_writes_within_one_tick_of_the_clock_are_told_apart(project):
    path = project.root / "a.csv"
    for content in (b"%04d" % number for number in range(200)):
        path.write_bytes(content)
        assert project.capture(file("a.csv")).artifact.digest == digest_bytes(content)


def test_a_linked_file_becomes_read_only_and_is_not_copied(project, monkeypatch):
    path = project.write("big.bin", b"x" * 100_000)
    project.settle()
    first = project.capture(file("big.bin", link=True))
    assert not stat.S_IMODE(path.stat().st_mode) & 0o222
    assert path.stat().st_nlink == 2
    assert project.read(first) == b"x" * 100_000
    forbid_reading(project, monkeypatch)
    assert project.capture(file("big.bin", link=True)) == first


def test_a_collected_blob_is_taken_in_again(project):
    project.write("a.csv", b"1")
    project.settle()
    first = project.capture(file("a.csv"))
    project.blobs.delete(first.artifact.digest)
    assert project.read(project.capture(file("a.csv"))) == b"1"


def test_anew_reads_again_what_the_cache_would_vouch_for(project):
    for name in ("one", "two"):
        project.write(f"data/{name}", name.encode())
    project.settle()
    project.capture(folder("data"))
    project.blobs.delete(digest_bytes(b"two"))
    assert project.tree(project.capture(folder("data"), anew=True))["two"] == (b"two", False)


def test_a_flipped_bit_in_the_cached_digest_heals_itself(project):
    import sqlite3

    project.write("a.csv", b"1")
    project.settle()
    first = project.capture(file("a.csv"))
    project.cache.close()
    with sqlite3.connect(project.root / ".incumbent/stat.db") as connection:
        connection.execute("UPDATE files SET digest = ?", (digest_bytes(b"something else"),))
    connection.close()
    assert project.capture(file("a.csv")) == first


@pytest.mark.parametrize("location", ["data", "pipe", "gone", "../x", "loop"])
def test_what_is_no_file_is_named_and_nothing_is_opened(project, location):
    project.write("data/a.csv")
    os.mkfifo(project.root / "pipe")
    (project.root / "loop").symlink_to("loop")
    with pytest.raises((InvalidInput, NotFound), match=location):
        project.capture(file(location))


def test_a_file_that_may_not_be_read_is_bad_input(project):
    path = project.write("secret.csv", b"1")
    path.chmod(0)
    project.root.chmod(0o755)
    if os.geteuid() == 0:  # root may read everything, so somebody else tries
        for above in list(project.root.parents)[:3]:
            above.chmod(0o711)
        for own in (project.root / ".incumbent", *(project.root / ".incumbent").rglob("*")):
            own.chmod(0o777)
        os.seteuid(65534)
    try:
        with pytest.raises(InvalidInput, match=r"secret\.csv cannot be read: (?i:permission denied)"):
            project.capture(file("secret.csv"))
    finally:
        os.seteuid(os.getuid())


def test_a_folder_is_a_tree_of_names_bytes_and_executable_bits(project):
    project.write("data/b.csv", b"2")
    project.write("data/sub/a.csv", b"1")
    project.write("data/run.sh", b"#!").chmod(0o755)
    project.write("data/.hidden", b"h")
    captured = project.capture(folder("data"))
    assert project.tree(captured) == {"b.csv": (b"2", False), "run.sh": (b"#!", True), "sub/a.csv": (b"1", False)}
    assert (captured.artifact.name, captured.artifact.size, captured.version, captured.facts) == (
        "data",
        4,
        "3 files, 4 bytes",
        {"files": 3},
    )
    assert project.tree(project.capture(folder("data", pattern="*.csv"))) == {"b.csv": (b"2", False)}


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: (data / "a").write_bytes(b"B"),
        lambda data: (data / "new").write_bytes(b"n"),
        lambda data: (data / "b").unlink(),
        lambda data: (data / "b").rename(data / "c"),
        lambda data: (data / "a").chmod(0o755),
        lambda data: ((data / "a").rename(data / "t"), (data / "b").rename(data / "a"), (data / "t").rename(data / "b")),
    ],
    ids=["edit", "add", "remove", "rename", "make executable", "swap"],
)
def test_every_change_of_a_folder_changes_its_digest_and_signature(project, edit):
    project.write("data/a", b"A")
    project.write("data/b", b"C")
    project.settle()
    first, signature = project.capture(folder("data")), project.sources.signature(folder("data"))
    assert project.capture(folder("data")) == first
    assert project.sources.signature(folder("data")) == signature is not None
    edit(project.root / "data")
    project.settle()
    assert project.sources.signature(folder("data")) != signature
    second = project.capture(folder("data"))
    assert second.artifact.digest != first.artifact.digest
    assert project.tree(second) == {
        path.name: (path.read_bytes(), bool(path.stat().st_mode & 0o100)) for path in (project.root / "data").iterdir()
    }


def test_the_same_folder_elsewhere_has_the_same_digest(project):
    for place in ("one/data", "two/data"):
        project.write(f"{place}/x/a", b"A")
        project.write(f"{place}/b", b"B")
    assert project.capture(folder("one/data")).artifact == project.capture(folder("two/data")).artifact


def test_an_unchanged_folder_is_not_read_and_one_edit_reads_one_file(project, monkeypatch):
    for number in range(50):
        project.write(f"data/{number:02}", b"%d" % number)
    project.settle()
    first = project.capture(folder("data"))
    project.write("data/07", b"seven")
    project.settle()
    real, seen = type(project.blobs).put_files, []
    monkeypatch.setattr(type(project.blobs), "put_files", lambda blobs, paths, **how: seen.extend(paths) or real(blobs, paths, **how))
    second = project.capture(folder("data"))
    assert [path.name for path in seen] == ["07"]
    assert project.tree(second)["07"] == (b"seven", False)
    forbid_reading(project, monkeypatch)
    assert project.capture(folder("data")) == second != first


def test_a_linked_folder_keeps_its_digest_when_it_is_captured_again(project, monkeypatch):
    project.write("data/run.sh", b"#!").chmod(0o755)
    project.write("data/same", b"S")
    project.write("data/too", b"S")
    project.settle()
    first = project.capture(folder("data", link=True))
    second = project.capture(folder("data", link=True))
    assert second == first
    assert project.tree(first) == {"run.sh": (b"#!", False), "same": (b"S", False), "too": (b"S", False)}


@pytest.mark.parametrize("name", ["a b", "ü.csv", "'; DROP TABLE files; --", "line\nend", "-rf", "*", "%s", "{x}", "\u202egpj.exe"])
def test_odd_names_come_through(project, name):
    project.write(f"data/{name}", b"odd")
    assert project.tree(project.capture(folder("data"))) == {name: (b"odd", False)}
    assert project.capture(file(f"data/{name}")).artifact.name == name


@pytest.mark.parametrize("name", ["a\\b", "caf\udce9"])
def test_names_that_no_recipe_can_hold_are_refused(project, name):
    project.write(f"data/{name}")
    for spec in (folder("data"), file(f"data/{name}")):
        with pytest.raises(InvalidInput, match=r"the file name .*(backslash|UTF-8)"):
            project.capture(spec)


def capture_often(project, spec):
    for _ in range(200):
        project.capture(spec)


APPENDER = """
import sys, time
with open(sys.argv[1], "ab", buffering=0) as file:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        file.write(b"more\\n" * 50)
"""


def test_a_file_that_is_written_while_it_is_read_is_a_conflict_or_a_whole_state_of_it(project):
    path = project.write("live.csv", b"row\n" * 2_000_000)
    writer = subprocess.Popen([sys.executable, "-c", APPENDER, str(path)])
    try:
        while path.stat().st_size == 8_000_000:
            time.sleep(0.01)
        with pytest.raises(Conflict, match=r"live\.csv.* changed while"):
            capture_often(project, file("live.csv"))
    finally:
        writer.kill()
        writer.wait()
    settled = project.capture(file("live.csv"))
    assert settled.artifact.digest == digest_bytes(path.read_bytes())


@pytest.mark.parametrize("change", ["append", "same size, mtime restored", "replace"])
def test_a_file_that_changes_between_stat_and_read_is_a_conflict(project, monkeypatch, change):
    path = project.write("data/a.csv", b"AAAA")
    project.write("data/b.csv", b"CCCC")
    project.settle()
    was = path.stat().st_mtime_ns
    real = type(project.blobs).put_files

    def put_files(blobs, paths, **how):
        stored = real(blobs, paths, **how)
        if change == "append":
            path.write_bytes(b"AAAAB")
        elif change == "replace":
            project.write("data/.new", b"BBBB").rename(path)
        else:
            path.write_bytes(b"BBBB")
            os.utime(path, ns=(was, was))
        return stored

    for spec in (file("data/a.csv"), folder("data")):
        monkeypatch.setattr(type(project.blobs), "put_files", put_files)
        with pytest.raises(Conflict, match=r"a\.csv changed while it was being read, so nothing was taken in; run again"):
            project.capture(spec)
        monkeypatch.undo()
        assert project.sources.capture(spec).artifact.size in (4, 5, 8, 9)
        assert project.read(project.capture(file("data/a.csv"))) == path.read_bytes()
        path.write_bytes(b"AAAA")
        project.settle()


def test_a_file_that_comes_while_a_folder_is_read_is_a_conflict(project, monkeypatch):
    project.write("data/a.csv", b"A")
    real = type(project.blobs).put_files

    def put_files(blobs, paths, **how):
        project.write("data/late.csv", b"L")
        return real(blobs, paths, **how)

    monkeypatch.setattr(type(project.blobs), "put_files", put_files)
    with pytest.raises(Conflict, match=r"late\.csv changed while"):
        project.capture(folder("data"))


def test_progress_tells_bytes_done_and_in_all(project):
    for number in range(3):
        project.write(f"data/{number}", b"x" * (number + 1))
    seen = []
    project.capture(folder("data"), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(6, 6)]


def test_a_signature_holds_files_and_folders_and_none_is_given_for_a_fresh_file(project):
    path = project.write("data/a", b"A")
    assert project.sources.signature(file("data/a")) is None
    project.settle()
    found = path.stat()
    own = (str(path), 1, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    assert project.sources.signature(file("data/a")) == (own,)
    above = (project.root / "data").stat()
    assert project.sources.signature(folder("data")) == (
        (str(project.root / "data"), above.st_size, above.st_mtime_ns, above.st_ctime_ns, above.st_ino), own
    )  # fmt: skip


def test_a_retargeted_link_changes_the_signature_and_the_data(project):
    project.write("v1/a", b"1")
    project.write("v2/a", b"2")
    (project.root / "latest").symlink_to("v1")
    project.settle()
    first, signature = project.capture(file("latest/a")), project.sources.signature(file("latest/a"))
    (project.root / "latest").unlink()
    (project.root / "latest").symlink_to("v2")
    assert project.sources.signature(file("latest/a")) != signature
    assert (project.read(first), project.read(project.capture(file("latest/a")))) == (b"1", b"2")


def test_observing_tells_files_and_variables_apart_by_content(project, monkeypatch):
    path = project.write("settings.toml", b"x = 1")
    project.settle()
    assert project.sources.observe("file", "settings.toml") == digest_bytes(b"x = 1")
    assert project.sources.observe("file", "settings.toml") == digest_bytes(b"x = 1")
    was = path.stat().st_mtime_ns
    path.write_bytes(b"x = 2")
    os.utime(path, ns=(was, was))
    assert project.sources.observe("file", "settings.toml") == digest_bytes(b"x = 2")
    assert project.sources.observe("file", "gone.toml") == ""
    monkeypatch.setenv("SETTING", "5")
    assert project.sources.observe("env", "SETTING") == digest_bytes(b"5")
    monkeypatch.delenv("SETTING")
    assert project.sources.observe("env", "SETTING") == ""


def test_observing_a_pipe_does_not_hang(project):
    os.mkfifo(project.root / "pipe")
    assert project.sources.observe("file", "pipe") == ""


def test_linking_or_not_is_no_part_of_a_files_identity(project):
    project.write("a.csv", b"1")
    plain = file("a.csv")
    assert project.capture(plain).artifact == project.capture(replace(plain, link=True)).artifact
