"""Reading bodies and query strings strictly: what cannot be meant is refused before any use case is asked."""

import math
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from incumbent.base.errors import InvalidInput
from incumbent.server.api.operation import In
from incumbent.server.json_text import parse_json
from incumbent.server.messages import FORM_FIELDS_MAX, Request

DEPTH_MAX = 32
INT_LIMIT = 2**63
_T = TypeVar("_T", bound=In)


def read_body(request: Request, kind: type[_T]) -> _T:
    """Return the body as a value of `kind`.

    Raises:
        HttpProblem: It is not said to be JSON (415).
        InvalidInput: It is no JSON in UTF-8, names a key twice, is nested too deeply, holds NaN, an infinity, a whole number beyond
            64 bits or half a surrogate pair, has a field that is not known, or a field of another type.
    """
    request.check_type("application/json")
    value = parse_json(request.body)
    _check_value(value, 0)
    return _convert(value, kind, "the body", strict=True)


def check_no_body(request: Request) -> None:
    """Refuse a body where none is read: whoever sent it believes that it does something. Raises InvalidInput."""
    if request.body:
        raise InvalidInput("this takes no body")


def read_query(request: Request, kind: type[In] | None, more: Mapping[str, type] | None = None) -> tuple[Any, dict[str, str]]:
    """Return the query string as a value of `kind`, and the fields of it that are named in `more`, undecided.

    Raises:
        InvalidInput: It cannot be read, names a field twice, or one that is not known.
    """
    try:
        request.query.encode("ascii")
        pairs = parse_qsl(request.query, keep_blank_values=True, strict_parsing=bool(request.query), errors="strict",
                          max_num_fields=FORM_FIELDS_MAX)  # fmt: skip
    except ValueError as error:
        raise InvalidInput(f"the query string cannot be read: {error}") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidInput("the query string names a field twice")
    _check_value(fields, 0)
    taken = {name: fields.pop(name) for name in more or () if name in fields}
    if kind is None:
        if fields:
            known = f"it takes {', '.join(more)}" if more else "it takes none"
            raise InvalidInput(f"the query string has the field {next(iter(fields))[:60]!r}, which is not known here; {known}")
        return None, taken
    return _convert(fields, kind, "the query string", strict=False), taken


def _convert(value: Any, kind: type[_T], what: str, *, strict: bool) -> _T:
    try:
        return msgspec.convert(value, kind, strict=strict)
    except (msgspec.ValidationError, OverflowError, RecursionError) as error:
        raise InvalidInput(f"{what} does not fit: {error}") from None


def _check_value(value: Any, depth: int) -> None:
    """Refuse what JSON can spell and nothing behind it can keep. Raises InvalidInput."""
    if depth > DEPTH_MAX:
        raise InvalidInput(f"the JSON is nested more than {DEPTH_MAX} deep")
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput('the JSON holds NaN or an infinity; a metric spells them "NaN", "Infinity", "-Infinity"')
    if isinstance(value, int) and not -INT_LIMIT <= value < INT_LIMIT:
        raise InvalidInput("the JSON holds a whole number beyond 64 bits")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_text(name)
            _check_value(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_value(item, depth + 1)


def _check_text(text: str) -> None:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInput("the JSON holds half of a surrogate pair, which is no character")
