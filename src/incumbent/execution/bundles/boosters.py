"""LightGBM and XGBoost in their own formats, which hold numbers and names and run nothing.

LightGBM's text holds a Booster; the labels of its scikit-learn classes and the best iteration go into the settings. XGBoost's
UBJSON holds what its scikit-learn classes need, but for `missing`, `enable_categorical` and the best iteration's use.
"""

import math
from pathlib import Path
from typing import Any

from incumbent.base.errors import InvalidInput
from incumbent.execution.bundles.answers import Named
from incumbent.execution.bundles.files import read_inside, refuse_pickles, scan_bytes
from incumbent.execution.bundles.opened import Predict, Settings

LIGHTGBM_FILE, XGBOOST_FILE = "model.txt", "model.ubj"
_XGBOOST = ("Booster", "XGBClassifier", "XGBModel", "XGBRanker", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor")


def write_lightgbm(model: Any, *, proba: bool) -> tuple[bytes, dict[str, Any]]:
    """Return the model's text and the settings that it needs beside it."""
    is_wrapped = hasattr(model, "booster_")
    if is_wrapped and callable(model.objective):
        raise InvalidInput(
            "a model with an objective of your own gives raw scores; pack it with pack_bundle and code that turns them into answers"
        )
    booster = model.booster_ if is_wrapped else model
    settings: dict[str, Any] = {"best_iteration": int(booster.best_iteration)}
    if is_wrapped and hasattr(model, "classes_"):
        settings |= {"classes": model.classes_.tolist(), "proba": proba}
    return booster.model_to_string(num_iteration=-1).encode("utf-8"), settings


def open_lightgbm(folder: Path, settings: Settings) -> Predict:
    """Open a LightGBM model text."""
    data = read_inside(folder, settings)
    refuse_pickles([scan_bytes(settings["file"], data)], "the bundle")
    if not data.startswith(b"tree\nversion="):
        raise InvalidInput(f"{settings['file']} is not a LightGBM model text")
    import lightgbm

    booster = lightgbm.Booster(model_str=data.decode("utf-8"))
    booster.best_iteration = settings["best_iteration"]
    classes = settings.get("classes")

    def predict(frame: Any) -> Named:
        answered = booster.predict(frame, num_threads=1)
        return [("prediction", answered)] if classes is None else _label(answered, classes, proba=bool(settings["proba"]))

    return predict


def _label(answered: Any, classes: list[Any], *, proba: bool) -> Named:
    """Return labels and probabilities as LGBMClassifier does: of two classes, the booster gives the second one's probability."""
    import numpy as np

    probabilities = answered if answered.ndim == 2 else np.vstack((1.0 - answered, answered)).transpose()
    labels = np.array(classes)[np.argmax(probabilities, axis=1)]
    named = [(f"probability_{label}", probabilities[:, place]) for place, label in enumerate(classes)] if proba else []
    return [("prediction", labels), *named]


def write_xgboost(model: Any, *, proba: bool) -> tuple[bytes, dict[str, Any]]:
    """Return the model's UBJSON and the settings that it needs beside it."""
    name = type(model).__name__
    if name not in _XGBOOST:
        raise InvalidInput(f"{name} is none of XGBoost's own classes {', '.join(_XGBOOST)}; pack its get_booster()")
    settings: dict[str, Any] = {"class": name}
    if name != "Booster":
        if callable(model.objective):
            raise InvalidInput("a model with an objective of your own cannot be packed; pack its get_booster()")
        missing = float(model.missing)
        settings |= {"missing": None if math.isnan(missing) else missing, "categorical": bool(model.enable_categorical), "proba": proba}
        return bytes(model.get_booster().save_raw("ubj")) if not hasattr(model, "n_classes_") else _raw_with_classes(model), settings
    return bytes(model.save_raw("ubj")), settings


def _raw_with_classes(model: Any) -> bytes:
    """Return the UBJSON with the note of classes that XGBoost's own save_model adds."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="xgboost-") as folder:
        path = Path(folder) / XGBOOST_FILE
        model.save_model(path)
        return path.read_bytes()


def open_xgboost(folder: Path, settings: Settings) -> Predict:
    """Open an XGBoost model in UBJSON."""
    data = read_inside(folder, settings)
    refuse_pickles([scan_bytes(settings["file"], data)], "the bundle")
    if not (data.startswith(b"{L") and data.endswith(b"}")):
        raise InvalidInput(f"{settings['file']} is not an XGBoost model in UBJSON")
    if settings["class"] not in _XGBOOST:
        raise InvalidInput(f"{str(settings['class'])[:40]!r} is none of {', '.join(_XGBOOST)}")
    import xgboost

    if settings["class"] == "Booster":
        booster = xgboost.Booster(params={"nthread": 1})
        booster.load_model(bytearray(data))
        return lambda frame: [("prediction", booster.predict(xgboost.DMatrix(frame, enable_categorical=True, nthread=1)))]
    missing = float("nan") if settings["missing"] is None else settings["missing"]
    model = getattr(xgboost, settings["class"])(missing=missing, enable_categorical=settings["categorical"], n_jobs=1)
    model.load_model(bytearray(data))

    def predict(frame: Any) -> Named:
        if not settings["proba"]:
            return [("prediction", model.predict(frame))]
        probabilities = model.predict_proba(frame)
        return [
            ("prediction", model.predict(frame)),
            *((f"probability_{label}", probabilities[:, place]) for place, label in enumerate(model.classes_.tolist())),
        ]

    return predict
