"""The header Idempotency-Key: a writing request that is sent again is done once, and answered as the first time.

1. the key is the caller's own, and belongs to one request: method, address and body; another one with it is refused (422)
2. before anything is done, the key is on disk as being done; the same request that comes meanwhile is answered 409
3. when it is done, the answer is put beside the key, and given to whoever sends the request again within KEPT_HOURS
4. a fault (5xx) or a lost race (409) forgets the key: nothing came of it, and it may be sent again
5. a server that stopped between 2 and 3 leaves it unknown whether it was done; the answer is 409, and says so
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from incumbent.base.digest import digest_bytes
from incumbent.base.documents import document_bytes
from incumbent.base.errors import InvalidInput
from incumbent.server.errors import HttpProblem
from incumbent.server.messages import Request, Response, Server
from incumbent.usecases.ports import Transaction
from incumbent.usecases.repeat_ports import Repeatable

KEPT_HOURS = 24
_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)
_TYPE = "content-type"


def check_key(text: str) -> str:
    """Return a key. Raises InvalidInput for what is none.

    >>> check_key("8e03978e-40d5-43dd-bc93-6894a57f9324")
    '8e03978e-40d5-43dd-bc93-6894a57f9324'
    """
    if not _KEY.fullmatch(text):
        raise InvalidInput("an Idempotency-Key has 1 to 255 visible ASCII characters, and no space")
    return text


def answer_once(server: Server, request: Request, operation: str, key: str, do: Callable[[], Response], *, is_kept: bool) -> Response:
    """Answer a request, or give the answer that the same request had.

    Args:
        server: The server, as the caller may use it.
        request: Names the caller.
        operation: What it asks for.
        key: Of the request, by its sender.
        do: Does it; errors of the rules are answers, too.
        is_kept: Whether the answer may be kept; False: it holds a secret.

    Raises:
        HttpProblem: The key is another request's (422), or the request is being done, was broken off, or held a secret (409).
    """
    store = server.ws.store
    asked = Repeatable(
        request.caller.name,
        key,
        _digest(operation, request),
        server.ws.clock.now(),
        server.ws.processes.own_name(),
        status=0,
        headers={},
        body=b"",
    )
    found = server.writer.write(store, lambda tx: _take(tx, asked))
    if found is not None:
        return _answer_again(server, asked, found, is_kept=is_kept)
    try:
        response = do()
    except BaseException:
        server.writer.write(store, lambda tx: tx.repeats.forget(asked.caller, asked.key))
        raise
    if response.status >= 500 or response.status == 409:
        server.writer.write(store, lambda tx: tx.repeats.forget(asked.caller, asked.key))
        return response
    done = replace(asked, status=response.status, headers={**response.headers, _TYPE: response.media_type}, body=response.body)
    if not is_kept and response.status < 400:
        done = replace(done, headers={}, body=b"")
    server.writer.write(store, lambda tx: tx.repeats.finish(done))
    return response


def _take(tx: Transaction, asked: Repeatable) -> Repeatable | None:
    """Make the key this request's, or return what it is already."""
    tx.repeats.prune(asked.begun_at - timedelta(hours=KEPT_HOURS))
    return None if tx.repeats.begin(asked) else tx.repeats.find(asked.caller, asked.key)


def _answer_again(server: Server, asked: Repeatable, found: Repeatable, *, is_kept: bool) -> Response:
    if found.request != asked.request:
        raise HttpProblem(
            422, f"the Idempotency-Key {asked.key[:80]!r} was used for another request; use a new key for a new request",
            problem="key-of-another-request",
        )  # fmt: skip
    if found.status == 0 and server.ws.processes.is_gone(found.process):
        raise HttpProblem(
            409, "the server stopped while it did this request, and it is not known whether it was done: look, and if it was not, send it "
            "with a new Idempotency-Key",
        )  # fmt: skip
    if found.status == 0:
        raise HttpProblem(409, "the same request is being done now; send it again for its answer", {"retry-after": "1"})
    if not is_kept and found.status < 400:
        raise HttpProblem(409, "this was done, and its answer held a secret, which is shown once and not kept")
    headers = {**found.headers, "idempotency-replayed": "true"}
    media_type = headers.pop(_TYPE, "application/json")
    return Response(found.status, found.body, media_type, headers)


def _digest(operation: str, request: Request) -> str:
    said = document_bytes({"operation": operation, "path": dict(request.path), "query": request.query})
    return digest_bytes(said + b"\n" + request.body)
