"""What `./demo` and `./test` do before their own work, on a copy of the scripts with requirement files that are empty."""

import ast
import fcntl
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPTS = ("demo", "test", "scripts/bootstrap_venv.py")


@pytest.fixture
def checkout(tmp_path):
    """A folder with the scripts, empty locks, and a project that cannot be built (nothing is there to build it with)."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "requirements").mkdir()
    for name in SCRIPTS:
        shutil.copy(ROOT / name, tmp_path / name)
    for lock in ("build", "demo", "test"):
        (tmp_path / "requirements" / f"{lock}.lock").write_text("# nothing\n")
    (tmp_path / "pyproject.toml").write_text('[build-system]\nrequires = ["absent"]\nbuild-backend = "absent"\n')
    return tmp_path


def start(checkout, script="demo", *arguments, python=sys.executable, **more):
    command = [python, str(checkout / script), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def pretend_installed(checkout, lock):
    """Make a .venv whose programs print their arguments, with the mark that a finished install leaves."""
    programs = checkout / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("incumbent", "python"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*"; pwd\n')
        (programs / name).chmod(0o755)
    spec = importlib.util.spec_from_file_location("copied", checkout / "scripts" / "bootstrap_venv.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (checkout / ".venv" / "incumbent.json").write_text(json.dumps({lock: module._digest_wanted(lock)}))


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_scripts_parse_on_an_old_python_so_that_it_can_say_what_it_lacks(name):
    ast.parse((ROOT / name).read_text(), feature_version=(3, 6))


@pytest.mark.parametrize("name", ["demo", "test", "scripts/lock.sh", ".ci/run"])
def test_the_scripts_can_be_executed(name):
    assert os.access(ROOT / name, os.X_OK)


def test_an_old_python_gets_one_sentence():
    pretend = f"import runpy, sys; sys.version_info = (3, 9, 18); sys.argv = ['demo']; runpy.run_path({str(ROOT / 'demo')!r})"
    done = subprocess.run([sys.executable, "-c", pretend], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Incumbent needs Python 3.11 or newer, and ")
    assert "is 3.9." in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_is_installed_is_not_installed_again_and_arguments_are_passed_on(checkout):
    pretend_installed(checkout, "demo")
    out, err = start(checkout, "demo", "--port", "80 81").communicate()
    assert out.splitlines()[0] == "incumbent demo --port 80 81"
    assert err == ""


def test_the_tests_run_in_the_project_folder_from_wherever_they_were_started(checkout, tmp_path_factory):
    pretend_installed(checkout, "test")
    out, _ = start(checkout, "test", "--slow", cwd=tmp_path_factory.mktemp("elsewhere")).communicate()
    assert out.splitlines() == ["python -m pytest -n 2 --dist loadfile --slow", str(checkout)]


def test_one_start_waits_while_another_installs(checkout):
    pretend_installed(checkout, "demo")
    with (checkout / ".venv.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        second = start(checkout)
        assert second.stderr.readline() == "# another ./demo or ./test is installing here; waiting for it\n"
        assert second.poll() is None
    out, _ = second.communicate()
    assert out.startswith("incumbent demo")


def test_an_install_that_was_cut_short_is_made_anew_and_a_failed_one_says_what_to_do(checkout):
    first = start(checkout, python=sys.executable)
    _, err = first.communicate()
    assert first.returncode == 1
    assert "making .venv" in err
    assert err.endswith("Installing failed; pip says above why. Only .venv was touched: mend it and start again.\n")
    assert (checkout / ".venv" / "incumbent.begun").exists()
    assert not (checkout / ".venv" / "incumbent.json").exists()
    half_made = checkout / ".venv" / "half-made"
    half_made.touch()
    start(checkout).communicate()
    assert not half_made.exists()


def test_a_changed_lock_is_installed_into_the_same_venv(checkout):
    pretend_installed(checkout, "demo")
    before = json.loads((checkout / ".venv" / "incumbent.json").read_text())
    (checkout / "requirements" / "demo.lock").write_text("# something else\n")
    second = start(checkout)
    _, err = second.communicate()
    assert second.returncode == 1, "the project of this test cannot be built"
    assert "installing requirements/demo.lock by hash" in err
    assert before, "the mark of the old install is gone, so that nobody trusts it"
    assert not (checkout / ".venv" / "incumbent.json").exists()


def test_a_mark_that_is_no_json_is_no_mark(checkout):
    pretend_installed(checkout, "demo")
    (checkout / ".venv" / "incumbent.json").write_bytes(b"\xff{")
    _, err = start(checkout).communicate()
    assert "installing requirements/demo.lock by hash" in err
