import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from incumbent.base.errors import InvalidInput
from incumbent.stats.psi import psi, psi_terms

tables = st.integers(2, 12).flatmap(lambda b: st.tuples(*[st.lists(st.integers(1, 10_000), min_size=b, max_size=b)] * 2))


def test_the_bucket_of_the_source_adds_0_0405():
    """EQ V7.4: e = 0.20, a = 0.30 adds 0.10 * ln 1.5."""
    terms = psi_terms(np.array([20, 80]), np.array([30, 70]))
    assert terms[0] == pytest.approx(0.1 * math.log(1.5))
    assert round(float(terms[0]), 4) == 0.0405


def test_the_vector_of_the_research_page():
    found = psi(np.full(10, 100), np.array([80, 90, 100, 110, 120, 100, 100, 90, 105, 105]))
    assert found == pytest.approx(0.011657515915057383, rel=1e-12)


@given(tables)
def test_it_is_both_divergences_of_scipy_and_the_same_either_way_round(pair):
    expected, actual = (np.array(counts) for counts in pair)
    e, a = expected / expected.sum(), actual / actual.sum()
    reference = special.rel_entr(a, e).sum() + special.rel_entr(e, a).sum()
    assert psi(expected, actual) == pytest.approx(reference, abs=1e-12)
    assert psi(actual, expected) == pytest.approx(reference, abs=1e-12)
    assert (psi_terms(expected, actual) >= 0).all()


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=8), st.integers(1, 9))
def test_equal_shares_give_zero_whatever_the_number_of_rows(counts, times):
    assert psi(np.array(counts), np.array(counts) * times) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(
    ("expected", "actual", "message"),
    [
        ([1, 2], [1, 2, 3], "same two or more bins"),
        ([1], [1], "same two or more bins"),
        ([[1, 2]], [[1, 2]], "same two or more bins"),
        ([1, 0], [1, 2], "bin 1 of expected holds 0 rows; merge"),
        ([1, 2], [-3, 2], "bin 0 of actual holds -3 rows"),
        ([0.5, 0.5], [1, 2], "takes counts"),
        ([1, 2], [math.nan, 2], "takes counts"),
    ],
)
def test_what_is_no_pair_of_full_histograms_is_refused(expected, actual, message):
    with pytest.raises(InvalidInput, match=message):
        psi(np.array(expected), np.array(actual))
