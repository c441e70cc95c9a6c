"""The workspace of the current folder, and times as every command prints them."""

from datetime import datetime
from pathlib import Path

from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import find_root, read_settings
from incumbent.usecases.workspace import Workspace


def open_here() -> Workspace:
    """Open the workspace of the project that the current folder is in."""
    return open_workspace(read_settings(find_root(Path.cwd())))


def show_time(at: datetime) -> str:
    """Return a time to the second, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
