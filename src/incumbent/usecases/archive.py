"""The verb `archive`: take a version out of a slot, as a rejected candidate or as a retired one. Nothing is deleted."""

from incumbent.base.errors import InvalidInput
from incumbent.registry.model import Placement
from incumbent.registry.slot import find_status
from incumbent.usecases.asked import asked
from incumbent.usecases.moving import move
from incumbent.usecases.recording import attempting, check_acting, governed
from incumbent.usecases.workspace import Workspace


@asked
def archive(ws: Workspace, *, model: str, version: int, slot: str, reason: str) -> Placement:
    """Reject a candidate (Staging -> Archived) or retire what is live (Production -> Archived: the slot answers no more).

    Raises:
        InvalidInput: There is no reason.
        NotFound: There is no such version.
        Refused: The version is neither in Staging nor in Production there, or the actor may not.
    """
    if not reason.strip():
        raise InvalidInput(f"taking {model}@{version} out of {slot} needs a reason: it stays in the ledger")
    with attempting(ws, act="archive", kind="placement", object_id=f"{slot} {model}@{version}"), governed(ws) as tx:
        chosen = tx.registry.get_version(model, version)
        status = find_status(tx.registry.list_placements(slot), (model, version))
        act = "reject" if status == "Staging" else "archive"
        acting = check_acting(ws, tx, act)
        return move(ws, tx, acting=acting, act=act, version=chosen, slot=slot, to="Archived", reason=reason)
