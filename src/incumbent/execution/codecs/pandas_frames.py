"""pandas frames and Series, as Parquet with a record of what Parquet cannot say.

The Parquet part holds one column per column, and per level of an index that is no range. Its metadata holds, in canonical bytes, the
record: labels as they are (any plain value, duplicates too), each column's dtype, categories and their order, the index. pandas'
own metadata is not used: it drops duplicate labels, turns an object column of strings into `str`, and names library versions.

An object column is stored as text when it holds str and None only, else each cell in canonical bytes; a cell that has none (an
array, a frame, pd.NA) is refused by name.
"""

import base64
from typing import TYPE_CHECKING, Any

from incumbent.base.artifact import Artifact
from incumbent.base.canonical import decode, encode
from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.execution.codecs.arrays import normalise_array
from incumbent.execution.codecs.frames import read_table, table_bytes
from incumbent.execution.codecs.reading import put_bytes, reading, type_path, writing
from incumbent.execution.codecs.values import find_class
from incumbent.usecases.ports import Blobs

if TYPE_CHECKING:
    import pandas as pd

_KEY = b"incumbent.pandas"
_ADVICE = "convert the column to a NumPy, nullable, categorical or Arrow dtype"


def write_pandas(value: Any, blobs: Blobs) -> Artifact:
    """Store a DataFrame or Series. Raises InvalidInput when a dtype, a cell or a label has no stable bytes."""
    with writing(value, _ADVICE):
        data = pandas_bytes(value)
    return put_bytes("pandas", data, blobs)


def read_pandas(artifact: Artifact, blobs: Blobs) -> object:
    """Return the DataFrame or Series."""
    data = blobs.get(artifact.digest)
    with reading(artifact):
        return from_pandas_bytes(data)


def pandas_bytes(value: Any) -> bytes:
    """Return the bytes of a DataFrame, Series or Index."""
    import pandas as pd
    import pyarrow as pa

    columns: dict[str, Any] = {}
    record: dict[str, Any] = {"kind": type(value).__name__, "attrs": dict(getattr(value, "attrs", {}))}
    if isinstance(value, pd.DataFrame):
        record["labels"] = _write_labels(value.columns)
        series = [value.iloc[:, place] for place in range(value.shape[1])]
        names = _parquet_names(list(value.columns))
        record["columns"] = [_write_column(name, one, columns, str(one.name)) for name, one in zip(names, series, strict=True)]
        record["index"] = _write_index(value.index, columns)
    elif isinstance(value, pd.Series):
        record["name"] = value.name
        record["columns"] = [_write_column("values", value, columns, str(value.name))]
        record["index"] = _write_index(value.index, columns)
    else:
        record["index"] = _write_index(value, columns)
    spelled = base64.b64encode(encode(record))
    return table_bytes(pa.table(columns).replace_schema_metadata({_KEY: spelled}))


def from_pandas_bytes(data: bytes) -> Any:
    """Return the DataFrame, Series or Index that `pandas_bytes` wrote."""
    import pandas as pd

    table = read_table(data)
    spelled = (table.schema.metadata or {}).get(_KEY)
    if spelled is None:
        raise Corrupt("a Parquet file without the record of a pandas frame")
    record = decode(base64.b64decode(spelled, validate=True), find_class)
    index = _read_index(record["index"], table)
    if record["kind"] == "DataFrame":
        series = {place: _make_series(_read_column(spec, table), index) for place, spec in enumerate(record["columns"])}
        value: Any = pd.DataFrame(series, index=index, copy=False)
        value.columns = _read_labels(record["labels"])
    elif record["kind"] == "Series":
        value = _make_series(_read_column(record["columns"][0], table), index)
        value.name = record["name"]
    else:
        return index
    value.attrs.update(record["attrs"])
    return value


def _make_series(array: Any, index: Any) -> Any:
    import pandas as pd

    return pd.Series(array, index=index, dtype=array.dtype, copy=False)  # without a dtype, strings in an object array become `str`


def _parquet_names(labels: list[Any]) -> list[str]:
    """Name the Parquet columns as the frame's own, so that any tool can read the file; by number where that cannot be."""
    if (
        all(type(label) is str for label in labels)
        and len(set(labels)) == len(labels)
        and not any(label.startswith("index ") for label in labels)
    ):
        return labels
    return [f"column {place}" for place in range(len(labels))]


def _write_index(index: Any, columns: dict[str, Any]) -> dict[str, Any]:
    import pandas as pd

    names = list(index.names)
    if type(index) is pd.RangeIndex:
        return {"range": [index.start, index.stop, index.step], "names": names}
    levels = [index.get_level_values(place) for place in range(index.nlevels)]
    found = [_write_column(f"index {place}", level, columns, "the index") for place, level in enumerate(levels)]
    frequency = getattr(index, "freqstr", None) if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex) else None
    return {"levels": found, "names": names, "multi": isinstance(index, pd.MultiIndex), "frequency": frequency}


def _read_index(spec: dict[str, Any], table: Any) -> Any:
    import pandas as pd

    if "range" in spec:
        return pd.RangeIndex(range(*spec["range"]), name=spec["names"][0])
    arrays = [_read_column(level, table) for level in spec["levels"]]
    if spec["multi"]:
        return pd.MultiIndex.from_arrays([pd.Index(array, dtype=array.dtype) for array in arrays], names=spec["names"])
    index = pd.Index(arrays[0], name=spec["names"][0], dtype=arrays[0].dtype)
    if spec["frequency"] is not None:
        index = type(index)(index, freq=spec["frequency"])
    return index


