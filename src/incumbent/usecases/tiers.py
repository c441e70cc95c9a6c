"""The verbs on risk tiers: put a model into one, and set what each asks for."""

from collections.abc import Mapping

from incumbent.base.documents import Json
from incumbent.governance.assessment import Assessment, Level, assess, assessment_from_json, check_tier_change
from incumbent.governance.independence import authors
from incumbent.governance.tier import TierPolicy, parse_tier_policy
from incumbent.registry.names import check_model_name
from incumbent.usecases.asked import asked
from incumbent.usecases.authorship import list_all_authorships
from incumbent.usecases.recording import attempting, check_acting, governed, list_people, record_act
from incumbent.usecases.tier_in_force import Tier, find_tier, find_tiers
from incumbent.usecases.workspace import Workspace


@asked
def assess_tier(
    ws: Workspace, *, model: str, exposure: Level, purpose: Level, inherent: Level, reason: str, tier: int | None = None
) -> Assessment:
    """Put a model into a risk tier, from materiality (exposure and purpose) and inherent risk.

    Args:
        ws: The workspace.
        model: Name of the model; it need not be registered yet.
        exposure: How many people or how much money depend on it.
        purpose: How much its answers decide.
        inherent: How easily it goes wrong unseen.
        reason: Why, in words.
        tier: Another tier than the tables give; the reason has to say why.

    Raises:
        InvalidInput: A level or the tier is none.
        Refused: It asks for less than before, and the actor is no approver, or had a hand in the model.
    """
    check_model_name(model)
    with attempting(ws, act="assess-tier", kind="tier", object_id=model), governed(ws) as tx:
        acting = check_acting(ws, tx, "assess-tier")
        made = assess(
            model,
            exposure=exposure,
            purpose=purpose,
            inherent=inherent,
            reason=reason,
            tier=tier,
            assessed_by=acting.actor,
            at=ws.clock.now(),
        )
        before = find_tier(tx, model)
        if acting.person is not None:
            involved = authors(list_all_authorships(tx, model), list_people(tx))
            check_tier_change(before.number, made.tier, acting.actor, involved, acting.roles)
        record_act(
            ws, tx, act="assess-tier", kind="tier", object_id=model, acting=acting, body=made.to_json(),
            before=before.words, after=str(made.tier), reason=reason,
        )  # fmt: skip
    return made


@asked
def set_tiers(ws: Workspace, *, text: str, reason: str = "") -> TierPolicy:
    """Set what each tier asks for from now on; it voids the sign-offs that name what was asked before.

    Raises:
        InvalidInput: The text is no tier policy.
        Refused: The actor is no approver.
    """
    policy = parse_tier_policy(text)
    with attempting(ws, act="set-tiers", kind="tiers", object_id="tiers"), governed(ws) as tx:
        acting = check_acting(ws, tx, "set-tiers")
        record_act(ws, tx, act="set-tiers", kind="tiers", object_id="tiers", acting=acting, body=policy.to_json(), reason=reason)
    return policy


def get_tiers(ws: Workspace) -> TierPolicy:
    """Return what each tier asks for."""
    with ws.store.begin(read_only=True) as tx:
        return find_tiers(tx)


def list_tiers(ws: Workspace, *, after: str = "", limit: int | None = None) -> Mapping[str, Tier]:
    """Return the tier that every registered or assessed model is held to, by name; of those after a name, at most so many."""
    with ws.store.begin(read_only=True) as tx:
        names = {one.model for one in tx.registry_pages.list_models(after=after)}
        names |= {record.record_id for record in tx.records.list_all("tier") if record.record_id > after}
        return {name: find_tier(tx, name) for name in sorted(names)[:limit]}


def list_assessments(ws: Workspace, model: str) -> list[dict[str, Json]]:
    """Return every assessment of a model, oldest first, with the entry that recorded it."""
    with ws.store.begin(read_only=True) as tx:
        return [{**assessment_from_json(record.body).to_json(), "entry": record.seq} for record in tx.records.list_history("tier", model)]
