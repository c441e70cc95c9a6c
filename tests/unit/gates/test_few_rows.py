"""What the judge answers where there are too few rows: no verdict, no interval, and how many more it takes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unit.gates.judged import ACCURACY, ask, labelled, only, policy


def test_few_rows_prove_nothing_however_clear_they_look():
    found = only(ask(policy(**ACCURACY), **labelled(12, 0, 12)))
    assert (found.outcome, found.rows_needed) == ("undecided", 18)


@pytest.mark.parametrize("metric", ["auc", "brier", "log_loss"])
def test_three_positives_decide_nothing_but_a_share_of_right_answers(metric):
    """A challenger that is perfect against one that knows nothing: with 3 positives in 1,000 rows it takes 3,334 of them."""
    truth = np.arange(1000) < 3
    rows = {"truth": truth, "champion": np.full(1000, 0.5), "challenger": np.where(truth, 0.99, 0.01)}
    limit = {"floor": 0.1} if metric == "auc" else {"ceiling": 0.9}
    rails = [{"metric": metric, **limit}, {"metric": metric, "tolerance": 0.9}, {"metric": "calibration_error", "ceiling": 0.9}]
    *others, accuracy = ask(policy(*rails, {"metric": "accuracy", "floor": 0.9}, metric=metric, threshold=0.5), **rows).results
    assert [(one.outcome, one.rows_needed, one.estimate, one.low, one.high) for one in others] == [
        ("undecided", 2334, None, None, None)
    ] * 4
    assert accuracy.outcome == "passed"
    assert "1,000 rows, 3 of them of the rarer class, are too few" in others[0].reason


def test_four_rows_that_tell_the_models_apart_are_too_few_and_the_reason_does_not_say_that_the_interval_spans():
    """Four of four: p = 1/16. With five of five it is 1/32, so at least a quarter more rows are needed."""
    rules = policy(margin=1e-6, look_rules={"reuse": "ladder"}, **ACCURACY)
    found = only(ask(rules, **labelled(4, 0, 1000)))
    assert found.outcome == "undecided"
    assert found.low > 1e-6
    assert "but on 4 rows that tell the two apart McNemar's exact test is open" in found.reason
    assert "spans" not in found.reason
    assert found.rows_needed >= 250
    more = round(4 * (1000 + found.rows_needed) / 1000)
    assert only(ask(rules, **labelled(more, 0, 1000 + found.rows_needed))).outcome == "passed"


@given(st.integers(1, 400), st.floats(0, 1), st.floats(0, 3), st.integers(0, 2**32 - 1))
def test_whatever_is_undecided_says_how_many_rows_it_takes_or_that_none_would_do(m, share, spread, seed):
    """And an interval stands only beside a rule that had rows enough to be believed."""
    rng = np.random.default_rng(seed)
    truth = rng.random(m) < share
    rows = {name: 1 / (1 + np.exp(-(2.0 * truth - 1 + rng.normal(0, spread, m)))) for name in ("champion", "challenger")}
    rails = [{"metric": "accuracy", "floor": 0.8}, {"metric": "accuracy", "tolerance": 0.01}, {"metric": "brier", "ceiling": 0.2}]
    rails += [{"metric": "calibration_error", "ceiling": 0.1}, {"metric": "log_loss", "tolerance": 0.05}]
    for result in ask(policy(*rails, metric="brier", threshold=0.5), truth=truth, **rows).results:
        needed = "no number of rows would settle it" if result.rows_needed is None else f"about {result.rows_needed:,} more rows"
        assert (needed in result.reason) is (result.outcome == "undecided")
        is_short = bool(m < 30 or ("accuracy" not in result.rule and min(truth.sum(), (~truth).sum()) < 10))
        assert (result.low is None and result.high is None and result.estimate is None) is is_short
