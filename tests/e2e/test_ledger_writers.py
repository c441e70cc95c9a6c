"""Forty processes write at once and none is lost; one that is killed leaves every entry that it was told is kept."""

import os
import subprocess
import sys
import time

import pytest

from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.ledger_log import list_entries
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.recording import governed, record_act

WRITERS = 40
WRITER = """
import sys
from pathlib import Path
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.recording import governed, record_act
import os
ws = open_workspace(read_settings(Path.cwd(), dict(os.environ)))
name, count = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    with governed(ws) as tx:
        entry = record_act(ws, tx, act="note", kind="note", object_id=f"{name}.{number}")
    print(entry.seq, flush=True)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def environ(request, tmp_path):
    found = {"INCUMBENT_KEYS": str(tmp_path / "keys"), "INCUMBENT_ACTOR": "ann"}
    if request.param == "postgresql":
        found["INCUMBENT_URL"] = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    return folder


def start(project, environ, name, count):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, name, str(count)], cwd=project, env={**os.environ, **environ}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def begin(project, environ):
    ws = open_workspace(read_settings(project, environ))
    with governed(ws) as tx:
        record_act(ws, tx, act="note", kind="note", object_id="first")
    return ws


def test_forty_writers_at_once_leave_forty_entries_and_a_ledger_that_verifies(project, environ):
    ws = begin(project, environ)
    writers = [start(project, environ, str(number), 1) for number in range(WRITERS)]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n", writer.communicate()[1]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    said = [writer.communicate(timeout=120) for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * WRITERS, [error for _, error in said if error]
    assert sorted(int(out) for out, _ in said) == list(range(2, WRITERS + 2))
    entries = list_entries(ws, act="note", limit=1000)
    assert {entry.draft.object.object_id for entry in entries} == {"first", *(f"{number}.0" for number in range(WRITERS))}
    assert verify_ledger(ws).is_sound
    assert reconcile(ws).differences == ()
    ws.store.close()


@pytest.mark.parametrize("rounds", [3, pytest.param(25, marks=pytest.mark.slow)])
def test_killed_at_any_moment_every_entry_that_was_acknowledged_is_there(project, environ, rounds):
    ws = begin(project, environ)
    acknowledged = {}
    for attempt in range(rounds):
        writer = start(project, environ, f"killed-{attempt}", 1_000_000)
        assert writer.stdout.readline() == "ready\n"
        writer.stdin.write("go\n")
        writer.stdin.flush()
        lines = [writer.stdout.readline()]
        time.sleep(0.03 * (attempt % 8) + 0.013)
        writer.kill()
        lines += writer.stdout.readlines()  # what was read ahead too, which communicate() would pass over
        writer.communicate()
        whole = [int(line) for line in lines if line.endswith("\n")]
        acknowledged |= {seq: f"killed-{attempt}.{number}" for number, seq in enumerate(whole)}
        found = verify_ledger(ws)
        assert found.is_sound, [check for check in found.checks if check.outcome == "failed"]
    there = {entry.seq: entry.draft.object.object_id for entry in list_entries(ws, act="note", limit=100_000)}
    assert len(acknowledged) >= rounds
    assert {seq: there.get(seq) for seq in acknowledged} == acknowledged
    assert len(there) <= len(acknowledged) + 1 + rounds, "at most one entry a killed writer was kept without having been told of"
    ws.store.close()
