"""`incumbent keys`: the keys that people sign with."""

import argparse

from incumbent.base.documents import Json
from incumbent.cli.command import print_json
from incumbent.cli.here import read_time, show_time
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.cli.verbs import run_verb, set_verbs
from incumbent.ledger.note import key_name
from incumbent.usecases.people import list_person_records
from incumbent.usecases.person_keys import bind_key, new_key, revoke_key
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
A key is made on the machine of the person who signs, in a folder outside of every project (INCUMBENT_KEYS, or
~/.config/incumbent/keys). INCUMBENT_KEY_PASSPHRASE encrypts it. It asks to be bound, with a signature that shows that its maker holds
it; an admin binds it to the person. Nobody makes a key for another.

examples:
  incumbent keys new ann
  incumbent keys bind ann
  incumbent keys revoke 0a1b2c3d --reason "laptop lost" --compromised-since 2026-11-01
  incumbent keys ls
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="ls|new|bind|revoke", required=True)
    ls = verbs.add_parser("ls", help="list keys, and which of them can sign on this machine")
    new = verbs.add_parser("new", help="make your own key on this machine, and ask an admin to bind it; an admin's is bound at once")
    new.add_argument("person", metavar="ID", help="yourself: whose key it is to be")
    new.add_argument("--name", default="", help="of the key's files (default: the person's id)")
    bind = verbs.add_parser("bind", help="bind a key that its holder asked for to that person, or vouch anew for a bound one (admins)")
    bind.add_argument("key", metavar="PERSON|KEY", help="who asked, or the key's name, or 6 or more characters of its beginning")
    revoke = verbs.add_parser("revoke", help="end a key's use; what it signed before stands")
    revoke.add_argument("key", metavar="PERSON|KEY", help="whose, if they have one, or its name, or 6 or more characters of its beginning")
    revoke.add_argument("--reason", required=True, help="why, in words")
    revoke.add_argument(
        "--compromised-since", metavar="TIME", help="since when it may have been in other hands: no sign-off from then on counts"
    )
    set_verbs(((ls, _ls), (new, _new), (bind, _bind), (revoke, _revoke)))


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
        say("no key yet: `incumbent keys new ID` makes one for a person whom `incumbent users add` made known")
    return 0


def _new(ws: Workspace, arguments: argparse.Namespace) -> int:
    made = new_key(ws, person=arguments.person, name=arguments.name)
    if arguments.json:
        print_json({"public": made.public, "bound": made.bound.to_json() if made.bound else None, "is_new": made.is_new})
    elif made.bound:
        was_here = "" if made.is_new else ", which was on this machine already,"
        say(f"{made.bound.key_id}{was_here} signs for {made.bound.person_id} from now on\n  public half: {made.public}")
    else:
        which = "a key was made on this machine, and asks" if made.is_new else "the key that was on this machine already asks"
        say(f"{which} to be bound; an admin does it with\n  incumbent keys bind {arguments.person}")
        say(f"  public half: {made.public}")
    return 0


def _bind(ws: Workspace, arguments: argparse.Namespace) -> int:
    key = bind_key(ws, key=arguments.key)
    if arguments.json:
        print_json(key.to_json())
    else:
        say(f"{key.key_id} signs for {key.person_id} from now on")
    return 0


def _revoke(ws: Workspace, arguments: argparse.Namespace) -> int:
    since = read_time(arguments.compromised_since) if arguments.compromised_since else None
    key = revoke_key(ws, key=arguments.key, reason=arguments.reason, compromised_since=since)
    if arguments.json:
        print_json(key.to_json())
    else:
        stands = f"no sign-off since {show_time(key.compromised_since)} counts" if key.compromised_since else "what it signed before stands"
        say(f"{key.key_id} of {key.person_id} is revoked: {stands}, and it signs nothing from now on")
    return 0
