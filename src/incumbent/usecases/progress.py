"""What a run tells while it goes on: one event a change, for whoever shows it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

EventKind = Literal["note", "total", "hit", "started", "done", "failed", "retry", "waiting", "skipped", "warning"]


@dataclass(frozen=True, slots=True)
class Event:
    """One change.

    Attributes:
        stage: The stage, "" when the event is about the whole run.
        item: Item of a mapped stage.
        text: For "note", "warning", "failed", "retry", "waiting": words. For "done": why it ran.
        wall_s: For "done" and "failed": how long it took.
        count: For "total": number of stages; for "hit" of a mapped stage: number of items.
    """

    kind: EventKind
    stage: str = ""
    item: int | None = None
    text: str = ""
    wall_s: float = 0.0
    count: int = 1


Listener = Callable[[Event], None]


def ignore(_: Event) -> None:
    """Listen to nothing."""
