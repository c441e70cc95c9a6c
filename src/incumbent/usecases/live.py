"""The verb `live`: what answers in each slot, since when, who placed it, and what to roll back to."""

from collections.abc import Sequence
from dataclasses import dataclass

from incumbent.base.documents import Json
from incumbent.base.errors import NotFound
from incumbent.registry.model import ModelVersion, Placement
from incumbent.usecases.ports import Transaction
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class LiveSlot:
    """A slot now.

    Attributes:
        live: The placement in Production, None if nothing answers there yet.
        version: The version it places.
        roll_back_to: The last other placement that was in Production here, None if there is none.
        staging: Versions that ask for the place, newest first.
    """

    slot: str
    live: Placement | None
    version: ModelVersion | None
    roll_back_to: Placement | None
    staging: tuple[Placement, ...]

    def to_json(self) -> Json:
        """Return the document that every face shows."""
        live: Json = None
        if self.live is not None and self.version is not None:
            live = {**describe_placement(self.live), "digest": self.version.bundle.digest, "run": self.version.run_id, "gate": None}
        return {
            "slot": self.slot,
            "live": live,
            "roll_back_to": describe_placement(self.roll_back_to) if self.roll_back_to else None,
            "staging": [describe_placement(placement) for placement in self.staging],
        }


def describe_placement(placement: Placement) -> dict[str, Json]:
    """Return a placement as a document."""
    return {
        "model": placement.model,
        "version": placement.version,
        "status": placement.status,
        "since": placement.since_at.isoformat(),
        "actor": placement.actor,
        "reason": placement.reason,
    }


def list_live(ws: Workspace) -> Sequence[LiveSlot]:
    """Return every slot, by name."""
    with ws.store.begin(read_only=True) as tx:
        slots = sorted({placement.slot for placement in tx.registry.list_placements()})
        return [_describe(tx, slot) for slot in slots]


def get_live(ws: Workspace, slot: str) -> LiveSlot:
    """Return one slot.

    Raises:
        NotFound: Nothing was ever placed there; the message lists the slots that are.
    """
    with ws.store.begin(read_only=True) as tx:
        found = _describe(tx, slot)
        if found.live is None and not found.staging:
            known = sorted({placement.slot for placement in tx.registry.list_placements()})
            raise NotFound(f"there is no slot {slot[:200]!r}; there are: {', '.join(known) or 'none yet'}")
        return found


def list_history(ws: Workspace, slot: str) -> Sequence[Placement]:
    """Return every placement of a slot, newest first.

    Raises:
        NotFound: Nothing was ever placed there.
    """
    get_live(ws, slot)
    with ws.store.begin(read_only=True) as tx:
        return tx.registry.list_placements(slot)


def _describe(tx: Transaction, slot: str) -> LiveSlot:
    live = tx.registry.find_live(slot)
    history = tx.registry.list_placements(slot)
    others = [p for p in history if live is None or (p.model, p.version) != (live.model, live.version)]
    served = {(p.model, p.version) for p in history if p.status != "Staging"}
    return LiveSlot(
        slot,
        live,
        tx.registry.get_version(live.model, live.version) if live else None,
        next((p for p in others if p.status != "Staging"), None),
        tuple(p for p in others if p.status == "Staging" and (p.model, p.version) not in served),
    )
