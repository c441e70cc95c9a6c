"""An import is killed where it stands, several times: what the next ones bring is the whole store, and nothing twice."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from command import incumbent_json

from mlflow_store import CHILD_0, change, copy_store, unpack_folder

RUNS, POINTS, KILLS = 12, 5_000, {"sqlite": 2, "folder": 1}
FILL = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {points} - 1)
INSERT INTO metrics SELECT 'loss', i * 0.5, 1700000000000 + i, '{run_id}', i, 0 FROM n
"""


def enlarge(store):
    columns = "name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, source_version, lifecycle_stage"
    copied = f"INSERT INTO runs (run_uuid, {columns}, artifact_uri, experiment_id, deleted_time) SELECT '{{0}}', {columns}, "
    copied += f"replace(artifact_uri, '{CHILD_0}', '{{0}}'), experiment_id, deleted_time FROM runs WHERE run_uuid = '{CHILD_0}'"
    statements = []
    for number in range(RUNS):
        run_id = f"{number:032x}"
        statements += [
            copied.format(run_id),
            FILL.format(points=POINTS, run_id=run_id),
            f"INSERT INTO latest_metrics VALUES ('loss', {(POINTS - 1) * 0.5}, {1700000000000 + POINTS - 1}, {POINTS - 1}, 0, '{run_id}')",
        ]
        folder = store / "mlartifacts" / "1" / run_id / "artifacts"
        folder.mkdir(parents=True)
        (folder / "note.txt").write_text(f"note {number}")
    change(store, *statements)


def enlarge_folder(store):
    [child] = (path.parents[1] for path in store.glob("*/*/tags/mlflow.runName") if path.read_text() == "child 0")
    for number in range(RUNS):
        run = child.with_name(f"a{number:031x}")
        shutil.copytree(child, run)
        meta = run / "meta.yaml"
        meta.write_text(meta.read_text().replace(child.name, run.name))
        shutil.rmtree(run / "metrics")
        (run / "metrics").mkdir()
        (run / "metrics" / "loss").write_text("".join(f"{1700000000000 + step} {step * 0.5} {step}\n" for step in range(POINTS)))
        (run / "artifacts" / "note.txt").write_text(f"note {number}")


def count_runs(folder):
    try:
        with sqlite3.connect(f"file:{folder / '.incumbent' / 'incumbent.db'}?mode=ro", uri=True) as db:
            [(count,)] = db.execute("SELECT count(*) FROM runs").fetchall()
        db.close()
    except sqlite3.Error:
        return 0
    return count


@pytest.mark.parametrize("form", ["sqlite", "folder"])
def test_a_killed_import_goes_on_and_doubles_nothing(tmp_path, form):
    store, project = tmp_path / "store", tmp_path / "project"
    project.mkdir()
    if form == "folder":
        enlarge_folder(unpack_folder(store))
        address, code, files = str(store), 0, RUNS + 2
    else:
        enlarge(copy_store(store))
        address, code, files = f"sqlite:///{store / 'mlflow.db'}", 1, RUNS + 3  # 1: one alias is refused, as ever
    killed = 0
    for _ in range(KILLS[form]):
        before = count_runs(project)
        process = subprocess.Popen([sys.executable, "-m", "incumbent", "import", "mlflow", address], cwd=project, stdout=subprocess.DEVNULL)
        while process.poll() is None and count_runs(project) <= before:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed > 0
    between = count_runs(project)
    assert between > 0
    report = incumbent_json(project, "import", "mlflow", address, code=code)
    runs, points = RUNS + 7, RUNS * POINTS + 616
    assert report["verified"]["differences"] == []
    assert report["verified"]["points"] == {"source": points, "here": points}
    counts = report["counts"]
    assert (counts["runs"]["source"], counts["runs"]["refused"]) == (runs, 0)
    assert counts["runs"]["already_there"] > 0
    with sqlite3.connect(project / ".incumbent" / "incumbent.db") as db:
        assert db.execute("SELECT count(*) FROM runs").fetchall() == [(runs,)]
        assert db.execute("SELECT count(*) FROM metric_points").fetchall() == [(points,)]
        assert db.execute("SELECT count(*), count(DISTINCT run_no || name) FROM run_artifacts").fetchall() == [(files, files)]
        assert db.execute("SELECT model, version FROM model_versions ORDER BY version").fetchall() == [("churn", 1), ("churn", 3)]
    db.close()
