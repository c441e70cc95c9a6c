"""Running the real command line in a project folder, as a user does."""

import json
import os
import subprocess
import sys
from pathlib import Path


def incumbent(folder: Path, *arguments: str, env: dict[str, str] | None = None, code: int | None = 0, timeout_s: float = 100):
    """Run `incumbent ARGUMENTS` in `folder`; check the exit code unless `code` is None; return the finished process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INCUMBENT_")}
    done = subprocess.run(
        [sys.executable, "-m", "incumbent", *arguments],
        cwd=folder,
        env={**environment, **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert "Traceback (most recent call last)" not in done.stderr.replace("in the user's code", ""), done.stderr
    if code is not None:
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def incumbent_json(folder: Path, *arguments: str, **options):
    """Run a command with --json and return the document."""
    return json.loads(incumbent(folder, *arguments, "--json", **options).stdout)


def write(folder: Path, files: dict[str, str]) -> None:
    """Write text files, folders included."""
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")


def ran(document) -> list[str]:
    """Return the names of the stages that ran (were no hits), in order."""
    return [stage["stage"] for stage in document["stages"] if stage["state"] == "ran"]
