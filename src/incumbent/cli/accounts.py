"""`incumbent accounts`: who can log in to a server, and links to set a password with."""

import argparse

from incumbent.base.documents import Json
from incumbent.cli.command import print_json
from incumbent.cli.here import show_time
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.cli.verbs import run_verb, set_verbs
from incumbent.usecases.accounts import end_sessions, list_accounts, make_link
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
An account belongs to a person of `incumbent users`, who has the roles. Nobody has a default password: a person sets theirs with a
link that works once, for a day. A service has no password and uses tokens.

examples:
  incumbent accounts invite vera
  incumbent accounts ls
  incumbent accounts log-out vera
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="ls|invite|log-out", required=True)
    ls = verbs.add_parser("ls", help="list who has a password, and how many good tokens")
    invite = verbs.add_parser("invite", help="make a link with which a person sets their password, also a forgotten one")
    log_out = verbs.add_parser("log-out", help="end every session of a person")
    for sub in (invite, log_out):
        sub.add_argument("person", metavar="ID", help="who")
    set_verbs(((ls, _ls), (invite, _invite), (log_out, _log_out)))


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_verb(arguments)


def _ls(ws: Workspace, arguments: argparse.Namespace) -> int:
    found = list_accounts(ws)
    if arguments.json:
        listed: list[Json] = [record.to_json() for record in found]
        print_json({"accounts": listed})
    else:
        rows = [
            [
                record.person.person_id, ", ".join(sorted(record.person.roles)),
                "none" if record.changed_at is None else f"set {show_time(record.changed_at)}", str(record.tokens),
                "active" if record.person.is_active else "inactive",
            ]
            for record in found
        ]  # fmt: skip
        print_table(["id", "roles", "password", "good tokens", "state"], rows)
    return 0


def _invite(ws: Workspace, arguments: argparse.Namespace) -> int:
    link = make_link(ws, person=arguments.person)
    if arguments.json:
        print_json({"person": link.person_id, "path": link.path, "expires_at": link.expires_at.isoformat()})
    else:
        say(link.path)
        say(f"for {link.person_id}, after the server's address; it works once, until {show_time(link.expires_at)}")
    return 0


def _log_out(ws: Workspace, arguments: argparse.Namespace) -> int:
    ended = end_sessions(ws, person=arguments.person)
    if arguments.json:
        print_json({"person": arguments.person, "ended": ended})
    else:
        say(f"{arguments.person}: {ended} session{'' if ended == 1 else 's'} ended")
    return 0
