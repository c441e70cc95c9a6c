"""`incumbent live`: what is live, since when, who approved it, on which evidence, what to roll back to."""

import argparse

from incumbent.cli.command import print_json
from incumbent.cli.here import open_here, show_time
from incumbent.governance.vouching import tell_founder
from incumbent.usecases.live import Basis, LiveSlot, get_live, list_live

EXAMPLES = """
examples:
  incumbent live
  incumbent live flights-late/nyc --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("slot", nargs="?", default="", metavar="SLOT", help="one slot; by default all")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    ws = open_here()
    slots = [get_live(ws, arguments.slot)] if arguments.slot else list_live(ws)
    if arguments.json:
        documents = [slot.to_json() for slot in slots]
        print_json(documents[0] if arguments.slot else {"slots": [*documents]})
    elif slots:
        print("\n\n".join(render_slot(slot) for slot in slots))
    else:
        print("no slot yet: `incumbent register` makes a version, `incumbent promote` puts it in a slot")
    return 0


def render_slot(slot: LiveSlot) -> str:
    """Return a slot as lines for a person."""
    back = slot.roll_back_to
    if slot.live is None or slot.version is None:
        lines = [f"{slot.slot}: nothing in Production"]
    else:
        lines = [
            f"{slot.slot}: {slot.live.model}@{slot.live.version}",
            f"  since         {show_time(slot.live.since_at)}, by {slot.live.actor}: {slot.live.reason}",
            *_render_basis(slot.basis),
            f"  bundle        {slot.version.bundle.digest}",
            f"  run           {slot.version.run_id}",
        ]
    lines.append(f"  roll back to  {f'{back[0]}@{back[1]}' if back else 'nothing: none was live here before it'}")
    return "\n".join([*lines, *(f"  staging       {p.model}@{p.version}, since {show_time(p.since_at)}" for p in slot.staging)])


def _render_basis(basis: Basis | None) -> list[str]:
    if basis is None:
        return ["  approved by   nobody: it went live before there was a ledger"]
    lines = [
        f"  approved by   {tell_approvals(basis) or f'nobody: tier {basis.tier} asks for no sign-off'}",
        f"  tier          {basis.tier}",
    ]
    if basis.founder:
        lines.append(f"  note          {tell_founder(basis.founder)}")
    if basis.evidence:
        lines.append(f"  evidence      {basis.verdict}, entry {basis.evidence_entry}, {basis.evidence}")
    return [*lines, f"  ledger        entry {basis.entry} ({basis.act})"]


def tell_approvals(basis: Basis | None) -> str:
    """Return the sign-offs that a version's place rests on, and on whose word each rests; "" without any."""
    approvals = basis.approvals if basis else ()
    return "; ".join(f"{a.person} ({a.act}, {show_time(a.at)}, entry {a.seq}{f'; {a.words}' if a.words else ''})" for a in approvals)
