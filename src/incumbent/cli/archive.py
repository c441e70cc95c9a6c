"""`incumbent archive`: reject a candidate, or retire what is live."""

import argparse

from incumbent.cli.command import print_json
from incumbent.cli.here import open_here
from incumbent.cli.terminal import say
from incumbent.registry.names import parse_version_name
from incumbent.usecases.archive import archive
from incumbent.usecases.live import describe_placement

EXAMPLES = """
A retired slot answers nothing until a version is promoted or rolled back to. Nothing is deleted.

examples:
  incumbent archive flights-late@2 --slot flights-late/nyc --reason "subgroup errors too high"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("version", metavar="MODEL@VERSION", help="the version")
    parser.add_argument("--slot", required=True, help="the slot")
    parser.add_argument("--reason", required=True, help="why, in words; kept in the ledger")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    model, version = parse_version_name(arguments.version)
    placement = archive(open_here(), model=model, version=version, slot=arguments.slot, reason=arguments.reason)
    if arguments.json:
        print_json({"slot": placement.slot, **describe_placement(placement)})
    else:
        say(f"{model}@{version} is in Archived in slot {placement.slot}")
    return 0
