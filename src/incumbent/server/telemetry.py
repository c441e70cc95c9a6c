"""What the server counts about itself, and how a monitoring system reads it: Prometheus' text format, at /metrics.

No label has values that a caller can make up: a path is counted under its route's pattern, a method that we do not know as "other".
"""

import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from incumbent.base.version import __version__
from incumbent.server.group import GroupWriter
from incumbent.usecases.figures import Figures

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ROUTE_KEY = "incumbent.route"
"""Where the application leaves the pattern of the route that it found, in the ASGI scope."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_GROUPS = (1, 2, 4, 8, 16, 32, 64)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Telemetry:
    """The counters of one server process, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info("incumbent", "The program.", registry=registry).info({"version": __version__})
        self._requests = Counter("incumbent_http_requests", "Answers given.", ["method", "route", "status"], registry=registry)
        self._seconds = Histogram(
            "incumbent_http_request_seconds", "From the head of a request to the head of its answer.", ["method", "route"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.in_progress = Gauge("incumbent_http_requests_in_progress", "Requests that are being answered now.", registry=registry)
        self._received = Counter("incumbent_http_request_body_bytes", "Bytes of bodies that were received.", registry=registry)
        self._sent = Counter("incumbent_http_response_body_bytes", "Bytes of bodies that were sent.", registry=registry)
        self._failures = Counter(
            "incumbent_log_in_failures", "Callers who were not let in, by the way they took.", ["way"], registry=registry
        )
        for way in ("password", "provider", "credential"):
            self._failures.labels(way)
        self._groups = Histogram(
            "incumbent_group_commit_writes", "Writes that were committed together.", buckets=_GROUPS, registry=registry
        )
        self._waits = Histogram(
            "incumbent_group_commit_wait_seconds", "How long a write waited until it was on disk.", buckets=_SECONDS, registry=registry
        )
        self._depth = Gauge("incumbent_group_queue_depth", "Writes that wait for a group.", registry=registry)
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def note_answer(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer. `route` is a pattern of the table of routes, or "" where none was found."""
        key = (method if method in _METHODS else "other", route or "none", status)
        children = self._children.get(key)
        if children is None:  # looking one up by its labels takes three times as long as counting
            children = self._requests.labels(*key[:2], str(status)), self._seconds.labels(*key[:2])
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)

    def note_bytes(self, received: int, sent: int) -> None:
        """Count the bytes of a request's and its answer's body."""
        self._received.inc(received)
        self._sent.inc(sent)

    def note_failure(self, way: str) -> None:
        """Count a caller who was not let in: by "password", "provider", or a "credential" (token or cookie) that is good for nothing."""
        self._failures.labels(way).inc()

    def note_group(self, size: int) -> None:
        """Count a group of writes that was committed."""
        self._groups.observe(size)

    def note_wait(self, seconds: float) -> None:
        """Count how long one write waited."""
        self._waits.observe(seconds)

    def watch_queue(self, depth: Callable[[], int]) -> None:
        """Ask `depth` how many writes wait, whenever somebody reads."""
        self._depth.set_function(depth)

    def render(self, figures: Figures | None) -> bytes:
        """Return everything in Prometheus' text format.

        Args:
            figures: How the installation stands; None where the store could not be read: then `incumbent_store_readable` is 0.
        """
        standing = CollectorRegistry()
        standing.register(_Standing(figures))
        return generate_latest(self._registry) + generate_latest(standing)


class _Standing:
    """The figures of one moment, as a collector."""

    def __init__(self, figures: Figures | None) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Yield one gauge a figure; what is not known is not there."""
        figures = self._figures
        yield GaugeMetricFamily("incumbent_store_readable", "Whether the metadata store could be read.", value=figures is not None)
        if figures is None:
            return
        yield GaugeMetricFamily("incumbent_ledger_entries", "Entries of the ledger.", value=figures.entries)
        if figures.checkpoint_at is not None:
            age = max((figures.at - figures.checkpoint_at).total_seconds(), 0.0)
            yield GaugeMetricFamily("incumbent_ledger_checkpoint_age_seconds", "Age of the newest signed checkpoint.", value=age)
        yield GaugeMetricFamily("incumbent_slots", "Slots that anything was ever placed in.", value=figures.slots)
        yield GaugeMetricFamily("incumbent_versions_live", "Versions in Production.", value=figures.live)
        yield GaugeMetricFamily("incumbent_findings_open", "Findings that nobody has closed.", value=figures.open_findings)
        webhooks = GaugeMetricFamily("incumbent_webhooks", "Webhooks, by how they stand.", labels=["state"])
        for state, count in figures.webhooks.items():
            webhooks.add_metric([state], count)
        yield webhooks
        behind = figures.webhook_entries_behind
        yield GaugeMetricFamily("incumbent_webhook_entries_behind", "Entries that the furthest webhook was not told of.", value=behind)
        waiting = figures.lineage_events_waiting
        yield GaugeMetricFamily("incumbent_lineage_events_waiting", "Events that the catalogue was not told of.", value=waiting)


class Measured:
    """An ASGI application, counted from outside, also what is refused before any route is asked; and its group writer."""

    def __init__(self, app: App, telemetry: Telemetry, writer: GroupWriter) -> None:
        self._app = app
        self._telemetry = telemetry
        writer.watcher = telemetry
        telemetry.watch_queue(writer.depth)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        telemetry, began = self._telemetry, time.perf_counter()
        received = sent = 0

        async def counted_receive() -> MutableMapping[str, Any]:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def counted_send(message: MutableMapping[str, Any]) -> None:
            nonlocal sent
            if message["type"] == "http.response.start":
                route = scope.get(ROUTE_KEY, "")
                telemetry.note_answer(scope["method"], route, message["status"], time.perf_counter() - began)
                way = _failed_way(scope, route, message["status"])
                if way:
                    telemetry.note_failure(way)
            await send(message)  # a caller who has gone raises here: what they did not get is not counted
            sent += len(message.get("body", b""))

        telemetry.in_progress.inc()
        try:
            await self._app(scope, counted_receive, counted_send)
        finally:
            telemetry.in_progress.dec()
            telemetry.note_bytes(received, sent)


def _failed_way(scope: Scope, route: str, status: int) -> str:
    """Return by which way somebody tried to come in and was not let in; "" if this answer says nothing of the kind."""
    if status < 400:
        return ""
    if route == "/log-in" and scope["method"] == "POST":
        return "password" if status in {401, 429} else ""
    if route == "/log-in/callback":
        return "provider"
    shows = status == 401 and any(name in {b"authorization", b"cookie"} for name, _ in scope["headers"])
    return "credential" if shows else ""
