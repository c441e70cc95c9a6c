"""The three tables: how they are read, and the rules that they must keep."""

import zipfile
from pathlib import Path

import polars as pl

FLIGHTS = {
    "year": pl.Int64, "month": pl.Int64, "day": pl.Int64, "dep_time": pl.Int64, "sched_dep_time": pl.Int64, "dep_delay": pl.Int64,
    "arr_time": pl.Int64, "sched_arr_time": pl.Int64, "arr_delay": pl.Int64, "carrier": pl.String, "flight": pl.Int64,
    "tailnum": pl.String, "origin": pl.String, "dest": pl.String, "air_time": pl.Int64, "distance": pl.Int64,
    "hour": pl.Int64, "minute": pl.Int64, "time_hour": pl.String,
}  # fmt: skip
WEATHER = {
    "origin": pl.String, "year": pl.Int64, "month": pl.Int64, "day": pl.Int64, "hour": pl.Int64, "temp": pl.Float64, "dewp": pl.Float64,
    "humid": pl.Float64, "wind_dir": pl.Int64, "wind_speed": pl.Float64, "wind_gust": pl.Float64, "precip": pl.Float64,
    "pressure": pl.Float64, "visib": pl.Float64, "time_hour": pl.String,
}  # fmt: skip
PLANES = {
    "tailnum": pl.String, "year": pl.Int64, "type": pl.String, "manufacturer": pl.String, "model": pl.String,
    "engines": pl.Int64, "seats": pl.Int64, "speed": pl.Int64, "engine": pl.String,
}  # fmt: skip

RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "flights": {
        "year": (2013, 2013), "month": (1, 12), "day": (1, 31), "hour": (0, 23), "minute": (0, 59),
        "dep_delay": (-120, 2880), "arr_delay": (-240, 2880), "distance": (1, 6000),
    },
    "weather": {
        "temp": (-40, 130), "dewp": (-60, 100), "humid": (0, 100), "wind_speed": (0, 1100), "precip": (0, 20),
        "visib": (0, 20), "pressure": (900, 1100),
    },
    "planes": {"year": (1930, 2013), "seats": (1, 600)},
}  # fmt: skip
"""Least and greatest value that a column may hold. The one wind of 1,048 mph (EWR, 12 February) is in the published data and stays."""

NEVER_NULL = {
    "flights": ("year", "month", "day", "hour", "minute", "carrier", "origin", "dest", "distance", "time_hour"),
    "weather": ("origin", "time_hour"),
    "planes": ("tailnum",),
}
KEYS = {"weather": ("origin", "time_hour"), "planes": ("tailnum",)}
"""Columns that name a row: a second row under the same key would multiply the flights joined to it."""


def read_table(path: Path, schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    """Return a table from a CSV file, or from the one CSV file in a zip; "NA" is null.

    Raises:
        ValueError: The columns are not those of `schema`, or a value has another type.
    """
    data = path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            data = archive.read(archive.namelist()[0])
    header = data[: data.find(b"\n")].decode("utf-8").strip().replace('"', "").split(",")
    if header != list(schema):
        missing, extra = sorted(set(schema) - set(header)), sorted(set(header) - set(schema))
        raise ValueError(f"{path.name}: columns are not as agreed; missing {missing}, new {extra}")
    try:
        return pl.read_csv(data, schema=schema, null_values=["NA", ""])
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{path.name}: {str(error).splitlines()[0]}") from error


def list_faults(name: str, table: pl.DataFrame) -> list[str]:
    """Return what is wrong with a table, in words; empty when it keeps its rules."""
    faults = []
    for column in NEVER_NULL[name]:
        nulls = table[column].null_count()
        if nulls:
            faults.append(f"{name}.{column}: {nulls:,} nulls, and none is allowed")
    for column, (least, greatest) in RANGES[name].items():
        outside = table.filter(~pl.col(column).is_between(least, greatest)).height  # a null is neither in nor out
        if outside:
            found = f"{table[column].min()!r} to {table[column].max()!r}"
            faults.append(f"{name}.{column}: {outside:,} rows outside {least:g} to {greatest:g} (found {found})")
    key = KEYS.get(name)
    if key is not None and table.select(key).is_duplicated().any():
        faults.append(f"{name}: rows share a key ({', '.join(key)})")
    return faults
