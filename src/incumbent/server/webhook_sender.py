"""Sends webhooks while the server runs: looks once a second whether any is behind, and sends to a few at once.

Its threads end with the process. A message that is under way then may be sent again, by whoever starts next.
"""

import sys
import threading
import time
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from incumbent.base.errors import IncumbentError
from incumbent.usecases.webhook_delivery import deliver, take_due
from incumbent.usecases.webhook_ports import Carrier, Webhook
from incumbent.usecases.workspace import Workspace

PAUSE_S = 1.0
AT_ONCE = 4
"""How many webhooks are sent to at the same time: one slow receiver must not keep the others waiting."""
CLOSING_S = 2.0


class WebhookSender:
    """Sends inside a `with` block."""

    def __init__(self, ws: Workspace, carrier: Carrier, *, pause_s: float = PAUSE_S) -> None:
        self._ws = ws
        self._carrier = carrier
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._last_problem = ""
        self._thread = threading.Thread(target=self._look, name="webhooks", daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Begin no further message, and give those under way a moment to be settled."""
        self._stopping.set()
        end = time.monotonic() + CLOSING_S
        self._thread.join(CLOSING_S)
        for _ in range(AT_ONCE):
            self._places.acquire(timeout=max(end - time.monotonic(), 0.0))

    def _look(self) -> None:
        while not self._stopping.wait(self._pause_s):
            try:
                while self._start_one():
                    pass
            except Exception:  # noqa: BLE001  (a fault of ours, told to the operator, must not end all sending)
                traceback.print_exc(file=sys.stderr)

    def _start_one(self) -> bool:
        """Send to one webhook in a thread of its own; False if none is due, or no place is free."""
        if self._stopping.is_set() or not self._places.acquire(blocking=False):
            return False
        taken: Sequence[Webhook] = ()
        try:
            taken = take_due(self._ws, most=1)
            self._last_problem = ""
        except IncumbentError as error:
            self._tell(error)
        finally:
            if not taken:
                self._places.release()
        if not taken:
            return False
        threading.Thread(target=self._send, args=(taken[0],), name="webhook", daemon=True).start()
        return True

    def _send(self, webhook: Webhook) -> None:
        try:
            deliver(self._ws, carrier=self._carrier, taken=webhook, is_stopping=self._stopping.is_set)
        except IncumbentError as error:
            self._tell(error)
        finally:
            self._places.release()

    def _tell(self, error: IncumbentError) -> None:
        """Say what is wrong, once while it is the same: a store that is away is away every second."""
        if str(error) != self._last_problem:
            self._last_problem = str(error)
            sys.stderr.write(f"webhooks: {error}\n")
