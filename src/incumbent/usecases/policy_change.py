"""Whether a version is judged by another policy than when its result was first seen, and by whose doing.

That a policy came before the evidence is proven by the ledger's order; a version can be evaluated again, by a policy that was set in
between to what it reaches. That may be right. Whoever signs has to know of it.
"""

from incumbent.gates.policy import policy_from_json
from incumbent.gates.policy_change import Values, list_changes, list_values
from incumbent.registry.model import ModelVersion
from incumbent.usecases.builtin_policy import BUILTIN_POLICY
from incumbent.usecases.evidence import read_evidence
from incumbent.usecases.ports import Transaction
from incumbent.usecases.standing import find_actor

_SHOWN = 3


def tell_policy_change(tx: Transaction, version: ModelVersion, *, policy: Values, seq: int | None) -> str:
    """Return how the policy differs from that of the first look at a version's bytes, in whatever slot and under whatever number.

    Args:
        tx: An open transaction.
        version: The version.
        policy: What it is judged by now.
        seq: Number of the entry that set it; None for the built-in one.

    Returns:
        One sentence; "" if nothing differs, or nobody looked yet.
    """
    looked = _find_first_look(tx, version)
    if looked is None:
        return ""
    first, digest = looked
    history = sorted(tx.records.list_history("policy"), key=lambda record: record.seq)
    seen = next((record.body["policy"] for record in history if record.digest == digest), None)
    before = list_values(BUILTIN_POLICY if seen is None else policy_from_json(seen))
    changes = list_changes(before, policy)
    if not changes:
        return ""
    setters = dict.fromkeys(changes, "" if seq is None else find_actor(tx, seq))
    target = next((record.record_id for record in history if record.seq == seq), None)
    last = before
    for record in history:
        if record.record_id == target and first < record.seq:
            values = list_values(policy_from_json(record.body["policy"]))
            setters |= {place: find_actor(tx, record.seq) for place in list_changes(last, values) if place in setters}
            last = values
    told = [f"{place} {old:.60} -> {new:.60}{f' by {setters[place]}' if setters[place] else ''}" for place, (old, new) in changes.items()]
    more = f", and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return f"policy changed since the first look at this version (entry {first}): {'; '.join(told[:_SHOWN])}{more}"


def _find_first_look(tx: Transaction, version: ModelVersion) -> tuple[int, str] | None:
    """Return (number of the entry, digest of the policy) of the first look at these bytes, whether or not evidence came of it."""
    same = [other for other in tx.registry.list_versions(version.model) if other.bundle.digest == version.bundle.digest]
    names = {f"{other.model}@{other.version}" for other in same}
    looks = [(look.seq, look.body) for look in tx.records.list_all("look")]
    found = [(seq, tx.ledger.get(seq).draft.refs.get("policy", "")) for seq, body in looks if body.get("version") in names]
    given = [read_evidence(record) for name in sorted(names) for record in tx.records.list_all("evidence", subject=name)]
    return min([*found, *((evidence.seq, evidence.policy) for evidence in given)], default=None)
