"""The rule where training rows answer for the holdout: what is told, what it costs, and that luck and fitting promote nobody."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from incumbent.base.documents import document_bytes
from incumbent.base.errors import InvalidInput
from incumbent.gates.holdout import alpha_of_look, comparison_quantile, draw_laplace, thresholdout
from incumbent.gates.holdout_rule import ThresholdoutRule
from incumbent.gates.judge import HoldoutSample, judge
from incumbent.gates.level import Level
from incumbent.gates.policy import policy_from_json
from incumbent.gates.thresholdout import LaplaceDraws, Reused, judge_thresholdout
from incumbent.stats.paired import PairedDifference

QUIET = LaplaceDraws(0.0, 0.0, 0.0, (7, 3), "sha256:00")
RULE = ThresholdoutRule(agreement=0.04, noise=0.01, answers_max=5)
ALPHA = 0.05 * 6 / math.pi**2


def ask(difference, training, *, se=0.001, answers=0, draws=QUIET, margin=0.01, alpha=ALPHA, rule=RULE):
    paired = PairedDifference(difference, se, 10_000, "paired mean")
    reused = Reused(training, answers, rule.answers_max, draws)
    found = judge_thresholdout("primary accuracy", paired, reused, rule=rule, margin=margin, level=Level(alpha, "look 1 of 20"))
    document_bytes(found.to_json())
    return found


@given(st.binary(min_size=8, max_size=40))
def test_a_draw_is_the_laplace_quantile_of_its_seed(seed):
    share = (int.from_bytes(seed[:8], "big") // 2**11 + 0.5) / 2**53
    assert draw_laplace(seed) == pytest.approx(stats.laplace.ppf(share), rel=1e-9, abs=1e-12)


def test_a_short_seed_gives_no_draw():
    with pytest.raises(InvalidInput, match="7 bytes are no seed"):
        draw_laplace(bytes(7))


@pytest.mark.parametrize("alpha", [0.5, 0.3, 0.025, 1e-3, 1e-9])
def test_the_noise_of_the_comparison_exceeds_its_quantile_as_often_as_it_says(alpha):
    """The tail of Lap(2) + Lap(4), integrated over the first."""
    q = comparison_quantile(alpha)
    tail, _ = integrate.quad(
        lambda x: stats.laplace.pdf(x, scale=2) * stats.laplace.sf(q - x, scale=4), -200, 200, points=[0, q], limit=400
    )
    assert tail == pytest.approx(alpha, rel=1e-6)


@pytest.mark.parametrize("alpha", [0.0, -0.1, 0.6, math.nan])
def test_a_level_without_a_quantile_is_refused(alpha):
    with pytest.raises(InvalidInput, match="no quantile"):
        comparison_quantile(alpha)


def test_the_training_rows_answer_while_the_holdout_agrees_and_the_interval_has_room_for_what_is_not_told():
    found = ask(0.18, 0.20, margin=0.001)
    z = stats.norm.ppf(1 - ALPHA / 2)
    q = comparison_quantile(ALPHA / 2)
    assert found.estimate == 0.20
    assert found.low == pytest.approx(0.20 - 0.04 - 0.01 * q - math.ceil(z * 0.001 * 10_000) / 10_000)
    assert (found.outcome, found.facts["answered_by"], found.facts["answers"]) == ("passed", "training", 0)
    assert (
        "the training rows answered: the holdout agrees within 0.04 and noise of scale 0.01, and 5 of its 5 answers are left"
        in found.reason
    )
    assert "0.18" not in document_bytes(found.to_json()).decode()


def test_the_holdout_answers_with_noise_where_it_does_not_agree():
    found = ask(0.1234567, 0.60, answers=1, draws=replace(QUIET, answer=-1.0))
    z = stats.norm.ppf(1 - ALPHA / 2)
    assert found.estimate == pytest.approx(0.113), "0.1234567 - 0.01 in steps of 0.001"
    assert found.low == pytest.approx(
        0.113 - math.ceil(z * 0.001 * 10_000) / 10_000 - 0.0005 - stats.laplace.ppf(1 - ALPHA / 2, scale=0.01)
    )
    assert (found.outcome, found.facts["answered_by"], found.facts["answers"]) == ("passed", "holdout", 2)
    assert "the holdout answered with noise of scale 0.01, answer 2 of 5; look 1 of 20" in found.reason


@pytest.mark.parametrize(
    ("difference", "training", "outcome"),
    [(0.5, 0.9, "passed"), (-0.5, 0.9, "failed"), (0.02, 0.9, "undecided"), (0.01, 0.01, "undecided"), (-0.3, -0.3, "failed")],
)
def test_the_rule_answers_by_where_the_interval_lies(difference, training, outcome):
    assert ask(difference, training).outcome == outcome


@pytest.mark.parametrize(
    ("difference", "training", "answered"), [(0.12, 0.12, "training"), (-0.1, -0.1, "training"), (0.07, 0.9, "holdout")]
)
def test_an_undecided_rule_says_how_many_more_rows_would_settle_it(difference, training, answered):
    """Only the rows' own noise shrinks with their square root: what agreement and Laplace noise hold back stays."""
    rule = ThresholdoutRule(agreement=0.02, noise=0.004, answers_max=5)
    found = ask(difference, training, se=0.03, rule=rule)
    assert (found.outcome, found.facts["answered_by"]) == ("undecided", answered)
    assert f"about {found.rows_needed:,} more rows would settle it" in found.reason
    for share, is_settled in ((1.1, True), (0.85, False)):  # the noise is told in two digits, rounded up
        se = 0.03 / math.sqrt(1 + share * found.rows_needed / 10_000)
        assert (ask(difference, training, se=se, rule=rule).outcome != "undecided") is is_settled
    near = ask(0.012, 0.012, rule=rule)
    assert (near.outcome, near.rows_needed) == ("undecided", None)
    assert "no number of rows would settle it" in near.reason


