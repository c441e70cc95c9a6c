"""Training, scoring, and the numbers of an evaluation."""

import lightgbm as lgb
import numpy as np
import polars as pl

from flights.features import CATEGORIES, FEATURES, encode

LATE_AFTER_MIN = 15
"""A flight is late when it arrives more than this many minutes after schedule."""

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
BoolArray = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def fit(features: pl.DataFrame, late: pl.Series, categories: dict[str, list[str]], options: dict[str, float | int]) -> lgb.Booster:
    """Return a boosted-tree classifier of `late`. Same rows, options, seed and threads: same model, bit for bit."""
    fixed = {"objective": "binary", "deterministic": True, "force_row_wise": True, "verbosity": -1, "feature_pre_filter": False}
    table = encode(features, categories).to_numpy()
    data = lgb.Dataset(table, label=late.to_numpy(), feature_name=list(FEATURES), categorical_feature=list(CATEGORIES))
    rounds = int(options["rounds"])
    rest = {name: value for name, value in options.items() if name != "rounds"}
    return lgb.train({**fixed, **rest}, data, num_boost_round=rounds)


def score(booster: lgb.Booster, features: pl.DataFrame, categories: dict[str, list[str]]) -> FloatArray:
    """Return the probability of arriving late, one per row."""
    return np.asarray(booster.predict(encode(features, categories).to_numpy()), dtype=np.float64)


def measure(probability: FloatArray, late: BoolArray) -> dict[str, float]:
    """Return AUC, accuracy at 0.5, log loss (nats), Brier score, base rate and n of a set of answers.

    Raises:
        ValueError: All rows, or none, are late: AUC has no meaning there.
    """
    positives, n = int(late.sum()), len(late)
    if positives in {0, n}:
        raise ValueError(f"{positives} of {n} rows are late: AUC needs both kinds")
    # Area under the ROC curve as the Mann-Whitney statistic; tied scores share their mean rank.
    _, place, counts = np.unique(probability, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    auc = (mean_rank[place][late].sum() - positives * (positives + 1) / 2) / (positives * (n - positives))
    safe = np.clip(probability, 1e-15, 1 - 1e-15)
    return {
        "auc": float(auc),
        "accuracy": float(((probability >= 0.5) == late).mean()),
        "log_loss": float(-np.where(late, np.log(safe), np.log1p(-safe)).mean()),
        "brier": float(((probability - late) ** 2).mean()),
        "base_rate": positives / n,
        "n": float(n),
    }
