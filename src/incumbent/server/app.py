"""The ASGI application: judge the request as HTTP, read its body within limits, hand it to its route, turn errors into answers.

Routes are plain functions and run in a pool of threads; nothing here knows what a model is.
"""

import asyncio
import contextlib
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from incumbent.base.errors import IncumbentError
from incumbent.server.errors import HttpProblem, find_status, problem_body
from incumbent.server.messages import Request, Response, Server
from incumbent.server.routes import Route, find_route

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_BYTES_MAX = 8 << 20
BODY_TIMEOUT_S = 20.0
THREADS = 8
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"), (b"cache-control", b"no-store"))


class App:
    """One server's application. Closing it stops its models."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="route")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection scope."""
        if scope["type"] == "http":
            response = await self._answer(scope, receive)
            await _send(send, response, with_body=scope["method"] != "HEAD")
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": message["type"] + ".complete"})
        self.close()
        await send({"type": "lifespan.shutdown.complete"})

    def close(self) -> None:
        """Stop the models and the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.server.host.close()

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8")
        raw_path = raw_path.partition(b"?")[0]
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            check_origin(scope["method"], headers)
            route, path = find_route(scope["method"], raw_path)
            body = await asyncio.wait_for(_read_body(headers, receive), BODY_TIMEOUT_S)
            request = Request(scope["method"], path, scope["query_string"].decode("latin-1"), headers, body)
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, route, request)
        except HttpProblem as problem:
            return _tell(raw_path, problem.status, str(problem), problem.headers)
        except TimeoutError:
            return _tell(raw_path, 408, f"the body did not arrive within {BODY_TIMEOUT_S:g} s", {"connection": "close"})
        except IncumbentError as error:
            return _tell(raw_path, find_status(error), str(error), {})

    def _ask(self, route: Route, request: Request) -> Response:
        try:
            return route.answer(self.server, request)
        except (HttpProblem, IncumbentError):
            raise
        except Exception as error:
            # A fault of ours: the operator gets the traceback, the caller only learns that it was not their request.
            traceback.print_exc(file=sys.stderr)
            raise HttpProblem(500, "the server failed at this request; its log says why") from error


def check_origin(method: str, headers: Mapping[str, str]) -> None:
    """Refuse what a page of another site can make a browser send to a server on loopback (DNS rebinding, forged forms).

    Raises:
        HttpProblem: Host names another machine (421), or a writing request comes from a page of another origin (403).
    """
    host = headers.get("host", "")
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        name = None
    if name not in LOOPBACK_NAMES:
        raise HttpProblem(421, f"this server answers on loopback only; the Host header names {host[:80]!r}")
    if method in {"GET", "HEAD"}:
        return
    origin = headers.get("origin")
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"} or (origin is not None and origin != f"http://{host}"):
        raise HttpProblem(403, "the request comes from a page of another site")


async def _read_body(headers: Mapping[str, str], receive: Receive) -> bytes:
    declared = headers.get("content-length", "0")
    too_large = HttpProblem(413, f"the body is over the limit of {BODY_BYTES_MAX} bytes", {"connection": "close"})
    if not declared.isascii() or not declared.isdigit() or len(declared) > 18 or int(declared) > BODY_BYTES_MAX:
        raise too_large
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpProblem(400, "the connection closed before the body was complete")
        body += message.get("body", b"")
        if len(body) > BODY_BYTES_MAX:
            raise too_large
        if not message.get("more_body", False):
            return bytes(body)


def _tell(raw_path: bytes, status: int, detail: str, headers: Mapping[str, str]) -> Response:
    is_v2 = raw_path == b"/v2" or raw_path.startswith(b"/v2/")
    return Response(status, problem_body(status, detail, is_v2=is_v2), "application/problem+json", headers)


async def _send(send: Send, response: Response, *, with_body: bool) -> None:
    headers = [
        (b"content-type", response.media_type.encode("ascii")),
        (b"content-length", str(len(response.body)).encode("ascii")),
        *((name.encode("ascii"), value.encode("latin-1")) for name, value in response.headers.items()),
        *((name, value) for name, value in _ALWAYS if name.decode() not in response.headers),
    ]
    with contextlib.suppress(OSError):  # the caller has gone: nobody is left to tell
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body if with_body else b""})
