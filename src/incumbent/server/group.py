"""One thread that commits together what several requests wait for: an acknowledged write is on disk, and the wait for it is shared."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from incumbent.base.errors import Unavailable
from incumbent.usecases.ports import Store, Transaction

GROUP_MAX = 64
_T = TypeVar("_T")
_Item = tuple[Store, Callable[[Transaction], Any], "Future[Any]"]


class Watcher(Protocol):
    """Who is told what the writer does."""

    def note_group(self, size: int) -> None:
        """So many writes were committed together."""

    def note_wait(self, seconds: float) -> None:
        """One write waited so long until it was on disk."""


class GroupWriter:
    """Takes work from many threads and does it in few durable transactions. The thread starts with the first work.

    Attributes:
        watcher: Told of every group and every wait, if there is one.
    """

    def __init__(self) -> None:
        self.watcher: Watcher | None = None
        self._items: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def write(self, store: Store, work: Callable[[Transaction], _T]) -> _T:
        """Do the work in a durable transaction, perhaps together with other work, and return once it is on disk.

        Args:
            store: All work of one group goes to the same one.
            work: Done again in a transaction of its own when something else in the group failed, so it may only write through `tx`.

        Raises:
            Whatever the work raises; then nothing of it was written.
        """
        done: Future[_T] = Future()
        with self._guard:
            if self._is_closed:
                raise Unavailable("the server is stopping; send this again to the next one")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="group-writer", daemon=True)
                self._thread.start()
            self._items.put((store, work, done))
        if self.watcher is None:
            return done.result()
        began = time.perf_counter()
        result = done.result()
        self.watcher.note_wait(time.perf_counter() - began)
        return result

    def depth(self) -> int:
        """Return how many writes wait to be taken up."""
        return self._items.qsize()

    def close(self) -> None:
        """Finish what was taken, and take no more."""
        with self._guard:
            self._is_closed = True
            thread = self._thread
            self._items.put(None)
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            group: list[_Item] = []
            item = self._items.get()
            while item is not None:
                group.append(item)
                if len(group) == GROUP_MAX or self._items.empty():
                    break
                item = self._items.get()
            is_open = item is not None
            if group:
                _commit(group, self.watcher)


def _commit(group: list[_Item], watcher: Watcher | None) -> None:
    try:
        with group[0][0].begin() as tx:
            results = [work(tx) for _, work, _ in group]
    except Exception as error:  # noqa: BLE001  (it is handed to whoever waits)
        if len(group) == 1:
            group[0][2].set_exception(error)
            return
        for item in group:
            _commit([item], watcher)
        return
    if watcher is not None:
        watcher.note_group(len(group))
    for (_, _, done), result in zip(group, results, strict=True):
        done.set_result(result)
