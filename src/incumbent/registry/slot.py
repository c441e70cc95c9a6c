"""A slot as its history tells it: who is live, who may come back, and what was so at any time."""

from collections.abc import Sequence
from datetime import datetime

from incumbent.registry.model import Placement
from incumbent.registry.transitions import State

Name = tuple[str, int]
"""(model, version)."""
WAYS_BACK = frozenset({"roll-back", "break-glass"})
"""Acts that put a version into Production again."""


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
    steps, never forward to what was just left. Which of these an archived version was, its act says.
    """
    line: list[Name] = []
    left: Placement | None = None  # what was live, and is archived
    for placement in reversed(history):
        name = name_of(placement)
        if placement.status == "Production":
            if left is not None and (placement.act in WAYS_BACK or not _is_replaced(left, placement)):
                line = [known for known in line if known != name_of(left) or known == name]
            line = line[: line.index(name) + 1] if name in line else [*line, name]
            left = None
        elif placement.status == "Archived" and line and line[-1] == name:
            left = placement
    return [known for known in line if left is None or known != name_of(left)]


def _is_replaced(left: Placement, by: Placement) -> bool:
    """Say whether a version was archived because another took its place, and not retired before that.

    From before the ledger there is no act: what was replaced then was archived at the very time at which the next one went live.
    """
    return left.act == "supersede" if left.act else left.since_at == by.since_at


def list_models_ever_live(history: Sequence[Placement]) -> list[str]:
    """Return every model of which a version was ever in Production in the slot of this history, the newest first."""
    return list(dict.fromkeys(placement.model for placement in history if placement.status == "Production"))


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


def find_champion(history: Sequence[Placement], candidate: Name) -> Placement | None:
    """Return whom a candidate has to beat: what is live, or where nothing is live now, what was live last.

    So a slot is not empty for having been emptied: to retire the champion lets nothing in unopposed.

    Args:
        history: Of the slot, newest first.
        candidate: Nobody has to beat themselves.

    Returns:
        The placement by which the champion came into Production; None if nobody was ever live there, or the candidate was last.
    """
    last = next((placement for placement in history if placement.status == "Production"), None)
    return None if last is None or name_of(last) == candidate else last


def at_time(history: Sequence[Placement], at: datetime) -> list[Placement]:
    """Return the history as it was at a time."""
    return [placement for placement in history if placement.since_at <= at]
