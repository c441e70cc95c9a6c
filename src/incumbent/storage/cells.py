"""How values stand in the cells of our tables, both ways. Reading back what is not ours is Corrupt, never a traceback.

Times are microseconds since 1970 (UTC), JSON is text, a digest is its own text, NaN is NULL (SQLite has no NaN, and
PostgreSQL calls it greater than every number).
"""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

from incumbent.base.artifact import Artifact, artifact_from_json
from incumbent.base.documents import Json
from incumbent.base.errors import Corrupt, InvalidInput

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(at: datetime) -> int:
    """Return microseconds since 1970. Raises InvalidInput for a time without a zone.

    >>> to_micros(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC))
    1000005
    """
    if at.tzinfo is None:
        raise InvalidInput(f"time {at.isoformat()} has no zone; times are aware UTC")
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the aware UTC time. Raises Corrupt when there is no such time."""
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except (OverflowError, TypeError) as error:
        raise Corrupt(f"the database holds {micros!r} where a time belongs: {error}") from error


def to_bytes(cell: object) -> bytes:
    """Return the bytes of a BLOB's cell. SQLite lets anybody put text or a number there: that is not what was written, and no crash."""
    return bytes(cell) if isinstance(cell, bytes | bytearray | memoryview) else str(cell).encode("utf-8", "backslashreplace")


def to_json(value: object) -> str:
    """Return JSON text. NaN and infinities are kept; raises InvalidInput for what has no JSON form."""
    try:
        return json.dumps(value, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"cannot be stored as JSON: {error}") from error


def from_json(text: str) -> Json:
    """Return the value of JSON text. Raises Corrupt."""
    try:
        return cast(Json, json.loads(text))
    except (TypeError, ValueError, RecursionError) as error:
        raise Corrupt(f"the database holds {str(text)[:80]!r} where JSON belongs: {error}") from error


def object_from_json(text: str) -> dict[str, Json]:
    """Return the JSON object that `text` spells. Raises Corrupt."""
    value = from_json(text)
    if not isinstance(value, dict):
        raise Corrupt(f"the database holds {text[:80]!r} where a JSON object belongs")
    return value


def artifacts_to_json(artifacts: Mapping[str, Artifact]) -> str:
    """Return name -> artifact as JSON text."""
    return to_json({name: artifact.to_json() for name, artifact in artifacts.items()}) if artifacts else "{}"


def artifacts_from_json(text: str) -> dict[str, Artifact]:
    """Return what `artifacts_to_json` wrote. Raises Corrupt."""
    if text == "{}":
        return {}
    try:
        return {name: artifact_from_json(value) for name, value in object_from_json(text).items()}
    except InvalidInput as error:
        raise Corrupt(f"the database holds a malformed artifact: {error}") from error


def to_text(text: str, what: str) -> str:
    r"""Return `text` if both databases can hold it, else raise InvalidInput.

    >>> to_text("a" + chr(0) + "b", "tag")
    Traceback (most recent call last):
    incumbent.base.errors.InvalidInput: tag 'a\x00b' holds a NUL or half a character, which cannot be stored
    """
    if "\0" in text or (not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)):
        raise InvalidInput(f"{what} {text[:80]!r} holds a NUL or half a character, which cannot be stored")
    return text


def to_number(value: Json) -> float | None:
    """Return the number that a param is, or spells, for numeric comparison; None if it is none.

    >>> to_number("1e-3"), to_number(6), to_number(True), to_number("six")
    (0.001, 6.0, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(number) else number


def to_real(value: float) -> float | None:
    """Return a metric's value as its cell holds it."""
    return None if value != value else float(value)  # noqa: PLR0124  (only NaN differs from itself; math.isnan is slower)


def from_real(cell: float | None) -> float:
    """Return the value of a metric's cell."""
    return math.nan if cell is None else float(cell)
