import contextlib
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.documents import document_bytes, parse_document
from incumbent.base.errors import InvalidInput
from incumbent.gates.holdout_rule import HoldoutRule, ThresholdoutRule
from incumbent.gates.policy import CEILING_ONLY, GuardrailRule, PrimaryRule, Scoring, TestsRule, parse_policy, policy_from_json
from incumbent.stats.metrics import METRICS
from incumbent.stats.subgroups import RATES

WHOLE = """
format = 1
[primary]
metric = "auc"
margin = 0.002
confidence = 0.975
method = "paired"
label = "late"
output = "late_probability"
positive = true
threshold = 0.4
[[guardrail]]
metric = "p99_latency_ms"
ceiling = 200
[[guardrail]]
metric = "accuracy"
tolerance = 0.005
[[guardrail]]
metric = "subgroup_gap"
by = "origin"
of = "tpr"
ceiling = 0.10
[[guardrail]]
metric = "forbidden_rate"
output = "is_forbidden"
ceiling = 0.01
[holdout]
name = "march"
looks_max = 12
reuse = "ladder"
[tests]
required = ["serves", "schema"]
valid_days = 30
"""


def test_every_key_is_read_and_every_default_is_said():
    policy = parse_policy(WHOLE)
    assert policy.primary == PrimaryRule("auc", 0.002, 0.975, "paired")
    assert policy.scoring == Scoring("late", "late_probability", True, 0.4)
    assert policy.guardrails == (
        GuardrailRule("p99_latency_ms", ceiling=200.0),
        GuardrailRule("accuracy", tolerance=0.005),
        GuardrailRule("subgroup_gap", ceiling=0.10, by="origin", of="tpr", rows_min=50),
        GuardrailRule("forbidden_rate", ceiling=0.01, output="is_forbidden"),
    )
    assert policy.holdout == HoldoutRule("march", 12, "ladder", 0.975)
    assert policy.tests == TestsRule(("serves", "schema"), 30)


def test_the_document_form_survives_its_bytes_and_spells_the_defaults_out():
    policy = parse_policy(WHOLE)
    document = policy.to_json()
    assert policy_from_json(parse_document(document_bytes(document))) == policy
    assert document["holdout"]["confidence"] == 0.975
    assert document["guardrail"][2]["rows_min"] == 50


def test_two_spellings_of_one_policy_have_one_document():
    spelt = WHOLE.replace("ceiling = 200\n", "ceiling = 200.0\n").replace("ceiling = 0.10\n", "ceiling = 0.1\nrows_min = 50\n")
    assert document_bytes(parse_policy(spelt).to_json()) == document_bytes(parse_policy(WHOLE).to_json())


HOLDOUT = {"name": "march"}
limits = st.floats(0.001, 0.999)


@st.composite
def guardrails(draw):
    metric = draw(st.sampled_from(sorted({*METRICS, *CEILING_ONLY} - {"mae", "mse", "rmse", "r2"})))
    key = "floor" if metric in METRICS and METRICS[metric].higher_is_better else "ceiling"
    if metric in METRICS and draw(st.booleans()):
        key = "tolerance"
    more = {"subgroup_gap": {"by": "origin", "of": draw(st.sampled_from(sorted(RATES)))}, "forbidden_rate": {"output": "bad"}}
    return {"metric": metric, key: draw(limits), **more.get(metric, {})}


@given(st.lists(guardrails(), min_size=1, max_size=4, unique_by=lambda rail: rail["metric"]))
def test_any_legal_guardrails_survive_their_document(rails):
    policy = policy_from_json({"format": 1, "scoring": {"label": "y", "output": "p"}, "guardrail": rails, "holdout": HOLDOUT})
    assert policy_from_json(policy.to_json()) == policy


def change(**tables):
    """The whole policy with tables replaced; None takes one out."""
    document = {**tomllib.loads(WHOLE), **tables}
    return {key: value for key, value in document.items() if value is not None}


PRIMARY = tomllib.loads(WHOLE)["primary"]


def primary(**keys):
    return change(primary={key: value for key, value in {**PRIMARY, **keys}.items() if value is not None})


