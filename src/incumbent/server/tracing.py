"""A request as a span: around the application, like the figures."""

from collections.abc import MutableMapping
from typing import Any

from incumbent.server.telemetry import ROUTE_KEY, App, Receive, Scope, Send
from incumbent.usecases.tracing import Tracing

_CARRIED = frozenset({b"traceparent", b"tracestate"})


class Traced:
    """An ASGI application whose requests are spans; of a request that brings a traceparent, in its caller's trace.

    A span is named by the route's pattern, and holds neither the path nor the query: a path can hold a secret, and names of people.
    """

    def __init__(self, app: App, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"] if name in _CARRIED}
        with self._tracing.span("request", "server", headers=headers) as span:

            async def noted_send(message: MutableMapping[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    route, status = scope.get(ROUTE_KEY, ""), message["status"]
                    if route:
                        span.rename(f"{scope['method']} {route}")
                        span.note(http__route=route)
                    span.note(http__request__method=scope["method"], http__response__status_code=status)
                    if status >= 500:
                        span.fail(str(status))
                await send(message)

            await self._app(scope, receive, noted_send)
