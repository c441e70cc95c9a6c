"""Our own API, what is live and where answers came from: /api/v1/slots, /api/v1/trace."""

from incumbent.base.documents import Json
from incumbent.registry.model import Placement
from incumbent.server.messages import Request, Response, Server, json_response
from incumbent.usecases.live import LiveSlot, get_live, list_live
from incumbent.usecases.trace import trace


def list_slots(server: Server, _request: Request) -> Response:
    """List all slots with what is live in each."""
    return json_response({"slots": [describe_slot(slot) for slot in list_live(server.ws)]})


def get_slot(server: Server, request: Request) -> Response:
    """Show one slot."""
    return json_response(describe_slot(get_live(server.ws, request.path["slot"])))


def get_trace(server: Server, request: Request) -> Response:
    """Show the lineage of a prediction, run, version or digest."""
    return json_response(trace(server.ws, request.path["subject"]).to_json())


def describe_slot(slot: LiveSlot) -> Json:
    """Return a slot as the API shows it."""
    live: Json = None
    if slot.live is not None and slot.version is not None:
        live = {**_describe(slot.live), "digest": slot.version.bundle.digest, "run": slot.version.run_id}
    return {
        "slot": slot.slot,
        "live": live,
        "roll_back_to": None if slot.roll_back_to is None else _describe(slot.roll_back_to),
        "staging": [_describe(placement) for placement in slot.staging],
    }


def _describe(placement: Placement) -> dict[str, Json]:
    return {
        "model": placement.model,
        "version": placement.version,
        "since": placement.since_at.isoformat(),
        "actor": placement.actor,
        "reason": placement.reason,
    }
