"""How near two artifacts are: the same bytes, the same numbers within a tolerance, or different."""

from dataclasses import dataclass
from typing import Literal

ComparisonVerdict = Literal["bit-exact", "numeric", "differs"]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """When two numbers count as equal: |a - b| <= absolute + relative * |b|."""

    relative: float = 1e-6
    absolute: float = 1e-9


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of comparing two artifacts.

    Attributes:
        detail: For "numeric": where the largest difference is; for "differs": the first difference, in words.
        max_difference: Largest absolute difference of two numbers, None when numbers were not compared.
    """

    verdict: ComparisonVerdict
    detail: str = ""
    max_difference: float | None = None


_ORDER: dict[ComparisonVerdict, int] = {"bit-exact": 0, "numeric": 1, "differs": 2}


def worst(verdicts: list[ComparisonVerdict]) -> ComparisonVerdict:
    """Return the verdict of the whole: that of its worst part; of nothing, "differs" (nothing was shown).

    >>> worst(["bit-exact", "numeric"])
    'numeric'
    """
    return max(verdicts, key=lambda verdict: _ORDER[verdict], default="differs")