def test_noise_decides_who_answers_and_the_thresholds_noise_counts_double():
    assert ask(0.15, 0.20).facts["answered_by"] == "holdout"
    assert ask(0.15, 0.20, draws=replace(QUIET, threshold=0.6)).facts["answered_by"] == "training"
    assert ask(0.15, 0.20, draws=replace(QUIET, threshold=0.4)).facts["answered_by"] == "holdout"
    assert ask(0.15, 0.20, draws=replace(QUIET, comparison=0.2)).facts["answered_by"] == "holdout"
    assert ask(0.15, 0.20, draws=replace(QUIET, comparison=0.3)).facts["answered_by"] == "training"
    assert ask(0.20, 0.20, draws=replace(QUIET, comparison=-1.1)).facts["answered_by"] == "holdout"


def test_without_answers_left_nobody_answers_and_it_is_a_value():
    found = ask(0.18, 0.20, answers=5)
    assert (found.outcome, found.estimate, found.low, found.facts["answered_by"]) == ("undecided", None, None, "nobody")
    assert "the 5 answers that this holdout may give are used up" in found.reason
    assert "register a fresh holdout" in found.reason
    assert ask(0.18, 0.20, se=math.inf).facts["answered_by"] == "nobody"


@pytest.mark.parametrize("training", [None, math.nan, math.inf])
def test_a_gain_that_is_no_number_is_an_error(training):
    with pytest.raises(InvalidInput, match="the gain on training rows"):
        ask(0.1, training)


FINITE = st.floats(-1e3, 1e3)
DRAW = st.floats(-36, 36)


@given(FINITE, FINITE, st.floats(0, 1e3), st.integers(0, 8), st.tuples(DRAW, DRAW, DRAW), st.floats(1e-6, 1e3), st.floats(0.001, 0.9))
def test_no_look_takes_more_than_one_answer_or_one_that_is_not_there(difference, training, se, answers, chance, agreement, share):
    rule = ThresholdoutRule(agreement, max(agreement * share, 1e-12), 5)
    found = ask(difference, training, se=se, answers=answers, draws=LaplaceDraws(*chance, (7, 3), "sha256:00"), rule=rule)
    assert found == ask(difference, training, se=se, answers=answers, draws=LaplaceDraws(*chance, (7, 3), "sha256:00"), rule=rule)
    spent = found.facts["answers"] - answers
    assert spent == (found.facts["answered_by"] == "holdout")
    assert found.facts["answers"] <= max(5, answers)
    assert (found.facts["answered_by"] == "nobody") == (answers >= 5)
    if found.low is not None:
        assert found.low < found.estimate < found.high
        assert found.outcome == ("passed" if found.low > 0.01 else "failed" if found.high <= 0.01 else "undecided")


