"""Artifacts that an MLflow server gives: through its proxy where it has one, else by the routes that its own pages use."""

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from incumbent.base.errors import Corrupt, NotFound, Refused
from incumbent.execution.mlflow_source.http_client import MlflowHttp, quote_path
from incumbent.usecases.import_mlflow_ports import Place, SourceFile

DEPTH_MAX = 64
FILES_MAX = 1_000_000
_PROXY = "/api/2.0/mlflow-artifacts/artifacts"
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class ServedFiles:
    """Files of runs and logged models."""

    def __init__(self, http: MlflowHttp) -> None:
        self._http = http

    def list_files(self, place: Place) -> Sequence[SourceFile]:
        """Return all files at a place, by path."""
        found: list[SourceFile] = []
        waiting = [("", 0)]
        while waiting:
            folder, depth = waiting.pop()
            for name, size, is_folder in self._list(place, folder):
                path = f"{folder}/{name}" if folder else name
                if is_folder and depth < DEPTH_MAX:
                    waiting.append((path, depth + 1))
                else:
                    found.append(SourceFile(path, size, refusal=f"it is more than {DEPTH_MAX} folders deep" if is_folder else ""))
            if len(found) + len(waiting) > FILES_MAX:
                raise Corrupt(f"the server lists more than {FILES_MAX} files and folders at {place.uri[:200]!r}")
        return sorted(found, key=lambda file: file.path)

    def read_file(self, place: Place, file: SourceFile) -> Iterator[bytes]:
        """Yield a file's bytes, as many as were listed."""
        root = _proxied(place)
        if root is not None:
            return self._http.read(f"{_PROXY}/{quote_path(f'{root}/{file.path}')}", {}, size=file.size)
        owner = _checked(place)
        if place.kind == "run":
            return self._http.read("/get-artifact", {"run_uuid": owner, "path": file.path}, size=file.size)
        path = f"/ajax-api/2.0/mlflow/logged-models/{owner}/artifacts/files"
        return self._http.read(path, {"artifact_file_path": file.path}, size=file.size)

    def _list(self, place: Place, folder: str) -> Iterator[tuple[str, int, bool]]:
        """Yield (name, size, is a folder) of what one folder holds."""
        seen: set[str] = set()
        token = ""
        while token not in seen:
            seen.add(token)
            answer = self._page(place, folder, token)
            for entry in answer.get("files") or ():
                yield _read_entry(entry)
            token = str(answer.get("next_page_token") or "")
            if not token:
                return
        raise Corrupt(f"the server gives page {token[:40]!r} of {folder!r} again and again")

    def _page(self, place: Place, folder: str, token: str) -> dict[str, Any]:
        root = _proxied(place)
        more = {"page_token": token} if token else {}
        try:
            if root is not None:
                return self._http.get(_PROXY, {"path": f"{root}/{folder}".rstrip("/")})
            owner = _checked(place)
            if place.kind == "run":
                return self._http.get("/api/2.0/mlflow/artifacts/list", {"run_id": owner, "path": folder, **more})
            path = f"/ajax-api/2.0/mlflow/logged-models/{owner}/artifacts/directories"
            return self._http.get(path, {"artifact_directory_path": folder, **more})
        except NotFound:
            if folder:
                raise
            return {}  # nothing was logged there


def _proxied(place: Place) -> str | None:
    """Return the path behind the proxy, or None. The host that such an address may name is not asked: the server is."""
    parts = urlsplit(place.uri)
    if parts.scheme != "mlflow-artifacts":
        return None
    path = parts.path.strip("/")
    if not path or any(part in ("", ".", "..") for part in path.split("/")) or "%" in path or "\\" in path:
        raise Refused(f"its artifacts are said to be at {place.uri[:200]!r}, which is no plain path")
    return path


def _checked(place: Place) -> str:
    if _RUN_ID.fullmatch(place.owner_id) is None:
        raise Refused(f"{place.owner_id[:80]!r} cannot stand in an address")
    return place.owner_id


def _read_entry(entry: Any) -> tuple[str, int, bool]:
    """Return one entry. The proxy gives names, the other routes give paths: the last part is the name, and a hostile one stays visible."""
    match entry:
        case {"path": str(path)}:
            is_folder = bool(entry.get("is_dir"))
            size = entry.get("file_size") or 0
            if isinstance(size, str) and size.isascii() and size.isdecimal():
                size = int(size)
            if is_folder or (isinstance(size, int) and size >= 0):
                return path.rpartition("/")[2], size if isinstance(size, int) else 0, is_folder
    raise Corrupt(f"the server lists {str(entry)[:120]!r} among files")
