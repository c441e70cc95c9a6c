"""Our own API, what is live and where answers came from: /api/v1/slots, /api/v1/trace."""

from incumbent.server.messages import Request, Response, Server, json_response
from incumbent.usecases.live import get_live, list_live
from incumbent.usecases.trace import trace


def list_slots(server: Server, _request: Request) -> Response:
    """List all slots with what is live in each."""
    return json_response({"slots": [slot.to_json() for slot in list_live(server.ws)]})


def get_slot(server: Server, request: Request) -> Response:
    """Show one slot."""
    return json_response(get_live(server.ws, request.path["slot"]).to_json())


def get_trace(server: Server, request: Request) -> Response:
    """Show the lineage of a prediction, run, version or digest."""
    return json_response(trace(server.ws, request.path["subject"]).to_json())
