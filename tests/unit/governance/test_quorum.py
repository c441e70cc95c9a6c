from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from incumbent.base.digest import digest_bytes
from incumbent.base.errors import InvalidInput
from incumbent.governance.independence import Authorship
from incumbent.governance.person import Person
from incumbent.governance.places import find_missing
from incumbent.governance.quorum import Standing, Voucher, judge_quorum
from incumbent.governance.sign_off import SignOff
from incumbent.governance.tier import DEFAULT_TIER_POLICY

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
DAY = timedelta(days=1)
DIGESTS = {name: digest_bytes(name.encode()) for name in ("bundle", "evidence", "policy", "tier")}
OTHER = digest_bytes(b"another")
TIER = {rule.tier: rule for rule in DEFAULT_TIER_POLICY.rules}
MEANING = {"validator": "validated", "approver": "approved"}


def person(person_id, *roles, group="", aliases=(), is_active=True):
    return Person(person_id, "person", frozenset(roles), group, tuple(aliases), "", is_active, NOW - 900 * DAY)


PEOPLE = (
    person("dev", "developer", "validator", "approver", group="models", aliases=["dev@x.example"]),
    person("val", "validator", group="risk"),
    person("app", "approver", group="risk"),
    person("amy", "approver", group="audit"),
    person("both", "validator", "approver", group="board"),
    person("nogroup", "validator", "approver"),
    person("gone", "validator", "approver", is_active=False),
    person("op", "operator"),
    Person("bot", "service", frozenset({"approver", "validator"}), "", (), "amy", is_active=True, added_at=NOW),
)
WORK = (Authorship("dev@x.example", "commit", "1a2b3c"),)


def sign(person_id, role, *, meaning="", days_ago=1, lasts=30, subject=("flights-late", 2, "nyc"), is_self=False, number="", **names):
    at = NOW - days_ago * DAY
    number = number or f"{person_id}-{role}-{meaning}-{days_ago}"
    meaning = meaning or MEANING[role]
    return SignOff(number, *subject, person_id, role, meaning, DIGESTS | names, "key", at, at + lasts * DAY, {"payload": ""}, is_self)


VAL, APP, AMY = sign("val", "validator"), sign("app", "approver"), sign("amy", "approver")


def judge(*sign_offs, rule=TIER[2], **facts):
    asked = {"digests": DIGESTS, "people": PEOPLE, "authorships": WORK, "now": NOW, "model": "flights-late", "version": 2, "slot": "nyc"}
    standing = {sign_off.sign_off_id: Standing() for sign_off in sign_offs} | facts.pop("standing", {})
    return judge_quorum(sign_offs, rule, standing=standing, **(asked | facts))


def reason(quorum):
    (barred,) = quorum.barred
    return barred.reason


@pytest.mark.parametrize(
    ("tier", "given", "cosigned", "missing"),
    [
        (4, [], 0, ()),
        (3, [], 0, ("1 approver",)),
        (3, [VAL], 0, ("1 approver",)),
        (3, [APP], 0, ()),
        (2, [], 0, ("1 validator", "1 approver")),
        (2, [APP, AMY], 0, ("1 validator",)),
        (2, [VAL, APP], 0, ()),
        (1, [], 0, ("1 validator", "2 approvers", "1 witness")),
        (1, [VAL, APP, AMY], 0, ("1 witness",)),
        (1, [VAL, APP], 1, ("1 approver",)),
        (1, [VAL, APP, AMY], 1, ()),
    ],
)
def test_each_tier_says_in_words_what_it_still_needs(tier, given, cosigned, missing):
    quorum = judge(*given, rule=TIER[tier], cosigned=cosigned)
    assert quorum.missing == missing
    assert quorum.is_met == (not missing)


def test_a_changed_digest_voids_a_sign_off_and_shows_which_from_what_to_what():
    quorum = judge(VAL, sign("app", "approver", bundle=OTHER, policy=OTHER))
    (void,) = quorum.void
    assert [(change.name, change.before, change.after) for change in void.changes] == [
        ("bundle", OTHER, DIGESTS["bundle"]),
        ("policy", OTHER, DIGESTS["policy"]),
    ]
    assert quorum.missing == ("1 approver",)
    assert not quorum.barred


def test_a_run_again_with_the_same_digests_keeps_it():
    assert judge(VAL, APP, digests=dict(DIGESTS), now=NOW + 5 * DAY).is_met


