"""KS and the noise floor of PSI: the numbers of scipy, and false alarms as often as they say."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from incumbent.base.errors import InvalidInput
from incumbent.stats.ks import ks
from incumbent.stats.psi import psi, psi_floor
from incumbent.usecases.examine_distributions import measure_shift

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


@given(numbers, numbers)
def test_the_distance_is_that_of_scipy(first, second):
    distance, p = ks(np.array(first), np.array(second))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scipy's own p-value, which is not looked at
        assert distance == pytest.approx(stats.ks_2samp(first, second, method="asymp").statistic, abs=1e-12)
    assert 0 <= p <= 1


@pytest.mark.parametrize("apart", [0.0, 0.1, 0.2, 0.4])
def test_the_p_value_is_near_the_exact_one(apart):
    rng = np.random.default_rng(7)
    first, second = rng.normal(size=200), rng.normal(apart, 1, size=150)
    exact = stats.ks_2samp(first, second, method="exact").pvalue
    assert ks(first, second)[1] == pytest.approx(exact, rel=0.1, abs=1e-4)


@pytest.mark.parametrize("pair", [([], [1.0]), ([1.0], []), ([np.nan], [1.0]), ([1.0], [np.inf])])
def test_what_cannot_be_compared_is_refused(pair):
    with pytest.raises(InvalidInput, match="finite"):
        ks(np.array(pair[0]), np.array(pair[1]))


def test_the_floor_of_psi_is_the_quantile_of_chi_square():
    assert psi_floor(400, 300, 8, alpha=0.01) == pytest.approx(stats.chi2.ppf(0.99, 7) * (1 / 400 + 1 / 300))


@pytest.mark.parametrize(("n", "bins", "alpha"), [(0, 5, 0.1), (5, 1, 0.1), (5, 5, 0.0), (5, 5, 1.0), (5, 5, float("nan"))])
def test_a_floor_of_nothing_is_refused(n, bins, alpha):
    with pytest.raises(InvalidInput):
        psi_floor(n, 100, bins, alpha=alpha)


def test_luck_exceeds_the_floor_as_often_as_it_says():
    rng = np.random.default_rng(3)
    draws = rng.multinomial(400, np.full(8, 1 / 8), size=(4_000, 2))
    found = np.mean([psi(a, b) > psi_floor(400, 400, 8, alpha=0.05) for a, b in draws])
    assert found == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 4_000))


@pytest.mark.parametrize("kind", ["normal", "rounded", "categories", "nulls"])
def test_a_column_that_did_not_move_is_hardly_ever_beyond_its_floor(kind):
    rng = np.random.default_rng(11)

    def draw():
        values = rng.normal(size=300)
        if kind == "rounded":
            return np.round(values).tolist()
        if kind == "categories":
            return rng.choice(list("abcdefghijklmnopqrstuvwxyz"), size=300, p=np.arange(1, 27) / 351).tolist()
        return [None if kind == "nulls" and rng.random() < 0.2 else float(value) for value in values]

    alarms = sum(found.psi > found.floor for found in (measure_shift(draw(), draw(), alpha=0.05) for _ in range(400)))
    assert alarms <= stats.binom.ppf(0.9999, 400, 0.06)


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5), min_size=1), st.integers(1, 3))
def test_any_column_against_itself_has_not_moved(values, times):
    found = measure_shift(values, values * times, alpha=0.01)
    assert not found.has_moved(0.01)
    assert found.distance is None or found.distance == pytest.approx(0.0, abs=1e-12)


def test_a_column_of_another_kind_or_of_other_values_has_moved():
    assert measure_shift([1, 2] * 50, ["a", "b"] * 50, alpha=0.01).has_moved(0.01)
    assert measure_shift([1] * 100, [2] * 100, alpha=0.01).has_moved(0.01)
    assert measure_shift([1.5] * 100, [None] * 100, alpha=0.01).has_moved(0.01)
    assert not measure_shift([1] * 100, [1] * 100, alpha=0.01).has_moved(0.01)
    assert measure_shift([float(place) for place in range(100)], [float("inf")] * 100, alpha=0.01).has_moved(0.01)
