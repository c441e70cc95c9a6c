"""The metrics that a gate may name, as one table: what each measures, which way is better, and how its noise is found.

Definitions and zero-division follow scikit-learn (a share of nothing is 0), so a number here is the number there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Needs = Literal["probability", "label", "number"]
Comparison = Literal["proportion", "mean", "delong", "bootstrap"]

_EPSILON = float(np.finfo(np.float64).eps)


def _ratio(above: float, below: float) -> float:
    return above / below if below else 0.0


def _squared(truth: Array, predicted: Array) -> Array:
    error: Array = (predicted.astype(np.float64) - truth.astype(np.float64)) ** 2
    return error


def _absolute(truth: Array, predicted: Array) -> Array:
    error: Array = np.abs(predicted.astype(np.float64) - truth.astype(np.float64))
    return error


def _log_losses(truth: Array, predicted: Array) -> Array:
    p = np.clip(predicted.astype(np.float64), _EPSILON, 1 - _EPSILON)
    losses: Array = -np.where(truth, np.log(p), np.log1p(-p))
    return losses


def _correct(truth: Array, predicted: Array) -> Array:
    right: Array = np.asarray(truth == predicted, dtype=np.float64)
    return right


def _mean(per_row: Callable[[Array, Array], Array]) -> Callable[[Array, Array], float]:
    return lambda truth, predicted: float(per_row(truth, predicted).mean())


def auc(truth: Array, predicted: Array) -> float:
    """Return the area under the ROC curve, P(a positive scores above a negative), ties count half; NaN with one class only.

    >>> auc(np.array([True, False, True]), np.array([0.9, 0.5, 0.5]))
    0.75
    """
    scores, positives = predicted.astype(np.float64), truth.astype(np.bool_)
    p, n = int(positives.sum()), int((~positives).sum())
    if p == 0 or n == 0:
        return float("nan")
    _, where, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[where]
    return float((ranks[positives].sum() - p * (p + 1) / 2) / (p * n))


def precision(truth: Array, predicted: Array) -> float:
    """Return the share of true positives among the rows called positive."""
    return _ratio(float((truth & predicted).sum()), float(predicted.sum()))


def recall(truth: Array, predicted: Array) -> float:
    """Return the share of the positive rows that are called positive."""
    return _ratio(float((truth & predicted).sum()), float(truth.sum()))


def specificity(truth: Array, predicted: Array) -> float:
    """Return the share of the negative rows that are called negative."""
    return _ratio(float((~truth & ~predicted).sum()), float((~truth).sum()))


def f1(truth: Array, predicted: Array) -> float:
    """Return the harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN)."""
    return _ratio(2 * float((truth & predicted).sum()), float(truth.sum() + predicted.sum()))


def rmse(truth: Array, predicted: Array) -> float:
    """Return the root of the mean squared error, in the unit of the truth."""
    return float(np.sqrt(_squared(truth, predicted).mean()))


def r2(truth: Array, predicted: Array) -> float:
    """Return the share of the truth's variance that is explained; NaN where the truth never varies."""
    values = truth.astype(np.float64)
    spread = float(((values - values.mean()) ** 2).sum())
    return 1 - float(_squared(truth, predicted).sum()) / spread if spread > 0 else float("nan")


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of METRICS.

    Attributes:
        function: (truth, predictions) -> value. Truth and labels are booleans (accuracy: any values), probabilities and
            numbers are floats, all of shape (m,).
        needs: What the predictions are.
        comparison: How two models are compared on the same rows: "proportion" (a mean of right and wrong), "mean" (of any
            score a row), "delong", or "bootstrap" for all others.
        per_row: For the first two: the score of each row.
        counts: For a share of some of the rows: (successes, rows that count), from which its interval follows.
    """

    function: Callable[[Array, Array], float]
    higher_is_better: bool
    needs: Needs
    comparison: Comparison
    per_row: Callable[[Array, Array], Array] | None = None
    counts: Callable[[Array, Array], tuple[int, int]] | None = None

    @property
    def is_proportion(self) -> bool:
        """Whether its value is a share of rows, so that p(1 - p)/m is its variance."""
        return self.counts is not None

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is."""
        return 1 if self.higher_is_better else -1


def _count(condition: Array, among: Array | None = None) -> tuple[int, int]:
    return (int(condition.sum()), condition.size) if among is None else (int((condition & among).sum()), int(among.sum()))


METRICS: dict[str, Metric] = {
    "accuracy": Metric(
        _mean(_correct), True, "label", "proportion", _correct, lambda truth, predicted: _count(np.asarray(truth == predicted))
    ),
    "auc": Metric(auc, True, "probability", "delong"),
    "brier": Metric(_mean(_squared), False, "probability", "mean", _squared),
    "f1": Metric(f1, True, "label", "bootstrap"),
    "log_loss": Metric(_mean(_log_losses), False, "probability", "mean", _log_losses),
    "mae": Metric(_mean(_absolute), False, "number", "mean", _absolute),
    "mse": Metric(_mean(_squared), False, "number", "mean", _squared),
    "precision": Metric(precision, True, "label", "bootstrap", None, _count),
    "r2": Metric(r2, True, "number", "bootstrap"),
    "recall": Metric(recall, True, "label", "bootstrap", None, lambda truth, predicted: _count(predicted, truth)),
    "rmse": Metric(rmse, False, "number", "bootstrap"),
    "specificity": Metric(specificity, True, "label", "bootstrap", None, lambda truth, predicted: _count(~predicted, ~truth)),
}
"""Every metric that a policy may name as its primary one."""


def is_share(metric: str) -> bool:
    """Tell whether a metric of this name lies within 0 and 1, as does each row's part of it."""
    return metric in METRICS and METRICS[metric].needs != "number" and metric != "log_loss"
