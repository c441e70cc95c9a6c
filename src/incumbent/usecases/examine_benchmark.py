"""Benchmark models: as simple as can be, learnt from the training rows, so that a version has something to beat."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from incumbent.registry.signature import Scalar
from incumbent.usecases.examine_subject import Array, Rows, numbers, objects, spread

Kind = Literal["probability", "label", "number"]
Floats = NDArray[np.float64]
CATEGORIES_MAX = 20
LEARN_ROWS_MAX = 20_000
RIDGE = 1.0
"""Penalty on the squared weights of standardised columns; the intercept has none."""
_STEPS = 50


def benchmark_answers(
    training: Rows, holdout: Rows, *, columns: Sequence[str], label: str, kind: Kind, positive: Scalar
) -> dict[str, Array]:
    """Return name -> answers to the holdout: the prior (mean, or most frequent class), and a linear model with ridge penalty.

    Args:
        training: Rows to learn from; those without a label are left out, and of many evenly spaced ones are taken.
        holdout: Rows to answer.
        columns: What may be looked at; numbers, and texts of at most CATEGORIES_MAX values, are.
        label: Column of `training`.
        kind: What is answered.
        positive: The positive value, where the truth is yes or no; None for a number or many classes.
    """
    known = [place for place, value in enumerate(training[label]) if value is not None]
    rows = spread({name: [training[name][place] for place in known] for name in [*columns, label]}, LEARN_ROWS_MAX)
    if not known:
        return {}
    count = len(next(iter(holdout.values())))
    learn, asked = _encode(rows, columns), {name: holdout[name] for name in columns}
    x, z = learn[0], _apply(learn[1], asked, count)
    truth = objects(rows[label])
    if kind == "number":
        y = truth.astype(np.float64)
        return {"mean": np.full(count, y.mean()), "ridge regression": z @ _ridge(x, y)}
    if positive is not None:
        y = np.array([value == positive for value in truth.tolist()], dtype=np.float64)
        chances = {"prior": np.full(count, y.mean()), "logistic regression": scipy.special.expit(z @ fit_logistic(x, y))}
        return chances if kind == "probability" else {name: chance >= 0.5 for name, chance in chances.items()}
    classes = sorted(set(truth.tolist()), key=repr)
    onehot = np.array([[float(value == one) for one in classes] for value in truth.tolist()])
    most = classes[int(onehot.sum(axis=0).argmax())]
    return {
        "most frequent class": objects([most] * count),
        "ridge classifier": objects([classes[place] for place in (z @ _ridge(x, onehot)).argmax(axis=1).tolist()]),
    }


Encoding = list[tuple[str, tuple[float, float] | tuple[str, ...]]]
"""Column -> (mean, sd) of a number, or the categories of anything else."""


def _encode(rows: Rows, columns: Sequence[str]) -> tuple[Floats, Encoding]:
    encoding: Encoding = []
    for name in columns:
        values = numbers(rows[name])
        if values is not None and float(np.nanstd(values)) > 0:
            encoding.append((name, (float(np.nanmean(values)), float(np.nanstd(values)))))
        elif values is None:
            categories = tuple(sorted({repr(value) for value in rows[name]}))
            if 1 < len(categories) <= CATEGORIES_MAX:
                encoding.append((name, categories))
    count = len(next(iter(rows.values())))
    return _apply(encoding, rows, count), encoding


def _apply(encoding: Encoding, rows: Rows, count: int) -> Floats:
    """Return the design matrix, intercept first; what is not known stands at the mean, with a mark of its own."""
    parts = [np.ones(count)]
    for name, how in encoding:
        if isinstance(how[0], float):
            values = numbers(rows[name])
            values = np.full(count, np.nan) if values is None else values
            unknown = np.isnan(values)
            parts += [np.where(unknown, 0.0, (values - how[0]) / float(how[1])), unknown.astype(np.float64)]
        else:
            keys = [repr(value) for value in rows[name]]
            parts += [np.array([float(key == category) for key in keys]) for category in how]
    return np.column_stack(parts)


def _penalty(width: int) -> Floats:
    return np.diag([1e-9, *[RIDGE] * (width - 1)])


def _ridge(x: Floats, y: Floats) -> Floats:
    weights: Floats = np.asarray(np.linalg.solve(x.T @ x + _penalty(x.shape[1]), x.T @ y), dtype=np.float64)
    return weights


def fit_logistic(x: Floats, y: Floats) -> Floats:
    """Return the weights that minimise the log loss plus RIDGE / 2 of the squared weights, by Newton's steps.

    Args:
        x: Design, intercept first, shape (m, k).
        y: 0 or 1, shape (m,).
    """
    weights: Floats = np.zeros(x.shape[1])
    weights[0] = scipy.special.logit(np.clip(y.mean(), 1e-6, 1 - 1e-6))
    penalty = _penalty(x.shape[1])
    for _ in range(_STEPS):
        chance = scipy.special.expit(x @ weights)
        slope = x.T @ (y - chance) - penalty @ weights
        step = np.linalg.solve((x * np.maximum(chance * (1 - chance), 1e-9)[:, None]).T @ x + penalty, slope)
        weights = weights + step / max(1.0, float(np.abs(step).max()) / 5)
        if np.abs(step).max() < 1e-8:
            break
    return weights
