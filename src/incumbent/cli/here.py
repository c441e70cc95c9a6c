"""The workspace of the current folder, and times as every command prints and reads them."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from incumbent.base.errors import InvalidInput
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


def read_time(text: str) -> datetime:
    """Return a time in ISO 8601; without a zone it is UTC. Raises InvalidInput."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text[:80]!r} is no time; write 2026-11-25T14:00 or 2026-11-25T14:00:00+01:00") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
