"""Where a page ends and the next one begins, as one opaque word.

A place is what the last item of a page is known by (its number, or time and id), not how many came before: what is added meanwhile
moves no later page. A word carries a check over the place, the operation, and what it was asked for, so that one that was made up,
cut, or meant for another list is refused and does not skip or repeat rows in silence. It keeps nothing secret and grants nothing.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from incumbent.base.digest import digest_bytes
from incumbent.base.errors import InvalidInput
from incumbent.server.api.bodies import INT_LIMIT
from incumbent.server.api.operation import Call, Page

Place = Sequence[str | int]
_CHECK_CHARACTERS = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CURSOR_CHARACTERS_MAX = 2_000
_OF_ANOTHER_LIST = "the cursor is of another list; begin without one"
_T = TypeVar("_T")


def write_cursor(place: Place, operation: str, asked: Mapping[str, object]) -> str:
    """Return the word for a place in a list.

    Args:
        place: Of the last item that was given.
        operation: The list's operation.
        asked: What else its query string said; the next page has to say the same.

    >>> read_cursor(write_cursor([7, "b"], "list_runs", {"query": "x"}), "list_runs", {"query": "x"})
    [7, 'b']
    """
    text = msgspec.json.encode(list(place))
    return base64.urlsafe_b64encode(_check(text, operation, asked) + text).decode().rstrip("=")


def read_cursor(cursor: str, operation: str, asked: Mapping[str, object]) -> list[str | int]:
    """Return the place that a word stands for. Raises InvalidInput for one that this list did not give for this question."""
    try:
        if len(cursor) > _CURSOR_CHARACTERS_MAX:
            raise ValueError
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        text = data[_CHECK_CHARACTERS:]
        place = msgspec.json.decode(text, type=list[str | int])
        is_ours = data[:_CHECK_CHARACTERS] == _check(text, operation, asked)
    except (binascii.Error, ValueError):  # msgspec's errors and those of text that is no ASCII are ValueErrors
        is_ours = False
    if not is_ours:
        raise InvalidInput(
            f"the cursor {cursor[:40]!r} is none of this list with this query; take it from `next_cursor` and leave the rest of the "
            "query as it was, or begin without one"
        )
    return place


def _check(text: bytes, operation: str, asked: Mapping[str, object]) -> bytes:
    said = msgspec.json.encode([operation, sorted((name, str(value)) for name, value in asked.items())])
    return digest_bytes(said + b"\n" + text, "blake3").partition(":")[2][:_CHECK_CHARACTERS].encode()


def read_place(call: Call, *kinds: type[int] | type[str]) -> tuple[Any, ...] | None:
    """Return the place that a page begins after, None for the first page.

    Args:
        call: Has the cursor.
        kinds: Of what a place of this list is made.

    Raises:
        InvalidInput: The place is of another list. Whoever knows the code can make a cursor up, so it is not only a mistake of ours.
    """
    if call.after is None:
        return None
    fits = len(call.after) == len(kinds) and all(type(part) is kind for part, kind in zip(call.after, kinds, strict=True))
    if not fits or not all(0 <= part < INT_LIMIT for part in call.after if isinstance(part, int)):
        raise InvalidInput(_OF_ANOTHER_LIST)
    return tuple(call.after)


def place_of_time(at: datetime) -> int:
    """Return a time as part of a place: microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def time_of_place(part: int) -> datetime:
    """Return the time that a part of a place stands for. Raises InvalidInput when there is no such time."""
    try:
        return _EPOCH + part * _MICROSECOND
    except OverflowError:
        raise InvalidInput(_OF_ANOTHER_LIST) from None


def end_page(found: Sequence[_T], *, place: Callable[[_T], tuple[str | int, ...]], show: Callable[[_T], object], call: Call) -> Page:
    """Return the page of what a store found when it was asked for one item more than the page has.

    Args:
        found: In the list's order.
        place: What an item is known by.
        show: Turns an item into what is given.
        call: Says how many the page has at most.
    """
    shown = found[: call.limit]
    return Page([show(item) for item in shown], place(shown[-1]) if len(found) > call.limit else None)


def cut_page(
    found: Iterable[_T],
    *,
    place: Callable[[_T], tuple[str | int, ...]],
    show: Callable[[_T], object],
    call: Call,
    is_descending: bool = False,
) -> Page:
    """Return the page of a whole list that follows a place, in the order of the places.

    Args:
        found: The list, in any order.
        place: What an item is known by and sorted by; no two items share it.
        show: Turns an item into what is given.
        call: Says after which place, and at most how many.
        is_descending: The largest first.

    Raises:
        InvalidInput: The place is of another list.
    """
    ordered = sorted(((place(item), item) for item in found), key=lambda one: one[0], reverse=is_descending)
    if call.after is not None:
        last = tuple(call.after)
        try:
            ordered = [one for one in ordered if (one[0] < last if is_descending else one[0] > last)]
        except TypeError:
            raise InvalidInput(_OF_ANOTHER_LIST) from None
    shown = ordered[: call.limit]
    return Page([show(item) for _, item in shown], shown[-1][0] if len(ordered) > call.limit else None)
