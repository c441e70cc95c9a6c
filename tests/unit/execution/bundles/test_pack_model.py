"""Fitted models packed and asked in a process of their own: what they answer is what they answered where they were trained."""

import hashlib
import sys
import warnings

import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xgboost
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, IsolationForest, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

import incumbent as inc
from incumbent.base.errors import InvalidInput, Refused, Unavailable

CANCER, IRIS = load_breast_cancer(as_frame=True), load_iris(as_frame=True)
MODELS = {
    "scaled logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "linear": LinearRegression,
    "forest": lambda: RandomForestClassifier(7, random_state=1),
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=5, random_state=1),
    "histogram boosting": lambda: HistGradientBoostingClassifier(max_iter=5, random_state=1),
    "support vectors": lambda: SVC(random_state=1),
    "neighbours": KNeighborsClassifier,
    "network": lambda: make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(5,), max_iter=300, random_state=1, tol=0.05)),
    "calibrated": lambda: CalibratedClassifierCV(make_pipeline(StandardScaler(), LogisticRegression()), cv=2),
    "outliers": lambda: IsolationForest(n_estimators=5, random_state=1),
    "LightGBM classifier": lambda: lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1),
    "LightGBM regressor": lambda: lightgbm.LGBMRegressor(n_estimators=5, verbose=-1, n_jobs=1),
    "XGBoost classifier": lambda: xgboost.XGBClassifier(n_estimators=5, n_jobs=1),
    "XGBoost regressor": lambda: xgboost.XGBRegressor(n_estimators=5, n_jobs=1),
}
SAFE = {
    "LightGBM classifier": "lightgbm",
    "LightGBM regressor": "lightgbm",
    "XGBoost classifier": "xgboost",
    "XGBoost regressor": "xgboost",
}


def plain(frame):
    """Columns as a request has them."""
    if hasattr(frame, "columns"):
        return {str(name): [None if value != value else value for value in frame[name].tolist()] for name in frame.columns}
    return {f"x{place}": frame[:, place].tolist() for place in range(frame.shape[1])}


def ask(folder, columns, **allowed):
    with inc.open_bundle(folder, **allowed) as served:
        return served.answer(columns)


SEVERAL_CLASSES = ["scaled logistic", "forest", "calibrated", "LightGBM classifier", "XGBoost classifier"]
"""One of each way to give probabilities: these are asked for three classes too."""


@pytest.mark.parametrize("name", [*MODELS, *(f"{name}, iris" for name in SEVERAL_CLASSES)])
def test_a_bundle_answers_every_row_as_the_model_does_bit_for_bit(tmp_path, name):
    name, _, is_iris = name.partition(", ")
    data = IRIS if is_iris else CANCER
    X = data.data.to_numpy() if is_iris else data.data
    model = MODELS[name]().fit(X, data.target)
    card = inc.pack_model(tmp_path / "bundle", model, inputs=X)
    assert card["loader"] == SAFE.get(name, "skops")
    assert card["needs_pickle"] is False
    answered = ask(tmp_path / "bundle", plain(X))
    assert answered.pop("prediction") == model.predict(X).tolist()
    if hasattr(model, "predict_proba"):
        assert answered == {f"probability_{label}": model.predict_proba(X)[:, place].tolist() for place, label in enumerate(model.classes_)}
    else:
        assert answered == {}


@pytest.fixture
def flights():
    rng = np.random.default_rng(5)
    count = 300
    carrier = rng.choice(["UA", "AA", "B6"], count)
    frame = pd.DataFrame(
        {
            "carrier": pd.Categorical(carrier, categories=["UA", "B6", "AA", "never seen"]),
            "hour": rng.integers(0, 24, count).astype("int8"),
            "wind": rng.normal(size=count).astype("float32"),
            "is_snow": rng.random(count) < 0.3,
        }
    )
    frame.loc[::17, "wind"] = np.nan
    frame.loc[::23, "carrier"] = np.nan
    late = ((carrier == "AA") * 2 + frame["hour"] / 12 + frame["is_snow"] + rng.normal(size=count) * 0.2 > 2).astype(int)
    return frame, late


