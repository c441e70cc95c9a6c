"""Thresholdout through evaluate and promote: whose rows answer, what that costs, and noise that can be drawn again."""

import json

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incumbent.base.artifact import Artifact
from incumbent.base.digest import digest_bytes
from incumbent.base.errors import InvalidInput, Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.gates.holdout_rule import ThresholdoutRule
from incumbent.gates.level import Level
from incumbent.gates.thresholdout import Reused, judge_thresholdout
from incumbent.gates.verdict import combine
from incumbent.stats.paired import PairedDifference
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.holdout_answers import draw_noise, find_spent, find_steady
from incumbent.usecases.holdouts import get_holdout, list_holdouts, register_holdout
from incumbent.usecases.ledger_rotate import rotate_key
from incumbent.usecases.live import get_live
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.policies import set_policy
from incumbent.usecases.promote import promote
from incumbent.usecases.recording import governed, record_act
from office import MODEL, POLICY, SLOT, go_live, make_rows, open_office, prepare, register_factor, sign_all

WHO = {"model": MODEL, "slot": SLOT}
KEEPING = POLICY.replace("looks_max = 20", 'looks_max = 20\nreuse = "thresholdout"\nagreement = 0.2\nnoise = 0.002\nanswers_max = 2')
LIKE = make_rows(0).with_columns(pl.col("y_true") + 0.001)
"""Training rows with the holdout's inputs and other labels: what is gained on them is what is gained on the holdout, nearly."""


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
    folder = tmp_path / "bundles"
    folder.mkdir()
    return folder


@pytest.fixture
def office(ws, host, bundles):
    """An office whose first version is live, judged by Thresholdout's policy with nothing to beat."""
    opened = open_office(ws)
    prepare(opened, bundles, policy=KEEPING)
    go_live(opened, host, 1)
    return opened


def primary(evidence):
    (found,) = [result for result in evidence.verdict.results if result.rule == "primary mae"]
    return found


def judge(office, host, version):
    return evaluate(office["rita"], host, **WHO, version=version)


def test_who_was_fitted_to_the_training_rows_is_answered_by_the_holdout_and_promoted_by_what_it_says(ws, office, host, bundles):
    register_factor(office["ann"], bundles, 2.0)  # its training rows are around x = 102, where the gain is fifty times that of the holdout
    found = judge(office, host, 2)
    answer = primary(found)
    x = make_rows(0)["x"]
    truth = make_rows(0)["y_true"]
    gain = float((1.5 * x - truth).abs().mean() - (2.0 * x - truth).abs().mean())
    assert (found.verdict.outcome, answer.facts["answered_by"], answer.facts["answers"]) == ("passed", "holdout", 1)
    assert answer.estimate == pytest.approx(gain, abs=0.05), "with noise of scale 0.002"
    assert answer.low < gain < answer.high
    assert "the holdout answered with noise of scale 0.002, answer 1 of 2; look 2 of 20" in answer.reason
    assert "champion" not in json.dumps(answer.to_json()["facts"]), "neither model's own score is told"
    sign_all(office, 2)
    promote(office["olga"], **WHO, version=2, reason="better")
    assert get_live(ws, slot=SLOT).live.version == 2


