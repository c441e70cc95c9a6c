"""The ledger page by page, newest entry first."""

from collections.abc import Sequence
from dataclasses import dataclass

from incumbent.base.errors import InvalidInput
from incumbent.ledger.entry import Entry
from incumbent.usecases.governed_ports import Checkpoint
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """Some entries.

    Attributes:
        entries: Newest first.
        size: How many the ledger has.
        before: Where the next page goes on, None on the last one.
        checkpoint: The newest, None for an empty ledger.
    """

    entries: Sequence[Entry]
    size: int
    before: int | None
    checkpoint: Checkpoint | None


def get_ledger_page(ws: Workspace, *, before: int | None = None, limit: int = 50) -> LedgerPage:
    """Return the entries with numbers below `before`, newest first; by default the newest. Entries never move, so pages never shift.

    Raises:
        InvalidInput: `before` or `limit` is no positive number.
    """
    if limit < 1 or (before is not None and not 1 <= before < 2**53):
        raise InvalidInput(f"entries before {before}, at most {limit}: expected numbers from 1 on")
    with ws.store.begin(read_only=True) as tx:
        size = tx.ledger.size()
        end = size if before is None else min(before, size)
        first = max(0, end - limit)
        entries = [tx.ledger.get(seq) for seq in range(end - 1, first - 1, -1)]
        return LedgerPage(entries, size, first or None, tx.checkpoints.find())
