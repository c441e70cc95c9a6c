"""`reproduce` runs a recorded run again from its record alone and says, stage by stage, how near it came."""

import subprocess

import pytest
from command import incumbent, incumbent_json, write

PIPELINE = """
from pathlib import Path
import time
import numpy as np
import incumbent as inc
import helpers

@inc.stage
def load(table: Path) -> list[int]:
    return [int(word) for word in table.read_text().split()]

@inc.stage
def noise(load: list[int], *, rng: np.random.Generator, scale: float = 1.0) -> np.ndarray:
    return np.array(load) + scale * rng.normal(size=len(load))

@inc.stage
def total(noise: np.ndarray) -> float:
    return helpers.add_up(noise)

pipeline = inc.Pipeline("repro", [load, noise, total], sources={"table": inc.source.file("table.txt")})
"""
FILES = {
    "pipe.py": PIPELINE,
    "helpers.py": "def add_up(values):\n    return float(values.sum())\n",
    "table.txt": "1 2 3\n",
    "pyproject.toml": '[tool.incumbent]\npipeline = "pipe.py:pipeline"\n',
    ".gitignore": ".incumbent/\n__pycache__/\n",
}


def git(folder, *arguments):
    subprocess.run(["git", "-c", "user.name=T", "-c", "user.email=t@example.org", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path):
    write(tmp_path, FILES)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_run_is_bit_exact_again_after_everything_around_it_has_moved_on(project):
    run = incumbent_json(project, "run", "--seed", "7", "--set", "noise.scale=2.5")["run_id"]
    write(project, {"helpers.py": "def add_up(values):\n    return -1.0\n", "table.txt": "9 9 9\n"})
    git(project, "commit", "-qam", "second")
    found = incumbent_json(project, "reproduce", run)
    assert found["verdict"] == "bit-exact"
    assert {stage["stage"]: stage["verdict"] for stage in found["stages"]} == dict.fromkeys(["load", "noise", "total"], "bit-exact")
    assert any("checked out" in note for note in found["notes"])


def test_a_dirty_tree_is_reproduced_from_the_files_as_they_were(project):
    write(project, {"helpers.py": "def add_up(values):\n    return float(values.sum()) + 1.0\n"})
    run = incumbent_json(project, "run")["run_id"]
    git(project, "checkout", "-q", "--", "helpers.py")
    found = incumbent_json(project, "reproduce", run)
    assert found["verdict"] == "bit-exact"
    assert any("dirty" in note for note in found["notes"])


def test_a_stage_that_is_not_deterministic_is_named_as_the_place_where_they_part(project):
    write(project, {"helpers.py": "import time\n\n\ndef add_up(values):\n    return float(values.sum()) + time.time_ns() % 1000003\n"})
    run = incumbent_json(project, "run")["run_id"]
    done = incumbent(project, "reproduce", run, code=4)
    assert "they part at stage total" in done.stdout
    assert "not deterministic" in done.stdout
    assert "load" in done.stdout


def test_numbers_within_the_tolerance_are_numeric_and_exit_with_zero(project):
    write(project, {"helpers.py": "import time\ndef add_up(values):\n    return float(values.sum()) + time.time_ns() % 1000003 * 1e-12\n"})
    run = incumbent_json(project, "run")["run_id"]
    found = incumbent_json(project, "reproduce", run, "--rtol", "1e-3")
    assert found["verdict"] == "numeric"
    assert found["parted_at"] == "total"


def test_a_run_whose_data_is_gone_from_the_store_says_so(project):
    document = incumbent_json(project, "run")
    for blob in (project / ".incumbent" / "blobs").rglob("*"):
        if blob.is_file() and blob.read_bytes() == b"1 2 3\n":
            blob.unlink()
    done = incumbent(project, "reproduce", document["run_id"], code=3)
    assert "no longer in the store" in done.stderr


def test_a_script_run_cannot_be_run_again(project):
    write(project, {"script.py": "import incumbent as inc\nwith inc.run(experiment='x') as run:\n    print(run.id)\n"})
    import sys

    run = subprocess.run([sys.executable, "script.py"], cwd=project, capture_output=True, text=True, check=True).stdout.strip()
    done = incumbent(project, "reproduce", run, code=2)
    assert "no pipeline run" in done.stderr


def test_a_project_inside_a_larger_repository_is_checked_out_alone(tmp_path):
    project = tmp_path / "models" / "credit"
    write(project, FILES)
    write(tmp_path, {"elsewhere.txt": "not ours"})
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    run = incumbent_json(project, "run")["run_id"]
    found = incumbent_json(project, "reproduce", run)
    assert found["verdict"] == "bit-exact"
    assert any("checked out" in note for note in found["notes"]), found["notes"]


def test_a_run_that_nobody_watched_says_so(project):
    run = incumbent_json(project, "run", "--undeclared", "off")["run_id"]
    assert any('"off"' in note for note in incumbent_json(project, "reproduce", run)["notes"])
