"""An auditor may read a workspace and not write it: what answers, what is refused, and that nothing committed is missed."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.promote import promote
from office import MODEL, SLOT, register_factor

DROP = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
"""What takes from root the right to write where the permissions say no."""


@pytest.fixture
def bound(tmp_path):
    """What a command is begun with so that permissions hold for it."""
    if os.geteuid():
        return []
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    if shutil.which(DROP[0]) is None or not subprocess.run([*DROP, "touch", str(closed / "x")], check=False).returncode:
        pytest.skip("not on this platform: root may write everywhere, and setpriv cannot take that from it")
    return DROP


@pytest.fixture
def ask(tmp_path, bound):
    """Runs a command in the project as somebody for whom permissions hold."""
    environment = {**os.environ, "INCUMBENT_KEYS": str(tmp_path / "keys")}

    def run(*arguments):
        command = [*bound, sys.executable, "-m", "incumbent", *arguments]
        return subprocess.run(command, check=False, cwd=tmp_path / "project", env=environment, capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture
def office(tmp_path):
    """A project with one version live, in the folder `project`; what it is asked with as somebody who may only read."""
    (tmp_path / "project").mkdir()
    (tmp_path / "bundles").mkdir()
    ws = open_workspace(read_settings(tmp_path / "project", {"INCUMBENT_KEYS": str(tmp_path / "keys")}))
    host = open_model_host(ws)
    register_factor(ws, tmp_path / "bundles", 2.0)
    evaluate(ws, host, model=MODEL, version=1, slot=SLOT)
    promote(ws, model=MODEL, version=1, slot=SLOT, reason="first")
    host.close()
    yield ws
    ws.store.close()
    subprocess.run(["chmod", "-R", "u+w", str(tmp_path)], check=True)


def close_to_writing(folder):
    subprocess.run(["chmod", "-R", "a-w", str(folder)], check=True)


def test_a_workspace_that_was_closed_answers_whoever_may_only_read_it_and_records_nothing(office, ask, tmp_path):
    office.store.close()
    close_to_writing(tmp_path / "project")
    before = (office.folder / "incumbent.db").read_bytes()
    for arguments, told in (
        (["live", SLOT], f"{MODEL}@1"),
        (["ledger", "verify"], "SOUND"),
        (["ledger", "reconcile"], "entries explain all"),
        (["models", "show", f"{MODEL}@1"], "passed for double/eu"),
    ):
        found = ask(*arguments)
        assert (found.returncode, told in found.stdout) == (0, True), (arguments, found.stdout, found.stderr)
    refused = ask("models", "note", f"{MODEL}@1", "seen")
    assert refused.returncode != 0
    assert "read-only for you, so nothing can be recorded" in refused.stderr
    assert (office.folder / "incumbent.db").read_bytes() == before


def test_what_a_writer_has_only_in_its_wal_is_read_too(office, ask, tmp_path):
    assert (office.folder / "incumbent.db-wal").stat().st_size > 0, "the writer is open, so what it committed is in the WAL"
    close_to_writing(tmp_path / "project")
    found = ask("live", SLOT)
    assert (found.returncode, f"{MODEL}@1" in found.stdout) == (0, True), found.stderr


def test_a_wal_whose_index_is_missing_is_told_and_never_passed_over(office, ask, tmp_path):
    moved = tmp_path / "copy"
    shutil.copytree(tmp_path / "project", moved)
    office.store.close()
    shutil.rmtree(tmp_path / "project")
    moved.rename(tmp_path / "project")
    close_to_writing(tmp_path / "project")
    whole = ask("live", SLOT)
    assert (whole.returncode, f"{MODEL}@1" in whole.stdout) == (0, True), "the writer was killed, and left both: nothing is missed"
    subprocess.run(["chmod", "-R", "u+w", str(tmp_path / "project")], check=True)
    (office.folder / "incumbent.db-shm").unlink()
    with closing(sqlite3.connect(f"file:{office.folder}/incumbent.db?immutable=1", uri=True)) as alone:
        tables = alone.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        rows = alone.execute("SELECT count(*) FROM placements").fetchone()[0] if tables else 0
    assert rows < 2, "the file alone does not hold what was committed last"
    close_to_writing(tmp_path / "project")
    found = ask("live", SLOT)
    assert found.returncode != 0
    assert "incumbent.db-wal holds what was committed last" in found.stderr
    assert "reading incumbent.db alone would miss it" in found.stderr


def test_a_file_that_is_written_while_it_is_read_without_a_lock_is_a_conflict_and_the_next_reading_is_right(office, bound, tmp_path):
    office.store.close()
    script = (
        "import os, sys, pathlib\n"
        "from incumbent.base.errors import Conflict\n"
        "from incumbent.storage.sqlite import SqliteDatabase\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "database = SqliteDatabase(f'sqlite:///{path}', 'blake3')\n"
        "try:\n"
        "    with database.begin(durable=False, read_only=True) as session:\n"
        "        session.all('SELECT * FROM placements')\n"
        "        os.utime(path, ns=(1, 1))\n"
        "except Conflict as error:\n"
        "    print(error)\n"
        "with database.begin(durable=False, read_only=True) as session:\n"
        "    print(len(session.all('SELECT * FROM placements')))\n"
    )
    close_to_writing(tmp_path / "project")
    found = subprocess.run(
        [*bound, sys.executable, "-c", script, str(office.folder / "incumbent.db")], capture_output=True, text=True, check=True
    )
    assert "was written while it was read" in found.stdout
    assert found.stdout.splitlines()[-1] == "2", "Staging and Production"
