"""Evidence: what a gate measured and said of one bundle, for one slot, against one champion, by one policy. A governed document."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from incumbent.base.documents import Document, Json
from incumbent.base.errors import Corrupt, NotFound
from incumbent.gates.verdict import Verdict, verdict_from_json
from incumbent.registry.model import ModelVersion
from incumbent.usecases.governed_ports import Record
from incumbent.usecases.ports import Transaction
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Evidence:
    """One evaluation.

    Attributes:
        digest: Of the whole document: what a sign-off and a promotion name.
        seq: Number of the entry that recorded it.
        champion: MODEL@VERSION that it was judged against, None for an empty slot.
        policy: Digest of the policy that it was judged by.
        policy_entry: Number of the entry that had put it in force, None for the built-in one.
        holdout: Name, data digest, number of the look, …; None where the policy needs none.
        predictions: Digest of the answers that were scored, "" if none were.
    """

    evidence_id: str
    digest: str
    seq: int
    model: str
    version: int
    slot: str
    bundle: str
    champion: str | None
    policy: str
    policy_entry: int | None
    holdout: Json
    verdict: Verdict
    predictions: str
    at: datetime
    expires_at: datetime
    actor: str

    def reasons(self) -> list[str]:
        """Return what every rule that did not pass says, in words."""
        return [f"{result.rule}: {result.reason}" for result in self.verdict.results if result.outcome != "passed"]

    def to_json(self) -> Document:
        """Return the document that every face shows."""
        return {
            "evidence": self.evidence_id,
            "digest": self.digest,
            "entry": self.seq,
            "model": self.model,
            "version": self.version,
            "slot": self.slot,
            "bundle": self.bundle,
            "champion": self.champion,
            "policy": self.policy,
            "policy_entry": self.policy_entry,
            "holdout": self.holdout,
            "verdict": self.verdict.to_json(),
            "predictions": self.predictions,
            "at": self.at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "actor": self.actor,
        }


def read_evidence(record: Record) -> Evidence:
    """Return what an evidence document says. Raises Corrupt."""
    match record.body:
        case {
            "kind": "evidence", "evidence": str(name), "model": str(model), "version": int(version), "slot": str(slot),
            "bundle": str(bundle), "champion": str() | None as champion, "policy": str(policy),
            "policy_entry": int() | None as policy_entry, "holdout": holdout, "verdict": verdict,
            "predictions": str(predictions), "at": str(at), "expires_at": str(expires_at), "actor": str(actor),
        }:  # fmt: skip
            return Evidence(
                name, record.digest, record.seq, model, version, slot, bundle, champion, policy, policy_entry, holdout,
                verdict_from_json(verdict), predictions, datetime.fromisoformat(at), datetime.fromisoformat(expires_at), actor,
            )  # fmt: skip
    raise Corrupt(f"evidence {record.record_id} (entry {record.seq}) has a form that this release does not read")


def find_evidence(tx: Transaction, version: ModelVersion, slot: str) -> Evidence | None:
    """Return the newest evidence on a version in a slot."""
    found = [read_evidence(record) for record in tx.records.list_all("evidence", subject=f"{version.model}@{version.version}")]
    return next((evidence for evidence in reversed(found) if evidence.slot == slot), None)


def list_evidence(ws: Workspace, *, model: str, version: int) -> Sequence[Evidence]:
    """Return all evidence on a version, oldest first. Raises NotFound when there is no such version."""
    with ws.store.begin(read_only=True) as tx:
        tx.registry.get_version(model, version)
        return [read_evidence(record) for record in tx.records.list_all("evidence", subject=f"{model}@{version}")]


def get_evidence(ws: Workspace, name: str) -> Evidence:
    """Return evidence by its id. Raises NotFound."""
    with ws.store.begin(read_only=True) as tx:
        record = tx.records.find("evidence", name)
    if record is None:
        raise NotFound(f"there is no evidence {name[:80]!r}; `incumbent models show MODEL@VERSION` lists what there is on a version")
    return read_evidence(record)