def test_lightgbm_with_categories_gets_them_back_in_the_order_of_training(tmp_path, flights):
    frame, late = flights
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_per_group": 1, "cat_smooth": 1.0},
        lightgbm.Dataset(frame, late),
        20,
    )
    card = inc.pack_model(tmp_path / "bundle", booster, inputs=frame, outputs=["late"])
    assert card["signature"]["inputs"][0] == {"name": "carrier", "type": "str", "nullable": True}
    columns = plain(frame)
    shuffled = {name: columns[name] for name in reversed(columns)}
    one = {name: [values[1]] for name, values in columns.items()}
    unseen = pd.concat([frame.iloc[[1]].assign(carrier=pd.Categorical([None], dtype=frame["carrier"].dtype))])
    with inc.open_bundle(tmp_path / "bundle") as served:
        for asked in (columns, shuffled):
            assert served.answer(asked) == {"late": booster.predict(frame).tolist()}
        by_carrier = {name: served.answer({**one, "carrier": [name]})["late"][0] for name in ("UA", "B6", "AA")}
        assert len(set(by_carrier.values())) > 1, "the category matters, so a wrong code would show"
        assert served.answer({**one, "carrier": ["ZZ"]})["late"] == booster.predict(unseen).tolist()


def test_lightgbm_stops_where_its_best_iteration_was(tmp_path):
    X, y = CANCER.data, CANCER.target
    train = lightgbm.Dataset(X[:300], y[:300])
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1, "learning_rate": 0.5, "num_threads": 1}, train, 60,
        valid_sets=[lightgbm.Dataset(X[300:], y[300:], reference=train)], keep_training_booster=True,
        callbacks=[lightgbm.early_stopping(3, verbose=False)],
    )  # fmt: skip
    assert 0 < booster.best_iteration < booster.current_iteration()
    inc.pack_model(tmp_path / "bundle", booster, inputs=X)
    assert ask(tmp_path / "bundle", plain(X))["prediction"] == booster.predict(X).tolist()


def test_xgboost_with_categories_and_its_own_missing_value(tmp_path, flights):
    frame, late = flights
    model = xgboost.XGBClassifier(n_estimators=8, enable_categorical=True, n_jobs=1).fit(frame, late)
    inc.pack_model(tmp_path / "bundle", model, inputs=frame)
    with inc.open_bundle(tmp_path / "bundle") as served:
        answered = served.answer(plain(frame))
        assert answered["prediction"] == model.predict(frame).tolist()
        assert answered["probability_1"] == model.predict_proba(frame)[:, 1].tolist()
        with pytest.raises(Refused, match="'ZZ' is none of the 4 categories of training"):
            served.answer({**{name: [values[1]] for name, values in plain(frame).items()}, "carrier": ["ZZ"]})
    X = np.where(np.arange(600).reshape(200, 3) % 7 == 0, -999.0, np.arange(600).reshape(200, 3))
    odd = xgboost.XGBRegressor(n_estimators=5, missing=-999.0, n_jobs=1).fit(X, X[:, 1] % 11)
    inc.pack_model(tmp_path / "odd", odd, inputs=X)
    assert ask(tmp_path / "odd", plain(X))["prediction"] == odd.predict(X).tolist()


def test_boosters_without_a_class_around_them(tmp_path):
    X, y = IRIS.data, IRIS.target
    several = lightgbm.train({"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}, lightgbm.Dataset(X, y), 3)
    inc.pack_model(tmp_path / "lightgbm", several, inputs=X)
    assert list(ask(tmp_path / "lightgbm", plain(X)).values()) == several.predict(X).T.tolist()
    booster = xgboost.train({"objective": "multi:softprob", "num_class": 3, "nthread": 1}, xgboost.DMatrix(X, y), 3)
    inc.pack_model(tmp_path / "xgboost", booster, inputs=X)
    assert list(ask(tmp_path / "xgboost", plain(X)).values()) == booster.predict(xgboost.DMatrix(X)).T.tolist()


def test_a_pipeline_over_text_and_numbers_of_a_polars_or_pandas_frame(tmp_path):
    table = {"town": ["Oslo", "Bergen", "Oslo", "Moss"] * 10, "rooms": list(range(40)), "age": [float(n % 7) for n in range(40)]}
    y = [n % 2 for n in range(40)]
    for make in (pd.DataFrame, pl.DataFrame):
        frame = make(table)
        model = make_pipeline(
            make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["town"]), (StandardScaler(), ["rooms", "age"])),
            LogisticRegression(),
        ).fit(frame, y)
        folder = tmp_path / make.__module__.partition(".")[0]
        assert inc.pack_model(folder, model, inputs=frame)["settings"]["frame"]["kind"] == folder.name
        assert ask(folder, table)["probability_1"] == model.predict_proba(frame)[:, 1].tolist()


