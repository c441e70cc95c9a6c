"""The ASGI application: judge the request as HTTP, read its body within limits, hand it to its route, turn errors into answers.

Routes are plain functions and run in a pool of threads; those that read a stream have a pool of their own, for they wait for their
callers. Nothing here knows what a model is.
"""

import asyncio
import contextlib
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from typing import Any, TypeVar

from incumbent.base.errors import IncumbentError
from incumbent.server.access import NOBODY, Caller
from incumbent.server.auth.guard import Guard, check_form
from incumbent.server.auth.origin import check_origin, read_headers
from incumbent.server.auth.seal import seal
from incumbent.server.errors import HttpProblem
from incumbent.server.group import Write
from incumbent.server.kept import Kept, KeptAnswers
from incumbent.server.messages import Request, Response, Server
from incumbent.server.mlflow.paths import QUICK
from incumbent.server.refusals import refuse
from incumbent.server.routes import Route, find_route
from incumbent.server.streams import Endless, Receive, Stream, Upload, pause, until_gone
from incumbent.server.telemetry import ROUTE_KEY
from incumbent.server.threads import ContextThreads
from incumbent.usecases.rights import PREDICT

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_T = TypeVar("_T")

BODY_BYTES_MAX = 8 << 20
BODY_TIMEOUT_S = 20.0
THREADS = 8
ANSWER_THREADS = 64
"""Threads that wait for models. They are apart, so that a model that hangs holds up no page and no health check, and more than one model
may hold (`REQUESTS_MAX` of the model host), so that it holds up no other model either."""
UPLOADS_MAX = 32
"""How many streamed bodies are read at once; further ones wait, unread, for their turn."""
UNASKED_BODY_BYTES_MAX = 64 << 10
"""A body up to this size is read before it is known who sends it; of a larger one nobody reads a byte who may not send it."""
_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"), (b"cache-control", b"no-store"))


