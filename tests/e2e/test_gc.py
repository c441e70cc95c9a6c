"""`artifacts gc` by the command line: nothing that a run or version needs goes, also while a run is going on."""

import subprocess
import sys
import time

from command import incumbent, incumbent_json, ran, write

PIPELINE = """
import os
import time
import incumbent as inc

@inc.stage
def make(*, size: int = 1000) -> bytes:
    return bytes(size)

@inc.stage
def change(make: bytes, *, fill: int = 1) -> bytes:
    return bytes([fill]) * len(make)

@inc.stage
def slow(change: bytes, *, rounds: int = 0) -> bytes:
    for number in range(rounds):
        open(os.path.join({calls!r}, str(number)), "w").close()
        time.sleep(0.3)
    return change + b"!"

@inc.stage
def last(slow: bytes, make: bytes) -> bytes:
    return slow + make

pipeline = inc.Pipeline("collect", [make, change, slow, last])
"""
SETTINGS = '[tool.incumbent]\npipeline = "pipe.py:pipeline"\nundeclared = "off"\n'
GRACE_S = 2.0
"""Longer than a run takes from storing an output to recording it, and short enough to wait for."""


def make(tmp_path):
    calls = tmp_path / "calls"
    calls.mkdir()
    write(tmp_path / "project", {"pipe.py": PIPELINE.format(calls=str(calls)), "pyproject.toml": SETTINGS})
    return tmp_path / "project"


def run(project, *settings):
    return incumbent_json(project, "run", *(word for setting in settings for word in ("--set", setting)))


def collect(project, *options):
    return incumbent_json(project, "artifacts", "gc", "--grace", "0", *options)


def test_nothing_that_any_run_gave_goes_without_being_asked_for(tmp_path):
    project = make(tmp_path)
    for fill in (1, 2, 3):
        run(project, f"change.fill={fill}")
    assert collect(project)["blobs"] == []
    assert [ran(run(project, f"change.fill={fill}")) for fill in (1, 2, 3)] == [[], [], []]


def test_older_runs_give_up_their_results_and_can_still_be_shown_and_reproduced(tmp_path):
    project = make(tmp_path)
    old, _, new = (run(project, f"change.fill={fill}") for fill in (1, 2, 3))
    held = sorted(path for path in (project / ".incumbent" / "blobs").rglob("*") if path.is_file())

    would = incumbent(project, "artifacts", "gc", "--grace", "0", "--keep-runs", "1", "--dry-run").stdout
    assert sorted(path for path in (project / ".incumbent" / "blobs").rglob("*") if path.is_file()) == held
    assert would.count("1000 B") == 2, "what `change` gave in the two older runs"
    assert "2 older runs keep only their record; cached results to forget: 6\n" in would

    done = collect(project, "--keep-runs", "1")
    assert (len(done["blobs"]), done["freed_bytes"], done["spent_runs"], done["actions"]) == (6, 2 * (1000 + 1001 + 2001), 2, 6)
    assert incumbent_json(project, "artifacts", "verify")["problems"] == []
    assert ran(run(project, "change.fill=3")) == []
    shown = incumbent_json(project, "runs", "show", old["run_id"])
    assert [stage["outputs"] for stage in shown["stages"]] == [
        {name: {**shown["stages"][place]["outputs"][name], "digest": digest} for name, digest in stage["outputs"].items()}
        for place, stage in enumerate(old["stages"])
    ]
    assert incumbent_json(project, "reproduce", old["run_id"])["verdict"] == "bit-exact"
    assert ran(run(project, "change.fill=1")) == ["change", "slow", "last"]
    assert new["state"] == "finished"


def test_what_a_registered_version_came_from_stays(tmp_path):
    project = make(tmp_path)
    old = run(project, "change.fill=1")
    incumbent(project, "register", "--model", "m", "--run", old["run_id"], "--artifact", "last")
    run(project, "change.fill=2")
    assert collect(project, "--keep-runs", "1")["blobs"] == []
    assert ran(run(project, "change.fill=1")) == []


def test_a_run_that_is_going_on_loses_nothing_to_a_gc_that_spares_nothing_else(tmp_path):
    project = make(tmp_path)
    first = run(project)
    run(project, "change.fill=2")
    time.sleep(GRACE_S)
    going = subprocess.Popen(
        [sys.executable, "-m", "incumbent", "run", "--set", "slow.rounds=12"],
        cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    freed = []
    while going.poll() is None:
        if any((tmp_path / "calls").iterdir()):
            freed += [incumbent_json(project, "artifacts", "gc", "--keep-runs", "1", "--grace", str(GRACE_S))["freed_bytes"]]
    assert going.returncode == 0, going.communicate()[0]
    going.communicate()
    assert freed[0] == 1001 + 2001, "what `slow` and `last` gave first; `make` and `change` are hits of the run that goes on"
    assert ran(run(project, "slow.rounds=12")) == []
    assert incumbent_json(project, "artifacts", "verify")["problems"] == []
    assert incumbent_json(project, "reproduce", first["run_id"])["verdict"] == "bit-exact"


def test_limits_that_make_no_sense_are_bad_input(tmp_path):
    project = make(tmp_path)
    assert "expected 0 or more" in incumbent(project, "artifacts", "gc", "--keep-runs", "-1", code=2).stderr
    assert "expected 0 to" in incumbent(project, "artifacts", "gc", "--older-than", "nan", code=2).stderr
