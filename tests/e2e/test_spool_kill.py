"""A logging process is killed at random moments: every point that it was told is kept is there afterwards, once and in order."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from incumbent.usecases import log_run
from incumbent.usecases.drain_spools import drain_spools
from tracked import open_tracked

TESTS = Path(__file__).parents[1]
HEAD = """
import os, sys, time
from pathlib import Path
from tracked import open_tracked
from incumbent.usecases.live_run import begin_run, join_run
ws = open_tracked(Path(sys.argv[1]), segment_bytes=20_000)
"""
LOGGING = (
    HEAD
    + """
run = begin_run(ws, experiment="kill", params={"lr": 0.1})
told = os.open(Path(sys.argv[1]) / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
print(run.id, flush=True)
for count in range(1, 10**9):
    run.log_metric("loss", count - 1)
    os.pwrite(told, b"%020d" % count, 0)
"""
)


def start(folder, script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )


def stop(process, number, delay_s=0.0):
    """Send a signal after a while; return (what it had printed, its stderr)."""
    time.sleep(delay_s)
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    return out, errors


def acknowledged(folder):
    """Return how many points the process was told are kept: a number in a file, which a kill leaves as it is."""
    return int((folder / "acknowledged").read_bytes() or b"0")


def values(ws, run_id, name="loss"):
    return [int(point.value) for point in log_run.get_points(ws, run_id=run_id).get(name, ())]


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_kill_at_any_moment_loses_no_acknowledged_point_and_doubles_none(tmp_path, is_slow):
    chance = random.Random(2013)
    ws = open_tracked(tmp_path)
    for _ in range(200 if is_slow else 20):
        process = start(tmp_path, LOGGING)
        run_id = process.stdout.readline().strip()
        _, errors = stop(process, signal.SIGKILL, chance.uniform(0, 1.5 if is_slow else 0.4))  # a drain comes each second
        done = drain_spools(ws)
        assert [(run.run_id, run.state) for run in done.sealed] == [(run_id, "killed")], errors
        stored = values(ws, run_id)
        assert stored == list(range(len(stored)))
        assert acknowledged(tmp_path) <= len(stored) <= acknowledged(tmp_path) + 1  # the call under way may or may not be in
        details = log_run.get_run(ws, run_id=run_id)
        assert details.run.params == {"lr": 0.1}
        assert "went away without ending" in details.run.facts["error"]
        assert log_run.verify_seal(ws, run_id=run_id) == details.run.manifest
        assert list((tmp_path / "spool").glob("*.spool")) == []  # the draft of a next one may be left: it holds nothing
    ws.store.close()


def test_a_kill_while_another_drains_is_drained_by_both_and_stored_once(tmp_path):
    process = start(tmp_path, LOGGING)
    run_id = process.stdout.readline().strip()
    stop(process, signal.SIGKILL, 0.3)
    recover = HEAD.replace("import begin_run, join_run", "import begin_run") + (
        "from incumbent.usecases.drain_spools import drain_spools\nprint(len(drain_spools(ws).sealed))\n"
    )
    others = [start(tmp_path, recover) for _ in range(3)]
    answers = [other.communicate(timeout=60) for other in others]
    assert [other.returncode for other in others] == [0, 0, 0], answers
    assert sorted(int(out) for out, _ in answers) == [0, 0, 1]
    ws = open_tracked(tmp_path)
    stored = values(ws, run_id)
    assert stored == list(range(len(stored)))
    assert len(stored) >= acknowledged(tmp_path) > 0
    assert log_run.get_run(ws, run_id=run_id).notes == []
    ws.store.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_polite_signal_stores_and_seals_before_the_process_dies_of_it(tmp_path, number):
    process = start(tmp_path, LOGGING)
    run_id = process.stdout.readline().strip()
    _, errors = stop(process, number, 0.3)
    assert process.returncode == -number, errors
    ws = open_tracked(tmp_path)
    run = log_run.get_run(ws, run_id=run_id).run
    assert (run.state, run.facts["error"]) == ("killed", f"stopped by {number.name}")
    stored = values(ws, run_id)
    assert stored == list(range(len(stored)))
    assert len(stored) >= acknowledged(tmp_path) > 0
    assert drain_spools(ws).sealed == []
    ws.store.close()


def test_a_scripts_own_signal_handler_is_called_and_decides(tmp_path):
    script = (
        HEAD
        + """
import signal
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
with begin_run(ws) as run:
    print(run.id, flush=True)
    while not asked:
        run.log_metric("loss", 1)
    run.log_metric("saved", 1)
assert signal.getsignal(signal.SIGTERM).__name__ == "<lambda>"
"""
    )
    process = start(tmp_path, script)
    run_id = process.stdout.readline().strip()
    _, errors = stop(process, signal.SIGTERM, 0.2)
    assert process.returncode == 0, errors
    ws = open_tracked(tmp_path)
    assert log_run.get_run(ws, run_id=run_id).run.state == "finished"
    assert values(ws, run_id, "saved") == [1]
    ws.store.close()


@pytest.mark.parametrize(
    ("ending", "state", "error"),
    [("", "finished", None), ("raise ValueError('no')", "failed", "ValueError: no"), ("sys.exit(0)", "finished", None)],
)
def test_a_script_that_never_calls_finish_is_ended_at_its_exit(tmp_path, ending, state, error):
    process = start(tmp_path, HEAD + f"run = begin_run(ws)\nprint(run.id)\nrun.log_metric('loss', 1)\n{ending}\n")
    out, errors = process.communicate(timeout=60)
    ws = open_tracked(tmp_path)
    run = log_run.get_run(ws, run_id=out.strip()).run
    assert (run.state, run.facts.get("error")) == (state, error), errors
    assert values(ws, run.run_id) == [1]
    ws.store.close()


def test_forked_workers_log_under_writers_of_their_own_and_do_not_end_the_run(tmp_path):
    script = (
        HEAD
        + """
import multiprocessing, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of any fork beside threads
def work(run, name):
    for value in range(200):
        run.log_metric(name, value)
with begin_run(ws) as run:
    run.log_metric("loss", 0)
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=work, args=(run, f"w{number}")) for number in range(3)]
    for worker in workers: worker.start()
    for value in range(1, 200): run.log_metric("loss", value)
    for worker in workers: worker.join()
    child = os.fork()
    if child == 0:
        run.log_metric("forked", 1)
        sys.exit(0)  # leaves the block, and the interpreter, in the child: the run is not its to end
    os.waitpid(child, 0)
    run.log_metric("loss", 200)
    print(run.id)
