"""What a promotion and a roll-back must rest on: a history by hand that is sound, and every way in which one entry of it can lie."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.governance.tier import DEFAULT_TIER_POLICY
from incumbent.ledger.entry import Actor, Draft, ObjectRef, encode_entry
from incumbent.registry.grounds import Grounds, tell_asks

AT = datetime(2013, 3, 1, 12, tzinfo=UTC)
D = {name: "sha256:" + str(place) * 64 for place, name in enumerate(("bundle", "evidence", "policy", "tier", "person", "other"), 1)}
NAMES = {name: D[name] for name in ("bundle", "evidence", "policy", "tier")}
ABOUT = {"model": "m", "version": 1, "slot": "s", "expires_at": (AT + timedelta(days=30)).isoformat()}


def draft(act, kind, name, digest=None, *, actor="ann", after="", refs=()):
    return Draft(act, ObjectRef(kind, name, digest), Actor(actor), refs=dict(refs), after=after)


def history():
    """Return (drafts, documents): a version of tier 2 that is promoted, left, approved anew, and gone back to."""
    drafts = [
        draft("add-person", "person", "ann", D["person"]),
        draft("assess-tier", "tier", "m", D["other"], after="2"),
        draft("set-policy", "policy", "m", D["policy"]),
        draft("evaluate", "evidence", "e", D["evidence"], after="passed",
              refs={"bundle": D["bundle"], "policy": D["policy"], "policy-entry": "2"}),
        draft("validate", "sign-off", "v", D["other"], actor="vera", after="validated", refs=NAMES),
        draft("approve", "sign-off", "o", D["other"], actor="omar", after="approved", refs=NAMES),
        draft("promote", "placement", "s m@1", D["bundle"], after="Production",
              refs={**NAMES, "evidence-entry": "3", "policy-entry": "2", "tier-name": "2", "tier-asks": "validators=1 approvers=1",
                    "sign-off-1": "4", "sign-off-2": "5"}),
        draft("supersede", "placement", "s m@1", D["bundle"], after="Archived"),
        draft("approve", "sign-off", "p", D["other"], actor="petra", after="approved", refs=NAMES),
        draft("roll-back", "placement", "s m@1", D["bundle"], after="Production",
              refs={"bundle": D["bundle"], "promotion": "6", "sign-off-1": "8"}),
    ]  # fmt: skip
    documents = {3: (D["evidence"], ABOUT), 4: (D["other"], ABOUT), 5: (D["other"], ABOUT), 8: (D["other"], ABOUT)}
    return drafts, documents


def judge(drafts, documents=None, live=()):
    grounds = Grounds(documents or {}, {"s": set(live)} if live else {})
    found = []
    for seq, one in enumerate(drafts):
        found += grounds.read(encode_entry(one, log="l", tenant="default", seq=seq, at=AT + timedelta(seconds=seq)))
    return found + grounds.finish()


def change(drafts, seq, *, refs=None, without=(), **fields):
    changed = list(drafts)
    named = {name: value for name, value in {**drafts[seq].refs, **(refs or {})}.items() if name not in without}
    changed[seq] = replace(drafts[seq], refs=named, **fields)
    return changed


def test_a_sound_history_contradicts_nothing_with_its_documents_or_without():
    drafts, documents = history()
    assert judge(drafts, documents) == []
    assert judge(drafts) == []


ONE_EACH = "validators=1 approvers=1"
PROMOTION = "entry 6 (promote) puts m@1 into Production of slot s, and "
ROLL_BACK = "entry 9 (roll-back) puts m@1 into Production of slot s, and "
LIES = {
    "no evidence": (lambda d: change(d, 6, without=["evidence-entry"]), "its evidence, entry none, is no earlier evaluation"),
    "evidence that is none": (lambda d: change(d, 6, refs={"evidence-entry": "5"}), "its evidence, entry 5, is no earlier evaluation"),
    "evidence to come": (lambda d: change(d, 6, refs={"evidence-entry": "60"}), "its evidence, entry 60, is no earlier evaluation"),
    "evidence in words": (lambda d: change(d, 6, refs={"evidence-entry": "³"}), "its evidence, entry ³, is no earlier evaluation"),
    "evidence that failed": (lambda d: change(d, 3, after="failed"), "its evidence, entry 3, says failed, not passed"),
    "evidence by another policy": (
        lambda d: change(d, 3, refs={"policy": D["other"]}), "its evidence, entry 3, was judged by another policy"),
    "evidence on another bundle": (lambda d: change(d, 3, refs={"bundle": D["other"]}), "its evidence, entry 3, is about another bundle"),
    "no policy": (lambda d: change(d, 6, without=["policy-entry"]), "it names no policy's entry, though m had a policy of its own"),
    "a policy that is none": (lambda d: change(d, 6, refs={"policy-entry": "1"}), "its policy, entry 1, is no earlier policy"),
    "a policy of after the result": (
        lambda d: [*d[:2], d[3], d[2], *d[4:6], change(d, 6, refs={"evidence-entry": "2", "policy-entry": "3"})[6]],
        "its policy, entry 3, was set after the evidence"),
    "a policy no more in force": (
        lambda d: change(d, 1, act="set-policy", object=ObjectRef("policy", "m", D["policy"])) and [
            *d[:5], draft("set-policy", "policy", "m", D["other"]), change(d, 6, without=["sign-off-1"], refs={"sign-off-2": "4"})[6]],
        "its policy, entry 2, was not in force any more"),
    "a sign-off that is none": (lambda d: change(d, 6, refs={"sign-off-2": "1"}), "its sign-off-2, entry 1, is no earlier sign-off"),
    "a sign-off twice": (lambda d: change(d, 6, refs={"sign-off-2": "4"}), "its sign-off-2, entry 4, is named twice"),
    "a sign-off of another tier": (lambda d: change(d, 5, refs={"tier": D["other"]}), "its sign-off-2, entry 5, names another tier"),
    "a sign-off of other evidence and policy": (
        lambda d: change(d, 4, refs={"evidence": D["other"], "policy": D["other"]}),
        "its sign-off-1, entry 4, names another evidence and another policy"),
    "a rejection for a sign-off": (lambda d: change(d, 5, after="rejected"), "its sign-off-2, entry 5, says rejected"),
    "a rejection passed over": (lambda d: change(d, 5, after="rejected"), "omar had rejected exactly this"),
    "a missing approver": (
        lambda d: change(d, 6, without=["sign-off-2"]),
        f"1 validated and 0 approved, 1 people in all, where tier 2 asked for {ONE_EACH}"),
    "one person in both seats": (
        lambda d: change(d, 5, actor=Actor("vera")),
        f"1 validated and 1 approved, 1 people in all, where tier 2 asked for {ONE_EACH}"),
    "a lower tier": (
        lambda d: change(d, 6, refs={"tier-name": "4"}), "it is held to tier 4, where the assessments before it give tier 2"),
    "a tier that asks for less": (
        lambda d: change(d, 6, refs={"tier-asks": "validators=0 approvers=0"}),
        "it says that its tier asks for validators=0 approvers=0, where the tier policy said validators=1 approvers=1"),
    "nothing at all": (
        lambda d: change(d, 6, without=d[6].refs), "it names nothing that it rests on, though there are people who could have signed"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_each_lie_of_a_promotion_is_named(lie):
    tell, told = LIES[lie]
    drafts, documents = history()
    assert PROMOTION + told in judge(tell(drafts)[:7], documents)


WAYS = {
    "no promotion": (lambda d: change(d, 9, without=["promotion"]), "it does not name the promotion that it goes back to, entry 6"),
    "another promotion": (
        lambda d: change(d, 9, refs={"promotion": "7"}), "entry 7, which it goes back to, never put this version into Production there"),
    "a sign-off that is none": (lambda d: change(d, 9, refs={"sign-off-1": "0"}), "its sign-off-1, entry 0, is no earlier sign-off"),
    "a sign-off on another bundle": (lambda d: change(d, 8, refs={"bundle": D["other"]}), "its sign-off-1, entry 8, names another bundle"),
    "another bundle": (lambda d: change(d, 9, refs={"bundle": D["other"]}), "it names another bundle than the version's"),
}  # fmt: skip


@pytest.mark.parametrize("lie", WAYS)
def test_each_lie_of_a_roll_back_is_named(lie):
    tell, told = WAYS[lie]
    drafts, documents = history()
    assert ROLL_BACK + told in judge(tell(drafts), documents)


@given(st.data())
def test_no_ref_of_a_promotion_can_be_taken_away_or_swapped_unseen(data):
    drafts, documents = history()
    name = data.draw(st.sampled_from(sorted(set(drafts[6].refs) - {"tier-asks"})))
    other = data.draw(st.sampled_from([value for value in (*D.values(), "0", "1", "9") if value != drafts[6].refs[name]]))
    assert judge(change(drafts, 6, refs={name: other}), documents)
    assert judge(change(drafts, 6, without=[name]), documents)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"slot": "t"}, "its evidence, entry 3, is about t m@1"),
        ({"version": 2}, "its evidence, entry 3, is about s m@2"),
        ({"model": "n"}, "its evidence, entry 3, is about s n@1"),
        ({"expires_at": AT.isoformat()}, "its evidence, entry 3, had expired"),
        ({"expires_at": "soon"}, "its evidence, entry 3, had expired"),
    ],
)
def test_a_document_about_something_else_or_expired_is_named_and_one_that_was_swapped_is_not_believed(fields, told):
    drafts, documents = history()
    changed = {**ABOUT, **fields}
    assert judge(drafts[:7], {**documents, 3: (D["evidence"], changed)}) == [PROMOTION + told]
    assert judge(drafts[:7], {**documents, 4: (D["other"], changed)}) == [
        PROMOTION + told.replace("evidence, entry 3", "sign-off-1, entry 4")
    ]
    assert judge(drafts[:7], {**documents, 3: (D["other"], changed)}) == [], "its entry names another document"


def test_what_went_live_before_anybody_was_known_may_rest_on_nothing():
    drafts, _ = history()
    assert judge(change(drafts[:7], 6, without=drafts[6].refs)[1:]) == []
    alone = [draft("evaluate", "evidence", "e", D["evidence"], after="passed", refs={"bundle": D["bundle"], "policy": D["policy"]}),
             draft("promote", "placement", "s m@1", D["bundle"], after="Production",
                   refs={**NAMES, "evidence-entry": "0", "tier-name": "4, not assessed"})]  # fmt: skip
    assert judge(alone) == []
    [lie] = judge([drafts[0], *change(alone, 1, refs={"evidence-entry": "1"})])[:1]
    assert "held to tier 4, where the assessments before it give tier 2" in lie, (
        "afterwards not: nobody assessed it, so it counts as tier 2"
    )


def test_the_tier_of_a_slot_counts_from_the_entries_on_that_say_what_it_asks():
    drafts, documents = history()
    # Entry 1 assesses another model that was live in the slot; m itself is not assessed, so it is of tier 2.
    changed = [drafts[0], draft("assess-tier", "tier", "strict", D["other"], after="1"), *drafts[2:7]]
    assert PROMOTION + "it is held to tier 2, where the assessments before it give tier 1" in judge(changed, documents, live=["strict"])
    assert judge(change(changed, 6, without=["tier-asks"]), documents, live=["strict"]) == [], "an entry of before: its own model's tier"


def test_a_tier_policy_that_was_set_is_what_counts():
    drafts, documents = history()
    strict = DEFAULT_TIER_POLICY.to_json()
    strict["tiers"] = [{**rule, "roll_back_approvals": 2 if rule["tier"] < 3 else 0} for rule in strict["tiers"]]
    changed = [draft("set-tiers", "tiers", "tiers", D["tier"]), *drafts[1:]]
    known = {**documents, 0: (D["tier"], strict)}
    assert judge(changed, known) == [ROLL_BACK + "1 people approved it since the version was left, where tier 2 asked for 2"]
    assert judge(change(changed, 9, act="break-glass"), known) == ["entry 9 breaks the glass of s, and no finding was opened about it"]
    cause = draft("open-finding", "finding", "f", D["other"], refs={"cause": "9"})
    assert judge([*change(changed, 9, act="break-glass"), cause], known) == []


@pytest.mark.parametrize("subject", ["m", "s"])
def test_an_open_finding_that_blocks_is_named_and_a_closed_one_is_not(subject):
    drafts, documents = history()
    body = {"blocks_promotion": True, "subject": subject}
    opened = change(drafts[:7], 0, act="open-finding", object=ObjectRef("finding", "f", D["person"]))
    known = {**documents, 0: (D["person"], body)}
    assert judge(opened, known) == [PROMOTION + f"f was open on {subject}, and blocks"]
    assert judge(opened, {0: (D["person"], {**body, "subject": "x"})}) == []
    closing = draft("close-finding", "finding", "f", D["other"])
    closed = [opened[0], closing, *opened[2:]]  # m is then not assessed, and counts as tier 4 where nobody is known
    assert not [problem for problem in judge(closed, known) if "blocks" in problem]


def test_a_version_from_before_the_ledger_is_gone_back_to_without_a_promotion():
    drafts, _ = history()
    back = draft("roll-back", "placement", "s m@1", D["bundle"], after="Production", refs={"bundle": D["bundle"]})
    assert judge([drafts[0], back]) == []
    again = [drafts[0], back, drafts[7], replace(back, refs={"bundle": D["bundle"], "promotion": "1"})]
    assert judge(again) == [], "the first way back stands for its promotion"


@pytest.mark.parametrize("tier", [1, 2, 3, 4])
def test_the_default_tiers_ask_what_the_documentation_says(tier):
    asked = {1: (1, 2), 2: (1, 1), 3: (0, 1), 4: (0, 0)}[tier]
    assert tell_asks(DEFAULT_TIER_POLICY.rule_of(tier)) == "validators={} approvers={}".format(*asked)
