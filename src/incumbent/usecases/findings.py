"""The verbs on findings: open one, close it with one's own signature, list them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches

from incumbent.base.digest import digest_bytes
from incumbent.base.documents import document_bytes
from incumbent.base.errors import InvalidInput, NotFound
from incumbent.governance.finding import Finding, Kind, Severity
from incumbent.governance.finding import close_finding as make_closed
from incumbent.governance.finding import open_finding as make_open
from incumbent.governance.independence import authors
from incumbent.governance.person import accountable
from incumbent.usecases.asked import asked
from incumbent.usecases.authorship import list_all_authorships
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import attempting, check_acting, find_acting, governed, list_people, record_act
from incumbent.usecases.signing import check_vouched, get_signing_time, sign_act
from incumbent.usecases.standing import read_findings
from incumbent.usecases.workspace import Workspace

DUE_DAYS_MAX = 3660
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """A finding, and the entry that it stands on now."""

    finding: Finding
    entry: int


def open_finding(
    ws: Workspace,
    *,
    subject: str,
    title: str,
    kind: Kind = "validation",
    severity: Severity = "medium",
    due_days: float = 30,
    blocks: bool = False,
) -> FindingRecord:
    """Open a finding on a model or slot.

    Args:
        ws: The workspace.
        subject: A model or a slot.
        title: What is wrong, in words.
        kind: Where it comes from.
        severity: How bad it is.
        due_days: In how many days it has to be closed.
        blocks: No version of the subject is promoted while it is open.

    Raises:
        InvalidInput: A field is malformed.
        NotFound: No model and no slot has that name; the message names near ones.
        Refused: The actor may not.
    """
    if not 0 <= due_days <= DUE_DAYS_MAX:
        raise InvalidInput(f"due in {due_days} days: expected 0 to {DUE_DAYS_MAX}")
    with attempting(ws, act="open-finding", kind="finding", object_id=subject), governed(ws) as tx:
        acting = check_acting(ws, tx, "open-finding")
        _check_subject(tx, subject)
        now = ws.clock.now()
        finding = make_open(
            ws.ids.new("finding"), kind=kind, title=title, severity=severity, subject=subject, opened_by=acting.actor, opened_at=now,
            due_at=now + timedelta(days=due_days), blocks_promotion=blocks,
        )  # fmt: skip
        entry = record_act(
            ws, tx, act="open-finding", kind="finding", object_id=finding.finding_id, acting=acting, body=finding.to_json(), at=now,
        )  # fmt: skip
    return FindingRecord(finding, entry.seq)


@asked
def close_finding(ws: Workspace, *, finding: str, resolution: str) -> FindingRecord:
    """Close a finding, signed with one's own key: by somebody in the right role, who had no hand in what it is about.

    Raises:
        InvalidInput: There is no resolution.
        NotFound: There is no such finding, or the key is not on this machine.
        Refused: It is closed, or the actor may not close it: who broke the glass does not sweep up, nor does
            whoever is known here on the word of theirs or of an author.
    """
    with attempting(ws, act="close-finding", kind="finding", object_id=finding[:80]), governed(ws) as tx:
        acting = find_acting(ws, tx)
        before, before_digest = _get(tx, finding)
        now = ws.clock.now()
        models = {before.subject, *(placement.model for placement in tx.registry.list_placements(before.subject))}
        people = list_people(tx)
        involved = authors([work for model in sorted(models) for work in list_all_authorships(tx, model)], people)
        closed = make_closed(before, by=acting.actor, at=get_signing_time(ws, now), resolution=resolution, people=people, authors=involved)
        breaker = {accountable(people, before.opened_by)} if before.kind == "break-glass" else set()
        check_vouched(ws, tx, acting, "close-finding", involved=involved | breaker, people=people, subject=before.subject)
        signed = sign_act(
            ws, tx, acting=acting, act="close-finding", kind="finding", object_id=finding,
            digests={"finding": before_digest, "closed": digest_bytes(document_bytes(closed.to_json()), "sha256")}, at=now, before="open",
            after="closed", reason=resolution,
        )  # fmt: skip
        entry = record_act(
            ws, tx, act="close-finding", kind="finding", object_id=finding, acting=acting, body=closed.to_json(),
            refs={"finding": before_digest}, before="open", after="closed", reason=signed.reason, payloads=signed.payloads,
            statement=signed.statement, at=now,
        )  # fmt: skip
    return FindingRecord(closed, entry.seq)


def list_findings(ws: Workspace, *, subject: str | None = None, is_open: bool = False) -> Sequence[FindingRecord]:
    """Return findings, oldest first."""
    with ws.store.begin(read_only=True) as tx:
        records = [record for record in tx.records.list_all("finding") if subject in (None, record.subject)]
        found = [FindingRecord(one, record.seq) for one, record in zip(read_findings(tx, records), records, strict=True)]
    return [record for record in found if record.finding.state == "open" or not is_open]


def _check_subject(tx: Transaction, subject: str) -> None:
    """Raise NotFound unless there is such a model, registered or assessed, or slot: a finding on nothing would block nothing."""
    models = {one.model for one in tx.registry_pages.list_models()} | {record.record_id for record in tx.records.list_all("tier")}
    known = sorted({*models, *tx.registry.list_slots()})
    if subject not in known:
        near = get_close_matches(subject, known, n=3)
        told = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known[:_SHOWN]) or 'none yet'}"
        raise NotFound(f"there is no model or slot {subject[:80]!r} that a finding could be about; {told}")


def _get(tx: Transaction, name: str) -> tuple[Finding, str]:
    record = tx.records.find("finding", name)
    if record is None:
        raise NotFound(f"there is no finding {name[:80]!r}; `incumbent findings ls` lists them")
    return read_findings(tx, [record])[0], record.digest
