"""Workers, templates and runners that die, hang or leave things behind: each ends in a clear state, and nothing stays."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from runner_project import Project, words


@pytest.fixture
def isolated(tmp_path: Path) -> Iterator[Project]:
    """Only the runner with worker processes: what ends a process cannot be survived inline."""
    made = Project(tmp_path, "local")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("body", "state", "said"),
    [
        ("os._exit(3)", "failed", "exit code 3"),
        ("import ctypes; ctypes.string_at(0)", "killed", "SIGSEGV"),
        ("os.kill(os.getpid(), 9)", "killed", "SIGKILL"),
        ("os.abort()", "killed", "SIGABRT"),
    ],
)
def test_a_worker_that_dies_is_a_clear_state_and_the_next_task_runs(isolated: Project, body: str, state: str, said: str) -> None:
    isolated.write(f"\n@stage\ndef it() -> int:\n    {body}\n\n@stage\ndef after() -> int:\n    return 2\n")
    runner = isolated.open()
    runner.start(isolated.code("it", "after"))
    runner.submit(isolated.task("it"))
    (outcome,) = runner.wait(60)
    assert outcome.state == state
    assert said in words(outcome)
    runner.submit(isolated.task("after"))
    (outcome,) = runner.wait(60)
    assert outcome.state == "done"


def test_a_crash_leaves_the_python_lines_in_the_log(isolated: Project) -> None:
    outcome = isolated.run("\n@stage\ndef it() -> int:\n    import ctypes; ctypes.string_at(0)\n")
    assert "in it" in isolated.log(outcome)


def test_a_stage_over_its_time_is_stopped_with_all_it_started(isolated: Project) -> None:
    outcome = isolated.run(
        """
        @stage
        def it() -> int:
            child = os.fork()
            if child == 0:
                time.sleep(600)
            Path("child").write_text(str(child))
            while True:
                pass
        """,
        change=lambda task: replace(task, timeout_s=1.0),
    )
    assert outcome.state == "timed_out"
    assert "time limit of 1 s" in words(outcome)
    assert is_gone(int((isolated.root / "child").read_text()))


def test_inline_a_loop_of_python_code_is_stopped_at_its_time(tmp_path: Path) -> None:
    project = Project(tmp_path, "inline")
    outcome = project.run("\n@stage\ndef it() -> int:\n    while True:\n        pass\n", change=lambda task: replace(task, timeout_s=0.2))
    project.close()
    assert outcome.state == "timed_out"
    assert "time limit of 0.2 s" in words(outcome)


def test_each_attempt_starts_from_a_clean_state(isolated: Project) -> None:
    isolated.write("""
        seen = []
        @stage
        def it() -> int:
            seen.append(1)
            return len(seen)
    """)
    runner = isolated.open()
    runner.start(isolated.code("it"))
    for _ in range(3):
        runner.submit(isolated.task("it"))
        (outcome,) = runner.wait(60)
        assert isolated.get(outcome.outputs["it"]) == 1


def test_more_tasks_than_cores_all_come_back_once(isolated: Project) -> None:
    isolated.write("\n@stage\ndef it(n: int) -> int:\n    return n * n\n")
    runner = isolated.open()
    runner.start(isolated.code("it"))
    for number in range(20):
        runner.submit(replace(isolated.task("it", {"n": isolated.put(number)}), task_id=f"it[{number}]"))
    results: dict[str, object] = {}
    while len(results) < 20:
        for outcome in runner.wait(60):
            assert outcome.task_id not in results
            results[outcome.task_id] = isolated.get(outcome.outputs["it"])
    assert results == {f"it[{number}]": number * number for number in range(20)}
    assert runner.wait(0.05) == []


def test_a_template_that_is_killed_is_replaced_and_its_task_runs_again(isolated: Project) -> None:
    outcome = isolated.run("""
        @stage
        def it() -> int:
            if not Path("once").exists():
                Path("once").touch()
                os.kill(os.getppid(), 9)
                time.sleep(600)
            return 5
    """)
    assert outcome.state == "done", outcome.failure
    assert isolated.get(outcome.outputs["it"]) == 5


def test_a_task_that_always_kills_its_template_is_given_up(isolated: Project) -> None:
    outcome = isolated.run("\n@stage\ndef it() -> int:\n    os.kill(os.getppid(), 9)\n    time.sleep(600)\n")
    assert outcome.state == "killed"
    assert "2 times" in words(outcome)


def test_closing_the_runner_ends_what_is_running(isolated: Project) -> None:
    isolated.write("\n@stage\ndef it() -> int:\n    Path('pid').write_text(str(os.getpid()))\n    time.sleep(600)\n")
    runner = isolated.open()
    runner.start(isolated.code("it"))
    runner.submit(isolated.task("it"))
    pid = wait_for_pid(isolated.root / "pid")
    runner.close()
    isolated.runners.remove(runner)
    assert is_gone(pid)
    assert list((isolated.root / ".incumbent/tmp").iterdir()) == []


def test_killing_the_runners_process_leaves_no_orphan(isolated: Project, tmp_path: Path) -> None:
    isolated.write("\n@stage\ndef it() -> int:\n    Path('pid').write_text(str(os.getpid()))\n    time.sleep(600)\n")
    parent = os.fork()
    if parent == 0:  # a process of its own, killed as an operator or the kernel would
        try:
            runner = isolated.open()
            runner.start(isolated.code("it"))
            runner.submit(isolated.task("it"))
            runner.wait(600)
        finally:
            os._exit(1)
    pid = wait_for_pid(isolated.root / "pid")
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert is_gone(pid)
    assert list((isolated.root / ".incumbent/tmp").glob("attempts-*"))
    isolated.open()  # the next runner clears what the dead one left
    assert len(list((isolated.root / ".incumbent/tmp").glob("attempts-*"))) == 1


def test_code_that_starts_threads_when_imported_runs_in_fresh_interpreters(isolated: Project) -> None:
    outcome = isolated.run("""
        import threading
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        @stage
        def it() -> int:
            print("started", os.getppid())
            return os.getpid()
    """)
    assert outcome.state == "done", outcome.failure
    assert "started" in isolated.log(outcome)


def test_threads_and_the_hash_seed_stand_before_the_interpreter_starts(isolated: Project) -> None:
    isolated.write("""
        @stage
        def it() -> list:
            return [sys.flags.hash_randomization, os.environ.get("OMP_NUM_THREADS"), os.environ.get("POLARS_MAX_THREADS")]
    """)
    runner = isolated.open(threads=1)
    runner.start(isolated.code("it"))
    for threads, expected in ((None, "1"), (3, "3")):
        runner.submit(replace(isolated.task("it"), threads=threads, policy="off"))
        (outcome,) = runner.wait(60)
        assert isolated.get(outcome.outputs["it"]) == [0, expected, expected]


def wait_for_pid(path: Path) -> int:
    while not (path.exists() and path.read_text()):
        time.sleep(0.01)
    return int(path.read_text())


def is_gone(pid: int) -> bool:
    """Wait until a process has ended (a zombie has)."""
    for _ in range(1000):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


if sys.platform != "linux":
    pytestmark = pytest.mark.skip(reason="these tests read /proc to see which processes are left")
