"""The frame that a model was trained on, described so that an answer's columns become that same frame again.

A library takes a frame by more than its numbers: the order of columns, their dtypes, the categories and their order, and whether
it is an array, a pandas or a polars frame. The description holds all of it, as JSON in the bundle's settings:

    {"kind": "pandas", "order": "F", "columns": [{"name": "carrier", "dtype": "category", "categories": ["AA", "UA"], …}, …]}

Kinds are pandas, polars, numpy (one matrix of one dtype) and columns (a dict of lists). A value that does not fit its dtype is
refused, never wrapped around. A category that was not in training becomes a null where `unseen` is "null", else it is refused.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput

Columns = Mapping[str, Sequence[Any]]
Described = tuple[Document, dict[str, list[Any]]]
"""The description, and the values as plain columns."""

_TEXT = ("object", "str", "string")


def describe_frame(inputs: Any, *, as_named: bool = False) -> Described:
    """Return the description of training data and its plain columns, NaN and NA as None.

    Args:
        inputs: A pandas or polars frame, a matrix of shape (rows, columns), or a dict of columns.
        as_named: A dict of columns stands for a pandas frame (the model was fitted on named columns), not for a matrix.

    Raises:
        InvalidInput: It is none of these, has no columns or no rows, or a column has a dtype that no signature can say.
    """
    kind = type(inputs).__module__.partition(".")[0]
    if kind == "pandas" and hasattr(inputs, "columns"):
        spec, columns = _describe_pandas(inputs)
    elif kind == "polars" and hasattr(inputs, "schema"):
        spec, columns = _describe_polars(inputs)
    elif isinstance(inputs, Mapping):
        spec, columns = _describe_named(inputs) if as_named else _describe_columns(inputs)
    else:
        spec, columns = _describe_matrix(inputs)
    if not columns or not next(iter(columns.values())):
        raise InvalidInput("inputs must be training data with one column and one row at least")
    if any(not name for name in columns):
        raise InvalidInput("every column of inputs needs a name")
    return spec, columns


def build_frame(spec: Mapping[str, Any], columns: Columns) -> Any:
    """Return the frame of a description, filled with these columns.

    Raises:
        InvalidInput: A value does not fit its column's dtype, or is a category that was not in training.
        KeyError: The description is none.
    """
    return _BUILDERS[spec["kind"]](spec, columns)


def check_frame(built: Any, inputs: Any, rows: Sequence[int]) -> None:
    """Hold that a frame built from plain columns is these rows of the training data again: values, dtypes, categories and names.

    Raises:
        InvalidInput: It is not, so that the model would be asked with something else than it was trained on.
    """
    if hasattr(inputs, "iloc") and hasattr(built, "iloc"):
        wanted = inputs.iloc[list(rows)].reset_index(drop=True)
        is_same = list(built.columns) == list(wanted.columns) and list(built.dtypes) == list(wanted.dtypes) and built.equals(wanted)
    elif type(inputs).__module__.startswith("polars") and type(built).__module__.startswith("polars"):
        is_same = built.equals(inputs[list(rows)].fill_nan(None)) and built.schema == inputs.schema
    else:
        is_same = _is_same_matrix(built, inputs, list(rows))
    if not is_same:
        raise InvalidInput("inputs cannot be told in plain values so that they come back as they are; give them plainer dtypes")


def _is_same_matrix(built: Any, inputs: Any, rows: list[int]) -> bool:
    import numpy as np

    if isinstance(inputs, Mapping) or isinstance(built, Mapping):
        return True  # columns of plain values, which were read one by one
    wanted = np.asarray(inputs)[rows]
    if wanted.dtype.kind in "OU":
        told = [[_plain(value) for value in row] for row in wanted.tolist()]
        has_nan = sum(value is None for row in told for value in row) > sum(value is None for row in wanted.tolist() for value in row)
        return bool(told == built.tolist()) and not has_nan  # an object array of NaN would come back with None
    return bool(built.dtype == wanted.dtype and np.array_equal(built, wanted, equal_nan=wanted.dtype.kind == "f"))


def _describe_pandas(frame: Any) -> Described:
    columns: dict[str, list[Any]] = {}
    described: list[Json] = []
    for place, label in enumerate(frame.columns):
        if not isinstance(label, str | int):
            raise InvalidInput(f"column {label!r} of inputs has no plain name; name it by a str")
        series, name = frame.iloc[:, place], str(label)
        if name in columns:
            raise InvalidInput(f"two columns of inputs are called {name!r}")
        entry, columns[name] = _describe_series(series, name)
        described.append({"name": name, **({} if isinstance(label, str) else {"label": int(label)}), **entry})
    import numpy as np

    with np.errstate(invalid="ignore"):  # only the order is asked for; a category of numbers that has a null cannot be cast in peace
        order = "C" if frame.to_numpy().flags.c_contiguous else "F"
    return {"kind": "pandas", "order": order, "columns": described}, columns


def _describe_series(series: Any, name: str) -> tuple[dict[str, Any], list[Any]]:
    values = [None if is_null else value for value, is_null in zip(series.tolist(), series.isna().tolist(), strict=True)]
    dtype = str(series.dtype)
    if dtype == "category":
        categories = series.cat.categories
        plain = categories.tolist()
        if any(not isinstance(value, str | int | float) for value in plain):
            raise InvalidInput(f"column {name!r} has categories that are no plain values")
        entry = {"dtype": dtype, "categories": plain, "of": str(categories.dtype), "ordered": bool(series.cat.ordered)}
        return entry, values
    if dtype in _TEXT:
        if any(value is not None and not isinstance(value, str) for value in values):
            raise InvalidInput(f"column {name!r} holds objects; convert it to a number, text or a category")
        is_nan = any(isinstance(value, float) for value in series.tolist()) and dtype == "object"
        return {"dtype": dtype, **({"null": "nan"} if is_nan else {})}, values
    if series.dtype.kind not in "biuf":
        raise InvalidInput(f"column {name!r} has dtype {dtype}; a model is asked with numbers, truth values, text and categories")
    return {"dtype": dtype}, values


def _describe_polars(frame: Any) -> Described:
    import polars as pl

    described: list[Json] = []
    for name, kind in frame.schema.items():
        if isinstance(kind, pl.Enum):
            described.append({"name": name, "dtype": "Enum", "categories": kind.categories.to_list()})
        elif (kind.is_numeric() and not kind.is_decimal()) or kind in (pl.Boolean, pl.String):
            described.append({"name": name, "dtype": str(kind)})
        else:
            raise InvalidInput(f"column {name!r} has dtype {kind}; a model is asked with numbers, truth values, text and Enum")
    columns = {
        name: [None if isinstance(value, float) and math.isnan(value) else value for value in frame[name].to_list()]
        for name in frame.columns
    }
    return {"kind": "polars", "columns": described}, columns


def _describe_named(inputs: Columns) -> Described:
    import pandas as pd

    return _describe_pandas(pd.DataFrame({name: list(values) for name, values in inputs.items()}))


def _describe_columns(inputs: Columns) -> Described:
    import numpy as np

    columns = {str(name): [_plain(value) for value in values] for name, values in inputs.items()}
    if len({len(values) for values in columns.values()}) > 1:
        raise InvalidInput("the columns of inputs differ in length")
    if any(isinstance(value, str) for values in columns.values() for value in values):
        return {"kind": "numpy", "order": "C", "dtype": "object"}, columns
    filled = [np.asarray([float("nan") if value is None else value for value in values]) for values in columns.values()]
    if any(array.dtype.kind not in "biuf" for array in filled):
        raise InvalidInput("the columns of inputs must hold plain values: numbers, truth values, text, None")
    dtype = np.result_type(*filled) if filled else np.dtype(float)
    return {"kind": "numpy", "order": "C", "dtype": str(dtype)}, columns


def _describe_matrix(inputs: Any) -> Described:
    import numpy as np

    matrix = np.asarray(inputs)
    if matrix.ndim != 2:
        raise InvalidInput(f"inputs must be training data of shape (rows, columns); it has {matrix.ndim} dimensions")
    if matrix.dtype.kind not in "biufOU":
        raise InvalidInput(f"inputs have dtype {matrix.dtype}; a model is asked with numbers, truth values and text")
    columns = {f"x{place}": [_plain(value) for value in matrix[:, place].tolist()] for place in range(matrix.shape[1])}
    order = "C" if matrix.flags.c_contiguous else "F"
    return {"kind": "numpy", "order": order, "dtype": "object" if matrix.dtype.kind == "U" else str(matrix.dtype)}, columns


def _plain(value: Any) -> Any:
    value = value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value


def _build_pandas(spec: Mapping[str, Any], columns: Columns) -> Any:
    import numpy as np
    import pandas as pd

    series = [_build_series(entry, columns[entry["name"]]) for entry in spec["columns"]]
    labels = [entry.get("label", entry["name"]) for entry in spec["columns"]]
    if len({entry["dtype"] for entry in spec["columns"]}) == 1 and isinstance(series[0], np.ndarray) and spec["order"] == "C":
        return pd.DataFrame(np.ascontiguousarray(np.stack(series, axis=1)), columns=labels, copy=False)
    return pd.concat([pd.Series(values, name=label) for label, values in zip(labels, series, strict=True)], axis=1)


def _build_series(entry: Mapping[str, Any], values: Sequence[Any]) -> Any:
    import numpy as np
    import pandas as pd

    dtype = entry["dtype"]
    if dtype == "category":
        places = {value: place for place, value in enumerate(entry["categories"])}
        codes = [_find_code(places, value, entry) for value in values]
        categories = pd.Index(entry["categories"], dtype=entry["of"])
        return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(categories, ordered=entry["ordered"]))
    if dtype in _TEXT:
        null = float("nan") if entry.get("null") == "nan" else None
        return pd.Series([null if value is None else value for value in values], dtype=dtype)
    if dtype[:1].isupper() or dtype == "boolean":  # pandas' own nullable types
        return pd.array(list(values), dtype=dtype)
    return _build_array(values, np.dtype(dtype), entry["name"])


def _find_code(places: Mapping[Any, int], value: Any, entry: Mapping[str, Any]) -> int:
    if value is None:
        return -1
    code = places.get(value)
    if code is None:
        if entry.get("unseen") == "null":
            return -1
        raise InvalidInput(f"column {entry['name']!r}: {str(value)[:40]!r} is none of the {len(places)} categories of training")
    return code


def _build_array(values: Sequence[Any], dtype: Any, name: str) -> Any:
    """Return an array whose every value is what was asked, as exact as the dtype can say it."""
    import numpy as np

    if dtype.kind == "O":
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array
    if dtype.kind == "f":
        return np.array([float("nan") if value is None else value for value in values], dtype=np.float64).astype(dtype)
    bounds = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    wrong = next((value for value in values if value is None or not bounds[0] <= value <= bounds[1]), bounds[0])
    if wrong is None or not bounds[0] <= wrong <= bounds[1]:
        raise InvalidInput(f"column {name!r}: {wrong} is no {dtype}, which the model was trained on")
    return np.array(values, dtype=dtype)


def _build_polars(spec: Mapping[str, Any], columns: Columns) -> Any:
    import polars as pl

    made = []
    for entry in spec["columns"]:
        name = entry["name"]
        kind = pl.Enum(entry["categories"]) if entry["dtype"] == "Enum" else getattr(pl, entry["dtype"])
        try:
            made.append(pl.Series(name, list(columns[name]), dtype=kind, strict=entry["dtype"] != "Float32"))
        except (pl.exceptions.PolarsError, TypeError, OverflowError) as error:
            raise InvalidInput(f"column {name!r}: a value is no {entry['dtype']}, which the model was trained on: {error}") from error
    return pl.DataFrame(made)


def _build_numpy(spec: Mapping[str, Any], columns: Columns) -> Any:
    import numpy as np

    arrays = [_build_array(values, np.dtype(spec["dtype"]), name) for name, values in columns.items()]
    return np.asarray(np.stack(arrays, axis=1), order=spec["order"])


_BUILDERS: dict[str, Callable[[Mapping[str, Any], Columns], Any]] = {
    "pandas": _build_pandas,
    "polars": _build_polars,
    "numpy": _build_numpy,
    "columns": lambda _, columns: dict(columns),
}
