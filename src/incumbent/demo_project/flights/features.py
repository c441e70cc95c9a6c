"""Features of a flight as it leaves the gate.

The same functions run in training and in the served model: this file is part of the bundle. Nothing here may look at
what is known only after departure (arr_time, arr_delay, air_time).
"""

import polars as pl

FACTS = (
    "year", "month", "day", "hour", "minute", "dep_delay", "carrier", "origin", "dest", "distance",
    "temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "visib", "pressure", "plane_year", "seats",
)  # fmt: skip
"""What is known at departure: the columns that the model is asked with."""

RUSH_HOURS = (16, 19)
"""First and last scheduled hour of the evening rush, local time."""

CATEGORIES = ("carrier", "origin", "dest")

# The month is a fact but no feature: a model that has seen two months can only learn what is particular to them.
FEATURES = (
    "dep_delay", "hour", "minute", "week_day", "is_rush_hour", "carrier", "origin", "dest", "distance",
    "temp", "dew_gap", "humid", "wind_speed", "gust", "precip", "visib", "pressure", "plane_age", "seats",
)  # fmt: skip


def derive_features(facts: pl.DataFrame) -> pl.DataFrame:
    """Return the features of each row of `facts`, in the same order. Carrier, origin and destination stay text."""
    date = pl.date(pl.col("year"), pl.col("month"), pl.col("day"))
    return facts.with_columns(
        week_day=date.dt.weekday().cast(pl.Int64),
        is_rush_hour=pl.col("hour").is_between(*RUSH_HOURS).cast(pl.Int64),
        dew_gap=pl.col("temp") - pl.col("dewp"),  # small: fog is near
        gust=pl.max_horizontal("wind_gust", "wind_speed"),  # stations report no gust in calm air
        plane_age=pl.col("year") - pl.col("plane_year"),
    ).select(FEATURES)


def learn_categories(features: pl.DataFrame) -> dict[str, list[str]]:
    """Return the values that each category takes in the training rows, sorted: their places are their codes."""
    return {name: features[name].drop_nulls().unique().sort().to_list() for name in CATEGORIES}


def encode(features: pl.DataFrame, categories: dict[str, list[str]]) -> pl.DataFrame:
    """Return the features as numbers, a category as its code. What training never saw becomes null, which the trees can take."""
    codes = [
        pl.col(name).replace_strict(values, list(range(len(values))), default=None, return_dtype=pl.Int64)
        for name, values in categories.items()
    ]
    return features.with_columns(codes).select(pl.all().cast(pl.Float64))
