"""Models and their versions: what there is, and what is on record about one."""

from typing import Annotated, Literal

from msgspec import Meta

from incumbent.base.documents import Document as Json
from incumbent.registry.model import ModelVersion, Placement
from incumbent.server.api.cursor import cut_page, end_page, place_of_time, read_place, time_of_place
from incumbent.server.api.operation import Call, In, Operation, Out, Page, read_number
from incumbent.server.api.shapes import ARTIFACT, AT, DIGEST, RUN, Artifact, Document, Time
from incumbent.server.messages import Server
from incumbent.usecases.evidence import get_evidence, list_evidence
from incumbent.usecases.list_versions import VersionRecord, page_models, page_versions
from incumbent.usecases.rights import READ
from incumbent.usecases.version_card import get_version_card


class SlotStatus(Out):
    """A version's status in a slot."""

    slot: str
    status: Literal["Staging", "Production", "Archived"]
    since: Time


class Version(Out):
    """A version: immutable, and numbered from 1."""

    model: str
    version: int
    bundle: Artifact
    manifest: str
    run: str
    recipe: str | None
    created_at: Time
    actor: str
    can_serve: Annotated[bool, Meta(description="Whether its bundle can be asked.")]
    entry: Annotated[int | None, Meta(description="Number of the ledger entry that made it; null from before there was a ledger.")]


class VersionRow(Version):
    """A version, and where it stands."""

    slots: list[SlotStatus]


class Model(Out):
    """A model."""

    model: str
    versions: Annotated[int, Meta(description="How many versions it has.")]
    newest: Annotated[int, Meta(description="The number of the newest.")]


class Rule(Out):
    """What a rule of a gate found."""

    rule: str
    outcome: Literal["passed", "failed", "undecided"]
    reason: str
    estimate: float | None
    low: float | None
    high: float | None
    n: int | None
    rows_needed: int | None
    facts: Document


class Verdict(Out):
    """What a gate found, rule by rule."""

    outcome: Literal["passed", "failed", "undecided"]
    results: list[Rule]


class Evidence(Out):
    """What an evaluation found."""

    evidence: str
    digest: str
    entry: int
    model: str
    version: int
    slot: str
    bundle: Annotated[str, Meta(description="Digest of what was judged.")]
    champion: Annotated[str | None, Meta(description="What it was judged against, MODEL@VERSION: live in the slot, or live last.")]
    policy: str
    policy_entry: Annotated[int | None, Meta(description="The entry that had put it in force; null for the built-in one.")]
    holdout: Document | None
    verdict: Verdict
    predictions: Annotated[str, Meta(description="Digest of the answers that were scored; empty if none were.")]
    at: Time
    expires_at: Time
    actor: str


class VersionTier(Out):
    """The tier that a version is held to."""

    tier: int
    words: str
    is_assessed: bool
    in_slots: dict[str, Document]


class VersionNote(Out):
    """Words about a version."""

    actor: str
    at: Time
    text: str | None
    entry: int


class VersionCard(VersionRow):
    """A version, and all that was said and signed of it."""

    manifest_document: Document
    facts: Annotated[Document, Meta(description="How its bundle is opened, and where it came from; the manifest names their digest.")]
    tier: VersionTier
    evidence: list[Evidence]
    sign_offs: list[Document]
    notes: list[VersionNote]
    tags: dict[str, str]


class OfModel(In):
    """Of which model."""

    model: Annotated[Annotated[str, Meta(max_length=250)] | None, Meta(description="Only this one.")] = None


def describe_version(version: ModelVersion) -> Json:
    """Return a version as a document."""
    return {
        "model": version.model, "version": version.version, "bundle": version.bundle.to_json(), "manifest": version.manifest,
        "run": version.run_id, "recipe": version.key, "created_at": version.created_at.isoformat(), "actor": version.actor,
        "can_serve": "bundle" in version.facts, "entry": version.seq,
    }  # fmt: skip


def _describe_record(record: VersionRecord) -> Json:
    return {**describe_version(record.version), "slots": [_describe_status(placement) for placement in record.placements]}


def _describe_status(placement: Placement) -> Json:
    return {"slot": placement.slot, "status": placement.status, "since": placement.since_at.isoformat()}


def list_models(server: Server, call: Call) -> Page:
    """List the models."""
    [after] = read_place(call, str) or ("",)
    found = page_models(server.ws, after=after, limit=call.limit + 1)
    return end_page(
        found, place=lambda one: (one.model,), call=call,
        show=lambda one: {"model": one.model, "versions": one.versions, "newest": one.newest},
    )  # fmt: skip


