"""How a model comes into its tier: materiality (exposure and purpose) against inherent risk, by two small tables.

| level  | exposure                              | purpose                                    | inherent risk                          |
|--------|---------------------------------------|--------------------------------------------|----------------------------------------|
| low    | few people, small amounts             | informs internal work                      | simple, transparent, stable data       |
| medium | many people, or amounts that matter   | informs decisions that a person takes      | complex, or data that shift            |
| high   | the public, or amounts that hurt      | decides about people, money, safety, duty  | opaque, novel, adaptive or generative  |

SR 26-2 takes materiality as exposure and purpose; how they are combined is ours, and the tables below say it whole.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Literal, cast, get_args

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput, Refused
from incumbent.governance.acts import check_right, check_roles
from incumbent.governance.fields import check_line, check_text, check_time, format_time, read_fields
from incumbent.governance.tier import check_tier

Level = Literal["low", "medium", "high"]
LEVELS: tuple[Level, ...] = get_args(Level)
_FIELDS = ("model", "tier", "exposure", "purpose", "inherent", "reason", "assessed_by", "at", "is_override")

MATERIALITY: Mapping[tuple[Level, Level], Level] = MappingProxyType(
    {
        ("low", "low"): "low", ("low", "medium"): "low", ("low", "high"): "medium",
        ("medium", "low"): "low", ("medium", "medium"): "medium", ("medium", "high"): "high",
        ("high", "low"): "medium", ("high", "medium"): "high", ("high", "high"): "high",
    }
)  # fmt: skip
"""(exposure, purpose) -> materiality."""

TIER_OF: Mapping[tuple[Level, Level], int] = MappingProxyType(
    {
        ("high", "high"): 1, ("high", "medium"): 1, ("high", "low"): 2,
        ("medium", "high"): 2, ("medium", "medium"): 3, ("medium", "low"): 3,
        ("low", "high"): 3, ("low", "medium"): 4, ("low", "low"): 4,
    }
)  # fmt: skip
"""(materiality, inherent risk) -> tier."""


def compute_tier(exposure: Level, purpose: Level, inherent: Level) -> int:
    """Return the tier of the tables MATERIALITY and TIER_OF, 1 (highest) to 4.

    Raises:
        InvalidInput: A level is none of low, medium, high.

    >>> compute_tier("high", "medium", "medium")
    1
    """
    for what, level in (("exposure", exposure), ("purpose", purpose), ("inherent risk", inherent)):
        if level not in LEVELS:
            raise InvalidInput(f"{what} is {', '.join(LEVELS[:-1])} or {LEVELS[-1]}, not {level[:80]!r}")
    return TIER_OF[MATERIALITY[exposure, purpose], inherent]


@dataclass(frozen=True, slots=True)
class Assessment:
    """The judgement that put a model into its tier.

    Attributes:
        tier: By the tables, or another where `is_override`.
        exposure: How many people or how much money depend on it.
        purpose: How much its answers decide.
        inherent: How easily it goes wrong unseen.
        reason: Why these levels; of an override, why not the tables' tier (then needed).
        assessed_by: Who judged.

    Raises:
        InvalidInput: A level or the tier is none, the tier departs from the tables and is not called an override or the
            other way round, or an override has no reason.
    """

    model: str
    tier: int
    exposure: Level
    purpose: Level
    inherent: Level
    reason: str
    assessed_by: str
    at: datetime
    is_override: bool

    def __post_init__(self) -> None:
        check_line(self.model, "the model's name")
        check_line(self.assessed_by, "assessed_by")
        check_time(self.at)
        computed = compute_tier(self.exposure, self.purpose, self.inherent)
        if (check_tier(self.tier) != computed) != self.is_override:
            what = "is no override" if self.is_override else "needs is_override and a reason"
            raise InvalidInput(f"{self.model}: the tables give tier {computed}; tier {self.tier} {what}")
        check_text(self.reason, f"the reason for tier {self.tier} against the tables' {computed}", is_needed=self.is_override)

    def to_json(self) -> Document:
        """Return the document form."""
        return {
            "model": self.model,
            "tier": self.tier,
            "exposure": self.exposure,
            "purpose": self.purpose,
            "inherent": self.inherent,
            "reason": self.reason,
            "assessed_by": self.assessed_by,
            "at": format_time(self.at),
            "is_override": self.is_override,
        }


def assessment_from_json(document: Json) -> Assessment:
    """Return what `Assessment.to_json` wrote.

    Raises:
        InvalidInput: It is no such document.
    """
    found = read_fields(document, "an assessment", _FIELDS)
    return Assessment(
        model=found.text("model"),
        tier=found.number("tier"),
        exposure=cast(Level, found.text("exposure")),  # checked by Assessment, as the next two
        purpose=cast(Level, found.text("purpose")),
        inherent=cast(Level, found.text("inherent")),
        reason=found.text("reason"),
        assessed_by=found.text("assessed_by"),
        at=found.time("at"),
        is_override=found.flag("is_override"),
    )


def assess(
    model: str,
    *,
    exposure: Level,
    purpose: Level,
    inherent: Level,
    assessed_by: str,
    at: datetime,
    reason: str = "",
    tier: int | None = None,
) -> Assessment:
    """Return the assessment of a model; `tier` overrides the tables, with a reason.

    Raises:
        InvalidInput: A level or the tier is none, or an override has no reason.

    >>> from datetime import UTC
    >>> at = datetime(2026, 11, 25, tzinfo=UTC)
    >>> assess("flights-late", exposure="low", purpose="medium", inherent="low", assessed_by="ann", at=at).tier
    4
    """
    computed = compute_tier(exposure, purpose, inherent)
    given = computed if tier is None else tier
    return Assessment(model, given, exposure, purpose, inherent, reason, assessed_by, at, given != computed)


def check_tier_change(old: int, new: int, by: str, authors: Collection[str], roles: Iterable[str]) -> None:
    """Pass if this person may move a model from one tier to another.

    Towards less asked (a greater number) needs an approver who had no hand in the model (research: rule 4).

    Args:
        old: The tier in force; of a model that nobody assessed, the policy's `unassessed`.
        new: The tier to be.
        by: The accountable person (`incumbent.governance.person.accountable`).
        authors: Accountable persons who had a hand in any version of the model (`incumbent.governance.independence.authors`).
        roles: What `by` holds.

    Raises:
        InvalidInput: A tier or role does not exist.
        Refused: They may not.

    >>> check_tier_change(2, 3, "ann", {"ann"}, ["developer", "approver"])
    Traceback (most recent call last):
    incumbent.base.errors.Refused: tier 2 -> 3 asks for less: ann had a hand in the model; an approver who had none may lower its tier
    """
    held = check_roles(roles)
    check_right("assess-tier", held)
    if check_tier(new) <= check_tier(old):
        return
    asked = f"tier {old} -> {new} asks for less"
    if "approver" not in held:
        raise Refused(f"{asked}: {by} holds {', '.join(sorted(held))}; an approver who had no hand in the model may lower its tier")
    if by in authors:
        raise Refused(f"{asked}: {by} had a hand in the model; an approver who had none may lower its tier")
