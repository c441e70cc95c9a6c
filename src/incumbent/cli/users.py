"""`incumbent users`: who is known here, and in which roles."""

import argparse

from incumbent.base.documents import Json
from incumbent.cli.command import print_json
from incumbent.cli.here import show_time
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.cli.verbs import run_verb, set_verbs
from incumbent.governance.acts import ROLES
from incumbent.usecases.people import PersonRecord, add_person, change_person, list_person_records
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
While nobody is known here, whoever may write the workspace may do everything, and the ledger says so. The first person
added has to be an admin; from then on every act is held to the table of rights (docs/reference/rights.md).

examples:
  incumbent users add ann --name "Ann Lee" --role admin --role developer --alias ann@example.com
  incumbent users add vera --name "Vera Ito" --role validator --group risk
  incumbent users add nightly --name "Nightly retraining" --service --owner ann --role service
  incumbent users change vera --role validator --role approver
  incumbent users change ann --inactive --reason "left the company"
  incumbent users ls
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="ls|add|change", required=True)
    ls = verbs.add_parser("ls", help="list everybody")
    add = verbs.add_parser("add", help="make a person or service known")
    change = verbs.add_parser("change", help="change roles, group, aliases or standing; what is not given stays")
    for sub in (add, change):
        sub.add_argument("person", metavar="ID", help="a pseudonym such as ann: it stands in the ledger for ever")
        sub.add_argument("--role", action="append", choices=ROLES, metavar="ROLE", help=f"one of {', '.join(ROLES)}; may be repeated")
        sub.add_argument("--group", default=None, help="reporting group, where a tier asks for sign-offs from different ones")
        sub.add_argument("--alias", action="append", metavar="NAME", help="another name of theirs (git e-mail, user name); may be repeated")
    add.add_argument("--name", default="", help="printed name, for signatures; it can be erased")
    add.add_argument("--service", action="store_true", help="a program's account")
    add.add_argument("--owner", default="", metavar="ID", help="of a service: the person who answers for it")
    change.add_argument("--inactive", action="store_true", help="they may act no more; what they did keeps counting as theirs")
    change.add_argument("--active", action="store_true", help="they may act again")
    change.add_argument("--reason", default="", help="why, in words")
    set_verbs(((ls, _ls), (add, _add), (change, _change)))


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_verb(arguments)


def _ls(ws: Workspace, arguments: argparse.Namespace) -> int:
    found = list_person_records(ws)
    if arguments.json:
        print_json({"users": [_describe(record) for record in found]})
    elif not found:
        say("nobody is known here yet: whoever may write this workspace may do everything; `incumbent users add` begins governance")
    else:
        rows = [
            [
                record.person.person_id, record.printed_name or "(erased)", ", ".join(sorted(record.person.roles)), record.person.group,
                ", ".join(record.person.aliases), ", ".join(key.key_id for key in record.keys if key.revoked_at is None),
                show_time(record.person.added_at) if record.person.is_active else "inactive",
            ]
            for record in found
        ]  # fmt: skip
        print_table(["id", "name", "roles", "group", "also known as", "keys", "since"], rows)
    return 0


def _describe(record: PersonRecord) -> Json:
    keys: list[Json] = [key.to_json() for key in record.keys]
    return {**record.person.to_json(), "name": record.printed_name, "keys": keys}


def _add(ws: Workspace, arguments: argparse.Namespace) -> int:
    person = add_person(
        ws,
        person=arguments.person,
        name=arguments.name,
        roles=arguments.role or [],
        kind="service" if arguments.service else "person",
        group=arguments.group or "",
        aliases=arguments.alias or [],
        owner=arguments.owner,
    )
    if arguments.json:
        print_json(person.to_json())
    else:
        say(f"{person.person_id} is known here: {', '.join(sorted(person.roles)) or 'no role yet'}")
        if person.kind == "person":
            say(f"  to sign: `incumbent keys new {person.person_id}` on their machine, as INCUMBENT_ACTOR={person.person_id}")
    return 0


def _change(ws: Workspace, arguments: argparse.Namespace) -> int:
    is_active = False if arguments.inactive else True if arguments.active else None
    person = change_person(
        ws,
        person=arguments.person,
        roles=arguments.role,
        group=arguments.group,
        aliases=arguments.alias,
        is_active=is_active,
        reason=arguments.reason,
    )
    if arguments.json:
        print_json(person.to_json())
    else:
        state = "active" if person.is_active else "inactive"
        say(f"{person.person_id}: {', '.join(sorted(person.roles)) or 'no role'}; {state}")
    return 0
