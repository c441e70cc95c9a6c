"""The verbs on gate policies: set one for a model or a tier, from a TOML text; show the one in force."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from incumbent.base.documents import Document
from incumbent.base.errors import InvalidInput
from incumbent.gates.policy import GatePolicy, parse_policy, policy_from_json
from incumbent.registry.names import check_model_name
from incumbent.usecases.asked import asked
from incumbent.usecases.examine import LABEL_TESTS, TESTS
from incumbent.usecases.holdouts import get_holdout
from incumbent.usecases.readiness import PolicyInForce, find_policy
from incumbent.usecases.recording import attempting, check_acting, governed, record_act
from incumbent.usecases.tier_in_force import find_tier
from incumbent.usecases.workspace import Workspace

_TIER = re.compile(r"tier-[1-4]", re.ASCII)


@dataclass(frozen=True, slots=True)
class SetPolicy:
    """A policy that was set.

    Attributes:
        target: A model, or "tier-2".
        seq: Number of its entry: evidence is judged by it only if it comes later.
    """

    target: str
    policy: GatePolicy
    digest: str
    seq: int
    at: datetime
    actor: str


@asked
def set_policy(ws: Workspace, *, target: str, text: str, reason: str = "") -> SetPolicy:
    """Set the gate policy of a model or tier from now on. Evidence that was judged by another one no longer counts.

    Args:
        ws: The workspace.
        target: Name of the model, or "tier-1" to "tier-4".
        text: TOML.
        reason: Why, in words.

    Raises:
        InvalidInput: The text is no policy: an unknown metric or key, no rule at all, δ ≤ 0, a limit the wrong way round.
        NotFound: There is no holdout of the name that it gives.
        Refused: The actor may not.
    """
    if _TIER.fullmatch(target) is None:
        check_model_name(target)
    policy = parse_policy(text)
    unknown = [name for name in policy.tests.required if name not in TESTS] if policy.tests else []
    if unknown:
        raise InvalidInput(f"[tests] requires {', '.join(unknown)}, which is no test; there are: {', '.join(TESTS)}")
    _check_kept_back(policy)
    with attempting(ws, act="set-policy", kind="policy", object_id=target), governed(ws) as tx:
        acting = check_acting(ws, tx, "set-policy")
        if policy.holdout is not None:
            get_holdout(tx, policy.holdout.name)
        body: Document = {"kind": "policy", "target": target, "policy": policy.to_json(), "text": text}
        entry = record_act(ws, tx, act="set-policy", kind="policy", object_id=target, acting=acting, body=body, reason=reason)
    assert entry.draft.object.digest is not None
    return SetPolicy(target, policy, entry.draft.object.digest, entry.seq, entry.at, acting.actor)


def _check_kept_back(policy: GatePolicy) -> None:
    """Refuse tests that tell at every look what Thresholdout keeps back. Raises InvalidInput."""
    telling = [name for name in policy.tests.required if name in LABEL_TESTS] if policy.tests else []
    if telling and policy.holdout is not None and policy.holdout.thresholdout is not None:
        raise InvalidInput(
            f"the tests {', '.join(telling)} tell at every look what the holdout's labels say, and nothing would be left for reuse = "
            '"thresholdout" to keep back; take spend or ladder, or require them of another holdout with `incumbent testscore run`'
        )


def get_policy(ws: Workspace, *, model: str, slot: str | None = None) -> PolicyInForce:
    """Return the policy that a model's versions are judged by, in a slot if one is named: what was live there has a say."""
    with ws.store.begin(read_only=True) as tx:
        return find_policy(tx, model, find_tier(tx, model, slot).number, slot)


def list_policies(ws: Workspace) -> Sequence[SetPolicy]:
    """Return the newest policy of every target, by target."""
    with ws.store.begin(read_only=True) as tx:
        found = []
        for record in tx.records.list_all("policy"):
            entry = tx.ledger.get(record.seq)
            if not isinstance(record.body.get("policy"), dict):
                raise InvalidInput(f"policy of {record.record_id} has a form that this release does not read")
            policy = policy_from_json(record.body["policy"])
            found.append(SetPolicy(record.record_id, policy, record.digest, record.seq, entry.at, entry.draft.actor.actor_id))
        return sorted(found, key=lambda known: known.target)