def test_a_sign_off_ends_with_its_own_date_or_the_tiers_days_whichever_is_first():
    assert judge(VAL, APP, now=NOW + 29 * DAY - timedelta(microseconds=1)).is_met
    ended = judge(VAL, APP, now=NOW + 29 * DAY)
    assert ended.expired == (APP, VAL)
    assert ended.missing == ("1 validator", "1 approver")
    long = sign("app", "approver", days_ago=180, lasts=100_000), sign("val", "validator", days_ago=179, lasts=100_000)
    assert judge(*long).expired == long[:1]


def test_the_author_is_barred_and_told_why_and_a_self_approval_counts_only_where_the_tier_allows_and_is_flagged():
    own = sign("dev", "approver")
    quorum = judge(VAL, own)
    assert reason(quorum) == "dev wrote commit 1a2b3c in flights-late@2's lineage (as dev@x.example); tier 2 allows no self-approval"
    assert not quorum.is_met
    allowed = judge(VAL, own, rule=replace(TIER[2], self_approval=True))
    assert allowed.is_met
    assert allowed.self_approved == ("dev",)
    earlier = sign("dev", "approver", days_ago=2)
    better = judge(VAL, earlier, APP, rule=replace(TIER[2], self_approval=True))
    assert (better.self_approved, better.spare) == ((), (earlier,))


def test_a_sign_off_that_was_given_as_a_self_approval_stays_one_when_the_lineage_no_longer_shows_it():
    own = sign("dev", "approver", is_self=True)
    assert reason(judge(VAL, own, authorships=())) == "it was given as a self-approval; tier 2 allows no self-approval"
    assert judge(VAL, own, authorships=(), rule=replace(TIER[2], self_approval=True)).self_approved == ("dev",)


def test_the_owner_of_a_service_in_the_lineage_is_an_author():
    quorum = judge(VAL, AMY, authorships=(Authorship("bot", "run", "r-7"),))
    assert reason(quorum).startswith("amy started run r-7 in flights-late@2's lineage (through bot);")


@pytest.mark.parametrize(
    ("sign_off", "why"),
    [
        (sign("zoe", "approver"), "nobody is known by the name 'zoe'"),
        (sign("bot", "approver"), "bot is a service; a sign-off is a person's own"),
        (sign("gone", "approver"), "gone is no longer active"),
        (sign("val", "approver"), "val does not hold the role approver now"),
        (sign("op", "validator"), "op does not hold the role validator now"),
        (sign("amy", "approver", subject=("flights-late", 3, "nyc")), "it is about flights-late@3 in slot nyc"),
        (sign("amy", "approver", subject=("flights-late", 2, "sfo")), "it is about flights-late@2 in slot sfo"),
        (sign("amy", "approver", days_ago=-1), "it is dated 2026-11-26T14:00:00.000000Z, after now"),
    ],
)
def test_a_sign_off_that_does_not_count_is_barred_with_the_reason(sign_off, why):
    quorum = judge(VAL, sign_off)
    assert reason(quorum) == why
    assert quorum.missing == ("1 approver",)


def test_one_person_fills_one_place_in_tier_2_and_both_kinds_in_tier_3():
    pair = sign("both", "validator"), sign("both", "approver")
    assert judge(*pair).missing == ("1 approver",)
    assert judge(*pair, APP).is_met
    assert judge(*pair, VAL).is_met
    assert judge(*pair, rule=replace(TIER[3], validators=1)).is_met
    again = sign("both", "approver", days_ago=2)
    assert judge(*pair, again, rule=replace(TIER[3], approvers=2)).missing == ("1 approver",)


def test_whoever_may_sit_on_either_side_is_put_where_it_is_needed():
    both_ways = sign("both", "validator"), sign("both", "approver"), sign("nogroup", "validator"), sign("nogroup", "approver")
    assert judge(*both_ways).is_met
    assert judge(*both_ways, VAL, rule=replace(TIER[2], approvers=2)).is_met
    assert judge(*both_ways, APP, rule=replace(TIER[2], validators=2)).is_met
    assert judge(*both_ways, rule=replace(TIER[2], approvers=2)).missing == ("1 approver",)


def test_distinct_groups_ask_for_one_of_each_group_and_for_a_known_one():
    rule = replace(TIER[2], distinct_groups=True)
    assert judge(VAL, APP, rule=rule).missing == ("1 approver of another group",)
    assert judge(VAL, AMY, rule=rule).is_met
    assert judge(rule=rule).missing == ("1 validator of a known group", "1 approver of a known group")
    assert judge(VAL, rule=replace(rule, approvers=2)).missing == ("2 approvers of different groups",)
    nameless = judge(VAL, sign("nogroup", "approver"), rule=rule)
    assert reason(nameless) == "nogroup has no known reporting group; tier 2 asks for distinct groups"
    spelled = [replace(found, group=" RISK ") if found.person_id == "amy" else found for found in PEOPLE]
    assert judge(VAL, AMY, rule=rule, people=spelled).missing == ("1 approver of another group",)


