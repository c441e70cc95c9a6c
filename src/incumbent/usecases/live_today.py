"""What today's rules say of what is live in a slot, and of what a roll-back goes to.

`live` tells what was decided, from the day of the decision. Rules change: a model moves into a stricter tier, a term ends, a key turns
out to have been in other hands. Nothing of that takes a version out of its slot; whoever answers for the slot has to see it.
"""

from dataclasses import dataclass

from incumbent.base.documents import Document
from incumbent.registry.slot import Name, find_target
from incumbent.usecases.lasting import list_missing, read_sign_offs, tell_lapsed
from incumbent.usecases.live import find_basis, get_live
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import find_time
from incumbent.usecases.tier_in_force import find_tier
from incumbent.usecases.way_back import judge_way_back
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Today:
    """A slot under today's rules.

    Attributes:
        tier: The tier that what is live is held to now, in words; "" where nothing is.
        lacks: What its approvals lack of what that tier asks for, or why they carry nothing any more, in words.
        back: What a roll-back goes to, None if there is nothing.
        back_lacks: What stands in the way of going there without a broken glass, in words.
    """

    tier: str
    lacks: tuple[str, ...]
    back: Name | None
    back_lacks: tuple[str, ...]

    def to_json(self) -> Document:
        """Return the document that every face shows."""
        back: Document | None = None
        if self.back is not None:
            back = {"model": self.back[0], "version": self.back[1], "lacks": [*self.back_lacks]}
        return {"tier": self.tier, "lacks": [*self.lacks], "roll_back_to": back}


def get_today(ws: Workspace, slot: str) -> Today:
    """Say what the rules of today ask of what is live in a slot and of the way back, beyond what there is.

    Args:
        ws: The workspace.
        slot: The slot.

    Raises:
        NotFound: Nothing was ever placed there.
    """
    get_live(ws, slot)
    with ws.store.begin(read_only=True) as tx:
        back = find_target(tx.registry.list_placements(slot))
        tier, lacks = _judge_version(ws, tx, slot)
        return Today(tier, lacks, back, () if back is None else _judge_back(ws, tx, slot, back))


def _judge_version(ws: Workspace, tx: Transaction, slot: str) -> tuple[str, tuple[str, ...]]:
    live = tx.registry.find_live(slot)
    if live is None:
        return "", ()
    tier, basis, now = find_tier(tx, live.model, slot), find_basis(tx, live), find_time(tx, ws.clock.now())
    sign_offs = read_sign_offs(tx, (approval.seq for approval in basis.approvals) if basis else ())
    lapsed = tell_lapsed(tx, sign_offs, now)
    return tier.words, (*([f"its approval {lapsed}"] if lapsed else []), *list_missing(tx, sign_offs, tier, now))


def _judge_back(ws: Workspace, tx: Transaction, slot: str, back: Name) -> tuple[str, ...]:
    found = judge_way_back(tx, tx.registry.get_version(*back), slot, now=find_time(tx, ws.clock.now()))
    if not found.problems:
        return ()
    return (*([f"its approval {found.lapsed}"] if found.lapsed else []), *found.missing, *found.problems)
