"""Scratch folders: one that lives is never taken for an abandoned one, however many begin at once; a dead one is cleared."""

import os
import signal
import subprocess
import sys

from incumbent.execution.scratch import Scratch

BEGIN_AND_END = """
import sys
from pathlib import Path
from incumbent.execution.scratch import Scratch

for number in range(150):
    scratch = Scratch(Path(sys.argv[1]), "attempts-")
    made = scratch.make("1")
    assert made.is_dir(), f"another process cleared it at {number}"
    scratch.close()
"""


def test_processes_that_begin_at_once_leave_each_other_alone(tmp_path):
    together = [subprocess.Popen([sys.executable, "-c", BEGIN_AND_END, str(tmp_path)], stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate(timeout=60)[1] for process in together]
    assert [process.returncode for process in together] == [0, 0, 0, 0], said
    assert list(tmp_path.glob("attempts-*")) == []


def test_what_a_killed_process_leaves_is_cleared_by_the_next(tmp_path):
    code = BEGIN_AND_END.replace("scratch.close()", "print(made, flush=True); sys.stdin.read()")
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    left = process.stdout.readline().strip()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert os.path.isdir(left)
    scratch = Scratch(tmp_path, "attempts-")
    assert not os.path.exists(left)
    scratch.close()


def test_a_folder_whose_owner_was_killed_before_or_after_it_had_a_lock_is_cleared_too(tmp_path):
    left = tmp_path / "attempts-without-lock"
    (left / "1").mkdir(parents=True)
    (left / "1" / "input").write_text("half fetched")
    (left / "1").chmod(0o500)
    (tmp_path / "other").mkdir()
    scratch = Scratch(tmp_path, "attempts-")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([scratch.folder.name, "other"])
    scratch.close()
