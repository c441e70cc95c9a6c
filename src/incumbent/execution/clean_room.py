"""A clean room: a new virtual environment that holds exactly the distributions that a run recorded."""

import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

from incumbent.base.errors import Unavailable

_BUILD_TOOLS = {"pip", "setuptools", "wheel"}


def build_clean_room(folder: Path, distributions: Mapping[str, str], own_source: Path) -> Path:
    """Make a virtual environment in `folder` with these distributions (name -> version) and return its interpreter.

    Each is installed by exact version and without its dependencies, since the record names them all. Incumbent itself is taken
    from `own_source`, the code that is running now.

    Raises:
        Unavailable: A distribution could not be installed; the message is the installer's last line.
    """
    venv.create(folder, with_pip=True, clear=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = [f"{name}=={version}" for name, version in sorted(distributions.items()) if name not in {"incumbent", *_BUILD_TOOLS}]
    listing = folder / "recorded.txt"
    listing.write_text("\n".join(wanted) + "\n", "utf-8")
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "-r", str(listing)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()[-1:]
        raise Unavailable(f"the recorded environment could not be installed: {said[0] if said else 'pip failed without a word'}")
    for site in folder.glob("lib*/python*/site-packages"):
        (site / "incumbent-source.pth").write_text(f"{own_source}\n", "utf-8")
    return python


def run_inside(python: Path, arguments: list[str], folder: Path) -> str:
    """Run `incumbent …` with that interpreter in `folder` and return what it printed on stdout.

    Raises:
        Unavailable: It ended without an answer; the message is its last line on stderr.
    """
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}}
    command = [str(python), "-m", "incumbent", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode not in {0, 4} or not done.stdout.strip():
        said = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise Unavailable(f"the rerun in the clean room gave no answer: {said[0]} (interpreter {sys.version.split()[0]})")
    return done.stdout
