"""Experiments, dataset inputs and logged models: what MLflow's clients keep beside runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from incumbent.base.digest import Digest

ModelStatus = Literal["PENDING", "READY", "FAILED"]


@dataclass(frozen=True, slots=True)
class Experiment:
    """A named group of runs.

    Attributes:
        number: What MLflow's clients call its id.
        created_at: None for one that came about with a run of ours, before anybody asked for it by number.
        deleted_at: It is out of sight; its runs stay, and it can be brought back.
    """

    number: int
    name: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """A dataset that a run read, as its client describes it. The digest is the client's word: it is no digest of ours."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str = ""
    profile: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelLink:
    """A logged model that a run read (input) or made (output), at a step of the run."""

    run_id: str
    direction: Literal["input", "output"]
    model_id: str
    step: int = 0


@dataclass(frozen=True, slots=True)
class ModelMetric:
    """A point of a metric that is about a logged model, and perhaps about a dataset ("" if not)."""

    model_id: str
    run_id: str
    name: str
    value: float
    step: int
    at: datetime
    dataset_name: str = ""
    dataset_digest: str = ""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a logged model, by digest."""

    model_id: str
    path: str
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A model that a client logged: its files are beside it, and it is not yet a version of anything.

    Attributes:
        model_id: `m-` and 32 hexadecimal digits.
        experiment: Number of its experiment.
        run_id: The run that made it, "" if none did.
        kind: What the client calls its type.
    """

    model_id: str
    experiment: int
    name: str
    run_id: str
    kind: str
    status: ModelStatus
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
