"""The thread that brings a live run's spool into the store."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from incumbent.base.errors import IncumbentError, Unavailable
from incumbent.tracking.record import Ended
from incumbent.usecases.drain_spools import drain_run, note_losses, settle_run
from incumbent.usecases.sink import Logging

INTERVAL_S = 1.0
BACK_OFF_S_MAX = 30.0


class Request:
    """Something to do now, asked by another thread (or a signal handler), which may wait for it."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._done = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        """Do it; an error is kept for who asked."""
        try:
            self._work()
        except Exception as error:  # noqa: BLE001  (raised again in the thread that asked)
            self.error = error
        finally:
            self._done.set()

    def is_done(self, timeout_s: float) -> bool:
        """Return whether it is done, waiting for at most so long."""
        return self._done.wait(timeout_s)


class DrainThread:
    """Drains the spools of one run: on a beat, and when asked. All its work on the store happens in its one thread.

    It has no lock that the thread which logs takes, so a signal handler may ask it for something at any moment.

    Args:
        writer: Drain only what this writer wrote (a run that another host owns); None: everything on this host.
    """

    def __init__(self, ws: Logging, run_id: str, writer: str | None) -> None:
        self._ws = ws
        self._run_id = run_id
        self._writer = writer
        self._positions: dict[str, int] = {}
        self._requests: SimpleQueue[Request | None] = SimpleQueue()  # its put may interrupt itself: safe in signal handlers
        self._thread = threading.Thread(target=self._beat, name=f"incumbent-{run_id[-6:]}", daemon=True)
        self._thread.start()

    def drain(self, timeout_s: float | None = None) -> None:
        """Store all that was logged before this call. Raises Unavailable, Refused (sealed by another process)."""
        self._ask(self._drain, timeout_s)

    def settle(self, timeout_s: float | None = None, ended: Ended | None = None) -> None:
        """Store everything and seal the run; see `settle_run`."""
        self._ask(lambda: self._settle(ended), timeout_s)

    def stop(self) -> None:
        """End the thread."""
        self._requests.put(None)
        self._thread.join(timeout=BACK_OFF_S_MAX)

    def _ask(self, work: Callable[[], None], timeout_s: float | None) -> None:
        request = Request(work)
        self._requests.put(request)
        waited_s = 0.0
        while not request.is_done(0.5):
            waited_s += 0.5
            if not self._thread.is_alive() and not request.is_done(0):
                request.run()  # the interpreter is closing and has stopped it
            elif timeout_s is not None and waited_s >= timeout_s:
                raise Unavailable(f"the store did not take what {self._run_id} logged within {timeout_s:g} s; it is safe in the spool")
        if request.error is not None:
            raise request.error

    def _drain(self) -> None:
        done = drain_run(self._ws, run_id=self._run_id, positions=self._positions, writer=self._writer)
        note_losses(self._ws, run_id=self._run_id, done=done)
        for spool in done.finished:
            spool.remove()

    def _settle(self, ended: Ended | None) -> None:
        settle_run(self._ws, run_id=self._run_id, positions=self._positions, ended=ended)

    def _beat(self) -> None:
        pause_s = INTERVAL_S
        while True:
            try:
                request = self._requests.get(timeout=pause_s)
            except Empty:
                request = Request(self._drain)
            if request is None:
                return
            request.run()
            is_away = isinstance(request.error, Unavailable)
            pause_s = min(2 * pause_s, BACK_OFF_S_MAX) if is_away else INTERVAL_S
            if request.error is not None and not isinstance(request.error, IncumbentError):
                raise request.error
