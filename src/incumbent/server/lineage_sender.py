"""Tells the catalogue of lineage while the server runs: looks once a second whether a run began or ended, and sends in one thread.

The thread ends with the process. An event that is under way then may be sent again, by whoever starts next.
"""

import sys

from incumbent.server.background import PAUSE_S, Background
from incumbent.usecases.lineage_delivery import send_due_lineage
from incumbent.usecases.openlineage import Catalogue
from incumbent.usecases.webhook_ports import Carrier
from incumbent.usecases.workspace import Workspace


class LineageSender(Background):
    """Sends inside a `with` block."""

    def __init__(self, ws: Workspace, carrier: Carrier, catalogue: Catalogue, *, pause_s: float = PAUSE_S) -> None:
        super().__init__("lineage", pause_s)
        self._ws = ws
        self._carrier = carrier
        self._catalogue = catalogue

    def work(self) -> bool:
        """Send what is due; say whether any of it was settled."""
        told = send_due_lineage(self._ws, carrier=self._carrier, catalogue=self._catalogue, is_stopping=self.is_stopping)
        for words in told.refused:
            sys.stderr.write(f"lineage: {words}\n")
        self.tell(told.problem)
        return bool(told.sent or told.refused) and not told.problem
