"""`incumbent roll-back`: point a slot at the version before. One command, no rebuild."""

import argparse

from incumbent.cli.command import print_json
from incumbent.cli.here import open_here
from incumbent.cli.terminal import say
from incumbent.ledger.clock import CLOCK_SLACK, tell_lag
from incumbent.registry.names import parse_version_name
from incumbent.usecases.roll_back import roll_back

EXAMPLES = """
The bytes of the version that is gone back to are verified first. `incumbent live SLOT` names it.

examples:
  incumbent roll-back flights-late/nyc --reason "error rate doubled since noon"
  incumbent roll-back flights-late/nyc --to flights-late@1 --reason "the last one with hourly weather"
  incumbent roll-back credit/eu --break-glass --reason "approver unreachable"     signed with your key; opens a finding
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("slot", metavar="SLOT", help="the slot")
    parser.add_argument("--reason", required=True, help="why, in words; kept in the ledger")
    parser.add_argument("--to", default="", metavar="MODEL@VERSION", help="go to this one, which was live here (default: the one before)")
    parser.add_argument(
        "--break-glass",
        action="store_true",
        help="go without the approvals that the tier asks for: opens a finding, and the slot takes no promotion until it is closed",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    to = parse_version_name(arguments.to) if arguments.to else None
    done = roll_back(open_here(), slot=arguments.slot, reason=arguments.reason, to=to, break_glass=arguments.break_glass)
    name = f"{done.version.model}@{done.version.version}"
    left = f"{done.left.model}@{done.left.version}" if done.left else None
    if arguments.json:
        print_json(
            {
                "slot": arguments.slot, "model": done.version.model, "version": done.version.version, "left": left,
                "finding": done.finding or None, "entry": done.placement.seq,
            }
        )  # fmt: skip
    else:
        say(f"{name} is live in slot {arguments.slot} again" + (f"; {left} is archived" if left else ""))
        say(f"  bundle verified: {done.version.bundle.digest}\n  ledger entry {done.placement.seq}")
        if done.lag > CLOCK_SLACK:
            say(f"  the clock here runs behind the ledger by {tell_lag(done.lag)}: the entry has the ledger's time, and its own beside it")
        if done.finding:
            say(f"  {done.finding} is open: no promotion into {arguments.slot} until `incumbent findings close {done.finding}`")
    return 0
