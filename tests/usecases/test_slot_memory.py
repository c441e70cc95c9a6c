"""What a slot remembers: tier, policy and findings of every model that was live there hold for whatever wants to follow it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundles import write_bundle
from incumbent.base.digest import digest_bytes
from incumbent.base.documents import document_bytes
from incumbent.base.errors import NotFound, Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.registry.model import Placement
from incumbent.registry.slot import find_champion, find_live, name_of
from incumbent.usecases.archive import archive
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.examine_subject import find_subject
from incumbent.usecases.findings import close_finding, list_findings, open_finding
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.live import get_live
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.moving import move
from incumbent.usecases.policies import list_policies, set_policy
from incumbent.usecases.promote import check_promotion, promote
from incumbent.usecases.readiness import find_policy
from incumbent.usecases.recording import Acting, governed
from incumbent.usecases.register import register
from incumbent.usecases.roll_back import roll_back
from incumbent.usecases.sign_off import sign_off
from incumbent.usecases.tier_in_force import find_tier
from incumbent.usecases.tiers import assess_tier
from incumbent.usecases.version_card import get_version_card
from office import MODEL, POLICY, SLOT, go_live, make_rows, open_office, prepare, register_factor, sign_all

NEW = "triple"
START = datetime(2026, 1, 1, tzinfo=UTC)
WHO = {"model": NEW, "version": 1, "slot": SLOT}
LAX = 'format = 1\n[tests]\nrequired = ["serves"]\n'


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
def bundles(tmp_path):
    (tmp_path / "bundles").mkdir()
    return tmp_path / "bundles"


@pytest.fixture
def office(ws, host, bundles):
    """Everybody, and double@1 of tier 2 in Production of double/eu, held to a policy that asks for a margin."""
    people = open_office(ws)
    prepare(people, bundles)
    go_live(people, host, 1)
    return people


def register_new(ws, bundles, *, slot=SLOT, factor=2.0):
    """Register a version under another model's name, as a candidate for a slot."""
    with begin_run(ws, experiment=NEW) as run:
        run.log_artifact(write_bundle(bundles / f"new-{len(list(bundles.iterdir()))}", factor=factor), "model")
        run.log_artifact(make_rows(10_000), "training")
    return register(ws, model=NEW, run=run.id, artifact="model", slot=slot)


def assess_low(office, model=NEW):
    assess_tier(office["omar"], model=model, exposure="low", purpose="low", inherent="low", reason="an internal toy")


def sign_new(office):
    sign_off(office["vera"], **WHO, capacity="validator")
    sign_off(office["omar"], **WHO, capacity="approver")


def test_another_model_name_sheds_neither_the_tier_nor_the_policy_of_what_is_live(ws, office, host, bundles):
    assess_low(office)
    register_new(office["ann"], bundles)
    set_policy(office["rita"], target=NEW, text=LAX)
    found = evaluate(office["rita"], host, **WHO)
    [own] = [policy for policy in list_policies(ws) if policy.target == MODEL]
    assert (found.policy, found.policy_entry) == (own.digest, own.seq), "judged by the incumbent's policy"
    assert next(result.rule for result in found.verdict.results) == "primary mae"
    ready = check_promotion(ws, **WHO)
    assert (ready.tier.number, ready.tier.inherited_from) == (2, MODEL)
    assert ready.tier.words == "2, that of double, which was live in the slot"
    assert ready.policy.words == "double, in force here since double was live in the slot last"
    with pytest.raises(Refused, match=r"(?s)missing: 1 validator.*missing: 1 approver"):
        promote(office["olga"], **WHO, reason="a tier 4 model needs nobody")
    sign_new(office)
    promote(office["olga"], **WHO, reason="signed by all whom tier 2 asks")
    assert get_live(ws, SLOT).basis.tier == ready.tier.words
    assert get_version_card(ws, model=NEW, version=1).slot_tiers[SLOT].number == 2


def test_a_candidate_that_only_its_own_lax_policy_would_pass_is_told_whose_policy_stops_it(office, host, bundles):
    assess_low(office)
    register_new(office["ann"], bundles, factor=9.0)
    set_policy(office["rita"], target=NEW, text=LAX)
    assert evaluate(office["rita"], host, **WHO).verdict.outcome == "failed"
    with pytest.raises(Refused, match="the gate says failed by the policy of double, in force here since double was live"):
        promote(office["olga"], **WHO, reason="x")


def test_where_another_model_was_never_live_a_model_is_held_to_its_own_tier_and_policy(ws, office, host, bundles):
    assess_low(office)
    register_new(office["ann"], bundles, slot="triple/us")
    set_policy(office["rita"], target=NEW, text=LAX)
    promote_to = {**WHO, "slot": "triple/us"}
    assert evaluate(office["rita"], host, **promote_to).verdict.outcome == "passed"
    promote(office["olga"], **promote_to, reason="a toy")
    assert get_live(ws, "triple/us").basis.tier == "4"


