"""What an MLflow model folder says of its inputs and outputs, as a bundle's description. Its files are read as text, and nothing is loaded.

MLflow writes `MLmodel` as YAML in one style, in which a signature is JSON inside of quotes. Just that is read here; what has no signature
of named columns with plain types gets no description, and can then be registered and loaded, but not be served from a slot.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.registry.bundle import BundleCard, make_loaded_card
from incumbent.registry.signature import Column, ColumnType, Signature

MLMODEL, FOLDER = "MLmodel", "mlflow"
EXAMPLES = ("serving_input_example.json", "input_example.json")
_BLOCK = re.compile(r"^signature:\n((?:[ ]+.*\n?|\n)+)", re.MULTILINE)
_FIELD = re.compile(r"^  (inputs|outputs): '((?:[^']|'')*)'\s*$", re.MULTILINE)
_TYPES: Mapping[str, tuple[ColumnType, str]] = {
    "boolean": ("bool", "bool"), "integer": ("int", "int32"), "long": ("int", "int64"), "float": ("float", "float32"),
    "double": ("float", "float64"), "string": ("str", "object"),
}  # fmt: skip
_ZERO: Mapping[ColumnType, Json] = {"bool": False, "int": 0, "float": 0.0, "str": ""}
_DTYPES: Mapping[str, ColumnType] = {"bool": "bool", "str": "str", "object": "str"}


def read_card(mlmodel: str, examples: Mapping[str, str], *, needs_pickle: bool) -> BundleCard | None:
    """Return the description of a bundle whose folder `mlflow/` is the model, None if its signature cannot be told in plain columns.

    Args:
        mlmodel: Text of the file MLmodel.
        examples: Text of the files in EXAMPLES that are there, by name.
        needs_pickle: Whether a file in it is a pickle.

    Raises:
        InvalidInput: The signature breaks a rule of signatures, such as two columns of one name.
    """
    block = _BLOCK.search(mlmodel)
    given = {name: _read_specs(text) for name, text in _FIELD.findall(block[1])} if block else {}
    inputs = _read_inputs(given.get("inputs", []))
    outputs = _read_outputs(given.get("outputs", []))
    if inputs is None or outputs is None:
        return None
    columns, frame = inputs
    example, facts = _read_example(columns, examples)
    settings: dict[str, Json] = {"folder": FOLDER, "frame": frame}
    try:
        return make_loaded_card("mlflow", Signature(columns, outputs), example, facts, settings, needs_pickle=needs_pickle)
    except InvalidInput:
        made_up = {column.name: _ZERO[column.type] for column in columns}
        return make_loaded_card("mlflow", Signature(columns, outputs), made_up, {"example": "made up"}, settings, needs_pickle=needs_pickle)


def _read_specs(text: str) -> list[Any]:
    joined = re.sub(r"\n+[ ]*", lambda found: "\n" * (found[0].count("\n") - 1) or " ", text)  # as YAML folds lines inside of quotes
    try:
        specs = json.loads(joined.replace("''", "'"))
    except (ValueError, RecursionError):
        return []
    return specs if isinstance(specs, list) and all(isinstance(spec, dict) for spec in specs) else []


def _read_inputs(specs: list[Any]) -> tuple[tuple[Column, ...], Json] | None:
    columns: list[Column] = []
    described: list[Json] = []
    for spec in specs:
        match spec:
            case {"name": str(name), "type": str(kind)} if name and kind in _TYPES:
                plain, dtype = _TYPES[kind]
                columns.append(Column(name, plain, is_nullable=spec.get("required") is False))
                described.append({"name": name, "dtype": dtype})
            case _:
                return None
    names = {column.name for column in columns}
    if not columns or len(names) < len(columns):
        return None
    return tuple(columns), {"kind": "pandas", "order": "F", "columns": described}


def _read_outputs(specs: list[Any]) -> tuple[Column, ...] | None:
    match specs:
        case [{"type": "tensor", "tensor-spec": {"dtype": str(dtype), "shape": [-1]}}]:
            return (Column("prediction", _plain(dtype)),)
        case [{"type": "tensor", "tensor-spec": {"dtype": str(dtype), "shape": [-1, int(width)]}}] if 1 <= width <= 1000:
            if width == 1:
                return (Column("prediction", _plain(dtype)),)
            return tuple(Column(f"prediction_{place}", _plain(dtype)) for place in range(width))
        case [{"type": str(kind), **rest}] if kind in _TYPES and "name" not in rest:
            return (Column("prediction", _TYPES[kind][0]),)
    columns = [Column(spec["name"], _TYPES[spec["type"]][0]) for spec in specs if _is_named(spec)]
    is_whole = bool(columns) and len(columns) == len(specs) == len({column.name for column in columns})
    return tuple(columns) if is_whole else None


def _is_named(spec: Mapping[str, Any]) -> bool:
    name, kind = spec.get("name"), spec.get("type")
    return isinstance(name, str) and bool(name) and isinstance(kind, str) and kind in _TYPES


def _plain(dtype: str) -> ColumnType:
    return _DTYPES.get(dtype) or ("int" if dtype.startswith(("int", "uint")) else "float")


def _read_example(columns: tuple[Column, ...], examples: Mapping[str, str]) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return one row that the client logged, else a made-up one, which says so."""
    for name in EXAMPLES:
        try:
            given = json.loads(examples.get(name, "null"))
        except (ValueError, RecursionError):
            continue
        match given:
            case {"dataframe_split": {"columns": list(names), "data": [list(row), *_]}} | {"columns": list(names), "data": [list(row), *_]}:
                if len(names) == len(row) and set(names) == {column.name for column in columns}:
                    return dict(zip(names, row, strict=True)), {}
    return {column.name: _ZERO[column.type] for column in columns}, {"example": "made up: the model was logged without an input example"}
