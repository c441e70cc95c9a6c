"""Risk tiers: how much is asked of whom before a version goes live, from 1 (highest) to 4.

What a tier asks for is a policy, a TOML file; DEFAULT_TIERS is the one used where nobody set another. A higher tier never asks
for less than a lower one: otherwise moving a model up would be a way around its sign-offs.
"""

import tomllib
from dataclasses import dataclass, fields, replace
from typing import cast

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput
from incumbent.governance.fields import Fields, check_count, read_fields
from incumbent.governance.lowering import Asks

TIERS = (1, 2, 3, 4)
PEOPLE_MAX = 20
VALID_DAYS_MAX = 3660
FIRST_SEPARATE_TIER = 2
"""In tiers 1 to 2 one person cannot be validator and approver of the same version."""

DEFAULT_TIERS = """\
unassessed = 2             # the tier of a model whose tier nobody assessed

[tier.1]
validators = 1             # people who have examined it on their own
approvers = 2
distinct_groups = false    # every one of them from a reporting group of their own
witnesses = 1              # cosignatures of the ledger from a second place
valid_days = 90            # a sign-off counts for so long
self_approval = false      # whether somebody who had a hand in the version may sign it off; every card then says so
roll_back_approvals = 0    # approvers that even a roll back waits for

[tier.2]
validators = 1
approvers = 1
distinct_groups = false
witnesses = 0
valid_days = 180
self_approval = false
roll_back_approvals = 0

[tier.3]
validators = 0
approvers = 1
distinct_groups = false
witnesses = 0
valid_days = 365
self_approval = false
roll_back_approvals = 0

[tier.4]
validators = 0
approvers = 0
distinct_groups = false
witnesses = 0
valid_days = 365
self_approval = false
roll_back_approvals = 0
"""


@dataclass(frozen=True, slots=True)
class TierRule:
    """What one tier asks for.

    Attributes:
        tier: 1 (highest) to 4.
        validators: How many people must have validated.
        approvers: How many people must have approved.
        distinct_groups: Every sign-off that counts comes from another reporting group; people without a known group do not count.
        witnesses: How many cosignatures the ledger needs.
        valid_days: How long a sign-off counts, whatever longer time it claims.
        self_approval: Whether somebody who had a hand in the version may sign it off.
        roll_back_approvals: How many approvers a roll back waits for.

    Raises:
        InvalidInput: A count is out of its range.
    """

    tier: int
    validators: int
    approvers: int
    distinct_groups: bool
    witnesses: int
    valid_days: int
    self_approval: bool
    roll_back_approvals: int

    def __post_init__(self) -> None:
        check_tier(self.tier)
        for name in ("validators", "approvers", "witnesses", "roll_back_approvals"):
            check_count(getattr(self, name), f"{name} of tier {self.tier}", low=0, high=PEOPLE_MAX)
        check_count(self.valid_days, f"valid_days of tier {self.tier}", low=1, high=VALID_DAYS_MAX)

    @property
    def needs_separate_people(self) -> bool:
        """Whether nobody may fill the place of a validator and that of an approver at once."""
        return self.tier <= FIRST_SEPARATE_TIER or self.distinct_groups

    @property
    def asks(self) -> Asks:
        """What is asked by name, each number the greater the more it asks for."""
        return {
            "validators": self.validators,
            "approvers": self.approvers,
            "distinct_groups": int(self.distinct_groups),
            "witnesses": self.witnesses,
            "valid_days": -self.valid_days,
            "self_approval": -int(self.self_approval),
            "roll_back_approvals": self.roll_back_approvals,
        }

    def for_roll_back(self) -> "TierRule":
        """Return the rule that a roll back is judged by: approvers alone, as many as `roll_back_approvals`."""
        return replace(self, validators=0, approvers=self.roll_back_approvals, witnesses=0)

    def to_json(self) -> Document:
        """Return the document form."""
        return {name: getattr(self, name) for name in ("tier", *_RULE_FIELDS)}


def rule_of_asks(tier: int, asks: Asks) -> TierRule:
    """Return the rule of a tier that asks for this.

    >>> rule_of_asks(1, DEFAULT_TIER_POLICY.rule_of(1).asks) == DEFAULT_TIER_POLICY.rule_of(1)
    True
    """
    return TierRule(
        tier=tier,
        validators=asks["validators"],
        approvers=asks["approvers"],
        distinct_groups=bool(asks["distinct_groups"]),
        witnesses=asks["witnesses"],
        valid_days=-asks["valid_days"],
        self_approval=bool(asks["self_approval"]),
        roll_back_approvals=asks["roll_back_approvals"],
    )


