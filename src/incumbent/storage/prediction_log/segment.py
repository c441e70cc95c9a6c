"""One segment: an Arrow IPC stream that only grows, by whole record batches.

Any reader of the format opens it. Each batch carries the CRC-32 of its body in its custom metadata, for Arrow has no checksum of its
own: after a power cut a file may have its full length and zeros where its last bytes were. A segment has no end-of-stream mark; the
format lets a stream end with its file. What follows the last whole batch was never acknowledged, and is no part of the segment.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from incumbent.base.documents import Json
from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.registry.model import Prediction
from incumbent.storage.cells import from_json, to_json, to_micros, to_text
from incumbent.storage.disk import sync_folder

SUFFIX = ".arrows"
SCHEMA = pa.schema(
    [
        pa.field("prediction_id", pa.string(), nullable=False),
        pa.field("slot", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("version", pa.int64(), nullable=False),
        pa.field("at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("inputs", pa.string(), nullable=False),
        pa.field("output", pa.string(), nullable=False),
        pa.field("latency_ms", pa.float64(), nullable=False),
        pa.field("bundle", pa.string(), nullable=False),
        pa.field("assignment", pa.string(), nullable=False),
        pa.field("zone", pa.string(), nullable=False),
        pa.field("purpose", pa.string(), nullable=False),
        pa.field("caller", pa.string(), nullable=False),
    ]
)
"""The columns of a segment: the fields of `Prediction`, inputs and output as JSON text."""

_CRC = b"crc32"
_JSON = ("inputs", "output")


def encode_batch(predictions: Sequence[Prediction]) -> bytes:
    """Return predictions as the bytes of one record batch message, to be appended to a segment.

    Raises:
        InvalidInput: An input or output has no JSON form, or a text is no Unicode.
    """
    columns = []
    for field in SCHEMA:
        values = [getattr(one, field.name) for one in predictions]
        if field.name in _JSON:
            values = [_json_text(value) for value in values]
        elif field.type == pa.string():
            values = [to_text(value, field.name) for value in values]
        elif field.name == "at":
            values = [to_micros(value) for value in values]
        try:
            columns.append(pa.array(values, field.type))
        except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
            raise InvalidInput(f"{field.name} of a prediction cannot be kept: {error}") from error
    batch = pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
    crc = zlib.crc32(pa.ipc.read_message(batch.serialize()).body)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as stream:
        stream.write_batch(batch, custom_metadata={_CRC: str(crc).encode("ascii")})
        end = sink.tell()
    return bytes(memoryview(sink.getvalue())[len(_HEAD) : end])


def _json_text(value: Json) -> str | bytes:
    """Return JSON text, by the faster encoder wherever both mean the same.

    It writes NaN and infinities as null, and takes no half characters, big integers or subclasses.
    """
    try:
        text = msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return to_json(value)
    return to_json(value) if b"null" in text else text


def read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the whole batches of a segment, in order; a torn one at its end is left out.

    Raises:
        Corrupt: A batch is damaged, and a whole one follows: that was no torn end, and it had been acknowledged.
        OSError: The file cannot be read.
    """
    with pa.memory_map(str(path)) as file:
        data = file.read_buffer()
    is_damaged = False
    try:
        messages, stream = pa.ipc.MessageReader.open_stream(data), pa.ipc.open_stream(data)
        messages.read_next_message()  # the schema
        while True:
            body = messages.read_next_message().body
            found = stream.read_next_batch_with_custom_metadata()
            if found.custom_metadata is None or found.custom_metadata.get(_CRC) != str(zlib.crc32(body)).encode("ascii"):
                is_damaged = True
                continue
            if is_damaged:
                raise Corrupt(f"{path}: a batch of the prediction log is damaged; restore the file from a backup")
            yield found.batch
    except (StopIteration, pa.ArrowException, OSError):  # the end, or a torn message, which Arrow calls an OSError
        return


def decode_row(batch: pa.RecordBatch, row: int) -> Prediction:
    """Return one row of a batch. Raises Corrupt if its JSON is none."""
    values: dict[str, Any] = {name: batch.column(name)[row].as_py() for name in SCHEMA.names}
    return Prediction(**{**values, **{name: from_json(values[name]) for name in _JSON}})


class OpenSegment:
    """A segment that this process appends to, locked until it is closed.

    Attributes:
        size: Bytes up to the end of its last whole batch.
        is_broken: Its end could not be cut after a failed write: append nothing to it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        """Make the segment; it appears under its name once it is whole, locked and on disk. Raises OSError."""
        draft, self.path = folder / f".{name}", folder / f"{name}{SUFFIX}"
        self._number = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.size = 0
        self.is_broken = False
        try:
            flock(self._number, LOCK_EX | LOCK_NB)
            self._write(_HEAD)
            os.fsync(self._number)
            os.rename(draft, self.path)
            sync_folder(str(folder))
        except OSError:
            self.close()
            draft.unlink(missing_ok=True)
            raise
        self.size = len(_HEAD)

    def append(self, data: bytes) -> None:
        """Append a batch message, on disk before this returns. Raises OSError; then nothing of it is left in the segment."""
        try:
            self._write(data)
            os.fdatasync(self._number)
        except OSError:
            self.is_broken = True  # after a failed sync nobody knows which pages are on disk: never append to this file again
            os.ftruncate(self._number, self.size)
            raise
        self.size += len(data)

    def close(self) -> None:
        """Let go of the file and its lock."""
        os.close(self._number)

    def _write(self, data: bytes) -> None:
        rest, at = memoryview(data), self.size
        while rest:
            written = os.pwrite(self._number, rest, at)
            rest, at = rest[written:], at + written


_HEAD = SCHEMA.serialize().to_pybytes()
"""The schema message, with which each segment begins."""
