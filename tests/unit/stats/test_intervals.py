import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from incumbent.base.errors import InvalidInput
from incumbent.stats.intervals import bootstrap_percentile, clopper_pearson, normal_quantile, quantile_interval, wilson

counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
confidences = st.sampled_from([0.8, 0.9, 0.95, 0.99, 0.9999])


@given(counts, confidences)
def test_wilson_and_clopper_pearson_agree_with_scipy(pair, confidence):
    successes, n = pair
    reference = stats.binomtest(successes, n)
    for ours, method in ((wilson, "wilson"), (clopper_pearson, "exact")):
        theirs = reference.proportion_ci(confidence, method=method)
        found = ours(successes, n, confidence=confidence)
        assert found.estimate == successes / n
        assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize(("successes", "n", "low"), [(1, 1, 0.21), (16, 16, 0.81)])
def test_a_perfect_rate_of_few_rows_has_the_wide_interval_of_the_research_page(successes, n, low):
    assert wilson(successes, n).low == pytest.approx(low, abs=0.005)
    assert wilson(successes, n).high == 1.0


@pytest.mark.parametrize("n", [100, 1000, 10_000])
def test_none_of_n_may_still_be_three_in_n(n):
    assert clopper_pearson(0, n, confidence=0.90).high == pytest.approx(1 - 0.05 ** (1 / n))
    assert clopper_pearson(0, n, confidence=0.90).high == pytest.approx(3 / n, rel=0.02)


@pytest.mark.parametrize(("successes", "n"), [(-1, 10), (11, 10), (0, 0), (math.nan, 10), (1, math.inf), (1, math.nan)])
def test_counts_that_are_no_proportion_are_refused(successes, n):
    for method in (wilson, clopper_pearson):
        with pytest.raises(InvalidInput, match="is no proportion"):
            method(successes, n)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1, 95, math.nan])
def test_a_confidence_outside_zero_to_one_is_refused(confidence):
    for call in (lambda: normal_quantile(confidence), lambda: wilson(1, 2, confidence=confidence)):
        with pytest.raises(InvalidInput, match="confidence"):
            call()


def test_the_fewest_values_that_bound_the_99th_percentile_are_299():
    """0.99^299 = 0.0496 < 0.05 < 0.99^298 = 0.0500."""
    assert quantile_interval(np.arange(298.0), 0.99, confidence=0.90).high == math.inf
    assert quantile_interval(np.arange(299.0), 0.99, confidence=0.90).high == 298.0


@given(st.integers(1, 400), st.sampled_from([0.5, 0.95, 0.99]), confidences)
def test_the_order_statistics_around_a_quantile_are_those_of_scipy(n, quantile, confidence):
    theirs = stats.quantile_test(np.arange(n), p=quantile).confidence_interval(confidence)
    found = quantile_interval(np.arange(float(n)), quantile, confidence=confidence)
    assert found.low == (-math.inf if math.isnan(theirs.low) else theirs.low)
    assert found.high == (math.inf if math.isnan(theirs.high) else theirs.high)
    assert found.estimate == np.quantile(np.arange(n), quantile, method="inverted_cdf")


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_a_quantile_of_nothing_or_of_what_is_no_number_is_refused(values):
    with pytest.raises(InvalidInput, match="undefined"):
        quantile_interval(np.array(values), 0.5)


def test_the_bootstrap_of_a_mean_agrees_with_scipy():
    values = np.random.default_rng(1).exponential(size=400)
    found = bootstrap_percentile(lambda rows: float(values[rows].mean()), 400, rng=np.random.default_rng(2))
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(3)).confidence_interval
    assert found.estimate == values.mean()
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.015)  # a bound of 2,000 draws: se ~0.004


def test_one_seed_gives_one_interval():
    values = np.arange(50.0)
    first, second = (bootstrap_percentile(lambda rows: float(values[rows].mean()), 50, rng=np.random.default_rng(4)) for _ in range(2))
    assert first == second


def test_a_statistic_that_is_undefined_on_many_resamples_has_no_bounds():
    values = np.array([1.0] + [0.0] * 9)  # one resample in three misses the only 1
    found = bootstrap_percentile(lambda rows: 1.0 if values[rows].any() else math.nan, 10, rng=np.random.default_rng(5))
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_too_few_resamples_for_the_tails_are_refused_with_the_number_that_would_do():
    with pytest.raises(InvalidInput, match="at least 20000 can"):
        bootstrap_percentile(lambda rows: 0.0, 10, rng=np.random.default_rng(6), confidence=0.999)
