"""What stands between a version and Production in a slot: its tier, the policy, the evidence, the sign-offs, open findings.

Gathered in the transaction that promotes, from what the ledger explains; nothing is taken from the caller. The four digests that a
sign-off names (bundle, evidence, policy, tier) are computed here, so a change in any of them voids it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from incumbent.base.digest import digest_bytes
from incumbent.base.documents import Document, Json, document_bytes
from incumbent.base.errors import NotFound
from incumbent.gates.policy import GatePolicy, policy_from_json
from incumbent.gates.policy_change import list_values
from incumbent.governance.finding import Finding, find_blocking
from incumbent.governance.independence import Authorship, find_unknown
from incumbent.governance.person import Person
from incumbent.governance.quorum import Quorum, judge_quorum
from incumbent.governance.sign_off import SignOff, sign_off_from_json
from incumbent.governance.vouching import Backing, tell_founder
from incumbent.registry.grounds import ASKS, FOUNDER, POLICY_CHANGED, name_sign_offs, tell_asks
from incumbent.registry.model import ModelVersion, Placement
from incumbent.registry.slot import find_champion
from incumbent.usecases.authorship import list_authorships
from incumbent.usecases.builtin_policy import BUILTIN_POLICY
from incumbent.usecases.evidence import Evidence, find_evidence
from incumbent.usecases.live import EVIDENCE
from incumbent.usecases.policy_change import tell_policy_change
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import list_people
from incumbent.usecases.schema_in_force import SCHEMA_TESTS, find_schema
from incumbent.usecases.standing import find_actor, find_standing, read_findings
from incumbent.usecases.tier_in_force import Tier, find_tier, list_ever_live
from incumbent.usecases.witnesses import count_cosignatures
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """The gate policy that a version is judged by.

    Attributes:
        target: Whose it is: a model, "tier-2", or "built-in".
        seq: Number of the entry that set it; None for the built-in one.
        inherited_from: The other model that was live in the slot last, and is judged by it; "" where it is the model's own.
    """

    policy: GatePolicy
    target: str
    digest: str
    seq: int | None
    inherited_from: str = ""

    @property
    def words(self) -> str:
        """Whose policy it is, as people read it."""
        if not self.inherited_from:
            return self.target
        return f"{self.target}, in force here since {self.inherited_from} was live in the slot last"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Everything that a promotion is judged by.

    Attributes:
        evidence: The newest on this bundle in this slot, None if there is none.
        policy_change: How the policy differs from that of the first look at the version, in words; "" where it does not.
        backing: Id of a sign-off -> on whose word it rests that it is its person's.
        problems: What stands in the way, in words; empty when the version may go live.
    """

    version: ModelVersion
    slot: str
    tier: Tier
    policy: PolicyInForce
    evidence: Evidence | None
    quorum: Quorum | None
    findings: tuple[Finding, ...]
    sign_offs: tuple[tuple[int, SignOff], ...]
    backing: Mapping[str, Backing]
    problems: tuple[str, ...]
    policy_change: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever reads the sign-offs has to know about them, in words."""
        told = [*([self.policy_change] if self.policy_change else []), *self.tier.ignored]
        if self.tier.lowered_by:
            told.append(f"{self.tier.lowered_by} lowered what tier {self.tier.number} asks for, and fills no place of it")
        if self.quorum is not None and self.quorum.self_approved:
            told.append(f"self-approved, as the tier allows: {', '.join(self.quorum.self_approved)}")
        if self.quorum is not None and self.quorum.founder:
            told.append(tell_founder(self.quorum.founder))
        return tuple(told)

    def refs(self) -> dict[str, str]:
        """Return what the entry of a promotion names."""
        found = {
            "bundle": str(self.version.bundle.digest), "policy": self.policy.digest, "tier": self.tier.digest, "tier-name": self.tier.words,
            ASKS: tell_asks(self.tier.rule),
        }  # fmt: skip
        if self.policy.seq is not None:
            found["policy-entry"] = str(self.policy.seq)
        if self.evidence is not None:
            found |= {"evidence": self.evidence.digest, EVIDENCE: str(self.evidence.seq)}
        if self.policy_change:
            found[POLICY_CHANGED] = self.policy_change
        if self.quorum is not None and self.quorum.founder:
            found[FOUNDER] = self.quorum.founder
        return found | name_sign_offs((seq, self.backing[given.sign_off_id]) for seq, given in self.sign_offs)


def find_policy(tx: Transaction, model: str, tier: int, slot: str | None = None) -> PolicyInForce:
    """Return the gate policy in force for a model: its own, its tier's, or the built-in one.

    In a slot where another model was live last, that model's own policy or its tier's comes first, if there is one: a new name does
    not bring a policy of its own past the incumbent.

    Args:
        tx: An open transaction.
        model: The model.
        tier: Of the model in the slot (`find_tier`).
        slot: The slot; None asks about the model by itself.
    """
    last = next(iter(list_ever_live(tx, slot)), model)
    targets = {model: "", f"tier-{tier}": ""}
    if last != model:
        targets = dict.fromkeys((last, f"tier-{tier}", f"tier-{find_tier(tx, last).number}"), last) | {model: ""}
    for target, inherited_from in targets.items():
        record = tx.records.find("policy", target)
        if record is not None:
            return PolicyInForce(policy_from_json(record.body["policy"]), target, record.digest, record.seq, inherited_from)
    document: Document = {"kind": "policy", "target": "built-in", "policy": BUILTIN_POLICY.to_json()}
    return PolicyInForce(BUILTIN_POLICY, "built-in", _digest(document), None)


def names_now(version: ModelVersion, evidence: Evidence, policy: PolicyInForce, tier: Tier) -> dict[str, str]:
    """Return the four digests that a sign-off on this version names today."""
    return {
        "bundle": str(version.bundle.digest),
        "evidence": evidence.digest,
        "policy": policy.digest,
        "tier": tier.digest,
    }


def judge_readiness(ws: Workspace, tx: Transaction, version: ModelVersion, slot: str) -> Readiness:
    """Say what stands between a version and Production in a slot."""
    now = ws.clock.now()
    tier = find_tier(tx, version.model, slot)
    policy = find_policy(tx, version.model, tier.number, slot)
    evidence = find_evidence(tx, version, slot)
    problems = _judge_schema(tx, version, slot, policy=policy, evidence=evidence)
    problems += _judge_evidence(version, slot, policy=policy, evidence=evidence, champion=_find_champion(tx, version, slot), now=now)
    given = list_sign_offs(tx, version, slot)
    quorum, standing = None, find_standing(tx, given, is_grouped=tier.rule.distinct_groups)
    people = list_people(tx)
    authorships = list_authorships(tx, version, list_threshold_authorships(tx, policy, tier))
    if evidence is not None:
        quorum = judge_quorum(
            [sign_off for _, sign_off in given],
            tier.rule,
            digests=names_now(version, evidence, policy, tier),
            people=people,
            authorships=authorships,
            now=now,
            model=version.model,
            version=version.version,
            slot=slot,
            standing=standing,
            cosigned=count_cosignatures(tx, evidence.seq, authorships) if tier.rule.witnesses else 0,
        )
        problems += tell_quorum(quorum, version)
        if tier.rule.validators or tier.rule.approvers:
            problems += tell_unknown(authorships, people)
        problems += tell_rejections(given, version)
    subjects = dict.fromkeys([slot, version.model, *list_ever_live(tx, slot)])
    findings = find_blocking([found for subject in subjects for found in list_findings(tx, subject)], *subjects)
    problems += [f"{finding.finding_id} blocks {finding.subject} until it is closed: {finding.words}" for finding in findings]
    filled = {sign_off.sign_off_id for sign_off in (*quorum.given, *quorum.accepted_risks)} if quorum else set()
    counted = tuple((seq, sign_off) for seq, sign_off in given if sign_off.sign_off_id in filled)
    backing = {name: found.backing for name, found in standing.items()}
    changed = tell_policy_change(tx, version, policy=list_values(policy.policy), seq=policy.seq)
    return Readiness(version, slot, tier, policy, evidence, quorum, findings, counted, backing, tuple(problems), changed)


def _find_champion(tx: Transaction, version: ModelVersion, slot: str) -> str | None:
    last = find_champion(tx.registry.list_placements(slot), (version.model, version.version))
    return f"{last.model}@{last.version}" if last else None


def _judge_evidence(
    version: ModelVersion, slot: str, *, policy: PolicyInForce, evidence: Evidence | None, champion: str | None, now: datetime
) -> list[str]:
    name = f"{version.model}@{version.version}"
    again = f"`incumbent evaluate {name} --slot {slot}`"
    if evidence is None:
        return [f"there is no evidence on {name} for {slot}: {again}"]
    if (evidence.policy, evidence.policy_entry) != (policy.digest, policy.seq):
        return [f"the gate policy ({policy.words}) is not the one that {name} was judged by: {again} anew"]
    if evidence.bundle != str(version.bundle.digest):
        return [f"the evidence is about another bundle than {name}'s: {again} anew"]
    if evidence.champion != champion:
        before = evidence.champion or "an empty slot"
        return [f"{name} was judged against {before}, and {champion or 'nobody'} is champion now: {again} anew"]
    if evidence.expires_at <= now:
        return [f"the evidence on {name} expired on {evidence.expires_at:%Y-%m-%d}: {again} anew"]
    if evidence.verdict.outcome != "passed":
        by = f" by the policy of {policy.words}" if policy.inherited_from else ""
        return [f"the gate says {evidence.verdict.outcome}{by}: {reason}" for reason in evidence.reasons()]
    return []


def _judge_schema(tx: Transaction, version: ModelVersion, slot: str, *, policy: PolicyInForce, evidence: Evidence | None) -> list[str]:
    """Evidence of tests that hold rows to the registered schema says nothing of a schema that was registered after it."""
    schema = find_schema(tx, version.model)
    required = policy.policy.tests.required if policy.policy.tests else ()
    if evidence is None or schema is None or schema.seq < evidence.seq or not SCHEMA_TESTS.intersection(required):
        return []
    name = f"{version.model}@{version.version}"
    return [f"the schema of {version.model} is another since ledger entry {schema.seq}: `incumbent evaluate {name} --slot {slot}` anew"]


def tell_quorum(quorum: Quorum, version: ModelVersion) -> list[str]:
    """Return what is missing, and why sign-offs that somebody remembers do not count."""
    if quorum.is_met:
        return []
    told = [f"missing: {words}" for words in quorum.missing]
    for void in quorum.void:
        changes = ", ".join(f"{change.name} was {change.before} and is {change.after}" for change in void.changes)
        told.append(f"void: {void.sign_off.person_id}'s sign-off of {void.sign_off.model}@{void.sign_off.version}: {changes}")
    told += [f"expired: {given.person_id}'s sign-off, on {given.expires_at:%Y-%m-%d}" for given in quorum.expired]
    for barred in quorum.barred:
        given = barred.sign_off
        if given.version == version.version:
            told.append(f"does not count: {given.person_id}'s sign-off: {barred.reason}")
        else:
            bundle = f"it names bundle {given.names['bundle']}, and this is {version.bundle.digest}"
            told.append(f"void: {given.person_id}'s sign-off of {given.model}@{given.version}: {bundle}")
    return told


def tell_unknown(authorships: Sequence[Authorship], people: Sequence[Person]) -> list[str]:
    """Any name that nobody goes by may be that of somebody who signed."""
    return [
        f"nobody here goes by {name!r}, who had a part in it: say whose name it is with `incumbent users change ID --alias {name}`"
        for name in find_unknown(authorships, people)
    ]


def tell_rejections(given: Sequence[tuple[int, SignOff]], version: ModelVersion) -> list[str]:
    """A rejection of these bytes stands until its person withdraws it, whatever evidence is gathered anew meanwhile."""
    newest: dict[str, SignOff] = {}
    for _, sign_off in given:
        if sign_off.names["bundle"] == str(version.bundle.digest) and sign_off.meaning != "accepted-risk":
            newest[sign_off.person_id] = sign_off
    return [
        f"{person} rejected this bundle on {last.at:%Y-%m-%d %H:%M:%S} UTC, and has not signed for it since"
        for person, last in newest.items()
        if last.meaning == "rejected"
    ]


def list_sign_offs(tx: Transaction, version: ModelVersion, slot: str) -> list[tuple[int, SignOff]]:
    """Return (number of the entry, sign-off) of all on a version in a slot, oldest first.

    Sign-offs on the model's other versions that were given since the slot was re-pointed last come too: they are void for this one, and
    saying so explains why an approval that somebody remembers does not count.
    """
    records = tx.records.list_all("sign-off", subject=version.model)
    found = [(record.seq, sign_off_from_json(record.body)) for record in records]
    live = tx.registry.find_live(slot)
    since = live.seq if live is not None and live.seq is not None else -1
    return [(seq, given) for seq, given in found if given.slot == slot and (given.version == version.version or seq > since)]


def list_threshold_authorships(tx: Transaction, policy: PolicyInForce, tier: Tier) -> list[Authorship]:
    """Return who set the thresholds that hold, of the gate and of what its tier asks for.

    A gate's threshold stays its first setter's when somebody else sets it again: so do all of one policy set anew, for whatever target, and
    each rule that an earlier policy of the same target has, word for word.
    """
    if policy.seq is None:
        return tier.list_authorships()
    held, rules = policy.policy.to_json(), _list_rules(policy.policy)
    found = tier.list_authorships()
    for record in tx.records.list_history("policy"):
        other = policy_from_json(record.body["policy"])
        is_shared = record.record_id == policy.target and any(rule in rules for rule in _list_rules(other))
        if record.seq == policy.seq or is_shared or other.to_json() == held:
            found.append(Authorship(find_actor(tx, record.seq), "policy", f"of {record.record_id}"))
    return found


def _list_rules(policy: GatePolicy) -> list[Json]:
    """Return what has thresholds in a policy: the primary metric and each guardrail."""
    document = policy.to_json()
    guardrails = document.get("guardrail")
    primary = document.get("primary")
    return [*(guardrails if isinstance(guardrails, list) else []), *([primary] if primary else [])]


def list_findings(tx: Transaction, subject: str) -> list[Finding]:
    """Return the findings on a model or slot, oldest first; one whose closing does not count is open.

    All are read: one that the database put under another subject must not be missed.
    """
    return read_findings(tx, [record for record in tx.records.list_all("finding") if record.subject == subject])


def get_slot_candidate(tx: Transaction, model: str, version: int, slot: str) -> tuple[ModelVersion, Sequence[Placement]]:
    """Return a version and the slot's history. Raises NotFound when the slot has never held anything."""
    chosen = tx.registry.get_version(model, version)
    history = tx.registry.list_placements(slot)
    if not history:
        known = ", ".join(tx.registry.list_slots()) or "none yet"
        raise NotFound(
            f"there is no slot {slot[:200]!r}; there are: {known}. `incumbent propose {model}@{version} --slot {slot}` makes a new one"
        )
    return chosen, history


def _digest(document: Document) -> str:
    return digest_bytes(document_bytes(document), "sha256")
