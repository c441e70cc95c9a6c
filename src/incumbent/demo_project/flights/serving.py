"""The served model: how a bundle is loaded and asked. It runs in a process that holds the bundle and nothing else of this project."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import polars as pl

from flights.features import derive_features, encode

FACT_TYPES = {"int": pl.Int64, "float": pl.Float64, "str": pl.String, "bool": pl.Boolean}
Columns = Mapping[str, list[Any]]


def load(folder: Path) -> Callable[[Columns], dict[str, list[Any]]]:
    """Return the function that answers: columns of facts in, columns of answers out, row for row."""
    booster = lgb.Booster(model_file=folder / "model.txt")
    categories = json.loads((folder / "categories.json").read_text())
    described = json.loads((folder / "bundle.json").read_text())["signature"]["inputs"]
    types = {column["name"]: FACT_TYPES[column["type"]] for column in described}

    def answer(columns: Columns) -> dict[str, list[Any]]:
        facts = pl.DataFrame({name: pl.Series(name, columns[name], dtype=kind) for name, kind in types.items()})
        table = encode(derive_features(facts), categories).to_numpy()
        late = np.asarray(booster.predict(table, num_threads=1))  # one row at a time: more threads only get in each other's way
        return {"late_probability": late.tolist(), "is_late": (late >= 0.5).tolist()}

    return answer
