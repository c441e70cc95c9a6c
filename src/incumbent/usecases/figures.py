"""How the installation stands, in a few numbers: for a monitoring system that asks every some seconds."""

from collections.abc import Mapping
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
        webhooks: How many there are by how they stand: "active", "failing" (it will be tried again), "dead".
        webhook_entries_behind: Entries that the webhook that is furthest behind was not told of.
        lineage_events_waiting: Beginnings and ends of runs that the catalogue of lineage was not told of.
    """

    at: datetime
    entries: int
    checkpoint_at: datetime | None
    slots: int
    live: int
    open_findings: int
    webhooks: Mapping[str, int]
    webhook_entries_behind: int
    lineage_events_waiting: int


def read_figures(ws: Workspace) -> Figures:
    """Return the figures of now, from one reading of the store.

    Raises:
        Unavailable: The store cannot be read.
        Corrupt: A document in it is not what its digest says.
    """
    with ws.store.begin(read_only=True) as tx:
        newest = tx.checkpoints.find()
        slots, entries, webhooks = tx.registry.list_slots(), tx.ledger.size(), tx.webhooks.list_all()
        states = ["dead" if one.state == "dead" else "failing" if one.failures else "active" for one in webhooks]
        return Figures(
            at=ws.clock.now(),
            entries=entries,
            checkpoint_at=newest.at if newest else None,
            slots=len(slots),
            live=len(tx.registry.list_live()),
            open_findings=sum(record.body.get("state") == "open" for record in tx.records.list_all("finding")),
            webhooks={state: states.count(state) for state in ("active", "failing", "dead")},
            webhook_entries_behind=max((entries - one.cursor for one in webhooks), default=0),
            lineage_events_waiting=tx.lineage.count(),
        )
