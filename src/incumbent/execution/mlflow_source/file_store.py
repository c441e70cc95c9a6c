"""MLflow's old form of a store, a folder (`mlruns/`): read as it is, nothing is written to it, and no code of MLflow is needed.

    ID/meta.yaml, tags/                       an experiment; a deleted one is below .trash/
    ID/RUN/meta.yaml, params/, tags/          a run; a param or tag is a file of its name, "/" in a name is a folder
    ID/RUN/metrics/NAME                       "time value step" a line
    ID/RUN/inputs/, outputs/, ID/datasets/    what it read and made
    ID/models/MODEL_ID/                       a logged model; "time value step run [dataset digest]" a line of a metric
    models/NAME/meta.yaml, version-N/, aliases/   the registry

Whoever writes into the folder can write anything: links are not followed, and what is too large for what it should be is not read.
"""

import os
import re
import reprlib
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from incumbent.base.errors import Corrupt, InvalidInput, NotFound, Unavailable
from incumbent.execution.mlflow_source.folder import ArtifactFolder
from incumbent.tracking.experiment import DatasetInput, ModelLink
from incumbent.usecases.import_mlflow_ports import (
    Place,
    SourceExperiment,
    SourceFiles,
    SourceLoggedModel,
    SourceModelMetric,
    SourcePoint,
    SourceRegistered,
    SourceRun,
    SourceVersion,
    unreadable_run,
)

POINTS_PART = 20_000
TEXT_BYTES_MAX = 64 << 20
"""Of one file that holds a record, a param or a tag; a text of 16 Mi characters fits, and is judged later."""
LINE_BYTES_MAX = 64 << 10
_META, _TRASH, _REGISTRY = "meta.yaml", ".trash", "models"
_BESIDE_RUNS = frozenset({"tags", "datasets", "traces", "models"})
_STATES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_MODEL_STATES = {0: "PENDING", 1: "PENDING", 2: "READY", 3: "FAILED"}
_VERSION = re.compile(r"version-([0-9]{1,9})", re.ASCII)