def test_a_rejection_stands_against_any_number_of_approvals_until_its_person_judges_otherwise():
    no = sign("both", "approver", meaning="rejected", days_ago=3)
    blocked = judge(VAL, APP, AMY, no)
    assert (blocked.missing, blocked.rejections) == (("withdrawal of both's rejection",), (no,))
    assert judge(VAL, APP, no, sign("both", "validator", days_ago=2)).is_met
    assert judge(VAL, APP, sign("both", "validator", days_ago=4), no).missing == ("withdrawal of both's rejection",)
    at_once = sign("both", "validator", days_ago=3)
    assert not judge(VAL, APP, no, at_once).is_met
    assert not judge(VAL, APP, no, sign("both", "validator", days_ago=-1)).is_met
    assert not judge(VAL, APP, no, sign("both", "approver", meaning="accepted-risk")).is_met
    assert not judge(no, rule=TIER[4]).is_met


def test_a_rejection_does_not_lapse_with_time_role_or_account_but_with_the_digests():
    no = sign("both", "approver", meaning="rejected", days_ago=200, lasts=1)
    without = [found for found in PEOPLE if found.person_id != "both"]
    assert judge(VAL, APP, no, people=without).missing == ("withdrawal of both's rejection",)
    assert judge(VAL, APP, replace(no, at=NOW + DAY, expires_at=NOW + 2 * DAY)).rejections != ()
    old = sign("both", "approver", meaning="rejected", evidence=OTHER)
    assert judge(VAL, APP, old).is_met
    elsewhere = sign("both", "approver", meaning="rejected", subject=("flights-late", 2, "sfo"))
    assert judge(VAL, APP, elsewhere).is_met


def test_an_accepted_risk_stands_beside_and_fills_no_place():
    risk = sign("amy", "approver", meaning="accepted-risk")
    quorum = judge(VAL, risk)
    assert (quorum.accepted_risks, quorum.missing, quorum.given) == ((risk,), ("1 approver",), (VAL,))
    own = sign("dev", "approver", meaning="accepted-risk")
    assert judge(VAL, APP, own).accepted_risks == ()


def test_a_roll_back_is_judged_by_its_own_count():
    assert judge(rule=TIER[1].for_roll_back()).is_met
    assert judge(rule=replace(TIER[1], roll_back_approvals=1).for_roll_back()).missing == ("1 approver",)


def test_malformed_questions_are_errors():
    with pytest.raises(InvalidInput, match="exactly bundle, evidence, policy, tier"):
        judge(VAL, digests={"bundle": OTHER})
    with pytest.raises(InvalidInput, match="is not a digest"):
        judge(VAL, digests=DIGESTS | {"tier": "md5:0"})
    with pytest.raises(InvalidInput, match="stands twice"):
        judge(VAL, VAL)
    with pytest.raises(InvalidInput, match="no zone"):
        judge(VAL, now=NOW.replace(tzinfo=None))
    with pytest.raises(InvalidInput, match="would name both"):
        judge(VAL, people=(*PEOPLE, person("mallory", aliases=["val"])))


@pytest.mark.parametrize(
    "facts",
    [
        {"version": 0}, {"version": 2**60}, {"model": ""}, {"slot": "a\nb"}, {"person_id": "Ann"}, {"role": "admin"},
        {"role": "validator", "meaning": "approved"}, {"role": "validator", "meaning": "accepted-risk"}, {"meaning": "validated"},
        {"meaning": "maybe"}, {"names": {}}, {"names": DIGESTS | {"extra": OTHER}}, {"names": DIGESTS | {"tier": ""}},
        {"expires_at": APP.at},        {"at": NOW.replace(tzinfo=None)},
    ],
)  # fmt: skip
def test_a_malformed_sign_off_is_refused(facts):
    with pytest.raises(InvalidInput):
        replace(APP, **facts)


def test_the_document_of_a_quorum_names_sign_offs_by_id_and_tells_why_each_does_not_count():
    document = judge(VAL, sign("dev", "approver", number="s-1"), sign("amy", "approver", tier=OTHER, number="s-2")).to_json()
    assert document["is_met"] is False
    assert document["given"] == [VAL.sign_off_id]
    assert document["missing"] == ["1 approver"]
    assert document["void"] == [{"sign_off_id": "s-2", "changes": [{"name": "tier", "from": OTHER, "to": DIGESTS["tier"]}]}]
    assert [barred["sign_off_id"] for barred in document["barred"]] == ["s-1"]


