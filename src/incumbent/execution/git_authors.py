"""Who wrote the commits that a version stands on: author, committer and co-authors, by e-mail address."""

import re
from collections.abc import Sequence
from pathlib import Path

from incumbent.base.errors import Unavailable
from incumbent.execution.git_command import run_git

UNKNOWN = "unknown"
"""Whoever wrote a commit without an address."""

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_ADDRESS = re.compile(r"<([^<>\s]+)>")
_FORMAT = "%H%x1f%ae%x1f%ce%x1f%(trailers:key=Co-authored-by,valueonly,separator=%x20)%x1e"


def list_authors(root: Path, commit: str, since: str = "") -> Sequence[tuple[str, str]]:
    """Return (commit, address) of everybody who had a part in each commit that `commit` has and `since` has not.

    The whole repository counts, not only what lies below the project: a shared folder beside it may be imported.

    Args:
        root: The project's root.
        commit: A full hash; "" (outside of a repository) has no authors.
        since: A full hash to stop at, "" for none. One that is not in this repository is passed over, so that more is
            returned rather than less.

    Raises:
        Unavailable: git is not installed, does not answer, or does not know `commit`.
    """
    if _HASH.fullmatch(commit) is None:
        return []
    if run_git(root, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true":
        raise Unavailable("this clone is shallow: it has not the commits whose authors are asked for; `git fetch --unshallow` brings them")
    span = f"{since}..{commit}" if _HASH.fullmatch(since) and _knows(root, since) else commit
    done = run_git(root, "log", f"--format={_FORMAT}", span, "--")
    if done.returncode != 0:
        raise Unavailable(f"the authors of commit {commit[:12]} cannot be listed: {done.stderr.decode(errors='replace').strip()[:200]}")
    found = []
    for line in done.stdout.decode("utf-8", "replace").split("\x1e"):
        record = line.strip("\n")  # and no other white space: Python counts the separator as such
        if not record:
            continue
        name, author, committer, trailers = record.split("\x1f", 3)
        addresses = [address or UNKNOWN for address in (author.strip(), committer.strip())]
        found += [(name, address) for address in dict.fromkeys([*addresses, *_ADDRESS.findall(trailers)])]
    return found


def _knows(root: Path, commit: str) -> bool:
    return run_git(root, "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0