def _write_labels(labels: "pd.Index[Any]") -> Any:
    """Spell a columns axis: its labels if they are plain, else as an index of its own."""
    import pandas as pd

    dtype = labels.dtype
    if labels.nlevels == 1 and isinstance(dtype, pd.StringDtype) and not labels.hasnans:
        return [list(labels), labels.name, dtype.storage, dtype.na_value is not pd.NA]
    return [list(labels), labels.name] if labels.nlevels == 1 and str(dtype) == "object" else pandas_bytes(labels)


def _read_labels(spec: Any) -> Any:
    import numpy as np
    import pandas as pd

    if isinstance(spec, bytes):
        return from_pandas_bytes(spec)
    labels, name, *string = spec
    dtype = pd.StringDtype(string[0], na_value=np.nan if string[1] else pd.NA) if string else np.dtype(object)
    return pd.Index(labels, name=name, dtype=dtype, tupleize_cols=False)


def _write_column(name: str, values: Any, columns: dict[str, Any], label: str) -> dict[str, Any]:
    """Add the Arrow form of one column to `columns`; return what is needed to undo it."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    array, dtype = values.array, values.dtype
    spec: dict[str, Any] = {"in": name, "dtype": str(dtype)}
    if isinstance(dtype, np.dtype):
        if dtype.kind == "O":
            spec["form"], columns[name] = _write_objects(list(values), label)
        elif dtype.kind in "biufmM":
            spec["form"], columns[name] = "numpy", pa.array(normalise_array(np.asarray(values)))
        else:
            raise InvalidInput(f"column {label!r} of dtype {dtype} has no Parquet form; {_ADVICE}")
    elif isinstance(dtype, pd.CategoricalDtype):
        spec |= {"form": "category", "ordered": bool(dtype.ordered), "categories": pandas_bytes(dtype.categories)}
        columns[name] = pa.array(np.asarray(array.codes))
    elif isinstance(dtype, pd.StringDtype):
        spec |= {"form": "string", "storage": dtype.storage, "is_nan": dtype.na_value is not pd.NA}
        columns[name] = pa.array(array, type=pa.large_string(), from_pandas=True)
    elif isinstance(dtype, pd.DatetimeTZDtype):
        if pd.api.types.pandas_dtype(str(dtype)) != dtype:
            raise InvalidInput(f"column {label!r}: the time zone {dtype.tz!r} cannot be told by its name; use zoneinfo or datetime.UTC")
        utc = pd.DatetimeIndex(values).tz_convert("UTC").tz_localize(None)
        spec["form"], columns[name] = "zoned", pa.array(utc.to_numpy()).cast(pa.timestamp(dtype.unit, "UTC"))
    elif isinstance(dtype, pd.ArrowDtype):
        spec["form"], columns[name] = "arrow", pa.chunked_array(pa.array(array))
    elif hasattr(dtype, "__from_arrow__") and pd.api.types.pandas_dtype(str(dtype)) == dtype:
        spec["form"], columns[name] = "extension", pa.array(array)
    else:
        raise InvalidInput(f"column {label!r} of dtype {dtype} ({type_path(type(dtype))}) has no Parquet form; {_ADVICE}")
    return spec


def _write_objects(cells: list[Any], label: str) -> tuple[str, Any]:
    import pyarrow as pa

    if {type(cell) for cell in cells} <= {str, type(None)}:
        return "text", pa.array(cells, type=pa.large_string())
    try:
        return "cells", pa.array([encode(cell) for cell in cells], type=pa.large_binary())
    except InvalidInput as error:
        raise InvalidInput(f"object column {label!r}: {error}; {_ADVICE}") from error


def _read_column(spec: dict[str, Any], table: Any) -> Any:
    return _FORMS[spec["form"]](spec, table.column(spec["in"]))


def _read_numpy(spec: dict[str, Any], column: Any) -> Any:
    import numpy as np

    return np.array(column.to_numpy(), dtype=np.dtype(spec["dtype"]))  # a copy: what Arrow gives is read-only


def _read_objects(spec: dict[str, Any], column: Any) -> Any:
    import numpy as np

    cells = column.to_pylist()
    found = np.empty(len(cells), dtype=object)
    found[:] = cells if spec["form"] == "text" else [decode(cell, find_class) for cell in cells]
    return found


def _read_category(spec: dict[str, Any], column: Any) -> Any:
    import pandas as pd

    categories = from_pandas_bytes(spec["categories"])
    return pd.Categorical.from_codes(column.to_numpy(), dtype=pd.CategoricalDtype(categories, ordered=spec["ordered"]))


def _read_string(spec: dict[str, Any], column: Any) -> Any:
    import numpy as np
    import pandas as pd

    dtype: Any = pd.StringDtype(spec["storage"], na_value=np.nan if spec["is_nan"] else pd.NA)
    return dtype.__from_arrow__(column)


def _read_zoned(spec: dict[str, Any], column: Any) -> Any:
    import pandas as pd

    dtype = pd.api.types.pandas_dtype(spec["dtype"])
    assert isinstance(dtype, pd.DatetimeTZDtype)
    return pd.DatetimeIndex(column.cast(f"timestamp[{dtype.unit}]").to_numpy()).tz_localize("UTC").tz_convert(dtype.tz).array


def _read_arrow(_: dict[str, Any], column: Any) -> Any:
    import pandas as pd

    return pd.arrays.ArrowExtensionArray(column)


def _read_extension(spec: dict[str, Any], column: Any) -> Any:
    import pandas as pd

    dtype: Any = pd.api.types.pandas_dtype(spec["dtype"])
    return dtype.__from_arrow__(column)


_FORMS = {
    "numpy": _read_numpy,
    "text": _read_objects,
    "cells": _read_objects,
    "category": _read_category,
    "string": _read_string,
    "zoned": _read_zoned,
    "arrow": _read_arrow,
    "extension": _read_extension,
}
