"""The verb `roll_back`: point a slot at the version before, or at another one that was live there. No rebuild, no new validation.

What is gone back to was promoted here once: its gate passed and its quorum signed, and that has not expired, or was renewed
(`incumbent.usecases.way_back`). Its bytes are verified first. Where the tier asks for approvals of a roll-back and there is no time
for them, one operator may break the glass: the act is signed with their own key, opens a finding with a due date, and the slot takes
no promotion until somebody else has closed it.

The way back is there whatever a clock says: where an entry was written by a clock that was ahead, this one takes its time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from incumbent.base.errors import Conflict, InvalidInput, NotFound, Refused
from incumbent.governance.finding import open_finding
from incumbent.ledger.clock import CLOCK_SLACK, tell_lag
from incumbent.registry.model import ModelVersion, Placement
from incumbent.registry.slot import find_live, find_status, find_target, name_of
from incumbent.usecases.asked import asked
from incumbent.usecases.moving import check_move, move, verify_bundle
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import Acting, attempting, check_acting, governed, record_act
from incumbent.usecases.signing import sign_act
from incumbent.usecases.way_back import check_way_back
from incumbent.usecases.workspace import Workspace

FINDING_DUE = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class RollBack:
    """What changed.

    Attributes:
        left: What was live until now, None if nothing was.
        finding: Id of the finding that breaking the glass opened, "" otherwise.
        lag: How far the clock was behind the ledger's last entry, whose time this one took.
    """

    placement: Placement
    version: ModelVersion
    left: Placement | None
    finding: str = ""
    lag: timedelta = timedelta()


@asked
def roll_back(ws: Workspace, *, slot: str, reason: str, to: tuple[str, int] | None = None, break_glass: bool = False) -> RollBack:
    """Point a slot at the version before, whose bytes are verified first.

    Args:
        ws: The workspace; its actor is the operator.
        slot: The slot.
        reason: Why, in words.
        to: (model, version) to go to; by default the one that `live` names.
        break_glass: Go without the approvals that the tier asks for: signed by the operator, and a finding is opened.

    Raises:
        InvalidInput: There is no reason.
        NotFound: There is no such slot, or nothing to go back to.
        Refused: The target was never live here, its approval has expired and nobody gave another, approvals of the roll-back are
            missing, or a broken glass leaves no choice.
        Conflict: The slot was re-pointed meanwhile.
        Corrupt: The target's bytes are not what was registered.
    """
    if not reason.strip():
        raise InvalidInput(f"rolling back {slot} needs a reason: it stays in the ledger")
    act = "break-glass" if break_glass else "roll-back"
    with attempting(ws, act=act, kind="slot", object_id=slot):
        with ws.store.begin(read_only=True) as tx:
            before, target = _find_target(tx, slot, to)
        verify_bundle(ws, target)
        with governed(ws) as tx:
            return _roll_back(ws, tx, slot=slot, reason=reason, act=act, before=before, target=target)


def _roll_back(
    ws: Workspace, tx: Transaction, *, slot: str, reason: str, act: str, before: Placement | None, target: ModelVersion
) -> RollBack:
    acting = check_acting(ws, tx, act)
    is_break_glass = act == "break-glass"
    left = tx.registry.find_live(slot)
    if left != before:
        raise Conflict(f"slot {slot} was re-pointed meanwhile; look at `incumbent live {slot}` again")
    check_move(tx, target, slot, "Production", act)
    refs = check_way_back(ws, tx, target, slot, break_glass=is_break_glass).refs()
    at = ws.clock.now()
    if left is not None:
        live = tx.registry.get_version(left.model, left.version)
        why = f"rolled back to {target.model}@{target.version}"
        move(ws, tx, acting=acting, act="supersede", version=live, slot=slot, to="Archived", reason=why, at=at, may_lag=True)
    signed = None
    if is_break_glass:
        signed = sign_act(
            ws,
            tx,
            acting=acting,
            act=act,
            kind="placement",
            object_id=f"{slot} {target.model}@{target.version}",
            digests={"bundle": str(target.bundle.digest)},
            at=at,
            before="Archived",
            after="Production",
            reason=reason,
        )
    placement = move(
        ws, tx, acting=acting, act=act, version=target, slot=slot, to="Production", reason=reason, refs=refs, at=at, signed=signed,
        may_lag=True,
    )  # fmt: skip
    finding = _open_finding(ws, tx, acting, slot, placement, at=at) if is_break_glass else ""
    return RollBack(placement, target, left, finding, max(placement.since_at - at, timedelta()))


def _find_target(tx: Transaction, slot: str, to: tuple[str, int] | None) -> tuple[Placement | None, ModelVersion]:
    history = tx.registry.list_placements(slot)
    if not history:
        raise NotFound(f"there is no slot {slot[:200]!r}; there are: {', '.join(tx.registry.list_slots()) or 'none yet'}")
    live = find_live(history)
    found = to or find_target(history)
    if found is None and not any(placement.status == "Production" for placement in history):
        names = sorted({name_of(placement) for placement in history})
        waiting = ", ".join(f"{model}@{version}" for model, version in names if find_status(history, (model, version)) == "Staging")
        to_do = f"`incumbent promote` puts a candidate in: {waiting}" if waiting else "`incumbent propose` makes a version a candidate"
        raise NotFound(f"nothing was ever live in slot {slot}, so there is nothing to roll back; {to_do}")
    if found is None:
        raise NotFound(
            f"slot {slot} has nothing to roll back to: none was live there before what is live now; name another one with --to, "
            "or stop it with `incumbent archive`"
        )
    if live is not None and found == (live.model, live.version):
        raise Refused(f"{live.model}@{live.version} is live in slot {slot} already")
    return live, tx.registry.get_version(*found)


def _open_finding(ws: Workspace, tx: Transaction, acting: Acting, slot: str, placement: Placement, *, at: datetime) -> str:
    name, lag = ws.ids.new("finding"), placement.since_at - at
    clock = f", by a clock that is {tell_lag(lag)} behind the ledger" if lag > CLOCK_SLACK else ""
    finding = open_finding(
        name,
        kind="break-glass",
        title=f"{slot} was rolled back to {placement.model}@{placement.version} without the approvals of its tier{clock}",
        severity="high",
        subject=slot,
        opened_by=acting.actor,
        opened_at=at,
        due_at=at + FINDING_DUE,
    )
    record_act(
        ws, tx, act="open-finding", kind="finding", object_id=name, acting=acting, body=finding.to_json(),
        refs={"cause": str(placement.seq)}, at=at, may_lag=True,
    )  # fmt: skip
    return name
