"""Several workspaces behind one address: the name in the Host header says which one a request is meant for.

Each has an application, a store, blobs, people, tokens and threads of its own. Nothing that answers a request of one can reach another
one's, so there is no query that could forget to ask whose row it reads.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from incumbent.base.errors import InvalidInput
from incumbent.server.auth.origin import host_name, read_headers
from incumbent.server.errors import HttpProblem, problem_body

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Application(Protocol):
    """An ASGI application."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one connection scope."""
        ...


class Tenants:
    """The ASGI application of several workspaces.

    Args:
        applications: Name that people use for a workspace, as in its public address -> its application.
    """

    def __init__(self, applications: Mapping[str, Application]) -> None:
        self._applications = dict(applications)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection scope."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "http":
            chosen = self._choose(scope)
            if isinstance(chosen, HttpProblem):
                await _refuse(send, chosen)
            else:
                await chosen(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    def _choose(self, scope: Scope) -> Application | HttpProblem:
        try:
            host = read_headers(scope["headers"]).get("host", "")
        except HttpProblem as problem:
            return problem
        found = self._applications.get(host_name(host) or "")
        # Which workspaces there are is nobody's business who does not know their names.
        return found or HttpProblem(421, f"the Host header names {host[:80]!r}, and no workspace here is known by that name")

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start and stop them all, in turn: each is handed the same messages, and one answer is sent for all."""
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": message["type"] + ".complete"})
        await asyncio.gather(*(_stop(application, scope) for application in self._applications.values()))
        await send({"type": "lifespan.shutdown.complete"})


async def _stop(application: Application, scope: Scope) -> None:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "lifespan.shutdown"}

    async def send(message: MutableMapping[str, Any]) -> None:
        pass

    await application(scope, receive, send)


async def _refuse(send: Send, problem: HttpProblem) -> None:
    body = problem_body(problem.status, str(problem), is_v2=False)
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode("ascii"))]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Places:
    """What workspaces of one server keep their records and bytes in: none of it twice, for then one would see what is the other's."""

    def __init__(self) -> None:
        self._stores: dict[str, str] = {}
        self._blobs: dict[str, str] = {}

    def claim(self, store: str, blobs: str, workspace: str) -> None:
        """Take note of a workspace's store, by its identity, and of where its blobs are.

        Raises:
            InvalidInput: Another workspace has that store, or one of the places for blobs is inside the other.
        """
        other = self._stores.setdefault(store, workspace)
        if other != workspace:
            raise InvalidInput(f"{workspace} and {other} have one metadata store: each workspace needs a database of its own")
        place = blobs.rstrip("/") if "://" in blobs else str(Path(blobs).resolve())
        for known, other in self._blobs.items():
            if f"{place}/".startswith(f"{known}/") or f"{known}/".startswith(f"{place}/"):
                raise InvalidInput(f"{workspace} and {other} have blobs in one place, {place}: each workspace needs a place of its own")
        self._blobs[place] = workspace


def read_workspaces(named: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return what `URL=FOLDER` options say: name in the Host header -> (public address, folder).

    >>> read_workspaces(["https://credit.example.com=/srv/credit"])
    {'credit.example.com': ('https://credit.example.com', '/srv/credit')}

    Raises:
        InvalidInput: One is not of that form, or two have one name.
    """
    found: dict[str, tuple[str, str]] = {}
    for text in named:
        url, _, folder = text.partition("=")
        try:
            name = urlsplit(url).hostname
        except ValueError:
            name = None
        if not name or not folder:
            raise InvalidInput(f"--workspace {text[:200]!r}: expected URL=FOLDER, as https://credit.example.com=/srv/credit")
        if name in found:
            raise InvalidInput(f"--workspace: {name} is named twice; each workspace has a name of its own")
        found[name] = (url, folder)
    return found
