"""`incumbent slots`: which slots there are, and what was live in one, when."""

import argparse

from incumbent.base.errors import InvalidInput
from incumbent.cli.command import print_json
from incumbent.cli.here import open_here, read_time, show_time
from incumbent.cli.live import render_slot
from incumbent.cli.terminal import say
from incumbent.usecases.live import describe_placement, get_live, list_history, list_live

EXAMPLES = """
`incumbent promote MODEL@VERSION --slot SLOT` fills a slot; a new name makes a new one.

examples:
  incumbent slots ls
  incumbent slots show flights-late/nyc
  incumbent slots show flights-late/nyc --at 2026-11-25T14:00      what was live then
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("action", choices=["ls", "show"])
    parser.add_argument("slot", nargs="?", default="", metavar="SLOT", help="show: which one")
    parser.add_argument("--at", default="", metavar="TIME", help="show: as it was then, in ISO 8601; without a zone it is UTC")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    ws = open_here()
    if arguments.action == "ls":
        slots = list_live(ws)
        if arguments.json:
            print_json({"slots": [slot.to_json() for slot in slots]})
        for slot in () if arguments.json else slots:
            say(f"{slot.slot:<32} {f'{slot.live.model}@{slot.live.version}' if slot.live else 'nothing in Production'}")
        if not slots and not arguments.json:
            say("no slot yet: `incumbent promote MODEL@VERSION --slot SLOT` makes one")
        return 0
    if not arguments.slot:
        raise InvalidInput("`incumbent slots show` needs the name of a slot; `incumbent slots ls` lists them")
    at = read_time(arguments.at) if arguments.at else None
    slot = get_live(ws, arguments.slot, at)
    history = [placement for placement in list_history(ws, arguments.slot) if at is None or placement.since_at <= at]
    if arguments.json:
        print_json({"slot": slot.to_json(), "history": [describe_placement(placement) for placement in history]})
        return 0
    say(f"{render_slot(slot)}\n\nhistory, newest first")
    for p in history:
        say(f"  {show_time(p.since_at)}  {p.status:<10} {p.model}@{p.version}  by {p.actor}: {p.reason}")
    return 0
