"""`incumbent sign-off`: a person's signed word on a version in a slot."""

import argparse

from incumbent.base.documents import Json
from incumbent.cli.command import print_json
from incumbent.cli.here import open_here, show_time
from incumbent.cli.terminal import say
from incumbent.registry.names import parse_version_name
from incumbent.usecases.sign_off import sign_off

EXAMPLES = """
A sign-off names the digests of bundle, evidence, policy and tier. Whatever of these changes later voids it. It is signed with
your own key (`incumbent keys new`), as the person whom INCUMBENT_ACTOR names. Whoever had a part in the version is refused.

examples:
  INCUMBENT_ACTOR=vera incumbent sign-off flights-late@2 --slot flights-late/nyc --as validator
  INCUMBENT_ACTOR=omar incumbent sign-off flights-late@2 --slot flights-late/nyc --as approver
  INCUMBENT_ACTOR=omar incumbent sign-off flights-late@2 --slot flights-late/nyc --as approver --reject --comment "no subgroup report"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("version", metavar="MODEL@VERSION", help="the version")
    parser.add_argument("--slot", required=True, help="the slot that it is a candidate for")
    parser.add_argument("--as", dest="capacity", required=True, choices=["validator", "approver"], help="in which role you sign")
    meaning = parser.add_mutually_exclusive_group()
    meaning.add_argument("--reject", action="store_true", help="say no, with a comment")
    meaning.add_argument("--accept-risk", action="store_true", help="accept the risk that the comment names (approvers)")
    parser.add_argument("--comment", default="", help="in words; a long one can be erased later")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    model, version = parse_version_name(arguments.version)
    done = sign_off(
        open_here(),
        model=model,
        version=version,
        slot=arguments.slot,
        capacity=arguments.capacity,
        meaning="rejected" if arguments.reject else "accepted-risk" if arguments.accept_risk else None,
        comment=arguments.comment,
    )
    given, missing = done.sign_off, done.readiness.problems
    if arguments.json:
        problems: list[Json] = [*missing]
        print_json({**given.to_json(), "entry": done.entry, "missing": problems})
        return 0
    say(f"{given.person_id} {given.meaning} {model}@{version} for {arguments.slot} as {given.role}, with {given.key_id}")
    say(f"  good until {show_time(given.expires_at)}; ledger entry {done.entry}{'; a sign-off on own work' if given.is_self else ''}")
    for name, digest in given.names.items():
        say(f"  {name:<9} {digest}")
    say("".join(f"  note: {note}\n" for note in done.readiness.notes), end="")
    say("\n".join(f"  {problem}" for problem in missing) or f"  ready: `incumbent promote {model}@{version} --slot {arguments.slot}`")
    return 0