BOUND = Voucher("dev@x.example", "bound the key k of app")
PROVEN = {VAL.sign_off_id: Standing((Voucher("op", "made val known"),)), APP.sign_off_id: Standing((BOUND,))}


def test_whoever_stands_on_an_authors_word_is_barred_and_where_self_approval_is_allowed_it_is_flagged():
    quorum = judge(VAL, APP, standing=PROVEN)
    assert reason(quorum) == "dev@x.example bound the key k of app, and had a hand in flights-late@2; tier 2 allows no self-approval"
    assert quorum.missing == ("1 approver",)
    allowed = judge(VAL, APP, standing=PROVEN, rule=replace(TIER[2], self_approval=True))
    assert (allowed.is_met, allowed.self_approved) == (True, ("app",))
    assert judge(VAL, APP, standing=PROVEN, authorships=()).is_met, "the word of somebody without a hand in it is good"
    owned = {APP.sign_off_id: Standing((Voucher("bot", "bound the key k of app"),))}
    assert judge(VAL, APP, standing=owned, authorships=(Authorship("amy", "run", "r-1"),)).missing == ("1 approver",), "through a service"


def test_a_signature_that_does_not_hold_fills_no_place_and_takes_no_rejection_back():
    faulty = {APP.sign_off_id: Standing((), "it is not signed with the key that is bound to app")}
    quorum = judge(VAL, APP, standing=faulty, rule=replace(TIER[2], self_approval=True))
    assert (reason(quorum), quorum.missing) == ("it is not signed with the key that is bound to app", ("1 approver",))
    rejected = sign("app", "approver", meaning="rejected", days_ago=2)
    assert not judge(VAL, rejected, APP).rejections
    assert judge(VAL, rejected, APP, standing=faulty).rejections == (rejected,)
    assert judge(VAL, AMY, rejected, standing={rejected.sign_off_id: Standing((), "forged")}).rejections == (rejected,), "on the safe side"


def test_one_that_nobody_verified_counts_for_nothing():
    asked = {"digests": DIGESTS, "people": PEOPLE, "authorships": WORK, "now": NOW, "model": "flights-late", "version": 2, "slot": "nyc"}
    quorum = judge_quorum([VAL, APP], TIER[2], standing={VAL.sign_off_id: Standing()}, **asked)
    assert (reason(quorum), quorum.missing) == ("its signature was not verified", ("1 approver",))


def test_an_admin_fills_no_place_unless_the_tier_allows_self_approval():
    people = [replace(found, roles=found.roles | {"admin"}) if found.person_id == "app" else found for found in PEOPLE]
    quorum = judge(VAL, APP, people=people)
    assert reason(quorum).startswith("app is an admin, who hands out the identities of those who sign")
    assert quorum.missing == ("1 approver",)
    assert judge(VAL, APP, people=people, rule=replace(TIER[2], self_approval=True)).is_met


@pytest.mark.parametrize(
    ("rule", "given", "missing"),
    [
        (TIER[1], [], ("1 validator", "2 approvers")),  # witnesses saw the promotion, and are not asked again
        (TIER[1], [VAL, APP, AMY], ()),
        (TIER[1], [VAL, APP], ("1 approver",)),
        (TIER[2], [sign("gone", "validator"), sign("nobody", "approver")], ()),  # who left since had signed
        (TIER[2], [sign("both", "validator"), sign("both", "approver")], ("1 approver",)),
        (replace(TIER[3], validators=1), [sign("both", "validator"), sign("both", "approver")], ()),
        (TIER[3], [sign("app", "approver", days_ago=30)], ("1 approver",)),
        (replace(TIER[3], valid_days=5), [sign("app", "approver", days_ago=5)], ("1 approver",)),
        (replace(TIER[3], valid_days=5), [sign("app", "approver", days_ago=4)], ()),
        (TIER[3], [sign("dev", "approver", is_self=True)], ("1 approver",)),
        (replace(TIER[3], self_approval=True), [sign("dev", "approver", is_self=True)], ()),
        (replace(TIER[2], distinct_groups=True), [VAL, APP], ("1 approver of another group",)),
        (replace(TIER[2], distinct_groups=True), [VAL, sign("nogroup", "approver")], ("1 approver of another group",)),
        (replace(TIER[2], distinct_groups=True), [VAL, AMY], ()),
        (TIER[3], [sign("app", "approver", meaning="accepted-risk")], ("1 approver",)),
    ],
)
def test_what_made_a_quorum_once_is_held_to_what_is_asked_for_now(rule, given, missing):
    assert find_missing(given, rule, people=PEOPLE, now=NOW) == missing
