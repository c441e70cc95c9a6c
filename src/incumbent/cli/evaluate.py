"""`incumbent evaluate`: judge a candidate by its gate policy, against what is live."""

import argparse

from incumbent.bootstrap.models import open_model_host
from incumbent.cli.command import print_json
from incumbent.cli.here import add_allow_pickle, open_here, show_time
from incumbent.cli.terminal import say
from incumbent.gates.verdict import Outcome
from incumbent.registry.names import parse_version_name
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.evidence import Evidence

EXAMPLES = """
Champion and challenger answer the same frozen rows, each in a process of its own. The verdict is passed, failed or undecided,
with the rows that are still missing. The evidence is recorded whatever it says; exit code 1 says that it did not pass.

examples:
  incumbent evaluate flights-late@2 --slot flights-late/nyc
"""
_CODES: dict[Outcome, int] = {"passed": 0, "failed": 1, "undecided": 1}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("version", metavar="MODEL@VERSION", help="the candidate")
    parser.add_argument("--slot", required=True, help="the slot that it is a candidate for")
    add_allow_pickle(parser)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    model, version = parse_version_name(arguments.version)
    ws = open_here()
    host = open_model_host(ws, allow_pickle=arguments.allow_pickle)
    try:
        found = evaluate(ws, host, model=model, version=version, slot=arguments.slot)
    finally:
        host.close()
    if arguments.json:
        print_json(found.to_json())
    else:
        say("\n".join(render_evidence(found)))
    return _CODES[found.verdict.outcome]


def render_evidence(found: Evidence) -> list[str]:
    """Return evidence as lines for a person."""
    against = f"against {found.champion}" if found.champion else "for an empty slot"
    lines = [f"{found.model}@{found.version} {against} in {found.slot}: {found.verdict.outcome}"]
    lines += [f"  {result.outcome:<9}  {result.rule}: {result.reason}" for result in found.verdict.results]
    return [*lines, f"  evidence {found.digest}, ledger entry {found.seq}, good until {show_time(found.expires_at)}"]
