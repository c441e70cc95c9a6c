"""How the installation stands, in a few numbers: for a monitoring system that asks every some seconds."""

from dataclasses import dataclass
from datetime import datetime

from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Figures:
    """Numbers of one moment.

    Attributes:
        entries: Entries of the ledger.
        checkpoint_at: When its newest checkpoint was signed; None while it has none.
        slots: Slots that anything was ever placed in.
        live: Versions in Production; a slot has at most one.
        open_findings: Findings that nobody has closed.
    """

    at: datetime
    entries: int
    checkpoint_at: datetime | None
    slots: int
    live: int
    open_findings: int


def read_figures(ws: Workspace) -> Figures:
    """Return the figures of now, from one reading of the store.

    Raises:
        Unavailable: The store cannot be read.
        Corrupt: A document in it is not what its digest says.
    """
    with ws.store.begin(read_only=True) as tx:
        newest = tx.checkpoints.find()
        slots = tx.registry.list_slots()
        return Figures(
            at=ws.clock.now(),
            entries=tx.ledger.size(),
            checkpoint_at=newest.at if newest else None,
            slots=len(slots),
            live=sum(tx.registry.find_live(slot) is not None for slot in slots),
            open_findings=sum(record.body.get("state") == "open" for record in tx.records.list_all("finding")),
        )
