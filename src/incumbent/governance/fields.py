"""Strict reading of stored documents: exactly the fields that were written, each of its type, or InvalidInput.

Times stand in documents as RFC 3339 in UTC with microseconds, the one spelling that ledger entries use too.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput

INT_LIMIT = 2**53
NAME_CHARACTERS_MAX = 300
TEXT_CHARACTERS_MAX = 20_000
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


def format_time(at: datetime) -> str:
    """Return the text of an aware time.

    Raises:
        InvalidInput: It has no zone, or falls out of the calendar in UTC.

    >>> format_time(datetime(2026, 11, 25, 14, 0, tzinfo=UTC))
    '2026-11-25T14:00:00.000000Z'
    """
    return check_time(at).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def check_time(at: datetime) -> datetime:
    """Return `at` in UTC.

    Raises:
        InvalidInput: It has no zone, or falls out of the calendar in UTC.
    """
    if at.utcoffset() is None:
        raise InvalidInput(f"time {at.isoformat()} has no zone; times are aware UTC")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise InvalidInput(f"time {at.isoformat()} is out of the calendar in UTC") from error


def parse_time(text: str) -> datetime:
    """Return the time that `format_time` wrote.

    Raises:
        InvalidInput: It is another text.
    """
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is not a time: {error}") from error
    raise InvalidInput(f"{text[:80]!r} is not a time; expected 2026-11-25T14:00:00.000000Z")


def check_line(text: str, what: str, *, is_needed: bool = True) -> str:
    """Return `text` if it is one line that can be shown: no control characters, no marks that turn the direction of writing.

    Raises:
        InvalidInput: It is not, or is longer than 300 characters, or is blank where `is_needed`.
    """
    if len(text) > NAME_CHARACTERS_MAX or not text.isprintable():
        raise InvalidInput(f"{what} {text[:80]!r} is not one printable line of at most {NAME_CHARACTERS_MAX} characters")
    if is_needed and not text.strip():
        raise InvalidInput(f"{what} is missing")
    return text


def check_text(text: str, what: str, *, is_needed: bool = True) -> str:
    """Return `text` if it is lines that can be shown.

    Raises:
        InvalidInput: It is not, or is longer than 20,000 characters, or is blank where `is_needed`.
    """
    if len(text) > TEXT_CHARACTERS_MAX or not all(line.isprintable() for line in text.replace("\t", " ").split("\n")):
        raise InvalidInput(f"{what} {text[:80]!r} is not printable text of at most {TEXT_CHARACTERS_MAX} characters")
    if is_needed and not text.strip():
        raise InvalidInput(f"{what} is missing: say why, for those who read it later")
    return text


def check_count(number: int, what: str, *, low: int, high: int) -> int:
    """Return `number` if it is between `low` and `high`.

    Raises:
        InvalidInput: It is outside.
    """
    if not low <= number <= high:
        shown = number if abs(number) < INT_LIMIT else "a huge number"
        raise InvalidInput(f"{what} is {shown}; it is between {low} and {high}")
    return number


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one document, asked for by name and type; every question raises InvalidInput where the answer is wrong.

    Attributes:
        what: What the document should be, for messages: "a person".
    """

    what: str
    values: Mapping[str, Json]

    def text(self, name: str) -> str:
        """Return a text."""
        value = self.values[name]
        return value if isinstance(value, str) else self._refuse(name, "text")

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts in which none stands twice."""
        value = self.values[name]
        if not isinstance(value, list):
            self._refuse(name, "a list of texts")
        texts = tuple(item for item in value if isinstance(item, str))
        return texts if len(texts) == len(value) == len(set(texts)) else self._refuse(name, "a list of texts, each once")

    def text_map(self, name: str) -> dict[str, str]:
        """Return an object whose values are texts."""
        found = self.document(name)
        texts = {key: value for key, value in found.items() if isinstance(value, str)}
        return texts if len(texts) == len(found) else self._refuse(name, "an object of texts")

    def document(self, name: str) -> dict[str, Json]:
        """Return an object."""
        value = self.values[name]
        return value if isinstance(value, dict) else self._refuse(name, "an object")

    def items(self, name: str) -> list[Json]:
        """Return a list."""
        value = self.values[name]
        return value if isinstance(value, list) else self._refuse(name, "a list")

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self.values[name]
        return value if isinstance(value, bool) else self._refuse(name, "true or false")

    def number(self, name: str) -> int:
        """Return a whole number."""
        value = self.values[name]
        return value if isinstance(value, int) and not isinstance(value, bool) else self._refuse(name, "a whole number")

    def time(self, name: str) -> datetime:
        """Return a time."""
        return parse_time(self.text(name))

    def find_time(self, name: str) -> datetime | None:
        """Return a time, or None where it is null."""
        return None if self.values[name] is None else self.time(name)

    def _refuse(self, name: str, expected: str) -> NoReturn:
        raise InvalidInput(f"{self.what}: {name} is {expected}, not what this {type(self.values[name]).__name__} holds")


def read_fields(document: Json, what: str, names: Collection[str]) -> Fields:
    """Return the fields of a document that has exactly these.

    Raises:
        InvalidInput: It is no object, or has other fields.

    >>> read_fields({"id": "ann"}, "a person", ("id",)).text("id")
    'ann'
    """
    if not isinstance(document, dict):
        raise InvalidInput(f"{what} is a JSON object, not {type(document).__name__}")
    if document.keys() != set(names):
        lacks, extra = sorted(set(names) - document.keys()), sorted(str(name)[:80] for name in document.keys() - set(names))
        raise InvalidInput(f"{what} has exactly the fields {', '.join(names)}; this one lacks {lacks} and adds {extra}")
    return Fields(what, document)