class App:
    """One server's application. Closing it stops its models."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._guard = Guard(server)
        self._threads = ContextThreads(THREADS, thread_name_prefix="route")
        self._answer_threads = ContextThreads(ANSWER_THREADS, thread_name_prefix="answer")
        self._upload_threads = ContextThreads(UPLOADS_MAX, thread_name_prefix="upload")
        self._upload_turns = asyncio.Semaphore(UPLOADS_MAX)
        self._endless = Endless()
        self._kept = KeptAnswers(server.ws.store, server.ws.clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection scope."""
        if scope["type"] == "http":
            response = await self._answer(scope, receive)
            with contextlib.suppress(OSError):  # the caller has gone: nobody is left to tell
                if response.stream is None:
                    await _send(send, response, with_body=scope["method"] != "HEAD")
                else:
                    await self._send_stream(scope, receive, send, response, response.stream)
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
        self.end_streams()
        self._upload_threads.shutdown(wait=True, cancel_futures=True)
        self._answer_threads.shutdown(wait=True, cancel_futures=True)
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.server.writer.close()
        self.server.host.close()

    def end_streams(self) -> None:
        """End the answers that would never end, from any thread; those asked for later end at once."""
        self._endless.end()

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8")
        raw_path = raw_path.partition(b"?")[0]
        where = raw_path.decode("latin-1")
        try:
            kept = self._kept.find(scope)
            if kept is not None:
                scope[ROUTE_KEY] = kept.route
                return kept.response
            headers = read_headers(scope["headers"])
            check_origin(self.server.door, scope["method"], headers)
            route, path = find_route(scope["method"], raw_path)
            scope[ROUTE_KEY] = route.path
            address = (scope.get("client") or ("", 0))[0]
            request = Request(scope["method"], path, scope["query_string"].decode("latin-1"), headers, b"", address)
            caller = await self._in_thread(self._guard.admit, route.right, request, where) if _may_be_large(headers) else None
            if caller is not None and route.body == "stream":
                return await self._take_stream(route, request, where, caller, receive)
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await _read_body(headers, receive)
            if route.answer in QUICK:
                return await self._write(route, replace(request, body=body), where, caller)
            if route.body == "stream":
                return await self._in_thread(self._ask, route, replace(request, pieces=(body,)), where, caller)
            if route.is_steady and request.method == "GET":
                return await self._ask_steady(scope, route, replace(request, body=body), where, caller)
            if route.right == PREDICT:
                threads = self._answer_threads
                return await asyncio.get_running_loop().run_in_executor(
                    threads, _judged, self._ask, route, replace(request, body=body), where, caller
                )
            return await self._in_thread(self._ask, route, replace(request, body=body), where, caller)
        except (HttpProblem, IncumbentError) as problem:
            return await self._refuse(scope, raw_path, problem)
        except TimeoutError:
            late = HttpProblem(408, f"the body did not arrive within {BODY_TIMEOUT_S:g} s", {"connection": "close"})
            return await self._refuse(scope, raw_path, late)

    async def _refuse(self, scope: Scope, raw_path: bytes, problem: HttpProblem | IncumbentError) -> Response:
        refusal = refuse(scope, raw_path, problem)
        if not refusal.media_type.startswith("text/html"):
            return refusal
        try:
            return await self._in_thread(self._seal, refusal, NOBODY)
        except (HttpProblem, IncumbentError):  # the store is away, and may be what the page tells of
            return refusal

    async def _take_stream(self, route: Route, request: Request, where: str, caller: Caller, receive: Receive) -> Response:
        most, declared = self.server.upload_bytes_max, request.headers.get("content-length", "0")
        if not declared.isascii() or not declared.isdigit() or len(declared) > 18 or int(declared) > most:
            raise HttpProblem(413, f"the body is over the limit of {most} bytes", {"connection": "close"})
        async with self._upload_turns:
            upload = Upload(receive, most)
            pump = asyncio.create_task(upload.pump())
            try:
                return await asyncio.get_running_loop().run_in_executor(
                    self._upload_threads, _judged, self._ask, route, replace(request, pieces=upload), where, caller
                )
            finally:
                pump.cancel()
                upload.give_up()

    async def _send_stream(self, scope: Scope, receive: Receive, send: Send, response: Response, stream: Stream) -> None:
        """Send piece after piece. An answer that breaks off is left incomplete, so that the server closes the connection."""
        gone = asyncio.create_task(until_gone(receive))
        try:
            await send({"type": "http.response.start", "status": response.status, "headers": _headers(response, stream.length)})
            with self._endless.joined(stream) as ended:
                while scope["method"] != "HEAD" and not gone.done() and not ended.is_set():
                    piece = await self._in_thread(stream.take)
                    if piece is None:
                        break
                    if piece:
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                    elif stream.pause_s is not None:
                        await pause(stream.pause_s, gone, ended)
            if not gone.done():
                await send({"type": "http.response.body", "body": b""})
        except (HttpProblem, IncumbentError) as problem:
            sys.stderr.write(f"an answer broke off: {problem}\n")
        finally:
            gone.cancel()
            await asyncio.shield(self._in_thread(stream.close))

    async def _in_thread(self, work: Callable[..., _T], *given: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, _judged, work, *given)

    def _ask(self, route: Route, request: Request, where: str, admitted: Caller | None) -> Response:
        begun, caller = self._begin(route, request, where, admitted)
        if isinstance(begun, Write):
            begun = begun.answer(self.server.writer.write(self.server.ws.store, begun.work))
        return self._seal(begun, caller)

    def _begin(self, route: Route, request: Request, where: str, admitted: Caller | None) -> tuple[Response | Write, Caller]:
        caller = admitted or self._guard.admit(route.right, request, where)
        check_form(caller, request)
        return route.answer(self._guard.act_as(caller), replace(request, caller=caller)), caller

    async def _ask_steady(self, scope: Scope, route: Route, request: Request, where: str, admitted: Caller | None) -> Response:
        """Ask a route whose answer holds until somebody commits, and keep it."""
        stamp = self._kept.stamp()

        def ask() -> Kept:
            begun, caller = self._begin(route, request, where, admitted)
            assert isinstance(begun, Response)
            return Kept(self._seal(begun, caller), route.path, caller.until)

        kept = await self._in_thread(ask)
        self._kept.keep(scope, stamp, kept)
        return kept.response

    def _seal(self, response: Response, caller: Caller) -> Response:
        is_single_user = self._guard.is_single_user() if caller == NOBODY else caller.is_single_user
        return seal(response, caller, is_single_user=is_single_user, is_secure=self.server.door.is_secure)

    async def _write(self, route: Route, request: Request, where: str, admitted: Caller | None) -> Response:
        """Ask a route that comes to a small write: in the writer's own thread."""

        def begin() -> Write:
            begun, caller = self._begin(route, request, where, admitted)
            assert isinstance(begun, Write)
            return Write(begun.work, lambda result: self._seal(begun.answer(result), caller))

        with _judging():
            return await self.server.writer.write_begun(self.server.ws.store, begin)  # type: ignore[no-any-return]  # of _seal


def _judged(work: Callable[..., _T], *given: object) -> _T:
    with _judging():
        return work(*given)


@contextlib.contextmanager
def _judging() -> Iterator[None]:
    try:
        yield
    except (HttpProblem, IncumbentError):
        raise
    except Exception as error:
        # A fault of ours: the operator gets the traceback, the caller only learns that it was not their request.
        traceback.print_exc(file=sys.stderr)
        raise HttpProblem(500, "the server failed at this request; its log says why") from error


def _may_be_large(headers: Mapping[str, str]) -> bool:
    declared = headers.get("content-length", "" if "transfer-encoding" in headers else "0")
    return not (declared.isascii() and declared.isdigit() and len(declared) < 8 and int(declared) <= UNASKED_BODY_BYTES_MAX)


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


async def _send(send: Send, response: Response, *, with_body: bool) -> None:
    length = None if response.status == 304 else len(response.body)
    await send({"type": "http.response.start", "status": response.status, "headers": _headers(response, length)})
    await send({"type": "http.response.body", "body": response.body if with_body else b""})


def _headers(response: Response, length: int | None) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", response.media_type.encode("ascii")),
        *([] if length is None else [(b"content-length", str(length).encode("ascii"))]),
        *((name.encode("ascii"), value.encode("latin-1")) for name, value in response.headers.items()),
        *((name, value) for name, value in _ALWAYS if name.decode() not in response.headers),
    ]