def test_the_tier_of_every_model_that_was_ever_live_there_counts_and_is_part_of_what_is_signed(ws, office, host, bundles):
    assess_low(office)
    register_new(office["ann"], bundles)
    evaluate(office["rita"], host, **WHO)
    sign_new(office)
    assert check_promotion(ws, **WHO).problems == ()
    assess_tier(office["vera"], model=MODEL, exposure="high", purpose="high", inherent="high", reason="refunds now")
    problems = check_promotion(ws, **WHO).problems
    assert "missing: 2 approvers" in problems
    assert any("void: vera's sign-off of triple@1: tier was sha256:" in text for text in problems)


def test_a_policy_of_the_incumbents_tier_comes_before_the_new_models_own(ws, office):
    set_policy(office["rita"], target="tier-2", text=POLICY)
    set_policy(office["rita"], target="tier-3", text=POLICY)
    set_policy(office["rita"], target=NEW, text=LAX)
    with ws.store.begin(read_only=True) as tx:
        live = tx.registry.find_live(SLOT)
        only_tier = replace(live, model="plain")  # of tier 2, with no policy of its own

        class Registry:
            def list_placements(self, _slot):
                return [only_tier]

        class Slot:
            registry, records, ledger = Registry(), tx.records, tx.ledger

        assert find_policy(Slot(), NEW, 3, SLOT).target == "tier-3", "the tier's of the slot"
        assert find_policy(Slot(), NEW, 1, SLOT).target == "tier-2", "or else that of the incumbent by itself"
        assert find_policy(tx, NEW, 3, None).target == NEW, "by itself, a model is judged by its own"


def test_the_tier_of_a_model_alone_in_its_slot_has_the_digest_that_it_had_before_slots_had_a_memory(ws, office):
    with ws.store.begin(read_only=True) as tx:
        tier = find_tier(tx, MODEL, SLOT)
    before = {"tier": 2, "assessment": tier.assessment.to_json(), "rule": tier.rule.to_json()}
    assert tier.digest == digest_bytes(document_bytes(before), "sha256")


def test_a_finding_on_a_model_that_was_live_there_blocks_its_followers_and_nobody_elsewhere(ws, office, host, bundles):
    assess_low(office)
    register_new(office["ann"], bundles)
    register_new(office["ann"], bundles, slot="triple/us")
    made = open_finding(office["vera"], subject=MODEL, title="unfair to bob", blocks=True)
    evaluate(office["rita"], host, **WHO)
    sign_new(office)
    with pytest.raises(Refused, match=f"{made.finding.finding_id} blocks double until it is closed: unfair to bob"):
        promote(office["olga"], **WHO, reason="x")
    assert check_promotion(ws, model=NEW, version=2, slot="triple/us").findings == ()
    close_finding(office["omar"], finding=made.finding.finding_id, resolution="it was noise")
    promote(office["olga"], **WHO, reason="x")


def test_the_slot_remembers_though_the_model_is_no_longer_live(ws, office, host, bundles):
    assess_low(office)
    register_new(office["ann"], bundles)
    evaluate(office["rita"], host, **WHO)
    sign_new(office)
    promote(office["olga"], **WHO, reason="x")
    roll_back(office["olga"], slot=SLOT, reason="worse at night")
    with ws.store.begin(read_only=True) as tx:
        assert find_tier(tx, NEW, SLOT).inherited_from == MODEL
        assert find_policy(tx, NEW, 2, SLOT).inherited_from == MODEL
        assert find_tier(tx, MODEL, SLOT).number == 2


def test_who_was_live_last_is_still_the_one_to_beat_when_the_slot_was_emptied(ws, office, host, bundles):
    worse = register_factor(office["ann"], bundles, 1.2)  # the law is 2 x: 1.5 was live, and 1.2 is worse
    go_before = evaluate(office["rita"], host, model=MODEL, version=worse.version, slot=SLOT)
    assert (go_before.champion, go_before.verdict.outcome) == ("double@1", "failed")
    archive(office["olga"], model=MODEL, version=1, slot=SLOT, reason="out of the way")
    assert get_live(ws, SLOT).live is None
    found = evaluate(office["rita"], host, model=MODEL, version=worse.version, slot=SLOT)
    [primary] = [result for result in found.verdict.results if result.rule == "primary mae"]
    assert (found.champion, primary.outcome) == ("double@1", "failed")
    sign_all(office, worse.version)
    with pytest.raises(Refused, match=r"the gate says failed: primary mae"):
        promote(office["olga"], model=MODEL, version=worse.version, slot=SLOT, reason="nothing is live")


