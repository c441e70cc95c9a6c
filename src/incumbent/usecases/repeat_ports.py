"""What was answered to requests that may be sent again: kept for a day, so that the same request is done once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A request that carried a key of its sender's.

    Attributes:
        caller: Who sent it: two people may use the same key.
        key: What they called it.
        request: Digest of all that makes it this request.
        begun_at: When it came first.
        process: The server that does it, or did.
        status: What was answered, 0 while it is being done.
        headers: Of the answer.
        body: Of the answer.
    """

    caller: str
    key: str
    request: str
    begun_at: datetime
    process: str
    status: int
    headers: Mapping[str, str]
    body: bytes


class Repeats(Protocol):
    """Requests by caller and key."""

    def find(self, caller: str, key: str) -> Repeatable | None:
        """Return one."""

    def begin(self, repeatable: Repeatable) -> bool:
        """Add one that is being done, and return whether it is new: of two at once, one is."""

    def finish(self, repeatable: Repeatable) -> None:
        """Put its answer beside it."""

    def forget(self, caller: str, key: str) -> None:
        """Remove one: nothing came of it, and it may be done anew."""

    def prune(self, before: datetime) -> None:
        """Remove those that came before."""


class Repeating(Protocol):
    """Their table, inside one transaction."""

    repeats: Repeats
