"""The verb `live`: what answers in each slot, since when, who approved it, on which evidence, and what to roll back to.

All of it follows from the slot's history and from the one ledger entry that promoted the version: nothing is gathered anew, so
what is shown is what was decided on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput, NotFound
from incumbent.governance.person import key_from_json
from incumbent.governance.vouching import NO_BACKING, Backing
from incumbent.ledger.entry import Entry
from incumbent.ledger.primitives import AHEAD_MAX
from incumbent.registry.grounds import FOUNDER, POLICY_CHANGED, SIGN_OFF, read_backing
from incumbent.registry.model import ModelVersion, Placement
from incumbent.registry.slot import Name, at_time, find_live, find_target, name_of
from incumbent.usecases.list_versions import NAMED_MAX
from incumbent.usecases.ports import Transaction
from incumbent.usecases.standing import bound, read_words
from incumbent.usecases.workspace import Workspace

PROMOTION, EVIDENCE = "promotion", "evidence-entry"
"""How the entry of a promotion names what it rests on: numbers of earlier entries."""


@dataclass(frozen=True, slots=True)
class Approval:
    """A sign-off that a promotion rests on: who, which act, when, and the number of its entry.

    Attributes:
        backing: On whose word it rested, when the version was promoted, that this is the person's signature.
    """

    person: str
    act: str
    at: datetime
    seq: int
    backing: Backing = NO_BACKING

    @property
    def words(self) -> str:
        """On whose word it rests that this is the person's signature; "" if that is not known."""
        return self.backing.words

    def to_json(self) -> dict[str, Json]:
        """Return the document form."""
        vouched, bound = self.backing.vouched, self.backing.bound
        return {
            "person": self.person, "act": self.act, "at": self.at.isoformat(), "entry": self.seq,
            "vouched_by": vouched[0] if vouched else "", "vouched_through": [*vouched[1:]],
            "bound_by": bound[0] if bound else "", "bound_through": [*bound[1:]],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Basis:
    """What a version's place rests on.

    Attributes:
        act: How it came to be live last: "promote", "roll-back", "break-glass".
        entry: Number of that entry.
        approvals: The sign-offs of its promotion, and of the way back to it.
        evidence: Digest of the evidence of its promotion, "" from before there were gates.
        evidence_entry: Number of the entry that recorded it, None likewise.
        verdict: What the gate said, in a word.
        tier: The tier that it was promoted under, in words.
        founder: Whoever began the installation, where they are an author of the version, and all the sign-offs rest on them; or "".
        policy_change: How the policy differed from that of the first look at the version, in words; or "".
    """

    act: str
    entry: int
    approvals: tuple[Approval, ...]
    evidence: str
    evidence_entry: int | None
    verdict: str
    tier: str
    founder: str = ""
    policy_change: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return the document form."""
        approvals: list[Json] = [approval.to_json() for approval in self.approvals]
        evidence: Json = {"digest": self.evidence, "entry": self.evidence_entry, "verdict": self.verdict} if self.evidence else None
        return {
            "act": self.act, "entry": self.entry, "approvals": approvals, "evidence": evidence, "tier": self.tier, "founder": self.founder,
            "policy_change": self.policy_change,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class LiveSlot:
    """A slot now, or at a time.

    Attributes:
        live: The placement in Production, None if nothing answers there.
        version: The version it places.
        basis: What its place rests on, None for one from before there was a ledger.
        roll_back_to: The version that a roll-back goes to, None if there is none.
        staging: Versions that ask for the place, newest first.
    """

    slot: str
    live: Placement | None
    version: ModelVersion | None
    basis: Basis | None
    roll_back_to: Name | None
    staging: tuple[Placement, ...]

    def to_json(self) -> Document:
        """Return the document that every face shows."""
        live: Json = None
        if self.live is not None and self.version is not None:
            basis = self.basis.to_json() if self.basis else None
            live = {**describe_placement(self.live), "digest": self.version.bundle.digest, "run": self.version.run_id, "basis": basis}
        return {
            "slot": self.slot,
            "live": live,
            "roll_back_to": {"model": self.roll_back_to[0], "version": self.roll_back_to[1]} if self.roll_back_to else None,
            "staging": [describe_placement(placement) for placement in self.staging],
        }


def describe_placement(placement: Placement) -> dict[str, Json]:
    """Return a placement as a document."""
    return {
        "model": placement.model,
        "version": placement.version,
        "status": placement.status,
        "since": placement.since_at.isoformat(),
        "actor": placement.actor,
        "reason": placement.reason,
        "entry": placement.seq,
    }


def list_live(ws: Workspace, *, after: str = "", limit: int | None = None) -> Sequence[LiveSlot]:
    """Return every slot, by name; of those after a name, at most so many."""
    with ws.store.begin(read_only=True) as tx:
        names = [slot for slot in tx.registry.list_slots() if slot > after][:limit]
        return [_describe(tx, slot, tx.registry.list_placements(slot)) for slot in names]


def count_slots(ws: Workspace) -> int:
    """Return how many slots there are."""
    with ws.store.begin(read_only=True) as tx:
        return len(tx.registry.list_slots())


def get_live(ws: Workspace, slot: str, at: datetime | None = None) -> LiveSlot:
    """Return one slot, now or as it was at a time.

    Raises:
        InvalidInput: The time has not come.
        NotFound: Nothing was ever placed there (by then); the message lists the slots that are.
    """
    with ws.store.begin(read_only=True) as tx:
        history = tx.registry.list_placements(slot)
        if at is not None:
            _check_past(ws, history, at)
            history = at_time(history, at)
        if not history:
            raise _no_slot(tx, slot, at)
        return _describe(tx, slot, history)


def _check_past(ws: Workspace, history: Sequence[Placement], at: datetime) -> None:
    """Pass if a time has come, by the clock here or by the ledger. Raises InvalidInput: nobody knows what will be live."""
    now = max([ws.clock.now(), *(placement.since_at for placement in history)])
    if at > now + AHEAD_MAX:
        raise InvalidInput(
            f"{at.isoformat()} has not come yet, it is {now.isoformat(timespec='seconds')}: leave the time out to see the slot as it is"
        )


def list_history(ws: Workspace, slot: str) -> Sequence[Placement]:
    """Return every placement of a slot, newest first.

    Raises:
        NotFound: Nothing was ever placed there.
    """
    with ws.store.begin(read_only=True) as tx:
        found = tx.registry.list_placements(slot)
        if not found:
            raise _no_slot(tx, slot)
        return found


def page_history(ws: Workspace, slot: str, *, limit: int, before: int | None = None) -> Sequence[tuple[int, Placement]]:
    """Return placements of a slot, newest first, each with its place in the slot's history, counted from 0, the first ever.

    Args:
        ws: The workspace.
        slot: Its name.
        limit: At most so many.
        before: Only those before this place.

    Raises:
        NotFound: Nothing was ever placed there.
    """
    with ws.store.begin(read_only=True) as tx:
        found = tx.registry_pages.list_history(slot, limit=limit, before=before)
        if not found and before is None:
            raise _no_slot(tx, slot)
        return found


def _no_slot(tx: Transaction, slot: str, at: datetime | None = None) -> NotFound:
    asked = f"there was no slot {slot[:200]!r} at {at.isoformat()}" if at else f"there is no slot {slot[:200]!r}"
    return NotFound(f"{asked}; there are: {', '.join(tx.registry.list_slots()[:NAMED_MAX]) or 'none yet'}")


def _describe(tx: Transaction, slot: str, history: Sequence[Placement]) -> LiveSlot:
    live = find_live(history)
    newest: dict[Name, Placement] = {}
    for placement in history:
        newest.setdefault(name_of(placement), placement)
    return LiveSlot(
        slot=slot,
        live=live,
        version=tx.registry.get_version(live.model, live.version) if live else None,
        basis=find_basis(tx, live) if live else None,
        roll_back_to=find_target(history),
        staging=tuple(placement for placement in newest.values() if placement.status == "Staging"),
    )


def find_basis(tx: Transaction, placement: Placement) -> Basis | None:
    """Return what a placement in Production rests on: a roll-back rests on the promotion that it goes back to."""
    if placement.seq is None:
        return None
    made = tx.ledger.get(placement.seq)
    promotion = tx.ledger.get(int(made.draft.refs[PROMOTION])) if PROMOTION in made.draft.refs else made
    refs = promotion.draft.refs
    signed = {
        int(seq): read_backing(entry.draft.refs, name)
        for entry in (promotion, made)
        for name, seq in entry.draft.refs.items()
        if name.startswith(SIGN_OFF)
    }
    evidence = int(refs[EVIDENCE]) if EVIDENCE in refs else None
    return Basis(
        act=made.draft.act,
        entry=placement.seq,
        approvals=tuple(_read_approval(tx, tx.ledger.get(seq), signed[seq]) for seq in sorted(signed)),
        evidence=refs.get("evidence", ""),
        evidence_entry=evidence,
        verdict=tx.ledger.get(evidence).draft.after if evidence is not None else "",
        tier=refs.get("tier-name", ""),
        founder=made.draft.refs.get(FOUNDER) or refs.get(FOUNDER, ""),
        policy_change=refs.get(POLICY_CHANGED, ""),
    )


def find_promotion(tx: Transaction, seq: int) -> str:
    """Return the number of the promotion that an entry which put a version into Production goes back to: itself, or the one it names."""
    return tx.ledger.get(seq).draft.refs.get(PROMOTION, str(seq))


def _read_approval(tx: Transaction, entry: Entry, backing: Backing | None) -> Approval:
    who = entry.draft.actor.actor_id
    if backing is None:  # from before promotions named those who vouched: the last of them, as of the signature
        record = tx.records.find("sign-off", entry.draft.object.object_id)
        keys = tx.records.list_history("key", str(record.body.get("key_id"))) if record is not None else []
        words = [word.voucher for word in read_words(tx, who) if word.voucher and word.seq < entry.seq]
        backing = Backing(tuple(words[-1:]), tuple(bound(tx, key_from_json(key.body)).bound_by for key in keys[:1]))
    return Approval(who, entry.draft.act, entry.at, entry.seq, backing)
