"""The verb `promote`: put a candidate into Production of its slot, if its gate passed, its quorum signed, and nothing blocks it.

Everything is judged inside the one transaction that does it, on what the ledger holds at that moment: the evidence by its digest, the
policy that was in force before it, the sign-offs on exactly these digests, the independence of those who signed. What was live
is archived in the same transaction, and the database itself keeps a second version from being in Production beside it.
"""

from dataclasses import dataclass

from incumbent.base.errors import Conflict, InvalidInput, Refused
from incumbent.registry.model import ModelVersion, Placement
from incumbent.registry.names import check_slot_name
from incumbent.usecases.asked import asked
from incumbent.usecases.live import Basis, find_basis
from incumbent.usecases.moving import check_move, move, verify_bundle
from incumbent.usecases.readiness import Readiness, judge_readiness
from incumbent.usecases.recording import attempting, check_acting, governed
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Promotion:
    """What changed.

    Attributes:
        superseded: The placement that was in Production until now, None if the slot was empty.
        basis: What its place rests on, as `live` tells it from now on.
    """

    placement: Placement
    version: ModelVersion
    superseded: Placement | None
    basis: Basis | None


@dataclass(frozen=True, slots=True)
class JudgedPromotion(Promotion):
    """What changed, with the workspace at hand.

    Attributes:
        readiness: What it was judged by.
    """

    readiness: Readiness


@asked
def promote(ws: Workspace, *, model: str, version: int, slot: str, reason: str) -> JudgedPromotion:
    """Make a candidate the version that answers in a slot; the one that did is archived in the same transaction.

    Args:
        ws: The workspace; its actor is the operator.
        model: Name of the model.
        version: Its number.
        slot: The slot, e.g. "flights-late/nyc".
        reason: Why, in words; kept in the slot's history and in the ledger.

    Raises:
        InvalidInput: The slot's name is not legal, or there is no reason.
        NotFound: There is no such version.
        Refused: It is no candidate there, it could not answer, its gate did not pass, sign-offs are missing, a finding blocks the
            slot, or the actor may not. The message says all that stands in the way.
        Conflict: Another promotion into the slot came in between.
        Corrupt: The bundle's bytes are not what was registered.
    """
    check_slot_name(slot)
    if not reason.strip():
        raise InvalidInput(f"promoting {model}@{version} needs a reason: it stays in the ledger")
    name = f"{model}@{version}"
    with ws.store.begin(read_only=True) as tx:
        chosen = tx.registry.get_version(model, version)
        before = tx.registry.find_live(slot)
    with attempting(ws, act="promote", kind="placement", object_id=f"{slot} {name}"):
        _check_candidate(ws, chosen, slot)
        verify_bundle(ws, chosen)
        with governed(ws) as tx:
            acting = check_acting(ws, tx, "promote")
            if tx.registry.find_live(slot) != before:
                raise Conflict(f"slot {slot} was re-pointed while {name} was being verified; look at `incumbent live {slot}` again")
            readiness = judge_readiness(ws, tx, chosen, slot)
            if readiness.problems:
                listed = "\n  - ".join(readiness.problems)
                raise Refused(f"{name} may not go into Production in {slot}:\n  - {listed}")
            at = None
            if before is not None:
                live = tx.registry.get_version(before.model, before.version)
                moved = move(ws, tx, acting=acting, act="supersede", version=live, slot=slot, to="Archived", reason=f"replaced by {name}")
                at = moved.since_at
            placement = move(
                ws,
                tx,
                acting=acting,
                act="promote",
                version=chosen,
                slot=slot,
                to="Production",
                reason=reason,
                refs=readiness.refs(),
                at=at,
            )
            basis = find_basis(tx, placement)
    return JudgedPromotion(placement, chosen, before, basis, readiness)


def check_promotion(ws: Workspace, *, model: str, version: int, slot: str) -> Readiness:
    """Say what a promotion would be judged by, and what stands in its way, without doing or recording anything.

    Raises:
        NotFound: There is no such version.
        Refused: It is no candidate there.
    """
    with ws.store.begin(read_only=True) as tx:
        chosen = tx.registry.get_version(model, version)
    _check_candidate(ws, chosen, slot)
    with ws.store.begin(read_only=True) as tx:
        return judge_readiness(ws, tx, chosen, slot)


def _check_candidate(ws: Workspace, version: ModelVersion, slot: str) -> None:
    """Raise what can be told before anything is verified: no candidate, or nothing that could answer."""
    with ws.store.begin(read_only=True) as tx:
        check_move(tx, version, slot, "Production", "promote")
    if "bundle" not in version.facts:
        raise Refused(
            f"{version.model}@{version.version} cannot be served: its artifact has no bundle.json; pack one with incumbent.pack_bundle"
        )
