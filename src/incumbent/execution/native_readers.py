"""Functions that read files in native code, where no audit event is raised: a table, by module, of what to wrap."""

import functools
import glob
import os
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

_FILES_MAX = 10_000

READERS: Mapping[str, tuple[str, ...]] = {
    "polars": (
        "read_csv", "read_csv_batched", "read_parquet", "read_parquet_schema", "read_parquet_metadata", "read_ipc", "read_ipc_schema",
        "read_ipc_stream", "read_json", "read_ndjson", "read_avro", "read_excel", "read_ods", "read_delta", "read_lines",
        "scan_csv", "scan_parquet", "scan_ipc", "scan_ndjson", "scan_delta", "scan_lines",
    ),
    "pyarrow": ("memory_map",),
    "pyarrow.parquet": ("read_table", "read_pandas", "read_schema", "read_metadata", "ParquetFile", "ParquetDataset"),
    "pyarrow.csv": ("read_csv", "open_csv"),
    "pyarrow.json": ("read_json",),
    "pyarrow.feather": ("read_table", "read_feather"),
    "pyarrow.orc": ("read_table", "ORCFile"),
    "pyarrow.dataset": ("dataset", "parquet_dataset"),
    "duckdb": ("connect", "read_csv", "read_csv_auto", "read_parquet", "read_json", "from_csv_auto", "from_parquet"),
    "lightgbm": ("Dataset", "Booster"),
    "xgboost": ("DMatrix", "QuantileDMatrix", "Booster", "Booster.load_model"),
    "h5py": ("File",),
}  # fmt: skip
"""Their first argument (or the one named in PATH_KEYWORDS) says what is read: a path, a glob, or a list of them."""

PATH_KEYWORDS = (
    "source",
    "sources",
    "path",
    "paths",
    "path_or_paths",
    "where",
    "input_file",
    "data",
    "model_file",
    "name",
    "database",
    "fname",
)


def wrap_readers(module: ModuleType, seen: Callable[[object], None]) -> None:
    """Have `seen` told of each path that the readers of `module` are given. Names that this version lacks are passed over."""
    for name in READERS[module.__name__]:
        owner_name, _, method = name.rpartition(".")
        owner = getattr(module, owner_name, None) if owner_name else module
        reader = getattr(owner, method, None)
        if isinstance(reader, type):
            _wrap_class(reader, seen)
        elif callable(reader):
            setattr(owner, method, _wrap_function(reader, seen, skip=1 if owner_name else 0))


def _wrap_function(reader: Callable[..., Any], seen: Callable[[object], None], *, skip: int) -> Callable[..., Any]:
    @functools.wraps(reader)
    def read(*args: Any, **kwargs: Any) -> Any:
        _tell(args[skip:], kwargs, seen)  # a method's first argument is its object
        return reader(*args, **kwargs)

    return read


def _wrap_class(reader: type, seen: Callable[[object], None]) -> None:
    """Wrap the constructor: the class itself must stay what `isinstance` and pickles know."""
    original = reader.__init__  # type: ignore[misc]  # the point: the constructor is wrapped

    @functools.wraps(original)
    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        _tell(args, kwargs, seen)
        original(self, *args, **kwargs)

    try:
        reader.__init__ = construct  # type: ignore[misc]  # the point: the constructor is wrapped
    except TypeError:  # a class of native code cannot be changed
        return


def _tell(args: tuple[Any, ...], kwargs: Mapping[str, Any], seen: Callable[[object], None]) -> None:
    if args:
        seen(args[0])
    for keyword in PATH_KEYWORDS:
        if keyword in kwargs:
            seen(kwargs[keyword])


def find_address(given: object) -> str | None:
    """Return the address elsewhere (`s3://…`, `https://…`) that a reader's argument names, without what may be a secret in it."""
    if not isinstance(given, str) or "\n" in given or "://" not in given or given.startswith("file://"):
        return None
    address = urlsplit(given)
    return f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"


def list_files(given: object) -> Iterator[str]:
    """Yield the local files that a reader's argument names: a path, a folder, a glob, or a list of these.

    Anything else (an open file, a frame, an address elsewhere, a query) names no local file.
    """
    if isinstance(given, list | tuple):
        for item in given[:_FILES_MAX]:
            yield from list_files(item)
        return
    if not isinstance(given, str | os.PathLike):
        return
    path = os.fspath(given)
    if isinstance(path, str) and path.startswith("file://"):
        path = unquote(urlsplit(path).path)
    if not isinstance(path, str) or "://" in path or "\0" in path or "\n" in path or path in ("", ":memory:"):
        return
    if path.startswith("~") and not os.path.lexists(path):
        path = os.path.expanduser(path)  # as Polars and Arrow do
    if os.path.isdir(path):
        yield from _walk(path)
    elif os.path.exists(path) or not glob.has_magic(path):
        yield path
    else:
        yield from sorted(glob.glob(path, recursive=True))[:_FILES_MAX]


def _walk(folder: str) -> Iterator[str]:
    count = 0
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            count += 1
            if count > _FILES_MAX:
                return
            yield os.path.join(parent, name)
