"""The store contract on SQLite (memory and file) and PostgreSQL; what two processes do to each other; what a file can be."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import pytest

from contracts.store import StoreContract
from contracts.store_values import NOW, digest, make_run
from incumbent.base.errors import Conflict, Corrupt, InvalidInput, Unavailable
from incumbent.base.metric import MetricPoint
from incumbent.storage.sql_store import SqlStore, open_sql_store
from incumbent.storage.sqlite import SqliteDatabase
from incumbent.tracking.search import parse_query
from ledgers import MemoryKeys, begin, put


class TestSqliteInMemory(StoreContract):
    @pytest.fixture
    def url(self) -> str:
        return "sqlite://"


class SharedStore:
    """What holds where several processes open one store."""

    def test_two_processes_that_open_a_new_workspace_at_once_both_succeed(self, new_url: str) -> None:
        assert run_together(open_and_create, [(new_url, n) for n in range(3)]) == [0, 0, 0]
        store = open_sql_store(new_url, algorithm="blake3")
        with store.begin(read_only=True) as tx:
            assert sorted(run.run_id for run in tx.index.search(parse_query(""), limit=9)) == ["run-000000", "run-000001", "run-000002"]
        assert store.check() == []
        store.close()

    def test_each_key_is_claimed_by_one_process(self, url: str, tmp_path: Path) -> None:
        store = open_sql_store(url, algorithm="blake3")
        assert run_together(claim_all, [(url, f"owner-{n}", tmp_path / str(n)) for n in range(2)]) == [0, 0]
        won = [path.read_text().split() for path in (tmp_path / "0", tmp_path / "1")]
        assert sorted(won[0] + won[1]) == sorted(f"{n}" for n in range(60))
        with store.begin() as tx:
            for n in range(60):
                assert tx.actions.claim(digest(f"key {n}"), "late", NOW, 1) in ("owner-0", "owner-1")
        store.close()

    def test_points_from_several_processes_are_each_stored_once(self, url: str) -> None:
        store = open_sql_store(url, algorithm="blake3")
        with store.begin() as tx:
            tx.runs.create(make_run())
        assert run_together(log_points, [(url, f"writer-{n % 2}") for n in range(3)]) == [0, 0, 0]
        with store.begin(read_only=True) as tx:
            found = [(point.value, point.step) for point in tx.metrics.history("run-aaaaaaaa", "m")]
            assert sorted(found) == sorted([(float(step), step) for step in range(200)] * 2)
            assert tx.metrics.latest(["run-aaaaaaaa"])["run-aaaaaaaa"]["m"].step == 199
        store.close()

    def test_killed_at_any_moment_every_acknowledged_commit_is_there(self, url: str) -> None:
        open_sql_store(url, algorithm="blake3").close()
        for attempt in range(4):
            writer = subprocess.Popen([sys.executable, "-c", WRITER, url, str(attempt)], stdout=subprocess.PIPE)
            assert writer.stdout is not None
            lines = [writer.stdout.readline()]
            time.sleep(0.017 * attempt)
            writer.send_signal(signal.SIGKILL)
            lines += writer.stdout.read().splitlines(keepends=True)
            writer.stdout.close()
            writer.wait()
            acknowledged = sum(line.endswith(b"\n") for line in lines)
            assert acknowledged > 0
            store = open_sql_store(url, algorithm="blake3")
            assert store.check() == []
            with store.begin() as tx:
                run = tx.runs.get(f"run-kill-{attempt}")
                points = tx.metrics.history(run.run_id, "m")
                assert acknowledged * 10 <= len(points) <= acknowledged * 10 + 10
                assert [point.step for point in points] == list(range(len(points)))
            store.close()


def assert_identity(url: str, same: str, other: str) -> None:
    """The first two addresses lead to one database, the third to another."""
    stores = [open_sql_store(address, algorithm="blake3") for address in (url, same, other)]
    one, again, another = (store.identity() for store in stores)
    assert one == again != another
    for store in stores:
        store.close()


class TestSqliteFile(StoreContract, SharedStore):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'a folder' / '..' / 'incumbent.db'}".replace("/a folder/..", "")

    @pytest.fixture
    def new_url(self, url: str) -> str:
        return url

    def test_its_identity_is_the_files_and_not_the_addresss(self, url: str, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path)
        assert_identity(url, f"sqlite:///{tmp_path}/link/incumbent.db", f"sqlite:///{tmp_path}/other.db")


class TestPostgres(StoreContract, SharedStore):
    @pytest.fixture
    def url(self, postgres_store_url: str) -> str:
        return postgres_store_url

    @pytest.fixture
    def new_url(self, postgres_url: str) -> str:
        return postgres_url

    def test_its_identity_is_the_databases_and_not_the_addresss(self, url: str, new_url: str) -> None:
        assert_identity(url, f"{url}&application_name=otherwise", new_url)

    def test_a_run_that_is_being_sealed_takes_no_point_from_another_connection(self, url: str) -> None:
        from incumbent.storage.postgres import PostgresDatabase

        store = open_sql_store(url, algorithm="blake3")
        other = SqlStore(PostgresDatabase(url, "blake3", lock_timeout_s=0.2), "blake3")
        with store.begin() as tx:
            tx.runs.create(make_run())
        with store.begin() as tx:
            tx.runs.get("run-aaaaaaaa")
            with pytest.raises(Conflict, match="try again"), other.begin() as late:
                late.metrics.append("run-aaaaaaaa", [MetricPoint("m", 1.0, 0, NOW)], writer="w", first=0)
        store.close()
        other.close()

    def test_a_server_that_is_away_is_unavailable_and_the_password_is_not_shown(self) -> None:
        with pytest.raises(Unavailable, match="check the server and the address") as caught:
            open_sql_store("postgresql://me:secret@127.0.0.1:1/work", algorithm="blake3")
        assert "secret" not in str(caught.value)

    def test_a_database_of_another_program_is_left_alone(self, new_url: str) -> None:
        import psycopg

        with psycopg.connect(new_url, autocommit=True) as raw:
            raw.execute("CREATE TABLE customers (id int)")
        with pytest.raises(InvalidInput, match="another program .*customers"):
            open_sql_store(new_url, algorithm="blake3")


def run_together(target: object, arguments: list[tuple[object, ...]]) -> list[int | None]:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=target, args=given) for given in arguments]  # type: ignore[arg-type]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [worker.exitcode for worker in workers]


def open_and_create(url: str, number: int) -> None:
    store = open_sql_store(url, algorithm="blake3")
    with store.begin() as tx:
        tx.runs.create(make_run(f"run-{number:06}"))
    store.close()


def claim_all(url: str, owner: str, answer: Path) -> None:
    store = open_sql_store(url, algorithm="blake3")
    won = []
    for n in range(60):
        with store.begin(durable=False) as tx:
            if tx.actions.claim(digest(f"key {n}"), owner, NOW, 3_600) is None:
                won.append(str(n))
    answer.write_text(" ".join(won))
    store.close()


def log_points(url: str, writer: str) -> None:
    store = open_sql_store(url, algorithm="blake3")
    for start in range(0, 200, 20):
        points = [MetricPoint("m", float(step), step, NOW) for step in range(start, start + 20)]
        with store.begin(durable=False) as tx:
            tx.metrics.append("run-aaaaaaaa", points, writer=writer, first=start)
    store.close()


WRITER = textwrap.dedent("""
    import os, sys
    from datetime import UTC, datetime
    from incumbent.base.metric import MetricPoint
    from incumbent.storage.sql_store import open_sql_store
    from incumbent.tracking.run import CodeVersion, Run
    store = open_sql_store(sys.argv[1], algorithm="blake3")
    now = datetime.now(UTC)
    run = Run(f"run-kill-{sys.argv[2]}", "e", "n", "", None, "running", now, None, None, CodeVersion(), {})
    with store.begin() as tx:
        tx.runs.create(run)
    first = 0
    while True:
        with store.begin() as tx:
            points = [MetricPoint("m", 0.5, first + n, now) for n in range(10)]
            tx.metrics.append(run.run_id, points[:5], writer="w", first=first)
            tx.metrics.append(run.run_id, points[5:], writer="w", first=first + 5)
        first += 10
        os.write(1, b"ok\\n")
