"""Sends webhooks while the server runs: looks once a second whether any is behind, and sends to a few at once.

Its threads end with the process. A message that is under way then may be sent again, by whoever starts next.
"""

import threading
import time
from collections.abc import Sequence

from incumbent.base.errors import IncumbentError
from incumbent.server.background import PAUSE_S, Background
from incumbent.usecases.webhook_delivery import deliver, take_due
from incumbent.usecases.webhook_ports import Carrier, Webhook
from incumbent.usecases.workspace import Workspace

AT_ONCE = 4
"""How many webhooks are sent to at the same time: one slow receiver must not keep the others waiting."""


class WebhookSender(Background):
    """Sends inside a `with` block."""

    def __init__(self, ws: Workspace, carrier: Carrier, *, pause_s: float = PAUSE_S) -> None:
        super().__init__("webhooks", pause_s)
        self._ws = ws
        self._carrier = carrier
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def settle(self, end: float) -> None:
        """Wait for the messages under way, too."""
        super().settle(end)
        for _ in range(AT_ONCE):
            self._places.acquire(timeout=max(end - time.monotonic(), 0.0))

    def work(self) -> bool:
        """Send to one webhook in a thread of its own; False if none is due, or no place is free."""
        if self.is_stopping() or not self._places.acquire(blocking=False):
            return False
        taken: Sequence[Webhook] = ()
        try:
            taken = take_due(self._ws, most=1)
            self.tell("")
        finally:
            if not taken:
                self._places.release()
        if not taken:
            return False
        threading.Thread(target=self._send, args=(taken[0],), name="webhook", daemon=True).start()
        return True

    def _send(self, webhook: Webhook) -> None:
        try:
            deliver(self._ws, carrier=self._carrier, taken=webhook, is_stopping=self.is_stopping)
        except IncumbentError as error:
            self.tell(str(error))
        finally:
            self._places.release()
