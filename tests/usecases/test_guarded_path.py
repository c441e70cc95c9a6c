"""The way to production: evidence, sign-offs, promotion, roll-back; and everything that is refused on it, and recorded."""

import pytest

from incumbent.base.errors import Conflict, Corrupt, InvalidInput, NotFound, Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.archive import archive
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.holdouts import list_holdouts, register_holdout
from incumbent.usecases.ledger_log import list_entries
from incumbent.usecases.live import get_live
from incumbent.usecases.people import add_person, change_person
from incumbent.usecases.person_keys import revoke_key
from incumbent.usecases.policies import list_policies, set_policy
from incumbent.usecases.promote import check_promotion, promote
from incumbent.usecases.propose import propose
from incumbent.usecases.roll_back import roll_back
from incumbent.usecases.sign_off import sign_off
from incumbent.usecases.tiers import assess_tier, set_tiers
from office import LAX, MODEL, POLICY, SLOT, as_actor, go_live, make_rows, open_office, prepare, register_factor, sign_all

WHO = {"model": MODEL, "slot": SLOT}


@pytest.fixture
def ws(tmp_path):
    (tmp_path / "project").mkdir()
    opened = open_workspace(read_settings(tmp_path / "project", {"INCUMBENT_KEYS": str(tmp_path / "keys")}))
    yield opened
    opened.store.close()


@pytest.fixture
def host(ws):
    opened = open_model_host(ws)
    yield opened
    opened.close()


@pytest.fixture
def office(ws):
    return open_office(ws)


@pytest.fixture
def bundles(tmp_path):
    (tmp_path / "bundles").mkdir()
    return tmp_path / "bundles"


def acts(ws, name=None):
    with ws.store.begin(read_only=True) as tx:
        return [(entry.draft.act, entry.draft.actor.actor_id) for entry in reversed(tx.ledger.find(object_name=name, limit=500))]


def refusals(ws):
    with ws.store.begin(read_only=True) as tx:
        return [(entry.draft.after, entry.draft.actor.actor_id, entry.draft.reason) for entry in tx.ledger.find(act="refuse", limit=500)]


def test_a_version_goes_live_on_evidence_and_sign_offs_and_one_query_tells_it_all(ws, office, host, bundles):
    first = prepare(office, bundles)
    done = go_live(office, host, 1)
    found = get_live(ws, SLOT)
    assert (found.live.version, found.live.actor, found.version.bundle) == (1, "olga", first.bundle)
    assert {(a.person, a.act) for a in found.basis.approvals} == {("vera", "validate"), ("omar", "approve")}
    assert (found.basis.evidence, found.basis.verdict, found.basis.tier) == (done.readiness.evidence.digest, "passed", "2")
    assert (found.roll_back_to, found.basis.entry) == (None, done.placement.seq)
    assert acts(ws, "version double@1") == [("register", "ann")]
    assert acts(ws, f"placement {SLOT} double@1") == [("propose", "ann"), ("promote", "olga")]


def test_a_better_challenger_takes_the_place_and_a_roll_back_gives_it_back(ws, office, host, bundles):
    prepare(office, bundles)
    go_live(office, host, 1)
    register_factor(office["ann"], bundles, 2.0)
    done = go_live(office, host, 2)
    assert (done.superseded.version, get_live(ws, SLOT).roll_back_to) == (1, (MODEL, 1))
    back = roll_back(office["olga"], slot=SLOT, reason="complaints")
    assert (back.version.version, back.left.version, back.finding) == (1, 2, "")
    now = get_live(ws, SLOT)
    assert (now.live.version, now.basis.act, now.roll_back_to) == (1, "roll-back", None)
    assert {a.person for a in now.basis.approvals} == {"vera", "omar"}, "it rests on its own promotion"
    then = get_live(ws, SLOT, done.placement.since_at)
    assert then.live.version == 2


