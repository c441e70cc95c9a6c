"""The verb `predict`: answer a batch of rows from the version that is live in a slot, and record the answer before giving it."""

from dataclasses import dataclass

from incumbent.base.errors import NotFound, Refused
from incumbent.registry.bundle import BundleCard, bundle_card_from_json
from incumbent.registry.model import ModelVersion, Prediction
from incumbent.registry.signature import Columns, check_columns
from incumbent.serving.rows import rows_from_columns
from incumbent.usecases.live import get_live
from incumbent.usecases.ports import ModelHost
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Target:
    """Who would answer now."""

    slot: str
    version: ModelVersion
    card: BundleCard

    @property
    def name(self) -> str:
        """Return MODEL@VERSION."""
        return f"{self.version.model}@{self.version.version}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A recorded prediction and the columns that were answered."""

    prediction: Prediction
    columns: Columns


def get_target(ws: Workspace, slot: str, version: int | None = None) -> Target:
    """Return who answers in a slot now: looked up anew for every request, so the next one sees a re-pointed slot.

    Raises:
        NotFound: There is no such slot, nothing is in Production there, or `version` is not the live one.
        Refused: The live version has no bundle description.
    """
    found = get_live(ws, slot)
    if found.version is None:
        raise NotFound(f"slot {slot} has nothing in Production yet; `incumbent promote MODEL@VERSION --slot {slot}` places a version")
    if version is not None and version != found.version.version:
        raise NotFound(f"version {version} is not live in slot {slot}; version {found.version.version} is, and only the live one answers")
    if "bundle" not in found.version.facts:
        raise Refused(f"{found.version.model}@{found.version.version} has no bundle description and cannot answer")
    return Target(slot, found.version, bundle_card_from_json(found.version.facts["bundle"]))


def predict(ws: Workspace, host: ModelHost, *, target: Target, columns: Columns) -> Answer:
    """Answer a batch. The record is on disk before this returns.

    Raises:
        InvalidInput: The columns do not fit the version's signature.
        Refused, Unavailable, Corrupt: See `ModelHost.answer`; nothing is recorded then. Unavailable too if the record cannot be kept.
    """
    given = check_columns(target.card.signature.inputs, columns)
    began = ws.clock.now()
    answered = host.answer(target.version.bundle, given)
    ended = ws.clock.now()
    prediction = Prediction(
        prediction_id=ws.ids.new("prediction"),
        slot=target.slot,
        model=target.version.model,
        version=target.version.version,
        at=ended,
        inputs=rows_from_columns(given),
        output=rows_from_columns(answered),
        latency_ms=(ended - began).total_seconds() * 1000,
        bundle=target.version.bundle.digest,
        caller=ws.actor,
    )
    ws.open_predictions().append([prediction]).result()
    return Answer(prediction, answered)
