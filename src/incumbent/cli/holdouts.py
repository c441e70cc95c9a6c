"""`incumbent holdouts`: frozen evaluation data, and how often each was looked at."""

import argparse

from incumbent.base.documents import Json
from incumbent.cli.command import print_json
from incumbent.cli.here import show_time
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.cli.verbs import run_verb, set_verbs
from incumbent.usecases.holdouts import Holdout, list_holdouts, register_holdout
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
A holdout is a table that a run gave: the columns that bundles are asked with, and the truth. Every evaluation on it is a look,
counted in the ledger before its result is known; a policy says how many looks it may have, and each one has its price. Holdouts that
share half of their rows share their looks.

examples:
  incumbent holdouts add march --run RUN --artifact holdout
  incumbent holdouts ls
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="ls|add", required=True)
    ls = verbs.add_parser("ls", help="list holdouts with their looks")
    add = verbs.add_parser("add", help="freeze an output of a run")
    add.add_argument("name", metavar="NAME", help="what policies call it")
    add.add_argument("--run", required=True, metavar="RUN", help="a finished run: its id, or 6 or more characters of its beginning")
    add.add_argument("--artifact", default="holdout", metavar="NAME", help="which output of the run (default: holdout)")
    set_verbs(((ls, _ls), (add, _add)))


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_verb(arguments)


def _ls(ws: Workspace, arguments: argparse.Namespace) -> int:
    found = list_holdouts(ws)
    if arguments.json:
        listed: list[Json] = [_describe(holdout) for holdout in found]
        print_json({"holdouts": listed})
    elif found:
        rows = [
            [h.name, f"{h.rows:,}", str(h.looks), ", ".join(h.shares) or "-", show_time(h.registered_at), h.actor, h.artifact.digest]
            for h in found
        ]
        print_table(["holdout", "rows", "looks", "shares rows with", "frozen", "by", "data"], rows)
        for holdout in found:
            _tell_unread(holdout)
    else:
        say("no holdout yet: `incumbent holdouts add NAME --run RUN` freezes one")
    return 0


def _tell_unread(holdout: Holdout) -> None:
    if holdout.unread:
        say(f"{holdout.name} was not compared with {', '.join(holdout.unread)}, whose rows could no longer be read when it was frozen")


def _describe(holdout: Holdout) -> dict[str, Json]:
    return {
        "name": holdout.name,
        "rows": holdout.rows,
        "looks": holdout.looks,
        "shares": [*holdout.shares],
        "unread": [*holdout.unread],
        "columns": [*holdout.columns],
        "artifact": holdout.artifact.to_json(),
        "run": holdout.run_id,
        "registered_at": holdout.registered_at.isoformat(),
        "actor": holdout.actor,
    }


def _add(ws: Workspace, arguments: argparse.Namespace) -> int:
    holdout = register_holdout(ws, name=arguments.name, run=arguments.run, artifact=arguments.artifact)
    if arguments.json:
        print_json(_describe(holdout))
    else:
        say(f"holdout {holdout.name} is frozen: {holdout.rows:,} rows, {holdout.artifact.digest}; {holdout.looks} looks so far")
        if holdout.shares:
            say(f"it shares rows with {', '.join(holdout.shares)}: looks at either count for both")
        _tell_unread(holdout)
    return 0
