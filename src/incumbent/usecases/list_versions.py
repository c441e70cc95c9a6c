"""The verbs `models ls` and `models show`: versions, with their manifests and the slots that hold them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from incumbent.base.documents import Document
from incumbent.base.errors import NotFound
from incumbent.registry.model import ModelVersion, Placement
from incumbent.usecases.ports import Transaction
from incumbent.usecases.registry_ports import ModelCount
from incumbent.usecases.workspace import Workspace

NAMED_MAX = 20
"""How many names a message lists, of all that there are."""


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A version.

    Attributes:
        manifest: What was registered, every file by SHA-256; empty in a list.
        placements: Its newest placement in each slot that ever held it.
    """

    version: ModelVersion
    manifest: Document
    placements: tuple[Placement, ...]


def list_versions(ws: Workspace, *, model: str | None = None) -> Sequence[VersionRecord]:
    """Return all versions, newest first.

    Raises:
        NotFound: `model` has none; the message names models that there are.
    """
    with ws.store.begin(read_only=True) as tx:
        found = tx.registry.list_versions(model)
        if model is not None:  # the whole history is long, and that of a model's versions is not
            check_model(tx, model)
            return [VersionRecord(version, {}, list_version_placements(tx, version)) for version in found]
        placed: dict[tuple[str, int], list[Placement]] = {}
        for placement in tx.registry.list_placements():
            placed.setdefault((placement.model, placement.version), []).append(placement)
        return [VersionRecord(one, {}, _newest_by_slot(placed.get((one.model, one.version), []))) for one in found]


def page_versions(
    ws: Workspace, *, limit: int, model: str | None = None, before: tuple[datetime, str, int] | None = None
) -> Sequence[VersionRecord]:
    """Return versions, newest first.

    Args:
        ws: The workspace.
        limit: At most so many.
        model: Only its versions.
        before: When the last one of the page before was made, its model and its number.

    Raises:
        NotFound: `model` has none; the message names models that there are.
    """
    with ws.store.begin(read_only=True) as tx:
        if model is not None:
            check_model(tx, model)
        found = tx.registry_pages.list_versions(limit=limit, model=model, before=before)
        return [VersionRecord(version, {}, list_version_placements(tx, version)) for version in found]


def page_models(ws: Workspace, *, limit: int, after: str = "") -> Sequence[ModelCount]:
    """Return at most so many models that have versions, by name, those after a name."""
    with ws.store.begin(read_only=True) as tx:
        return tx.registry_pages.list_models(after=after, limit=limit)


def check_model(tx: Transaction, model: str) -> None:
    """Pass if a model has a version. Raises NotFound, which names models that there are."""
    if tx.registry.find_newest(model) is None:
        known = [one.model for one in tx.registry_pages.list_models(limit=NAMED_MAX)]
        raise NotFound(f"there is no model {model[:80]!r}; there are: {', '.join(known) or 'none yet'}")


def get_version(ws: Workspace, *, model: str, version: int) -> VersionRecord:
    """Return one version with its manifest.

    Raises:
        NotFound: There is no such version.
        Corrupt: Its manifest is not what was registered.
    """
    with ws.store.begin(read_only=True) as tx:
        found = tx.registry.get_version(model, version)
        return VersionRecord(found, tx.documents.get(found.manifest), list_version_placements(tx, found))


def list_version_placements(tx: Transaction, version: ModelVersion) -> tuple[Placement, ...]:
    """Return a version's newest placement in each slot that ever held it."""
    return _newest_by_slot(tx.registry.list_placements(name=(version.model, version.version)))


def _newest_by_slot(placements: Sequence[Placement]) -> tuple[Placement, ...]:
    """Return, of one version's placements (newest first), the newest in each slot."""
    newest: dict[str, Placement] = {}
    for placement in placements:
        newest.setdefault(placement.slot, placement)
    return tuple(newest.values())
