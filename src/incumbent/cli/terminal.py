"""What a command says. Names and reasons come from anywhere, and may not steer the terminal that shows them."""

import sys
from typing import TextIO

from incumbent.base.shown import show_marks


def say(*values: object, end: str = "\n", file: TextIO | None = None, flush: bool = False) -> None:
    """Print, as `print` does, with what a terminal would obey or not show spelled out."""
    print(show_marks(" ".join(map(str, values))), end=end, file=file or sys.stdout, flush=flush)
