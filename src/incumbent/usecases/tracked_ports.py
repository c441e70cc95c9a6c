"""Ports for what MLflow's clients write: runs that stay open, experiments, logged models. The tables of runs are the same as ours."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from incumbent.base.artifact import Artifact
from incumbent.base.metric import PointCells
from incumbent.tracking.experiment import DatasetInput, Experiment, LoggedModel, ModelFile, ModelLink, ModelMetric
from incumbent.tracking.run import RunArtifact, RunState


class Experiments(Protocol):
    """Experiments by number and name."""

    def get(self, number: int) -> Experiment:
        """Return one. Raises NotFound."""

    def find(self, name: str) -> Experiment | None:
        """Return the one of that name, deleted or not."""

    def create(self, name: str, tags: Mapping[str, str], at: datetime) -> int:
        """Add one and return its number. Raises Conflict if the name is taken."""

    def change(self, experiment: Experiment) -> None:
        """Replace name, times and tags of one. Raises Conflict if the name is taken."""

    def list_all(self) -> Sequence[Experiment]:
        """Return all, deleted ones too, newest first."""


class OpenRuns(Protocol):
    """Runs that are written to piece by piece, also after their end, as long as nobody has sealed them."""

    def append(self, run_id: str, points: Sequence[PointCells]) -> None:
        """Store points; one with the same name, step, time and value is there once. Raises Refused once the run is sealed."""

    def set_params(self, run_id: str, params: Mapping[str, str]) -> None:
        """Add params. Raises InvalidInput if one has another value already, Refused once the run is sealed."""

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Add or replace tags. Raises Refused once the run is sealed."""

    def delete_tag(self, run_id: str, name: str) -> None:
        """Remove a tag. Raises NotFound if it is not there, Refused once the run is sealed."""

    def set_state(self, run_id: str, state: RunState, ended_at: datetime | None, name: str | None) -> None:
        """Say how it stands, when it ended, and (unless None) its name. Raises Refused once the run is sealed."""

    def set_deleted(self, run_id: str, at: datetime | None) -> None:
        """Put it out of sight, or bring it back (None). Raises Refused once the run is sealed."""

    def page_history(self, run_id: str, name: str, *, limit: int, offset: int) -> Sequence[tuple[float | None, int, int]]:
        """Return value (None: NaN), step and microseconds since 1970 of points of one metric, by time, step and value."""


class RunLinks(Protocol):
    """Dataset inputs of runs, and the logged models that they read and made."""

    def add_datasets(self, run_id: str, datasets: Sequence[DatasetInput]) -> None:
        """Add what a run read; the same name and digest is there once. Raises Refused once the run is sealed."""

    def list_datasets(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[DatasetInput]]:
        """Return what these runs read."""

    def add_models(self, links: Sequence[ModelLink]) -> None:
        """Add links between runs and logged models. Raises Refused once the run is sealed."""

    def list_models(self, run_ids: Sequence[str]) -> Sequence[ModelLink]:
        """Return the links of these runs."""

    def list_deleted(self, run_ids: Sequence[str]) -> Mapping[str, datetime]:
        """Return which of these runs are deleted, and since when."""


class OpenArtifacts(Protocol):
    """Files of runs that nobody has sealed, and of logged models, as they change."""

    def must_be_open(self, run_id: str) -> None:
        """Return if files of a run may change. Raises NotFound; Refused once it is sealed; InvalidInput if it is deleted."""

    def find(self, kind: Literal["run", "model"], owner: str, path: str) -> Artifact | None:
        """Return the output of a run, or the file of a logged model, of exactly that path."""

    def has_inside(self, kind: Literal["run", "model"], owner: str, folder: str) -> bool:
        """Return whether any of them lies in a folder."""

    def put(self, file: RunArtifact) -> None:
        """Add an output, or replace the one of that name. Raises as `must_be_open`."""

    def delete_outputs(self, run_id: str, names: Sequence[str]) -> None:
        """Remove outputs of a run; absent is no error. Raises as `must_be_open`."""

    def delete_files(self, model_id: str, paths: Sequence[str]) -> None:
        """Remove files of a logged model; absent is no error."""


class LoggedModels(Protocol):
    """Logged models, their files and metrics."""

    def create(self, model: LoggedModel) -> None:
        """Add one. Raises Conflict if its id is taken."""

    def get(self, model_id: str) -> LoggedModel:
        """Return one, also if it was deleted. Raises NotFound."""

    def change(self, model: LoggedModel) -> None:
        """Replace status, times, params and tags."""

    def list_all(self, experiments: Sequence[int]) -> Sequence[LoggedModel]:
        """Return those of some experiments, deleted ones too, newest first."""

    def add_metrics(self, metrics: Sequence[ModelMetric]) -> None:
        """Add points about models; the same one is there once."""

    def list_metrics(self, model_ids: Sequence[str]) -> Mapping[str, Sequence[ModelMetric]]:
        """Return the points about these models."""

    def put_file(self, file: ModelFile) -> None:
        """Add a file, or replace the one of that path."""

    def list_files(self, model_id: str | None = None) -> Sequence[ModelFile]:
        """Return the files of one model, or of all, by path."""


class ModelWords(Protocol):
    """Descriptions and tags of registered models and versions: words for people, that nothing governed rests on."""

    def put(self, model: str, version: int, kind: str, name: str, value: str) -> None:
        """Set one; `version` 0 is the model itself."""

    def delete(self, model: str, version: int, kind: str, name: str) -> None:
        """Remove one; absent is no error."""

    def list_all(self, models: Sequence[str], version: int | None = None) -> Mapping[tuple[str, int, str], Mapping[str, str]]:
        """Return (model, version, kind) -> name -> value; with `version`, of the models themselves and of their versions of that number."""

    def list_models(self) -> Sequence[str]:
        """Return the names of all models, also of those without a version."""


class Tracked(Protocol):
    """Their tables, inside one transaction."""

    experiments: Experiments
    open_runs: OpenRuns
    run_links: RunLinks
    open_artifacts: OpenArtifacts
    logged_models: LoggedModels
    model_words: ModelWords
