import math

import numpy as np
import pytest
from fairlearn import metrics as fairlearn
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from incumbent.base.errors import InvalidInput
from incumbent.stats.intervals import wilson
from incumbent.stats.subgroups import RATES, gap, group_rates, holm, two_proportions


def draw(seed, m):
    rng = np.random.default_rng(seed)
    return rng.random(m) < 0.5, rng.random(m) < 0.4, rng.choice(["EWR", "JFK", "LGA"], size=m)


@pytest.mark.parametrize(
    ("rate", "theirs"),
    [("tpr", "true_positive_rate"), ("fpr", "false_positive_rate"), ("selection_rate", "selection_rate"), ("accuracy", None)],
)
def test_rates_and_gaps_are_those_of_fairlearn(rate, theirs):
    from sklearn.metrics import accuracy_score

    truth, labels, groups = draw(1, 600)
    function = accuracy_score if theirs is None else getattr(fairlearn, theirs)
    frame = fairlearn.MetricFrame(metrics=function, y_true=truth, y_pred=labels, sensitive_features=groups)
    found = group_rates(rate, truth, labels, groups)
    assert {group.group: group.rate for group in found} == pytest.approx(frame.by_group.to_dict())
    assert gap(found, alpha=0.05).estimate == pytest.approx(frame.difference())


def test_each_group_carries_its_counts_and_wilsons_interval():
    truth, labels, groups = draw(2, 90)
    for group in group_rates("tpr", truth, labels, groups):
        rows = groups == group.group
        assert (group.hits, group.n, group.rows) == ((truth & labels & rows).sum(), (truth & rows).sum(), rows.sum())
        assert group.interval == wilson(group.hits, group.n)


def test_rows_without_a_group_are_a_group():
    truth = np.ones(4, dtype=bool)
    found = group_rates("tpr", truth, truth, np.array(["a", None, math.nan, "a"], dtype=object))
    assert [(group.group, group.n) for group in found] == [("(missing)", 2), ("a", 2)]


def test_a_group_without_positives_has_no_true_positive_rate_and_the_gap_is_refused():
    truth = np.array([True, False])
    found = group_rates("tpr", truth, truth, np.array(["a", "b"]))
    assert math.isnan(found[1].rate)
    assert (found[1].interval.low, found[1].interval.high) == (0.0, 1.0)
    with pytest.raises(InvalidInput, match="two groups that have rows"):
        gap(found, alpha=0.05)


def test_holm_takes_the_step_down_of_the_paper():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value_nor_goes_beyond_bonferroni(p_values):
    for raw, adjusted in zip(p_values, holm(p_values), strict=True):
        assert raw <= adjusted <= min(1.0, len(p_values) * raw) or raw == adjusted


@given(st.integers(1, 80), st.integers(1, 80), st.data())
def test_the_test_of_two_proportions_is_the_chi_square_of_scipy(n, other_n, data):
    hits, other = data.draw(st.integers(0, n)), data.draw(st.integers(0, other_n))
    found = two_proportions(hits, n, other, other_n)
    if 0 < hits + other < n + other_n:
        table = [[hits, n - hits], [other, other_n - other]]
        assert found == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, abs=1e-9)
    else:
        assert found == 1.0


def test_a_perfect_small_group_keeps_a_wide_gap():
    """56 of 70 against 48 of 80: Newcombe (1998), table II (a), method 10 prints 0.0524 to 0.3339."""
    groups = np.array(["a"] * 70 + ["b"] * 80)
    labels = np.concatenate([np.arange(70) < 56, np.arange(80) < 48])
    found = gap(group_rates("selection_rate", labels, labels, groups), alpha=0.025)
    assert (found.estimate, found.high) == pytest.approx((0.2, 0.3339), abs=1e-4)
    doubled = gap(group_rates("selection_rate", labels, labels, groups), alpha=0.05)  # two ordered pairs: 0.025 each
    assert doubled.low == pytest.approx(0.0524, abs=1e-4)
    perfect = gap(group_rates("selection_rate", np.ones(32, bool), np.ones(32, bool), np.array(["a", "b"] * 16)), alpha=0.025)
    assert perfect.estimate == perfect.low == 0
    assert perfect.high == pytest.approx(1 - wilson(16, 16).low)


@pytest.mark.parametrize(("rates", "n"), [([0.9, 0.9, 0.9, 0.9], 60), ([0.95, 0.85, 0.7], 120), ([1.0, 0.97], 60)])
def test_the_bounds_of_the_gap_hold_at_least_as_often_as_they_say(rates, n):
    rng = np.random.default_rng(3)
    true, groups = max(rates) - min(rates), np.repeat(np.arange(len(rates)), n)
    below = above = 0
    for _ in range(300):
        labels = rng.random(groups.size) < np.array(rates)[groups]
        found = gap(group_rates("selection_rate", labels, labels, groups), alpha=0.05)
        below += found.low > true
        above += found.high < true
    assert max(below, above) <= 30  # Binomial(300, 0.05): mean 15, four standard deviations are 15


def test_an_unknown_rate_is_refused_with_those_that_there_are():
    flags = np.ones(2, dtype=bool)
    with pytest.raises(InvalidInput, match="'ppv' is no rate of a group; there are accuracy, fpr, selection_rate, tpr"):
        group_rates("ppv", flags, flags, flags)
    with pytest.raises(InvalidInput, match="same rows"):
        group_rates("tpr", flags, flags, np.ones(3))
    assert set(RATES) == {"accuracy", "fpr", "selection_rate", "tpr"}
