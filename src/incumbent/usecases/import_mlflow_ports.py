"""What an import of an MLflow store reads: its records as the source tells them, and the ports that read them.

Nothing here is trusted. Times are milliseconds since 1970 as MLflow has them; what they and the texts may be is judged later.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from incumbent.tracking.experiment import DatasetInput, ModelLink


@dataclass(frozen=True, slots=True)
class SourceExperiment:
    """An experiment of the source."""

    experiment_id: str
    name: str
    created_ms: int | None
    updated_ms: int | None
    is_deleted: bool
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourcePoint:
    """A point of a metric; its value may be NaN or infinite."""

    value: float
    step: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files of a run or a logged model are, in the source's words."""

    kind: Literal["run", "model"]
    owner_id: str
    uri: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file at a place.

    Attributes:
        path: Relative to the place, with forward slashes.
        size: Bytes, as listed.
        stamp: Changes when the file does, as far as the source tells; "" if it does not.
        refusal: Why it is not to be read; "" if it is.
    """

    path: str
    size: int
    stamp: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class SourceRun:
    """A run of the source.

    Attributes:
        latest: Metric name -> its last point: which metrics there are, and whether they went on.
        fault: Why the source's record of it cannot be read, so that no other field but its id says anything; "" if it can.
    """

    run_id: str
    experiment_id: str
    name: str
    user: str
    status: str
    started_ms: int
    ended_ms: int | None
    is_deleted: bool
    deleted_ms: int | None
    place: Place
    params: Mapping[str, str]
    tags: Mapping[str, str]
    latest: Mapping[str, SourcePoint]
    datasets: Sequence[DatasetInput] = ()
    models: Sequence[ModelLink] = ()
    fault: str = ""


def unreadable_run(run_id: object, experiment_id: str, fault: str) -> SourceRun:
    """Return what is said of a run whose record cannot be read."""
    shown = str(run_id)[:80]
    return SourceRun(shown, experiment_id, "", "", "", 0, None, False, None, Place("run", shown, ""), {}, {}, {}, fault=fault)


@dataclass(frozen=True, slots=True)
class SourceModelMetric:
    """A point about a logged model."""

    name: str
    point: SourcePoint
    run_id: str
    dataset_name: str = ""
    dataset_digest: str = ""


@dataclass(frozen=True, slots=True)
class SourceLoggedModel:
    """A logged model of the source."""

    model_id: str
    experiment_id: str
    name: str
    run_id: str
    kind: str
    status: str
    created_ms: int
    updated_ms: int
    is_deleted: bool
    place: Place
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Sequence[SourceModelMetric] = ()


@dataclass(frozen=True, slots=True)
class SourceVersion:
    """A version of a registered model, as the source claims it.

    Attributes:
        life: What MLflow calls its current stage: "None", "Staging", "Production", "Archived".
    """

    number: int
    life: str
    source: str
    run_id: str
    user: str
    created_ms: int
    status: str
    description: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SourceRegistered:
    """A registered model of the source, with its versions and aliases (alias -> version)."""

    name: str
    description: str
    tags: Mapping[str, str]
    aliases: Mapping[str, int]
    versions: Sequence[SourceVersion]


class SourceFiles(Protocol):
    """The source's artifacts."""

    def list_files(self, place: Place) -> Sequence[SourceFile]:
        """Return all files at a place, by path. Raises Refused where they may not be read, Unavailable, Corrupt."""

    def read_file(self, place: Place, file: SourceFile) -> Iterator[bytes]:
        """Yield a file's bytes: as many as were listed. Raises Conflict if there are more or fewer, Refused, Unavailable."""


class MlflowSource(Protocol):
    """An MLflow store that is read. Every method may raise Unavailable (not reached), Corrupt (not MLflow's form), Refused."""

    name: str
    """Its address without secrets."""
    files: SourceFiles

    def list_experiments(self) -> Iterator[SourceExperiment]:
        """Yield experiments, deleted ones too."""

    def list_runs(self, experiment_id: str) -> Iterator[SourceRun]:
        """Yield the runs of an experiment, deleted ones too."""

    def list_points(self, run: SourceRun) -> Iterator[tuple[str, Sequence[SourcePoint]]]:
        """Yield the whole history of each metric, in parts; the parts of one metric follow each other."""

    def list_logged_models(self, experiment_id: str) -> Iterator[SourceLoggedModel]:
        """Yield the logged models of an experiment."""

    def list_registered(self) -> Iterator[SourceRegistered]:
        """Yield the registered models."""

    def close(self) -> None:
        """Give up the connection."""
