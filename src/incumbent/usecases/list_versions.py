"""The verbs `models ls` and `models show`: versions, with their manifests and the slots that hold them."""

from collections.abc import Sequence
from dataclasses import dataclass

from incumbent.base.documents import Document
from incumbent.base.errors import NotFound
from incumbent.registry.model import ModelVersion, Placement
from incumbent.usecases.ports import Transaction
from incumbent.usecases.workspace import Workspace


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
    """Return versions, newest first.

    Raises:
        NotFound: `model` has none; the message lists the models that are.
    """
    with ws.store.begin(read_only=True) as tx:
        found = tx.registry.list_versions(model)
        if model is not None and not found:
            known = sorted({version.model for version in tx.registry.list_versions()})
            raise NotFound(f"there is no model {model[:80]!r}; there are: {', '.join(known) or 'none yet'}")
        if model is not None:  # the whole history is long, and that of a model's versions is not
            return [VersionRecord(version, {}, list_version_placements(tx, version)) for version in found]
        history = tx.registry.list_placements()
        return [VersionRecord(version, {}, find_placements(version, history)) for version in found]


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
    return find_placements(version, tx.registry.list_placements(name=(version.model, version.version)))


def find_placements(version: ModelVersion, history: Sequence[Placement]) -> tuple[Placement, ...]:
    """Return, of a history (newest first), a version's newest placement in each slot."""
    newest: dict[str, Placement] = {}
    for placement in history:
        if (placement.model, placement.version) == (version.model, version.version):
            newest.setdefault(placement.slot, placement)
    return tuple(newest.values())