def test_looks_at_which_the_holdout_agrees_are_free_and_the_others_end(ws, office, host, bundles):
    register_factor(office["ann"], bundles, 2.0, training=LIKE)
    register_factor(office["ann"], bundles, 1.9)
    free = [primary(judge(office, host, 2)) for _ in range(2)]
    assert [(r.outcome, r.facts["answered_by"], r.facts["answers"]) for r in free] == [("passed", "training", 0)] * 2
    assert "and 2 of its 2 answers are left" in free[1].reason
    assert free[0].facts["noise_seed_digest"] != free[1].facts["noise_seed_digest"]
    assert free[0].facts["noise_entries"][1] == free[1].facts["noise_entries"][1], "the threshold keeps its noise while nothing is spent"
    set_policy(office["rita"], target=MODEL, text=KEEPING.replace("answers_max = 2", "answers_max = 500"))
    paid = [primary(judge(office, host, 3)) for _ in range(2)]
    assert [(r.facts["answered_by"], r.facts["answers"], r.facts["answers_max"]) for r in paid] == [("holdout", 1, 2), ("holdout", 2, 2)]
    assert paid[0].estimate != paid[1].estimate, "each look has noise of its own"
    assert paid[1].facts["noise_entries"][1] == paid[0].facts["noise_entries"][0]
    ended = judge(office, host, 2)
    assert (ended.verdict.outcome, primary(ended).facts["answered_by"]) == ("undecided", "nobody")
    assert "the 2 answers that this holdout may give are used up" in primary(ended).reason
    sign_all(office, 2)
    with pytest.raises(Refused, match="undecided"):
        promote(office["olga"], **WHO, version=2, reason="better")
    again(ws, office, [*free, *paid])


def again(ws, office, results):
    """Draw the noise again, after the ledger's key was rotated, and hold it to what the evidence says."""
    rotate_key(office["ada"])
    with ws.store.begin(read_only=True) as tx:
        for result in results:
            look, steady = result.facts["noise_entries"]
            assert draw_noise(ws, tx, look=look, steady=steady).seed_digest == result.facts["noise_seed_digest"]
        (last, before), (steady, _) = results[-1].facts["noise_entries"], results[-2].facts["noise_entries"]
        drawn = draw_noise(ws, tx, look=last, steady=before)
    assert before == steady
    gain = results[-1].estimate - 0.002 * drawn.answer
    first = results[-2].estimate - 0.002 * draw_of(ws, results[-2]).answer
    assert gain == pytest.approx(first, abs=0.0002), "without its noise the same challenger has the same gain at both looks"


def draw_of(ws, result):
    look, steady = result.facts["noise_entries"]
    with ws.store.begin(read_only=True) as tx:
        return draw_noise(ws, tx, look=look, steady=steady)


def test_a_copy_of_the_holdout_has_no_answers_of_its_own(ws, office, host, bundles):
    register_factor(office["ann"], bundles, 1.9)
    for _ in range(2):
        assert primary(judge(office, host, 2)).facts["answered_by"] == "holdout"
    with begin_run(office["ann"], experiment="data") as run:
        run.log_artifact(make_rows(0).reverse(), "holdout")
    register_holdout(office["rita"], name="copy", run=run.id, artifact="holdout")
    set_policy(office["rita"], target=MODEL, text=KEEPING.replace('"frozen"', '"copy"'))
    assert primary(judge(office, host, 2)).facts["answered_by"] == "nobody"


def test_looks_that_told_all_count_as_answers(office, host, bundles):
    register_factor(office["ann"], bundles, 1.9)
    set_policy(office["rita"], target=MODEL, text=POLICY)
    for _ in range(2):
        assert primary(judge(office, host, 2)).facts.get("answered_by") is None
    set_policy(office["rita"], target=MODEL, text=KEEPING)
    assert primary(judge(office, host, 2)).facts["answers"] == 2


def test_training_rows_that_cannot_be_compared_refuse_the_policy_and_spend_no_look(ws, office, host, bundles):
    before = list_holdouts(ws)[0].looks
    register_factor(office["ann"], bundles, 2.0, training=make_rows(10_000).drop("y_true"))
    with pytest.raises(
        Refused, match="these lack y_true; they have x, who. Have the pipeline give such rows, or let the policy price reuse"
    ):
        judge(office, host, 2)
    register_factor(office["ann"], bundles, 2.0, training=LIKE.with_columns(y_true=pl.lit(None, pl.Float64)))
    with pytest.raises(Refused, match="these cannot be scored: 400 of 400 rows"):
        judge(office, host, 3)
    assert list_holdouts(ws)[0].looks == before