class FileStore:
    """Reads one folder.

    Args:
        root: The folder.
        artifacts: Where the artifacts are, if not in it.
    """

    def __init__(self, root: Path, artifacts: Path | None) -> None:
        if not root.is_dir():
            raise NotFound(f"there is no folder {root}")
        self._root = root.resolve()
        self.name = f"file:{self._root.name}"
        self.files: SourceFiles = ArtifactFolder(self._root / _META, artifacts or self._root)
        self._experiments = self._find_experiments()
        if not self._experiments:
            raise InvalidInput(f"{root} is no folder of MLflow: no folder in it is an experiment, with a {_META}")

    def list_experiments(self) -> Iterator[SourceExperiment]:
        """Yield experiments, deleted ones too."""
        for experiment_id, folder in self._experiments.items():
            meta = _read_meta(folder)
            if _text(meta.get("experiment_id", "")) != experiment_id:
                raise Corrupt(f"{folder} says that it is experiment {reprlib.repr(meta.get('experiment_id'))}")
            yield SourceExperiment(
                experiment_id,
                _text(meta.get("name", "")),
                _maybe(meta.get("creation_time")),
                _maybe(meta.get("last_update_time")),
                is_deleted=meta.get("lifecycle_stage") == "deleted" or folder.parent.name == _TRASH,
                tags=_read_texts(folder / "tags"),
            )

    def list_runs(self, experiment_id: str) -> Iterator[SourceRun]:
        """Yield the runs of an experiment, deleted ones too, oldest first."""
        found = []
        for folder in _folders(self._experiments[experiment_id]):
            if folder.name in _BESIDE_RUNS or folder.name.startswith("."):
                continue
            try:
                found.append(self._run(folder, experiment_id))
            except Corrupt as error:
                found.append(unreadable_run(folder.name, experiment_id, str(error)))
        yield from sorted(found, key=lambda run: (run.started_ms, run.run_id))

    def list_points(self, run: SourceRun) -> Iterator[tuple[str, Sequence[SourcePoint]]]:
        """Yield the whole history of each metric."""
        for name, path in _files_by_name(self._experiments[run.experiment_id] / run.run_id / "metrics"):
            part = []
            for fields in _read_lines(path):
                part.append(_point(fields, path))
                if len(part) == POINTS_PART:
                    yield name, part
                    part = []
            if part:
                yield name, part

    def list_logged_models(self, experiment_id: str) -> Iterator[SourceLoggedModel]:
        """Yield the logged models of an experiment."""
        for folder in _folders(self._experiments[experiment_id] / "models"):
            meta = _read_meta(folder)
            status = meta.get("status")
            yield SourceLoggedModel(
                model_id=folder.name,
                experiment_id=experiment_id,
                name=_text(meta.get("name", "")),
                run_id=_text(meta.get("source_run_id") or ""),
                kind=_text(meta.get("model_type") or ""),
                status=_MODEL_STATES.get(status, "PENDING") if isinstance(status, int) else _text(status or ""),
                created_ms=_number(meta.get("creation_timestamp")),
                updated_ms=_number(meta.get("last_updated_timestamp")),
                is_deleted=meta.get("lifecycle_stage") == "deleted",
                place=Place("model", folder.name, _text(meta.get("artifact_location") or "")),
                params=_read_texts(folder / "params"),
                tags=_read_texts(folder / "tags"),
                metrics=list(_model_metrics(folder / "metrics")),
            )

    def list_registered(self) -> Iterator[SourceRegistered]:
        """Yield the registered models."""
        for folder in _folders(self._root / _REGISTRY):
            meta = _read_meta(folder)
            aliases = {alias: _number_in(text) for alias, text in _read_texts(folder / "aliases").items()}
            numbered = sorted((int(found[1]), one) for one in _folders(folder) if (found := _VERSION.fullmatch(one.name)))
            versions = [_version(one, number) for number, one in numbered]
            yield SourceRegistered(
                _text(meta.get("name", "")),
                _text(meta.get("description") or ""),
                _read_texts(folder / "tags"),
                aliases,
                [one for one in versions if one.life != "Deleted_Internal"],
            )

    def close(self) -> None:
        """Nothing is held."""

    def _find_experiments(self) -> Mapping[str, Path]:
        """Return id -> folder, those with smaller numbers first. Raises Corrupt where runs lie in what is no experiment."""
        found: dict[str, Path] = {}
        faulty = None
        for folder in [*_folders(self._root), *_folders(self._root / _TRASH)]:
            if folder.name in (_TRASH, _REGISTRY) and folder.parent == self._root:
                continue
            if not (folder / _META).is_file():
                faulty = folder if any((inner / _META).is_file() for inner in _folders(folder)) else faulty
                continue
            if folder.name in found:
                raise Corrupt(f"experiment {folder.name} is there twice, in {found[folder.name]} and in {folder}")
            found[folder.name] = folder
        if found and faulty is not None:
            raise Corrupt(f"{faulty} holds runs, and has no {_META} of its own")
        return dict(sorted(found.items(), key=lambda item: (not item[0].isdecimal(), len(item[0]), item[0])))

    def _run(self, folder: Path, experiment_id: str) -> SourceRun:
        meta, tags, run_id = _read_meta(folder), _read_texts(folder / "tags"), folder.name
        if _text(meta.get("run_id") or meta.get("run_uuid") or "") != run_id:
            raise Corrupt(f"{folder} says that it is run {reprlib.repr(meta.get('run_id'))}")
        latest = {}
        for name, path in _files_by_name(folder / "metrics"):
            latest[name] = max((_point(fields, path) for fields in _read_lines(path)), key=_place_of, default=None)
        return SourceRun(
            run_id=run_id,
            experiment_id=experiment_id,
            name=tags.get("mlflow.runName") or _text(meta.get("run_name") or meta.get("name") or ""),
            user=_text(meta.get("user_id") or ""),
            status=_status(meta.get("status", 1)),
            started_ms=_maybe(meta.get("start_time")) or 0,
            ended_ms=_maybe(meta.get("end_time")),
            is_deleted=meta.get("lifecycle_stage") == "deleted",
            deleted_ms=_maybe(meta.get("deleted_time")),
            place=Place("run", run_id, _text(meta.get("artifact_uri") or "")),
            params=_read_texts(folder / "params"),
            tags=tags,
            latest={name: point for name, point in latest.items() if point is not None},
            datasets=self._datasets(folder),
            models=[*_models(folder / "inputs", run_id, "MODEL", "input"), *_models(folder / "outputs", run_id, "RUN_OUTPUT", "output")],
        )

    def _datasets(self, folder: Path) -> list[DatasetInput]:
        found = []
        for one in _folders(folder / "inputs"):
            meta = _read_meta(one)
            if meta.get("source_type") != "DATASET":
                continue
            known = folder.parent / "datasets" / os.path.basename(_text(meta.get("source_id", "")))
            if not known.is_dir():
                raise Corrupt(f"{one} names a dataset that is not in {known.parent}")
            said = _read_meta(known)
            texts = {name: _text(said.get(name) or "") for name in ("name", "digest", "source_type", "source", "schema", "profile")}
            tags = meta.get("tags") or {}
            if not isinstance(tags, dict):
                raise Corrupt(f"{one / _META}: its tags are none")
            found.append(DatasetInput(**texts, tags={_text(key): _text(value) for key, value in tags.items()}))
        return sorted(found, key=lambda dataset: (dataset.name, dataset.digest))


def _models(folder: Path, run_id: str, kind: str, direction: Any) -> list[ModelLink]:
    found = []
    for one in _folders(folder):
        meta = _read_meta(one)
        if meta.get("source_type") == kind:
            found.append(ModelLink(run_id, direction, _text(meta.get("source_id", "")), _maybe(meta.get("step")) or 0))
    return found


