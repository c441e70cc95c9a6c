"""What is on record about one version: manifest, tier, evidence, sign-offs, notes and tags, in one value."""

from collections.abc import Mapping
from dataclasses import dataclass

from incumbent.base.documents import Json
from incumbent.governance.sign_off import SignOff, sign_off_from_json
from incumbent.usecases.annotate import VersionNote, find_tags, list_notes
from incumbent.usecases.evidence import Evidence, read_evidence
from incumbent.usecases.list_versions import VersionRecord, list_version_placements
from incumbent.usecases.tier_in_force import Tier, find_tier
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class VersionCard:
    """One version, and all that was said and signed of it.

    Attributes:
        tier: Of its model by itself.
        slot_tiers: Slot that it has a status in -> the tier that it is held to there, where that is another model's.
        sign_offs: (number of the entry, sign-off), oldest first.
    """

    record: VersionRecord
    tier: Tier
    slot_tiers: Mapping[str, Tier]
    evidence: tuple[Evidence, ...]
    sign_offs: tuple[tuple[int, SignOff], ...]
    notes: tuple[VersionNote, ...]
    tags: Mapping[str, str]

    def to_json(self) -> dict[str, Json]:
        """Return the document form, without the version itself."""
        evidence: list[Json] = [found.to_json() for found in self.evidence]
        sign_offs: list[Json] = [{**given.to_json(), "entry": seq} for seq, given in self.sign_offs]
        notes: list[Json] = [{"actor": n.actor, "at": n.at.isoformat(), "text": n.text, "entry": n.entry} for n in self.notes]
        slots: dict[str, Json] = {slot: {"tier": tier.number, "words": tier.words} for slot, tier in self.slot_tiers.items()}
        tier: Json = {
            "tier": self.tier.number, "words": self.tier.words, "is_assessed": self.tier.assessment is not None, "in_slots": slots,
        }  # fmt: skip
        return {"tier": tier, "evidence": evidence, "sign_offs": sign_offs, "notes": notes, "tags": dict(self.tags)}


def get_version_card(ws: Workspace, *, model: str, version: int) -> VersionCard:
    """Return what is on record about a version.

    Raises:
        NotFound: There is no such version.
        Corrupt: Something of it is not what was recorded.
    """
    name = f"{model}@{version}"
    with ws.store.begin(read_only=True) as tx:
        found = tx.registry.get_version(model, version)
        placed = list_version_placements(tx, found)
        tiers = {placement.slot: find_tier(tx, model, placement.slot) for placement in placed}
        signed = [(record.seq, sign_off_from_json(record.body)) for record in tx.records.list_all("sign-off", subject=model)]
        return VersionCard(
            record=VersionRecord(found, tx.documents.get(found.manifest), placed),
            tier=find_tier(tx, model),
            slot_tiers={slot: tier for slot, tier in tiers.items() if tier.inherited_from},
            evidence=tuple(read_evidence(record) for record in tx.records.list_all("evidence", subject=name)),
            sign_offs=tuple((seq, given) for seq, given in signed if given.version == version),
            notes=tuple(list_notes(tx, name)),
            tags=find_tags(tx, name),
        )
