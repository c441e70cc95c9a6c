"""Answers that are kept: while nobody has committed anything, the same question to the store has the same answer.

Whoever serves a model asks what is live again and again. The question is everything that the caller sent: address, query and every
header, so that who asks, and for which page, is part of it. The store's stamp says whether anything was committed since, by whichever
process; the time says whether whoever asked has to show anew who they are. Without a stamp (PostgreSQL) nothing is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from incumbent.server.messages import Response
from incumbent.usecases.ports import Clock, Store

KEPT_MAX = 1_000
BODY_BYTES_MAX = 16 << 10
_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})
_Question = tuple[str, bytes, bytes, tuple[tuple[bytes, bytes], ...]]


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, with its route's pattern.

    Attributes:
        until: When it has to be asked for anew in any case; None means never.
    """

    response: Response
    route: str
    until: datetime | None


class KeptAnswers:
    """The answers that hold now. Asked in the event loop's thread alone: it waits for nothing."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._stamp: int | None = None
        self._found: dict[_Question, Kept] = {}

    def find(self, scope: Mapping[str, Any]) -> Kept | None:
        """Return the answer to a request, if there is one that still holds."""
        kept = self._found.get(_question(scope)) if self._found else None
        if kept is None or self._store.stamp() != self._stamp or (kept.until is not None and kept.until <= self._clock.now()):
            return None
        return kept

    def stamp(self) -> int | None:
        """Return what `keep` is given with an answer that is asked for from now on."""
        return self._store.stamp()

    def keep(self, scope: Mapping[str, Any], stamp: int | None, kept: Kept) -> None:
        """Keep an answer that was asked for after the stamp was taken, unless it is a refusal, or large, or the request has a body."""
        response = kept.response
        if stamp is None or response.status != 200 or response.stream is not None or len(response.body) > BODY_BYTES_MAX:
            return
        if any(name in _BODY_HEADERS for name, _ in scope["headers"]):
            return
        if stamp != self._stamp or len(self._found) >= KEPT_MAX:
            self._found.clear()
            self._stamp = stamp
        self._found[_question(scope)] = kept


def _question(scope: Mapping[str, Any]) -> _Question:
    return scope["method"], scope.get("raw_path") or scope["path"].encode("utf-8"), scope["query_string"], tuple(scope["headers"])