def test_a_challenger_that_is_no_better_is_kept_out_with_its_numbers(ws, office, host, bundles):
    prepare(office, bundles)
    go_live(office, host, 1)
    register_factor(office["ann"], bundles, 1.49)
    found = evaluate(office["rita"], host, **WHO, version=2)
    assert found.verdict.outcome == "failed"
    [primary] = [result for result in found.verdict.results if result.rule == "primary mae"]
    # |1.49 x - 2 x| against |1.5 x - 2 x| over x = 0 … 3.99: worse by 0.01 * 1.995 on average, but for the noise.
    assert primary.estimate == pytest.approx(-0.01 * 1.995, abs=0.002)
    with pytest.raises(Refused, match="the gate says failed: primary mae"):
        promote(office["olga"], **WHO, version=2, reason="hope")
    assert get_live(ws, SLOT).live.version == 1


def test_a_winner_that_breaks_a_guardrail_is_kept_out(ws, office, host, bundles):
    prepare(office, bundles, policy=POLICY.replace("ceiling = 5000.0", "ceiling = 0.0001"))
    found = evaluate(office["rita"], host, **WHO, version=1)
    outcomes = {result.rule: result.outcome for result in found.verdict.results}
    assert (found.verdict.outcome, outcomes["guardrail p99_latency_ms"], outcomes["primary mae"]) == ("failed", "failed", "passed")
    with pytest.raises(Refused, match="guardrail p99_latency_ms"):
        promote(office["olga"], **WHO, version=1, reason="fast enough for me")


def test_an_author_cannot_approve_their_own_work_under_any_account(ws, office, host, bundles):
    prepare(office, bundles)
    evaluate(office["rita"], host, **WHO, version=1)
    with pytest.raises(Refused, match="ann may not approve: ann"):
        sign_off(office["ann"], **WHO, version=1, capacity="approver")
    with pytest.raises(Refused, match="ann may not approve"):
        sign_off(as_actor(ws, "ann@example.com"), **WHO, version=1, capacity="approver")
    with pytest.raises(Refused, match=r"rita set policy of double"):
        sign_off(office["rita"], **WHO, version=1, capacity="validator")
    assert [(act, who) for act, who, _ in refusals(ws)] == [("validate", "rita"), ("approve", "ann"), ("approve", "ann")]


def test_a_service_counts_as_its_owner(ws, office, host, bundles):
    add_person(office["ada"], person="nightly", name="Nightly", roles=["service", "developer"], kind="service", owner="omar")
    prepare(office, bundles)
    register_factor(as_actor(ws, "nightly"), bundles, 2.0)
    evaluate(office["rita"], host, **WHO, version=2)
    with pytest.raises(Refused, match=r"omar may not approve: omar .* \(through nightly\)"):
        sign_off(office["omar"], **WHO, version=2, capacity="approver")


@pytest.mark.parametrize(
    ("who", "act", "words"),
    [
        ("ann", lambda ws: promote(ws, **WHO, version=1, reason="x"), "promote is for the role operator"),
        ("olga", lambda ws: sign_off(ws, **WHO, version=1, capacity="approver"), "approve is for the role approver"),
        ("omar", lambda ws: sign_off(ws, **WHO, version=1, capacity="validator"), "validate is for the role validator"),
        ("vera", lambda ws: add_person(ws, person="mallory", name="M", roles=["approver"]), "add-person is for the role admin"),
        ("ben", lambda ws: archive(ws, **WHO, version=1, reason="x"), "reject is for the role developer or validator or approver"),
        ("olga", lambda ws: set_policy(ws, target=MODEL, text=POLICY), "set-policy is for"),
        ("stranger", lambda ws: promote(ws, **WHO, version=1, reason="x"), "'stranger' is not registered here"),
        ("vera", lambda ws: set_tiers(ws, text=LAX), "set-tiers is for the role approver"),
    ],
)
def test_who_has_not_the_right_is_refused_and_the_attempt_is_on_record(ws, office, bundles, who, act, words):
    prepare(office, bundles)
    with pytest.raises(Refused, match=words):
        act(as_actor(ws, who))
    [(_, actor, reason)] = refusals(ws)
    assert actor == who
    assert words in reason
    assert get_live(ws, SLOT).live is None


