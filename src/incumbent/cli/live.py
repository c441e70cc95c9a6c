"""`incumbent live`: what is live, since when, who approved it, on which evidence, what to roll back to."""

import argparse

from incumbent.cli.command import print_json
from incumbent.cli.here import open_here, show_time
from incumbent.cli.terminal import say
from incumbent.governance.vouching import tell_founder
from incumbent.usecases.live import Basis, LiveSlot, get_live, list_live
from incumbent.usecases.live_today import Today, get_today

EXAMPLES = """
Of one slot it tells too what today's rules ask beyond what its version and the way back rest on.

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
    if arguments.slot:
        slot, today = get_live(ws, arguments.slot), get_today(ws, arguments.slot)
        if arguments.json:
            print_json({**slot.to_json(), "today": today.to_json()})
        else:
            say("\n".join([render_slot(slot), *_render_today(slot, today)]))
        return 0
    slots = list_live(ws)
    if arguments.json:
        print_json({"slots": [slot.to_json() for slot in slots]})
    elif slots:
        say("\n\n".join(render_slot(slot) for slot in slots))
    else:
        say("no slot yet: `incumbent register` makes a version, `incumbent promote` puts it in a slot")
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


def _render_today(slot: LiveSlot, today: Today) -> list[str]:
    """Return what differs today from what was decided, as lines."""
    lines = []
    if today.lacks:
        lines.append(f"  today         held to tier {today.tier}, and lacks: {'; '.join(today.lacks)}")
    elif slot.live is not None and (slot.basis is None or today.tier != slot.basis.tier):
        lines.append(f"  today         held to tier {today.tier}, and lacks nothing")
    if today.back is not None and today.back_lacks:
        lines.append(f"  the way back  to {today.back[0]}@{today.back[1]} lacks: {'; '.join(today.back_lacks)}")
    return lines


def _render_basis(basis: Basis | None) -> list[str]:
    if basis is None:
        return ["  approved by   nobody: it went live before there was a ledger"]
    lines = [
        f"  approved by   {tell_approvals(basis) or f'nobody: tier {basis.tier} asks for no sign-off'}",
        f"  tier          {basis.tier}",
    ]
    if basis.founder:
        lines.append(f"  note          {tell_founder(basis.founder)}")
    if basis.policy_change:
        lines.append(f"  note          {basis.policy_change}")
    if basis.evidence:
        lines.append(f"  evidence      {basis.verdict}, entry {basis.evidence_entry}, {basis.evidence}")
    return [*lines, f"  ledger        entry {basis.entry} ({basis.act})"]


def tell_approvals(basis: Basis | None) -> str:
    """Return the sign-offs that a version's place rests on, and on whose word each rests; "" without any."""
    approvals = basis.approvals if basis else ()
    return "; ".join(f"{a.person} ({a.act}, {show_time(a.at)}, entry {a.seq}{f'; {a.words}' if a.words else ''})" for a in approvals)
