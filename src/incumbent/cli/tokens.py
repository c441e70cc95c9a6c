"""`incumbent tokens`: what programs show to a server."""

import argparse
import sys

from incumbent.base.documents import Json
from incumbent.cli.command import print_json
from incumbent.cli.here import show_time
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.cli.verbs import run_verb, set_verbs
from incumbent.usecases.account_ports import Token
from incumbent.usecases.tokens import DAYS, DAYS_MAX, list_tokens, new_token, revoke_token
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
A token acts as its owner, and may never do more than its owner may at that moment. It is shown once; the store keeps its digest.
A scope is read, write (all but what is for admins alone) or admin, or rights by name (docs/reference/rights.md).

examples:
  incumbent tokens new "my laptop"
  incumbent tokens new "nightly retraining" --for nightly --scope track --scope register --days 30
  incumbent tokens ls --all
  incumbent tokens revoke token-06f1d0v2hq4n8c3k5e7z

use:
  curl -H "Authorization: Bearer $TOKEN" https://incumbent.example.com/api/v1/slots
  MLFLOW_TRACKING_TOKEN=$TOKEN     or MLFLOW_TRACKING_USERNAME=anything MLFLOW_TRACKING_PASSWORD=$TOKEN
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="new|ls|revoke", required=True)
    new = verbs.add_parser("new", help="make a token and show it, once: for oneself, or for a service that one answers for")
    new.add_argument("name", help="what it is for")
    new.add_argument("--for", dest="person", default="", metavar="ID", help="a service's id (default: yourself)")
    new.add_argument("--scope", action="append", metavar="RIGHT", help="read, write or admin, or a right; may be repeated (default: write)")
    new.add_argument("--days", type=int, default=DAYS, help=f"for how long it is good, 1 to {DAYS_MAX} (default {DAYS})")
    ls = verbs.add_parser("ls", help="list your tokens and those of your services")
    ls.add_argument("--all", action="store_true", help="everybody's, for an admin")
    revoke = verbs.add_parser("revoke", help="end a token at once")
    revoke.add_argument("token", metavar="ID", help="its id, token-…; `-` reads the token itself from stdin")
    set_verbs(((new, _new), (ls, _ls), (revoke, _revoke)))


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_verb(arguments)


def _new(ws: Workspace, arguments: argparse.Namespace) -> int:
    made = new_token(ws, name=arguments.name, person=arguments.person, scope=arguments.scope or ["write"], days=arguments.days)
    if arguments.json:
        print_json({**_describe(made.token), "token": made.secret})
        return 0
    say(made.secret)
    say(
        f"{made.token.token_id}, acts as {made.token.person_id}, scope {', '.join(made.token.scope)}, until "
        f"{show_time(made.token.expires_at)}; it is not shown again",
        file=sys.stderr,
    )
    return 0


def _ls(ws: Workspace, arguments: argparse.Namespace) -> int:
    found = list_tokens(ws, everybodys=arguments.all)
    if arguments.json:
        print_json({"tokens": [_describe(token) for token in found]})
    elif not found:
        say("no token yet; `incumbent tokens new NAME` makes one")
    else:
        now = ws.clock.now()
        rows = [
            [
                token.token_id, token.person_id, token.name, ", ".join(token.scope), show_time(token.expires_at),
                "never" if token.used_at is None else show_time(token.used_at),
                "revoked" if token.revoked_at else "expired" if token.expires_at <= now else "good",
            ]
            for token in found
        ]  # fmt: skip
        print_table(["id", "acts as", "name", "scope", "good until", "last used", "state"], rows)
    return 0


def _revoke(ws: Workspace, arguments: argparse.Namespace) -> int:
    revoked = revoke_token(ws, token=sys.stdin.readline().strip() if arguments.token == "-" else arguments.token)  # noqa: S105  (no secret)
    if arguments.json:
        print_json(_describe(revoked))
    else:
        say(f"{revoked.token_id} of {revoked.person_id} lets nobody in any more")
    return 0


def _describe(token: Token) -> dict[str, Json]:
    return {
        "id": token.token_id,
        "acts_as": token.person_id,
        "name": token.name,
        "scope": [*token.scope],
        "made_at": token.made_at.isoformat(),
        "made_by": token.made_by,
        "expires_at": token.expires_at.isoformat(),
        "used_at": token.used_at.isoformat() if token.used_at else None,
        "revoked_at": token.revoked_at.isoformat() if token.revoked_at else None,
    }