def test_nothing_is_promoted_without_evidence_sign_offs_or_candidacy(ws, office, host, bundles):
    prepare(office, bundles)
    with pytest.raises(Refused, match="there is no evidence on double@1 for double/eu: `incumbent evaluate double@1 --slot double/eu`"):
        promote(office["olga"], **WHO, version=1, reason="x")
    with pytest.raises(Refused, match="no evidence on double@1"):
        sign_off(office["vera"], **WHO, version=1, capacity="validator")
    evaluate(office["rita"], host, **WHO, version=1)
    with pytest.raises(Refused, match=r"missing: 1 validator\n  - missing: 1 approver"):
        promote(office["olga"], **WHO, version=1, reason="x")
    sign_off(office["vera"], **WHO, version=1, capacity="validator")
    with pytest.raises(Refused, match=r":\n  - missing: 1 approver$"):
        promote(office["olga"], **WHO, version=1, reason="x")
    register_factor(office["ann"], bundles, 2.0, slot=None)
    with pytest.raises(Refused, match="double@2 is in status None, and None -> Production is no legal transition; from None: Staging"):
        promote(office["olga"], **WHO, version=2, reason="x")
    assert get_live(ws, SLOT).live is None


def test_a_changed_policy_voids_the_evidence_and_the_sign_offs(ws, office, host, bundles):
    prepare(office, bundles)
    evaluate(office["rita"], host, **WHO, version=1)
    sign_all(office, 1)
    assert check_promotion(ws, **WHO, version=1).problems == ()
    set_policy(office["rita"], target=MODEL, text=POLICY.replace("margin = 0.05", "margin = 0.01"))
    problems = check_promotion(ws, **WHO, version=1).problems
    assert "the gate policy (double) is not the one that double@1 was judged by" in problems[0]
    assert any(text.startswith("void: omar's sign-off of double@1: policy was sha256:") for text in problems)
    evaluate(office["rita"], host, **WHO, version=1)
    assert any("evidence was sha256:" in text for text in check_promotion(ws, **WHO, version=1).problems)


def test_an_approval_of_one_bundle_does_not_carry_over_to_another(ws, office, host, bundles):
    prepare(office, bundles)
    evaluate(office["rita"], host, **WHO, version=1)
    sign_all(office, 1)
    register_factor(office["ann"], bundles, 2.0)
    evaluate(office["rita"], host, **WHO, version=2)
    problems = check_promotion(ws, **WHO, version=2).problems
    assert any("void: omar's sign-off of double@1: it names bundle blake3:" in text for text in problems)
    with pytest.raises(Refused, match="missing: 1 approver"):
        promote(office["olga"], **WHO, version=2, reason="x")


def test_a_raised_tier_voids_what_was_signed_for_the_lower_one(ws, office, host, bundles):
    prepare(office, bundles)
    evaluate(office["rita"], host, **WHO, version=1)
    sign_all(office, 1)
    assess_tier(office["vera"], model=MODEL, exposure="high", purpose="high", inherent="high", reason="used for refunds now")
    problems = check_promotion(ws, **WHO, version=1).problems
    assert "missing: 2 approvers" in problems
    assert any("tier was sha256:" in text for text in problems)
    with pytest.raises(Refused, match="asks for less"):
        assess_tier(office["ann"], model=MODEL, exposure="low", purpose="low", inherent="low", reason="too strict")


def test_evidence_against_a_former_champion_does_not_count(ws, office, host, bundles):
    prepare(office, bundles)
    register_factor(office["ann"], bundles, 2.0)
    evaluate(office["rita"], host, **WHO, version=2)
    sign_all(office, 2)
    go_live(office, host, 1)
    with pytest.raises(Refused, match="double@2 was judged against an empty slot, and double@1 is champion now"):
        promote(office["olga"], **WHO, version=2, reason="x")