def list_all_versions(server: Server, call: Call) -> Page:
    """List versions, newest first."""
    asked: OfModel = call.query
    place = read_place(call, int, str, int)
    before = None if place is None else (time_of_place(place[0]), place[1], place[2])
    return end_page(
        page_versions(server.ws, model=asked.model, before=before, limit=call.limit + 1), show=_describe_record, call=call,
        place=lambda one: (place_of_time(one.version.created_at), one.version.model, one.version.version),
    )  # fmt: skip


def get_one_version(server: Server, call: Call) -> object:
    """Show all that is on record about a version."""
    card = get_version_card(server.ws, model=call.path["model"], version=read_number(call, "version"))
    facts = dict(card.record.version.facts)
    return {**_describe_record(card.record), "manifest_document": card.record.manifest, "facts": facts, **card.to_json()}


def list_version_evidence(server: Server, call: Call) -> Page:
    """List the evidence on a version, oldest first."""
    found = list_evidence(server.ws, model=call.path["model"], version=read_number(call, "version"))
    return cut_page(found, place=lambda one: (one.seq,), show=lambda one: one.to_json(), call=call)


def get_one_evidence(server: Server, call: Call) -> object:
    """Show evidence."""
    return get_evidence(server.ws, call.path["evidence"]).to_json()


VERSION: Document = {
    "model": "credit", "version": 3, "bundle": ARTIFACT, "manifest": DIGEST, "run": RUN, "recipe": None, "created_at": AT, "actor": "ann",
    "can_serve": True, "entry": 35,
}  # fmt: skip
_ROW: Document = {**VERSION, "slots": [{"slot": "credit/eu", "status": "Production", "since": AT}]}
EVIDENCE: Document = {
    "evidence": "evidence-0mjq1k2v3-7f3a", "digest": DIGEST, "entry": 38, "model": "credit", "version": 3, "slot": "credit/eu",
    "bundle": DIGEST, "champion": "credit@2", "policy": DIGEST, "policy_entry": 12, "predictions": DIGEST,
    "holdout": {"name": "frozen", "looks": 4},
    "verdict": {
        "outcome": "passed",
        "results": [
            {
                "rule": "primary", "outcome": "passed", "reason": "auc is 0.021 above the champion's, margin 0.005", "estimate": 0.021,
                "low": 0.012, "high": 0.030, "n": 12_000, "rows_needed": None, "facts": {},
            }
        ],
    },
    "at": AT, "expires_at": "2026-12-25T09:30:00+00:00", "actor": "rita",
}  # fmt: skip

OPERATIONS = (
    Operation(
        "list_models", "models", "GET", "/models", READ, "List the models, by name.",
        list_models, Model, {"model": "credit", "versions": 3, "newest": 3}, is_paged=True, by=("list_versions.page_models",),
    ),
    Operation(
        "list_versions", "models", "GET", "/versions", READ, "List versions, newest first, with the slots that they stand in.",
        list_all_versions, VersionRow, _ROW, query=OfModel, is_paged=True, by=("list_versions.page_versions",),
    ),
    Operation(
        "get_version", "models", "GET", "/models/{model}/versions/{version}", READ,
        "Show a version: manifest, tier, evidence, sign-offs, notes and tags.",
        get_one_version, VersionCard,
        {
            **_ROW, "manifest_document": {"files": []}, "facts": {}, "evidence": [EVIDENCE], "sign_offs": [],
            "tier": {"tier": 2, "words": "tier 2", "is_assessed": True, "in_slots": {}},
            "notes": [{"actor": "ann", "at": AT, "text": "retrained on November", "entry": 36}], "tags": {"team": "risk"},
        },
        by=("version_card.get_version_card",),
    ),
    Operation(
        "list_version_evidence", "models", "GET", "/models/{model}/versions/{version}/evidence", READ,
        "List the evidence on a version, oldest first.",
        list_version_evidence, Evidence, EVIDENCE, is_paged=True, by=("evidence.list_evidence",),
    ),
    Operation(
        "get_evidence", "models", "GET", "/evidence/{evidence}", READ, "Show what an evaluation found.",
        get_one_evidence, Evidence, EVIDENCE, by=("evidence.get_evidence",),
    ),
)  # fmt: skip
