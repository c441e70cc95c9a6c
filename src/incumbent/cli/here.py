"""The workspace of the current folder, and times as every command prints them."""

import argparse
from datetime import datetime
from pathlib import Path

from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import find_root, read_settings
from incumbent.usecases.workspace import Workspace


def open_here() -> Workspace:
    """Open the workspace of the project that the current folder is in."""
    return open_workspace(read_settings(find_root(Path.cwd())))


def add_allow_pickle(parser: argparse.ArgumentParser) -> None:
    """Add the option that lets bundles be opened by unpickling, in a process of their own."""
    parser.add_argument(
        "--allow-pickle", action="store_true",
        help="open bundles that are opened by unpickling, too; unpickling can run code that came with them (default: refuse)",
    )  # fmt: skip


def show_time(at: datetime) -> str:
    """Return a time to the second, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
