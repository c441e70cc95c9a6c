"""The verb `attest`: a validator's signed word that one of the 28 tests of the ML Test Score was done by hand, and what it gave.

Breck et al. (2017) give half a point for a test that is done by hand with its result documented and distributed. The document here is
the attestation: it is signed with the validator's own key, together with the bundle that it is about, and nobody who had a hand in
the version may give it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from incumbent.base.digest import digest_bytes
from incumbent.base.documents import Document, document_bytes
from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.gates.test_score import POINTS
from incumbent.governance.independence import authors, check_independence
from incumbent.governance.person import Key
from incumbent.usecases.asked import asked
from incumbent.usecases.authorship import list_authorships
from incumbent.usecases.governed_ports import Record
from incumbent.usecases.ports import Transaction
from incumbent.usecases.readiness import find_policy, list_threshold_authorships
from incumbent.usecases.recording import attempting, check_acting, governed, list_people, record_act
from incumbent.usecases.signing import check_vouched, get_signing_time, name_signed, sign_act
from incumbent.usecases.standing import find_signing_fault, index_keys
from incumbent.usecases.tier_in_force import find_tier
from incumbent.usecases.workspace import Workspace

REASON_MAX = 1_000
Result = Literal["passed", "failed"]


@dataclass(frozen=True, slots=True)
class Attestation:
    """One attestation.

    Attributes:
        point: A key of POINTS.
        bundle: Digest of what was tested.
        reason: What was done, what it gave, where that is written down.
        seq: Number of its entry.
        fault: Why its signature does not count, in words; "" if it was verified and does.
    """

    attestation_id: str
    version: str
    point: str
    result: Result
    bundle: str
    reason: str
    person: str
    at: datetime
    seq: int
    fault: str = ""

    def to_json(self) -> Document:
        """Return the document that every face shows."""
        return {
            "attestation": self.attestation_id, "version": self.version, "point": self.point, "text": POINTS[self.point],
            "result": self.result, "bundle": self.bundle, "reason": self.reason, "actor": self.person, "at": self.at.isoformat(),
            "entry": self.seq, "fault": self.fault,
        }  # fmt: skip


@asked
def attest(ws: Workspace, *, model: str, version: int, point: str, reason: str, result: Result = "passed") -> Attestation:
    """Sign that a test of the ML Test Score was done by hand on a version, and what it gave.

    Args:
        ws: The workspace; its actor signs.
        model: Name of the model.
        version: Its number.
        point: One of the 28, such as "data-6".
        reason: What was done, what it gave, where that is written down; it stays in the ledger.
        result: Whether the test passed.

    Raises:
        InvalidInput: There is no such test or result, or the reason is empty or too long.
        NotFound: No such version, or the signer's key is not on this machine.
        Refused: The actor is no validator, has no good key, or had a hand in the version, as may whoever vouches for them.
    """
    if point not in POINTS:
        raise InvalidInput(f"{point[:64]!r} is none of the 28 tests; they are {', '.join(POINTS)}")
    if result not in {"passed", "failed"}:
        raise InvalidInput(f"a test by hand has passed or failed, not {str(result)[:64]!r}")
    if not reason.strip() or len(reason) > REASON_MAX:
        raise InvalidInput(f"a reason of 1 to {REASON_MAX:,} characters says what was done and what it gave: that is the documentation")
    name = f"{model}@{version}"
    with attempting(ws, act="attest", kind="version", object_id=name), governed(ws) as tx:
        acting = check_acting(ws, tx, "attest")
        chosen = tx.registry.get_version(model, version)
        tier = find_tier(tx, model)
        policy = find_policy(tx, model, tier.number)
        authorships = list_authorships(tx, chosen, list_threshold_authorships(tx, policy, tier))
        if acting.person is not None:
            people = list_people(tx)
            check_independence(acting.actor, "attest", authorships, people, subject=name)
            check_vouched(ws, tx, acting, "attest", involved=authors(authorships, people), people=people, subject=name)
        now, attestation, bundle = ws.clock.now(), name_signed(ws, tx, "attestation"), str(chosen.bundle.digest)
        signed_at = get_signing_time(ws, now)
        body: Document = {
            "kind": "attestation", "attestation": attestation, "version": name, "point": point, "result": result, "bundle": bundle,
            "reason": reason, "actor": acting.actor, "at": signed_at.isoformat(),
        }  # fmt: skip
        signed = sign_act(
            ws, tx, acting=acting, act="attest", kind="attestation", object_id=attestation, after=result, at=now,
            digests={"bundle": bundle, "attestation": digest_bytes(document_bytes(body), "sha256")},
        )  # fmt: skip
        entry = record_act(
            ws, tx, act="attest", kind="attestation", object_id=attestation, acting=acting, body=body,
            refs={"bundle": bundle}, after=result, payloads=signed.payloads, statement=signed.statement, at=now,
        )  # fmt: skip
    return Attestation(attestation, name, point, result, bundle, reason, acting.actor, signed_at, entry.seq)


def list_attestations(tx: Transaction, name: str) -> Sequence[Attestation]:
    """Return the attestations on a version, oldest first, each signature verified now. Raises Corrupt."""
    keys = index_keys(tx)
    return [_read(tx, record, keys) for record in tx.records.list_all("attestation", subject=name)]


def _read(tx: Transaction, record: Record, keys: Mapping[str, Key]) -> Attestation:
    match record.body:
        case {
            "attestation": str(name), "version": str(version), "point": str(point), "result": "passed" | "failed" as result,
            "bundle": str(bundle), "reason": str(reason), "actor": str(actor), "at": str(at),
        } if point in POINTS:  # fmt: skip
            fault = find_signing_fault(tx, record, act="attest", person_id=actor, keys=keys)
            return Attestation(name, version, point, result, bundle, reason, actor, datetime.fromisoformat(at), record.seq, fault)
    raise Corrupt(f"attestation {record.record_id} (entry {record.seq}) has a form that this release does not read")
