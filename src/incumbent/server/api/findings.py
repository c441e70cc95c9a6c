"""What validation and audit found: findings, and attestations of tests that were done by hand."""

from collections.abc import Callable
from typing import Annotated, Literal

from msgspec import Meta

from incumbent.base.documents import Document as Json
from incumbent.governance.finding import Kind, Severity
from incumbent.server.api.cursor import cut_page
from incumbent.server.api.operation import Call, In, Operation, Out, Page, read_number
from incumbent.server.api.shapes import DIGEST, Document, Name, Reason
from incumbent.server.api.signing import (
    ENVELOPE,
    PREPARES,
    Envelope,
    Salt,
    Statement,
    do_signed,
    example,
    show_statement,
    tell_signing,
)
from incumbent.server.messages import Server
from incumbent.usecases.attest import REASON_MAX, attest, list_attestations
from incumbent.usecases.attest import Attestation as AttestationValue
from incumbent.usecases.findings import FindingRecord, close_finding, list_findings, open_finding
from incumbent.usecases.rights import READ
from incumbent.usecases.workspace import Workspace


class Finding(Out):
    """An issue that validation or audit raised."""

    finding_id: str
    kind: Kind
    title: str
    severity: Severity
    subject: str
    opened_by: str
    opened_at: str
    due_at: str
    state: Literal["open", "closed"]
    closed_by: str
    closed_at: str | None
    resolution: str
    blocks_promotion: bool
    entry: int


class NewFinding(In):
    """An issue to raise."""

    subject: Annotated[str, Meta(min_length=1, max_length=250, description="A model or a slot.")]
    title: Annotated[str, Meta(min_length=1, max_length=280)]
    kind: Kind = "validation"
    severity: Severity = "medium"
    due_days: Annotated[float, Meta(gt=0, le=3660)] = 30.0
    blocks: Annotated[bool, Meta(description="No promotion while it is open.")] = False


class Findings(In):
    """Which findings."""

    subject: Annotated[Name | None, Meta(description="Only those about this model or slot.")] = None
    open: Annotated[bool, Meta(description="Only those that are open.")] = False


class Resolution(In):
    """How a finding was resolved."""

    resolution: Reason


class SignedResolution(Resolution):
    """How a finding was resolved, and the envelope."""

    envelope: Envelope | None = None
    salt: Salt = ""


class NewAttestation(In):
    """A test of the ML Test Score that was done by hand."""

    point: Name
    reason: Annotated[str, Meta(min_length=1, max_length=REASON_MAX, description="What was done, what it gave; it stands in the ledger.")]
    result: Literal["passed", "failed"] = "passed"


class SignedAttestation(NewAttestation):
    """A test that was done by hand, and the envelope."""

    envelope: Envelope | None = None


class Attestation(Out):
    """That a test was done by hand, and what it gave."""

    attestation: Document


def _show_finding(one: FindingRecord) -> Json:
    return {**one.finding.to_json(), "entry": one.entry}


def list_all_findings(server: Server, call: Call) -> Page:
    """List findings, oldest first."""
    asked: Findings = call.query
    found = list_findings(server.ws, subject=asked.subject, is_open=asked.open)
    return cut_page(
        found, place=lambda one: (one.finding.opened_at.isoformat(timespec="microseconds"), one.finding.finding_id), show=_show_finding,
        call=call,
    )  # fmt: skip


def open_new_finding(server: Server, call: Call) -> object:
    """Open a finding."""
    asked: NewFinding = call.body
    made = open_finding(
        server.ws, subject=asked.subject, title=asked.title, kind=asked.kind, severity=asked.severity, due_days=asked.due_days,
        blocks=asked.blocks,
    )  # fmt: skip
    return _show_finding(made)


def _close(call: Call) -> Callable[[Workspace], FindingRecord]:
    asked: Resolution = call.body
    return lambda ws: close_finding(ws, finding=call.path["finding"], resolution=asked.resolution)


def prepare_closing(server: Server, call: Call) -> object:
    """Say what is to be signed for closing a finding."""
    return show_statement(server, _close(call))


def close_one_finding(server: Server, call: Call) -> object:
    """Close a finding."""
    asked: SignedResolution = call.body
    return _show_finding(do_signed(server, asked.envelope, asked.salt, _close(call)))


def _attest(call: Call) -> Callable[[Workspace], AttestationValue]:
    asked: NewAttestation = call.body
    version = read_number(call, "version")
    return lambda ws: attest(
        ws, model=call.path["model"], version=version, point=asked.point, reason=asked.reason, result=asked.result
    )  # fmt: skip


