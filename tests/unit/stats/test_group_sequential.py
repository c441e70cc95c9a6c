import numpy as np
import pytest
from scipy import integrate, stats

from incumbent.base.errors import InvalidInput
from incumbent.stats.group_sequential import obrien_fleming, spent


def test_five_equal_looks_have_the_boundaries_of_lan_and_demets():
    """As tables and R's ldbounds give them for five looks, two-sided 0.05, O'Brien-Fleming spending; their fourth digit is not sure."""
    found = obrien_fleming([0.2, 0.4, 0.6, 0.8, 1.0], 0.025)
    assert found == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=2e-4)


def test_the_second_boundary_is_where_the_rest_is_spent_by_scipys_quadrature():
    first, second = obrien_fleming([0.2, 0.4], 0.025)
    crosses_now = integrate.quad(
        lambda z: stats.norm.pdf(z) * stats.norm.sf((second * 0.4**0.5 - z * 0.2**0.5) / 0.2**0.5), -10, first, epsabs=1e-15
    )[0]
    assert stats.norm.sf(first) == pytest.approx(spent(0.2, 0.025), rel=1e-9)
    assert crosses_now == pytest.approx(spent(0.4, 0.025) - spent(0.2, 0.025), rel=1e-6)


@pytest.mark.parametrize("fractions", [[1.0], [0.3, 1.0], [0.1, 0.15, 0.7], [0.25, 0.5, 0.75, 1.0]])
def test_what_crosses_is_what_was_spent_by_scipys_multivariate_normal(fractions):
    """The z of looks at t and u correlate by sqrt(min / max); the chance that none crosses is one orthant."""
    alpha = 0.05
    t = np.array(fractions)
    correlation = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    none = stats.multivariate_normal(cov=correlation, allow_singular=True).cdf(np.array(obrien_fleming(fractions, alpha)))
    assert 1 - none == pytest.approx(spent(fractions[-1], alpha), abs=2e-4)
    assert spent(1.0, alpha) == pytest.approx(alpha)


def test_one_look_at_the_end_is_a_plain_test_and_a_later_look_changes_no_earlier_boundary():
    assert obrien_fleming([1.0], 0.05) == pytest.approx([stats.norm.ppf(0.95)], abs=1e-6)
    assert obrien_fleming([0.3, 0.6, 1.0], 0.05)[:2] == pytest.approx(obrien_fleming([0.3, 0.6], 0.05), abs=1e-12)


@pytest.mark.parametrize("fractions", [[], [0.0], [0.5, 0.5], [0.6, 0.4], [0.5, 1.2], [float("nan")], [i / 200 for i in range(1, 103)]])
def test_looks_that_no_calendar_has_are_refused(fractions):
    with pytest.raises(InvalidInput, match="looks at"):
        obrien_fleming(fractions, 0.05)


def test_a_hundred_looks_cross_no_more_often_than_stated():
    """Sums of normals, looked at 100 times; the count's tolerance is the binomial's own."""
    alpha, simulations = 0.05, 4000
    t = np.linspace(0.01, 1.0, 100)
    walks = np.random.default_rng(7).normal(size=(simulations, 100)).cumsum(axis=1) / np.sqrt(np.arange(1, 101))
    crossed = int((walks > np.array(obrien_fleming(t.tolist(), alpha))).any(axis=1).sum())
    assert stats.binom.ppf(1e-6, simulations, alpha) <= crossed <= stats.binom.ppf(1 - 1e-6, simulations, alpha)
    assert (walks > stats.norm.ppf(1 - alpha)).any(axis=1).sum() > stats.binom.ppf(1 - 1e-6, simulations, alpha)
