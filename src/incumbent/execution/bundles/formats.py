"""Which format holds which model: recognised by its class, without importing a library that is not there."""

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from incumbent.base.documents import Document
from incumbent.base.errors import InvalidInput, Refused
from incumbent.execution.bundles.answers import Named
from incumbent.execution.bundles.boosters import LIGHTGBM_FILE, XGBOOST_FILE, write_lightgbm, write_xgboost
from incumbent.execution.bundles.estimators import PICKLE_FILE, SKOPS_FILE, ask_estimator, has_proba
from incumbent.execution.bundles.files import refuse_dangerous
from incumbent.execution.bundles.graphs import ONNX_FILE, TORCH_FILE, ask_torch, write_onnx, write_torch
from incumbent.execution.bundles.mlflow_folder import MLFLOW_FOLDER, MLMODEL, copy_mlflow
from incumbent.execution.bundles.skops_file import dump_skops
from incumbent.execution.codecs.models import dump_stable, settled_pickle
from incumbent.registry.pickle_scan import scan_pickle


@dataclass(frozen=True, slots=True)
class Made:
    """What was written: by which loader it is opened, and what that wants known."""

    loader: str
    settings: dict[str, Any]
    needs_pickle: bool = False


@dataclass(frozen=True, slots=True)
class Format:
    """What there is to know about a kind of model.

    Attributes:
        libraries: Distributions whose versions are noted.
        names: The columns that it was trained on, by name, in order; empty if it does not say.
        adapt: The frame's description as this kind takes it.
        gives_proba: Whether the model gives probabilities.
        ask: What the model itself answers; None if there is nothing to compare with.
    """

    name: str
    libraries: tuple[str, ...]
    write: Callable[["Writing"], Made]
    names: Callable[[Any], Sequence[str]] = lambda _: ()
    adapt: Callable[[Document], Document] = lambda frame: frame
    gives_proba: Callable[[Any], bool] = lambda _: False
    ask: Callable[[Any, Any, bool], Named | None] = lambda *_: None


@dataclass(frozen=True, slots=True)
class Writing:
    """One model on its way into a folder."""

    folder: Path
    model: Any
    proba: bool
    factory: str
    allow_pickle: bool


def find_format(model: Any) -> Format:
    """Return the format that holds a model.

    Raises:
        InvalidInput: It is none that can be packed.
    """
    if isinstance(model, Path) and (model / MLMODEL).is_file():
        return MLFLOW
    if isinstance(model, bytes | bytearray | Path):
        return ONNX
    homes = [f"{cls.__module__}.{cls.__name__}" for cls in type(model).__mro__]
    found = next((one for start, one in _HOMES if any(home.startswith(start) for home in homes)), PICKLE)
    if found in (SKLEARN, PICKLE) and not callable(getattr(model, "predict", None)):
        raise InvalidInput(
            f"a {type(model).__name__} cannot be packed: it is no predictor of scikit-learn, no model of LightGBM, XGBoost, ONNX or "
            "PyTorch, no path of an MLflow model folder, and has no predict"
        )
    return found


def write_model(kind: Format, folder: Path, model: Any, *, proba: bool, factory: str, allow_pickle: bool) -> Made:
    """Write the model's file into the folder, and note the versions of the libraries that made it.

    Raises:
        Refused: Only a pickle would hold it and that is not allowed, or it would be a dangerous one.
    """
    made = kind.write(Writing(folder, model, proba, factory, allow_pickle))
    versions = {}
    for library in kind.libraries:
        for name in (library, f"{library}-cpu", f"{library}-skinny"):
            try:
                versions[library] = importlib.metadata.version(name)
                break
            except importlib.metadata.PackageNotFoundError:
                continue
    return replace(made, settings={**made.settings, "made_with": versions})


def _write_lightgbm(it: Writing) -> Made:
    data, settings = write_lightgbm(it.model, proba=it.proba)
    (it.folder / LIGHTGBM_FILE).write_bytes(data)
    return Made("lightgbm", {"file": LIGHTGBM_FILE, **settings})


def _write_xgboost(it: Writing) -> Made:
    data, settings = write_xgboost(it.model, proba=it.proba)
    (it.folder / XGBOOST_FILE).write_bytes(data)
    return Made("xgboost", {"file": XGBOOST_FILE, **settings})


def _write_onnx(it: Writing) -> Made:
    (it.folder / ONNX_FILE).write_bytes(write_onnx(it.model))
    return Made("onnx", {"file": ONNX_FILE})


def _write_torch(it: Writing) -> Made:
    (it.folder / TORCH_FILE).write_bytes(write_torch(it.model))
    return Made("torch", {"file": TORCH_FILE, "factory": it.factory})


