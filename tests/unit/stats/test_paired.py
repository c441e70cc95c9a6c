import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from incumbent.base.errors import InvalidInput
from incumbent.stats.paired import (
    PairedDifference,
    delong,
    mcnemar,
    mcnemar_better,
    paired_bootstrap,
    paired_counts,
    paired_mean,
    rows_to_resolve,
)


def slow_delong(truth, *scores):
    """DeLong et al. (1988), equations 4 to 7 as they are printed: every positive against every negative."""
    v10, v01, aucs = [], [], []
    for score in scores:
        psi = np.array([[1.0 if x > y else 0.5 if x == y else 0.0 for y in score[~truth]] for x in score[truth]])
        aucs.append(psi.mean())
        v10.append(psi.mean(axis=1) - psi.mean())
        v01.append(psi.mean(axis=0) - psi.mean())
    p, n = int(truth.sum()), int((~truth).sum())
    s10 = np.array([[a @ b / (p - 1) for a in v10] for b in v10])
    s01 = np.array([[a @ b / (n - 1) for a in v01] for b in v01])
    return np.array(aucs), s10 / p + s01 / n


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_exact_mcnemar_p_is_the_binomial_test_of_scipy(n01, n10):
    if n01 + n10:
        assert mcnemar(n01, n10).exact == pytest.approx(stats.binomtest(n01, n01 + n10).pvalue, abs=1e-12)
        assert mcnemar_better(n01, n10) == pytest.approx(stats.binomtest(n01, n01 + n10, alternative="greater").pvalue, abs=1e-12)
    else:
        assert mcnemar(0, 0).exact == mcnemar(0, 0).mid_p == mcnemar_better(0, 0) == 1.0


def test_mcnemar_gives_the_vectors_of_the_research_page():
    found = mcnemar(10, 25)
    assert found.exact == pytest.approx(0.016673847800120715, rel=1e-12)
    assert found.mid_p == pytest.approx(0.0113309842, abs=1e-10)
    assert found.chi2_cc == pytest.approx(5.6)
    assert found.chi2_cc_p == pytest.approx(stats.chi2.sf(5.6, 1))
    assert mcnemar(25, 10) == found


def test_non_inferiority_gives_the_vector_of_the_research_page():
    """Wald's, which is what the mean of right and wrong has; `paired_counts` itself has Tango's (test_tango.py)."""
    champion, challenger = np.zeros(5000), np.zeros(5000)
    champion[:52], challenger[52:92] = 1, 1
    found = paired_mean(champion, challenger)
    assert found.difference == pytest.approx(-0.0024)
    assert found.se == pytest.approx(0.001918032325, abs=1e-12)
    assert (found.difference + 0.005) / found.se == pytest.approx(1.355556, abs=1e-6)
    assert found.p_not_above(-0.005) == pytest.approx(0.087620, abs=1e-6)
    assert found.low(0.025) == pytest.approx(-0.006159274, abs=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_right_and_wrong_as_scores_give_what_the_counts_give(rows):
    first, second = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    n01, n10 = sum(not a and b for a, b in rows), sum(a and not b for a, b in rows)
    scores, counts = paired_mean(first, second), paired_counts(n01, n10, len(rows))
    assert (scores.difference, scores.se) == pytest.approx((counts.difference, counts.se), abs=1e-12)


def test_the_paired_interval_is_the_paired_t_of_scipy_in_large_samples():
    rng = np.random.default_rng(1)
    first = rng.normal(size=5000)
    second = first + rng.normal(0.02, 0.1, size=5000)
    theirs = stats.ttest_rel(second, first).confidence_interval(0.90)
    found = paired_mean(first, second)
    assert (found.low(0.05), found.high(0.05)) == pytest.approx((theirs.low, theirs.high), abs=1e-5)


def test_rows_that_never_differ_keep_a_standard_error_when_half_a_row_is_added_to_each_cell():
    """(0.5 + 0.5) / 32 discordant, no difference: se = sqrt((1 / 32) / 32)."""
    assert paired_counts(0, 0, 30).se == 0
    assert paired_counts(0, 0, 30, pseudo=0.5).se == pytest.approx(1 / 32)


@pytest.mark.parametrize("pair", [(-1, 0, 5), (3, 3, 5), (0, 0, 0)])
def test_counts_that_cannot_be_are_refused(pair):
    with pytest.raises(InvalidInput, match="cannot be"):
        paired_counts(*pair)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [([1.0], [1.0, 2.0], "one shape"), ([], [], "one shape"), ([[1.0]], [[1.0]], "one shape"), ([math.nan], [1.0], "not finite")],
)
def test_scores_that_are_no_pairs_are_refused(first, second, message):
    with pytest.raises(InvalidInput, match=message):
        paired_mean(np.array(first), np.array(second))


