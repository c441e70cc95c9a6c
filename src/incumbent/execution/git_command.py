"""Asking git."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from incumbent.base.errors import Unavailable

_TIMEOUT_S = 60


def run_git(root: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Run git in a folder, without a lock, and return what it said. Raises Unavailable when it is not installed or does not answer."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        return subprocess.run(
            ["git", *arguments], cwd=root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"git cannot be run: {error}") from error


def list_exposed(folder: Path) -> Sequence[str]:
    """Return the files below a folder that git tracks, or would take by `git add -A`; none where there is no git or no repository."""
    try:
        done = run_git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    except Unavailable:
        return []
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name] if done.returncode == 0 else []
