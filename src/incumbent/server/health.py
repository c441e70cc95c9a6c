"""Is the process up; can it answer."""

from incumbent.server.messages import Request, Response, Server, json_response
from incumbent.usecases.live import count_slots


def get_health(_server: Server, _request: Request) -> Response:
    """Answer as soon as the process does."""
    return json_response({"status": "ok"})


def get_readiness(server: Server, _request: Request) -> Response:
    """Answer once the store can be read; what goes wrong there becomes a problem document."""
    return json_response({"status": "ready", "slots": count_slots(server.ws)})
