"""GET /api/v1/events: what happens here, as server-sent events (HTML Living Standard, 9.2).

An entry of the ledger is the CloudEvent that a webhook gets, under the same name; its `id` is the entry's number, so that whoever
comes back with `Last-Event-ID` gets what they missed. Runs are told coarsely: how each stands when that has changed, and when somebody
comes back, how all of them stand. Who asks is judged again before each piece: a token that is revoked ends its stream.
"""

from collections.abc import Iterator, Mapping

import msgspec

from incumbent.base.documents import document_bytes
from incumbent.base.errors import InvalidInput
from incumbent.governance.events import event_of
from incumbent.ledger.entry import Entry
from incumbent.server.auth.guard import Guard
from incumbent.server.errors import HttpProblem
from incumbent.server.messages import Request, Response, Server
from incumbent.server.streams import Stream
from incumbent.usecases.event_feed import RunSeen, count_entries, list_entries
from incumbent.usecases.rights import READ
from incumbent.usecases.webhook_messages import entry_event

PAUSE_S = 1.0
HEARTBEAT_LOOKS = 15
"""After so many looks that found nothing, a comment is sent: proxies close what is silent for long."""
ENTRIES_MAX = 100
RETRY_MS = 3_000
_PATH = "/api/v1/events"


def stream_events(server: Server, request: Request) -> Response:
    """Answer with events from now on, or from where `Last-Event-ID` says, until the caller leaves.

    Raises:
        InvalidInput: `Last-Event-ID` is no number of an entry.
        HttpProblem: Too many streams are open.
    """
    last = request.headers.get("last-event-id", "")
    if last and not (last.isascii() and last.isdigit() and len(last) <= 15):
        raise InvalidInput(f"Last-Event-ID is the number of the last entry that you have seen, not {last[:40]!r}")
    size = count_entries(server.ws)
    caller = request.caller.name
    server.feeds.take_place(caller)
    try:
        runs = {} if last else server.feeds.see_runs(server.ws)
        feed = _Feed(server, request, min(int(last) + 1, size) if last else size, runs)
    except BaseException:
        server.feeds.leave_place(caller)
        raise
    stream = Stream(feed, pause_s=PAUSE_S, release=lambda: server.feeds.leave_place(caller))
    return Response(200, b"", "text/event-stream; charset=utf-8", {"x-accel-buffering": "no"}, stream)


class _Feed(Iterator[bytes]):
    """The pieces of one stream; an empty one where nothing has happened."""

    def __init__(self, server: Server, request: Request, first: int, runs: Mapping[str, RunSeen]) -> None:
        self._server = server
        self._request = request
        self._guard = Guard(server)
        self._next = first
        self._runs = runs
        self._quiet = 0
        self._greeting = f"retry: {RETRY_MS}\n\n".encode()

    def __next__(self) -> bytes:
        """Return what has happened since the last piece."""
        try:
            self._guard.admit(READ, self._request, _PATH, is_use=False)
        except HttpProblem:
            raise StopIteration from None
        piece = self._greeting + b"".join([*self._entries(), *self._run_events()])
        self._greeting = b""
        self._quiet = 0 if piece else self._quiet + 1
        if self._quiet == HEARTBEAT_LOOKS:
            self._quiet = 0
            return b":\n\n"
        return piece

    def _entries(self) -> Iterator[bytes]:
        for entry in list_entries(self._server.ws, self._next, most=ENTRIES_MAX):
            self._next = entry.seq + 1
            yield entry_message(entry)

    def _run_events(self) -> Iterator[bytes]:
        before, now = self._runs, self._server.feeds.see_runs(self._server.ws)
        self._runs = now
        if now is not before:
            for run_id, seen in now.items():
                if before.get(run_id) != seen:
                    yield run_message(before.get(run_id), seen)


def entry_message(entry: Entry) -> bytes:
    """Return an entry as a server-sent event."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (entry.seq, event_of(entry.draft.act).encode(), document_bytes(entry_event(entry)))


def run_message(before: RunSeen | None, seen: RunSeen) -> bytes:
    """Return how a run stands as a server-sent event, without an id: it has no place in an order. NaN and infinities become null."""
    if seen.state != "running":
        name = "run.finished"
    else:
        name = "run.progress" if before is not None and before.state == "running" else "run.started"
    metrics = {key: {"value": value, "step": step} for key, (value, step) in seen.metrics.items()}
    document = {"run": seen.run_id, "name": seen.name, "experiment": seen.experiment, "state": seen.state, "metrics": metrics}
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(document))
