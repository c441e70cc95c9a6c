"""From an error to an answer: one table, error class -> status, and RFC 9457 problem documents."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from incumbent.base.errors import Conflict, Corrupt, IncumbentError, InvalidInput, NotFound, Refused, Unavailable

STATUS: Mapping[type[IncumbentError], int] = {
    InvalidInput: 400,
    NotFound: 404,
    Conflict: 409,
    Refused: 422,
    Corrupt: 500,
    Unavailable: 503,
}


class HttpProblem(Exception):
    """Something wrong with the request as HTTP, before any use case was asked."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers or {}


def find_status(error: IncumbentError) -> int:
    """Return the status of an error: of its own class, or of the nearest class that the table has."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def problem_body(status: int, detail: str, *, is_v2: bool = False) -> bytes:
    """Return a problem document; under /v2 it also carries the `error` member that the Open Inference Protocol asks for."""
    title = HTTPStatus(status).phrase
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return msgspec.json.encode({**document, "error": detail} if is_v2 else document)
