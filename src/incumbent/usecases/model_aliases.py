"""The verbs of aliases: point one at a version, take it away, read it. A governed alias is moved by promoting, and reads what is live.

An alias that is a word is an appended fact: the newest document of its id holds, and the ledger has who set it, from what, to what.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from incumbent.base.documents import Document
from incumbent.base.errors import NotFound, Refused
from incumbent.registry.alias import GOVERNED, aliases_of, check_alias, own_slot, slots_behind
from incumbent.registry.model import Placement
from incumbent.registry.slot import find_status
from incumbent.registry.transitions import State
from incumbent.usecases.archive import archive
from incumbent.usecases.asked import asked
from incumbent.usecases.governed_ports import Record
from incumbent.usecases.ports import Transaction
from incumbent.usecases.promote import promote
from incumbent.usecases.propose import propose
from incumbent.usecases.recording import Acting, attempting, check_acting, governed, record_act
from incumbent.usecases.roll_back import roll_back
from incumbent.usecases.workspace import Workspace

KIND = "alias"


@dataclass(frozen=True, slots=True)
class SlotsNow:
    """What is live where, read once for one model or for all.

    Attributes:
        names: All slots; of one model, those whose name begins with it and ends with a slot in `live`.
        live: Slot -> its placement in Production.
    """

    names: Collection[str]
    live: Mapping[str, Placement]


def read_slots(tx: Transaction, model: str | None = None) -> SlotsNow:
    """Return what is live in every slot, or of one model."""
    live = {placement.slot: placement for placement in tx.registry.list_live(model)}
    names = tx.registry.list_slots(None if model is None else [f"{model}/{slot}" for slot in live])
    return SlotsNow(frozenset(names), live)


def find_slot(tx: Transaction, model: str, alias: str) -> str | None:
    """Return the slot that an alias of a model is about, None for a word."""
    if alias.lower() in GOVERNED:
        return own_slot(model)
    own, shared = slots_behind(model, alias)
    names = tx.registry.list_slots([own, shared])
    if own in names:
        return own
    is_shared = shared in names and any(placement.model == model for placement in tx.registry.list_placements(shared))
    return shared if is_shared else None


def find_alias(tx: Transaction, model: str, alias: str) -> int | None:
    """Return the number of the version that an alias of a model points at now; None if at none of this model's."""
    slot = find_slot(tx, model, alias)
    if slot is None:
        return _number(tx.records.find(KIND, _id(model, alias)))
    live = tx.registry.find_live(slot)
    return live.version if live is not None and live.model == model else None


def list_aliases(tx: Transaction, model: str, slots: SlotsNow) -> Mapping[str, int]:
    """Return alias -> version of a model: words first, and over them what is live."""
    found: dict[str, int] = {}
    for record in tx.records.list_all(KIND, subject=model):
        alias, number = str(record.body["alias"]), _number(record)
        if number is not None and find_slot(tx, model, alias) is None:
            found[alias] = number
    for slot, placement in slots.live.items():
        if placement.model == model:
            own = f"{model}/{slot}"  # a slot of exactly this name answers before one that is only called like the alias
            found |= {} if own in slots.names else dict.fromkeys(aliases_of(model, slot), placement.version)
    return found


def get_aliases(ws: Workspace, *, model: str) -> Mapping[str, tuple[int, str | None]]:
    """Return alias -> version, and the slot of which it says what is live (None: a word). Raises NotFound when there is no such model."""
    with ws.store.begin(read_only=True) as tx:
        if not tx.registry.list_versions(model):
            raise NotFound(f"there is no model {model[:80]!r}; `incumbent models ls` lists them")
        found = list_aliases(tx, model, read_slots(tx, model))
        return {alias: (number, find_slot(tx, model, alias)) for alias, number in sorted(found.items())}


@asked
def set_alias(ws: Workspace, *, model: str, alias: str, version: int) -> str | None:
    """Point an alias of a model at a version. A governed one is moved by the same acts, gate, quorum and rights as its slot.

    Returns:
        The slot that it moved, None for a word.

    Raises:
        InvalidInput: No alias may be called so.
        NotFound: There is no such version.
        Refused: The actor may not, or the slot's gate, quorum or findings do not let it; the message says all that stands in the way.
        Conflict: Somebody else moved the slot meanwhile.
        Corrupt: The version's bytes are not what was registered.
    """
    check_alias(alias)
    with ws.store.begin(read_only=True) as tx:
        tx.registry.get_version(model, version)
        slot = find_slot(tx, model, alias)
    if slot is not None:
        put_live(ws, model=model, version=version, slot=slot, reason=f"alias {alias} of {model} set")
        return slot
    with attempting(ws, act="set-alias", kind=KIND, object_id=_id(model, alias)), governed(ws) as tx:
        acting = check_acting(ws, tx, "set-alias")
        tx.registry.get_version(model, version)
        if find_slot(tx, model, alias) is not None:
            raise Refused(f"alias {alias} of {model} says what is live since a moment ago; ask again")
        before = _number(tx.records.find(KIND, _id(model, alias)))
        if before != version:
            _record(ws, tx, acting, name=(model, alias), before=before, after=version)
    return None


