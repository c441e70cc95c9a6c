"""The verb `promote`: place a version in Production of a slot. No gate and no sign-off stand before it in this release."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from incumbent.base.errors import Conflict, Refused
from incumbent.registry.model import ModelVersion, Placement
from incumbent.registry.names import check_slot_name
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Promotion:
    """What changed.

    Attributes:
        superseded: The placement that was in Production until now, None if the slot was empty.
    """

    placement: Placement
    version: ModelVersion
    superseded: Placement | None


def promote(ws: Workspace, *, model: str, version: int, slot: str, reason: str) -> Promotion:
    """Make a version the one that answers in a slot; the one that did is archived in the same transaction.

    Its bundle is read and verified first, so a version whose bytes are damaged never goes live. Rolling back is promoting the
    earlier version again.

    Args:
        ws: The workspace; its actor is recorded.
        model: Name of the model.
        version: Its number.
        slot: The slot, e.g. "flights-late/nyc"; a new name makes a new slot.
        reason: Why, in words; kept in the slot's history.

    Raises:
        InvalidInput: The slot's name is not legal.
        NotFound: There is no such version.
        Refused: It is live there already, or has no `bundle.json` and so could not answer.
        Conflict: Another promotion into the slot came in between.
        Corrupt: The bundle's bytes are not what was registered.
    """
    check_slot_name(slot)
    with ws.store.begin(read_only=True) as tx:
        chosen = tx.registry.get_version(model, version)
        before = tx.registry.find_live(slot)
    if before is not None and (before.model, before.version) == (model, version):
        raise Refused(f"{model}@{version} is already in Production in slot {slot}, since {before.since_at:%Y-%m-%d %H:%M:%S} UTC")
    if "bundle" not in chosen.facts:
        raise Refused(f"{model}@{version} cannot be served: its artifact has no bundle.json; pack one with incumbent.pack_bundle")
    _verify(ws, chosen)
    placement = Placement(slot, model, version, "Production", ws.clock.now(), ws.actor, reason)
    with ws.store.begin() as tx:
        now = tx.registry.find_live(slot)
        if now != before:
            raise Conflict(f"slot {slot} was re-pointed while {model}@{version} was being verified; look at `incumbent live {slot}` again")
        tx.registry.place(placement)
    return Promotion(placement, chosen, before)


def _verify(ws: Workspace, version: ModelVersion) -> None:
    scratch = ws.folder / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="promote-", dir=scratch) as folder:
        ws.codecs.decode(version.bundle, Path, ws.blobs, Path(folder))
