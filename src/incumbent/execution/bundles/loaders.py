"""The loaders, as one table, and the rules that hold before one is let near a file.

    1  The loader is on the table; its name comes from bundle.json and is nothing but a key here.
    2  A bundle whose files need unpickling says so (`needs_pickle`), and opens only where whoever opens it allows pickles.
    3  A file under a safe format's loader holds no pickle: its bytes are looked at, never its name.
    4  Its path stays in the folder, with no link on the way.
    5  A dangerous pickle is opened nowhere.

All this runs in the model's own process; the one that serves never opens a model's file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incumbent.base.errors import InvalidInput, Refused
from incumbent.execution.bundles.answers import flatten_answers
from incumbent.execution.bundles.boosters import open_lightgbm, open_xgboost
from incumbent.execution.bundles.estimators import open_pickle, open_skops
from incumbent.execution.bundles.frame import build_frame
from incumbent.execution.bundles.graphs import open_onnx, open_torch
from incumbent.execution.bundles.mlflow_folder import open_mlflow
from incumbent.execution.bundles.opened import Open
from incumbent.registry.bundle import BundleCard

Answerer = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Loader:
    """How one format is opened; `may_unpickle` when that can run a pickle."""

    open: Open
    may_unpickle: bool = False


LOADERS: dict[str, Loader] = {
    "lightgbm": Loader(open_lightgbm),
    "xgboost": Loader(open_xgboost),
    "onnx": Loader(open_onnx),
    "skops": Loader(open_skops),
    "torch": Loader(open_torch),
    "mlflow": Loader(open_mlflow, may_unpickle=True),
    "pickle": Loader(open_pickle, may_unpickle=True),
}


def open_loaded(folder: Path, card: BundleCard, *, allow_pickle: bool) -> Answerer:
    """Return the function from columns to columns of a bundle that a loader opens.

    Raises:
        InvalidInput: There is no such loader, or its settings or files are not what it takes.
        Refused: A rule at the head of this file stands in the way.
        Unavailable: The library that it needs is not installed.
    """
    loader = LOADERS.get(card.loader)
    if loader is None:
        raise InvalidInput(f"the bundle names the loader {card.loader!r}; this release has {', '.join(sorted(LOADERS))}")
    check_allowed(card, allow_pickle=allow_pickle)
    if card.needs_pickle and not loader.may_unpickle:
        raise Refused(f"the bundle says that its {card.loader} model needs a pickle, which that loader never opens")
    if card.loader == "pickle" and not card.needs_pickle:
        raise Refused("the bundle says that it needs no pickle, and names the loader of pickles")
    frame = card.settings.get("frame")
    if not isinstance(frame, Mapping) or "kind" not in frame:
        raise InvalidInput("the bundle's settings describe no frame")
    predict = loader.open(folder, {**card.settings, "needs_pickle": card.needs_pickle})
    names = [column.name for column in card.signature.outputs]

    def answer(columns: Mapping[str, Any]) -> dict[str, list[Any]]:
        ordered = {column.name: columns[column.name] for column in card.signature.inputs}
        answered = flatten_answers(predict(build_frame(frame, ordered)))
        return dict(zip(names, answered.values(), strict=True))

    return answer


def check_allowed(card: BundleCard, *, allow_pickle: bool) -> None:
    """Hold rule 2.

    Raises:
        Refused: The bundle needs a pickle, and pickles are not allowed here.
    """
    if card.needs_pickle and not allow_pickle:
        raise Refused(
            "this bundle is opened by unpickling, which can run code that came with it; pickles are not allowed here. "
            "Pack the model in a safe format, or allow pickles if you know who made it: open_bundle(folder, allow_pickle=True), "
            "`incumbent server --allow-pickle` (`evaluate` and `testscore run` have it too)"
        )