def rail(**keys):
    return change(guardrail=[keys])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "format is missing"),
        ({"format": 2}, "format is 2"),
        ({"format": True}, "format is True"),
        ({"format": 1}, "no rule: it would pass everything"),
        ({"format": 1, "holdout": HOLDOUT}, "no rule: it would pass everything"),
        ({"format": 1, "guardrail": [], "holdout": HOLDOUT}, "no rule: it would pass everything"),
        ({"format": 1, "tests": {"required": []}}, r"\[tests\] required is \[\]"),
        ({"format": 1, "tests": {"required": ["a", "a"]}}, "each test once"),
        ({"format": 1, "tests": {"required": "serves"}}, "a list with the names"),
        ({"format": 1, "tests": {"required": ["a"], "valid_days": 0}}, "valid_days is 0; it takes a whole number from 1 to 3650"),
        ({"format": 1, "tests": {"required": ["a"], "useless_features_max": -1}}, "useless_features_max is -1"),
        ({"format": 1, "tests": {"required": ["a"], "groups": "who"}}, "groups is 'who'; it takes a list of column names"),
        (rail(metric="memory_bytes", floor=5), "wrong way round"),
        (rail(metric="memory_bytes", ceiling=0), "a number of bytes above 0"),
        (change(gaurdrail=[]), "unknown key gaurdrail"),
        (change(primary=[]), r"\[primary\] of the policy is a table, not list"),
        (change(holdout=None), r"\[holdout\] is missing"),
        (change(holdout={}), r"\[holdout\] name is missing"),
        (change(holdout={"name": " "}), "name is ' '; it takes a text that is not empty"),
        (change(holdout={**HOLDOUT, "looks_max": True}), "looks_max is True"),
        (change(holdout={**HOLDOUT, "reuse": "free"}), "reuse is 'free'; it takes one of spend, ladder, thresholdout"),
        (change(scoring={"label": "a", "output": "b"}), r"\[scoring\] is for a policy without \[primary\]"),
        (primary(metric="roc"), "metric is 'roc'; it takes one of accuracy, auc"),
        (primary(metric=None), "metric is missing"),
        (primary(margin=0), "margin is 0; it takes a number above 0"),
        (primary(margin=-0.1), "margin is -0.1"),
        (primary(margin=1.0), "margin is 1.0; it takes a number above 0 and below 1"),
        (primary(margin=float("nan")), "margin is nan"),
        (primary(margin=float("inf")), "margin is inf"),
        (primary(margin=10**400), "margin is 'a whole number too large"),
        (primary(margin=True), "margin is True"),
        (primary(margin="big"), "margin is 'big'"),
        (primary(margin="noise"), "a number above 0 for auc; .* is the noise of accuracy, precision, recall, specificity only"),
        (primary(confidence=0.5), "confidence is 0.5; it takes a number between 0.5 and 1"),
        (primary(confidence=1), "confidence is 1"),
        (primary(confidence=95), "confidence is 95"),
        (primary(method="bayes"), "method is 'bayes'; it takes one of paired, points"),
        (primary(label=None), "label is missing"),
        (primary(threshold=1.5), "threshold is 1.5"),
        (primary(positive=[1]), r"positive is \[1\]; it takes a boolean, a number or a text"),
        (primary(positive=float("nan")), "positive is nan"),
        (primary(treshold=0.5), r"\[primary\] has the unknown key treshold; it takes metric, margin"),
        (change(guardrail={"metric": "auc"}), r"write \[\[guardrail\]\], with two brackets"),
        (rail(metric="auc"), r"\(auc\) takes exactly one limit of floor, ceiling and tolerance; it has none"),
        (rail(metric="auc", floor=0.8, ceiling=0.2), "exactly one limit .* floor and ceiling"),
        (rail(metric="auc", ceiling=0.8), "a ceiling, the wrong way round: more is better, so it takes a floor"),
        (rail(metric="p99_latency_ms", floor=200), "a floor, the wrong way round: less is better, so it takes a ceiling"),
        (rail(metric="log_loss", floor=0.1), "wrong way round"),
        (rail(metric="auc", floor=float("nan")), "floor is nan"),
        (rail(metric="auc", floor=1.0), "a share between 0 and 1"),
        (rail(metric="auc", tolerance=1.0), "tolerance is 1.0; it takes a number above 0 and below 1"),
        (rail(metric="auc", tolerance=0), "tolerance is 0"),
        (rail(metric="p99_latency_ms", tolerance=5), "has a tolerance, but is not compared with the champion"),
        (rail(metric="p99_latency_ms", ceiling=0), "a time in milliseconds above 0"),
        (rail(metric="p98_latency_ms", ceiling=10), "metric is 'p98_latency_ms'; it takes one of"),
        (rail(metric="auc", floor=0.8, by="origin"), r"\[\[guardrail\]\] 1 \(auc\) has the unknown key by"),
        (rail(metric="subgroup_gap", ceiling=0.1, of="tpr"), "by is missing"),
        (rail(metric="subgroup_gap", ceiling=0.1, by="origin", of="ppv"), "of is 'ppv'; it takes one of accuracy, fpr"),
        (rail(metric="subgroup_gap", ceiling=0.1, by="origin", of="tpr", rows_min=0), "rows_min is 0"),
        (rail(metric="forbidden_rate", ceiling=0.01), "output is missing"),
        (rail(metric="rmse", ceiling=1.0), "one column cannot be both a number and a probability"),
        (change(guardrail=[{"metric": "auc", "floor": 0.7}, {"metric": "auc", "floor": 0.8}]), "two entries say 'guardrail auc'"),
        (change(primary=None, guardrail=[{"metric": "auc", "floor": 0.7}]), r"\[scoring\] is missing"),
        (change(guardrail=None), "threshold is given, but no metric of the policy turns probabilities into labels"),
        (primary(metric="rmse", threshold=None) | {"guardrail": []}, "positive is given, but the metrics of the policy compare numbers"),
    ],
)  # fmt: skip
def test_what_no_gate_can_hold_is_refused_by_its_key(document, message):
    with pytest.raises(InvalidInput, match=message):
        policy_from_json(document)


