"""The verb `ledger witness`: act from a second place, and cosign only what continues what was cosigned before.

A witness has a memory (a file with the last note it cosigned) and a key of its own. It cosigns a checkpoint when the whole ledger
verifies and begins with what it remembers; whoever holds the ledger's key and the database can then no longer rewrite what it saw.
It needs no access to the database: an export will do, and its note comes back with `import_cosignatures`. Its memory is on the disk before
its signature leaves (C2SP tlog-witness).
"""

import base64
import fcntl
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NoReturn

from incumbent.base.errors import Corrupt, InvalidInput, NotFound, Refused, Unavailable
from incumbent.ledger.entry import parse_entry
from incumbent.ledger.note import cosignature_line, cosigned_bytes, key_hash
from incumbent.ledger.offline import verify_export
from incumbent.ledger.primitives import Malformed, Note, parse_note, parse_vkey, verify_cosignature
from incumbent.ledger.report import verdict
from incumbent.usecases.ledger_export import write_archive
from incumbent.usecases.ledger_log import NO_LEDGER
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import attempting, check_acting
from incumbent.usecases.witnesses import list_counted, tell_standing
from incumbent.usecases.workspace import Workspace

WITNESS = "witness"
CLOCK_SLACK = timedelta(minutes=5)
_NOTE_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What was cosigned.

    Attributes:
        before: How many entries were remembered; None the first time, which takes the ledger's key and past on trust.
        note: The signed note with the witness's cosignature.
        vkey: The witness's verifier key, for `ledger verify --witness` and `witnesses add`.
        bar: Why the cosignature, which is kept, counts for no quorum here; "" if it counts, or if an export was cosigned.
    """

    size: int
    before: int | None
    note: str
    vkey: str
    bar: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """What came back.

    Attributes:
        size: How many entries the cosigned checkpoint covers.
        witnesses: The registered keys whose cosignatures are kept.
    """

    size: int
    witnesses: tuple[str, ...]


def witness_ledger(ws: Workspace, *, memory: Path, name: str = WITNESS) -> Witnessed:
    """Cosign the newest checkpoint of this workspace's ledger and keep the cosignature beside it.

    Args:
        ws: The workspace; its keys are the witness's.
        memory: File with what was cosigned last; made the first time. Keep it, and the key, where the ledger's administrator cannot write.
        name: Of the witness's key: "witness" or "witness-…".

    Raises:
        NotFound: There is no ledger.
        Corrupt: The ledger does not verify, or is no continuation of what is remembered; nothing was signed.
        Refused: The actor may not.
    """
    with ws.store.begin(read_only=True) as tx:
        check_acting(ws, tx, "witness")
    with TemporaryFile() as file:
        write_archive(ws, file)
        seen = _witness(ws, file, memory, name)
    line = seen.note.splitlines(keepends=True)[-1]
    with ws.store.begin() as tx:
        tx.checkpoints.cosign(seen.size, line)
        return replace(seen, bar=tell_standing(tx, *parse_vkey(seen.vkey)))


def witness_export(ws: Workspace, *, path: Path, memory: Path, name: str = WITNESS) -> Witnessed:
    """Cosign the newest checkpoint of an export; the ledger's database is not needed, only this machine's keys and clock.

    Raises:
        NotFound: There is no such file.
        Corrupt: The ledger does not verify, or is no continuation of what is remembered; nothing was signed.
    """
    try:
        with path.open("rb") as file:
            return _witness(ws, file, memory, name)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error


def import_cosignatures(ws: Workspace, *, path: Path) -> Imported:
    """Keep the cosignatures of a note in a file: what the witness printed, or its memory.

    Raises:
        NotFound: There is no such file.
        InvalidInput, Corrupt, Refused: See `keep_cosignatures`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_NOTE_BYTES_MAX + 1)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error
    return keep_cosignatures(ws, data=data, source=str(path))


def keep_cosignatures(ws: Workspace, *, data: bytes | str, source: str = "this") -> Imported:
    """Keep the cosignatures that a note brings back from a second place, where only an export was.

    Kept is what a registered witness's key is proven to have signed over a checkpoint that this ledger has; nothing else of the note is.

    Args:
        ws: The workspace.
        data: The note.
        source: Where it is from, for messages.

    Raises:
        NotFound: There is no ledger.
        InvalidInput: It is no note, or a note of another ledger.
        Corrupt: This ledger has another checkpoint of that size, or none: one of the two was rewritten, or its end is gone.
        Refused: No line is proven to be a registered witness's, or the actor may not. What was not kept is on record as an attempt.
    """
    try:
        note = parse_note(data)
    except Malformed as error:
        raise InvalidInput(f"{source} is no note that a witness cosigned: {error}") from error
    with attempting(ws, act="witness", kind="ledger", object_id=note.origin[:80]), ws.store.begin() as tx:
        check_acting(ws, tx, "witness")
        known = tx.checkpoints.find(note.size)
        if known is None or parse_note(known.note).body != note.body:
            _tell_apart(tx, note)
        witnesses = {(witness.name, key_hash(witness.name, witness.raw, is_cosigner=True)): witness for witness in list_counted(tx)}
        kept = []
        for name, hashed, blob in note.signatures:
            witness, alone = witnesses.get((name, hashed)), replace(note, signatures=((name, hashed, blob),))
            if witness is not None and verify_cosignature(alone, name, witness.raw) is not None:
                tx.checkpoints.cosign(note.size, f"— {name} {base64.b64encode(hashed + blob).decode()}\n")
                kept.append(witness.key_id)
        if not kept:
            told = ", ".join(name for name, _, _ in note.signatures if name != note.origin) or "nobody"
            raise Refused(
                f"the note has lines of {told}, and none is proven to be of a witness that is registered here and not revoked. An admin "
                "registers a key with `incumbent witnesses add VKEY --owner ID`; then come back with this note"
            )
    return Imported(note.size, tuple(dict.fromkeys(kept)))


