"""`incumbent propose`: make a registered version a candidate in a slot."""

import argparse

from incumbent.cli.command import print_json
from incumbent.cli.here import open_here
from incumbent.cli.terminal import say
from incumbent.registry.names import parse_version_name
from incumbent.usecases.live import describe_placement
from incumbent.usecases.propose import propose

EXAMPLES = """
`incumbent register --slot SLOT` does the same for a version that it makes.

examples:
  incumbent propose flights-late@2 --slot flights-late/nyc
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("version", metavar="MODEL@VERSION", help="the version")
    parser.add_argument("--slot", required=True, help="the slot; a new name makes a new one")
    parser.add_argument("--reason", default="proposed for this slot", help="why, in words")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    model, version = parse_version_name(arguments.version)
    placement = propose(open_here(), model=model, version=version, slot=arguments.slot, reason=arguments.reason)
    if arguments.json:
        print_json({"slot": placement.slot, **describe_placement(placement)})
    else:
        say(f"{model}@{version} is in Staging in slot {placement.slot}: `incumbent evaluate {model}@{version} --slot {placement.slot}`")
    return 0
