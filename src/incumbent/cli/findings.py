"""`incumbent findings`: issues that validation, audit or a broken glass raised."""

import argparse
from typing import get_args

from incumbent.base.documents import Json
from incumbent.cli.command import print_json
from incumbent.cli.here import show_time
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.cli.verbs import run_verb, set_verbs
from incumbent.governance.finding import SEVERITIES, Kind
from incumbent.usecases.findings import FindingRecord, close_finding, list_findings, open_finding
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
examples:
  incumbent findings ls --open
  incumbent findings open flights-late --title "no report on carriers" --severity high --due 14 --blocks
  incumbent findings close finding-0a1b2c --resolution "report added, entry 41"     signed with your key
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="ls|open|close", required=True)
    ls = verbs.add_parser("ls", help="list findings")
    ls.add_argument("subject", nargs="?", default=None, metavar="MODEL|SLOT", help="about one of these (default: all)")
    ls.add_argument("--open", action="store_true", dest="is_open", help="only those that are open")
    raising = verbs.add_parser("open", help="open one")
    raising.add_argument("subject", metavar="MODEL|SLOT", help="what it is about")
    raising.add_argument("--title", required=True, help="what is wrong, in words")
    raising.add_argument("--kind", choices=[kind for kind in get_args(Kind) if kind != "break-glass"], default="validation")
    raising.add_argument("--severity", choices=SEVERITIES, default="medium")
    raising.add_argument("--due", type=float, default=30, metavar="DAYS", help="in how many days it has to be closed (default: 30)")
    raising.add_argument("--blocks", action="store_true", help="no version is promoted while it is open")
    closing = verbs.add_parser("close", help="close one, signed with your key")
    closing.add_argument("finding", metavar="FINDING")
    closing.add_argument("--resolution", required=True, help="what became of it, in words")
    set_verbs(((ls, _ls), (raising, _open), (closing, _close)))


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_verb(arguments)


def _ls(ws: Workspace, arguments: argparse.Namespace) -> int:
    found = list_findings(ws, subject=arguments.subject, is_open=arguments.is_open)
    if arguments.json:
        listed: list[Json] = [_describe(record) for record in found]
        print_json({"findings": listed})
    elif found:
        rows = [
            [
                record.finding.finding_id, record.finding.severity, record.finding.subject, record.finding.state,
                show_time(record.finding.due_at), "yes" if record.finding.blocks_promotion else "", record.finding.words,
            ]
            for record in found
        ]  # fmt: skip
        print_table(["finding", "severity", "about", "state", "due", "blocks", "title"], rows)
    else:
        say("no finding")
    return 0


def _describe(record: FindingRecord) -> dict[str, Json]:
    return {**record.finding.to_json(), "entry": record.entry}


def _open(ws: Workspace, arguments: argparse.Namespace) -> int:
    made = open_finding(
        ws,
        subject=arguments.subject,
        title=arguments.title,
        kind=arguments.kind,
        severity=arguments.severity,
        due_days=arguments.due,
        blocks=arguments.blocks,
    )
    if arguments.json:
        print_json(_describe(made))
    else:
        say(f"{made.finding.finding_id} is open, due {show_time(made.finding.due_at)}")
    return 0


def _close(ws: Workspace, arguments: argparse.Namespace) -> int:
    done = close_finding(ws, finding=arguments.finding, resolution=arguments.resolution)
    if arguments.json:
        print_json(_describe(done))
    else:
        say(f"{done.finding.finding_id} is closed by {done.finding.closed_by}; ledger entry {done.entry}")
    return 0
