"""The verb `ledger attack`: do to copies of this ledger what somebody with the database could do, and say honestly what was caught.

Every attack of `ledger_attacks.ATTACKS` has a copy of its own, and is then looked for by `ledger verify` without and with one older
checkpoint, and by `ledger reconcile`. Each row says what is expected; one that comes out differently, either way, is a failure.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from incumbent.base.artifact import Artifact
from incumbent.base.digest import digest_bytes
from incumbent.base.documents import Document
from incumbent.base.errors import Conflict, IncumbentError, Refused, Unavailable
from incumbent.governance.tier import DEFAULT_TIER_POLICY
from incumbent.registry.grounds import ASKS, UNGOVERNED_TIER, tell_asks
from incumbent.registry.model import ModelVersion, Placement, Status
from incumbent.usecases.ledger_attacks import ATTACKS, Attack, Scene, without_triggers
from incumbent.usecases.ledger_copy import copy_ledger
from incumbent.usecases.ledger_log import full_note, get_checkpoint
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import Acting, governed, record_act
from incumbent.usecases.workspace import Workspace

DATABASE = "incumbent.db"
WRITERS = 40
MODEL, SLOT = "attack", "attack/slot"


@dataclass(frozen=True, slots=True)
class Row:
    """An attack and what became of it.

    Attributes:
        alone: "caught" or "intact", with nothing remembered elsewhere; for the writers "40 stored".
        with_pin: The same, with one older checkpoint that was kept elsewhere.
        caught_by: The first thing that caught it, in words.
        is_expected: It came out as it has to.
    """

    name: str
    alone: str
    with_pin: str
    caught_by: str
    is_expected: bool


@dataclass(frozen=True, slots=True)
class _Ground:
    """The copy that all attacks begin from, and what there is beside it.

    Attributes:
        backup: An older state of it.
        note: The checkpoint that somebody remembers.
    """

    ws: Workspace
    folder: Path
    backup: Path
    note: str
    first: int
    cut: int
    pin: int
    size: int


def attack_copy(ws: Workspace, *, keep: Path | None = None) -> list[Row]:
    """Run the table of attacks on copies; the workspace itself is only read.

    The history of the copy is first made longer by a few scripted acts, and only those are attacked.

    Args:
        ws: The workspace; its private key is on this machine. A ledger that is in no SQLite file here is copied into one.
        keep: New folder in which the attacked copies stay, each a workspace.

    Raises:
        Conflict: `keep` is there already.
        NotFound: The ledger's private key is not on this machine.
        Refused: The ledger does not verify as it is, so that an attack on it would show nothing.
    """
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="incumbent-attack-") as folder:
            return _attack_in(ws, Path(folder))
    try:
        keep.mkdir(parents=True)
    except FileExistsError as error:
        raise Conflict(f"{keep} is there already; name a new folder") from error
    return _attack_in(ws, keep.resolve())


def _attack_in(ws: Workspace, folder: Path) -> list[Row]:
    ground = _prepare(ws, folder)
    rows = []
    try:
        _must_be_sound(ground)
        for number, attack in enumerate(ATTACKS, 1):
            rows.append(_run(ground, attack, folder / f"{number:02}"))
        rows.append(_restore_backup(ground, folder / f"{len(ATTACKS) + 1:02}"))
        rows.append(_write_at_once(ground, folder / f"{len(ATTACKS) + 2:02}"))
    finally:
        ground.ws.store.close()
    return rows


def _prepare(ws: Workspace, folder: Path) -> _Ground:
    here = _copy(ws.folder / DATABASE, ws.folder / "keys", folder / "00-before")
    copied = ws.beside(here)
    with ws.store.begin(read_only=True) as tx:
        if not _begins_with(copied, tx):  # the ledger is in another database than this folder's file
            copied.store.close()
            shutil.rmtree(here)
            here = _copy(folder / "none", ws.folder / "keys", here)
            copied = ws.beside(here)
            with without_triggers(str(copied.folder / DATABASE)) as db:
                copy_ledger(tx, db)
    _ask_nobody(copied)
    first = _size(copied)
    for number in range(3):
        _act(copied, number)
    cut = _size(copied)
    backup = folder / "backup.db"
    _copy_database(here / copied.folder.name / DATABASE, backup)
    _act(copied, 3)
    pin = get_checkpoint(copied)
    for number in range(4, 6):
        _act(copied, number)
    return _Ground(copied, here, backup, full_note(pin), first, cut, pin.size, _size(copied))


def _begins_with(copied: Workspace, tx: Transaction) -> bool:
    """Say whether a copy has the ledger that a transaction sees; it may have grown meanwhile."""
    size = tx.ledger.size()
    with copied.store.begin(read_only=True) as there:
        if not size or there.ledger.size() < size:
            return there.ledger.size() == size
        return all(there.ledger.get(seq).body == tx.ledger.get(seq).body for seq in (0, size - 1))


def _size(ws: Workspace) -> int:
    with ws.store.begin(read_only=True) as tx:
        return tx.ledger.size()


def _act(ws: Workspace, number: int) -> None:
    """Register a version and put it on the air of a slot in one transaction, the one before it archived."""
    acting = Acting("attack-script", None, frozenset())
    with governed(ws) as tx:
        bundle = Artifact("bundle", digest_bytes(b"bundle %d" % number, "sha256"), 1)
        version = _register(ws, tx, acting, bundle)
        _place(ws, tx, acting, version, act="propose", to="Staging")
        live = tx.registry.find_live(SLOT)
        if live is not None:
            _place(ws, tx, acting, tx.registry.get_version(live.model, live.version), act="supersede", to="Archived", before="Production")
        _place(ws, tx, acting, version, act="promote", to="Production", before="Staging", refs=_evaluate(ws, tx, acting, version))


def _ask_nobody(ws: Workspace) -> None:
    """Put the scripted model into a tier that asks for no sign-off, in the copy: what goes live by script rests on what it says then."""
    acting = Acting("attack-script", None, frozenset())
    tiers: Document = DEFAULT_TIER_POLICY.to_json()
    tier: Document = {"kind": "tier", "model": MODEL, "tier": UNGOVERNED_TIER}
    with governed(ws) as tx:
        record_act(ws, tx, act="set-tiers", kind="tiers", object_id="tiers", acting=acting, body=tiers)
        record_act(ws, tx, act="assess-tier", kind="tier", object_id=MODEL, acting=acting, body=tier, after=str(UNGOVERNED_TIER))


def _evaluate(ws: Workspace, tx: Transaction, acting: Acting, version: ModelVersion) -> dict[str, str]:
    """Record evidence on a version, and return what its promotion names."""
    bundle, policy = str(version.bundle.digest), digest_bytes(b"scripted", "sha256")
    body: Document = {
        "kind": "evidence", "model": version.model, "version": version.version, "slot": SLOT, "bundle": bundle, "policy": policy,
        "expires_at": (ws.clock.now() + timedelta(days=1)).isoformat(),
    }  # fmt: skip
    name = f"scripted-{version.version}"
    entry = record_act(
        ws, tx, act="evaluate", kind="evidence", object_id=name, acting=acting, body=body,
        refs={"bundle": bundle, "policy": policy}, after="passed",
    )  # fmt: skip
    return {
        "bundle": bundle, "policy": policy, "evidence": str(entry.draft.object.digest), "evidence-entry": str(entry.seq),
        "tier-name": str(UNGOVERNED_TIER), ASKS: tell_asks(DEFAULT_TIER_POLICY.rule_of(UNGOVERNED_TIER)),
    }  # fmt: skip


def _register(ws: Workspace, tx: Transaction, acting: Acting, bundle: Artifact) -> ModelVersion:
    number = tx.registry.take_number(MODEL)
    name = f"{MODEL}@{number}"
    body: Document = {
        "kind": "model-version",
        "model": MODEL,
        "version": number,
        "bundle": bundle.to_json(),
        "recipe": None,
        "signature": None,
    }
    [manifest] = tx.documents.put([body])
    refs = {"bundle": str(bundle.digest), "manifest": str(manifest), "run": "run-attack"}
    entry = record_act(ws, tx, act="register", kind="version", object_id=name, acting=acting, body=body, refs=refs)
    version = ModelVersion(MODEL, number, bundle, "run-attack", None, manifest, entry.at, acting.actor, {}, entry.seq)
    tx.registry.add_version(version)
    return version


def _place(
    ws: Workspace, tx: Transaction, acting: Acting, version: ModelVersion, *, act: str, to: Status, before: str = "None",
    refs: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    name = f"{SLOT} {version.model}@{version.version}"
    entry = record_act(
        ws, tx, act=act, kind="placement", object_id=name, acting=acting, digest=str(version.bundle.digest), before=before, after=to,
        reason=f"scripted {act}", refs=refs,
    )  # fmt: skip
    tx.registry.place(Placement(SLOT, version.model, version.version, to, entry.at, acting.actor, entry.draft.reason, entry.seq))


def _must_be_sound(ground: _Ground) -> None:
    caught = _look(ground.ws, ground.note)
    if caught:
        raise Refused(f"this ledger is not sound as it is, so an attack on it would show nothing: {caught}")


def _run(ground: _Ground, attack: Attack, folder: Path) -> Row:
    def do(there: Path, ws: Workspace) -> None:
        with without_triggers(str(there / ws.folder.name / DATABASE)) as db:
            attack.do(Scene(db, ws.keys, ground.first, ground.cut, ground.pin, ground.size))

    return _judge(ground, attack.name, folder, do, alone=attack.alone, with_pin=attack.with_pin)


def _restore_backup(ground: _Ground, folder: Path) -> Row:
    def do(there: Path, ws: Workspace) -> None:
        shutil.copyfile(ground.backup, there / ws.folder.name / DATABASE)

    return _judge(ground, "restore an old backup", folder, do, alone=False, with_pin=True)


def _judge(ground: _Ground, name: str, folder: Path, do: Callable[[Path, Workspace], None], *, alone: bool, with_pin: bool) -> Row:
    there = _copy(ground.folder / ground.ws.folder.name / DATABASE, ground.ws.folder / "keys", folder)
    ws = ground.ws.beside(there)
    ws.store.close()  # the attacker has the file to themselves
    do(there, ws)
    ws = ground.ws.beside(there)
    try:
        unaided, aided = _look(ws, None), _look(ws, ground.note)
    finally:
        ws.store.close()
    is_expected = (bool(unaided), bool(aided)) == (alone, with_pin)
    return Row(name, "caught" if unaided else "intact", "caught" if aided else "intact", unaided or aided, is_expected)


def _look(ws: Workspace, note: str | None) -> str:
    """Return the first thing that is wrong with a ledger or its registry, in words; "" if nothing is seen."""
    try:
        found = verify_ledger(ws, pins=[] if note is None else [note])
        failed = [f"{check.claim}: {check.detail}" for check in found.checks if check.outcome == "failed"]
        if failed or not found.is_sound:
            return failed[0] if failed else "the ledger could not be read"
        differences = reconcile(ws).differences
    except IncumbentError as error:
        return str(error)
    return f"reconcile: {differences[0]}" if differences else ""


def _write_at_once(ground: _Ground, folder: Path) -> Row:
    """Forty writers, each with a connection of its own, through the real store."""
    there = _copy(ground.folder / ground.ws.folder.name / DATABASE, ground.ws.folder / "keys", folder)
    ws = ground.ws.beside(there)
    acting = Acting("attack-script", None, frozenset())

    def write(number: int) -> int:
        with governed(ws) as tx:
            return record_act(ws, tx, act="note", kind="note", object_id=f"writer-{number}", acting=acting).seq

    try:
        with ThreadPoolExecutor(WRITERS) as pool:
            seqs = sorted(pool.map(write, range(WRITERS)))
        found = [_look(ws, None), _look(ws, ground.note)]
    finally:
        ws.store.close()
    is_whole = seqs == list(range(ground.size, ground.size + WRITERS))
    outcome = f"{len(set(seqs))} stored"
    return Row(f"{WRITERS} writers at once", outcome, outcome, found[0] or found[1], is_whole and not any(found))


def _copy(database: Path, keys: Path, folder: Path) -> Path:
    """Make a workspace at a new folder from a database and the ledger's keys, and return the folder."""
    workspace = folder / ".incumbent"
    workspace.mkdir(parents=True)
    if database.is_file():
        _copy_database(database, workspace / DATABASE)
    if keys.is_dir():
        shutil.copytree(keys, workspace / "keys")
    return folder


def _copy_database(source: Path, target: Path) -> None:
    try:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
    except sqlite3.Error as error:
        raise Unavailable(f"{source} cannot be copied to be attacked: {error}; whoever may write the workspace can run it") from error
