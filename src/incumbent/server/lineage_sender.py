"""Tells the catalogue of lineage while the server runs: looks once a second whether a run began or ended, and sends in one thread.

The thread ends with the process. An event that is under way then may be sent again, by whoever starts next.
"""

import sys
import threading
import traceback
from types import TracebackType
from typing import Self

from incumbent.base.errors import IncumbentError
from incumbent.usecases.lineage_delivery import send_due_lineage
from incumbent.usecases.openlineage import Catalogue
from incumbent.usecases.webhook_ports import Carrier
from incumbent.usecases.workspace import Workspace

PAUSE_S = 1.0
CLOSING_S = 2.0


class LineageSender:
    """Sends inside a `with` block."""

    def __init__(self, ws: Workspace, carrier: Carrier, catalogue: Catalogue, *, pause_s: float = PAUSE_S) -> None:
        self._ws = ws
        self._carrier = carrier
        self._catalogue = catalogue
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self._last_problem = ""
        self._thread = threading.Thread(target=self._look, name="lineage", daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Begin no further event, and give the one under way a moment to be settled."""
        self._stopping.set()
        self._thread.join(CLOSING_S)

    def _look(self) -> None:
        while not self._stopping.wait(self._pause_s):
            try:
                while self._send():
                    pass
            except IncumbentError as error:
                self._tell(str(error))
            except Exception:  # noqa: BLE001  (a fault of ours, told to the operator, must not end all sending)
                traceback.print_exc(file=sys.stderr)

    def _send(self) -> int:
        """Send what is due; return how many events were settled."""
        told = send_due_lineage(self._ws, carrier=self._carrier, catalogue=self._catalogue, is_stopping=self._stopping.is_set)
        for words in told.refused:
            sys.stderr.write(f"lineage: {words}\n")
        self._tell(told.problem)
        return told.sent + len(told.refused) if not told.problem else 0

    def _tell(self, problem: str) -> None:
        """Say what is wrong, once while it is the same: a catalogue that is away is away at every look."""
        if problem and problem != self._last_problem:
            sys.stderr.write(f"lineage: {problem}\n")
        self._last_problem = problem