def prepare_attestation(server: Server, call: Call) -> object:
    """Say what is to be signed for an attestation."""
    return show_statement(server, _attest(call))


def attest_version(server: Server, call: Call) -> object:
    """Take an attestation."""
    asked: SignedAttestation = call.body
    return {"attestation": do_signed(server, asked.envelope, "", _attest(call)).to_json()}


def list_version_attestations(server: Server, call: Call) -> Page:
    """List the attestations on a version, oldest first."""
    model, version = call.path["model"], read_number(call, "version")
    with server.ws.store.begin(read_only=True) as tx:
        tx.registry.get_version(model, version)
        found = list_attestations(tx, f"{model}@{version}")
    return cut_page(found, place=lambda one: (one.seq,), show=lambda one: {"attestation": one.to_json()}, call=call)


_FINDING: Document = {
    "finding_id": "finding-0mjq1k2v3-7f3a", "kind": "validation", "title": "no test on young applicants", "severity": "high",
    "subject": "credit", "opened_by": "vera", "opened_at": "2026-11-25T09:30:00.000000Z", "due_at": "2026-12-25T09:30:00.000000Z",
    "state": "open", "closed_by": "", "closed_at": None, "resolution": "", "blocks_promotion": True, "entry": 30,
}  # fmt: skip
_CLOSED: Document = {
    **_FINDING, "state": "closed", "closed_by": "vera", "closed_at": "2026-12-01T09:30:00.000000Z", "resolution": "tested",
}  # fmt: skip
_BY_HAND: Document = {"point": "data-1", "reason": "looked at every column"}
_ATTESTATION: Document = {"attestation": {"version": "credit@3", "point": "data-1", "result": "passed", "person": "vera"}}

OPERATIONS = (
    Operation(
        "list_findings", "findings", "GET", "/findings", READ, "List findings, oldest first.",
        list_all_findings, Finding, _FINDING, query=Findings, is_paged=True, by=("findings.list_findings",),
    ),
    Operation(
        "open_finding", "findings", "POST", "/findings", "open-finding", "Raise an issue about a model or slot.",
        open_new_finding, Finding, _FINDING, body=NewFinding, status=201, refuses=True, by=("findings.open_finding",),
        sent={"subject": "credit", "title": "no test on young applicants", "severity": "high", "blocks": True},
    ),
    Operation(
        "close_finding", "findings", "POST", "/findings/{finding}/close", "close-finding", "Close a finding, signed with one's own key.",
        close_one_finding, Finding, _CLOSED, body=SignedResolution, sent={"resolution": "tested", "envelope": ENVELOPE}, refuses=True,
        by=("findings.close_finding",), more=tell_signing("/findings/{finding}/close"),
    ),
    Operation(
        "prepare_closing", "findings", "POST", "/findings/{finding}/close/statement", "close-finding",
        "Say what is to be signed for closing a finding.",
        prepare_closing, Statement,
        example(
            "close-finding", "I have examined this finding and hold it to be resolved as stated", "vera", "finding finding-0mjq1k2v3-7f3a",
            reason="tested", finding=DIGEST, closed=DIGEST,
        ),
        body=Resolution, sent={"resolution": "tested"}, refuses=True, by=("findings.close_finding",), more=PREPARES,
    ),
    Operation(
        "attest", "models", "POST", "/models/{model}/versions/{version}/attestations", "attest",
        "Sign that a test of the ML Test Score was done by hand on a version, and what it gave.",
        attest_version, Attestation, _ATTESTATION, body=SignedAttestation, sent={**_BY_HAND, "envelope": ENVELOPE},
        status=201, refuses=True, by=("attest.attest",),
        more=tell_signing("/models/{model}/versions/{version}/attestations"),
    ),
    Operation(
        "prepare_attestation", "models", "POST", "/models/{model}/versions/{version}/attestations/statement", "attest",
        "Say what is to be signed for an attestation.",
        prepare_attestation, Statement,
        example(
            "attest", "I have done this test by hand, and its result is documented as stated", "vera",
            "attestation attestation-0mjq1k2v37f3a", bundle=DIGEST, attestation=DIGEST,
        ),
        body=NewAttestation, sent=_BY_HAND, refuses=True, by=("attest.attest",), more=PREPARES,
    ),
    Operation(
        "list_attestations", "models", "GET", "/models/{model}/versions/{version}/attestations", READ,
        "List the attestations on a version, oldest first.",
        list_version_attestations, Attestation, _ATTESTATION, is_paged=True, by=("attest.list_attestations",),
    ),
)  # fmt: skip
