"""What the streams of events share: places for so many of them, and one look at the runs for all."""

import threading
import time
from collections import Counter
from collections.abc import Mapping

from incumbent.server.errors import HttpProblem
from incumbent.usecases.event_feed import RunSeen, list_runs_seen
from incumbent.usecases.workspace import Workspace

FEEDS_MAX = 64
FEEDS_EACH_MAX = 8
RUNS_EVERY_S = 2.0


class Feeds:
    """The streams of events of one server. Each costs a connection and a look at the ledger every second."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._open: Counter[str] = Counter()
        self._looking = threading.Lock()
        self._runs: Mapping[str, RunSeen] = {}
        self._looked_at = float("-inf")

    def take_place(self, caller: str) -> None:
        """Take a place for one more stream.

        Raises:
            HttpProblem: The caller has too many (429), or all have (503).
        """
        with self._guard:
            if self._open[caller] >= FEEDS_EACH_MAX:
                raise HttpProblem(429, f"you have {FEEDS_EACH_MAX} streams of events open; close one first", {"retry-after": "30"})
            if self._open.total() >= FEEDS_MAX:
                raise HttpProblem(503, f"{FEEDS_MAX} streams of events are open, which is all there may be", {"retry-after": "30"})
            self._open[caller] += 1

    def leave_place(self, caller: str) -> None:
        """Give a place back."""
        with self._guard:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]

    def see_runs(self, ws: Workspace) -> Mapping[str, RunSeen]:
        """Return how runs stand: the same value as before, unless somebody looked since then."""
        with self._looking:
            if time.monotonic() - self._looked_at >= RUNS_EVERY_S:
                found = list_runs_seen(ws, self._runs)
                self._looked_at = time.monotonic()
                if found != self._runs:
                    self._runs = found
            return self._runs
