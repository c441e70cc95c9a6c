"""What happens here, as it happens."""

from incumbent.server.api.operation import Call, Operation
from incumbent.server.events import stream_events
from incumbent.server.messages import Response, Server
from incumbent.usecases.rights import READ


def watch_events(server: Server, call: Call) -> Response:
    """Tell what happens, until the caller leaves."""
    return stream_events(server, call.request)


OPERATIONS = (
    Operation(
        "watch_events", "events", "GET", "/events", READ,
        "Tell of ledger entries and of runs as they change, as server-sent events, until the caller leaves.",
        watch_events, None, 'id: 41\nevent: slot.changed\ndata: {"specversion":"1.0"}\n\n', media_type="text/event-stream",
        headers={"Last-Event-ID": "The number of the last entry that was seen: what came after it is told first."}, statuses=(429,),
        more="The id of an event is the number of its ledger entry; what is told of runs has none.",
    ),
)  # fmt: skip