_RULE_FIELDS = tuple(field.name for field in fields(TierRule) if field.name != "tier")


@dataclass(frozen=True, slots=True)
class TierPolicy:
    """What every tier asks for.

    Attributes:
        rules: One rule a tier, in the order 1 to 4.
        unassessed: The tier of a model whose tier nobody assessed.

    Raises:
        InvalidInput: A tier lacks, or a higher one asks for less than a lower one.
    """

    rules: tuple[TierRule, ...]
    unassessed: int

    def __post_init__(self) -> None:
        check_tier(self.unassessed)
        if tuple(rule.tier for rule in self.rules) != TIERS:
            raise InvalidInput("a tier policy has one rule for each of the tiers 1, 2, 3 and 4")
        for high, low in zip(self.rules, self.rules[1:], strict=False):
            laxer = _laxer_fields(high, low)
            if laxer:
                raise InvalidInput(f"tier {high.tier} asks for less than tier {low.tier} by {', '.join(laxer)}; a higher tier never does")

    def rule_of(self, tier: int | None) -> TierRule:
        """Return what a tier asks for; None is a model that nobody assessed.

        Raises:
            InvalidInput: There is no such tier.
        """
        return self.rules[check_tier(self.unassessed if tier is None else tier) - 1]

    def to_json(self) -> Document:
        """Return the document form."""
        return {"unassessed": self.unassessed, "tiers": [rule.to_json() for rule in self.rules]}


def tier_policy_from_json(document: Json) -> TierPolicy:
    """Return what `TierPolicy.to_json` wrote.

    Raises:
        InvalidInput: It is no such document.
    """
    found = read_fields(document, "a tier policy", ("unassessed", "tiers"))
    rules = [read_fields(item, "a tier's rule", ("tier", *_RULE_FIELDS)) for item in found.items("tiers")]
    return TierPolicy(tuple(_rule(rule, rule.number("tier")) for rule in rules), found.number("unassessed"))


def parse_tier_policy(text: str) -> TierPolicy:
    """Return the tier policy that a TOML text spells, in the form of DEFAULT_TIERS: every field of every tier, and nothing else.

    Raises:
        InvalidInput: It is no TOML, a field lacks, is unknown or out of range, or a higher tier asks for less than a lower one.

    >>> parse_tier_policy(DEFAULT_TIERS).rule_of(1).approvers
    2
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"the tier policy is not TOML: {error}") from error
    if not document:
        raise InvalidInput(
            "the tier policy is empty: it says what each of the tiers 1 to 4 asks for; `incumbent tiers print` prints one to edit"
        )
    found = read_fields(cast(Json, document), "a tier policy", ("unassessed", "tier"))
    tiers = read_fields(found.document("tier"), "[tier]", [str(tier) for tier in TIERS])
    rules = (_rule(read_fields(tiers.values[str(tier)], f"[tier.{tier}]", _RULE_FIELDS), tier) for tier in TIERS)
    return TierPolicy(tuple(rules), found.number("unassessed"))


def check_tier(tier: int) -> int:
    """Return `tier` if it is 1, 2, 3 or 4.

    Raises:
        InvalidInput: It is not.
    """
    return check_count(tier, "a risk tier", low=TIERS[0], high=TIERS[-1])


def _rule(found: Fields, tier: int) -> TierRule:
    return TierRule(
        tier=tier,
        validators=found.number("validators"),
        approvers=found.number("approvers"),
        distinct_groups=found.flag("distinct_groups"),
        witnesses=found.number("witnesses"),
        valid_days=found.number("valid_days"),
        self_approval=found.flag("self_approval"),
        roll_back_approvals=found.number("roll_back_approvals"),
    )


def _laxer_fields(high: TierRule, low: TierRule) -> list[str]:
    """Return the fields by which the higher tier asks for less than the lower one."""
    above, below = high.asks, low.asks
    is_signed = low.validators + low.approvers > 0  # where nobody signs, nobody's own signature is asked to be another's
    judged = [name for name in below if name != "valid_days" and (name != "self_approval" or is_signed)]
    return [name for name in judged if above[name] < below[name]]


DEFAULT_TIER_POLICY = parse_tier_policy(DEFAULT_TIERS)
