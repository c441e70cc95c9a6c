"""Bodies and answers too large for memory: pieces on their way between the event loop and a thread, never many at once.

A body that comes in: the loop fills an `Upload`, a thread of the route empties it, and the loop reads no further while AHEAD_BYTES wait.
An answer that goes out: a thread makes one piece of a `Stream`, and makes the next when the connection has taken this one.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from incumbent.server.errors import HttpProblem

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

CHUNK_BYTES = 1 << 20
"""Of a file that is sent: how much is read at once."""
AHEAD_BYTES = 1 << 20
"""Of a body that comes in: how much may wait for the route."""
STALL_S = 20.0
"""How long nothing at all may come of a body."""


class Upload(Iterator[bytes]):
    """A body, piece by piece. `pump` runs in the loop; a thread takes the pieces, and is told by an error if no more will come."""

    def __init__(self, receive: Receive, bytes_max: int) -> None:
        self._receive, self._bytes_max = receive, bytes_max
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._arrived = threading.Condition()
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0
        self._is_over = self._is_whole = False
        self._problem = HttpProblem(503, "the server stopped reading this body; send it again", {"connection": "close"})

    async def pump(self) -> None:
        """Read the body to its end. What goes wrong is raised where the pieces are taken."""
        try:
            await self._read()
            self._is_whole = True
        except HttpProblem as problem:
            self._problem = problem
        except TimeoutError:
            self._problem = HttpProblem(408, f"no byte of the body came for {STALL_S:g} s", {"connection": "close"})
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Read no more: whoever waits for a piece is told."""
        with self._arrived:
            self._is_over = True
            self._arrived.notify()

    async def _read(self) -> None:
        total, is_more = 0, True
        while is_more:
            async with asyncio.timeout(STALL_S):
                message = await self._receive()
            if message["type"] == "http.disconnect":
                raise HttpProblem(400, "the connection closed before the body was complete")
            piece, is_more = message.get("body", b""), message.get("more_body", False)
            total += len(piece)
            if total > self._bytes_max:
                raise HttpProblem(413, f"the body is over the limit of {self._bytes_max} bytes", {"connection": "close"})
            with self._arrived:
                if piece:
                    self._pieces.append(piece)
                    self._waiting_bytes += len(piece)
                    self._arrived.notify()
                is_full = self._waiting_bytes >= AHEAD_BYTES
                if is_full:
                    self._room.clear()
            if is_full and is_more:
                await self._room.wait()

    def __next__(self) -> bytes:
        """Return what has come, once something has.

        Raises:
            HttpProblem: The body is over its limit (413), nothing came for STALL_S (408), the caller left (400), the server stops (503).
        """
        with self._arrived:
            self._arrived.wait_for(lambda: self._pieces or self._is_over)
            pieces, self._pieces = self._pieces, []
            was_full, self._waiting_bytes = self._waiting_bytes >= AHEAD_BYTES, 0
            if was_full and not self._is_over:
                self._loop.call_soon_threadsafe(self._room.set)
        if pieces:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if not self._is_whole:
            raise self._problem
        raise StopIteration


@dataclass(slots=True)
class Stream:
    """An answer's body, made piece by piece; each piece in a thread of the pool, none of which waits for the caller.

    Attributes:
        pieces: The bytes.
        length: Of all together, in bytes; None if nobody knows yet.
        pause_s: Set for an answer that never ends, such as events: when a piece is empty, the next is asked for after this time. The server
            ends such an answer when it stops, and at any time the caller may leave.
        release: Called once, whatever happens, when no piece will be asked for any more: a generator's `close`, a file's.
    """

    pieces: Iterator[bytes]
    length: int | None = None
    pause_s: float | None = None
    release: Callable[[], None] = lambda: None
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _is_closed: bool = False

    def take(self) -> bytes | None:
        """Return the next piece; None at the end."""
        with self._turn:
            return None if self._is_closed else next(self.pieces, None)

    def close(self) -> None:
        """Release what the stream holds. Waits for a piece that is being made."""
        with self._turn:
            if not self._is_closed:
                self._is_closed = True
                self.release()


class Endless:
    """The answers under way that would never end, so that all can be ended at once."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._under_way: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._is_ended = False

    @contextmanager
    def joined(self, stream: Stream) -> Iterator[asyncio.Event]:
        """Hold an event that is set when the stream has to end; of one that ends by itself it never is."""
        ended = asyncio.Event()
        if stream.pause_s is None:
            yield ended
            return
        entry = asyncio.get_running_loop(), ended
        with self._guard:
            self._under_way.add(entry)
            if self._is_ended:
                ended.set()
        try:
            yield ended
        finally:
            with self._guard:
                self._under_way.discard(entry)

    def end(self) -> None:
        """End all, and whatever joins later. From any thread."""
        with self._guard:
            self._is_ended = True
            for loop, ended in self._under_way:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(ended.set)


async def until_gone(receive: Receive) -> None:
    """Return when the caller has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def pause(seconds: float, gone: asyncio.Task[None], ended: asyncio.Event) -> None:
    """Wait, but no longer than until the caller has gone or the stream has to end."""
    ending = asyncio.create_task(ended.wait())
    try:
        await asyncio.wait({gone, ending}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ending.cancel()
