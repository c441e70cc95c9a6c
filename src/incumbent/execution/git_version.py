"""The git commit of a project and a digest of what differs from it: one call of git, and only changed files are read."""

import os
import subprocess
from pathlib import Path

from incumbent.base.digest import Algorithm, finish, new_hasher
from incumbent.tracking.run import CodeVersion

_TIMEOUT_S = 60
_UNTRACKED_BYTES_MAX = 8 * 1024 * 1024
"""An untracked file over this size (data, as a rule) counts by its size alone; a tracked one by its bytes, whatever its size."""


def read_version(root: Path, algorithm: Algorithm) -> CodeVersion:
    """Return the version of the files below `root`, empty fields outside of a repository or without git."""
    command = [
        "git",
        "status",
        "--porcelain=v2",
        "--branch",
        "-z",
        "--untracked-files=all",
        "--no-renames",
        "--",
        ".",
        ":(exclude).incumbent",
    ]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return CodeVersion()
    top = _find_top(root)
    if done.returncode != 0 or top is None:
        return CodeVersion()
    commit, changed = _parse_status(done.stdout)
    if not changed:
        return CodeVersion(commit)
    hasher = new_hasher(algorithm)
    for path, is_tracked in sorted(changed.items()):
        state = _file_state(top / os.fsdecode(path), is_tracked, algorithm)
        hasher.update(b"%d:%s%s\n" % (len(path), path, state.encode()))
    return CodeVersion(commit, is_dirty=True, tree=finish(hasher, algorithm))


def _find_top(root: Path) -> Path | None:
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), None)


def _parse_status(output: bytes) -> tuple[str, dict[bytes, bool]]:
    """Return (commit, {path: is tracked}) from `git status --porcelain=v2 --branch -z`; without commits the commit is ""."""
    commit, changed = "", {}
    fields_before_path = {b"1": 8, b"u": 10, b"?": 1}
    for entry in output.split(b"\0"):
        if entry.startswith(b"# branch.oid "):
            commit = entry[13:].decode("ascii", "replace")
            continue
        count = fields_before_path.get(entry[:1])
        if count is not None:
            parts = entry.split(b" ", count)
            if len(parts) > count:
                changed[parts[count]] = entry[:1] != b"?"
    return ("" if commit.startswith("(") else commit), changed


def _file_state(file: Path, is_tracked: bool, algorithm: Algorithm) -> str:
    """Return what tells one state of a changed file from another."""
    try:
        if file.is_symlink():
            return f"link {os.readlink(file)!a}"
        if not file.is_file():
            return "absent"
        size = file.stat().st_size
        if not is_tracked and size > _UNTRACKED_BYTES_MAX:
            return f"large {size}"
        hasher = new_hasher(algorithm)
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                hasher.update(chunk)
    except OSError as error:
        return f"unreadable {error.errno}"
    mode = "x" if os.access(file, os.X_OK) else "-"
    return f"{mode} {finish(hasher, algorithm)}"
