"""The verb `sign_off`: a person's signed word on a version in a slot: validated, approved, the risk accepted, or rejected.

It names the digests of bundle, evidence, policy and tier as they are now, so whatever changes later voids it. Who may is judged
here, over the whole lineage, and judged again when the version is promoted: what was independent then must be independent now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from incumbent.base.errors import InvalidInput, Refused
from incumbent.governance.independence import Authorship, authors, check_independence
from incumbent.governance.quorum import tell_admin
from incumbent.governance.sign_off import ACT_OF, MEANT, Meaning, Seat, SignOff
from incumbent.registry.names import check_slot_name
from incumbent.usecases.asked import asked
from incumbent.usecases.authorship import list_authorships
from incumbent.usecases.evidence import find_evidence
from incumbent.usecases.ports import Transaction
from incumbent.usecases.readiness import Readiness, find_policy, get_slot_candidate, judge_readiness, list_threshold_authorships, names_now
from incumbent.usecases.recording import Acting, attempting, check_acting, governed, list_people, record_act
from incumbent.usecases.signing import find_dependence, name_signed, sign_act
from incumbent.usecases.tier_in_force import Tier, find_tier
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class SignedOff:
    """A sign-off, and what is still missing for promotion after it."""

    sign_off: SignOff
    entry: int
    readiness: Readiness


@asked
def sign_off(
    ws: Workspace, *, model: str, version: int, slot: str, capacity: Seat, meaning: Meaning | None = None, comment: str = ""
) -> SignedOff:
    """Sign for a version in a slot, as validator or approver, with one's own key.

    Args:
        ws: The workspace; its actor signs.
        model: Name of the model.
        version: Its number.
        slot: The slot that it is a candidate for, or was live in (for an approval of going back to it).
        capacity: In which role.
        meaning: By default "validated" of a validator and "approved" of an approver; or "rejected", or "accepted-risk".
        comment: In words; kept behind a commitment when long.

    Raises:
        InvalidInput: A role does not sign with this meaning; a rejection or accepted risk has no comment.
        NotFound: No such version or slot, or the signer's key is not on this machine.
        Refused: There is no evidence to sign, the signer had a part in the version, has not the role, or has no good key; or they are
            an admin, or known here only on the word of somebody who had a part in the version.
    """
    check_slot_name(slot)
    meant: Meaning = meaning or MEANT.get(capacity, "approved")
    act = ACT_OF.get((capacity, meant))
    if act is None:
        legal = ", ".join(sorted(word for role, word in ACT_OF if role == capacity)) or "nothing: validators and approvers sign"
        raise InvalidInput(f"a {capacity} does not sign {meant!r}; they sign: {legal}")
    if meant in {"rejected", "accepted-risk"} and not comment.strip():
        raise InvalidInput(f"{meant} needs a comment that says why, or which risk: it stays in the ledger")
    name = f"{model}@{version}"
    with attempting(ws, act=act, kind="version", object_id=name), governed(ws) as tx:
        acting = check_acting(ws, tx, act)
        chosen, _ = get_slot_candidate(tx, model, version, slot)
        tier = find_tier(tx, model, slot)
        policy = find_policy(tx, model, tier.number, slot)
        evidence = find_evidence(tx, chosen, slot)
        if evidence is None:
            raise Refused(
                f"there is no evidence on {name} for {slot} that could be signed: `incumbent evaluate {name} --slot {slot}` first"
            )
        authorships = list_authorships(tx, chosen, list_threshold_authorships(tx, policy, tier))
        is_self = _is_self(ws, tx, acting, act, meaning=meant, tier=tier, authorships=authorships, subject=name)
        now = ws.clock.now()
        names = names_now(chosen, evidence, policy, tier)
        sign_off_id = name_signed(ws, tx, "sign-off")
        signed = sign_act(
            ws, tx, acting=acting, act=act, kind="sign-off", object_id=sign_off_id, digests=names, at=now, after=meant,
            reason=comment,
        )  # fmt: skip
        given = SignOff(
            sign_off_id=sign_off_id,
            model=model,
            version=version,
            slot=slot,
            person_id=acting.actor,
            role=capacity,
            meaning=meant,
            names=names,
            key_id=signed.key_id,
            at=now,
            expires_at=now + timedelta(days=tier.rule.valid_days),
            statement=signed.statement,
            is_self=is_self,
        )
        entry = record_act(
            ws, tx, act=act, kind="sign-off", object_id=sign_off_id, acting=acting, body=given.to_json(), refs=names,
            after=meant, reason=signed.reason, payloads=signed.payloads, statement=signed.statement, at=now,
        )  # fmt: skip
        readiness = judge_readiness(ws, tx, chosen, slot)
    return SignedOff(given, entry.seq, readiness)


def _is_self(
    ws: Workspace,
    tx: Transaction,
    acting: Acting,
    act: str,
    *,
    meaning: Meaning,
    tier: Tier,
    authorships: Sequence[Authorship],
    subject: str,
) -> bool:
    """Return whether the signer, or who vouched for them, had a part in the version, which only a tier with self-approval allows.

    Anybody may reject who had no part in it themselves. Raises Refused.
    """
    if acting.person is None:  # nobody is known here: signing itself says what to do first
        return False
    people = list_people(tx)
    try:
        check_independence(acting.actor, act, authorships, people, subject=subject)
    except Refused:
        if not tier.rule.self_approval:
            raise
        return True
    if meaning == "rejected":
        return False
    involved, is_grouped = authors(authorships, people), tier.rule.distinct_groups
    told = find_dependence(ws, tx, acting, act, involved=involved, people=people, subject=subject, is_grouped=is_grouped)
    if tier.rule.self_approval:
        return bool(told)
    if told:
        raise Refused(f"{acting.actor} may not {act}: {told}")
    if "admin" in acting.roles:
        raise Refused(f"{acting.actor} may not {act}: {tell_admin(acting.actor)}")
    return False
