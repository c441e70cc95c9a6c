"""HTTP/1.1 as httptools reads it, with what a server that anybody can reach needs besides: heads have a limit, trailers are no headers."""

from typing import Literal

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 64 << 10
"""Of a head that is still incomplete."""


class ReadingProtocol(HttpToolsProtocol):
    """One connection, which knows what the caller still owes."""

    _phase: Literal["head", "body", "done"] = "head"
    _heads = 0
    _head_bytes = 0

    @property
    def is_head_due(self) -> bool:
        """Whether a request has to begin, or its head to be completed: nothing is being answered."""
        return self._phase == "head" or (self._phase == "done" and self.cycle.response_complete)

    @property
    def is_rest_due(self) -> bool:
        """Whether a body is incomplete whose request has its answer already."""
        return self._phase == "body" and self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head has become too long."""
        heads = self._heads
        super().data_received(data)
        if self._phase == "head" and self._heads == heads:  # nothing in these bytes but this head
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self.transport.close()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._phase = "head"
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. What follows a body in chunks is none: a proxy before us has not looked at it."""
        if self._phase == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Go on to the body, and hand the request over."""
        self._phase, self._head_bytes = "body", 0
        self._heads += 1
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request."""
        self._phase = "done"
        super().on_message_complete()
