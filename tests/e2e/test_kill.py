"""kill -9 at any moment leaves a store that the next run uses as it is; two runs at once share work and never corrupt."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from command import incumbent, incumbent_json, ran, write

COUNT = 6
STAGES = "\n".join(
    f'''
@inc.stage
def s{n}({f"s{n - 1}: bytes" if n else ""}) -> bytes:
    with open(os.path.join({{folder!r}}, "calls.txt"), "a") as file:
        file.write("s{n}\\n")
    time.sleep(0.08)
    return {f"s{n - 1} + " if n else ""}b"{n}" * 200_000
'''
    for n in range(COUNT)
)
HEAD = "import os\nimport time\nimport incumbent as inc\n"
TAIL = f'\npipeline = inc.Pipeline("kill", [{", ".join(f"s{n}" for n in range(COUNT))}])\n'
SETTINGS = '[tool.incumbent]\npipeline = "pipe.py:pipeline"\nundeclared = "off"\n'


def make(folder, calls):
    write(folder, {"pipe.py": HEAD + STAGES.format(folder=str(calls)) + TAIL, "pyproject.toml": SETTINGS})


def start(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "incumbent", "run", *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL, start_new_session=True, text=True,
    )  # fmt: skip


def digests(document):
    return {stage["stage"]: stage["outputs"] for stage in document["stages"] if stage["state"] in {"ran", "hit"}}


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("rounds", [5, pytest.param(40, marks=pytest.mark.slow)])
def test_kill_nine_at_random_moments_loses_nothing_that_was_finished(tmp_path, rounds):
    project, control, calls = tmp_path / "project", tmp_path / "control", tmp_path / "calls"
    for folder in (project, control, calls):
        folder.mkdir()
    make(project, calls)
    make(control, calls)
    expected = digests(incumbent_json(control, "run"))
    chance = random.Random(20261123)
    for _ in range(rounds):
        process = start(project, "--seed", "0")
        time.sleep(chance.uniform(0.3, 2.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    done = incumbent_json(project, "run")
    assert done["state"] == "finished"
    assert digests(done) == expected
    incumbent(project, "artifacts", "verify")
    assert ran(incumbent_json(project, "run")) == []
    # Where the killed runs had finished every stage, both runs above were hits and started no worker; one that does clears up.
    assert ran(incumbent_json(project, "run", "--seed", "1")) == [f"s{n}" for n in range(COUNT)]
    left = [path for path in (project / ".incumbent").rglob("*") if path.is_file() and "tmp" in path.parts and "attempts" in str(path)]
    assert left == [], "attempt folders of killed runs are cleared away"


def test_two_runs_at_once_share_the_work(tmp_path):
    project, calls = tmp_path / "project", tmp_path / "calls"
    project.mkdir()
    calls.mkdir()
    make(project, calls)
    incumbent(project, "plan")  # the workspace is there before both start
    both = [start(project, "--json") for _ in range(2)]
    said = [process.communicate(timeout=90) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    documents = [json.loads(out) for out, _ in said]
    assert digests(documents[0]) == digests(documents[1])
    assert sorted((calls / "calls.txt").read_text().split()) == [f"s{n}" for n in range(COUNT)], "each stage ran once"
    incumbent(project, "artifacts", "verify")


def test_two_new_workspaces_at_once_are_one(tmp_path):
    project, calls = tmp_path / "project", tmp_path / "calls"
    project.mkdir()
    calls.mkdir()
    make(project, calls)
    both = [start(project, "--json") for _ in range(2)]
    for process in both:
        process.communicate(timeout=90)
    assert [process.returncode for process in both] == [0, 0]


def test_no_process_outlives_a_killed_run(tmp_path):
    project, calls = tmp_path / "project", tmp_path / "calls"
    project.mkdir()
    calls.mkdir()
    make(project, calls)
    process = start(project)
    deadline = time.monotonic() + 30
    while not (calls / "calls.txt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)  # the run alone, not its workers
    process.communicate()

    def left():
        found = []
        for name in filter(str.isdecimal, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{name}/cwd").startswith(str(tmp_path)):
                    found.append(name)
            except OSError:
                continue
        return found

    deadline = time.monotonic() + 10
    while left() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left() == []