def record(ws, tx, kind, name, **body):
    return record_act(ws, tx, act="evaluate", kind=kind, object_id=name, body={"kind": kind, **body}).seq


def holdout_of(ws, tx, name):
    """Freeze what is only named: these properties are about entries, not rows."""
    data = digest_bytes(name.encode(), "blake3")
    body = {
        "kind": "holdout", "name": name, "artifact": Artifact("arrow", data, 1).to_json(), "rows": 1, "columns": [], "run": "r",
        "registered_at": ws.clock.now().isoformat(), "actor": "a",
    }  # fmt: skip
    record_act(ws, tx, act="register-holdout", kind="holdout", object_id=name, body=body)
    return get_holdout(tx, name)


def look_at(ws, tx, holdout, number, gains):
    """Count a look, judge it, and record what came of it; None: it broke off and left no evidence. Return the rule's result."""
    data = str(holdout.artifact.digest)
    seq = record(ws, tx, "look", f"{holdout.name}-{number}", data=data)
    spent = find_spent(tx, holdout, before=seq)
    draws = draw_noise(ws, tx, look=seq, steady=find_steady(tx, holdout, spent))
    if gains is None:
        return None
    rule = ThresholdoutRule(agreement=0.04, noise=0.01, answers_max=3)
    reused = Reused(gains[1], len(spent), 3, draws)
    paired = PairedDifference(gains[0], 0.01, 1000, "paired mean")
    result = judge_thresholdout("primary accuracy", paired, reused, rule=rule, margin=0.01, level=Level(0.01, "a look"))
    document = {
        "evidence": f"e-{holdout.name}-{number}", "model": "m", "version": 1, "slot": "m/eu", "bundle": "", "champion": None, "policy": "",
        "policy_entry": None, "holdout": {"data": data, "look_id": f"{holdout.name}-{number}"}, "verdict": combine([result]).to_json(),
        "predictions": "", "at": ws.clock.now().isoformat(), "expires_at": ws.clock.now().isoformat(), "actor": "a",
    }  # fmt: skip
    record(ws, tx, "evidence", document["evidence"], **document)
    return result


GAIN = st.floats(-0.5, 0.5)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(looks=st.lists(st.none() | st.tuples(GAIN, GAIN) | GAIN.map(lambda gain: (gain, gain)), max_size=9))
def test_no_series_of_looks_takes_more_answers_than_there_are_and_each_has_its_own_noise(ws, looks):
    with governed(ws) as tx:
        holdout = holdout_of(ws, tx, ws.ids.new("h"))
        results = [look_at(ws, tx, holdout, number, gains) for number, gains in enumerate(looks)]
        last = tx.ledger.size()
        drawn = [draw_noise(ws, tx, look=look, steady=steady) for look, steady in entries_of(results)]
        spent = find_spent(tx, holdout, before=last)
    answered = [result.facts["answered_by"] for result in results if result is not None]
    broken = results.count(None)
    assert answered.count("holdout") + broken == len(spent)
    assert answered.count("holdout") <= 3
    assert all(0 <= result.facts["answers"] <= max(3, broken + 3) for result in results if result is not None)
    assert [draws.seed_digest for draws in drawn] == [result.facts["noise_seed_digest"] for result in results if result is not None]
    assert len({draws.comparison for draws in drawn} | {draws.answer for draws in drawn}) == 2 * len(drawn)


def entries_of(results):
    return [result.facts["noise_entries"] for result in results if result is not None]


def test_a_policy_whose_tests_tell_the_labels_is_refused(ws):
    with pytest.raises(InvalidInput, match="the tests subgroups, beats-benchmark tell at every look what the holdout's labels say"):
        set_policy(ws, target=MODEL, text=KEEPING.replace('["serves"]', '["serves", "subgroups", "beats-benchmark"]'))
