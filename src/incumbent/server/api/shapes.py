"""Shapes that several nouns share: what a placement, an artifact, a metric's value and a reason look like in JSON."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta

from incumbent.server.api.operation import In, Out

Time = Annotated[datetime, Meta(tz=True, description="ISO 8601 with its zone.")]
Name = Annotated[str, Meta(min_length=1, max_length=250)]
Reason = Annotated[str, Meta(min_length=1, max_length=280, description="Why, in words; it stands in the ledger.")]
Number = Annotated[int, Meta(ge=1, le=2**53)]
Number0 = Annotated[int, Meta(ge=0, le=2**53)]
Document = dict[str, Any]

AT = "2026-11-25T09:30:00+00:00"
DIGEST = "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
RUN = "run-0mjq1k2v3-7f3a"


class Artifact(Out):
    """Bytes that a run gave or took, by digest."""

    codec: Annotated[str, Meta(description="How the bytes spell the value, such as `file`, `folder`, `bundle`, `parquet`.")]
    digest: str
    size: Annotated[int, Meta(description="In bytes.")]
    name: Annotated[str, Meta(description="File name, with its ending.")] = ""


class Placement(Out):
    """The status of a version in a slot."""

    model: str
    version: int
    status: Literal["Staging", "Production", "Archived"]
    since: Time
    actor: str
    reason: str
    entry: Annotated[int | None, Meta(description="Number of the ledger entry.")]


class Placed(Placement):
    """The new status of a version in a slot."""

    slot: str


class WithReason(In):
    """Why."""

    reason: Reason


ARTIFACT: Document = {"codec": "bundle", "digest": DIGEST, "size": 18_204, "name": "model"}
PLACEMENT: Document = {
    "model": "credit", "version": 3, "status": "Production", "since": AT, "actor": "olga", "reason": "better on every group", "entry": 41,
}  # fmt: skip
