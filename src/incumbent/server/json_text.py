"""JSON in which every key of an object is there once: of two readers of the same text, neither may believe another value."""

import json
from typing import Any

import msgspec

from incumbent.base.errors import InvalidInput


def is_plainly_once(body: bytes, understood: object) -> bool:
    """Return whether a quick look shows that all of a text was understood, each key once; False where it cannot tell.

    Every string of a text without escapes has two quotes. What was understood, written down without what it left to defaults, has as many
    quotes as the text only if all that the text says was understood, and once.

    >>> is_plainly_once(b'{"a": 1, "b": ["c"]}', {"a": 1, "b": ["c"]}), is_plainly_once(b'{"a": 1, "a": 2}', {"a": 2})
    (True, False)
    """
    return b"\\" not in body and msgspec.json.encode(understood).count(b'"') == body.count(b'"')


def parse_json(body: bytes) -> Any:
    """Return the values of a JSON text that names no key twice, and no NaN or infinity, which JSON has not. Raises InvalidInput."""
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
    except RecursionError:
        raise InvalidInput("the JSON is nested too deeply") from None
    except ValueError as error:
        raise InvalidInput(f"the body is not JSON in UTF-8: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(f"the JSON names the key {twice[:80]!r} twice in one object")
    return found


def _refuse(constant: str) -> None:
    raise InvalidInput(f"JSON has no NaN or an infinity, and the body holds {constant}")