def test_a_dict_of_columns_is_a_matrix_or_the_frame_that_the_model_was_fitted_on(tmp_path):
    table = {"sun": [4.0, 6.0, 8.0, 5.0], "water": [100, 150, 100, 200]}
    rows = np.column_stack(list(table.values()))
    on_rows = LinearRegression().fit(rows, [31, 42, 51, 37])
    card = inc.pack_model(tmp_path / "rows", on_rows, inputs=table, outputs=["height_mm"], facts={"label": "height"})
    assert ask(tmp_path / "rows", table) == {"height_mm": on_rows.predict(rows).tolist()}
    assert card["facts"] == {"label": "height"}
    on_names = LinearRegression().fit(pd.DataFrame(table), [31, 42, 51, 37])
    assert inc.pack_model(tmp_path / "names", on_names, inputs=table)["settings"]["frame"]["kind"] == "pandas"
    assert ask(tmp_path / "names", table)["prediction"] == on_names.predict(pd.DataFrame(table)).tolist()


@pytest.mark.parametrize("name", ["forest", "scaled logistic", "LightGBM classifier", "XGBoost classifier"])
def test_packing_the_same_model_twice_leaves_the_same_bytes(tmp_path, name):
    model = MODELS[name]().fit(IRIS.data, IRIS.target)

    def digest(folder):
        inc.pack_model(folder, model, inputs=IRIS.data)
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}

    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_a_value_that_does_not_fit_the_column_of_training_is_refused_and_never_wrapped(tmp_path, flights):
    frame, late = flights
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(frame, late)
    inc.pack_model(tmp_path / "bundle", model, inputs=frame)
    one = {name: [values[1]] for name, values in plain(frame).items()}
    with pytest.raises(Refused, match="column 'hour': 300 is no int8"):
        ask(tmp_path / "bundle", {**one, "hour": [300]})
    with pytest.raises(InvalidInput, match="column 'hour', row 0: null"):
        ask(tmp_path / "bundle", {**one, "hour": [None]})


class Custom(LinearRegression):
    """On no list of types."""


def lgbm_with_own_objective():
    return lightgbm.LGBMRegressor(n_estimators=2, verbose=-1, objective=lambda y, p: (p - y, np.ones_like(p)))


@pytest.mark.parametrize(
    ("model", "changes", "kind", "message"),
    [
        (
            LinearRegression,
            {"inputs": IRIS.data[list(reversed(IRIS.data.columns))]},
            InvalidInput,
            "the model was trained on them as sepal length",
        ),
        (LinearRegression, {"inputs": {}}, InvalidInput, "one column and one row at least"),
        (LinearRegression, {"inputs": IRIS.data[:0]}, InvalidInput, "one column and one row at least"),
        (LinearRegression, {"inputs": [1, 2, 3]}, InvalidInput, "it has 1 dimensions"),
        (LinearRegression, {"outputs": ["a", "b"]}, InvalidInput, "outputs names 2 columns; the model answers 1: prediction"),
        (LinearRegression, {"proba": True}, InvalidInput, "gives no probabilities"),
        (LinearRegression, {"factory": "m:f"}, InvalidInput, "no other model takes one"),
        (LinearRegression, {"facts": {"x": float("nan")}}, InvalidInput, "not JSON compliant"),
        (StandardScaler, {}, InvalidInput, "a StandardScaler cannot be packed"),
        (Custom, {}, Refused, "no safe format holds this Custom: it holds .*Custom, not on Incumbent's list"),
        (lgbm_with_own_objective, {}, InvalidInput, "an objective of your own gives raw scores"),
    ],
)
def test_what_cannot_be_packed_says_why_and_leaves_an_empty_folder(tmp_path, model, changes, kind, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = model().fit(IRIS.data, IRIS.target)
    folder = tmp_path / "bundle"
    with pytest.raises(kind, match=message):
        inc.pack_model(folder, fitted, **{"inputs": IRIS.data, **changes})
    assert list(folder.iterdir()) == []


def test_a_dtype_that_no_signature_can_say_is_named(tmp_path):
    frame = pd.DataFrame({"x": [1.0, 2.0], "day": pd.to_datetime(["2026-01-01", "2026-01-02"])})
    with pytest.raises(InvalidInput, match="column 'day' has dtype datetime64"):
        inc.pack_model(tmp_path / "bundle", LinearRegression().fit([[1.0], [2.0]], [1, 2]), inputs=frame)


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InvalidInput, match="new or empty folder"):
        inc.pack_model(tmp_path, LinearRegression().fit([[1.0]], [1]), inputs=[[1.0]])
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("allow", [False, True])
def test_without_skops_an_estimator_is_not_packed_in_a_less_safe_way(tmp_path, monkeypatch, allow):
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(Unavailable, match=r"pip install 'incumbent\[safe\]'"):
        inc.pack_model(tmp_path / "bundle", LinearRegression().fit([[1.0]], [1]), inputs=[[1.0]], allow_pickle=allow)


def test_what_is_no_model_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="a dict cannot be packed"):
        inc.pack_model(tmp_path / "bundle", {}, inputs=[[1.0]])