def policy(**more):
    document = {"format": 1, "primary": {"metric": "accuracy", "margin": 0.01, "label": "y", "output": "p"}}
    holdout = {"name": "march", "reuse": "thresholdout", "agreement": 0.04, "noise": 0.01, **more}
    return policy_from_json({**document, "holdout": holdout})


def test_the_judge_tells_neither_models_score_and_prices_the_look():
    truth = np.arange(4000) % 2 == 0
    rows = np.arange(4000)
    sample = HoldoutSample(truth=truth, champion=truth ^ (rows < 1200), challenger=truth ^ (rows < 200), reused=Reused(0.9, 0, 5, QUIET))
    found = judge(policy(), sample, look=3, rng=np.random.default_rng(0)).results[0]
    assert (found.outcome, found.estimate) == ("passed", pytest.approx(0.25))
    assert not {"champion", "challenger", "only_challenger_right"} & found.facts.keys()
    assert found.facts["alpha"] == pytest.approx(alpha_of_look(0.05, 3))
    assert "look 3 of 20: judged at one-sided 0.0034" in found.reason
    first = judge(policy(), replace(sample, champion=None), look=1, rng=np.random.default_rng(0)).results[0]
    assert (first.outcome, first.estimate) == ("passed", None)
    assert "0.95" not in first.reason
    with pytest.raises(InvalidInput, match="the gain on training rows"):
        judge(policy(), replace(sample, reused=None), look=1, rng=np.random.default_rng(0))


def test_a_hundred_equal_challengers_fitted_to_the_training_rows_win_by_luck_at_most_as_often_as_the_level_says():
    """No challenger is better; each brings the training gain that would serve it best: what the holdout may just agree with."""
    rng, promoted = np.random.default_rng(5), 0
    rule = ThresholdoutRule(agreement=0.01, noise=0.002, answers_max=100)
    for _ in range(100):
        won = False
        for look in range(1, 101):
            alpha = alpha_of_look(0.05, look)
            draws = LaplaceDraws(*rng.laplace(size=3), (7, 3), "sha256:00")
            gain = rng.normal(0, 0.004)
            found = ask(gain, gain + rng.choice([0.009, 0.5]), se=0.004, draws=draws, margin=0.001, alpha=alpha, rule=rule)
            won |= found.outcome == "passed"
        promoted += won
    assert promoted / 100 <= 0.10, "5 % and three standard errors of a hundred trials, rounded down"


@pytest.mark.parametrize("seed", [1, 2])
def test_votes_that_are_kept_for_their_answers_climb_on_an_open_holdout_and_not_behind_thresholdout(seed):
    """The boosting attack on coin flips of page 6.2, m = 2,000 and k = 200, which has 0.599 on the open holdout."""
    rng = np.random.default_rng(seed)
    m, k = 2000, 200
    right = rng.random((k, 2, m)) < 0.5  # whether vote k is right on a training row, and on a row of the holdout

    def release(train, holdout):
        chance = rng.laplace(size=3)
        return thresholdout(
            float(train.mean()), float(holdout.mean()), threshold=0.04, noise=0.04 * chance[0], threshold_noise=0.02 * chance[1],
            answer_noise=0.01 * chance[2],
        ).value  # fmt: skip

    behind = [vote for vote in right if release(*vote) > 0.5]
    opened = [vote for vote in right if vote[1].mean() > 0.5]
    shares = [np.mean([vote[1] for vote in kept], axis=0) for kept in (opened, behind)]
    climbed, held = ((share > 0.5).mean() + (share == 0.5).mean() / 2 for share in shares)  # of a tie half is right
    assert climbed == pytest.approx(0.599, abs=0.03)
    assert held <= 0.54
