"""`incumbent promote`: place a version in Production of a slot. There is no gate in this release."""

import argparse

from incumbent.cli.command import print_json
from incumbent.cli.here import open_here
from incumbent.registry.names import parse_version_name
from incumbent.usecases.promote import promote

NO_GATE = "no gate and no sign-off stand before this in this release: what is promoted is live at once"

EXAMPLES = f"""
{NO_GATE}.

examples:
  incumbent promote flights-late@2 --slot flights-late/nyc --reason "better on March"
  incumbent promote flights-late@1 --slot flights-late/nyc --reason "roll back"       the earlier version again
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("version", metavar="MODEL@VERSION", help="the version to place")
    parser.add_argument("--slot", required=True, help="the slot; a new name makes a new slot")
    parser.add_argument("--reason", required=True, help="why, in words; kept in the slot's history")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    model, version = parse_version_name(arguments.version)
    done = promote(open_here(), model=model, version=version, slot=arguments.slot, reason=arguments.reason)
    before = f"{done.superseded.model}@{done.superseded.version}" if done.superseded else None
    if arguments.json:
        print_json({"slot": arguments.slot, "model": model, "version": version, "superseded": before, "gate": None})
    else:
        print(f"{model}@{version} is live in slot {arguments.slot}" + (f"; {before} is archived" if before else ""))
        print(f"  bundle verified: {done.version.bundle.digest}\n  {NO_GATE}")
    return 0