def test_a_rejection_stands_and_a_withdrawn_role_or_key_takes_the_sign_off_with_it(ws, office, host, bundles):
    prepare(office, bundles)
    evaluate(office["rita"], host, **WHO, version=1)
    sign_all(office, 1)
    with pytest.raises(InvalidInput, match="rejected needs a comment"):
        sign_off(office["petra"], **WHO, version=1, capacity="approver", meaning="rejected")
    sign_off(office["petra"], **WHO, version=1, capacity="approver", meaning="rejected", comment="no report on carriers")
    with pytest.raises(Refused, match="withdrawal of petra's rejection"):
        promote(office["olga"], **WHO, version=1, reason="x")
    sign_off(office["petra"], **WHO, version=1, capacity="approver")
    assert check_promotion(ws, **WHO, version=1).problems == ()
    change_person(office["ada"], person="vera", roles=["auditor"])
    with pytest.raises(Refused, match="vera does not hold the role validator now"):
        promote(office["olga"], **WHO, version=1, reason="x")


def test_a_revoked_key_signs_no_more(ws, office, host, bundles):
    prepare(office, bundles)
    evaluate(office["rita"], host, **WHO, version=1)
    key = sign_off(office["vera"], **WHO, version=1, capacity="validator").sign_off.key_id
    revoke_key(office["ada"], key=key, reason="laptop lost")
    with pytest.raises(Refused, match="vera has no key that is good"):
        sign_off(office["vera"], **WHO, version=1, capacity="validator")
    with pytest.raises(Refused, match="is revoked already"):
        revoke_key(office["ada"], key=key, reason="again")


def test_a_key_that_is_elsewhere_cannot_sign_here(ws, office, host, bundles, tmp_path):
    prepare(office, bundles)
    evaluate(office["rita"], host, **WHO, version=1)
    for path in (tmp_path / "keys").glob("vera.*"):
        path.unlink()
    with pytest.raises(NotFound, match="the keys of vera .* are not on this machine"):
        sign_off(office["vera"], **WHO, version=1, capacity="validator")


def test_a_bundle_whose_bytes_no_longer_match_is_neither_proposed_nor_promoted_and_both_are_on_record(ws, office, host, bundles):
    prepare(office, bundles)
    evaluate(office["rita"], host, **WHO, version=1)
    sign_all(office, 1)
    [blob] = [path for path in (ws.folder / "blobs").rglob("*") if path.is_file() and path.read_bytes() == b"1.5"]
    blob.chmod(0o600)
    blob.write_bytes(b"9.5")
    with pytest.raises(Corrupt):
        promote(office["olga"], **WHO, version=1, reason="x")
    assert get_live(ws, SLOT).live is None
    with pytest.raises(Corrupt):
        propose(office["ann"], model=MODEL, version=1, slot="double/us")
    tried = [(entry.draft.after, entry.draft.object.object_id) for entry in list_entries(ws, act="refuse")]
    assert tried[:2] == [("propose", "double/us double@1"), ("promote", "double/eu double@1")]


def test_a_holdout_is_frozen_counted_and_used_up(ws, office, host, bundles):
    first = prepare(office, bundles, policy=POLICY.replace("looks_max = 20", "looks_max = 2"))
    for _ in range(2):
        evaluate(office["rita"], host, **WHO, version=1)
    [holdout] = list_holdouts(ws)
    assert (holdout.looks, holdout.rows) == (2, 400)
    third = evaluate(office["rita"], host, **WHO, version=1)
    assert third.verdict.outcome == "failed"
    assert any("budget of holdout 'frozen' is used up" in result.reason for result in third.verdict.results)
    assert register_holdout(office["rita"], name="frozen", run=first.run_id, artifact="holdout").looks == 3, "the same data again"
    with pytest.raises(Conflict, match="is frozen; give the new data another name"):
        register_holdout(office["rita"], name="frozen", run=first.run_id, artifact="training")
    assert register_holdout(office["rita"], name="alias", run=first.run_id, artifact="holdout").looks == 3, "one budget for the same bytes"