@asked
def delete_alias(ws: Workspace, *, model: str, alias: str) -> None:
    """Take an alias away; one that is not there is no error.

    Raises:
        InvalidInput: No alias may be called so.
        Refused: It says what is live, so that it goes when that is retired; or the actor may not.
    """
    check_alias(alias)
    with attempting(ws, act="set-alias", kind=KIND, object_id=_id(model, alias)), governed(ws) as tx:
        acting = check_acting(ws, tx, "set-alias")
        now = find_alias(tx, model, alias)
        slot = find_slot(tx, model, alias)
        if slot is not None and now is not None:
            raise Refused(
                f"alias {alias} of {model} says that version {now} is live in slot {slot}; it goes when that version is retired: "
                f"`incumbent archive {model}@{now} --slot {slot}`, or the stage Archived where the slot is {own_slot(model)}"
            )
        if slot is None and now is not None:
            _record(ws, tx, acting, name=(model, alias), before=now, after=None)


def put_live(ws: Workspace, *, model: str, version: int, slot: str, reason: str) -> None:
    """Make a version the one that is live in a slot, by whatever act leads there from where it is: none, if it is live already.

    What is no candidate is not made one on the way: nobody has evaluated it or signed, so that could only be left half done.

    Raises:
        NotFound, Refused, Conflict, Corrupt: As `promote` and `roll_back` say.
    """
    status = status_of(ws, model=model, version=version, slot=slot)
    if status == "Production":
        return
    if status == "Archived":
        roll_back(ws, slot=slot, reason=reason, to=(model, version))
        return
    try:
        promote(ws, model=model, version=version, slot=slot, reason=reason)
    except Refused as error:
        raise Refused(f"{error}\n{_next_step(model, version, slot, status)}") from error


def _next_step(model: str, version: int, slot: str, status: State) -> str:
    if status == "Staging":
        return f"{model}@{version} is a candidate in slot {slot} (Staging), and waits there"
    stage = "the stage Staging, or " if slot == own_slot(model) else ""
    way = f"{stage}`incumbent propose {model}@{version} --slot {slot}`"
    return f"nothing was changed; what makes it a candidate, to be evaluated and signed for: {way}"


def move_to(ws: Workspace, *, model: str, version: int, to: State, reason: str) -> None:
    """Give a version one of MLflow's four words for its life: its status in the model's own slot.

    Raises:
        NotFound: There is no such version.
        Refused: No version goes back to None; or what `propose`, `promote`, `roll_back` and `archive` refuse.
    """
    slot = own_slot(model)
    now = status_of(ws, model=model, version=version, slot=slot)
    if now == to:
        return
    if to == "None":
        raise Refused(
            f"{model}@{version} is {now} in slot {slot}, and no version goes back to None: legal are Staging (a candidate), "
            "Production (promoted) and Archived (turned down or retired)"
        )
    if to == "Staging":
        propose(ws, model=model, version=version, slot=slot, reason=reason)
    elif to == "Production":
        put_live(ws, model=model, version=version, slot=slot, reason=reason)
    else:
        archive(ws, model=model, version=version, slot=slot, reason=reason)


def acts_of_alias(ws: Workspace, *, model: str, alias: str, version: int) -> tuple[str, ...]:
    """Return the acts by which setting an alias now would be done, for asking whether a token leaves them. Raises NotFound."""
    with ws.store.begin(read_only=True) as tx:
        slot = find_slot(tx, model, alias)
    return ("set-alias",) if slot is None else acts_of_move(ws, model=model, version=version, slot=slot, to="Production")


def acts_of_move(ws: Workspace, *, model: str, version: int, slot: str, to: State) -> tuple[str, ...]:
    """Return the acts by which a version would come to a status in a slot from where it is. Raises NotFound."""
    now = status_of(ws, model=model, version=version, slot=slot)
    if to in (now, "None"):
        return ()
    if to == "Production":
        return ("roll-back",) if now == "Archived" else ("promote",)
    return ("propose",) if to == "Staging" else ("reject",) if now == "Staging" else ("archive",)


def status_of(ws: Workspace, *, model: str, version: int, slot: str) -> State:
    """Return a version's status in a slot. Raises NotFound if there is no such version."""
    with ws.store.begin(read_only=True) as tx:
        tx.registry.get_version(model, version)
        return find_status(tx.registry.list_placements(slot), (model, version))


def get_by_alias(tx: Transaction, model: str, alias: str) -> int:
    """Return the number of the version that an alias points at. Raises NotFound."""
    found = find_alias(tx, model, alias)
    if found is None:
        slot = find_slot(tx, model, alias)
        why = f"no version of it is live in slot {slot}" if slot else "nobody has set it"
        raise NotFound(f"Registered model alias {alias[:80]} not found: {why}")
    return found


def _id(model: str, alias: str) -> str:
    return f"{model}:{alias}"


def _number(record: Record | None) -> int | None:
    number = None if record is None else record.body["version"]
    return number if isinstance(number, int) else None


def _record(ws: Workspace, tx: Transaction, acting: Acting, *, name: tuple[str, str], before: int | None, after: int | None) -> None:
    model, alias = name
    body: Document = {"kind": KIND, "model": model, "alias": alias, "version": after, "actor": acting.actor}
    record_act(
        ws, tx, act="set-alias", kind=KIND, object_id=_id(model, alias), acting=acting, body=body,
        before=_name(model, before), after=_name(model, after),
    )  # fmt: skip


def _name(model: str, version: int | None) -> str:
    return "" if version is None else f"{model}@{version}"
