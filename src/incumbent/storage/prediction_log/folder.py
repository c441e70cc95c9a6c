"""The `PredictionLog` port on a folder: many appends share one wait for the disk.

Appends are queued. One thread takes all that wait, writes them as one batch, waits for the disk once, and resolves their futures; those
that come meanwhile are the next batch. So the wait is shared by as many as come in its time, and no timer delays a lonely one. The thread
ends after some idle seconds, closes its segment, and is started again by the next append.
"""

import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

import pyarrow.compute as pc

from incumbent.base.errors import IncumbentError, Unavailable
from incumbent.registry.model import Prediction
from incumbent.storage.disk import store_error
from incumbent.storage.prediction_log.segment import SUFFIX, OpenSegment, decode_row, encode_batch, read_batches

SEGMENT_BYTES_MAX = 64 << 20
WAITING_MAX = 100_000
"""So many predictions may wait for the disk; more are refused: a disk that is this far behind will not catch up."""
BATCH_MAX = 10_000
_IDLE_S = 10.0

_Waiting = tuple[Sequence[Prediction], "Future[None]"]


class FolderPredictionLog:
    """Segments in a folder, each of one process, named in the order in which they were begun."""

    def __init__(self, folder: Path, *, segment_bytes_max: int = SEGMENT_BYTES_MAX, waiting_max: int = WAITING_MAX) -> None:
        self._folder = folder
        self._segment_bytes_max = segment_bytes_max
        self._waiting_max = waiting_max
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._count = 0
        self._thread: threading.Thread | None = None
        self._is_closing = False
        self._segment: OpenSegment | None = None

    def append(self, predictions: Sequence[Prediction]) -> "Future[None]":
        """Take answers; see the port. The future raises Unavailable too when too many wait for the disk already."""
        future: Future[None] = Future()
        if not predictions:
            future.set_result(None)
            return future
        if self._process != os.getpid():
            self._begin()  # forked: the thread, what waits and the segment are the parent's
        with self._changed:
            if self._count and self._count + len(predictions) > self._waiting_max:
                future.set_exception(Unavailable(f"the prediction log: {self._count} answers wait for the disk already; try again later"))
                return future
            self._waiting.append((predictions, future))
            self._count += len(predictions)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return future

    def find(self, prediction_id: str) -> Prediction | None:
        """Return one that was acknowledged. Raises Corrupt, Unavailable."""
        try:
            for path in sorted(self._folder.glob(f"*{SUFFIX}"), reverse=True):  # newest first: what is looked for is mostly new
                for batch in read_batches(path):
                    row = pc.index(batch.column("prediction_id"), prediction_id).as_py()
                    if row >= 0:
                        return decode_row(batch, row)
        except OSError as error:
            raise store_error(error, f"reading the prediction log in {self._folder}") from error
        return None

    def close(self) -> None:
        """Wait until what was taken is durable, and let go of the segment."""
        with self._changed:
            thread, self._is_closing = self._thread, True
            self._changed.notify_all()
        if thread is not None:
            thread.join()
        self._is_closing = False

    def _run(self) -> None:
        while taken := self._take():
            self._commit(taken)

    def _take(self) -> list[_Waiting]:
        """Return what waits, up to a batch; nothing when the thread is to end, after its segment was closed."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting) or self._is_closing, timeout=_IDLE_S)
            taken: list[_Waiting] = []
            rows = 0
            while self._waiting and (not taken or rows + len(self._waiting[0][0]) <= BATCH_MAX):
                taken.append(self._waiting.popleft())
                rows += len(taken[-1][0])
            self._count -= rows
            if not taken:
                self._thread = None
                self._let_go()
            return taken

    def _commit(self, taken: Sequence[_Waiting]) -> None:
        """Write what was taken as one batch; if one of them cannot be written, each for itself, so that it fails alone."""
        try:
            self._write(encode_batch([one for predictions, _ in taken for one in predictions]))
        except IncumbentError as error:
            if len(taken) > 1 and not isinstance(error, Unavailable):
                for single in taken:
                    self._commit([single])
                return
            _resolve(taken, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait are told; the thread goes on for the others
            _resolve(taken, error)
        else:
            _resolve(taken, None)

    def _write(self, data: bytes) -> None:
        try:
            if self._segment is None or self._segment.is_broken or self._segment.size >= self._segment_bytes_max:
                self._let_go()
                self._folder.mkdir(parents=True, exist_ok=True)
                self._segment = OpenSegment(self._folder, f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}")
            self._segment.append(data)
        except OSError as error:
            raise store_error(error, f"writing the prediction log in {self._folder}") from error

    def _let_go(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None


def _resolve(taken: Sequence[_Waiting], error: Exception | None) -> None:
    for _, future in taken:
        with suppress(Exception):  # whoever waited may have cancelled; the record is kept all the same
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)


def open_prediction_log(folder: Path) -> FolderPredictionLog:
    """Open the log in a folder; nothing is made before the first append."""
    return FolderPredictionLog(folder)
