"""Files that MLflow's clients log and read: of a run, of a logged model, and (only to be read) of a registered version.

    EXPERIMENT/RUN/artifacts/PATH      EXPERIMENT/models/m-…/artifacts/PATH      versions/MODEL/NUMBER/PATH

Bytes are blobs by digest, written once however often they are logged; a row says which path of whom names which. A path is judged by
what it says and by all that it would say decoded again, for whoever stands before or behind us may decode it once more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import unquote

from incumbent.base.artifact import Artifact
from incumbent.base.errors import InvalidInput, NotFound, Refused
from incumbent.tracking.experiment import ModelFile
from incumbent.tracking.record import check_artifact_name
from incumbent.tracking.run import RunArtifact
from incumbent.usecases.parts import list_tree
from incumbent.usecases.ports import Stored, Transaction
from incumbent.usecases.register_logged import list_version_files
from incumbent.usecases.tracked_runs import get_tracked_run
from incumbent.usecases.workspace import Workspace

DECODED_MAX = 5
"""How often a path is decoded while that changes it; one that still changes then is refused."""
_MEDIA_TYPES = {
    "txt": "text/plain; charset=utf-8", "log": "text/plain; charset=utf-8", "csv": "text/csv; charset=utf-8", "json": "application/json",
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp", "pdf": "application/pdf",
    "parquet": "application/vnd.apache.parquet",
}  # fmt: skip
"""By the end of a name: what runs nothing in a browser. HTML, SVG and all else is bytes."""
BYTES = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Place:
    """What an address names.

    Attributes:
        owner: Id of the run or logged model, or `MODEL@NUMBER`.
        path: Inside of it; "" for all its files.
    """

    kind: Literal["run", "model", "version"]
    owner: str
    path: str


def parse_place(address: str) -> Place:
    """Return what an address names; a "/" at its end says nothing.

    Raises:
        InvalidInput: It has none of the forms above, or its path leaves its owner, now or when somebody decodes it again.

    >>> parse_place("3/run-1/artifacts/plots/roc.png")
    Place(kind='run', owner='run-1', path='plots/roc.png')
    """
    kind: str
    match address.removesuffix("/").split("/"):
        case ["versions", model, number, *parts] if number.isascii() and number.isdigit() and len(number) < 10:
            kind, owner = "version", f"{model}@{number}"
        case [_, "models", owner, "artifacts", *parts]:
            kind = "model"
        case [experiment, owner, "artifacts", *parts] if experiment.isascii() and experiment.isdigit():
            kind = "run"
        case _:
            raise InvalidInput(f"Invalid path {address[:80]!r}: it is EXPERIMENT/RUN/artifacts/PATH, or what the server gave as an address")
    return Place(cast(Literal["run", "model", "version"], kind), owner, check_path("/".join(parts)) if parts else "")


def check_path(path: str) -> str:
    """Return the path of a file if it stays inside, also decoded again and again.

    Raises:
        InvalidInput: It does not, or is no name of an artifact.

    >>> check_path("100%/a b.txt")
    '100%/a b.txt'
    """
    found = check_artifact_name(path)
    for _ in range(DECODED_MAX):
        decoded = unquote(found)
        if decoded == found:
            return path
        found = check_artifact_name(decoded)
    raise InvalidInput(f"Invalid path {path[:80]!r}: it is encoded more than {DECODED_MAX} times")


def list_files(ws: Workspace, place: Place) -> Mapping[str, Artifact]:
    """Return all files of the place's owner by path, whatever the place's own path; a stored folder is told as its files.

    Raises:
        NotFound: There is no such owner, or it was deleted.
        Corrupt: A stored folder is damaged.
    """
    with ws.store.begin(read_only=True) as tx:
        if place.kind == "version":
            model, _, number = place.owner.rpartition("@")
            version = tx.registry.get_version(model, int(number))
        elif place.kind == "model":
            _find_model(tx, place.owner)
            return {file.path: Artifact("file", file.digest, file.size) for file in tx.logged_models.list_files(place.owner)}
        else:
            run = get_tracked_run(tx, place.owner)
            rows = [row for row in tx.runs.list_artifacts(run.run_id) if row.direction == "output"]
    if place.kind == "version":
        return list_version_files(ws, version)
    found: dict[str, Artifact] = {}
    for row in rows:
        if row.artifact.codec == "tree":
            found |= {f"{row.name}/{path}": part for path, part in list_tree(ws, row.artifact).items()}
        else:
            found[row.name] = row.artifact
    return found


def get_file(ws: Workspace, place: Place) -> Artifact:
    """Return the file at a place. Raises NotFound, Corrupt."""
    found = None
    if place.kind != "version":
        with ws.store.begin(read_only=True) as tx:
            if place.kind == "model":
                _find_model(tx, place.owner)
            found = tx.open_artifacts.find(place.kind, place.owner, place.path)
    if found is None or found.codec == "tree":
        found = list_files(ws, place).get(place.path)
    if found is None:
        raise NotFound(f"No such artifact: {place.path[:200]!r} of {place.kind} {place.owner[:80]}")
    return found


def list_folder(files: Mapping[str, Artifact], folder: str) -> Mapping[str, int | None]:
    """Return what a folder holds: path -> size in bytes, None for a folder; nothing for a file or what is not there.

    >>> from incumbent.base.digest import digest_bytes
    >>> file = Artifact("file", digest_bytes(b"four"), 4)
    >>> list_folder({"a/b.txt": file, "c": file}, "")
    {'a': None, 'c': 4}
    """
    inside = f"{folder}/" if folder else ""
    found: dict[str, int | None] = {}
    for path, file in sorted(files.items()):
        if path.startswith(inside):
            name, slash, _ = path.removeprefix(inside).partition("/")
            found[inside + name] = None if slash else file.size
    return found


def check_writable(ws: Workspace, place: Place) -> None:
    """Return if a file may be put at a place: to be asked before its bytes are read.

    Raises:
        NotFound: There is no such run or logged model.
        Refused: The run is sealed, or it is a version.
        InvalidInput: The run is deleted, the place is a folder, or inside a file.
    """
    if not place.path:
        raise InvalidInput("Invalid path: it names no file")
    with ws.store.begin(read_only=True) as tx:
        _must_be_clear(tx, place, _must_be_writable(tx, place))


def record_file(tx: Transaction, place: Place, stored: Stored) -> None:
    """Name stored bytes by a path, in place of what it named before. Raises as `check_writable`."""
    _must_be_clear(tx, place, _must_be_writable(tx, place))
    if place.kind == "model":
        tx.logged_models.put_file(ModelFile(place.owner, place.path, stored.digest, stored.size))
        return
    name = place.path.rpartition("/")[2]
    artifact = Artifact("file", stored.digest, stored.size, name)
    tx.open_artifacts.put(RunArtifact(place.owner, "output", place.path, artifact, find_media_type(name)))


def delete_file(tx: Transaction, place: Place) -> None:
    """Name a file, or all in a folder, no more; bytes that nothing names then are for `artifacts gc`. Raises as `check_writable`."""
    _must_be_writable(tx, place)
    inside = f"{place.path}/" if place.path else ""
    gone = [path for path in _list_paths(tx, place) if path == place.path or path.startswith(inside)]
    if not gone:
        raise NotFound(f"No such artifact: {place.path[:200]!r} of {place.kind} {place.owner[:80]}")
    if place.kind == "model":
        tx.open_artifacts.delete_files(place.owner, gone)
    else:
        tx.open_artifacts.delete_outputs(place.owner, gone)


def find_media_type(name: str) -> str:
    """Return the media type that a file is kept under: one that runs nothing.

    >>> find_media_type("Plot.PNG"), find_media_type("page.html")
    ('image/png', 'application/octet-stream')
    """
    return _MEDIA_TYPES.get(name.rpartition(".")[2].lower(), BYTES)


def _must_be_writable(tx: Transaction, place: Place) -> Literal["run", "model"]:
    if place.kind == "version":
        raise Refused(f"{place.owner} is a registered version: its files are final; log them in a run, and register that as a new version")
    if place.kind == "model":
        _find_model(tx, place.owner)
    else:
        tx.open_artifacts.must_be_open(place.owner)
    return place.kind


def _must_be_clear(tx: Transaction, place: Place, kind: Literal["run", "model"]) -> None:
    """Raise InvalidInput if the place lies inside of a file, or is a folder: no folder on a disk could hold both."""
    parts = place.path.split("/")
    for above in ("/".join(parts[:n]) for n in range(1, len(parts))):
        if tx.open_artifacts.find(kind, place.owner, above) is not None:
            raise InvalidInput(f"Invalid path {place.path[:200]!r}: {above[:200]!r} is a file")
    if tx.open_artifacts.has_inside(kind, place.owner, place.path):
        raise InvalidInput(f"Invalid path {place.path[:200]!r}: it is a folder")


def _find_model(tx: Transaction, model_id: str) -> None:
    if tx.logged_models.get(model_id).deleted_at is not None:
        raise NotFound(f"Logged model {model_id} was deleted")


def _list_paths(tx: Transaction, place: Place) -> Iterable[str]:
    if place.kind == "model":
        return [file.path for file in tx.logged_models.list_files(place.owner)]
    return [row.name for row in tx.runs.list_artifacts(place.owner) if row.direction == "output"]
