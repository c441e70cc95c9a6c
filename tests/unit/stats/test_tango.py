"""Bound and test are one thing at every margin; and both are Tango's."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from incumbent.stats.paired import mcnemar_better, paired_counts
from incumbent.stats.tango import score_low, score_statistic
from unit.stats.scores import reference_bounds, reference_statistic

TABLES = (
    st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 2000)).map(lambda t: (t[0], t[1], sum(t))).filter(lambda t: t[2] > 0)
)
MARGINS = st.floats(-0.99, 0.99).filter(lambda margin: abs(margin) > 1e-6)
LEVELS = st.sampled_from([0.1, 0.05, 0.025, 0.0304, 0.0003])


@pytest.mark.parametrize(
    ("counts", "digits", "low", "high"),
    [
        # Fagerland, Lydersen and Laake (2014), Statistics in Medicine: airways before and after a transplantation (Bentur et al. 2009)
        ((1, 7, 21), 3, -0.517, -0.026),
        # Complete responses before and after a therapy (Cavo et al. 2012), as the authors' R package contingencytables tests it
        ((6, 16, 161), 4, -0.1240, -0.0054),
    ],
)
def test_the_published_examples(counts, digits, low, high):
    found = paired_counts(*counts)
    assert (round(found.low(0.025), digits), round(found.high(0.025), digits)) == (low, high)


@given(TABLES, MARGINS)
@example((0, 0, 30), -0.005)
@example((0, 0, 1), 0.3)
@example((5, 0, 5), 0.9)
@example((0, 5, 5), -0.9)
def test_the_statistic_is_the_score_at_the_likeliest_shares(counts, margin):
    assert score_statistic(*counts, margin) == pytest.approx(reference_statistic(*counts, margin), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("alpha", [0.05, 0.0003])
@pytest.mark.parametrize("counts", [(0, 0, 1), (0, 0, 30), (1, 0, 1), (0, 3, 30), (3, 2, 5), (40, 52, 5000), (5, 5, 10), (0, 5, 5)])
def test_the_bounds_are_those_of_a_fine_grid_over_the_statistic(counts, alpha):
    found = paired_counts(*counts)
    assert (found.difference, found.low(alpha), found.high(alpha)) == pytest.approx(reference_bounds(*counts, alpha), abs=1e-7)


@given(TABLES, LEVELS)
@example((0, 0, 1), 0.05)
@example((0, 0, 100_000), 0.0003)
@example((0, 7, 7), 0.05)
def test_the_bound_is_where_the_statistic_crosses_the_quantile(counts, alpha):
    z, low = stats.norm.ppf(1 - alpha), score_low(*counts, alpha)
    assert -1 <= low <= (counts[0] - counts[1]) / counts[2]
    if low - 1e-9 > -1:
        assert score_statistic(*counts, low - 1e-9) > z > score_statistic(*counts, low + 1e-9)


@given(TABLES, st.floats(-0.99, -1e-300), LEVELS)
@example((0, 0, 1), -1.4e-172, 0.1)
def test_a_tolerance_is_kept_if_and_only_if_the_p_value_is_below_the_level(counts, margin, alpha):
    """The verdict asks the bound, the facts tell the p-value: at no tolerance may they contradict each other."""
    found = paired_counts(*counts)
    p = found.p_not_above(margin)
    if not math.isclose(p, alpha, rel_tol=1e-6):
        assert found.exceeds(margin, alpha) is (p < alpha)


@given(TABLES, LEVELS)
def test_the_statistic_falls_as_the_margin_rises_and_the_other_side_sees_the_opposite(counts, alpha):
    n01, n10, m = counts
    values = [score_statistic(*counts, margin) for margin in np.linspace(-0.999, 0.999, 400)]
    assert all(later < earlier + 1e-9 for earlier, later in itertools.pairwise(values))
    assert score_statistic(n10, n01, m, 0.25) == pytest.approx(-score_statistic(n01, n10, m, -0.25), rel=1e-9, abs=1e-9)
    assert paired_counts(n10, n01, m).high(alpha) == pytest.approx(-paired_counts(*counts).low(alpha), abs=1e-12)


@given(TABLES)
def test_at_no_margin_it_is_mcnemars(counts):
    n01, n10, _ = counts
    expected = (n01 - n10) / math.sqrt(n01 + n10) if n01 + n10 else 0.0
    assert score_statistic(*counts, 0.0) == pytest.approx(expected, rel=1e-9)


@given(st.integers(1, 10**6), LEVELS)
def test_where_nothing_tells_the_models_apart_doubt_is_wilsons(m, alpha):
    """The statistic is sqrt(m d / (1 - d)), so the bound is z^2 / (m + z^2): what Wilson gives for 0 of m."""
    z2 = stats.norm.ppf(1 - alpha) ** 2
    assert paired_counts(0, 0, m).high(alpha) == pytest.approx(z2 / (m + z2), abs=1e-10)


@pytest.mark.parametrize(
    ("m", "p01", "p10"),
    [(100, 0.01, 0.02), (100, 0.0, 0.01), (300, 0.001, 0.011), (500, 0.0, 0.005), (500, 0.001, 0.006), (1000, 0.0005, 0.0055)],
)
def test_who_is_worse_by_just_the_tolerance_passes_at_most_as_often_as_the_level_says(m, p01, p10):
    """Every table that such models can give, weighed by its chance; Wald's bound lets 8 to 37 % of them pass at the same level."""
    passed = wald = 0.0
    for n01, n10 in itertools.product(range(min(30, m)), range(40)):
        chance = stats.multinomial.pmf([n01, n10, m - n01 - n10], m, [p01, p10, 1 - p01 - p10])
        if chance > 1e-9:
            found = paired_counts(n01, n10, m)
            passed += chance * found.exceeds(p01 - p10, 0.05)
            wald += chance * (found.difference - 1.644854 * found.se > p01 - p10)
    assert passed <= 0.05
    assert wald > 0.08


@given(st.integers(0, 40), st.integers(0, 40), st.integers(100, 3000), st.sampled_from([-0.02, -0.005, 0.0, 0.002, 0.01]), LEVELS)
def test_so_many_rows_more_of_the_same_kind_settle_it(n01, n10, m, margin, alpha):
    found = paired_counts(n01, n10, m)
    needed = found.rows_to_settle(margin, alpha)
    if found.exceeds(margin, alpha) or found.high(alpha) <= margin or needed is None:
        return
    times = (m + needed) / m
    more = paired_counts(math.ceil(n01 * times), math.floor(n10 * times), m + needed)
    if found.difference > margin:
        assert more.low(alpha) > margin
        assert margin < 0 or mcnemar_better(*more.discordant) <= alpha
