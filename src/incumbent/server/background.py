"""What a server does beside answering: a thread that looks every so often whether anything is due, and ends with the process."""

import sys
import threading
import time
import traceback
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from incumbent.base.errors import IncumbentError

PAUSE_S = 1.0
CLOSING_S = 2.0


class Background(ABC):
    """Looks inside a `with` block. What goes wrong is told to the operator, and the next look goes on."""

    def __init__(self, name: str, pause_s: float) -> None:
        """Give the thread a name, which begins what is told too, and say how long it waits between two looks."""
        self._name = name
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self._last_problem = ""
        self._thread = threading.Thread(target=self._look, name=name, daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Begin nothing further, and give what is under way a moment to be settled."""
        self._stopping.set()
        self.settle(time.monotonic() + CLOSING_S)

    @abstractmethod
    def work(self) -> bool:
        """Do one piece of what is due, and return whether there may be more. Raises IncumbentError, which is told."""

    def settle(self, end: float) -> None:
        """Wait for what is under way, until a moment of the monotonic clock."""
        self._thread.join(max(end - time.monotonic(), 0.0))

    def is_stopping(self) -> bool:
        """Return whether nothing further is to begin."""
        return self._stopping.is_set()

    def tell(self, problem: str) -> None:
        """Say what is wrong, once while it is the same: what is away is away at every look. "" is for all is well."""
        if problem and problem != self._last_problem:
            sys.stderr.write(f"{self._name}: {problem}\n")
        self._last_problem = problem

    def _look(self) -> None:
        while not self._stopping.wait(self._pause_s):
            try:
                while self.work():
                    pass
            except IncumbentError as error:
                self.tell(str(error))
            except Exception:  # noqa: BLE001  (a fault of ours, told to the operator, must not end all looking)
                traceback.print_exc(file=sys.stderr)
