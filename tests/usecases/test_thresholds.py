"""Whose the thresholds are, what a gate's tests count for, what voids them; and which refusals come to be on record."""

import pytest

from incumbent.base.errors import Corrupt, InvalidInput, NotFound, Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.governance.tier import parse_tier_policy
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.examine import list_examinations
from incumbent.usecases.examine_score import get_test_score
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.policies import get_policy, list_policies, set_policy
from incumbent.usecases.promote import check_promotion, promote
from incumbent.usecases.register import register
from incumbent.usecases.schemas import set_schema
from incumbent.usecases.sign_off import sign_off
from office import MODEL, POLICY, SLOT, go_live, open_office, prepare, register_factor, sign_all

WHO = {"model": MODEL, "slot": SLOT}
COLUMNS = "columns: {x: {dtype: Float64}, who: {dtype: String}, y_true: {dtype: Float64}}"


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


def refusals(ws):
    with ws.store.begin(read_only=True) as tx:
        return [(e.draft.after, e.draft.actor.actor_id, e.draft.reason) for e in tx.ledger.find(act="refuse", limit=500)]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (MODEL, POLICY),
        (MODEL, "# another's words, nothing else\n" + POLICY),
        ("tier-2", POLICY),
        (MODEL, POLICY.replace("margin = 0.05", "margin = 0.04")),
    ],
    ids=["the same text", "a comment more", "for the tier", "the guardrail alone stays"],
)
def test_who_set_a_threshold_stays_its_author_when_another_sets_it_again(ws, office, host, bundles, target, text):
    prepare(office, bundles)  # Rita's policy
    if target != MODEL:  # Vera had set the tier's, word for word the same, before
        set_policy(office["vera"], target=target, text=text)
        set_policy(office["petra"], target=MODEL, text=text)
    else:
        set_policy(office["petra"], target=target, text=text)
    evaluate(office["rita"], host, **WHO, version=1)
    signer = "vera" if target != MODEL else "rita"
    with pytest.raises(Refused, match=f"{signer} may not validate: {signer} set policy of "):
        sign_off(office[signer], **WHO, version=1, capacity="validator")


def test_who_set_thresholds_that_no_longer_hold_may_validate_by_those_of_another(ws, office, host, bundles):
    prepare(office, bundles)
    other = POLICY.replace("margin = 0.05", "margin = 0.04").replace("ceiling = 5000.0", "ceiling = 4000.0")
    set_policy(office["petra"], target=MODEL, text=other)
    evaluate(office["rita"], host, **WHO, version=1)
    assert sign_off(office["rita"], **WHO, version=1, capacity="validator").sign_off.meaning == "validated"


def test_a_policy_names_a_holdout_that_is_there(ws, office, bundles):
    prepare(office, bundles)
    before = list_policies(ws)
    with pytest.raises(NotFound, match="there is no holdout 'frosen'; there are: frozen"):
        set_policy(office["rita"], target=MODEL, text=POLICY.replace('"frozen"', '"frosen"'))
    assert list_policies(ws) == before


def test_the_policy_in_force_can_be_asked_for_a_slot_where_another_model_was_live(ws, office, host, bundles):
    prepare(office, bundles)
    go_live(office, host, 1)
    assert get_policy(ws, model="newcomer").target == "built-in"
    assert get_policy(ws, model="newcomer", slot=SLOT).target == MODEL


def test_the_tests_that_a_gate_requires_count_for_the_test_score_and_run_once(ws, office, host, bundles):
    prepare(office, bundles, policy=POLICY.replace('["serves"]', '["serves", "skew", "schema"]'))
    set_schema(office["petra"], model=MODEL, text=COLUMNS)
    found = evaluate(office["rita"], host, **WHO, version=1)
    [made] = list_examinations(ws, model=MODEL, version=1)
    told = {result.rule.removeprefix("test "): result.reason for result in found.verdict.results if result.rule.startswith("test ")}
    assert {result.test: result.reason for result in made.results} == {
        name: reason.removeprefix("required, and not applicable: ") for name, reason in told.items()
    }
    earned = {point.point: point.score for point in get_test_score(ws, model=MODEL, version=1).points}
    assert earned["data-1"] == 1.0, "the schema test is Breck's data 1"
    with ws.store.begin(read_only=True) as tx:
        [record] = tx.records.list_all("examination")
        assert tx.ledger.get(record.seq).draft.refs["evidence"] == found.evidence_id
        assert len(tx.records.list_all("look")) == 1


def test_a_schema_that_is_registered_after_the_evidence_voids_it_where_a_test_holds_rows_to_it(ws, office, host, bundles):
    prepare(office, bundles, policy=POLICY.replace('["serves"]', '["serves", "schema"]'))
    set_schema(office["petra"], model=MODEL, text=COLUMNS)
    evaluate(office["rita"], host, **WHO, version=1)
    sign_all(office, 1)
    assert check_promotion(ws, **WHO, version=1).problems == ()
    set_schema(office["petra"], model=MODEL, text=COLUMNS.replace("Float64}}", "Float64, nullable: true}}"))
    with pytest.raises(Refused, match="the schema of double is another since ledger entry"):
        promote(office["olga"], **WHO, version=1, reason="x")
    evaluate(office["rita"], host, **WHO, version=1)
    with pytest.raises(Refused, match="void: vera's sign-off of double@1: evidence was"):
        promote(office["olga"], **WHO, version=1, reason="x")
    sign_all(office, 1)
    promote(office["olga"], **WHO, version=1, reason="x")


def test_a_schema_that_no_required_test_looks_at_voids_nothing(ws, office, host, bundles):
    prepare(office, bundles)
    evaluate(office["rita"], host, **WHO, version=1)
    sign_all(office, 1)
    set_schema(office["petra"], model=MODEL, text=COLUMNS)
    assert check_promotion(ws, **WHO, version=1).problems == ()


def test_bytes_that_are_not_what_was_registered_are_an_attempt_on_record(ws, office, host, bundles):
    prepare(office, bundles)
    evaluate(office["rita"], host, **WHO, version=1)
    sign_all(office, 1)
    [blob] = [path for path in (ws.folder / "blobs").rglob("*") if path.is_file() and path.read_bytes() == b"1.5"]
    blob.chmod(0o600)
    blob.write_bytes(b"9.5")
    with pytest.raises(Corrupt):
        promote(office["olga"], **WHO, version=1, reason="x")
    with pytest.raises(Corrupt):
        evaluate(office["rita"], host, **WHO, version=1)
    (act, actor, reason), (act_before, actor_before, _) = refusals(ws)[:2]
    assert (act, actor, act_before, actor_before) == ("evaluate", "rita", "promote", "olga")
    assert "sha256" in reason or "blake3" in reason


def test_registering_what_may_not_be_is_an_attempt_on_record(ws, office, bundles):
    prepare(office, bundles)
    with pytest.raises(Refused):
        register_factor(office["ben"], bundles, 1.0)  # an auditor
    with begin_run(ws, experiment="open") as run, pytest.raises(Refused, match="is running"):
        register(office["ann"], model=MODEL, run=run.id, artifact="model")
    assert [(act, actor) for act, actor, _ in refusals(ws)[:2]] == [("register", "ann"), ("register", "ben")]


def test_an_empty_tier_policy_says_where_to_get_one():
    with pytest.raises(InvalidInput, match="the tier policy is empty.*`incumbent tiers print`"):
        parse_tier_policy("# nothing\n")
