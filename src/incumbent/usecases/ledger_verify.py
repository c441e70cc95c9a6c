"""The verb `ledger verify`: judge the live ledger by the very code that judges an export, then what only a database has.

The offline verifier reads the parts of an export straight from the database, of one moment: so a ledger that is sound here is sound
for an auditor, and the other way round. Beside it stand the checks of the database itself: its rules, the tree's stored nodes, and
the columns by which entries are found.

Every checkpoint's root is held against the entries. Signatures cost a hundred times that, and the newest checkpoint covers every
entry: so by default those are verified that an export holds, which lead from the first key to the newest checkpoint, and the report
says how many they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from incumbent.base.errors import InvalidInput, NotFound
from incumbent.ledger.note import key_text
from incumbent.ledger.offline import verify_export, verify_parts
from incumbent.ledger.primitives import Malformed
from incumbent.ledger.report import CLAIMS, Check, Report
from incumbent.usecases.governed_ports import Record
from incumbent.usecases.ledger_export import StoredParts
from incumbent.usecases.ledger_walk import COLUMNS, NODES, ROOTS, Walk
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import LEDGER_KEY
from incumbent.usecases.workspace import Workspace

LIVE_CLAIMS = {
    101: "the database's own rules are in place and its file is whole",
    102: "the stored nodes of the tree are those of the entries",
    103: "entries and checkpoints stand under the act, the object and the time that they state",
    104: "governed documents are what was recorded",
    105: "what stands on entries has them",
}
SIGNED, DOCUMENTS = 8, 11
SOME_SIGNED = "the newest checkpoint, and each that is cosigned or of a rotation, is signed by the key that ruled, a rotation by both"
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

    @property
    def is_incomplete(self) -> bool:
        """Say whether it is an export in which nothing is wrong, and from which documents were left out."""
        return not self.live and self.report.is_incomplete


def verify_ledger(
    ws: Workspace, *, pins: Sequence[str] = (), key: str = "", witnesses: Sequence[str] = (), every_signature: bool = False
) -> Verification:
    """Verify the ledger of this workspace.

    Args:
        ws: The workspace.
        pins: Checkpoints that were noted earlier and kept elsewhere: signed notes.
        key: A key that is known to be the ledger's; by default the one that this machine began it with, if it did.
        witnesses: Verifier keys of witnesses who must have seen it.
        every_signature: Verify the signature of every checkpoint, not only of the newest, of rotations and of those cosigned.

    Raises:
        NotFound: There is no ledger: nothing is shown to be sound by being empty.
        InvalidInput: A key has another form.
    """
    own = ws.keys.find(LEDGER_KEY)
    with ws.store.begin(read_only=True) as tx:
        try:
            parts = StoredParts(tx, every_checkpoint=every_signature)
        except NotFound:
            orphans = _find_orphans(tx, tx.records.read_all()[0])
            if orphans:
                return _wiped(orphans)
            raise
        try:
            report = verify_parts(parts, pins, key=key or ("" if own is None else key_text(own)), witnesses=witnesses)
        except Malformed as error:
            raise InvalidInput(str(error)) from error
        walk = Walk(tx, parts.log)
        walk.run()
        live = [
            _counted(NODES, walk),
            _counted(COLUMNS, walk),
            _check(104, parts.problems),
            _check(105, _find_orphans(tx, parts.records)),
        ]
    rules = _check(101, ws.store.check())
    unsigned = parts.checkpoints - len(parts.list_notes())
    return Verification(
        _tell_of_checkpoints(report, walk, parts.checkpoints, unsigned), (rules, *live), _list_unchecked(pins, witnesses, unsigned=unsigned)
    )


def _tell_of_checkpoints(report: Report, walk: Walk, checkpoints: int, unsigned: int) -> Report:
    """Let the report say of the checkpoints what was done: the root of all was computed, and `unsigned` signatures were not verified."""
    told = {check.number: check for check in report.checks}
    if told[ROOTS].outcome != "failed":
        told[ROOTS] = _counted(ROOTS, walk, f"{checkpoints} checkpoints")
    if report.missing and told[DOCUMENTS].outcome == "skipped":  # of an export they may have been left out; here they were deleted
        told[DOCUMENTS] = replace(told[DOCUMENTS], outcome="failed")
    if unsigned:
        check = told[SIGNED]
        detail = check.detail or f"{checkpoints - unsigned} of {checkpoints}; --all-checkpoints verifies the signature of every one"
        told[SIGNED] = replace(check, claim=SOME_SIGNED, detail=detail)
    return replace(report, checks=tuple(told.values()))


def verify_file(*, path: str, pins: Sequence[str] = (), key: str = "", witnesses: Sequence[str] = ()) -> Verification:
    """Verify an export.

    Raises:
        NotFound: There is no such file.
        InvalidInput: A key has another form.
    """
    try:
        with open(path, "rb") as file:
            report = verify_export(file, pins, key=key, witnesses=witnesses)
    except Malformed as error:
        raise InvalidInput(str(error)) from error
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error
    return Verification(report, (), _list_unchecked(pins, witnesses))


def _list_unchecked(pins: Sequence[str], witnesses: Sequence[str], *, unsigned: int | None = None) -> tuple[str, ...]:
    """Return what was not looked at; `unsigned` checkpoints of a live ledger, None of an export."""
    unchecked = []
    if not pins:
        unchecked.append(
            "no pin given: a tail cut together with its checkpoints, an old backup put back, or a ledger rewritten by the holder of its "
            "key would not be seen; keep `incumbent ledger checkpoint` elsewhere, and give it with --pin"
        )
    if not witnesses:
        unchecked.append("no witness named: that somebody else saw the same ledger is not shown (--witness)")
    if unsigned:
        unchecked.append(
            f"the signatures of {unsigned} older checkpoints were not verified: their roots are those of the entries, which the newest "
            "checkpoint covers (--all-checkpoints)"
        )
    if unsigned is not None:
        unchecked.append("the registry's rows are not compared here: `incumbent ledger reconcile` does that")
    unchecked.append("nothing can show that an act was never submitted, or that a true record tells the truth")
    return tuple(unchecked)


def _check(number: int, problems: Sequence[str]) -> Check:
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    if problems:
        return Check(number, LIVE_CLAIMS[number], "failed", "; ".join(problems[:_SHOWN]) + more)
    return Check(number, LIVE_CLAIMS[number], "passed", "")


def _counted(number: int, walk: Walk, detail: str = "") -> Check:
    claim = CLAIMS.get(number) or LIVE_CLAIMS[number]
    problems = walk.findings.problems.get(number, [])
    if not problems and not walk.is_whole:
        return Check(number, claim, "skipped", "so much else is wrong that not all was read")
    if not problems:
        return Check(number, claim, "passed", detail)
    more = walk.findings.counts[number] - len(problems)
    return Check(number, claim, "failed", "; ".join(problems) + (f"; and {more} more" if more else ""))


def _find_orphans(tx: Transaction, records: Sequence[Record]) -> list[str]:
    """Return the rows that name an entry which is not there."""
    size = tx.ledger.size()
    rows = [(f"version {v.model}@{v.version}", v.seq) for v in tx.registry.list_versions()]
    rows += [(f"placement {p.slot} {p.model}@{p.version}", p.seq) for p in tx.registry.list_placements()]
    rows += [(f"{r.kind} {r.record_id}", r.seq) for r in records]
    return [f"{name} stands on entry {seq}, and the ledger has {size}" for name, seq in rows if seq is not None and seq >= size]


def _wiped(orphans: Sequence[str]) -> Verification:
    return Verification(Report("", 0, "", ()), (_check(105, ["the ledger is empty, without a checkpoint", *orphans]),), ())
