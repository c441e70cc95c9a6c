"""A full disk under a whole run, or a workspace that may not be written: one paragraph, exit 1, and it goes on afterwards."""

import os
import subprocess

import pytest
from command import incumbent, incumbent_json, ran, write

PIPELINE = """
import incumbent as inc

@inc.stage
def small() -> bytes:
    return b"small"

@inc.stage
def large(small: bytes, *, kib: int = 4000) -> bytes:
    return bytes(range(256)) * 4 * kib

@inc.stage
def last(large: bytes) -> int:
    return len(large)

pipeline = inc.Pipeline("disk", [small, large, last])
"""
FILES = {"pipe.py": PIPELINE, "pyproject.toml": '[tool.incumbent]\npipeline = "pipe.py:pipeline"\n'}
BALLAST = "ballast"


@pytest.fixture
def project(tmp_path):
    """A project whose `.incumbent` is a disk of 6 MiB."""
    write(tmp_path, FILES)
    state = tmp_path / ".incumbent"
    state.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "incumbent-test", str(state)], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield tmp_path
    subprocess.run(["umount", "-l", str(state)], check=True)


def fill(project, *, leave_kib):
    """Fill the disk but for `leave_kib`."""
    free = os.statvfs(project / ".incumbent")
    with open(project / ".incumbent" / BALLAST, "wb") as file:
        file.write(bytes(free.f_bavail * free.f_frsize - leave_kib * 1024))


def judge(done):
    said = done.stdout + done.stderr
    assert "disk" in said or "space" in said, said
    assert "src/incumbent" not in done.stderr, "no traceback, no path of ours"


@pytest.mark.parametrize("leave_kib", [0, 8, 64, 256, 1000, 3000])
def test_a_disk_that_fills_up_is_said_and_the_next_run_goes_on(project, leave_kib):
    incumbent(project, "plan")
    fill(project, leave_kib=leave_kib)
    done = incumbent(project, "run", code=1)
    judge(done)
    (project / ".incumbent" / BALLAST).unlink()
    again = incumbent_json(project, "run")
    assert again["state"] == "finished"
    assert "last" in ran(again)
    checked = incumbent_json(project, "artifacts", "verify")
    assert checked["problems"] == []
    states = {run["state"] for run in incumbent_json(project, "runs", "ls")["runs"]}
    assert "running" not in states, "a run that the full disk ended is not shown as going on"


def test_an_output_that_is_larger_than_the_whole_disk_names_its_stage(project):
    done = incumbent(project, "run", "--set", "large.kib=9000", code=1)
    judge(done)
    assert "large" in done.stdout + done.stderr
    assert ran(incumbent_json(project, "run")) == ["large", "last"]


def test_a_full_disk_before_there_is_a_workspace_is_said(project):
    fill(project, leave_kib=0)
    judge(incumbent(project, "run", code=1))
    (project / ".incumbent" / BALLAST).unlink()
    assert ran(incumbent_json(project, "run")) == ["small", "large", "last"]


def test_a_workspace_that_may_not_be_written_is_said(project):
    incumbent(project, "run")
    subprocess.run(["mount", "-o", "remount,ro", str(project / ".incumbent")], check=True)
    write(project, {"pipe.py": PIPELINE.replace("len(large)", "len(large) + 1")})
    done = incumbent(project, "run", code=1)
    assert "not allowed to write there" in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    subprocess.run(["mount", "-o", "remount,rw", str(project / ".incumbent")], check=True)
    assert ran(incumbent_json(project, "run")) == ["last"]
