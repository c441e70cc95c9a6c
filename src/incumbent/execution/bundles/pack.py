"""Pack a fitted model of a known library: its file in the safest format that holds it, and a description in place of serving code."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput, Refused
from incumbent.execution.bundles.answers import flatten_answers, name_outputs
from incumbent.execution.bundles.formats import Made, find_format, write_model
from incumbent.execution.bundles.frame import Columns, build_frame, check_frame, describe_frame
from incumbent.execution.bundles.loaders import LOADERS
from incumbent.registry.bundle import BUNDLE_FILE, make_loaded_card
from incumbent.registry.signature import Signature, infer_columns
from incumbent.usecases.pack_bundle import choose_example, write_modules

PROVED_ROWS = 256


def pack_model(
    folder: Path,
    model: Any,
    *,
    inputs: Any,
    outputs: Sequence[str] | None = None,
    proba: bool | None = None,
    facts: Mapping[str, Json] | None = None,
    modules: Sequence[ModuleType] = (),
    factory: str = "",
    allow_pickle: bool = False,
) -> Document:
    """Make a folder a bundle that answers from a fitted model, without code of yours.

    The model goes into the safest format that holds it: LightGBM and XGBoost (Booster or scikit-learn class) into their own, an
    ONNX graph (bytes, path or ModelProto) as it is, a scikit-learn estimator or pipeline into skops by Incumbent's own list of
    types, a PyTorch module into safetensors with `factory` in `modules` to make it, an MLflow model folder (its path) as a copy.
    Whatever else has a `predict`, or does not fit its safe format, is pickled, only if `allow_pickle` says so.

    Before it returns, the bundle is opened and asked with up to 256 rows of `inputs`: the frame that it builds must hold these rows
    in the same dtypes, and its answers must be those that the model gives for that frame, bit for bit. (What a linear model gives
    for one row can differ in the last bit with the number of rows beside it and their layout in memory: that is the library's.)

    Args:
        folder: A new or empty folder; it becomes the bundle.
        model: The fitted model.
        inputs: Training data as the model takes it (pandas or polars frame, matrix, or a dict of columns). The order of columns,
            their dtypes, categories and nulls are what answers are asked with.
        outputs: Names of the columns that it answers, in their order. As they come they are `prediction`, then
            `probability_<class>`; of an ONNX graph, its own names.
        proba: Whether to answer probabilities; by itself, whenever the model is a classifier of one target that gives them.
        facts: What else to say about it, as plain values.
        modules: Modules of the project that opening the model needs: the class of a pickled object, a factory.
        factory: For a PyTorch module, `module:function` among `modules` that makes it, untrained.
        allow_pickle: Pickle the model when no safe format holds it. Such a bundle opens only where pickles are allowed.

    Returns:
        What was written into `bundle.json`.

    Raises:
        InvalidInput: The folder is in use, the model is none that can be packed, or `inputs` or `outputs` do not fit it.
        Refused: Only a pickle would hold it, or it would be a dangerous one, or the packed model answers differently.
        Unavailable: The library that writes its safe format is not installed.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"a model is packed into a new or empty folder; {folder} is in use")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _pack(
            folder,
            model,
            inputs=inputs,
            outputs=outputs,
            proba=proba,
            facts=facts or {},
            modules=modules,
            factory=factory,
            allow=allow_pickle,
        )
    except BaseException:
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        raise


def _pack(
    folder: Path,
    model: Any,
    *,
    inputs: Any,
    outputs: Sequence[str] | None,
    proba: bool | None,
    facts: Mapping[str, Json],
    modules: Sequence[ModuleType],
    factory: str,
    allow: bool,
) -> Document:
    kind = find_format(model)
    if bool(factory) != (kind.name == "torch"):
        raise InvalidInput("a PyTorch module is packed with `factory` and the modules that it needs, and no other model takes one")
    frame, columns = describe_frame(inputs, as_named=kind.name == "mlflow" or _is_named(inputs, kind.names(model)))
    _check_order(kind.names(model), frame, columns)
    frame = kind.adapt(frame)
    wants_proba = kind.gives_proba(model) if proba is None else proba
    if wants_proba and not kind.gives_proba(model):
        raise InvalidInput(f"{type(model).__name__} gives no probabilities; leave proba out")
    write_modules(folder, modules)
    made = write_model(kind, folder, model, proba=wants_proba, factory=factory, allow_pickle=allow)
    settings: dict[str, Any] = {**made.settings, "frame": frame}
    rows = _choose_rows(len(next(iter(columns.values()))))
    built = build_frame(frame, {name: [values[row] for row in rows] for name, values in columns.items()})
    check_frame(built, inputs, rows)
    answered = flatten_answers(LOADERS[made.loader].open(folder, {**settings, "needs_pickle": made.needs_pickle})(built))
    _check_same(kind.ask(model, built, wants_proba), answered, made)
    signature = Signature(infer_columns(columns), name_outputs(answered, outputs))
    card = make_loaded_card(
        made.loader, signature, choose_example(signature.inputs, columns), facts, settings, needs_pickle=made.needs_pickle
    )
    (folder / BUNDLE_FILE).write_bytes(card.to_bytes())
    return card.to_json()


def _is_named(inputs: Any, names: Sequence[str]) -> bool:
    return isinstance(inputs, Mapping) and list(inputs) == list(names)


def _check_order(names: Sequence[str], frame: Document, columns: Columns) -> None:
    """Refuse columns in another order than in training: some libraries go by their place and never look at a name."""
    if frame["kind"] in ("pandas", "polars") and names and set(names) == set(columns) and list(names) != list(columns):
        raise InvalidInput(f"inputs have the columns {', '.join(columns)}; the model was trained on them as {', '.join(names)}")


def _choose_rows(count: int) -> list[int]:
    step = max(1, -(-count // PROVED_ROWS))
    return list(range(0, count, step))


def _check_same(expected: Any, answered: dict[str, list[Any]], made: Made) -> None:
    if expected is None:
        return
    wanted = flatten_answers(expected)
    for (name, values), given in zip(wanted.items(), answered.values(), strict=True):
        unlike = sum(repr(a) != repr(b) for a, b in zip(values, given, strict=True))
        if unlike:
            raise Refused(
                f"the model as packed for {made.loader} answers {name} differently in {unlike} of {len(values)} rows of inputs; "
                "pack it with pack_bundle and code of your own"
            )
