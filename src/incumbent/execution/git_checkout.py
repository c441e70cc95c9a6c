"""Writing the files of a commit somewhere else, without touching the working tree or the index."""

import io
import subprocess
import tarfile
from pathlib import Path

from incumbent.base.errors import InvalidInput, NotFound, Unavailable

_TIMEOUT_S = 300


def check_out(root: Path, commit: str, folder: Path) -> None:
    """Write the files of `commit`, as far as they are below the project's root, into `folder`.

    Raises:
        InvalidInput: `commit` is no full hash.
        NotFound: The repository does not have it (a shallow clone, or history was rewritten).
        Unavailable: git is not installed, or does not answer.
    """
    if not (len(commit) in {40, 64} and all(character in "0123456789abcdef" for character in commit)):
        raise InvalidInput(f"{commit[:80]!r} is no commit hash")
    try:
        # Started in a folder of a larger repository, git archives that folder alone and leaves its own path out of the names.
        done = subprocess.run(
            ["git", "archive", "--format=tar", commit],
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"git cannot be run: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise NotFound(f"commit {commit[:12]} is not in the repository at {root}: {said[0] if said else 'git archive failed'}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
