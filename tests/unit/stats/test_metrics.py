import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from incumbent.stats.metrics import METRICS

REFERENCE = {
    "accuracy": sk.accuracy_score,
    "auc": sk.roc_auc_score,
    "brier": sk.brier_score_loss,
    "f1": lambda truth, predicted: sk.f1_score(truth, predicted, zero_division=0),
    "log_loss": lambda truth, predicted: sk.log_loss(truth, predicted, labels=[False, True]),
    "mae": sk.mean_absolute_error,
    "mse": sk.mean_squared_error,
    "precision": lambda truth, predicted: sk.precision_score(truth, predicted, zero_division=0),
    "r2": sk.r2_score,
    "recall": lambda truth, predicted: sk.recall_score(truth, predicted, zero_division=0),
    "rmse": sk.root_mean_squared_error,
    "specificity": lambda truth, predicted: sk.recall_score(~truth, ~predicted, zero_division=0),
}


def draw(metric, seed, m):
    rng = np.random.default_rng(seed)
    truth = rng.random(m) < rng.uniform(0.05, 0.95)
    if metric.needs == "number":
        return rng.normal(size=m), rng.normal(size=m)
    scores = np.round(rng.random(m), rng.integers(1, 4))
    return truth, (scores if metric.needs == "probability" else scores > 0.5)


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), m=st.integers(2, 50))
def test_every_metric_of_the_table_is_that_of_scikit_learn(name, seed, m):
    metric = METRICS[name]
    truth, predicted = draw(metric, seed, m)
    if name == "auc" and truth.all() | (~truth).all():
        assert math.isnan(metric.function(truth, predicted))
        return
    assert metric.function(truth, predicted) == pytest.approx(REFERENCE[name](truth, predicted), abs=1e-9)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.per_row])
def test_the_scores_of_the_rows_have_the_metric_as_their_mean(name):
    truth, predicted = draw(METRICS[name], 1, 400)
    assert METRICS[name].per_row(truth, predicted).mean() == pytest.approx(METRICS[name].function(truth, predicted))


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.is_proportion])
def test_the_counts_of_a_share_give_the_share(name):
    truth, predicted = draw(METRICS[name], 2, 400)
    successes, n = METRICS[name].counts(truth, predicted)
    assert successes / n == pytest.approx(METRICS[name].function(truth, predicted))


@pytest.mark.parametrize("name", METRICS)
def test_perfect_answers_are_at_least_as_good_as_random_ones(name):
    metric = METRICS[name]
    truth, predicted = draw(metric, 3, 400)
    perfect = truth.astype(float) if metric.needs != "label" else truth
    assert metric.sign * metric.function(truth, perfect) > metric.sign * metric.function(truth, predicted)


def test_accuracy_takes_any_labels():
    truth, predicted = np.array(["a", "b", "c"], dtype=object), np.array(["a", "b", "a"], dtype=object)
    assert METRICS["accuracy"].function(truth, predicted) == pytest.approx(2 / 3)
    assert METRICS["accuracy"].counts(truth, predicted) == (2, 3)


def test_r2_of_a_truth_that_never_varies_is_undefined():
    assert math.isnan(METRICS["r2"].function(np.ones(5), np.arange(5.0)))
