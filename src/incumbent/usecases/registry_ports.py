"""Ports of models, their versions, the slots that these stand in, and what was answered from there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from incumbent.registry.model import ModelVersion, Placement, Prediction


class Registry(Protocol):
    """Models, versions, slots. Every row stands on the ledger entry that made it, and is refused without."""

    def take_number(self, model: str) -> int:
        """Return the model's next version number, which is taken from now on."""

    def add_version(self, version: ModelVersion) -> None:
        """Add a version under a number that was taken."""

    def get_version(self, model: str, version: int) -> ModelVersion:
        """Return a version. Raises NotFound."""

    def find_newest(self, model: str) -> ModelVersion | None:
        """Return the version of a model with the highest number."""

    def list_versions(self, model: str | None = None, *, run_ids: Sequence[str] | None = None) -> Sequence[ModelVersion]:
        """Return versions (of a model, of some runs), newest first."""

    def place(self, placement: Placement) -> None:
        """Append to a slot's history. Raises Conflict if another version is in Production there: it has to be archived first."""

    def find_live(self, slot: str) -> Placement | None:
        """Return the placement in Production of a slot."""

    def list_live(self, model: str | None = None) -> Sequence[Placement]:
        """Return the placements in Production (of a model), by slot."""

    def list_placements(self, slot: str | None = None, *, name: tuple[str, int] | None = None) -> Sequence[Placement]:
        """Return the history (of a slot, of a version by model and number), newest first."""

    def list_slots(self, among: Sequence[str] | None = None) -> Sequence[str]:
        """Return the names of all slots (or of those among some names), sorted."""


@dataclass(frozen=True, slots=True)
class ModelCount:
    """A model that has versions: how many, and the number of the newest."""

    model: str
    versions: int
    newest: int


class RegistryPages(Protocol):
    """The registry by pages: a long list is not read whole for fifty lines of it."""

    def list_models(self, *, after: str = "", limit: int | None = None) -> Sequence[ModelCount]:
        """Return the models that have versions, by name, those after a name."""

    def list_versions(
        self, *, limit: int, model: str | None = None, before: tuple[datetime, str, int] | None = None
    ) -> Sequence[ModelVersion]:
        """Return versions (of a model), newest first, those before a time, model and number."""

    def list_history(self, slot: str, *, limit: int, before: int | None = None) -> Sequence[tuple[int, Placement]]:
        """Return placements of a slot, newest first, those before a place; each with its place, counted from 0, the first ever."""


class Predictions(Protocol):
    """Answers given."""

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Store answers, durable before this returns."""

    def get(self, prediction_id: str) -> Prediction:
        """Return one. Raises NotFound."""