def test_what_beats_the_retired_champion_goes_live_and_evidence_against_it_outlives_its_retirement(ws, office, host, bundles):
    better = register_factor(office["ann"], bundles, 2.0)
    assert evaluate(office["rita"], host, model=MODEL, version=better.version, slot=SLOT).champion == "double@1"
    sign_all(office, better.version)
    archive(office["olga"], model=MODEL, version=1, slot=SLOT, reason="its columns are gone next week")
    promote(office["olga"], model=MODEL, version=better.version, slot=SLOT, reason="it was beaten before it went")
    assert get_live(ws, SLOT).live.version == better.version


def test_another_models_name_does_not_make_an_emptied_slot_an_empty_one(office, host, bundles):
    assess_low(office)
    register_new(office["ann"], bundles, factor=1.2)
    archive(office["olga"], model=MODEL, version=1, slot=SLOT, reason="out of the way")
    found = evaluate(office["rita"], host, **WHO)
    assert (found.champion, found.verdict.outcome) == ("double@1", "failed")


def test_a_retired_champion_is_not_asked_to_beat_itself_when_its_approval_is_renewed(office, host):
    archive(office["olga"], model=MODEL, version=1, slot=SLOT, reason="for the night")
    found = evaluate(office["rita"], host, model=MODEL, version=1, slot=SLOT)
    assert (found.champion, found.verdict.outcome) == (None, "passed")


def test_the_training_rows_of_a_retired_champion_are_still_what_new_ones_are_compared_with(ws, office, bundles):
    fresh = register_factor(office["ann"], bundles, 2.0)
    archive(office["olga"], model=MODEL, version=1, slot=SLOT, reason="out of the way")
    subject = find_subject(ws, fresh, slot=SLOT)
    assert (subject.champion.version, subject.champion_training is None) == (1, False)
    with ws.store.begin(read_only=True) as tx:
        itself = tx.registry.get_version(MODEL, 1)
    assert find_subject(ws, itself, slot=SLOT).champion is None


HOW = {"rejected": ["Staging", "Archived"], "once live": ["Staging", "Production", "Archived"], "live": ["Staging", "Production"]}


@given(st.lists(st.sampled_from([*HOW]), max_size=8))
def test_the_champion_is_the_live_version_or_else_the_last_that_was(lives):
    """Each version goes through one of HOW's lives, the one before is retired first where two would be live."""
    history, champion = [], None
    for number, life in enumerate(lives, start=1):
        live = find_live(history)
        if live is not None and "Production" in HOW[life]:
            history.insert(0, replace(live, status="Archived"))
        for status in HOW[life]:
            history.insert(0, Placement(SLOT, MODEL, number, status, START, "ann", "x"))
        if "Production" in HOW[life]:
            champion = (MODEL, number)
        live = find_live(history)
        found = find_champion(history, (MODEL, 99))
        assert (found and name_of(found)) == champion
        assert live is None or live == found
        if champion:
            assert find_champion(history, champion) is None


@pytest.mark.parametrize(
    ("subject", "told"),
    [("doubel", "did you mean double?"), ("double/eo", "did you mean double/eu"), ("zzz", "there are: double, double/eu")],
)
def test_a_finding_on_nothing_is_not_found_and_says_what_there_is(ws, office, subject, told):
    with pytest.raises(NotFound, match=f"there is no model or slot '{subject}' that a finding could be about; .*{told}"):
        open_finding(office["vera"], subject=subject, title="would block nothing", blocks=True)
    assert list_findings(ws) == []


def test_a_finding_may_be_about_a_model_that_is_assessed_and_not_registered_yet(office):
    assess_low(office, "planned")
    assert open_finding(office["vera"], subject="planned", title="no data yet").finding.subject == "planned"


def test_reconcile_names_a_promotion_that_a_program_wrote_past_the_quorum(ws, office, host, bundles):
    assess_low(office)
    register_new(office["ann"], bundles, slot="triple/us")
    chosen = register_new(office["ann"], bundles)
    evaluate(office["rita"], host, model=NEW, version=chosen.version, slot=SLOT)
    assert reconcile(ws).differences == ()
    ready = check_promotion(ws, model=NEW, version=chosen.version, slot=SLOT)
    assert ready.problems
    with governed(ws) as tx:
        acting = Acting("olga", None, frozenset())
        live = tx.registry.get_version(MODEL, 1)
        move(ws, tx, acting=acting, act="supersede", version=live, slot=SLOT, to="Archived", reason="x")
        move(ws, tx, acting=acting, act="promote", version=chosen, slot=SLOT, to="Production", reason="x", refs=ready.refs())
    [told] = reconcile(ws).differences
    assert told.endswith(
        f"(promote) puts triple@2 into Production of slot {SLOT}, and 0 validated and 0 approved, 0 people in all, where tier 2 asked "
        "for validators=1 approvers=1"
    )
