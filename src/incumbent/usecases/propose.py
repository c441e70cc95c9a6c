"""The verb `propose`: make a registered version a candidate in a slot (None -> Staging)."""

from incumbent.registry.model import Placement
from incumbent.registry.names import check_slot_name
from incumbent.usecases.asked import asked
from incumbent.usecases.moving import move, verify_bundle
from incumbent.usecases.recording import attempting, check_acting, governed
from incumbent.usecases.workspace import Workspace


@asked
def propose(ws: Workspace, *, model: str, version: int, slot: str, reason: str = "proposed for this slot") -> Placement:
    """Make a version a candidate in a slot; a new name makes a new slot.

    Raises:
        InvalidInput: The slot's name is not legal.
        NotFound: There is no such version.
        Refused: It is or was in this slot already, or the actor may not propose.
        Corrupt: Its bundle's bytes are not what was registered.
    """
    check_slot_name(slot)
    with attempting(ws, act="propose", kind="placement", object_id=f"{slot} {model}@{version}"):
        with ws.store.begin(read_only=True) as tx:
            chosen = tx.registry.get_version(model, version)
        verify_bundle(ws, chosen)
        with governed(ws) as tx:
            acting = check_acting(ws, tx, "propose")
            return move(ws, tx, acting=acting, act="propose", version=chosen, slot=slot, to="Staging", reason=reason)
