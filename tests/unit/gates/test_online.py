import math

import numpy as np
import pytest
from scipy import special, stats

from incumbent.base.errors import InvalidInput
from incumbent.gates.online import judge_online, looks_after
from incumbent.gates.policy import LATENCIES, parse_policy, policy_from_json
from incumbent.gates.tally import Phase, Rollout, Tally, tally_from_json
from incumbent.stats.sequential import Sums

HEAD = 'format = 1\n[tests]\nrequired = ["serves"]\n[scoring]\nlabel = "late"\noutput = "is_late"\n[online]\n'


def rule(text):
    return parse_policy(HEAD + text).online


def hits(n, k):
    return Sums(n, k, k - k * k / n) if n > 1 else Sums()


def arm(n, *, right=0.8, errors=0, refused=0, slow=0, groups=None):
    by = {"region": {name: hits(count, round(share * count)) for name, (count, share) in (groups or {}).items()}}
    sums = {"score": hits(n, round(right * n)), "error": hits(n, errors), "refusal": hits(n, refused), "p99_latency_ms": hits(n, slow)}
    return Tally(sums, by)


def canary(champion, challenger):
    return Rollout((Phase(champion, challenger),), "samples")


def judge(text, rollout, looks=()):
    return judge_online(rule(text), rollout, quantiles=LATENCIES, looks=looks)


SCORE = 'metric = "accuracy"\nmargin = 0.01\nconfidence = 0.975\n'


def test_a_challenger_that_is_clearly_better_passes_and_the_bounds_are_those_of_the_formula():
    verdict = judge(SCORE, canary(arm(20_000, right=0.80), arm(20_000, right=0.85)))
    (found,) = verdict.results
    assert (verdict.outcome, found.n, found.estimate) == ("passed", 40_000, pytest.approx(0.05))
    variance = 0.80 * 0.20 / 20_000 + 0.85 * 0.15 / 20_000
    rho, n = 5000 / (-float(special.lambertw(-(0.05**2) / math.e, k=-1).real) - 1), 40_000
    radius = math.sqrt(variance * 2 * (n + rho) / n * math.log1p(math.sqrt((n + rho) / rho) / 0.05))
    assert found.low == pytest.approx(0.05 - radius, abs=2e-5)


@pytest.mark.parametrize(("right", "outcome"), [(0.85, "passed"), (0.813, "undecided"), (0.79, "failed")])
def test_the_three_answers_of_a_score(right, outcome):
    found = judge(SCORE, canary(arm(20_000), arm(20_000, right=right))).results[0]
    assert found.outcome == outcome
    assert (found.rows_needed is not None) == (outcome == "undecided")
    assert f"{found.rows_needed:,} more rows" in found.reason if outcome == "undecided" else "margin 0.01" in found.reason


def test_the_traffic_still_needed_is_what_settles_it_when_it_has_come():
    first = judge(SCORE, canary(arm(20_000), arm(20_000, right=0.82))).results[0]
    grown = (40_000 + first.rows_needed) // 2 + 1
    assert judge(SCORE, canary(arm(grown), arm(grown, right=0.82))).results[0].outcome == "passed"
    short = grown - first.rows_needed // 8
    assert judge(SCORE, canary(arm(short), arm(short, right=0.82))).results[0].outcome == "undecided"


def test_few_rows_say_nothing_however_clear_they_look():
    found = judge(SCORE, canary(arm(5000, right=0.1), arm(499, right=1.0))).results[0]
    assert (found.outcome, found.rows_needed) == ("undecided", 1)
    nothing = judge_online(rule(SCORE), Rollout((), "samples"), quantiles=LATENCIES)
    assert nothing.results[0].rows_needed == 500


def test_for_a_metric_of_which_less_is_better_a_fall_is_the_gain():
    text = 'metric = "brier"\nmargin = 0.01\n'
    assert judge(text, canary(arm(20_000, right=0.30), arm(20_000, right=0.25))).outcome == "passed"
    assert judge(text, canary(arm(20_000, right=0.25), arm(20_000, right=0.30))).outcome == "failed"
    outcome = 'metric = "outcome"\nbetter = "{}"\nmargin = 0.01\n'
    assert judge(outcome.format("lower"), canary(arm(20_000, right=0.30), arm(20_000, right=0.25))).outcome == "passed"
    assert judge(outcome.format("higher"), canary(arm(20_000, right=0.30), arm(20_000, right=0.25))).outcome == "failed"


