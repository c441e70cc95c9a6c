"""A slot's page: what is live there, or was at any past time, and every change of its history."""

from datetime import UTC, datetime

from incumbent.base.errors import InvalidInput
from incumbent.server.messages import Request, Response, Server
from incumbent.server.pages.home import SlotView, choose_findings
from incumbent.server.pages.render import page, problems_as_pages
from incumbent.usecases.findings import list_findings
from incumbent.usecases.live import get_live, list_history
from incumbent.usecases.live_today import get_today


@problems_as_pages
def show_slot(server: Server, request: Request) -> Response:
    """Show a slot, now or as it was at `at`."""
    name, asked = request.path["slot"], request.read_query().get("at", "").strip()
    at = read_time(asked) if asked else None
    slot = get_live(server.ws, name, at)
    findings = [] if at else choose_findings(slot, list_findings(server.ws, is_open=True))
    history = [one for one in list_history(server.ws, name) if at is None or one.since_at <= at]
    return page(
        "slot.html",
        f"Slot {name}",
        room="/",
        slot=slot,
        today=None if at else get_today(server.ws, name),
        view=SlotView(slot, findings, None),
        history=history,
        at=at,
        asked=asked,
        name=name,
    )


def read_time(text: str) -> datetime:
    """Return the time that a form's text spells; UTC unless it says otherwise.

    Raises:
        InvalidInput: It spells none.

    >>> read_time("2026-01-31T08:00").isoformat()
    '2026-01-31T08:00:00+00:00'
    """
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{text[:40]!r} is no time; write it as 2026-01-31T08:00, taken as UTC") from None
