"""scikit-learn's protocol: what an estimator answers, and the two files that it is kept in: skops, or a pickle as the last resort."""

import io
import pickle
from pathlib import Path
from typing import Any

from incumbent.base.errors import Refused
from incumbent.execution.bundles.answers import Named
from incumbent.execution.bundles.files import read_inside, refuse_dangerous, refuse_pickles, scan_bytes
from incumbent.execution.bundles.opened import Predict, Settings
from incumbent.execution.bundles.skops_file import load_skops

SKOPS_FILE, PICKLE_FILE = "model.skops", "model.pickle"


def ask_estimator(estimator: Any, frame: Any, *, proba: bool) -> Named:
    """Return the estimator's predictions and, if wanted, its probabilities, one array a class and named after it."""
    given: list[tuple[str, Any]] = [("prediction", estimator.predict(frame))]
    if proba:
        probabilities = estimator.predict_proba(frame)
        given += [(f"probability_{label}", probabilities[:, place]) for place, label in enumerate(list_classes(estimator))]
    return given


def list_classes(estimator: Any) -> list[Any]:
    """Return the classes in the order of the columns of `predict_proba`, as plain values."""
    classes = estimator.classes_
    return list(classes.tolist() if hasattr(classes, "tolist") else classes)


def has_proba(model: Any) -> bool:
    """Say whether the model gives probabilities of known classes of one target."""
    classes = getattr(model, "classes_", None)
    is_one = classes is not None and not (len(classes) and hasattr(classes[0], "__len__") and not isinstance(classes[0], str))
    return is_one and hasattr(model, "predict_proba")


def open_skops(folder: Path, settings: Settings) -> Predict:
    """Open an estimator from skops, by our own list of types."""
    data = read_inside(folder, settings)
    refuse_pickles([scan_bytes(settings["file"], data)], "the bundle")
    return _ask(load_skops(data), settings)


def open_pickle(folder: Path, settings: Settings) -> Predict:
    """Open a pickled object: only names that the scan saw and did not find dangerous are ever imported."""
    data = read_inside(folder, settings)
    scan = scan_bytes(settings["file"], data)
    refuse_dangerous([scan], "the bundle")
    return _ask(_Seen(data, {(each.module, each.name) for each in scan.imports}).load(), settings)


class _Seen(pickle.Unpickler):
    """An unpickler that imports what the scan saw: the two cannot be made to read one file in two ways."""

    def __init__(self, data: bytes, seen: set[tuple[str, str]]) -> None:
        super().__init__(io.BytesIO(data))
        self._seen = seen

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in self._seen:
            raise Refused(f"the pickle asks for {module_name}.{global_name}, which its scan did not see")
        return super().find_class(module_name, global_name)


def _ask(model: Any, settings: Settings) -> Predict:
    return lambda frame: ask_estimator(model, frame, proba=bool(settings["proba"]))
