"""Frames: JSON messages with a length in front, over a socket or pipe between a runner and its workers.

Form: four bytes, the body's length as a big-endian unsigned integer; then the body, one JSON object in ASCII. What arrives is
judged, never trusted: user code runs on the far side and can write what it likes.
"""

import json
import socket
import struct
from collections.abc import Iterator
from typing import cast

from incumbent.base.documents import Document, parse_document
from incumbent.base.errors import Corrupt, IncumbentError

FRAME_BYTES_MAX = 256 << 20
_HEAD = struct.Struct(">I")


def encode_frame(document: Document) -> bytes:
    """Return the frame of a document. Lone surrogates (odd file names) survive, as escapes.

    Raises:
        Corrupt: The document is larger than a frame may be.
    """
    body = json.dumps(document, separators=(",", ":")).encode("ascii")
    if len(body) > FRAME_BYTES_MAX:
        raise Corrupt(f"a message of {len(body)} bytes is over the limit of {FRAME_BYTES_MAX} between a runner and its workers")
    return _HEAD.pack(len(body)) + body


class FrameReader:
    """Cuts a stream of bytes into documents."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Document]:
        """Take in bytes and yield each document that is now complete.

        Raises:
            Corrupt: A length is over the limit, or a body is not a JSON object.
        """
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            (length,) = _HEAD.unpack_from(self._buffer)
            if length > FRAME_BYTES_MAX:
                raise Corrupt(f"a worker announced a message of {length} bytes; the limit is {FRAME_BYTES_MAX}")
            end = _HEAD.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_HEAD.size : end])
            del self._buffer[:end]
            try:
                document = parse_document(body)
            except IncumbentError as error:
                raise Corrupt(f"a worker sent something that is no message: {error}") from error
            yield document


class Channel:
    """A socket that carries frames both ways and never blocks: two full buffers facing each other would wait for ever."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self.socket = end
        self.is_open = True
        self._reader = FrameReader()
        self._outgoing = bytearray()

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self.socket.fileno()

    @property
    def wants_write(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._outgoing) and self.is_open

    def send(self, document: Document) -> None:
        """Queue a document and send what the socket takes now; `flush` sends the rest."""
        self._outgoing += encode_frame(document)
        self.flush()

    def flush(self) -> None:
        """Send what the socket takes now."""
        while self._outgoing and self.is_open:
            try:
                sent = self.socket.send(self._outgoing)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # the far side is gone: the reader will see the end
                self.is_open = False
                return
            del self._outgoing[:sent]

    def receive(self) -> list[Document]:
        """Return the documents that have come in; `is_open` turns false at the stream's end.

        Raises:
            Corrupt: What came in is no frame.
        """
        documents: list[Document] = []
        while self.is_open:
            try:
                data = self.socket.recv(1 << 18)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                data = b""
            if not data:
                self.is_open = False
            documents += cast(list[Document], list(self._reader.feed(data)))
        return documents

    def close(self) -> None:
        """Close the socket."""
        self.is_open = False
        self.socket.close()
