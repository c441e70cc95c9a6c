"""From a line of the table to an answer: read the request strictly, do it, write what came of it with pages, ETags and problems."""

from collections.abc import Mapping
from functools import partial
from urllib.parse import quote, urlencode

import msgspec

from incumbent.base.digest import digest_bytes
from incumbent.base.errors import IncumbentError, InvalidInput
from incumbent.server.api.bodies import check_no_body, read_body, read_query
from incumbent.server.api.cursor import read_cursor, write_cursor
from incumbent.server.api.operation import PAGE_ROWS, Answer, Call, Operation, Page
from incumbent.server.api.repeating import answer_once, check_key
from incumbent.server.errors import PROBLEM_TYPE, HttpProblem, find_headers, find_problem, find_status, problem_body
from incumbent.server.messages import Request, Response, Server

_PAGE_FIELDS: Mapping[str, type] = {"limit": int, "cursor": str}


def answer(operation: Operation, server: Server, request: Request) -> Response:
    """Answer a request by a line of the table; what goes wrong is answered as a problem document."""
    try:
        _check_unconditional(operation, request)
        call = _read(operation, request)
        key = request.headers.get("idempotency-key")
        if operation.takes_key and key is not None:
            do = partial(_do, operation, server, call)
            return answer_once(server, request, operation.name, check_key(key), do, is_kept=operation.repeats)
    except (HttpProblem, IncumbentError) as error:
        return tell(error)
    return _do(operation, server, call)


def _do(operation: Operation, server: Server, call: Call) -> Response:
    try:
        done = operation.do(server, call)
        if isinstance(done, Response):
            return done
        response = _write(operation, call, done)
        return response if operation.is_write else _compare(response, call.request)
    except (HttpProblem, IncumbentError) as error:
        return tell(error)


def tell(error: HttpProblem | IncumbentError) -> Response:
    """Return an error as a problem document (RFC 9457)."""
    status = error.status if isinstance(error, HttpProblem) else find_status(error)
    return Response(status, problem_body(status, str(error), problem=find_problem(error)), PROBLEM_TYPE, find_headers(error))


def _read(operation: Operation, request: Request) -> Call:
    query, paging = read_query(request, operation.query, _PAGE_FIELDS if operation.is_paged else None)
    body = None
    if operation.body is None:
        check_no_body(request)
    else:
        body = read_body(request, operation.body)
    cursor = paging.get("cursor", "")
    return Call(
        path=request.path,
        query=query,
        body=body,
        request=request,
        limit=_read_limit(paging["limit"], operation.rows_max) if "limit" in paging else PAGE_ROWS,
        after=read_cursor(cursor, operation.name, _asked(operation, request.path, query)) if cursor else None,
    )


def _read_limit(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= most):
        raise InvalidInput(f"limit {text[:20]!r}: a page has 1 to {most} items")
    return int(text)


def _asked(operation: Operation, path: Mapping[str, str], query: object) -> dict[str, object]:
    """Return what a list was asked for, page and size apart: a cursor is good for that alone."""
    fields = msgspec.to_builtins(query) if operation.query is not None else {}
    return {**fields, **{f"{{{name}}}": path[name] for name in operation.placeholders}}


def _write(operation: Operation, call: Call, done: object) -> Response:
    headers: Mapping[str, str] = {}
    value = done
    if isinstance(done, Page):
        value, headers = _write_page(operation, call, done)
    elif isinstance(done, Answer):
        value, headers = done.value, done.headers
    return Response(operation.status, msgspec.json.encode(value), headers=headers)


def _write_page(operation: Operation, call: Call, page: Page) -> tuple[object, dict[str, str]]:
    if page.after is None:
        return {"items": page.items, "next_cursor": None}, {}
    cursor = write_cursor(page.after, operation.name, _asked(operation, call.path, call.query))
    fields = {name: value for name, value in call.request.read_query().items() if name != "cursor"}
    path = operation.full_path
    for name in operation.placeholders:
        path = path.replace(f"{{{name}}}", quote(call.path[name], safe=""))
    link = f'<{path}?{urlencode({**fields, "cursor": cursor})}>; rel="next"'
    return {"items": page.items, "next_cursor": cursor}, {"link": link}


def _check_unconditional(operation: Operation, request: Request) -> None:
    """Refuse a write that is to be done only if nothing has changed: nobody here holds the world still between a look and the act.

    To pass over the header would do what its sender said not to do (RFC 9110, 13.1.1). Raises HttpProblem (412).
    """
    if operation.is_write and "if-match" in request.headers:
        raise HttpProblem(
            412, "If-Match is not promised for a write, so nothing was done: what is decided is judged again as it is done, by its rules, "
            "and what was before stays in the ledger; send it without the header"
        )  # fmt: skip


def _compare(response: Response, request: Request) -> Response:
    """Give what was read its ETag, and leave the body away where the caller has it already (RFC 9110, 13.1.2).

    Raises:
        HttpProblem: It is not what If-Match names (412).
    """
    etag = f'"{digest_bytes(response.body).partition(":")[2][:32]}"'
    wanted = request.headers.get("if-match")
    if wanted is not None and not _names(wanted, etag, is_strong=True):
        raise HttpProblem(412, f"this is another by now: its ETag is {etag}, and If-Match does not name it")
    headers = {**response.headers, "etag": etag, "cache-control": "private, no-cache", "vary": "authorization, cookie"}
    if _names(request.headers.get("if-none-match", ""), etag):
        return Response(304, b"", response.media_type, headers)
    return Response(response.status, response.body, response.media_type, headers)


def _names(given: str, etag: str, *, is_strong: bool = False) -> bool:
    fitting = {"*", etag} if is_strong else {"*", etag, f"W/{etag}"}
    return any(one.strip() in fitting for one in given.split(","))
