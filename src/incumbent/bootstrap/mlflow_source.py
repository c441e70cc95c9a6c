"""Opens the MLflow store that an address names."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from incumbent.base.errors import InvalidInput
from incumbent.execution.mlflow_source.file_store import FileStore
from incumbent.execution.mlflow_source.http_store import HttpStore
from incumbent.execution.mlflow_source.sqlite_store import SqliteStore
from incumbent.usecases.import_mlflow_ports import MlflowSource


def open_mlflow_source(address: str, *, artifacts: Path | None, environ: Mapping[str, str]) -> MlflowSource:
    """Return a reader of the store at an http(s) address, in an SQLite file, or in a folder.

    Args:
        address: `http://HOST:PORT`, or `sqlite:///PATH` as MLflow has it (relative; four slashes: absolute), or the path of
            a folder (`mlruns`), or `file:///PATH`.
        artifacts: For a file or folder: the folder of its artifacts, if it is not beside it, or in it.
        environ: MLFLOW_TRACKING_USERNAME and _PASSWORD, or _TOKEN, as MLflow's own clients take them.

    Raises:
        InvalidInput: Another kind of address, or no database or folder of MLflow.
        NotFound: No such file.
    """
    scheme, separator, rest = address.partition("://")
    if scheme in ("http", "https") and rest:
        if artifacts is not None:
            raise InvalidInput("--artifacts goes with a file or a folder; a server gives its artifacts itself")
        user, password = environ.get("MLFLOW_TRACKING_USERNAME", ""), environ.get("MLFLOW_TRACKING_PASSWORD", "")
        return HttpStore(address, user=user, password=password, token=environ.get("MLFLOW_TRACKING_TOKEN", ""))
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return SqliteStore(Path(unquote(rest[1:])), artifacts)
    if not separator:
        return FileStore(Path(address), artifacts)
    if scheme == "file" and rest.startswith("/"):
        return FileStore(Path(unquote(rest)), artifacts)
    raise InvalidInput(
        f"{scheme[:40]!r} is no kind of MLflow store that can be imported; write http(s)://HOST:PORT, sqlite:///PATH or a folder's path"
    )
