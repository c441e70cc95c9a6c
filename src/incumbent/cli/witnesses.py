"""`incumbent witnesses`: whose cosignatures of the ledger count."""

import argparse

from incumbent.base.documents import Json
from incumbent.cli.command import print_json
from incumbent.cli.here import show_time
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.cli.verbs import run_verb, set_verbs
from incumbent.usecases.witnesses import add_witness, list_witnesses, revoke_witness
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
A tier may ask that the ledger be cosigned by witnesses before a version goes live. Counted are the keys that stand here, once for each
person who answers for one, and none of somebody who had a part in the version.

examples:
  incumbent ledger witness --memory seen.note          prints the witness's key, NAME+HASH+BASE64
  incumbent witnesses add witness+0a1b2c3d+BAAA…= --owner ben
  incumbent witnesses revoke witness --reason "the machine was sold"
  incumbent witnesses ls
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="ls|add|revoke", required=True)
    ls = verbs.add_parser("ls", help="list witnesses, and who answers for each")
    add = verbs.add_parser("add", help="register the key of a witness (admins)")
    add.add_argument("vkey", metavar="VKEY", help="NAME+HASH+BASE64, as `incumbent ledger witness` printed it")
    add.add_argument("--owner", required=True, metavar="ID", help="who answers for it")
    revoke = verbs.add_parser("revoke", help="take a witness out of the count, with all that it signed (admins)")
    revoke.add_argument("witness", metavar="WITNESS", help="its name, or 6 or more characters of the beginning of its key's")
    revoke.add_argument("--reason", required=True, help="why, in words")
    set_verbs(((ls, _ls), (add, _add), (revoke, _revoke)))


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_verb(arguments)


def _ls(ws: Workspace, arguments: argparse.Namespace) -> int:
    found = list_witnesses(ws)
    if arguments.json:
        listed: list[Json] = [witness.to_json() for witness in found]
        print_json({"witnesses": listed})
    elif found:
        rows = [
            [
                witness.name, witness.key_id, witness.owner, show_time(witness.added_at), witness.added_by,
                f"revoked {show_time(witness.revoked_at)}" if witness.revoked_at else "counts",
            ]
            for witness in found
        ]  # fmt: skip
        print_table(["witness", "key", "owner", "since", "registered by", "state"], rows)
    else:
        say("no witness yet: `incumbent ledger witness` prints a key, `incumbent witnesses add VKEY --owner ID` registers it")
    return 0


def _add(ws: Workspace, arguments: argparse.Namespace) -> int:
    witness = add_witness(ws, vkey=arguments.vkey, owner=arguments.owner)
    if arguments.json:
        print_json(witness.to_json())
    else:
        say(f"what {witness.key_id} cosigns as {witness.name} counts from now on; {witness.owner} answers for it")
    return 0


def _revoke(ws: Workspace, arguments: argparse.Namespace) -> int:
    witness = revoke_witness(ws, witness=arguments.witness, reason=arguments.reason)
    if arguments.json:
        print_json(witness.to_json())
    else:
        say(f"{witness.name} ({witness.key_id}) is revoked: nothing that it cosigned counts any more")
    return 0
