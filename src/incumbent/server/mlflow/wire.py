"""How MLflow's clients speak: JSON bodies and query strings in, JSON out, errors with a code of theirs."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from incumbent.base.errors import Conflict, Corrupt, IncumbentError, InvalidInput, NotFound, Refused, Unavailable
from incumbent.server.errors import HttpProblem
from incumbent.server.json_text import is_plainly_once, parse_json
from incumbent.server.messages import Request, Response

PREFIX = "/api/2.0/mlflow"
_PATHS = (b"/api/2.0/mlflow", b"/api/3.0/mlflow", b"/ajax-api/", b"/v1/traces", b"/graphql")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_T = TypeVar("_T")


class Asked(msgspec.Struct, omit_defaults=True):
    """What the body of a frequent request says, or a part of it: a structure in it is one of these too, and writes no defaults down."""


STATUS: Mapping[type[IncumbentError], tuple[int, str]] = {
    InvalidInput: (400, "INVALID_PARAMETER_VALUE"),
    NotFound: (404, "RESOURCE_DOES_NOT_EXIST"),
    Refused: (403, "PERMISSION_DENIED"),
    Conflict: (503, "TEMPORARILY_UNAVAILABLE"),
    Unavailable: (503, "TEMPORARILY_UNAVAILABLE"),
    Corrupt: (500, "DATA_LOSS"),
}
"""Error class -> status and MLflow's code. A client tries again after 503, which is what Conflict asks for."""
_CODES = {
    400: "BAD_REQUEST", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "ENDPOINT_NOT_FOUND", 405: "ENDPOINT_NOT_FOUND",
    408: "DEADLINE_EXCEEDED", 413: "REQUEST_LIMIT_EXCEEDED", 415: "MALFORMED_REQUEST", 416: "BAD_REQUEST", 501: "NOT_IMPLEMENTED",
}  # fmt: skip


class MlflowProblem(HttpProblem):
    """An answer with a code that the error's class does not tell."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(status, detail)
        self.code = code


def is_mlflow(raw_path: bytes) -> bool:
    """Return whether a path is of MLflow's API, so that its errors have MLflow's shape."""
    return raw_path.startswith(_PATHS)


def tell(error: HttpProblem | IncumbentError) -> Response:
    """Return an error as MLflow's clients read it."""
    if isinstance(error, HttpProblem):
        code = error.code if isinstance(error, MlflowProblem) else _CODES.get(error.status, "INTERNAL_ERROR")
        return _error(error.status, code, str(error), error.headers)
    status, code = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), (500, "INTERNAL_ERROR"))
    return _error(status, code, str(error), {})


def _error(status: int, code: str, message: str, headers: Mapping[str, str]) -> Response:
    return Response(status, msgspec.json.encode({"error_code": code, "message": message}), headers=headers)


def read_body(request: Request, kind: type[_T]) -> _T:
    """Return the body as a value of `kind`.

    Raises:
        HttpProblem: It is not said to be JSON (415).
        InvalidInput: It is no JSON object, names a key twice, or a field has another type.
    """
    request.check_type("application/json")
    if issubclass(kind, Asked):
        asked = _read_once(request.body, kind)
        if asked is not None:
            return asked
    return convert(parse_json(request.body), kind)


def _read_once(body: bytes, kind: type[_T]) -> _T | None:
    """Return the body at a tenth of the cost, or None where that cannot tell whether a key is there twice."""
    try:
        asked = msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # the long way says what is wrong, or takes a number that is spelled as text
    return asked if is_plainly_once(body, asked) else None


def read_query(request: Request, kind: type[_T]) -> _T:
    """Return the query string as a value of `kind`. Raises InvalidInput."""
    return convert(request.read_query(), kind)


def convert(value: Any, kind: type[_T]) -> _T:
    """Return plain values as `kind`; numbers may be spelled as text. Raises InvalidInput."""
    try:
        return msgspec.convert(value, kind, strict=False)
    except (msgspec.ValidationError, OverflowError, RecursionError) as error:
        raise InvalidInput(f"Invalid value for a parameter: {error}") from None


def reply(value: object) -> Response:
    """Return an answer."""
    return Response(200, msgspec.json.encode(value))


def to_ms(at: datetime) -> int:
    """Return milliseconds since 1970."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


TIMES_MS = range(to_ms(datetime.min.replace(tzinfo=UTC)), to_ms(datetime.max.replace(tzinfo=UTC)) + 1)
"""Every number of milliseconds that is a time."""


def from_ms(ms: int, what: str) -> datetime:
    """Return the time. Raises InvalidInput where there is none."""
    try:
        return _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        raise InvalidInput(f"Invalid value {ms} for parameter '{what}': that many milliseconds since 1970 is no time") from None


def token_of(offset: int) -> str:
    """Return the page token of a place.

    >>> offset_of(token_of(25))
    25
    """
    return base64.urlsafe_b64encode(f"incumbent:{offset}".encode()).decode()


def offset_of(token: str) -> int:
    """Return the place that a page token names; 0 for none. Raises InvalidInput for what is no token of ours."""
    if not token:
        return 0
    try:
        name, _, number = base64.b64decode(token, b"-_", validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        name, number = "", ""
    if name != "incumbent" or not number.isdecimal() or len(number) > 15:
        raise InvalidInput(f"Invalid page token {token[:80]!r}: it is none that this server gave")
    return int(number)


def page(found: Sequence[_T], limit: int, offset: int) -> tuple[Sequence[_T], dict[str, str]]:
    """Return at most `limit` of what was found by asking for one more, and the token of the next page if there is one."""
    return found[:limit], {"next_page_token": token_of(offset + limit)} if len(found) > limit else {}


def check_limit(given: int, most: int) -> int:
    """Return a page's size. Raises InvalidInput beyond the most."""
    if not 1 <= given <= most:
        raise InvalidInput(f"Invalid value {given} for parameter 'max_results': it must be 1 to {most}")
    return given
