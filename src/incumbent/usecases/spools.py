"""Ports of the spool, where what runs log waits for the store.

A spool is the floor under every store (a database or server that is away), so there is one implementation, on disk; the port is
here because use cases stand below it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SpoolRead:
    """What one look into a spool gave.

    Attributes:
        records: (sequence number, payload), ascending; numbers are those of the writer, from 0.
        position: Where the next look goes on.
        is_final: Nothing will come after it: the writer has gone, or gone on to its next spool.
        losses: Records that no longer are what was written, in words; empty when all is well.
    """

    records: Sequence[tuple[int, bytes]]
    position: int
    is_final: bool
    losses: Sequence[str] = ()


class Spool(Protocol):
    """One file of acknowledged records of a run, on this host; `is_owner`: written by the process that is the run."""

    run_id: str
    writer: str
    name: str
    is_owner: bool

    def is_alive(self) -> bool:
        """Return whether its writer still holds it: it may still grow."""

    def read(self, position: int) -> SpoolRead:
        """Return the whole records from `position` (0: the start) on. Raises NotFound if another process has removed it."""

    def fence(self) -> None:
        """Stop the writer: every record it acknowledged is readable from now on, and it will acknowledge no more."""

    def remove(self) -> None:
        """Delete it: all its records are in the store. Absent is no error."""

    def set_aside(self) -> Path:
        """Keep it out of the way under another name, and return that: the store would not take its records."""


class SpoolWriter(Protocol):
    """The writing end of one writer's spool."""

    writer: str

    def append(self, payload: bytes, count: int = 1) -> None:
        """Write one record that takes `count` sequence numbers; once this returns it outlives the process.

        Raises Unavailable (disk full: nothing of it is kept) and Refused (fenced: the run was sealed).
        """

    def sync(self) -> None:
        """Make what was appended outlive a power cut too. Raises Unavailable."""

    def close(self) -> None:
        """Write no more, and stop counting as alive."""


class Spools(Protocol):
    """What runs log on this host and the store does not have yet. On disk only: it is the floor under every other store."""

    def open(self, run_id: str, *, is_owner: bool) -> SpoolWriter:
        """Begin a spool under a fresh writer name; `is_owner`: the run ends when this writer dies. Raises Unavailable."""

    def find(self, run_id: str | None = None) -> Sequence[Spool]:
        """Return the spools of one run or of all: by run, the owner's first, each writer's in the order of writing."""
