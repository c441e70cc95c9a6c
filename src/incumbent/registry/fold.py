"""The registry as the ledger tells it: every governed row that must be there, computed from entries alone.

    fold(entries, adopted, documents)    what must be there
    compare(expected, found)             each difference from what is there, in words

The database's triggers refuse a row without an entry. Whoever may drop a trigger can still write rows, so `ledger reconcile` does
not ask the database whether it is right: it computes the registry again from the bytes that the tree holds, and compares. A row
is compared by what its entry says of it. What an entry does not say (a document's text) it names by digest, and the document is
held to that. What a version went live on is judged again too: see `incumbent.registry.grounds`.

Rows from before the ledger have no entry of their own: the document of the ledger's first entry names them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from incumbent.base.documents import Document, Json
from incumbent.ledger.entry import Entry
from incumbent.registry.grounds import Grounds
from incumbent.registry.transitions import TRANSITIONS, State

MOVING = frozenset(act for transition in TRANSITIONS.values() for act in transition.acts)
"""Acts that give a version another status in a slot."""

_CURRENT, _TRUTH = "is_current", {True: "true", False: "false"}
_LEGAL = {(act, before, after) for (before, after), transition in TRANSITIONS.items() for act in transition.acts}


@dataclass(frozen=True, slots=True)
class GovernedRow:
    """A version, a placement or a document, as far as the ledger answers for it.

    Attributes:
        kind: "version", "placement" or "document".
        name: "m@1", "SLOT m@1", or the document's kind and id.
        seq: Its entry; None for one that was there before the ledger.
        since: When, for what was there before the ledger, so that two placements of one version differ; "" otherwise.
        facts: Column -> what stands there.
    """

    kind: str
    name: str
    seq: int | None
    since: str
    facts: Mapping[str, str]

    @property
    def place(self) -> tuple[str, str, int, str]:
        """Return what identifies the row."""
        return self.kind, self.name, -1 if self.seq is None else self.seq, self.since

    def __str__(self) -> str:
        status = f" ({self.facts['status']})" if "status" in self.facts else ""
        return f"{self.kind} {self.name}{status}, {'from before the ledger' if self.seq is None else f'entry {self.seq}'}"


@dataclass(frozen=True, slots=True)
class Governed:
    """All that is governed.

    Attributes:
        rows: Versions, placements and documents; placements in the order in which they were made.
        live: Slot -> the version that is in Production there.
        problems: What the entries themselves contradict.
    """

    rows: Sequence[GovernedRow]
    live: Mapping[str, str]
    problems: Sequence[str] = field(default_factory=tuple)


def fold(
    entries: Iterable[Entry], adopted: Document | None, documents: Mapping[int, tuple[str, Document]] = MappingProxyType({})
) -> Governed:
    """Return what must be there after these entries.

    Args:
        entries: All of the ledger, in order.
        adopted: The document of its first entry, which names the rows from before it; None if it is not there.
        documents: Number of an entry -> (digest, document) of what it made, as far as they are there: what an entry that puts a version
            into Production rests on is judged by them too (`incumbent.registry.grounds`).
    """
    rows: list[GovernedRow] = []
    problems: list[str] = []
    try:
        rows += [] if adopted is None else _adopt(adopted)
    except ValueError as error:
        problems.append(f"the document of the ledger's first entry does not say what was there before it: {error}")
    statuses: dict[tuple[str, str], str] = {}
    grounds = Grounds(documents)
    for row in rows:
        if row.kind == "placement":
            slot, _, version = row.name.rpartition(" ")
            statuses[slot, version] = row.facts["status"]
            if row.facts["status"] == "Production":
                grounds.live.setdefault(slot, set()).add(version.rpartition("@")[0])
    for entry in entries:
        draft = entry.draft
        problems += grounds.read(entry)
        if draft.object.kind == "placement" and draft.act in MOVING:
            slot, _, version = draft.object.object_id.rpartition(" ")
            problems += _judge_move(entry, statuses.get((slot, version), "None"), statuses, slot, version)
            statuses[slot, version] = draft.after
            rows.append(_placed(entry))
        elif draft.act != "refuse" and draft.object.digest is not None:
            if draft.act == "register":
                rows.append(_registered(entry))
            facts = {"digest": draft.object.digest}
            rows.append(GovernedRow("document", draft.object.name, entry.seq, "", facts))
    live = {slot: version for (slot, version), status in statuses.items() if status == "Production"}
    return Governed(_mark_current(rows), live, problems + grounds.finish())


def _mark_current(rows: Sequence[GovernedRow]) -> list[GovernedRow]:
    """Say of each placement whether it is its version's newest in the slot."""
    newest = {row.name: row.place for row in rows if row.kind == "placement"}
    return [
        replace(row, facts={**row.facts, _CURRENT: _TRUTH[newest[row.name] == row.place]}) if row.kind == "placement" else row
        for row in rows
    ]


def compare(expected: Governed, found: Governed) -> list[str]:
    """Return each difference in words: first what the entries contradict, then rows, then what is live."""
    return [*expected.problems, *found.problems, *_compare_rows(expected.rows, found.rows), *_compare_live(expected.live, found.live)]