def test_in_shadow_pairs_decide_with_far_fewer_rows_than_two_samples():
    """Both right on most rows: 5 % the challenger alone, 2 % the champion alone."""
    n = 4000
    pairs = Tally({"score": Sums(n, 120.0, 280 - 120 * 120 / n)})
    both = (arm(n, right=0.80), arm(n, right=0.83))
    assert judge(SCORE, Rollout((Phase(*both, pairs),), "pairs")).outcome == "passed"
    assert judge(SCORE, Rollout((Phase(*both),), "samples")).outcome == "undecided"


BROKEN = {
    "error_rate": ('metric = "error_rate"\nceiling = 0.01', {"errors": 100}),
    "refusal_rate": ('metric = "refusal_rate"\nceiling = 0.01', {"refused": 100}),
    "latency": ('metric = "p99_latency_ms"\nceiling = 200', {"slow": 100}),
    "rate to the champion": ('metric = "error_rate"\ntolerance = 0.01', {"errors": 200}),
    "subgroup": (
        'metric = "subgroup"\nby = "region"\ngroups = ["eu", "us"]\ntolerance = 0.02',
        {"groups": {"eu": (2000, 0.9), "us": (2000, 0.5)}},
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_guardrail_stops_a_challenger_that_wins_by_its_score(kind):
    text, breaks = BROKEN[kind]
    champion = arm(4000, groups={"eu": (2000, 0.8), "us": (2000, 0.8)})
    sound = arm(4000, right=0.9, groups={"eu": (2000, 0.9), "us": (2000, 0.9)})
    said = f"{SCORE}[[online.guardrail]]\n{text}\n"
    assert judge(said, canary(champion, sound)).outcome == "passed"
    verdict = judge(said, canary(champion, arm(4000, right=0.9, **breaks)))
    assert [result.outcome for result in verdict.results] == ["passed", "failed"]
    assert verdict.outcome == "failed"


@pytest.mark.parametrize("kind", [kind for kind in BROKEN if kind != "subgroup"])
def test_guardrails_alone_stop_and_never_promote(kind):
    text, breaks = BROKEN[kind]
    said = f"[[online.guardrail]]\n{text}\n"
    healthy = judge(said, canary(arm(4000), arm(4000, right=1.0)))
    assert [result.outcome for result in healthy.results] == ["undecided", "passed"]
    assert healthy.outcome == "undecided"
    assert judge(said, canary(arm(4000), arm(4000, **breaks))).outcome == "failed"


def test_a_ceiling_is_held_by_the_exact_sequence_and_says_how_many_requests_it_needs():
    """At no error in n the upper bound is where B(1/2, n + 1/2) / B(1/2, 1/2) / (1 - p)^n is 1 / alpha."""
    said = '[[online.guardrail]]\nmetric = "error_rate"\nceiling = 0.01\n'
    found = judge(said, canary(arm(300), arm(300))).results[1]
    prior = stats.betabinom(300, 0.5, 0.5).pmf(0)
    assert found.high == pytest.approx(1 - (prior * 0.05) ** (1 / 300), rel=1e-6)
    total = 300 + found.rows_needed
    assert [judge(said, canary(arm(n), arm(n))).results[1].outcome for n in (total - 1, total)] == ["undecided", "passed"]


def test_guardrails_share_their_level_and_groups_share_their_guardrails():
    rails = "".join(f"[[online.guardrail]]\n{BROKEN[kind][0]}\n" for kind in ("error_rate", "subgroup"))
    said = f"{SCORE}guardrail_confidence = 0.9\n{rails}"
    verdict = judge(said, canary(arm(1000), arm(1000)))
    assert [result.facts["alpha"] for result in verdict.results[1:]] == [pytest.approx(0.05)] * 2
    groups = {"eu": (1000, 0.8), "us": (1000, 0.8)}
    found = judge(said, canary(arm(2000, groups=groups), arm(2000, groups=groups))).results[2]
    assert [group["facts"]["alpha"] for group in found.facts["groups"]] == [pytest.approx(0.025)] * 2


def test_a_group_that_never_came_keeps_the_answer_open():
    said = f"{SCORE}[[online.guardrail]]\n{BROKEN['subgroup'][0]}\n"
    one = {"eu": (9000, 0.85)}
    found = judge(said, canary(arm(9000, groups=one), arm(9000, right=0.85, groups=one))).results[1]
    assert found.outcome == "undecided"
    assert "region us: 0 rows" in found.reason


HORIZON = 'metric = "accuracy"\nmargin = 0.01\nconfidence = 0.975\nmethod = "obrien-fleming"\nhorizon_rows = 40000\n'


def test_with_a_fixed_horizon_each_look_asks_what_o_brien_and_fleming_ask():
    """At half of the rows 2.963, at the end 1.969 (Lan and DeMets, two looks, one-sided 0.025)."""
    text = rule(HORIZON)
    half, whole = (canary(arm(n), arm(n, right=0.8244)) for n in (10_000, 20_000))
    first = judge(HORIZON, half).results[0]
    se = (first.high - first.low) / 2 / 2.963
    assert (first.outcome, first.rows_needed) == ("undecided", 20_000)
    assert se == pytest.approx(math.sqrt((0.8 * 0.2 + 0.8244 * 0.1756) / 10_000), rel=1e-3)
    looks = looks_after(text, half, ())
    assert looks == (20_000,)
    last = judge(HORIZON, whole, looks).results[0]
    assert (last.high - last.low) / 2 == pytest.approx(1.969 * se / math.sqrt(2), rel=1e-3)
    assert last.outcome == "passed"
    assert judge(HORIZON, half, looks).results[0] == first, "asking again without new rows is no further look"
    assert looks_after(text, half, looks) == looks


def test_what_is_not_shown_at_the_horizon_has_failed_and_rows_beyond_it_change_nothing():
    at_end = judge(HORIZON, canary(arm(20_000), arm(20_000, right=0.812)), (20_000,)).results[0]
    assert at_end.outcome == "failed"
    assert at_end.low < 0.01 < at_end.high
    later = judge(HORIZON, canary(arm(90_000), arm(90_000, right=0.9)), (20_000, 40_000)).results[0]
    assert later.outcome == "failed"
    assert "what it said stands" in later.reason


@pytest.mark.parametrize("looks", [(50_000,), (30_000, 20_000), (10_000, 10_000), (0,)])
def test_looks_that_this_rollout_cannot_have_had_are_refused(looks):
    with pytest.raises(InvalidInput, match="do not come before"):
        judge(HORIZON, canary(arm(20_000), arm(20_000)), looks)


def test_a_hundredth_look_is_kept_for_the_horizon():
    looks = tuple(range(300, 300 + 99 * 10, 10))
    found = judge(HORIZON, canary(arm(1000), arm(1000)), looks).results[0]
    assert (found.outcome, found.rows_needed) == ("undecided", 38_000)


def test_several_processes_add_up_to_what_one_would_have_counted_through_their_documents():
    rng = np.random.default_rng(3)
    parts = [arm(n, errors=int(rng.integers(0, 5)), groups={"eu": (n // 2, 0.7)}) for n in (100, 250, 999)]
    whole = Tally()
    for part in parts:
        whole = whole + tally_from_json(part.to_json())
    assert whole.of("score").n == 1349
    assert whole.of("error").total == sum(part.of("error").total for part in parts)
    assert whole.of_group("region", "eu").n == 50 + 125 + 499
    assert tally_from_json(whole.to_json()) == whole


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"sums": {}, "groups": {}, "x": 1},
        {"sums": {"a": [1, 2]}, "groups": {}},
        {"sums": {}, "groups": {"a": 1}},
        {"sums": {"a": [True, 1, 0]}, "groups": {}},
        {"sums": {"a": [1, math.nan, 0]}, "groups": {}},
    ],
)
def test_a_document_that_is_no_tally_is_refused(value):
    with pytest.raises(InvalidInput):
        tally_from_json(value)


@pytest.mark.parametrize("simulations", [40, pytest.param(1500, marks=pytest.mark.slow)])
def test_a_challenger_worse_by_the_tolerance_passes_at_any_of_a_hundred_looks_no_more_often_than_stated(simulations):
    """Both arms are right four times in five and the tolerance is next to nothing: each pass is one by luck, in 0.025 of the rollouts."""
    held = rule('metric = "accuracy"\ntolerance = 0.000000001\nconfidence = 0.975\nrows_min = 100\n')
    passed = 0
    for drawn in np.random.default_rng(11).binomial(100, 0.8, size=(simulations, 100, 2)).cumsum(axis=1).tolist():
        arms = ([Tally({"score": hits(100 * look, k)}) for k in pair] for look, pair in enumerate(drawn, 1))
        passed += any(judge_online(held, canary(*pair), quantiles=LATENCIES).outcome == "passed" for pair in arms)
    assert passed <= stats.binom.ppf(1 - 1e-6, simulations, 0.025)


GROUPS = 'metric = "accuracy"\nmargin = 0.1\n[[online.guardrail]]\nmetric = "subgroup"\nby = "x"\ntolerance = 0.1\ngroups = '
TWICE = '[[online.guardrail]]\nmetric = "error_rate"\nceiling = 0.1\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no rule"),
        ('metric = "auc"\nmargin = 0.1', "one of accuracy, brier, log_loss, mae, mse, outcome"),
        ('metric = "accuracy"', "exactly one of margin and tolerance; it has none"),
        ('metric = "accuracy"\nmargin = 0.1\ntolerance = 0.1', "it has margin and tolerance"),
        ('metric = "accuracy"\nmargin = 0', "a number above 0 in the unit of accuracy"),
        ('metric = "accuracy"\nmargin = 1.5', "below 1"),
        ('metric = "accuracy"\nmargin = nan', "margin is nan"),
        ('metric = "outcome"\nmargin = 1', "better is missing"),
        ('metric = "accuracy"\nbetter = "higher"\nmargin = 0.1', "unknown key better"),
        ('metric = "accuracy"\nmargin = 0.1\nconfidence = 0.4', "between 0.5 and 1"),
        ('metric = "accuracy"\nmargin = 0.1\nrows_min = 10', "rows_min is 10"),
        ('metric = "accuracy"\nmargin = 0.1\nhorizon_rows = 9000', "unknown key horizon_rows"),
        ('metric = "accuracy"\nmargin = 0.1\nmethod = "obrien-fleming"', "horizon_rows is missing"),
        ('metric = "accuracy"\nmargin = 0.1\nmethod = "obrien-fleming"\nhorizon_rows = 900', "from 1000"),
        ('metric = "accuracy"\nmargin = 0.1\nmethod = "peek"', "anytime, obrien-fleming"),
        ("margin = 0.1", "unknown key margin"),
        ('metric = "mae"\nmargin = 0.1\n[online.guardrail]\nmetric = "error_rate"', "two brackets"),
        ('[[online.guardrail]]\nmetric = "accuracy"\nceiling = 0.1', "error_rate, refusal_rate, p50_latency_ms"),
        ('[[online.guardrail]]\nmetric = "error_rate"', "it has none"),
        ('[[online.guardrail]]\nmetric = "error_rate"\nceiling = 0', "at 0 no evidence"),
        ('[[online.guardrail]]\nmetric = "p99_latency_ms"\ntolerance = 5', "takes one limit, ceiling; it has tolerance"),
        ('[[online.guardrail]]\nmetric = "p99_latency_ms"\nceiling = -5', "ceiling is -5"),
        ('[[online.guardrail]]\nmetric = "subgroup"\nby = "x"\ngroups = ["a"]\ntolerance = 0.1', r"\[online\] names no metric"),
        (GROUPS + '["a", "a"]', "different values"),
        (GROUPS + "[]", "different values"),
        (GROUPS + "[1]", "as texts"),
        (TWICE + TWICE, "two entries say"),
    ],
)
def test_an_online_rule_that_cannot_be_held_is_refused_in_words(text, says):
    with pytest.raises(InvalidInput, match=says):
        rule(text)


def test_a_live_score_needs_the_columns_that_are_scored_and_an_outcome_does_not():
    bare = 'format = 1\n[tests]\nrequired = ["serves"]\n[online]\n'
    with pytest.raises(InvalidInput, match="scoring.* is missing"):
        parse_policy(bare + SCORE)
    assert parse_policy(bare + 'metric = "outcome"\nbetter = "higher"\ntolerance = 3\n').online.score.limit == -3


@pytest.mark.parametrize("text", [SCORE, HORIZON, SCORE + "".join(f"[[online.guardrail]]\n{text}\n" for text, _ in BROKEN.values())])
def test_an_online_rule_survives_its_own_document(text):
    policy = parse_policy(HEAD + text)
    assert policy_from_json(policy.to_json()) == policy
    assert "online" not in parse_policy('format = 1\n[tests]\nrequired = ["serves"]\n').to_json()
