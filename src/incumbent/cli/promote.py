"""`incumbent promote`: put a candidate into Production of its slot, if nothing stands in the way."""

import argparse

from incumbent.base.documents import Json
from incumbent.cli.command import print_json
from incumbent.cli.here import open_here
from incumbent.cli.live import tell_approvals
from incumbent.cli.terminal import say
from incumbent.registry.names import parse_version_name
from incumbent.usecases.promote import JudgedPromotion, check_promotion, promote
from incumbent.usecases.readiness import Readiness

EXAMPLES = """
A version goes live when its gate passed (`incumbent evaluate`), the people whom its tier asks for have signed
(`incumbent sign-off`), and no finding blocks the slot. What stands in the way is told whole, and exit code 1 says so.

examples:
  incumbent promote flights-late@2 --slot flights-late/nyc --reason "better on March"
  incumbent promote flights-late@2 --slot flights-late/nyc --check        what is missing; changes and records nothing
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("version", metavar="MODEL@VERSION", help="the candidate")
    parser.add_argument("--slot", required=True, help="the slot that it is a candidate for")
    parser.add_argument("--reason", default="", help="why, in words; kept in the slot's history and in the ledger")
    parser.add_argument("--check", action="store_true", help="only say what stands in the way")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    model, version = parse_version_name(arguments.version)
    ws = open_here()
    if arguments.check:
        return _tell(check_promotion(ws, model=model, version=version, slot=arguments.slot), arguments)
    done = promote(ws, model=model, version=version, slot=arguments.slot, reason=arguments.reason)
    before = f"{done.superseded.model}@{done.superseded.version}" if done.superseded else None
    if arguments.json:
        entry = done.placement.seq
        print_json(
            {"slot": arguments.slot, "model": model, "version": version, "superseded": before, "entry": entry, **done.readiness.refs()}
        )
    else:
        say(f"{model}@{version} is live in slot {arguments.slot}" + (f"; {before} is archived" if before else ""))
        say("\n".join(f"  {line}" for line in render_basis(done)))
    return 0


def render_basis(done: JudgedPromotion) -> list[str]:
    """Return what a promotion rests on, as lines for a person."""
    found = done.readiness
    lines = [f"bundle verified: {done.version.bundle.digest}"]
    if found.evidence is not None:
        lines.append(f"gate: {found.evidence.verdict.outcome} by the policy of {found.policy.words}, entry {found.evidence.seq}")
    lines.append(f"tier {found.tier.words}: {tell_approvals(done.basis) or 'no sign-off asked'}")
    return [*lines, *found.notes, f"ledger entry {done.placement.seq}"]


def _tell(found: Readiness, arguments: argparse.Namespace) -> int:
    if arguments.json:
        problems: list[Json] = [*found.problems]
        print_json(
            {"is_ready": not problems, "problems": problems, "quorum": found.quorum.to_json() if found.quorum else None, **found.refs()}
        )
        return 1 if found.problems else 0
    if found.problems:
        say(f"{arguments.version} may not go into Production in {arguments.slot} yet:")
        say("\n".join(f"  - {problem}" for problem in found.problems))
    else:
        say(f"nothing stands in the way of {arguments.version} in {arguments.slot}")
    say("".join(f"  note: {note}\n" for note in found.notes), end="")
    return 1 if found.problems else 0
