"""One thread that commits together what several requests wait for: an acknowledged write is on disk, and the wait for it is shared.

The thread also does what comes before a small write: who asks, and what the body says. A request then changes threads twice, where a pool
of threads in between makes it four times, each of them dearer than the work itself.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from incumbent.base.errors import Unavailable
from incumbent.usecases.ports import Store, Transaction

GROUP_MAX = 64
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Write:
    """What a request has come to: something to write, and what is answered once it is on disk.

    Attributes:
        work: Done again in a transaction of its own when something else in the group failed, so it may only write through `tx`.
        answer: Given what the work returned.
    """

    work: Callable[[Transaction], Any]
    answer: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Item:
    """One write under way. `begin` comes before the transaction; `settle` is told the answer, or why there is none."""

    store: Store
    begin: Callable[[], Write]
    settle: Callable[[Any, Exception | None], None]


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

        def settle(result: _T, error: Exception | None) -> None:
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(error)

        self._put(_Item(store, lambda: Write(work, _same), settle))
        if self.watcher is None:
            return done.result()
        began = time.perf_counter()
        result = done.result()
        self.watcher.note_wait(time.perf_counter() - began)
        return result

    async def write_begun(self, store: Store, begin: Callable[[], Write]) -> Any:
        """Do what `begin` comes to, as `write` does, without a thread that waits for it.

        Args:
            store: All work of one group goes to the same one.
            begin: Called once, in the writer's thread, before the transaction: nothing that takes long.

        Returns:
            The answer.

        Raises:
            Whatever `begin`, the work or the answer raises; if it was one of the first two, nothing was written.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()

        def settle(result: Any, error: Exception | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                loop.call_soon_threadsafe(_resolve, done, result, error)

        self._put(_Item(store, begin, settle))
        began = time.perf_counter()
        result = await done
        if self.watcher is not None:
            self.watcher.note_wait(time.perf_counter() - began)
        return result

    def _put(self, item: _Item) -> None:
        with self._guard:
            if self._is_closed:
                raise Unavailable("the server is stopping; send this again to the next one")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="group-writer", daemon=True)
                self._thread.start()
            self._items.put(item)

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
                self._do(group)

    def _do(self, group: list[_Item]) -> None:
        begun: list[tuple[_Item, Write]] = []
        for item in group:
            try:
                begun.append((item, item.begin()))
            except Exception as error:  # noqa: BLE001  (it is handed to whoever waits)
                item.settle(None, error)
        if begun:
            _commit(begun, self.watcher)


def _commit(group: list[tuple[_Item, Write]], watcher: Watcher | None) -> None:
    try:
        with group[0][0].store.begin() as tx:
            results = [write.work(tx) for _, write in group]
    except Exception as error:  # noqa: BLE001  (it is handed to whoever waits)
        if len(group) == 1:
            group[0][0].settle(None, error)
            return
        for one in group:
            _commit([one], watcher)
        return
    if watcher is not None:
        watcher.note_group(len(group))
    for (item, write), result in zip(group, results, strict=True):
        try:
            answer = write.answer(result)
        except Exception as error:  # noqa: BLE001  (it is handed to whoever waits)
            item.settle(None, error)
        else:
            item.settle(answer, None)


def _same(result: _T) -> _T:
    return result


def _resolve(done: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if done.done():  # given up by whoever waited
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)
