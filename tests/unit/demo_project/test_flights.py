"""The demo's own functions, imported as its pipeline imports them."""

import sys
import zipfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import polars as pl
import pytest


@pytest.fixture(scope="module")
def flights():
    root = str(Path(str(files("incumbent"))) / "demo_project")
    sys.path.insert(0, root)
    try:
        import flights.features
        import flights.model
        import flights.tables

        yield flights
    finally:
        sys.path.remove(root)
        for name in [name for name in sys.modules if name.partition(".")[0] == "flights"]:
            del sys.modules[name]


def test_measures_are_those_worked_by_hand(flights):
    # Pairs (late, not late): .8>.6, .8>.2, .8>.1, .6=.6 (half), .6>.2, .6>.1: 5.5 of 6.
    found = flights.model.measure(np.array([0.8, 0.6, 0.6, 0.2, 0.1]), np.array([True, True, False, False, False]))
    assert found["auc"] == pytest.approx(5.5 / 6)
    assert found["accuracy"] == pytest.approx(4 / 5)
    assert found["brier"] == pytest.approx((0.04 + 0.16 + 0.36 + 0.04 + 0.01) / 5)
    assert found["log_loss"] == pytest.approx(-(np.log([0.8, 0.6, 0.4, 0.8, 0.9]).mean()))
    assert (found["base_rate"], found["n"]) == (0.4, 5)


def test_measures_agree_with_scikit_learn(flights):
    from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

    rng = np.random.default_rng(5)
    probability = np.round(rng.random(500), 2)  # with ties
    late = rng.random(500) < probability
    found = flights.model.measure(probability, late)
    assert found["auc"] == pytest.approx(roc_auc_score(late, probability))
    assert found["log_loss"] == pytest.approx(log_loss(late, np.clip(probability, 1e-15, 1 - 1e-15)))
    assert found["brier"] == pytest.approx(brier_score_loss(late, probability))


def test_one_kind_of_label_is_refused(flights):
    with pytest.raises(ValueError, match="0 of 2 rows are late"):
        flights.model.measure(np.array([0.1, 0.2]), np.array([False, False]))


def test_features_look_at_nothing_that_is_known_only_after_departure(flights):
    known_later = {"arr_time", "arr_delay", "air_time", "dep_time"}
    assert not known_later & set(flights.features.FACTS)
    facts = pl.DataFrame({name: ["UA"] if name in flights.features.CATEGORIES else [1] for name in flights.features.FACTS})
    derived = flights.features.derive_features(facts)
    assert derived.columns == list(flights.features.FEATURES)


def test_rush_hour_weekday_and_gust_are_what_their_names_say(flights):
    facts = {name: ["UA"] * 2 if name in flights.features.CATEGORIES else [1, 1] for name in flights.features.FACTS}
    facts |= {"year": [2013, 2013], "month": [3, 3], "day": [4, 10], "hour": [19, 20], "wind_speed": [9, 9], "wind_gust": [None, 20]}
    derived = flights.features.derive_features(pl.DataFrame(facts))
    assert derived["week_day"].to_list() == [1, 7]  # 4 March 2013 was a Monday
    assert derived["is_rush_hour"].to_list() == [1, 0]
    assert derived["gust"].to_list() == [9, 20]


def test_a_category_that_training_never_saw_is_null(flights):
    categories = {"carrier": ["AA", "UA"], "origin": ["EWR"], "dest": ["ORD"]}
    frame = pl.DataFrame({name: ["UA"] if name == "carrier" else ["XXX"] if name == "dest" else ["EWR"] for name in categories})
    assert flights.features.encode(frame, categories).row(0) == (1.0, 0.0, None)


def test_broken_rules_are_all_told(flights):
    weather = {"origin": ["EWR", "EWR", None], "time_hour": ["t", "t", "u"], "temp": [500.0, 1.0, None]}
    table = pl.DataFrame({name: weather.get(name, [None] * 3) for name in flights.tables.WEATHER}, schema=flights.tables.WEATHER)
    faults = flights.tables.list_faults("weather", table)
    assert faults == [
        "weather.origin: 1 nulls, and none is allowed",
        "weather.temp: 1 rows outside -40 to 130 (found 1.0 to 500.0)",
        "weather: rows share a key (origin, time_hour)",
    ]


def test_a_table_with_other_columns_or_types_is_refused_by_name(flights, tmp_path):
    path = tmp_path / "planes.csv"
    path.write_text("tailnum,year\nN1,2001\n")
    with pytest.raises(ValueError, match=r"planes.csv: columns are not as agreed; missing \['engine', "):
        flights.tables.read_table(path, flights.tables.PLANES)
    header = ",".join(flights.tables.PLANES)
    with zipfile.ZipFile(tmp_path / "planes.zip", "w") as archive:
        archive.writestr("planes.csv", f"{header}\nN1,soon,a,b,c,2,100,NA,jet\n")
    with pytest.raises(ValueError, match="planes.zip: could not parse `soon` as dtype `i64`"):
        flights.tables.read_table(tmp_path / "planes.zip", flights.tables.PLANES)