@given(st.integers(0, 2**32), st.integers(4, 40), st.sampled_from([2, 5, 1000]))
def test_the_fast_delong_is_the_slow_one_with_ties_too(seed, m, levels):
    rng = np.random.default_rng(seed)
    truth = np.arange(m) % 3 > 0
    if (~truth).sum() < 2:
        return
    first, second = rng.integers(0, levels, size=(2, m)).astype(float)
    found, (aucs, covariance) = delong(truth, first, second), slow_delong(truth, first, second)
    assert found.auc == pytest.approx(tuple(aucs), abs=1e-12)
    assert np.array(found.covariance) == pytest.approx(covariance, abs=1e-12)


def test_z_is_the_difference_over_its_standard_error_with_the_research_pages_matrix():
    """Page 6.1 prints the AUCs and the matrix, of which only one side of the covariance: z = 0.017943 / 0.091665."""
    variance = 0.00446526 + 0.00339239 + 2 * 0.00027227
    assert (0.781100478 - 0.763157895) / math.sqrt(variance) == pytest.approx(0.195744, abs=1e-5)
    rng = np.random.default_rng(2)
    truth = rng.random(60) < 0.4
    first, second = rng.normal(truth, 1), rng.normal(1.2 * truth, 1)
    aucs, covariance = slow_delong(truth, first, second)
    spread = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert delong(truth, first, second).z == pytest.approx((aucs[1] - aucs[0]) / spread)


def test_two_models_with_one_ranking_differ_by_exactly_nothing():
    truth = np.array([True, False, True, False, True])
    scores = np.array([0.1, 0.4, 0.35, 0.8, 0.9])
    found = delong(truth, scores, np.exp(scores))
    assert found.difference == PairedDifference(0.0, 0.0, 5, "DeLong")
    assert found.z == 0.0


def test_delong_holds_its_level_when_both_models_are_equally_good():
    rng = np.random.default_rng(3)
    beyond = 0
    for _ in range(400):
        truth = rng.random(200) < 0.3
        signal = truth + rng.normal(size=200)
        beyond += abs(delong(truth, signal + rng.normal(0, 0.5, 200), signal + rng.normal(0, 0.5, 200)).z) > 1.96
    assert 4 <= beyond <= 38  # Binomial(400, 0.05): mean 20, five standard deviations are 22


@pytest.mark.parametrize("truth", [[True, True, True], [False, False, True]])
def test_an_auc_of_one_class_is_refused(truth):
    with pytest.raises(InvalidInput, match="two of each"):
        delong(np.array(truth), np.arange(3.0), np.arange(3.0))


def test_the_paired_bootstrap_finds_the_standard_error_of_a_paired_mean():
    rng = np.random.default_rng(4)
    scores = rng.normal(size=(2, 800))
    found = paired_bootstrap(lambda rows, model: float(scores[model][rows].mean()), 800, rng=rng)
    exact = paired_mean(scores[0], scores[1])
    assert found.difference == pytest.approx(exact.difference)
    assert found.se == pytest.approx(exact.se, rel=0.10)  # 1,000 draws know it to 2.2 %


def test_a_metric_that_is_undefined_on_many_draws_has_no_standard_error():
    flags = np.array([1.0] + [0.0] * 9)
    found = paired_bootstrap(lambda rows, _: 1.0 if flags[rows].any() else math.nan, 10, rng=np.random.default_rng(5))
    assert found.se == math.inf


def test_the_planner_gives_the_research_pages_sample_size():
    """(1.959964 + 0.841621)^2 * 0.02446 / 0.005^2 = 7,680: page 0, fact 8."""
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.80)
    assert rows_to_resolve(0.02446, 0.005, alpha=0.025) == math.ceil(z**2 * 0.02446 / 0.005**2) == 7680


def test_the_planned_rows_do_see_the_difference_as_often_as_planned():
    m = rows_to_resolve(0.05, 0.02, alpha=0.05, power=0.80)
    rng = np.random.default_rng(6)
    counts = rng.multinomial(m, [0.035, 0.015, 0.95], size=2000)
    seen = sum(paired_counts(int(a), int(b), m).low(0.05) > 0 for a, b, _ in counts)
    assert 0.76 <= seen / 2000 <= 0.84


@pytest.mark.parametrize(("variance", "gap"), [(0.05, 0.0), (math.inf, 0.1), (1.0, 1e-9)])
def test_no_rows_are_named_where_none_would_do(variance, gap):
    assert rows_to_resolve(variance, gap, alpha=0.05) is None


@pytest.mark.parametrize(("variance", "gap"), [(-1.0, 0.1), (math.nan, 0.1), (1.0, math.nan)])
def test_a_plan_from_what_is_no_number_is_refused(variance, gap):
    with pytest.raises(InvalidInput, match="no plan"):
        rows_to_resolve(variance, gap, alpha=0.05)
