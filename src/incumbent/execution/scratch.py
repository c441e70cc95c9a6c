"""Scratch folders that a killed process leaves behind are found and cleared by the next one."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path


class Scratch:
    """A folder of this process, locked while it lives; made under `parent`, where abandoned ones are cleared first."""

    def __init__(self, parent: Path, prefix: str) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        turn = os.open(parent, os.O_RDONLY)
        try:
            # One at a time: between making a folder and locking it, it would look abandoned to another process that clears.
            fcntl.flock(turn, fcntl.LOCK_EX)
            _clear_abandoned(parent, prefix)
            self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        finally:
            os.close(turn)

    def make(self, name: str) -> Path:
        """Return a new, empty folder in it."""
        made = self.folder / name
        made.mkdir()
        return made

    def close(self) -> None:
        """Remove it all."""
        remove_tree(self.folder)
        os.close(self._lock)


def remove_tree(folder: Path) -> None:
    """Remove a folder whatever its modes are (fetched inputs are read-only). What a dying worker still holds is left to the next sweep."""
    shutil.rmtree(folder, onerror=_unlock_and_retry)


def _unlock_and_retry(_function: object, path: str, _error: object) -> None:
    try:
        os.chmod(os.path.dirname(path), 0o700)
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, 0o700)
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
    except OSError:  # left for the next sweep
        return


def _clear_abandoned(parent: Path, prefix: str) -> None:
    for folder in parent.glob(f"{prefix}*"):
        try:
            lock = os.open(folder / "lock", os.O_RDWR)
        except FileNotFoundError:  # none is being made in our turn: its owner was killed while making or removing it, or is removing it now
            remove_tree(folder)
            continue
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(folder)
        except BlockingIOError:  # its owner lives
            pass
        finally:
            os.close(lock)
