"""The port to what a catalogue of lineage is still to be told."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Due:
    """That a run began or ended, which a catalogue was not told yet.

    Attributes:
        number: Its place in the order of telling.
        failures: How often it was tried in vain.
        next_at: Not before. Whoever sends puts it off first, so that nobody else sends meanwhile, and a sender that dies is replaced.
    """

    number: int
    run_id: str
    kind: Literal["START", "END"]
    failures: int
    next_at: datetime


class Lineage(Protocol):
    """What is to be told, in the order in which it happened to each run. The store itself adds lines where a run begins or ends."""

    def turn(self, *, on: bool) -> None:
        """Have lines added from now on; or none, and forget those that are here."""

    def find_first(self) -> Due | None:
        """Return the first, whether or not it is time for it."""

    def put_off(self, before: Due, after: Due) -> bool:
        """Replace failures and next_at, unless either is another than before, or it is gone: then return False."""

    def remove(self, due: Due) -> bool:
        """Forget one that is as given; return whether it was."""

    def count(self) -> int:
        """Return how many there are."""


class Catalogued(Protocol):
    """It, inside one transaction."""

    lineage: Lineage
