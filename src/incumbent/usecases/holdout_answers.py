"""What a holdout has told so far, and the chance in what it tells next: the Ladder's last rung, Thresholdout's answers and noise.

The noise has to be unknown before a look, unknown to whoever reads the answer, and the same when it is drawn again. So it is drawn from
a signature: the ledger's key signs the entry of the look, and the seed is the SHA-256 of that signature. Ed25519 signatures are a
function of key and message (RFC 8032), so the seed can be computed again; without the private key it cannot, before or after, though
the entry is public. The entry has a random id and the time, and names the policy and the data, so each look has its own noise and
another policy another one.

Where that does not hold: who can sign with the ledger's key can take the noise off an answer, or look again until the noise suits
him; every such look is counted and on record. Where everybody runs commands on the machine that has the key, Thresholdout is a guard
against fooling oneself and not against each other. And who may read the holdout's rows needs no gate to learn from them.
"""

import hashlib
from collections.abc import Sequence

from incumbent.base.digest import digest_bytes
from incumbent.gates.holdout import draw_laplace
from incumbent.gates.policy import GatePolicy
from incumbent.gates.rung import Rung, find_rung
from incumbent.gates.thresholdout import ANSWERED_BY, FREE, LaplaceDraws
from incumbent.ledger.entry import Entry
from incumbent.ledger.note import parse_key
from incumbent.usecases.evidence import Evidence, read_evidence
from incumbent.usecases.governed_ports import Record
from incumbent.usecases.holdouts import Holdout, find_family, list_looks
from incumbent.usecases.ports import Transaction
from incumbent.usecases.workspace import Workspace

_KEYS_RULED_MAX = 10_000
_SIGNED = b"incumbent/thresholdout/v1"
"""What is signed begins like this, a word and a digest follow: no checkpoint, no cosignature and no statement does."""


def find_ladder(tx: Transaction, holdout: Holdout | None, policy: GatePolicy) -> Rung | None:
    """Return what a holdout, or data that share its rows, have told so far of whatever model; None where the Ladder is not asked."""
    if holdout is None or policy.primary is None or policy.holdout is None or policy.holdout.reuse != "ladder":
        return None
    told = _list_evidence(tx, find_family(tx, str(holdout.artifact.digest)))
    return find_rung(policy.primary.metric, [result for evidence in told for result in evidence.verdict.results])


def find_spent(tx: Transaction, holdout: Holdout, *, before: int) -> list[Record]:
    """Return the looks before an entry that took an answer of a holdout, or of data that share its rows, oldest first.

    A look is free only if evidence says that the training rows answered, or nobody. One that is judged another way, one of a test, and
    one whose evidence is not there yet, or never was, took an answer: what is not known to be free was not.
    """
    family = find_family(tx, str(holdout.artifact.digest))
    free = {
        evidence.holdout.get("look_id")
        for evidence in _list_evidence(tx, family)
        for result in evidence.verdict.results
        if isinstance(evidence.holdout, dict) and result.facts.get(ANSWERED_BY) in FREE
    }
    looks = list_looks(tx, family)
    return sorted((look for look in looks if look.seq < before and look.record_id not in free), key=lambda look: look.seq)


def find_steady(tx: Transaction, holdout: Holdout, spent: Sequence[Record]) -> int:
    """Return the entry from which the threshold's noise is drawn: Thresholdout draws it anew only after an answer was spent.

    It is that of the last look which took an answer; before the first, the one that froze the oldest holdout among those that share rows.
    """
    if spent:
        return spent[-1].seq
    family = find_family(tx, str(holdout.artifact.digest))
    return min(record.seq for record in tx.records.list_all("holdout") if _data_of(record) in family)


def draw_noise(ws: Workspace, tx: Transaction, *, look: int, steady: int) -> LaplaceDraws:
    """Return the noise of one look; the same whenever it is asked for.

    Args:
        ws: The workspace, whose keys hold the ledger's.
        tx: An open transaction.
        look: Number of the look's entry.
        steady: Number of the entry that the threshold's noise is drawn from; evidence names both.

    Raises:
        NotFound: The key that signed the ledger at that time is not on this machine.
    """
    fresh, kept = _seed(ws, tx, b"look", tx.ledger.get(look)), _seed(ws, tx, b"threshold", tx.ledger.get(steady))
    return LaplaceDraws(
        threshold=draw_laplace(kept),
        comparison=draw_laplace(fresh[:8]),
        answer=draw_laplace(fresh[8:16]),
        entries=(look, steady),
        seed_digest=digest_bytes(fresh + kept, "sha256"),
    )


def _data_of(record: Record) -> str:
    match record.body:
        case {"artifact": {"digest": str(data)}}:
            return data
    return ""


def _seed(ws: Workspace, tx: Transaction, word: bytes, entry: Entry) -> bytes:
    """Return 32 bytes that only the key which ruled at an entry gives. What is signed names the ledger: the entry does."""
    rotations = tx.ledger.find(act="rotate-key", limit=_KEYS_RULED_MAX)
    ruling = next((rotation for rotation in rotations if rotation.seq <= entry.seq), None) or tx.ledger.get(0)
    message = b"\n".join([_SIGNED, word, hashlib.sha256(entry.body).hexdigest().encode(), b""])
    return hashlib.sha256(ws.keys.sign(parse_key(ruling.draft.after), message)).digest()


def _list_evidence(tx: Transaction, family: list[str]) -> list[Evidence]:
    """Return the evidence on data that share rows, oldest first."""
    found = [read_evidence(record) for record in tx.records.list_all("evidence")]
    return [evidence for evidence in found if isinstance(evidence.holdout, dict) and evidence.holdout.get("data") in family]
