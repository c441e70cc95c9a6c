"""Port of the prediction log."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

from incumbent.registry.model import Prediction


class PredictionLog(Protocol):
    """Answers given, each on disk before it is sent. Takes no governance transaction where the log has files of its own."""

    def append(self, predictions: Sequence[Prediction]) -> "Future[None]":
        """Take answers, and return at once with what resolves when all of them are durable, or none was kept.

        From any thread; a coroutine waits with `asyncio.wrap_future`. The future raises InvalidInput (a value that has no JSON form)
        or Unavailable (the disk is full or fails): then the answers must not be sent.
        """

    def find(self, prediction_id: str) -> Prediction | None:
        """Return one that was acknowledged. Raises Corrupt, Unavailable."""

    def close(self) -> None:
        """Wait until what was taken is durable, and let go of the files; the next append opens them again."""
