"""From an error to an answer: one table, error class -> status, and RFC 9457 problem documents.

The `type` of a problem is a stable address, `/api/v1/problems/NAME`, where the server says what it means. Where one status has
several meanings, the class of the error decides; where nobody knows more than the status, the status does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType

import msgspec

from incumbent.base.errors import Busy, Conflict, Corrupt, IncumbentError, InvalidInput, NotFound, Refused, Unavailable

PROBLEMS_PATH = "/api/v1/problems/"
PROBLEM_TYPE = "application/problem+json"

STATUS: Mapping[type[IncumbentError], int] = {
    InvalidInput: 400,
    NotFound: 404,
    Conflict: 409,
    Refused: 422,
    Corrupt: 500,
    Unavailable: 503,
    Busy: 429,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of problem: its name in addresses, the status it comes with, what it means and what to do."""

    name: str
    status: int
    meaning: str

    @property
    def type(self) -> str:
        """The URI reference that stands for it in problem documents."""
        return PROBLEMS_PATH + self.name

    @property
    def title(self) -> str:
        """The status in words, as problem documents have it."""
        return HTTPStatus(self.status).phrase


PROBLEMS: Mapping[str, Problem] = MappingProxyType(
    {
        problem.name: problem
        for problem in (
            Problem("invalid-input", 400, "It cannot be read, or a value in it is not legal. Change it; sent again it fails again."),
            Problem("unauthenticated", 401, "Nobody is named who may come in. Send a token in the header Authorization, or log in."),
            Problem("forbidden", 403, "Whoever asks may not do this, by role, by their token's scope, or because it takes a signature."),
            Problem("not-found", 404, "There is nothing of this name, or nothing at this address."),
            Problem("method-not-allowed", 405, "The address does not take this method; the header Allow lists those it takes."),
            Problem("too-slow", 408, "The request did not arrive in time."),
            Problem("conflict", 409, "Somebody else got there first, or the same request is being done now. Look, then send it again."),
            Problem("precondition-failed", 412, "If-Match names another state, or came with a write, which does not take it."),
            Problem("too-large", 413, "The body is over the limit."),
            Problem("unsupported-type", 415, "The body is of another media type than the one that is read here."),
            Problem("range-not-satisfiable", 416, "The range lies outside of what there is."),
            Problem("wrong-host", 421, "The Host header names another machine; the server was started without that name."),
            Problem("refused", 422, "The rules refuse it, and the detail says which and what is missing."),
            Problem("key-of-another-request", 422, "The Idempotency-Key was used for another request. Use a new key for a new request."),
            Problem("too-many", 429, "Too many attempts, or as many requests wait as may. Wait as long as Retry-After says."),
            Problem("failed", 500, "The server failed at this request, and its log says why. It is not known to be the request's fault."),
            Problem("corrupt", 500, "What is stored does not fit its digest or signature. Tell whoever keeps the server."),
            Problem("not-supported", 501, "The server does not have this."),
            Problem("unavailable", 503, "Something that is needed is away or busy. Send the request again after a while."),
        )
    }
)  # fmt: skip
"""Every kind of problem, by name. A name is never given another meaning."""

_OF_CLASS: Mapping[type[IncumbentError], str] = {
    InvalidInput: "invalid-input", NotFound: "not-found", Conflict: "conflict", Refused: "refused", Corrupt: "corrupt",
    Unavailable: "unavailable", Busy: "too-many",
}  # fmt: skip
_OF_STATUS: Mapping[int, str] = {problem.status: problem.name for problem in reversed(list(PROBLEMS.values()))}


class HttpProblem(Exception):
    """Something wrong with the request as HTTP, before any use case was asked. `problem` names its kind where the status does not."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, problem: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers or {}
        self.problem = problem


def find_status(error: IncumbentError) -> int:
    """Return the status of an error: of its own class, or of the nearest class that the table has."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def find_headers(error: HttpProblem | IncumbentError) -> Mapping[str, str]:
    """Return the headers that an error's answer carries: when to ask again, where that helps."""
    if isinstance(error, HttpProblem):
        return error.headers
    return {"retry-after": "1"} if find_status(error) in {429, 503} else {}


def find_problem(error: HttpProblem | IncumbentError) -> str:
    """Return the name of the kind of problem that an error is.

    >>> find_problem(Corrupt("torn")), find_problem(HttpProblem(404, "gone"))
    ('corrupt', 'not-found')
    """
    if isinstance(error, HttpProblem):
        return error.problem or _OF_STATUS.get(error.status, "")
    return next((_OF_CLASS[kind] for kind in type(error).__mro__ if kind in _OF_CLASS), "failed")


def problem_body(status: int, detail: str, *, is_v2: bool = False, problem: str = "") -> bytes:
    """Return a problem document; under /v2 it also carries the `error` member that the Open Inference Protocol asks for."""
    name = problem or _OF_STATUS.get(status, "")
    document = {
        "type": PROBLEMS[name].type if name else "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail,
    }  # fmt: skip
    return msgspec.json.encode({**document, "error": detail} if is_v2 else document)
