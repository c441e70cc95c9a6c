"""`incumbent policies`: the gate policies, per model or tier."""

import argparse
import json
import textwrap
from pathlib import Path

from incumbent.base.documents import Json
from incumbent.cli.command import print_json
from incumbent.cli.here import show_time
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.cli.tiers import read_text
from incumbent.cli.verbs import run_verb, set_verbs
from incumbent.usecases.policies import get_policy, list_policies, set_policy
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
A policy is recorded before anything is judged by it: evidence names the policy's entry, so nobody sets the threshold after the
result. Setting another one voids the evidence and the sign-offs that stand on it. docs/how-to/write-a-gate-policy.md has the form.

examples:
  incumbent policies set flights-late gates/flights-late.toml
  incumbent policies set tier-2 gates/tier-2.toml
  incumbent policies show flights-late --slot flights-late/nyc
  incumbent policies ls
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="ls|show|set", required=True)
    ls = verbs.add_parser("ls", help="list what is set")
    show = verbs.add_parser("show", help="the policy in force for a model")
    show.add_argument("model", metavar="MODEL")
    show.add_argument("--slot", default=None, help="the policy in force in this slot, where another model may have been live")
    change = verbs.add_parser("set", help="set one, from a TOML file")
    change.add_argument("target", metavar="MODEL|tier-N")
    change.add_argument("file", type=Path, metavar="FILE.toml")
    change.add_argument("--reason", default="", help="why, in words")
    set_verbs(((ls, _ls), (show, _show), (change, _set)))


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_verb(arguments)


def _ls(ws: Workspace, arguments: argparse.Namespace) -> int:
    found = list_policies(ws)
    if arguments.json:
        listed: list[Json] = [{"target": p.target, "entry": p.seq, "digest": p.digest, "policy": p.policy.to_json()} for p in found]
        print_json({"policies": listed})
    elif found:
        print_table(["for", "entry", "set", "by", "digest"], [[p.target, str(p.seq), show_time(p.at), p.actor, p.digest] for p in found])
    else:
        say("no policy yet: the built-in one holds; `incumbent policies set MODEL FILE.toml` sets one")
    return 0


def _show(ws: Workspace, arguments: argparse.Namespace) -> int:
    found = get_policy(ws, model=arguments.model, slot=arguments.slot)
    if arguments.json:
        print_json({"target": found.target, "entry": found.seq, "digest": found.digest, "policy": found.policy.to_json()})
        return 0
    where = f"entry {found.seq}" if found.seq is not None else "built in: nobody set one"
    place = f" in {arguments.slot}" if arguments.slot else ""
    say(f"{arguments.model} is judged{place} by the policy of {found.words} ({where})\n  digest  {found.digest}")
    say(textwrap.indent(json.dumps(found.policy.to_json(), indent=2, ensure_ascii=False), "  "))
    return 0


def _set(ws: Workspace, arguments: argparse.Namespace) -> int:
    done = set_policy(ws, target=arguments.target, text=read_text(arguments.file), reason=arguments.reason)
    if arguments.json:
        print_json({"target": done.target, "entry": done.seq, "digest": done.digest, "policy": done.policy.to_json()})
    else:
        say(f"{done.target} is judged by this policy from ledger entry {done.seq} on\n  digest  {done.digest}")
        say("  evidence and sign-offs that stand on another one no longer count")
    return 0
