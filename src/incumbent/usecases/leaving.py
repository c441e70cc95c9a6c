"""What becomes of live runs when their process leaves: at exit, on a signal, and in a forked child.

None of this is needed to keep what was logged, which is in the spool; it brings it into the store, and seals, while there is time.
A kill -9 gets no time: the next one to open the workspace does it then.
"""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Protocol

from incumbent.tracking.run import RunState

GRACE_S = 5.0
"""For the store, before a signal goes on its way: well within the time that schedulers leave before they kill."""

_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name)]
_Handler = Callable[[int, FrameType | None], object]


class Watched(Protocol):
    """A live run, as far as leaving goes. Nothing here raises what is only about the store."""

    def leave(self, state: RunState, error: str) -> None:
        """End the run, waiting for the store no longer than GRACE_S."""

    def die(self, error: str) -> None:
        """As `leave`, from a signal handler, which may have interrupted the run's own code anywhere."""

    def save(self) -> None:
        """Bring what was logged into the store, waiting no longer than GRACE_S; the run goes on."""

    def become_child(self) -> None:
        """Be the run in a process that has just been forked, where other threads and other writers' files do not exist."""


_live: list[Watched] = []
_previous: dict[int, _Handler | int] = {}


def watch(run: Watched) -> None:
    """See to a run until `forget`. Signals are watched from the first call in the main thread on: Python allows it nowhere else."""
    _live.append(run)
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        before = signal.getsignal(number)
        if number not in _previous and (before == signal.SIG_DFL or callable(before)):  # ignored, or not Python's: left as it is
            _previous[number] = before
            signal.signal(number, _on_signal)


def forget(run: Watched) -> None:
    """The run is over. After the last one, signals go where they went before."""
    if run in _live:
        _live.remove(run)
    if not _live and threading.current_thread() is threading.main_thread():
        _restore()


def _restore() -> None:
    for number, before in list(_previous.items()):
        if signal.getsignal(number) is _on_signal:
            signal.signal(number, before)
            del _previous[number]


def _on_signal(number: int, frame: FrameType | None) -> None:
    before = _previous.get(number, signal.SIG_DFL)
    if callable(before):  # somebody else decides whether the process goes on; so the runs do
        for run in tuple(_live):
            run.save()
        before(number, frame)
        return
    for run in reversed(_live):
        run.die(f"stopped by {signal.Signals(number).name}")
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


@atexit.register
def _at_exit() -> None:
    """End runs that nobody ended: as failed if an exception ends the script, as the interpreter notes when it prints one."""
    is_script = not hasattr(sys, "ps1")  # at a prompt, the last error is not what ends the process
    error = getattr(sys, "last_value", None) if is_script else None
    for run in reversed(list(_live)):
        run.leave("failed" if error else "finished", f"{type(error).__name__}: {error}" if error else "")


def _in_child() -> None:
    """Leave the parent's runs to the parent: a child that is told to stop stops at once, as it would without us."""
    for run in _live:
        run.become_child()
    _restore()


os.register_at_fork(after_in_child=_in_child)
