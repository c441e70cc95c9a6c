import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from incumbent.base.errors import InvalidInput
from incumbent.stats.sequential import (
    Difference,
    Sums,
    difference_of_arms,
    difference_of_pairs,
    mixture_boundary,
    mixture_boundary_one_sided,
    mixture_tuning,
    share_sequence,
    sums_of,
)

SURE = 1 - 1e-6
"""A seeded count may reach this quantile of the binomial of its stated rate: one such test in a million is red by chance."""
values = st.lists(st.floats(-1e6, 1e6), max_size=30).map(np.array)


def test_the_normal_mixture_gives_the_vectors_of_the_research_page():
    assert mixture_tuning(1000, 0.05) == pytest.approx(121.773489, abs=1e-6)
    assert mixture_boundary(1000, rho=121.773489, alpha=0.05) == pytest.approx(95.978998, abs=1e-5)
    assert mixture_boundary(100, rho=121.773489, alpha=0.05) == pytest.approx(38.232183, abs=1e-5)
    assert mixture_tuning(100, 0.01) == pytest.approx(8.506026, abs=1e-6)
    assert mixture_boundary(100, rho=8.506026, alpha=0.01) == pytest.approx(35.716063, abs=1e-5)


@pytest.mark.parametrize(("t", "half_width"), [(1000, 0.106375), (5000, 0.042924), (20000, 0.022112)])
def test_the_asymptotic_confidence_sequence_gives_the_vectors_of_the_research_page(t, half_width):
    """Its form there, sqrt(2 (t rho^2 + 1) / (t^2 rho^2) ln(sqrt(t rho^2 + 1) / alpha)), is the same boundary with 1 / rho^2."""
    assert mixture_boundary(t, rho=0.039840**-2, alpha=0.05) / t == pytest.approx(half_width, abs=1e-6)


@pytest.mark.parametrize(("variance", "rho", "alpha"), [(100, 8.5, 0.01), (1000, 121.8, 0.05), (50_000, 300.0, 0.025)])
def test_the_boundaries_are_where_the_mixture_martingale_by_numerical_integration_reaches_one_over_alpha(variance, rho, alpha):
    def mixed(s, low):
        """The mean of exp(lambda s - lambda^2 V / 2) over lambda ~ N(0, 1 / rho), or over its half above 0."""
        weight = stats.norm(scale=rho**-0.5).pdf

        def integrand(x):
            return math.exp(x * s - x * x * variance / 2) * weight(x)

        peak = s / (variance + rho)
        middle = 1 if low else 2
        return middle * integrate.quad(integrand, low or 0.0, 12 / math.sqrt(rho), points=[peak], limit=200)[0]

    two_sided = mixture_boundary(variance, rho=rho, alpha=alpha)
    assert mixed(two_sided, -12 / math.sqrt(rho)) == pytest.approx(1 / alpha, rel=1e-6)
    one_sided = mixture_boundary_one_sided(variance, rho=rho, alpha=alpha)
    assert 1 / alpha <= mixed(one_sided, None) <= 1.6 / alpha  # a closed form, on the safe side of the root
    assert one_sided < two_sided


@given(values, values, values)
def test_sums_of_parts_are_the_sums_of_the_whole_in_any_order(first, second, third):
    whole = sums_of(np.concatenate([first, second, third]))
    for merged in (sums_of(first) + sums_of(second) + sums_of(third), sums_of(third) + (sums_of(first) + sums_of(second))):
        assert merged.n == whole.n
        assert merged.total == pytest.approx(whole.total, abs=1e-6)
        assert merged.scatter == pytest.approx(whole.scatter, rel=1e-9, abs=1e-3)


def test_sums_keep_a_variance_that_is_small_beside_the_mean():
    values = 1e9 + np.array([0.0, 1.0, 2.0])
    merged = sums_of(values[:1]) + sums_of(values[1:])
    assert merged.variance == pytest.approx(1.0, rel=1e-9)
    assert (values**2).sum() - 3 * values.mean() ** 2 != pytest.approx(2.0, rel=0.1)  # what a plain sum of squares would have left


@pytest.mark.parametrize("made", [lambda: Sums(-1), lambda: Sums(1, 1.0, 1.0), lambda: Sums(2, math.inf), lambda: Sums(2, 1.0, -1.0)])
def test_sums_that_no_values_have_are_refused(made):
    with pytest.raises(InvalidInput, match="no running sums"):
        made()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_would_spoil_all_later_sums_is_refused(bad):
    with pytest.raises(InvalidInput, match="NaN or infinite"):
        sums_of(np.array([1.0, bad]))


def test_two_arms_have_the_difference_and_standard_error_of_welch():
    champion, challenger = np.array([1.0, 2.0, 4.0]), np.array([2.0, 5.0, 6.0, 9.0])
    found = difference_of_arms([(sums_of(champion), sums_of(challenger))])
    welch = stats.ttest_ind(challenger, champion, equal_var=False)
    assert found.value == pytest.approx(5.5 - 7 / 3)
    assert found.value / found.se == pytest.approx(welch.statistic)
    assert found.n == 7


def test_two_arms_have_the_sequence_of_growthbook():
    """gbstats 0.8.0, SequentialTwoSidedTTest: 400 of 4,000 against 420 of 3,500, alpha 0.05, tuned at 5,000."""
    arms = [Sums(n, k, k - k * k / n) for n, k in ((4000, 400.0), (3500, 420.0))]
    found = difference_of_arms([(arms[0], arms[1])])
    radius = found.se * mixture_boundary(found.n, rho=0.03984006677137368**-2, alpha=0.05) / math.sqrt(found.n)
    assert [found.value - radius, found.value + radius] == pytest.approx(
        [-0.002093326, 0.042093326], abs=1e-5
    )  # it divides by n, we by n - 1


