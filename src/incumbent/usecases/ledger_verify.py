"""The verb `ledger verify`: judge the live ledger by the very code that judges an export, then what only a database has.

The ledger is written into a temporary archive, of one moment, and the offline verifier reads that: so a ledger that is sound
here is sound for an auditor, and the other way round. Beside it stand the checks of the database itself: its rules, the tree's
stored nodes, and the columns by which entries are found.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO

from incumbent.base.errors import Corrupt, InvalidInput, NotFound
from incumbent.ledger.entry import Entry, parse_entry
from incumbent.ledger.merkle import Tree
from incumbent.ledger.note import key_text
from incumbent.ledger.offline import verify_export
from incumbent.ledger.primitives import Malformed
from incumbent.ledger.report import Check, Report
from incumbent.usecases.ledger_export import read_records, write_archive
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import LEDGER_KEY
from incumbent.usecases.workspace import Workspace

LIVE_CLAIMS = {
    101: "the database's own rules are in place and its file is whole",
    102: "the stored nodes of the tree are those of the entries",
    103: "entries are found under the act and the object that they state",
    104: "governed documents are what was recorded",
    105: "what stands on entries has them",
}
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked.

    Attributes:
        report: What the offline verifier says.
        live: The checks of the database; none for an export.
        unchecked: What nothing here could show, in words.
    """

    report: Report
    live: tuple[Check, ...]
    unchecked: tuple[str, ...]

    @property
    def checks(self) -> tuple[Check, ...]:
        """Return all checks, in order."""
        return *self.report.checks, *self.live

    @property
    def is_sound(self) -> bool:
        """Say whether nothing failed."""
        return self.report.is_sound and all(check.outcome == "passed" for check in self.live)


def verify_ledger(ws: Workspace, *, pins: Sequence[str] = (), key: str = "", witnesses: Sequence[str] = ()) -> Verification:
    """Verify the ledger of this workspace.

    Args:
        ws: The workspace.
        pins: Checkpoints that were noted earlier and kept elsewhere: signed notes.
        key: A key that is known to be the ledger's; by default the one that this machine began it with, if it did.
        witnesses: Verifier keys of witnesses who must have seen it.

    Raises:
        NotFound: There is no ledger: nothing is shown to be sound by being empty.
        InvalidInput: A key has another form.
    """
    with tempfile.TemporaryFile() as file:
        try:
            exported = write_archive(ws, file)
        except NotFound:
            with ws.store.begin(read_only=True) as tx:
                orphans = _find_orphans(tx)
            if orphans:
                return _wiped(orphans)
            raise
        file.seek(0)
        own = ws.keys.find(LEDGER_KEY)
        report = _judge(file, pins, key or ("" if own is None else key_text(own)), witnesses)
    live = [
        _check(101, ws.store.check()),
        *_check_database(ws),
        _check(104, exported.problems),
    ]
    return Verification(report, tuple(sorted(live, key=lambda check: check.number)), _list_unchecked(pins, witnesses, is_live=True))


def verify_file(*, path: str, pins: Sequence[str] = (), key: str = "", witnesses: Sequence[str] = ()) -> Verification:
    """Verify an export.

    Raises:
        NotFound: There is no such file.
        InvalidInput: A key has another form.
    """
    try:
        with open(path, "rb") as file:
            report = _judge(file, pins, key, witnesses)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error
    return Verification(report, (), _list_unchecked(pins, witnesses, is_live=False))


def _judge(file: IO[bytes], pins: Sequence[str], key: str, witnesses: Sequence[str]) -> Report:
    try:
        return verify_export(file, pins, key=key, witnesses=witnesses)
    except Malformed as error:
        raise InvalidInput(str(error)) from error


