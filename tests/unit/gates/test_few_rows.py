"""What the judge answers where there are too few rows: no verdict, no interval, and how many more it takes."""

import numpy as np
import pytest

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