def _write_mlflow(it: Writing) -> Made:
    scans = copy_mlflow(it.model, it.folder / MLFLOW_FOLDER)
    refuse_dangerous(scans, "the MLflow model folder")
    if scans and not it.allow_pickle:
        raise Refused(
            f"the MLflow model folder holds a pickle: {scans[0].describe()}; pack it with allow_pickle=True if you know who made it"
        )
    return Made("mlflow", {"folder": MLFLOW_FOLDER}, needs_pickle=bool(scans))


def _write_estimator(it: Writing) -> Made:
    try:
        data = dump_skops(it.model)
    except Refused as error:
        if it.allow_pickle:
            return _write_pickle(it)
        raise Refused(
            f"no safe format holds this {type(it.model).__name__}: {error}. Pack it with allow_pickle=True, "
            "or with pack_bundle and code that answers without it"
        ) from error
    (it.folder / SKOPS_FILE).write_bytes(data)
    return Made("skops", {"file": SKOPS_FILE, "proba": it.proba})


def _write_pickle(it: Writing) -> Made:
    if not it.allow_pickle:
        raise Refused(
            f"only a pickle holds a {type(it.model).__name__}, and opening one can run code; pack it with allow_pickle=True, "
            "or with pack_bundle and code that answers without it"
        )
    what = f"this {type(it.model).__name__}"
    refuse_dangerous([scan_pickle(dump_stable(it.model), PICKLE_FILE)], what)  # before it is loaded once, which settling does
    data = settled_pickle(it.model)
    refuse_dangerous([scan_pickle(data, PICKLE_FILE)], what)
    (it.folder / PICKLE_FILE).write_bytes(data)
    return Made("pickle", {"file": PICKLE_FILE, "proba": it.proba}, needs_pickle=True)


def _list_names(model: Any) -> Sequence[str]:
    """Return the names of columns of a booster or an estimator; names that a library made up are none."""
    if hasattr(model, "booster_"):
        model = model.booster_
    if callable(getattr(model, "feature_name", None)):  # LightGBM's Booster
        names = list(model.feature_name())
        return () if names == [f"Column_{place}" for place in range(len(names))] else names
    is_booster = type(model).__name__ == "Booster" and hasattr(model, "feature_names")
    found = model.feature_names if is_booster else _find_names_in(model)
    return [] if found is None else [str(name) for name in found]


def _find_names_in(model: Any) -> Any:
    try:
        return model.feature_names_in_
    except AttributeError:  # fitted on a matrix
        return None


def _ask(model: Any, frame: Any, proba: bool) -> Named:
    return ask_estimator(model, frame, proba=proba)


def _ask_lightgbm(model: Any, frame: Any, proba: bool) -> Named:
    return _ask(model, frame, proba) if hasattr(model, "booster_") else [("prediction", model.predict(frame))]


def _ask_xgboost(model: Any, frame: Any, proba: bool) -> Named:
    if hasattr(model, "get_booster"):
        return _ask(model, frame, proba)
    import xgboost

    return [("prediction", model.predict(xgboost.DMatrix(frame, enable_categorical=True)))]


def _ask_torch(model: Any, frame: Any, proba: bool) -> Named:
    del proba
    torch: Any = importlib.import_module("torch")
    return ask_torch(torch, model.eval(), frame)


def _nulls_for_unseen(frame: Document) -> Document:
    """LightGBM takes a category that it never saw for a missing value; so does its bundle."""
    columns: Any = frame.get("columns")
    if not isinstance(columns, list):
        return frame
    return {**frame, "columns": [{**entry, "unseen": "null"} if entry["dtype"] == "category" else entry for entry in columns]}


LIGHTGBM = Format("lightgbm", ("lightgbm",), _write_lightgbm, _list_names, _nulls_for_unseen, has_proba, _ask_lightgbm)
XGBOOST = Format("xgboost", ("xgboost",), _write_xgboost, _list_names, gives_proba=has_proba, ask=_ask_xgboost)
ONNX = Format("onnx", ("onnxruntime",), _write_onnx, adapt=lambda _: {"kind": "columns"})
TORCH = Format("torch", ("torch", "safetensors"), _write_torch, ask=_ask_torch)
MLFLOW = Format("mlflow", ("mlflow",), _write_mlflow)
SKLEARN = Format("sklearn", ("scikit-learn", "skops"), _write_estimator, _list_names, gives_proba=has_proba, ask=_ask)
PICKLE = Format("pickle", (), _write_pickle, _list_names, gives_proba=has_proba, ask=_ask)

_HOMES = (
    ("lightgbm.", LIGHTGBM),
    ("xgboost.", XGBOOST),
    ("onnx.onnx_ml_pb2.", ONNX),
    ("onnx.", ONNX),
    ("torch.nn.", TORCH),
    ("sklearn.base.", SKLEARN),
)
