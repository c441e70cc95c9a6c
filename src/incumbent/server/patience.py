"""How long a connection may take to say what it wants, and to take what it asked for: uvicorn itself waits for ever."""

import asyncio
from typing import ClassVar

from incumbent.server.reading import ReadingProtocol

HEAD_TIMEOUT_S = 20.0
TAKE_TIMEOUT_S = 60.0


class PatientProtocol(ReadingProtocol):
    """HTTP/1.1 on one connection.

    It is closed when a request's head is not complete in time, when a body that nobody needs any more goes on and on, and when the caller
    takes not one byte of an answer in time.
    """

    head_timeout_s: ClassVar[float] = HEAD_TIMEOUT_S
    take_timeout_s: ClassVar[float] = TAKE_TIMEOUT_S
    _head_timer: asyncio.TimerHandle | None = None
    _take_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._judge()

    def data_received(self, data: bytes) -> None:
        """Go on waiting for the head, or stop: it is complete."""
        super().data_received(data)
        self._judge()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._disarm()
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Watch whether the caller takes anything: more waits than the connection holds."""
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Watch no more."""
        self._stop_watching()
        super().resume_writing()

    def _watch(self, waiting_bytes: int) -> None:
        self._stop_watching()
        self._take_timer = self.loop.call_later(self.take_timeout_s, self._look_again, waiting_bytes)

    def _look_again(self, waited_bytes: int) -> None:
        waiting_bytes = self.transport.get_write_buffer_size()
        if waiting_bytes < waited_bytes:
            self._watch(waiting_bytes)
        else:
            self.transport.abort()

    def _stop_watching(self) -> None:
        if self._take_timer is not None:
            self._take_timer.cancel()
            self._take_timer = None

    def _is_waiting(self) -> bool:
        """Return whether a head is due, or the rest of a body whose request is answered."""
        return self.is_head_due or self.is_rest_due

    def _judge(self) -> None:
        if not self._is_waiting():
            self._disarm()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_timeout_s, self._give_up)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self._is_waiting() and not self.transport.is_closing():
            self.transport.close()