def test_a_change_of_shares_at_a_better_hour_makes_no_difference():
    """Each phase is level (10 % then 50 % right), but the challenger has most of its rows in the good one: pooled it would win."""

    def right(n, share):
        return sums_of(np.repeat([1.0, 0.0], [round(n * share), n - round(n * share)]))

    phases = [(right(900, 0.1), right(100, 0.1)), (right(500, 0.5), right(500, 0.5))]
    pooled = tuple(phases[0][arm] + phases[1][arm] for arm in (0, 1))
    assert difference_of_arms(phases).value == pytest.approx(0.0)
    assert difference_of_arms([pooled]).value == pytest.approx((260 / 600) - (340 / 1400))


def test_arms_without_an_event_yet_are_not_taken_for_arms_that_never_have_one():
    none = sums_of(np.zeros(100))
    found = difference_of_arms([(none, none)], is_share=True)
    assert found.value == 0
    assert found.se == pytest.approx(math.sqrt(2 * ((1 - 1 / 102) / 101) / 100))  # one row of 1 and one of 0 more: scatter 1 - 1/102
    assert difference_of_arms([(none, none)]).bounds(0.05, rows_tuned=100) == (-math.inf, math.inf)
    assert difference_of_pairs(none, is_share=True).se == pytest.approx(math.sqrt(2 / 101 / 100))
    assert difference_of_pairs(none).rows_needed(0.1, alpha=0.05, rows_tuned=100) is None


def test_the_rows_still_needed_are_the_fewest_that_put_the_limit_outside():
    found = Difference(0.02, 0.01, 1000)
    more = found.rows_needed(0.0, alpha=0.05, rows_tuned=5000)
    sigma = found.se * math.sqrt(found.n)

    def low_at(n):
        return Difference(0.02, sigma / math.sqrt(n), n).bounds(0.05, rows_tuned=5000)[0]

    assert low_at(1000 + more) >= 0 > low_at(1000 + more - 1)
    assert Difference(0.02, 0.01, 1000).rows_needed(0.02, alpha=0.05, rows_tuned=5000) is None


def one_look(difference, alpha):
    return abs(difference.value) > stats.norm.ppf(1 - alpha) * difference.se


def every_look(difference, alpha):
    low, high = difference.bounds(alpha, rows_tuned=5000)
    return low > 0 or high < 0


@pytest.mark.parametrize("simulations", [80, pytest.param(4000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("is_shadow", [False, True])
def test_a_hundred_looks_at_equal_arms_raise_no_more_false_alarms_than_stated(simulations, is_shadow):
    """Two arms right one time in ten, looked at every 100 rows up to 10,000 an arm, each side at 0.025; shadow: pairs of them."""
    alpha, looks, rows = 0.025, 100, 100
    rng = np.random.default_rng(20261126)
    alarms = {every_look: 0, one_look: 0}
    for _ in range(simulations):
        if is_shadow:  # champion alone right in 5 %, challenger alone in 5 %
            drawn = rng.multinomial(rows, [0.05, 0.05, 0.90], size=looks)
            parts = [Sums(rows, a - b, a + b - (a - b) ** 2 / rows) for a, b, _ in drawn.tolist()]
        else:
            parts = [tuple(Sums(rows, k, k - k * k / rows) for k in pair) for pair in rng.binomial(rows, 0.1, size=(looks, 2)).tolist()]
        so_far = Sums() if is_shadow else (Sums(), Sums())
        seen = set()
        for part in parts:
            if is_shadow:
                so_far = so_far + part
                found = difference_of_pairs(so_far, is_share=True)
            else:
                so_far = (so_far[0] + part[0], so_far[1] + part[1])
                found = difference_of_arms([so_far], is_share=True)
            seen |= {rule for rule in alarms if rule not in seen and rule(found, alpha)}
        for rule in seen:
            alarms[rule] += 1
    most = stats.binom.ppf(SURE, simulations, 2 * alpha)
    assert alarms[every_look] <= most
    assert alarms[one_look] > most, "the check would not see a test that is peeked at"


@pytest.mark.parametrize(("p", "confidence"), [(0.001, 0.95), (0.1, 0.95), (0.5, 0.99)])
def test_a_share_leaves_its_sequence_no_more_often_than_stated_by_exact_reckoning(p, confidence):
    """Walk the probability of every count k of n that has never left, for 150 looks; nothing is drawn."""
    staying, left = np.array([1.0]), 0.0
    for n in range(1, 151):
        staying = np.convolve(staying, [1 - p, p])
        for k in np.flatnonzero(staying > 1e-9):
            found = share_sequence(int(k), n, confidence=confidence) if abs(k - n * p) > 2 * math.sqrt(n * p * (1 - p)) else None
            if found is not None and not found.low <= p <= found.high:
                left += staying[k]
                staying[k] = 0.0
    assert left <= 1 - confidence
    assert p < 0.01 or left > 0.001, "bounds that are never left would say nothing"


@given(st.integers(0, 40), st.integers(1, 400))
def test_a_shares_bounds_lie_where_the_mixture_of_binomials_is_twenty_times_the_null(k, more):
    n = k + more
    found = share_sequence(k, n, confidence=0.95)
    mixture = stats.betabinom(n, 0.5, 0.5).pmf(k)
    for bound in (found.low, found.high):
        if 0 < bound < 1:
            assert mixture / stats.binom(n, bound).pmf(k) == pytest.approx(20, rel=1e-3)
    assert found.low <= k / n <= found.high