def test_a_holdout_that_was_trained_on_is_refused(ws, office, host, bundles):
    prepare(office, bundles)
    register_factor(office["ann"], bundles, 2.0, training=make_rows(0, 3))
    with pytest.raises(Refused, match=r"3 of 400 rows of holdout frozen stand in the training data of double@2"):
        evaluate(office["rita"], host, **WHO, version=2)
    assert list_holdouts(ws)[0].looks == 0, "nothing was measured, so no look was spent"


def test_what_no_policy_can_mean_is_refused_and_changes_nothing(ws, office, bundles):
    prepare(office, bundles)
    before = list_policies(ws)
    for text in (
        "format = 1", POLICY.replace('"mae"', '"luck"'), POLICY.replace("margin = 0.05", "margin = 0.0"),
        POLICY.replace("margin = 0.05", "margin = nan"), POLICY.replace("ceiling", "floor"), "not toml [",
        POLICY.replace('"serves"', '"serves", "luck"'),
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            set_policy(office["rita"], target=MODEL, text=text)
    assert list_policies(ws) == before


def test_while_nobody_is_known_the_gate_still_stands_and_says_that_nobody_was_asked(ws, host, bundles):
    register_factor(ws, bundles, 2.0)
    with pytest.raises(Refused, match="there is no evidence"):
        promote(ws, **WHO, version=1, reason="x")
    found = evaluate(ws, host, **WHO, version=1)
    assert [(result.rule, result.outcome) for result in found.verdict.results] == [("test serves", "passed")]
    promote(ws, **WHO, version=1, reason="mine alone")
    assert get_live(ws, SLOT).basis.tier == "4, not assessed"
    register_factor(ws, bundles, 2.1)
    over = evaluate(ws, host, **WHO, version=2)
    assert over.verdict.outcome == "undecided"
    with pytest.raises(Refused, match="no policy says what better means"):
        promote(ws, **WHO, version=2, reason="x")
    with pytest.raises(Refused, match="nobody is registered here"):
        sign_off(ws, **WHO, version=2, capacity="approver")


def test_the_first_person_has_to_be_an_admin_and_keeps_their_account(ws):
    with pytest.raises(InvalidInput, match="the first person has to hold the role admin"):
        add_person(ws, person="ann", name="Ann", roles=["developer"])
    made = add_person(ws, person="ann", name="Ann", roles=["admin"])
    assert ws.actor in made.aliases
    with pytest.raises(InvalidInput, match="last active admin"):
        change_person(ws, person="ann", roles=["developer"])
    with pytest.raises(Conflict, match="is known here already"):
        add_person(ws, person="ann", name="Ann", roles=["admin"])
    with pytest.raises(InvalidInput, match="belongs to one person only"):
        add_person(ws, person="bob", name="Bob", roles=["developer"], aliases=[ws.actor])


def test_a_one_person_installation_may_approve_its_own_work_where_the_tier_says_so_and_it_shows(ws, host, bundles):
    roles = ["admin", "developer", "validator", "approver", "operator"]
    add_person(ws, person="solo", name="Solo", roles=roles)
    from incumbent.usecases.person_keys import new_key

    new_key(ws, person="solo")
    set_tiers(ws, text=LAX)
    register_factor(ws, bundles, 2.0)
    assess_tier(ws, model=MODEL, exposure="medium", purpose="medium", inherent="medium", reason="tier 3")
    evaluate(ws, host, **WHO, version=1)
    assert sign_off(ws, **WHO, version=1, capacity="approver").sign_off.is_self
    promote(ws, **WHO, version=1, reason="mine")
    assert get_live(ws, SLOT).basis.tier == "3, self-approval allowed"