""")


def make_file(path: Path) -> None:
    store = open_sql_store(f"sqlite:///{path}", algorithm="blake3")
    with store.begin() as tx:
        tx.runs.create(make_run())
        for n in range(200):
            tx.documents.put([{"n": n, "padding": "x" * 500}])
    store.close()


def test_a_file_that_is_no_database_is_corrupt_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "incumbent.db"
    path.write_bytes(b"these are my notes, not a database" * 100)
    with pytest.raises(Corrupt, match="is damaged or no SQLite database .*; it was not touched; restore it from a backup"):
        open_sql_store(f"sqlite:///{path}", algorithm="blake3")
    assert path.read_bytes() == b"these are my notes, not a database" * 100
    assert [found.name for found in tmp_path.iterdir()] == ["incumbent.db"]


@pytest.mark.parametrize("at", [100, 4096, 8192, 40_000])
def test_a_page_overwritten_with_garbage_is_found_and_never_a_traceback(tmp_path: Path, at: int) -> None:
    path = tmp_path / "incumbent.db"
    make_file(path)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(os.urandom(2_000))
    try:
        store = open_sql_store(f"sqlite:///{path}", algorithm="blake3")
    except Corrupt:
        return
    assert store.check() != []
    store.close()


def test_a_truncated_database_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "incumbent.db"
    make_file(path)
    os.truncate(path, path.stat().st_size // 3)
    try:
        store = open_sql_store(f"sqlite:///{path}", algorithm="blake3")
    except Corrupt:
        return
    assert store.check() != []
    store.close()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", InvalidInput, "written by a newer version .* upgrade Incumbent"),
        ("UPDATE settings SET value = '2' WHERE name = 'format'", InvalidInput, "written by a newer version"),
        ("UPDATE alembic_version SET version_num = 'x''y'", Corrupt, "its version is unreadable"),
        ("DELETE FROM settings", Corrupt, "its version is unreadable"),
        ("DROP TABLE settings", InvalidInput, "a database of another program"),
    ],
)
def test_a_database_that_is_not_ours_to_open_is_refused_untouched(tmp_path: Path, change: str, error: type[Exception], words: str) -> None:
    path = tmp_path / "incumbent.db"
    make_file(path)
    with sqlite3.connect(path) as raw:
        raw.execute(change)
    raw.close()
    before = path.read_bytes()
    with pytest.raises(error, match=words):
        open_sql_store(f"sqlite:///{path}", algorithm="blake3")
    assert path.read_bytes() == before


def test_a_held_database_is_a_conflict_after_the_timeout_and_readers_are_not_held(tmp_path: Path) -> None:
    path = tmp_path / "incumbent.db"
    make_file(path)
    store = SqlStore(SqliteDatabase(f"sqlite:///{path}", "blake3", busy_timeout_s=0.1), "blake3")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Conflict, match="another process held the database for 0.1 s; try again"), store.begin():
        pass
    with store.begin(read_only=True) as tx:
        assert tx.runs.get("run-aaaaaaaa") == make_run()
    other.execute("ROLLBACK")
    with store.begin() as tx:
        tx.documents.put([{}])
    other.close()
    store.close()


def test_closing_gives_up_the_file(tmp_path: Path) -> None:
    store = open_sql_store(f"sqlite:///{tmp_path}/incumbent.db", algorithm="blake3")
    with store.begin() as tx:
        tx.documents.put([{}])
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["incumbent.db"]


def test_a_missing_or_forbidden_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="check that the folder exists"):
        open_sql_store(f"sqlite:///{tmp_path}/none/incumbent.db", algorithm="blake3")
    with pytest.raises(Unavailable):
        open_sql_store(f"sqlite:///{tmp_path}", algorithm="blake3")


def test_a_full_disk_rolls_back_and_says_so(small_disk: Path) -> None:
    store = open_sql_store(f"sqlite:///{small_disk / 'incumbent.db'}", algorithm="blake3")
    with store.begin() as tx:
        tx.runs.create(make_run())
    with pytest.raises(Unavailable, match="the disk is full: free some space and run again|the disk or the file system failed"):  # noqa: PT012
        for n in range(10_000):
            with store.begin() as tx:
                tx.documents.put([{"n": n, "padding": "x" * 5_000}])
    with store.begin(read_only=True) as tx:
        assert tx.runs.get("run-aaaaaaaa") == make_run()
    store.close()


def test_a_read_only_disk_is_unavailable(small_disk: Path) -> None:
    make_file(small_disk / "incumbent.db")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(Unavailable):  # noqa: PT012
        store = open_sql_store(f"sqlite:///{small_disk / 'incumbent.db'}", algorithm="blake3")
        with store.begin() as tx:
            tx.documents.put([{}])


@pytest.mark.parametrize("url", ["mysql://x/y", "", "sqlite", "sqlite://host/x", "sqlite:///x?mode=ro", "/tmp/x.db", "sqlite:///a%00b"])
def test_what_is_no_address_of_a_store_is_refused_in_words(url: str) -> None:
    with pytest.raises(InvalidInput, match="no kind of metadata store|is not an SQLite URL|names no file"):
        open_sql_store(url, algorithm="blake3")


def test_the_hot_path_imports_neither_sqlalchemy_nor_alembic(tmp_path: Path) -> None:
    make_file(tmp_path / "incumbent.db")
    code = (
        "import sys; from incumbent.storage.sql_store import open_sql_store; from incumbent.tracking.search import parse_query\n"
        f"store = open_sql_store({f'sqlite:///{tmp_path}/incumbent.db'!r}, algorithm='blake3')\n"
        "with store.begin() as tx: tx.index.search(parse_query('metrics.auc > 1'), limit=5)\n"
        "heavy = {'sqlalchemy', 'alembic', 'psycopg', 'numpy', 'obstore'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_cell_of_another_type_in_the_ledger_is_corrupt_and_no_crash(tmp_path: Path) -> None:
    keys = MemoryKeys()
    store = open_sql_store(f"sqlite:///{tmp_path / 'incumbent.db'}", algorithm="blake3", keys=keys)
    with store.begin() as tx:
        begin(tx, keys)
        put(tx, "policy", "m", {"kind": "policy"})
    for cell in ("'text'", "99999999999", "1.5"):
        with closing(sqlite3.connect(tmp_path / "incumbent.db")) as raw, raw:
            for name in ("ledger_entries_kept_update", "records_kept_update"):
                raw.execute(f"DROP TRIGGER IF EXISTS {name}")
            raw.execute(f"UPDATE ledger_entries SET body = {cell}")
            raw.execute(f"UPDATE records SET body = {cell}")
        with store.begin(read_only=True) as tx:
            with pytest.raises(Corrupt, match="no ledger entry"):
                tx.ledger.get(1)
            with pytest.raises(Corrupt, match="is not what was recorded"):
                tx.records.find("policy", "m")
    store.close()