"""
    )
    process = start(tmp_path, script)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    ws = open_tracked(tmp_path)
    run_id = out.strip()
    assert log_run.get_run(ws, run_id=run_id).run.state == "finished"
    assert values(ws, run_id) == list(range(201))
    assert [values(ws, run_id, f"w{number}") for number in range(3)] == [list(range(200))] * 3
    assert values(ws, run_id, "forked") == [1]
    assert list((tmp_path / "spool").iterdir()) == []
    ws.store.close()


def test_processes_that_join_a_run_log_beside_its_owner_until_it_ends(tmp_path):
    owner = start(tmp_path, HEAD + "run = begin_run(ws)\nprint(run.id, flush=True)\ntime.sleep(60)\n")
    run_id = owner.stdout.readline().strip()
    joining = (
        HEAD
        + f"""
with join_run(ws, run_id={run_id!r}) as run:
    for value in range(300): run.log_metric(sys.argv[2], value)
"""
    )
    joined = [
        subprocess.Popen([sys.executable, "-c", joining, str(tmp_path), name], env={**os.environ, "PYTHONPATH": str(TESTS)})
        for name in "ab"
    ]
    assert [process.wait(60) for process in joined] == [0, 0]
    stop(owner, signal.SIGTERM)
    ws = open_tracked(tmp_path)
    assert [values(ws, run_id, name) for name in "ab"] == [list(range(300))] * 2
    ws.store.close()


def test_a_run_whose_process_died_before_it_had_a_spool_is_ended_by_the_process_it_names(tmp_path):
    script = HEAD + (
        "from incumbent.usecases.log_run import describe_run, start_run\n"
        "print(start_run(ws, began=describe_run(ws, experiment='pipeline')).run_id)\n"
    )
    out, _ = start(tmp_path, script).communicate(timeout=60)
    ws = open_tracked(tmp_path)
    assert [(run.run_id, run.state) for run in drain_spools(ws).sealed] == [(out.strip(), "killed")]
    assert drain_spools(ws).sealed == []
    ws.store.close()
