"""A slot as its history tells it: who is live, who may come back, and what was so at any time."""

from collections.abc import Sequence
from datetime import datetime

from incumbent.registry.model import Placement
from incumbent.registry.transitions import State

Name = tuple[str, int]
"""(model, version)."""


def name_of(placement: Placement) -> Name:
    """Return which version a placement is about."""
    return placement.model, placement.version


def find_status(history: Sequence[Placement], name: Name) -> State:
    """Return a version's status in the slot of this history (newest first)."""
    return next((placement.status for placement in history if name_of(placement) == name), "None")


def has_been_live(history: Sequence[Placement], name: Name) -> bool:
    """Say whether a version has ever been in Production in the slot of this history."""
    return any(placement.status == "Production" and name_of(placement) == name for placement in history)


def list_line(history: Sequence[Placement]) -> list[Name]:
    """Return the line of versions that led to today, oldest first; the last one is live, if any is.

    A version that was rolled back from leaves the line, and so does one that was retired: rolling back twice goes back two
    steps, never forward to what was just left. (A version that was replaced was archived at the very time at which the next
    one went live; one that was retired was not.)
    """
    line: list[Name] = []
    retired: Placement | None = None
    for placement in reversed(history):
        name = name_of(placement)
        if retired is not None and not (placement.status == "Production" and placement.since_at == retired.since_at):
            line = [known for known in line if known != name_of(retired)]
        retired = None
        if placement.status == "Production":
            line = line[: line.index(name) + 1] if name in line else [*line, name]
        elif placement.status == "Archived" and line and line[-1] == name:
            retired = placement
    return [known for known in line if retired is None or known != name_of(retired)]


def find_target(history: Sequence[Placement]) -> Name | None:
    """Return the version that a roll-back of the slot goes to: the one before the live one; None if there is none."""
    live = find_live(history)
    before = [name for name in list_line(history) if live is None or name != name_of(live)]
    return before[-1] if before else None


def find_live(history: Sequence[Placement]) -> Placement | None:
    """Return the placement in Production of a history (newest first), or None."""
    statuses: set[Name] = set()
    for placement in history:
        if name_of(placement) not in statuses and placement.status == "Production":
            return placement
        statuses.add(name_of(placement))
    return None


def at_time(history: Sequence[Placement], at: datetime) -> list[Placement]:
    """Return the history as it was at a time."""
    return [placement for placement in history if placement.since_at <= at]
