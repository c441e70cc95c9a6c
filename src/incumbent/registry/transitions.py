"""The life of a model version in a slot (EQ V7.2): every legal transition, as one table.

This file alone decides which status may follow which. docs/reference/statuses.md is made from TRANSITIONS, and the tests draw
their cases from it. "None" is the status of a version that a slot has never held.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from incumbent.base.errors import Refused

State = Literal["None", "Staging", "Production", "Archived"]
STATES: tuple[State, ...] = ("None", "Staging", "Production", "Archived")


@dataclass(frozen=True, slots=True)
class Transition:
    """One arrow.

    Attributes:
        acts: Which acts of the ledger make it.
        guard: What must hold, in words.
    """

    acts: tuple[str, ...]
    guard: str


TRANSITIONS: Mapping[tuple[State, State], Transition] = {
    ("None", "Staging"): Transition(("propose",), "the version is registered and its bundle is whole"),
    ("Staging", "Production"): Transition(
        ("promote",), "the gate passed, the quorum of its tier signed, nothing blocks the slot; what was live there is superseded"
    ),
    ("Staging", "Archived"): Transition(("reject",), "a reason"),
    ("Production", "Archived"): Transition(("supersede", "archive"), "another version takes its place, or it is retired with a reason"),
    ("Archived", "Production"): Transition(
        ("roll-back", "break-glass"), "it has been in Production in this slot, its approvals hold or were renewed, and its bundle is whole"
    ),
}


def check_transition(now: State, to: State, act: str, *, version: str, slot: str, has_been_live: bool = False) -> None:
    """Raise unless a version may go from one status to another in a slot by this act.

    Args:
        now: Its status there.
        to: The status it is to have.
        act: The act that would do it.
        version: MODEL@VERSION, for the message.
        slot: The slot.
        has_been_live: Whether it has ever been in Production in this slot.

    Raises:
        Refused: It may not; the message says what is legal from where it is.
    """
    found = TRANSITIONS.get((now, to))
    if found is None or act not in found.acts:
        legal = ", ".join(f"{after} ({' or '.join(t.acts)})" for (before, after), t in TRANSITIONS.items() if before == now) or "nothing"
        hint = f"; `incumbent propose {version} --slot {slot}` makes it a candidate there" if now == "None" else ""
        raise Refused(f"{slot}: {version} is in status {now}, and {now} -> {to} is no legal transition; from {now}: {legal}{hint}")
    if (now, to) == ("Archived", "Production") and not has_been_live:
        raise Refused(
            f"{slot}: {version} was never in Production here, so there is nothing to roll back to in it; register it as a new version"
        )


def transitions_table() -> str:
    """Return the table as Markdown, for the reference."""
    rows = [f"| {before} | {after} | {', '.join(t.acts)} | {t.guard} |" for (before, after), t in TRANSITIONS.items()]
    return "\n".join(["| from | to | act | what must hold |", "|---|---|---|---|", *rows]) + "\n"
