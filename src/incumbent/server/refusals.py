"""A refusal in the shape that its caller reads: a page for a browser, MLflow's errors for its clients, a problem document for others."""

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import replace
from typing import Any

from incumbent.base.errors import IncumbentError
from incumbent.server.errors import PROBLEM_TYPE, PROBLEMS, HttpProblem, find_headers, find_problem, find_status, problem_body
from incumbent.server.messages import Response, takes_pages
from incumbent.server.mlflow import wire
from incumbent.server.mlflow.absent import explain
from incumbent.server.pages.render import problem_page
from incumbent.server.routes import find_route

_PROGRAMS = (b"/api/", b"/v2/")
"""Where programs ask, whatever they say they accept: an answer has one shape there."""


def refuse(scope: MutableMapping[str, Any], raw_path: bytes, problem: HttpProblem | IncumbentError) -> Response:
    """Return the answer to a request that came to no route's answer.

    Args:
        scope: The request's head, as ASGI hands it.
        raw_path: The path, undecoded and without the query.
        problem: Why.
    """
    method = scope["method"]
    if wire.is_mlflow(raw_path):
        return wire.tell(explain(problem, method, raw_path) if isinstance(problem, HttpProblem) else problem)
    status = problem.status if isinstance(problem, HttpProblem) else find_status(problem)
    headers = find_headers(problem)
    if status >= 400 and _is_browser(scope["headers"]) and not (raw_path + b"/").startswith(_PROGRAMS):
        return _page(method, raw_path, problem, status, headers)
    is_v2 = (raw_path + b"/").startswith(b"/v2/")
    return Response(status, problem_body(status, str(problem), is_v2=is_v2), PROBLEM_TYPE, headers)


def _is_browser(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Judge by the raw headers: they may be what is refused."""
    return takes_pages({"accept": ", ".join(value.decode("latin-1") for name, value in headers if name.lower() == b"accept")})


def _page(method: str, raw_path: bytes, problem: HttpProblem | IncumbentError, status: int, headers: Mapping[str, str]) -> Response:
    # Of a fault of ours nobody learns where it lies: a path or an address of the store would be in it, and nobody need have logged in.
    is_inside = status >= 500 and isinstance(problem, IncumbentError)
    detail = PROBLEMS[find_problem(problem)].meaning if is_inside else str(problem)
    where = raw_path.decode("latin-1")
    has_form = method not in {"GET", "HEAD"} and raw_path.isascii() and _is_page(raw_path)
    shown = problem_page(status, detail, [where] if status in {404, 405} else [], back=where if has_form else "")
    return replace(shown, headers={**shown.headers, **headers})


def _is_page(raw_path: bytes) -> bool:
    try:
        find_route("GET", raw_path)
    except (HttpProblem, IncumbentError):
        return False
    return True
