"""Opens the MLflow store that an address names."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from incumbent.base.errors import InvalidInput
from incumbent.execution.mlflow_source.http_store import HttpStore
from incumbent.execution.mlflow_source.sqlite_store import SqliteStore
from incumbent.usecases.import_mlflow_ports import MlflowSource


def open_mlflow_source(address: str, *, artifacts: Path | None, environ: Mapping[str, str]) -> MlflowSource:
    """Return a reader of the store at an http(s) address, or in an SQLite file.

    Args:
        address: `http://HOST:PORT`, or `sqlite:///PATH` as MLflow has it (relative; four slashes: absolute).
        artifacts: For an SQLite file: the folder of its artifacts, if it is not beside it.
        environ: MLFLOW_TRACKING_USERNAME and _PASSWORD, or _TOKEN, as MLflow's own clients take them.

    Raises:
        InvalidInput: Another kind of address, or no database of MLflow.
        NotFound: No such file.
    """
    scheme, separator, rest = address.partition("://")
    if scheme in ("http", "https") and rest:
        if artifacts is not None:
            raise InvalidInput("--artifacts goes with an SQLite file; a server gives its artifacts itself")
        user, password = environ.get("MLFLOW_TRACKING_USERNAME", ""), environ.get("MLFLOW_TRACKING_PASSWORD", "")
        return HttpStore(address, user=user, password=password, token=environ.get("MLFLOW_TRACKING_TOKEN", ""))
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return SqliteStore(Path(unquote(rest[1:])), artifacts)
    if not separator or scheme == "file":
        raise InvalidInput(
            f"{address[:200]!r} looks like a folder, MLflow's old form of a store; turn it into a database first: "
            "`mlflow migrate-filestore --source FOLDER --target sqlite:///mlflow.db`, then import that with --artifacts FOLDER"
        )
    raise InvalidInput(f"{scheme[:40]!r} is no kind of MLflow store that can be imported; write http(s)://HOST:PORT or sqlite:///PATH")
