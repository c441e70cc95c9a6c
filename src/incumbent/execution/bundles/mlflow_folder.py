"""MLflow's model folders, opened by MLflow itself in the model's process.

Two things are held before MLflow sees the folder. A skops file in it is judged by our own list of types: MLflow takes its list
from the MLmodel file beside the model, so the model vouches for itself (GHSA-w582-9x45-8mpx). And a pickle, under whatever name,
opens only where pickles were allowed and never if it is dangerous.
"""

import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from incumbent.base.errors import InvalidInput, Refused, Unavailable
from incumbent.execution.bundles.answers import Named
from incumbent.execution.bundles.files import find_inside, refuse_dangerous, walk_files
from incumbent.execution.bundles.opened import Predict, Settings
from incumbent.execution.bundles.skops_file import check_skops, is_skops
from incumbent.registry.pickle_scan import PickleScan, scan_pickle

MLMODEL, MLFLOW_FOLDER = "MLmodel", "mlflow"
_PICKLES = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"


def copy_mlflow(source: Path, target: Path) -> list[PickleScan]:
    """Copy a model folder and return the scans of the pickles in it.

    Raises:
        InvalidInput: It has no MLmodel, or holds links.
        Refused: A skops file in it names a type that is not on our list.
    """
    if not (source / MLMODEL).is_file():
        raise InvalidInput(f"{source} is no MLflow model folder: it has no {MLMODEL}")
    scans = list(_judge_files(source))
    shutil.copytree(source, target)
    return scans


def _judge_files(folder: Path) -> Iterator[PickleScan]:
    for name, data in walk_files(folder):
        if is_skops(data):
            try:
                check_skops(data)
            except Refused as error:
                raise Refused(f"{name}: {error}") from error
        scan = scan_pickle(data, name)
        if scan.verdict != "none":
            yield scan


def open_mlflow(folder: Path, settings: Settings) -> Predict:
    """Open the folder with MLflow's pyfunc."""
    inside = find_inside(folder, settings, "folder")
    if not inside.is_dir() or not (inside / MLMODEL).is_file():
        raise InvalidInput(f"the bundle's {settings['folder']} is no MLflow model folder: it has no {MLMODEL}")
    scans = list(_judge_files(inside))
    refuse_dangerous(scans, "the bundle")
    if scans and not settings["needs_pickle"]:
        raise Refused(f"the bundle says that it needs no pickle and holds one: {scans[0].describe()}")
    try:
        with warnings.catch_warnings(action="ignore"):  # it warns of its own type hints when it is imported
            import mlflow.pyfunc
    except ImportError as error:
        raise Unavailable("this bundle holds an MLflow model folder, and MLflow is not installed here: pip install mlflow") from error
    # MLflow asks for the same permission to read a skops file. Those in here passed our own list of types, and none is a pickle.
    has_skops = any(is_skops(data) for _, data in walk_files(inside))
    before = os.environ.get(_PICKLES)
    os.environ[_PICKLES] = "true" if scans or has_skops else "false"
    try:
        model = mlflow.pyfunc.load_model(str(inside))
    finally:
        os.environ.pop(_PICKLES)
        if before is not None:
            os.environ[_PICKLES] = before
    return lambda frame: _name(model.predict(frame))


def _name(given: Any) -> Named:
    if hasattr(given, "columns") and hasattr(given, "iloc"):
        return [(str(label), given.iloc[:, place].to_numpy()) for place, label in enumerate(given.columns)]
    if isinstance(given, dict):
        return [(str(name), values) for name, values in given.items()]
    return [("prediction", given)]
