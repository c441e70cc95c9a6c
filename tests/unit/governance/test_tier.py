import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from incumbent.base.errors import InvalidInput, Refused
from incumbent.governance.assessment import LEVELS, Assessment, assess, check_tier_change, compute_tier
from incumbent.governance.tier import DEFAULT_TIER_POLICY, DEFAULT_TIERS, parse_tier_policy

AT = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)


def test_the_default_asks_what_the_research_says():
    asked = [(r.tier, r.validators, r.approvers, r.witnesses, r.self_approval) for r in DEFAULT_TIER_POLICY.rules]
    assert asked == [(1, 1, 2, 1, False), (2, 1, 1, 0, False), (3, 0, 1, 0, False), (4, 0, 0, 0, False)]


def test_a_model_that_nobody_assessed_has_the_policys_tier():
    assert DEFAULT_TIER_POLICY.rule_of(None).tier == 2
    assert DEFAULT_TIER_POLICY.rule_of(4).tier == 4
    for tier in (0, 5, -1, 10**400):
        with pytest.raises(InvalidInput, match="a risk tier is .*; it is between 1 and 4"):
            DEFAULT_TIER_POLICY.rule_of(tier)


def edited(old, new):
    text = DEFAULT_TIERS.replace(old, new, 1)
    assert text != DEFAULT_TIERS
    return text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the tier policy is empty"),
        ("not toml", "not TOML"),
        (edited("unassessed = 2", "unassessed = 0"), "between 1 and 4"),
        (edited("unassessed = 2", "unassessed = true"), "a whole number"),
        (edited("unassessed = 2", "unassesed = 2"), "unassesed"),
        (edited("validators = 1", "validators = -1"), "validators of tier 1 is -1"),
        (edited("validators = 1", "validators = 1.0"), "a whole number"),
        (edited("validators = 1", "validators = nan"), "a whole number"),
        (edited("validators = 1", "validators = '1'"), "a whole number"),
        (edited("validators = 1", "validators = 9999999999999999999999"), "a huge number"),
        (edited("validators = 1", "colour = 1"), "colour"),
        (edited("valid_days = 90", "valid_days = 0"), "valid_days of tier 1 is 0"),
        (edited("self_approval = false", "self_approval = 0"), "true or false"),
        (edited("[tier.4]", "[tier.5]"), "lacks"),
        (edited("[tier.4]", "[other]"), "other"),
        (edited("approvers = 2", "approvers = 0"), "tier 1 asks for less than tier 2 by approvers"),
        (edited("self_approval = false", "self_approval = true"), "tier 1 asks for less than tier 2 by self_approval"),
    ],
)
def test_a_policy_that_is_not_whole_and_sound_is_refused(text, says):
    with pytest.raises(InvalidInput, match=says):
        parse_tier_policy(text)


def test_self_approval_may_be_allowed_from_a_tier_downwards():
    text = DEFAULT_TIERS.split("[tier.3]")
    policy = parse_tier_policy(text[0] + "[tier.3]" + text[1].replace("self_approval = false", "self_approval = true", 1))
    assert [rule.self_approval for rule in policy.rules] == [False, False, True, False]


def test_a_roll_back_asks_for_its_own_approvers_alone():
    rule = replace(DEFAULT_TIER_POLICY.rule_of(1), roll_back_approvals=1).for_roll_back()
    assert (rule.tier, rule.validators, rule.approvers, rule.witnesses, rule.valid_days) == (1, 0, 1, 0, 90)


def test_more_exposure_purpose_or_inherent_risk_never_gives_a_lower_tier():
    for levels in itertools.product(LEVELS, repeat=3):
        for place in range(3):
            rank = LEVELS.index(levels[place])
            for above in LEVELS[rank:]:
                raised = [*levels[:place], above, *levels[place + 1 :]]
                assert compute_tier(*raised) <= compute_tier(*levels), (levels, raised)


@pytest.mark.parametrize(
    ("levels", "tier"),
    [
        (("high", "high", "high"), 1), (("medium", "high", "medium"), 1), (("high", "high", "low"), 2), (("low", "high", "high"), 2),
        (("medium", "medium", "medium"), 3), (("low", "low", "high"), 3), (("low", "medium", "medium"), 4), (("low", "low", "low"), 4),
    ],
)  # fmt: skip
def test_the_tier_follows_from_materiality_and_inherent_risk(levels, tier):
    assert compute_tier(*levels) == tier


def test_another_tier_than_the_tables_needs_a_reason_and_says_that_it_is_an_override():
    levels = {"exposure": "low", "purpose": "low", "inherent": "low"}
    plain = assess("m", **levels, assessed_by="ann", at=AT)
    assert (plain.tier, plain.is_override) == (4, False)
    assert not assess("m", **levels, assessed_by="ann", at=AT, tier=4).is_override
    override = assess("m", **levels, assessed_by="ann", at=AT, tier=2, reason="the regulator asked")
    assert (override.tier, override.is_override) == (2, True)
    for reason in ("", " \n"):
        with pytest.raises(InvalidInput, match="the reason for tier 2 against the tables' 4 is missing"):
            assess("m", **levels, assessed_by="ann", at=AT, tier=2, reason=reason)
    with pytest.raises(InvalidInput, match="the tables give tier 4; tier 2 needs is_override"):
        Assessment("m", 2, "low", "low", "low", "why", "ann", AT, is_override=False)
    with pytest.raises(InvalidInput, match="the tables give tier 4; tier 4 is no override"):
        Assessment("m", 4, "low", "low", "low", "why", "ann", AT, is_override=True)
    with pytest.raises(InvalidInput, match="purpose is low, medium or high, not 'huge'"):
        compute_tier("low", "huge", "low")


@pytest.mark.parametrize(("old", "new"), list(itertools.product((1, 2, 3, 4), repeat=2)))
@pytest.mark.parametrize("role", ["developer", "validator", "approver"])
@pytest.mark.parametrize("is_author", [True, False])
def test_only_an_approver_without_a_hand_in_the_model_moves_it_to_where_less_is_asked(old, new, role, is_author):
    authors = {"ann", "dev"} if is_author else {"dev"}
    if new <= old or (role == "approver" and not is_author):
        check_tier_change(old, new, "ann", authors, [role])
        return
    with pytest.raises(Refused, match=rf"tier {old} -> {new} asks for less: ann (had a hand in the model|holds {role})"):
        check_tier_change(old, new, "ann", authors, [role])


def test_a_tier_is_not_for_an_operator_and_no_tier_is_taken_that_does_not_exist():
    with pytest.raises(Refused, match="assess-tier is for the role developer or validator or approver"):
        check_tier_change(3, 2, "ann", set(), ["operator", "admin"])
    for old, new in ((0, 2), (2, 5)):
        with pytest.raises(InvalidInput, match="between 1 and 4"):
            check_tier_change(old, new, "ann", set(), ["approver"])