def version_row(name: str, seq: int | None, *, manifest: str, bundle: str, run: str, actor: str, at: datetime) -> GovernedRow:
    """Return the row of a version as the database has it."""
    facts = {"manifest": manifest}
    if seq is not None:
        facts |= {"bundle": bundle, "run": run, "actor": actor, "created at": _time(at)}
    return GovernedRow("version", name, seq, "", facts)


def placement_row(
    slot: str, version: str, seq: int | None, *, status: State, at: datetime, actor: str, reason: str, is_current: bool
) -> GovernedRow:
    """Return the row of a placement as the database has it."""
    since = _time(at)
    facts = {"status": status, "since": since, "actor": actor, "reason": reason, _CURRENT: _TRUTH[is_current]}
    return GovernedRow("placement", f"{slot} {version}", seq, since if seq is None else "", facts)


def document_row(kind: str, record_id: str, seq: int, *, digest: str) -> GovernedRow:
    """Return the row of a governed document as the database has it."""
    return GovernedRow("document", f"{kind} {record_id}", seq, "", {"digest": digest})


def _time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


def _adopt(adopted: Document) -> list[GovernedRow]:
    rows = [
        GovernedRow("version", _text(one, "name"), None, "", {"manifest": _text(one, "manifest")}) for one in _list(adopted, "versions")
    ]
    for one in _list(adopted, "placements"):
        at = datetime.fromisoformat(_text(one, "since"))
        facts = {"status": _text(one, "status"), "since": _time(at), "actor": _text(one, "actor"), "reason": _text(one, "reason")}
        rows.append(GovernedRow("placement", f"{_text(one, 'slot')} {_text(one, 'version')}", None, _time(at), facts))
    return rows


def _list(document: Document, name: str) -> list[Json]:
    found = document.get(name)
    return found if isinstance(found, list) else []


def _text(value: Json, name: str) -> str:
    return str(value.get(name, "")) if isinstance(value, dict) else ""


def _registered(entry: Entry) -> GovernedRow:
    refs = entry.draft.refs
    facts = {
        "manifest": refs.get("manifest", ""),
        "bundle": refs.get("bundle", ""),
        "run": refs.get("run", ""),
        "actor": entry.draft.actor.actor_id,
        "created at": _time(entry.at),
    }
    return GovernedRow("version", entry.draft.object.object_id, entry.seq, "", facts)


def _placed(entry: Entry) -> GovernedRow:
    draft = entry.draft
    # A reason that was too long for an entry can be erased, and a row cannot: the row points to the entry.
    reason = draft.reason or f"in ledger entry {entry.seq}"
    facts = {"status": draft.after, "since": _time(entry.at), "actor": draft.actor.actor_id, "reason": reason}
    return GovernedRow("placement", draft.object.object_id, entry.seq, "", facts)


def _judge_move(entry: Entry, now: str, statuses: Mapping[tuple[str, str], str], slot: str, version: str) -> list[str]:
    draft = entry.draft
    problems = []
    if draft.before != now or (draft.act, draft.before, draft.after) not in _LEGAL:
        problems.append(
            f"entry {entry.seq} ({draft.act}) takes {version} from {draft.before or 'nowhere'} to {draft.after or 'nowhere'} in slot "
            f"{slot}, where it was {now}: no legal transition explains it"
        )
    others = [other for (place, other), status in statuses.items() if place == slot and status == "Production" and other != version]
    if draft.after == "Production" and others:
        problems.append(f"entry {entry.seq} puts {version} into Production of slot {slot} while {', '.join(others)} is there")
    return problems


def _compare_rows(expected: Sequence[GovernedRow], found: Sequence[GovernedRow]) -> list[str]:
    wanted = {row.place: row for row in expected}
    there = {row.place: row for row in found}
    differences = [f"{there[place]}: stands {count} times" for place, count in Counter(row.place for row in found).items() if count > 1]
    differences += [f"{row} is in the database, and no entry explains it" for place, row in there.items() if place not in wanted]
    for place, row in wanted.items():
        if place not in there:
            differences.append(f"{row} is in the ledger, and not in the database")
            continue
        for name, value in row.facts.items():
            if there[place].facts.get(name) != value:
                differences.append(f"{row}: {name} is {there[place].facts.get(name)!r} in the database, {value!r} in the ledger")
    return differences + _compare_order(expected, found)


def _compare_order(expected: Sequence[GovernedRow], found: Sequence[GovernedRow]) -> list[str]:
    """The newest placement of a slot is its state, so placements have an order."""
    known = {row.place for row in expected}
    both = known & {row.place for row in found}
    places = [[row.place for row in rows if row.kind == "placement" and row.place in both] for rows in (expected, found)]
    if Counter(places[0]) == Counter(places[1]) and places[0] != places[1]:
        return ["the placements stand in another order than the ledger's, so a slot's newest is another"]
    return []


def _compare_live(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    return [
        f"slot {slot}: in Production is {found.get(slot, 'nothing')} by the database (is_current), {expected.get(slot, 'nothing')} by the "
        "ledger"
        for slot in sorted(expected.keys() | found.keys())
        if expected.get(slot) != found.get(slot)
    ]
