"""At which level a look is judged, and how that is said."""

from dataclasses import dataclass

from incumbent.gates.holdout import alpha_of_look
from incumbent.gates.holdout_rule import HoldoutRule
from incumbent.gates.rung import Rung


@dataclass(frozen=True, slots=True)
class Level:
    """The one-sided level of a rule.

    Attributes:
        alpha: What is left of it after the look's price.
        note: What reuse cost, for the reason.
    """

    alpha: float
    note: str


def level_of(holdout: HoldoutRule, look: int, confidence: float, rung: Rung) -> Level:
    """Return the level at which look number `look`, counted from 1, is judged.

    The Ladder prices looks by one metric. Where the same rows were asked by another one too, each look is paid for beside it.
    """
    nominal = 1 - confidence
    where = f"look {look} of {holdout.looks_max}"
    if holdout.reuse == "ladder" and not rung.others:
        return Level(nominal, f"{where}: one-sided {nominal:.4g}, reuse is priced by the Ladder")
    alpha = alpha_of_look(nominal, look)
    why = f", by {', '.join(rung.others)} too" if holdout.reuse == "ladder" else ""
    return Level(alpha, f"{where}: judged at one-sided {alpha:.2g} instead of {nominal:.4g}, the price of reuse{why}")
