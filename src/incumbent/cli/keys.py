"""`incumbent keys`: the keys that people sign with."""

import argparse

from incumbent.base.documents import Json
from incumbent.cli.command import print_json
from incumbent.cli.here import show_time
from incumbent.cli.table import print_table
from incumbent.cli.verbs import run_verb, set_verbs
from incumbent.ledger.note import key_name
from incumbent.usecases.people import list_person_records
from incumbent.usecases.person_keys import add_key, new_key, revoke_key
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
A key is made on the machine of the person who signs, in a folder outside of every project (INCUMBENT_KEYS, or
~/.config/incumbent/keys). INCUMBENT_KEY_PASSPHRASE encrypts it. An admin binds its public half to the person.

examples:
  incumbent keys new ann
  incumbent keys add ann ed25519:AAAA…=
  incumbent keys revoke 0a1b2c3d --reason "laptop lost"
  incumbent keys ls
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="ls|new|add|revoke", required=True)
    ls = verbs.add_parser("ls", help="list keys, and which of them can sign on this machine")
    new = verbs.add_parser("new", help="make a key on this machine; an admin's is bound at once")
    new.add_argument("person", metavar="ID", help="whose key it is to be")
    new.add_argument("--name", default="", help="of the key's files (default: the person's id)")
    add = verbs.add_parser("add", help="bind a public key to a person (admins)")
    add.add_argument("person", metavar="ID")
    add.add_argument("public", metavar="PUBLIC", help="ed25519:… as `incumbent keys new` printed it")
    revoke = verbs.add_parser("revoke", help="end a key's use; what it signed before stands")
    revoke.add_argument("key", metavar="KEY", help="its name, or 6 or more characters of the beginning")
    revoke.add_argument("--reason", required=True, help="why, in words")
    set_verbs(((ls, _ls), (new, _new), (add, _add), (revoke, _revoke)))


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_verb(arguments)


def _ls(ws: Workspace, arguments: argparse.Namespace) -> int:
    here = {key_name(public) for public in ws.keys.list_names().values()}
    keys = [key for record in list_person_records(ws) for key in record.keys]
    if arguments.json:
        listed: list[Json] = [{**key.to_json(), "is_here": key.key_id in here} for key in keys]
        print_json({"keys": listed})
    elif keys:
        rows = [
            [
                key.key_id, key.person_id, show_time(key.added_at),
                f"revoked {show_time(key.revoked_at)}" if key.revoked_at else "can sign here" if key.key_id in here else "elsewhere",
            ]
            for key in keys
        ]  # fmt: skip
        print_table(["key", "person", "since", "state"], rows)
    else:
        print("no key yet: `incumbent keys new ID` makes one for a person whom `incumbent users add` made known")
    return 0


def _new(ws: Workspace, arguments: argparse.Namespace) -> int:
    made = new_key(ws, person=arguments.person, name=arguments.name)
    if arguments.json:
        print_json({"public": made.public, "bound": made.bound.to_json() if made.bound else None})
    elif made.bound:
        print(f"{made.bound.key_id} signs for {made.bound.person_id} from now on\n  public half: {made.public}")
    else:
        print(f"a key was made on this machine; an admin binds it with\n  incumbent keys add {arguments.person} {made.public}")
    return 0


def _add(ws: Workspace, arguments: argparse.Namespace) -> int:
    key = add_key(ws, person=arguments.person, public=arguments.public)
    if arguments.json:
        print_json(key.to_json())
    else:
        print(f"{key.key_id} signs for {key.person_id} from now on")
    return 0


def _revoke(ws: Workspace, arguments: argparse.Namespace) -> int:
    key = revoke_key(ws, key=arguments.key, reason=arguments.reason)
    if arguments.json:
        print_json(key.to_json())
    else:
        print(f"{key.key_id} of {key.person_id} is revoked: what it signed before stands, what it signs from now on does not count")
    return 0
