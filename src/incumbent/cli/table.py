"""Tables: drawn in a terminal, plain aligned columns elsewhere, so that other programs can read them."""

import sys
from collections.abc import Sequence

from incumbent.base.shown import show_line
from incumbent.cli.terminal import say


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text under their headers. What a run logged cannot steer a terminal."""
    clean = [[show_line(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _draw(headers, clean)
        return
    widths = [max(len(line[place]) for line in (headers, *clean)) for place in range(len(headers))]
    for line in (headers, *clean):
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _draw(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415  (slow to import, and of no use to a pipe)
    from rich.table import Table  # noqa: PLC0415  (as above)
    from rich.text import Text  # noqa: PLC0415  (as above)

    table = Table(box=None, header_style="bold", pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(table)
