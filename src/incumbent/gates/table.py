"""Reading one table of a policy strictly: each key once, of its own type, and no key that nobody reads."""

import math
from collections.abc import Callable, Iterable, Mapping

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput

Scalar = bool | int | float | str


class Table:
    """A table whose keys are taken one by one; `done` refuses what is left over.

    Attributes:
        name: As the policy writes it, for messages: "[primary]".
    """

    def __init__(self, name: str, value: object) -> None:
        if not isinstance(value, Mapping):
            raise InvalidInput(f"{name} of the policy is a table, not {type(value).__name__}")
        self.name = name
        self._left = dict(value)
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._left

    def peek(self, key: str) -> object:
        """Return the value of `key` without taking it."""
        return self._left.get(key)

    def take(self, key: str) -> object:
        """Return the value of `key`, None if it is absent, and count it as read."""
        self._known.append(key)
        return self._left.pop(key, None)

    def error(self, key: str, value: object, wanted: str) -> InvalidInput:
        """Return the refusal of a value, naming its key."""
        said = "is missing" if value is None else f"is {value!r}"
        return InvalidInput(f"{self.name} {key} {said}; it takes {wanted}")

    def text(self, key: str, *, default: str | None = None) -> str:
        """Take a text that is not blank; without a default it must be there."""
        value = self.take(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, value, "a text that is not empty")
        return value

    def choice(self, key: str, options: Iterable[str], *, default: str | None = None) -> str:
        """Take one of `options`."""
        legal = tuple(options)
        value = self.text(key, default=default)
        if value not in legal:
            raise self.error(key, value, f"one of {', '.join(legal)}")
        return value

    def number(self, key: str, holds: Callable[[float], bool], wanted: str, *, default: float | None = None) -> float:
        """Take a finite number for which `holds`."""
        value = self.take(key)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, value, wanted)
        try:
            number = float(value)
        except OverflowError as error:
            raise self.error(key, "a whole number too large for any metric", wanted) from error
        if not math.isfinite(number) or not holds(number):
            raise self.error(key, value, wanted)
        return number

    def optional_number(self, key: str, holds: Callable[[float], bool], wanted: str) -> float | None:
        """Take a finite number for which `holds`, None if it is absent."""
        if key in self:
            return self.number(key, holds, wanted)
        self.take(key)
        return None

    def whole(self, key: str, low: int, high: int, *, default: int) -> int:
        """Take a whole number from `low` to `high`."""
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.error(key, value, f"a whole number from {low} to {high}")
        return value

    def scalar(self, key: str) -> Scalar | None:
        """Take a boolean, number or text, None if it is absent."""
        value = self.take(key)
        if value is None or (isinstance(value, bool | int | float | str) and value == value):  # noqa: PLR0124 - NaN
            return value
        raise self.error(key, value, "a boolean, a number or a text")

    def done(self) -> None:
        """Refuse what nobody took: a key that is misspelt would otherwise be a rule that is not held."""
        if self._left:
            unknown = ", ".join(map(str, sorted(self._left, key=str)))
            raise InvalidInput(f"{self.name} has the unknown key {unknown}; it takes {', '.join(dict.fromkeys(self._known))}")


def without_none(pairs: Mapping[str, Json]) -> dict[str, Json]:
    """Return the pairs whose value is there: an absent key and None would be two spellings of one policy."""
    return {key: value for key, value in pairs.items() if value is not None}