def _tell_apart(tx: Transaction, note: Note) -> NoReturn:
    """Say what a note is that fits no checkpoint here. Raises NotFound, InvalidInput, Corrupt."""
    newest = tx.checkpoints.find()
    if newest is None:
        raise NotFound(NO_LEDGER)
    here = parse_note(newest.note)
    if here.origin != note.origin:
        raise InvalidInput(f"the note is of ledger {note.origin[:80]}, and this is {here.origin[:80]}")
    if note.size > here.size:
        raise Corrupt(f"the note covers {note.size} entries, and this ledger has {here.size}: its end is gone, or a backup was restored")
    raise Corrupt(f"the note covers {note.size} entries, and this ledger's first {note.size} are others: one of the two was rewritten")


def _witness(ws: Workspace, file: IO[bytes], memory: Path, name: str) -> Witnessed:
    if not name.startswith(WITNESS):
        raise InvalidInput(f"--name {name[:80]!r}: a witness's key is named {WITNESS} or {WITNESS}-…, so that it is no other's")
    public = ws.keys.find(name) or ws.keys.make(name)
    with _taking_turns(memory):
        remembered = _read_memory(memory, name, public)
        note = _judge(file, None if remembered is None else remembered[0])
        now = ws.clock.now()
        if remembered is not None and remembered[1].body == note.body:
            return Witnessed(note.size, note.size, _own_note(note, remembered[0].splitlines(keepends=True)[-1]), _vkey(name, public))
        _check_clock(file, note, now)
        at_s = int(now.timestamp())
        line = cosignature_line(name, public, at_s, ws.keys.sign(public, cosigned_bytes(note.body, at_s)))
        seen = _own_note(note, line)
        _write_memory(memory, seen)
    return Witnessed(note.size, None if remembered is None else remembered[1].size, seen, _vkey(name, public))


def _judge(file: IO[bytes], remembered: str | None) -> Note:
    """Return the newest checkpoint of an export that verifies and continues what is remembered. Raises Corrupt."""
    file.seek(0)
    report = verify_export(file, [] if remembered is None else [remembered])
    if not report.is_sound:
        failed = [f"{check.claim}: {check.detail}" for check in report.checks if check.outcome == "failed"]
        what = verdict(report) if report.is_incomplete else "; ".join(failed) or "it could not be read"
        raise Corrupt(f"the witness does not cosign this ledger: {what}. Nothing was signed")
    return parse_note(_read_member(file, f"checkpoints/{report.size}.note"))


def _read_member(file: IO[bytes], name: str) -> bytes:
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        return archive.read(name)


def _check_clock(file: IO[bytes], note: Note, now: datetime) -> None:
    """A cosignature dates what it covers, so the ledger must not claim to be of a later time than this."""
    file.seek(0)
    last = b""
    with zipfile.ZipFile(file) as archive, archive.open("entries.jsonl") as lines:
        for line in lines:
            last = line
    at = parse_entry(last.rstrip(b"\n")).at
    if at - now > CLOCK_SLACK:
        raise Corrupt(f"the witness's clock says {now.isoformat()}, and entry {note.size - 1} says it was written at {at.isoformat()}")


def _own_note(note: Note, line: str) -> str:
    lines = [f"— {name} {base64.b64encode(hashed + blob).decode()}\n" for name, hashed, blob in note.signatures]
    return note.body.decode() + "\n" + "".join(other for other in lines if other != line) + line


def _vkey(name: str, public: bytes) -> str:
    return f"{name}+{key_hash(name, public, is_cosigner=True).hex()}+{base64.b64encode(bytes([4]) + public).decode()}"


@contextmanager
def _taking_turns(memory: Path) -> Iterator[None]:
    """Two witnesses with one memory would otherwise both continue the same past, each with another present."""
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        with memory.with_name(f"{memory.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise Unavailable(f"the witness's memory {memory} cannot be used: {error.strerror}") from error


def _read_memory(memory: Path, name: str, public: bytes) -> tuple[str, Note] | None:
    try:
        data = memory.read_bytes()[:_NOTE_BYTES_MAX]
    except FileNotFoundError:
        return None
    try:
        note = parse_note(data)
    except Malformed as error:
        raise Corrupt(
            f"{memory} is no note that a witness cosigned: {error}; restore it, for a new memory would forget what was seen"
        ) from error
    if verify_cosignature(note, name, public) is None:
        raise Corrupt(f"{memory} was not cosigned with this machine's key {name!r}: it is another witness's memory, or was changed")
    return data.decode(), note


def _write_memory(memory: Path, text: str) -> None:
    draft = memory.with_name(f".{memory.name}.new")
    with draft.open("wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(memory)
    folder = os.open(memory.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
