import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput
from incumbent.stats.comparison import compare, estimate, rows_short, tell_short
from incumbent.stats.metrics import METRICS


def answers(metric, truth, rng, noise):
    """Answers that are the worse, the more noise."""
    if metric.needs == "number":
        return truth + rng.normal(0, noise, truth.size)
    scores = 1 / (1 + np.exp(-(2.0 * truth - 1 + rng.normal(0, noise, truth.size))))
    return scores if metric.needs == "probability" else scores > 0.5


def truths(metric, rng, m):
    return rng.normal(size=m) if metric.needs == "number" else rng.random(m) < 0.4


@pytest.mark.parametrize("name", METRICS)
def test_a_better_challenger_is_above_zero_whichever_way_the_metric_points(name):
    metric, rng = METRICS[name], np.random.default_rng(1)
    truth = truths(metric, rng, 2000)
    worse, better = answers(metric, truth, rng, 1.5), answers(metric, truth, rng, 0.4)
    found = compare(metric, truth, worse, better, rng=rng)
    assert found.low(0.01) > 0
    reverse = compare(metric, truth, better, worse, rng=rng)
    assert reverse.difference == pytest.approx(-found.difference)
    plain = metric.sign * (metric.function(truth, better) - metric.function(truth, worse))
    assert found.difference == pytest.approx(plain)


def check_misses(below, above, holdouts):
    """Each side misses at 5 %, four standard deviations apart at most; and the interval is not merely wide."""
    assert max(below, above) <= 0.05 * holdouts + 4 * math.sqrt(0.05 * 0.95 * holdouts)
    assert below + above >= 0.02 * holdouts


@pytest.mark.parametrize("name", METRICS)
def test_the_bounds_of_a_difference_hold_as_often_as_they_say(name):
    """The true value is that of all rows; each of the holdouts has 300 of them, each side 5 %."""
    metric, rng = METRICS[name], np.random.default_rng(2)
    holdouts = 300 if metric.comparison != "bootstrap" else 80
    truth = truths(metric, rng, 90_000)
    first, second = answers(metric, truth, rng, 1.2), answers(metric, truth, rng, 1.0)
    true = metric.sign * (metric.function(truth, second) - metric.function(truth, first))
    below = above = 0
    for rows in np.arange(90_000).reshape(300, 300)[:holdouts]:
        found = compare(metric, truth[rows], first[rows], second[rows], rng=rng)
        below += true < found.low(0.05)
        above += true > found.high(0.05)
    check_misses(below, above, holdouts)


@pytest.mark.parametrize("name", METRICS)
def test_the_bounds_of_one_model_hold_as_often_as_they_say(name):
    metric, rng = METRICS[name], np.random.default_rng(3)
    holdouts = 300 if metric.comparison != "bootstrap" else 80
    truth = truths(metric, rng, 90_000)
    predicted = answers(metric, truth, rng, 1.2)
    true = metric.function(truth, predicted)
    below = above = 0
    for rows in np.arange(90_000).reshape(300, 300)[:holdouts]:
        found = estimate(metric, truth[rows], predicted[rows], alpha=0.05, rng=rng)
        assert found.low <= found.value <= found.high
        below += true < found.low
        above += true > found.high
    check_misses(below, above, holdouts)


def test_answers_that_are_the_same_on_few_rows_prove_no_equality():
    truth = np.arange(30) % 2 == 0
    found = compare(METRICS["accuracy"], truth, truth, truth, rng=np.random.default_rng(4))
    assert found.difference == 0
    assert found.high(0.05) == pytest.approx(1.644854**2 / (30 + 1.644854**2), abs=1e-6)  # Wilson's for 0 of 30
    assert found.se > 0


def test_few_discordant_rows_do_not_exceed_zero_even_where_the_normal_bound_does():
    """Four rows of four: exact p = 1/16, although z = 2.0."""
    truth = np.ones(1000, dtype=bool)
    champion = np.arange(1000) >= 4
    found = compare(METRICS["accuracy"], truth, champion, truth, rng=np.random.default_rng(5))
    assert found.discordant == (4, 0)
    assert found.low(0.05) > 0
    assert not found.exceeds(0.0, 0.05)
    assert found.exceeds(0.0, 0.07)


def test_a_perfect_ranking_keeps_some_doubt():
    """Wilson's lower bound for 20 of 20 at one-sided 5 %: 20 / (20 + 1.6449^2)."""
    truth = np.arange(100) < 20
    found = estimate(METRICS["auc"], truth, truth.astype(float), alpha=0.05, rng=np.random.default_rng(6))
    assert found.value == found.high == 1.0
    assert found.low == pytest.approx(20 / (20 + 1.644854**2), abs=1e-6)


def test_a_share_of_no_rows_has_no_bounds():
    truth = np.arange(40) < 20
    found = estimate(METRICS["precision"], truth, np.zeros(40, dtype=bool), alpha=0.05, rng=np.random.default_rng(7))
    assert (found.value, found.low, found.high, found.n) == (0.0, -math.inf, math.inf, 0)


def test_an_undefined_metric_is_refused():
    with pytest.raises(InvalidInput, match="undefined"):
        estimate(METRICS["r2"], np.ones(50), np.arange(50.0), alpha=0.05, rng=np.random.default_rng(8))


@pytest.mark.parametrize(
    ("name", "positives", "m", "short"),
    [
        ("accuracy", 0, 12, 18), ("accuracy", 0, 30, 0), ("auc", 5, 100, 100), ("auc", 10, 100, 0), ("f1", 0, 50, 450),
        ("recall", 9, 27, 3),
        ("brier", 3, 1000, 2334), ("log_loss", 997, 1000, 2334), ("calibration_error", 9, 90, 10), ("calibration_error", 10, 20, 10),
    ],
)  # fmt: skip
def test_the_rows_that_are_missing_are_counted_by_the_rarer_class(name, positives, m, short):
    """10 of 3 in 1,000 are in 10,000 / 3 = 3,333.3 rows."""
    truth = np.arange(m) < positives
    assert rows_short(METRICS.get(name), truth) == short
    assert f"about {short:,} more rows are needed" in tell_short(name, METRICS.get(name), truth)


@pytest.mark.parametrize("name", [*METRICS, "calibration_error"])
@given(st.integers(1, 40), st.integers(1, 400), st.booleans())
def test_so_many_rows_more_of_the_same_kind_are_just_enough(name, rare, others, is_positive):
    """10 of the rarer class and 30 in all if the classes' shares stay, and not with one row less; of accuracy's classes none is asked."""
    m, rare = rare + others, min(rare, others)
    short = rows_short(METRICS.get(name), (np.arange(m) < rare) == is_positive)
    asked = 0 if name == "accuracy" else 10 * m
    assert rare * (m + short) >= asked
    assert m + short >= 30
    assert short == 0 or rare * (m + short - 1) < asked or m + short == 30


def test_what_is_short_says_of_what():
    three = np.arange(1000) < 3
    told = tell_short("auc", METRICS["auc"], three)
    assert told.startswith(
        "1,000 rows, 3 of them of the rarer class, are too few to tell the noise of auc: it takes 30 and 10 of each class"
    )
    assert "class" not in tell_short("accuracy", METRICS["accuracy"], three[:9])