@pytest.mark.parametrize("text", ["format = ", "a" * 10, "format = 1\nformat = 1", "[" * 5000])
def test_what_is_no_toml_is_refused(text):
    with pytest.raises(InvalidInput, match="no TOML"):
        parse_policy(text)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["format", "primary", "guardrail", "metric", "holdout", "tests", "margin"]), inner, max_size=4), max_leaves=8))  # fmt: skip # noqa: E501
def test_no_document_whatever_raises_anything_but_a_refusal(document):
    with contextlib.suppress(InvalidInput):
        assert policy_from_json(document).to_json()["format"] == 1


def test_probabilities_become_labels_at_one_half_unless_the_policy_says_otherwise():
    text = WHOLE.replace("threshold = 0.4\n", "")
    assert parse_policy(text).scoring.threshold == 0.5


def test_guardrails_alone_name_their_columns_in_a_table_of_their_own():
    policy = policy_from_json(
        {"format": 1, "scoring": {"label": "y", "output": "p"}, "guardrail": [{"metric": "brier", "ceiling": 0.2}], "holdout": HOLDOUT}
    )
    assert policy.scoring == Scoring("y", "p")
    assert policy.needs == {"probability"}


def test_latencies_alone_score_no_column():
    policy = policy_from_json({"format": 1, "guardrail": [{"metric": "p50_latency_ms", "ceiling": 5}], "holdout": HOLDOUT})
    assert policy.scoring is None
    assert policy.needs == frozenset()


REUSABLE = {"name": "march", "reuse": "thresholdout", "agreement": 0.04, "noise": 0.01}
KEEPING = {
    "format": 1, "primary": {"metric": "accuracy", "margin": 0.01, "label": "y", "output": "p"},
    "guardrail": [{"metric": "p99_latency_ms", "ceiling": 5}], "holdout": REUSABLE,
}  # fmt: skip


def test_thresholdout_is_read_and_written_with_its_three_numbers():
    policy = policy_from_json(KEEPING)
    assert policy.holdout == HoldoutRule("march", 20, "thresholdout", 0.95, thresholdout=ThresholdoutRule(0.04, 0.01, 5))
    written = policy.to_json()
    assert written["holdout"] == {**REUSABLE, "looks_max": 20, "confidence": 0.95, "training": "training", "answers_max": 5}
    assert policy_from_json(parse_document(document_bytes(written))) == policy
    assert "agreement" not in policy_from_json({**KEEPING, "holdout": {"name": "march"}}).to_json()["holdout"], "older digests stay"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"holdout": {**REUSABLE, "agreement": None}}, "agreement is missing; it takes a number above 0"),
        ({"holdout": {**REUSABLE, "noise": 0}}, "noise is 0; it takes a number"),
        ({"holdout": {**REUSABLE, "noise": 1e-300, "agreement": 1e-299}}, "noise is 1e-300; it takes a number"),
        ({"holdout": {**REUSABLE, "noise": float("nan")}}, "noise is nan"),
        ({"holdout": {**REUSABLE, "noise": 0.04}}, "no comparison means anything"),
        ({"holdout": {**REUSABLE, "noise": 0.00003}}, "nothing is kept back"),
        ({"holdout": {**REUSABLE, "answers_max": 0}}, "answers_max is 0"),
        ({"holdout": {**REUSABLE, "reuse": "spend"}}, "unknown key agreement, noise"),
        ({"primary": None, "scoring": None}, r"without \[primary\] there is none"),
        ({"primary": {**KEEPING["primary"], "method": "points"}}, 'takes method = "paired"'),
        ({"primary": {**KEEPING["primary"], "margin": "noise"}}, "a margin that is a number"),
        ({"guardrail": [{"metric": "recall", "floor": 0.5}]}, "the guardrails on recall tell at every look"),
        ({"guardrail": [{"metric": "calibration_error", "ceiling": 0.5}]}, "the guardrails on calibration_error tell"),
        ({"guardrail": [{"metric": "subgroup_gap", "by": "g", "of": "tpr", "ceiling": 0.5}]}, "the guardrails on subgroup_gap tell"),
    ],
)  # fmt: skip
def test_a_policy_that_thresholdout_cannot_hold_is_refused(changes, message):
    document = {key: value for key, value in {**KEEPING, **changes}.items() if value is not None}
    document["holdout"] = {key: value for key, value in document["holdout"].items() if value is not None}
    with pytest.raises(InvalidInput, match=message):
        policy_from_json(document)