def _version(folder: Path, number: int) -> SourceVersion:
    meta = _read_meta(folder)
    if meta.get("version") not in (number, str(number)):
        raise Corrupt(f"{folder} says that it is version {reprlib.repr(meta.get('version'))}")
    life, source, run_id, user, status, description = (
        _text(meta.get(name) or "") for name in ("current_stage", "source", "run_id", "user_id", "status", "description")
    )
    created = _maybe(meta.get("creation_timestamp")) or 0
    return SourceVersion(number, life or "None", source, run_id, user, created, status, description, _read_texts(folder / "tags"))


def _model_metrics(folder: Path) -> Iterator[SourceModelMetric]:
    for name, path in _files_by_name(folder):
        for fields in _read_lines(path):
            if len(fields) not in (4, 6):
                raise Corrupt(f"{path} has a line of {len(fields)} fields; MLflow writes 4 or 6")
            yield SourceModelMetric(name, _point(fields[:3], path), fields[3], *fields[4:])


def _point(fields: Sequence[str], path: Path) -> SourcePoint:
    """Return the point of a line: "time value", "time value step", or that and the dataset that it is about, whose name can have spaces."""
    try:
        if len(fields) in (2, 3) or len(fields) >= 5:
            return SourcePoint(float(fields[1]), int(fields[2]) if len(fields) > 2 else 0, int(fields[0]))
    except ValueError:
        pass
    raise Corrupt(f"{path} has a line that is no point of a metric: {' '.join(fields)[:80]!r}")


def _place_of(point: SourcePoint) -> tuple[int, int, bool, float]:
    is_number = point.value == point.value
    return point.step, point.at_ms, is_number, point.value if is_number else 0.0


def _folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, by name, links apart; of none, none."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unavailable(f"{folder} cannot be read: {error.strerror}") from error


def _files_by_name(folder: Path) -> list[tuple[str, Path]]:
    """Return (name, path) of all files below a folder; the name of one in a folder has slashes. Raises Corrupt at what is no file."""
    found = []
    for where, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        found += [(Path(where, name).relative_to(folder).as_posix(), Path(where, name)) for name in names]
        linked = [name for name in folders if Path(where, name).is_symlink()]
        if linked:
            raise Corrupt(f"{Path(where, linked[0])} is a link, where MLflow makes none")
    return sorted(found)


def _read_texts(folder: Path) -> dict[str, str]:
    found = {}
    for name, path in _files_by_name(folder):
        try:
            found[name] = _read(path).decode("utf-8")
        except UnicodeDecodeError:
            raise Corrupt(f"{path} is no text in UTF-8") from None
    return found


def _read_lines(path: Path) -> Iterator[Sequence[str]]:
    """Yield the fields of each line that is not empty."""
    with os.fdopen(_open(path), "rb") as stream:
        while line := stream.readline(LINE_BYTES_MAX):
            if len(line) == LINE_BYTES_MAX:
                raise Corrupt(f"{path} has a line of {LINE_BYTES_MAX} bytes or more")
            try:
                fields = line.decode("utf-8").split()
            except UnicodeDecodeError:
                raise Corrupt(f"{path} is no text in UTF-8") from None
            if fields:
                yield fields


def _read_meta(folder: Path) -> Mapping[str, Any]:
    import yaml

    path = folder / _META
    if not path.is_file():
        raise Corrupt(f"{folder} has no {_META}")
    try:
        found = yaml.load(_read(path), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  (both are safe loaders)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Corrupt(f"{path} is no YAML: {str(error)[:200]}") from None
    if not isinstance(found, dict):
        raise Corrupt(f"{path} is no record of MLflow")
    return found


def _read(path: Path) -> bytes:
    with os.fdopen(_open(path), "rb") as stream:
        data = stream.read(TEXT_BYTES_MAX + 1)
    if len(data) > TEXT_BYTES_MAX:
        raise Corrupt(f"{path} is over {TEXT_BYTES_MAX} bytes, which no text of MLflow's is")
    return data


def _open(path: Path) -> int:
    """Open a regular file. Raises Corrupt if it is a link or none, Unavailable."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise Corrupt(f"{path} is a link, where MLflow makes none") from None
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Corrupt(f"{path} is no regular file")
    return handle


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise Unavailable(f"{error.filename} cannot be read: {error.strerror}") from error


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Corrupt(f"the store holds {reprlib.repr(value)} where a text belongs")
    return str(value)


def _status(value: object) -> str:
    return _STATES.get(_number(value), str(value))


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Corrupt(f"the store holds {reprlib.repr(value)} where a whole number belongs")
    return value


def _maybe(value: object) -> int | None:
    return None if value is None else _number(value)


def _number_in(text: str) -> int:
    if not (text.strip().isascii() and text.strip().isdecimal() and len(text) <= 9):
        raise Corrupt(f"an alias leads to {text[:40]!r}, which is no version")
    return int(text)