def _list_unchecked(pins: Sequence[str], witnesses: Sequence[str], *, is_live: bool) -> tuple[str, ...]:
    unchecked = []
    if not pins:
        unchecked.append(
            "no pin given: a tail cut together with its checkpoints, an old backup put back, or a ledger rewritten by the holder of its "
            "key would not be seen; keep `incumbent ledger checkpoint` elsewhere, and give it with --pin"
        )
    if not witnesses:
        unchecked.append("no witness named: that somebody else saw the same ledger is not shown (--witness)")
    if is_live:
        unchecked.append("the registry's rows are not compared here: `incumbent ledger reconcile` does that")
    unchecked.append("nothing can show that an act was never submitted, or that a true record tells the truth")
    return tuple(unchecked)


def _check(number: int, problems: Sequence[str], detail: str = "") -> Check:
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    if problems:
        return Check(number, LIVE_CLAIMS[number], "failed", "; ".join(problems[:_SHOWN]) + more)
    return Check(number, LIVE_CLAIMS[number], "passed", detail)


def _check_database(ws: Workspace) -> list[Check]:
    with ws.store.begin(read_only=True) as tx:
        entries = list(_read_places(tx))
        return [
            _check(102, list(_compare_nodes(tx))),
            _check(103, list(_compare_columns(tx, entries))),
            _check(105, _find_orphans(tx)),
        ]


def _read_places(tx: Transaction) -> Iterator[tuple[int, str, str]]:
    """Yield (number, act, object) of the entries, as their bytes say."""
    for body in tx.ledger.read():
        try:
            entry = parse_entry(body)
        except Corrupt:
            continue  # the offline verifier reads the same bytes and says so
        yield entry.seq, entry.draft.act, entry.draft.object.name


def _compare_nodes(tx: Transaction) -> Iterator[str]:
    tree = Tree(0, [])
    for body in tx.ledger.read():
        for node in tree.append(body):
            try:
                stored = tx.ledger.get_node(node.level, node.index)
            except Corrupt:
                yield f"node {node.level}/{node.index} is not there"
                continue
            if stored != node.hash:
                yield f"node {node.level}/{node.index} is another than that of the entries below it"


def _compare_columns(tx: Transaction, entries: Sequence[tuple[int, str, str]]) -> Iterator[str]:
    """Ask for each act and each object, as every reader does, and hold the answers against the entries' bytes."""
    acts: dict[str, list[int]] = {}
    objects: dict[str, list[int]] = {}
    for seq, act, name in entries:
        acts.setdefault(act, []).append(seq)
        objects.setdefault(name, []).append(seq)
    for act, wanted in acts.items():
        yield from _compare_found(f"act {act}", wanted, partial(tx.ledger.find, act=act))
    for name, wanted in objects.items():
        yield from _compare_found(name, wanted, partial(tx.ledger.find, object_name=name))


def _compare_found(asked: str, wanted: Sequence[int], find: Callable[..., Sequence[Entry]]) -> Iterator[str]:
    try:
        found = sorted(entry.seq for entry in find(limit=len(wanted) + 1))
    except Corrupt as error:
        yield f"asked for {asked}: {error}"
        return
    if found != list(wanted):
        wrong = sorted(set(found).symmetric_difference(wanted))
        yield f"asked for {asked}, the database gives other entries than say so: {', '.join(map(str, wrong[:8]))}"


def _find_orphans(tx: Transaction) -> list[str]:
    """Return the rows that name an entry which is not there."""
    size = tx.ledger.size()
    rows = [(f"version {v.model}@{v.version}", v.seq) for v in tx.registry.list_versions()]
    rows += [(f"placement {p.slot} {p.model}@{p.version}", p.seq) for p in tx.registry.list_placements()]
    rows += [(f"{r.kind} {r.record_id}", r.seq) for r in read_records(tx)[0]]
    return [f"{name} stands on entry {seq}, and the ledger has {size}" for name, seq in rows if seq is not None and seq >= size]


def _wiped(orphans: Sequence[str]) -> Verification:
    claims = _check(105, ["the ledger is empty, without a checkpoint", *orphans])
    return Verification(Report("", 0, "", ()), (claims,), ())
