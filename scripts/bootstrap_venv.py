"""Make `.venv` from a hash-locked requirement file: what `./demo` and `./test` do before their own work.

Standard library only. This file must parse on Python 3.6, so that an old interpreter gives a sentence and not a SyntaxError.

`.venv/incumbent.json` says what is installed, by digest. `.venv/incumbent.begun` is there while pip works: an install that
was cut short leaves it behind, and the next start makes the whole folder anew.
"""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys

try:
    import fcntl
except ImportError:  # Windows: _check_interpreter says so in words
    fcntl = None

PYTHON_LEAST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
VENV = os.path.join(ROOT, ".venv")
MARK = os.path.join(VENV, "incumbent.json")
BEGUN = os.path.join(VENV, "incumbent.begun")


def main(lock, command):
    """Bring `.venv` up to requirements/`lock`.lock, then become `command`, whose first word is a program of .venv/bin."""
    try:
        _check_interpreter()
        ensure_venv(lock)
        program = _in_venv(command[0])
        os.execv(program, [program, *command[1:]])
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.exit(f"This checkout could not be prepared: {error}. Mend that (disk space, rights), then start again.")


def ensure_venv(lock):
    """Install requirements/`lock`.lock and the project into `.venv`, unless the mark says that it is done."""
    with open(os.path.join(ROOT, ".venv.lock"), "w") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another ./demo or ./test is installing here; waiting for it")
            fcntl.flock(guard, fcntl.LOCK_EX)
        wanted = _digest_wanted(lock)
        mark = _read_mark()
        if mark.get(lock) == wanted:
            return
        if not _is_usable():
            _make_venv(guard)
            mark = {}
        _install(lock, guard)
        mark[lock] = wanted
        with open(MARK + ".new", "w") as file:
            json.dump(mark, file)
        os.replace(MARK + ".new", MARK)
        os.remove(BEGUN)


def _check_interpreter():
    major, minor = sys.version_info[:2]
    if (major, minor) < PYTHON_LEAST:
        sys.exit(
            f"Incumbent needs Python {PYTHON_LEAST[0]}.{PYTHON_LEAST[1]} or newer, and {sys.executable} is {major}.{minor}. "
            f"Install a newer one, then start this script with it, for example: python3.12 {' '.join(sys.argv)}"
        )
    if fcntl is None:
        sys.exit("Incumbent runs on Linux and macOS; on Windows, start it inside WSL.")
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        sys.exit(
            "This Python cannot make virtual environments: Debian and Ubuntu package that apart. Install it, then start again:\n"
            f"    sudo apt-get install python{major}.{minor}-venv"
        )


def _digest_wanted(lock):
    """Digest of all that decides what is installed; the folder is part of it, since installed scripts hold its path."""
    hasher = hashlib.sha256(ROOT.encode())
    for name in ("requirements/build.lock", f"requirements/{lock}.lock", "pyproject.toml"):
        with open(os.path.join(ROOT, name), "rb") as file:
            hasher.update(hashlib.sha256(file.read()).digest())
    return hasher.hexdigest()


def _read_mark():
    try:
        with open(MARK) as file:
            mark = json.load(file)
    except (OSError, ValueError):
        return {}
    is_whole = isinstance(mark, dict) and os.path.exists(_in_venv("python")) and not os.path.exists(BEGUN)
    return mark if is_whole else {}


def _is_usable():
    """Whether `.venv` can be installed into as it is: made in this folder, no install cut short, pip answers."""
    if os.path.exists(BEGUN):
        return False
    try:
        with open(_in_venv("pip"), "rb") as script:
            if os.fsencode(VENV) not in script.read(4096):
                return False
        asked = [_in_venv("python"), "-c", "import pip, sys; sys.exit(sys.version_info < (3, 11))"]
        return subprocess.call(asked, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def _make_venv(guard):
    _say(f"making .venv with Python {sys.version_info[0]}.{sys.version_info[1]}")
    if subprocess.call([sys.executable, "-m", "venv", "--clear", VENV], pass_fds=[guard.fileno()]) != 0:
        sys.exit("Making .venv failed, for the reason above. Mend it, remove the folder .venv, then start again.")


def _install(lock, guard):
    """Run pip. It holds `guard` too, so that it keeps others out even when this script is killed."""
    _say(f"installing requirements/{lock}.lock by hash; the first time takes a minute or two")
    open(BEGUN, "w").close()
    pip = [_in_venv("python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input", "--no-build-isolation"]
    steps = [  # the first brings what builds the others
        ["--require-hashes", "-r", os.path.join(ROOT, "requirements", "build.lock")],
        ["--require-hashes", "-r", os.path.join(ROOT, "requirements", lock + ".lock")],
        ["--no-deps", "--editable", ROOT],
    ]
    environment = dict(os.environ, PIP_USER="0", PYTHONNOUSERSITE="1")
    for step in steps:
        if subprocess.call(pip + step, env=environment, pass_fds=[guard.fileno()]) != 0:
            sys.exit("Installing failed; pip says above why. Only .venv was touched: mend it and start again.")


def _in_venv(program):
    return os.path.join(VENV, "bin", program)


def _say(text):
    sys.stderr.write(f"# {text}\n")
    sys.stderr.flush()
