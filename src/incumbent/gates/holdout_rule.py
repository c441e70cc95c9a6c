"""[holdout] of a policy: which frozen data judge, how often they may be asked, and how each look is paid for."""

from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.gates.table import Table

Reuse = Literal["spend", "ladder", "thresholdout"]
NOISE_SHARE_MIN: Final = 0.001
"""Least noise, as a share of the agreement. Dwork et al. (2015) prove their bound with about 1/500; less would keep nothing back."""

NOISE_MIN: Final = 1e-12
"""Below this no metric's last digits mean anything."""


@dataclass(frozen=True, slots=True)
class ThresholdoutRule:
    """The three numbers of reuse = "thresholdout", the first two in the primary metric's unit.

    Attributes:
        agreement: T: how far the gain on the training rows and on the holdout may lie apart while the training rows still answer.
        noise: sigma, the scale of the Laplace noise: sigma in an answer of the holdout, 2 and 4 sigma in the comparison with T.
        answers_max: After so many answers of the holdout nothing is answered any more.
    """

    agreement: float
    noise: float
    answers_max: int


@dataclass(frozen=True, slots=True)
class HoldoutRule:
    """Which holdout judges, how often it may be asked, and how each look is paid for.

    Attributes:
        name: A registered holdout.
        looks_max: After so many looks a fresh one is due.
        reuse: See gates/holdout.py.
        confidence: One-sided level of each guardrail's interval; by default the primary rule's.
        training: Which output of a version's run its training rows are: no row of the holdout may be among them.
        thresholdout: For reuse = "thresholdout" and only then.
    """

    name: str
    looks_max: int
    reuse: Reuse
    confidence: float
    training: str = "training"
    thresholdout: ThresholdoutRule | None = None

    def to_json(self) -> dict[str, Json]:
        """Return the rule as plain JSON, in the keys that TOML has."""
        written: dict[str, Json] = {
            "name": self.name, "looks_max": self.looks_max, "reuse": self.reuse, "confidence": self.confidence, "training": self.training,
        }  # fmt: skip
        if self.thresholdout is not None:
            rule = self.thresholdout
            written |= {"agreement": rule.agreement, "noise": rule.noise, "answers_max": rule.answers_max}
        return written


def read_holdout(table: Table, *, confidence: float) -> HoldoutRule:
    """Return the rule that a table spells; `confidence` is what holds where it gives none.

    Raises:
        InvalidInput: A key is unknown, missing or not legal.
    """
    name, looks_max = table.text("name"), table.whole("looks_max", 1, 10**6, default=20)
    reuse = cast(Reuse, table.choice("reuse", get_args(Reuse), default="spend"))
    confidence = read_confidence(table, confidence)
    training = table.text("training", default="training")
    thresholdout = _read_thresholdout(table) if reuse == "thresholdout" else None
    table.done()
    return HoldoutRule(name, looks_max, reuse, confidence, training, thresholdout)


def read_confidence(table: Table, default: float = 0.95) -> float:
    """Take the one-sided level of an interval."""
    return table.number("confidence", lambda number: 0.5 < number < 1, "a number between 0.5 and 1, such as 0.95", default=default)


def _read_thresholdout(table: Table) -> ThresholdoutRule:
    unit = 'in the unit of the primary metric, for reuse = "thresholdout"'
    agreement = table.number("agreement", lambda number: number > 0, f"a number above 0 {unit}: how far training and holdout may differ")
    noise = table.number("noise", lambda number: number >= NOISE_MIN, f"a number from {NOISE_MIN:g} {unit}: the scale of the noise")
    if not NOISE_SHARE_MIN * agreement <= noise < agreement:
        raise InvalidInput(
            f"{table.name} noise is {noise} and agreement {agreement}: with noise from the agreement up no comparison means anything, and "
            f"below {NOISE_SHARE_MIN:g} of it nothing is kept back; a quarter (Dwork et al. 2015) is usual"
        )
    return ThresholdoutRule(agreement, noise, table.whole("answers_max", 1, 10**6, default=5))
