"""A model version, and the slot it may be live in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.documents import Json

Status = Literal["Staging", "Production", "Archived"]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """An immutable numbered version of a named model.

    Attributes:
        bundle: What it deploys, by digest.
        run_id: The run that made the bundle; its lineage hangs there.
        key: Action key of the stage run that made the bundle, None for a run without stages.
        manifest: Digest of the version's manifest document (which carries a SHA-256 of every file as well).
        seq: Number of the ledger entry that made it; None for one from before there was a ledger.
    """

    model: str
    version: int
    bundle: Artifact
    run_id: str
    key: Digest | None
    manifest: Digest
    created_at: datetime
    actor: str
    facts: Mapping[str, Json] = field(default_factory=dict)
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """A version's status in a slot; at most one placement of a slot is in Production.

    Attributes:
        seq: Number of the ledger entry that made it; None for one from before there was a ledger.
        act: The act of that entry, e.g. "supersede"; "" from before there was a ledger. It follows from `seq`, so it is not compared.
        is_current: It is the version's newest in this slot. It follows from the history, so it is not compared either.
    """

    slot: str
    model: str
    version: int
    status: Status
    since_at: datetime
    actor: str
    reason: str
    seq: int | None = None
    act: str = field(default="", compare=False)
    is_current: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer that was given from a slot: a request's rows, and what the version said of each.

    Attributes:
        bundle: Digest of the bundle that answered; "" in records from before it was kept.
        assignment: Why this version answered, where a slot has several: "champion", "canary", …
        zone: Where the inputs lie in the version's validated domain.
        purpose: What the caller said that it is for.
        caller: Who asked.
    """

    prediction_id: str
    slot: str
    model: str
    version: int
    at: datetime
    inputs: Json
    output: Json
    latency_ms: float
    bundle: str = ""
    assignment: str = ""
    zone: str = ""
    purpose: str = ""
    caller: str = ""
