"""The verb `ledger export`: the whole ledger in one archive that anyone can verify without us.

    manifest.json         {format, log, tenant, size}
    entries.jsonl         each entry's exact bytes, one a line
    checkpoints/N.note    the signed note over N entries, with its cosignatures
    payloads.jsonl        the texts behind commitments, or when they were erased
    records.jsonl         the governed documents whose digests entries name
    verify.py             the verifier

Nothing in it depends on when or where it is written: one ledger gives one archive, byte for byte.
"""

import base64
import json
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from incumbent.base.documents import Document, document_bytes
from incumbent.base.errors import Conflict, Corrupt, NotFound, Unavailable
from incumbent.ledger.entry import Entry, format_time, parse_entry
from incumbent.ledger.verifier import verifier_source
from incumbent.usecases.governed_ports import Checkpoint, Record
from incumbent.usecases.ledger_log import NO_LEDGER, full_note
from incumbent.usecases.ports import Transaction
from incumbent.usecases.workspace import Workspace

FORMAT = 1
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every member: the earliest that a zip can say."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        size: How many entries it holds.
        bytes_written: Size of the archive.
        problems: Documents that are not what was recorded, and were left out.
    """

    log: str
    size: int
    bytes_written: int
    problems: tuple[str, ...] = ()


def export_ledger(ws: Workspace, *, path: Path) -> Exported:
    """Write the ledger to a new file, whole or not at all.

    Args:
        ws: The workspace.
        path: Where to; a file that is there is left alone.

    Raises:
        NotFound: There is no ledger yet.
        Conflict: There is a file already.
        Corrupt: A governed document is not what was recorded.
        Unavailable: The file cannot be written.
    """
    if path.exists():
        raise Conflict(f"{path} is there already, and an export is never written over: choose another name")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            draft = Path(file.name)
            try:
                exported = write_archive(ws, file, for_others=True)
                file.flush()
                os.fsync(file.fileno())
                if exported.problems:
                    raise Corrupt(f"{exported.problems[0]}; nothing was exported, `incumbent ledger verify` says what else is wrong")
                os.link(draft, path)  # which fails when somebody else was first, where a rename would write over
            finally:
                draft.unlink()
    except FileExistsError as error:
        raise Conflict(f"{path} is there already, and an export is never written over: choose another name") from error
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror or error}") from error
    return exported


def write_archive(ws: Workspace, file: IO[bytes], *, for_others: bool = False) -> Exported:
    """Write the archive, of one moment, into an open file.

    Args:
        ws: The workspace.
        file: Where to.
        for_others: With the verifier in it, and only the checkpoints that say something of their own: the newest, those that a
            witness cosigned, and those that two keys signed. The newest covers every entry, so the others would only take time.

    Raises:
        NotFound: There is no ledger: no entry, and no checkpoint of any.
    """
    with ws.store.begin(read_only=True) as tx, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        size, checkpoints = tx.ledger.size(), tx.checkpoints.list_all()
        if not size and not checkpoints:
            raise NotFound(NO_LEDGER)
        log, tenant = _read_names(tx)
        manifest: Document = {"format": FORMAT, "log": log, "tenant": tenant, "size": size}
        _put(archive, "manifest.json", [document_bytes(manifest)])
        _put(archive, "entries.jsonl", (body + b"\n" for body in tx.ledger.read()))
        for checkpoint in (known for known in checkpoints if not for_others or known is checkpoints[-1] or _says_more(known)):
            _put(archive, f"checkpoints/{checkpoint.size}.note", [full_note(checkpoint).encode()])
        _put(archive, "payloads.jsonl", _payload_lines(tx))
        records, problems = read_records(tx)
        _put(archive, "records.jsonl", (_record_line(record) for record in records))
        if for_others:
            _put(archive, "verify.py", [verifier_source().encode()])
    return Exported(log, size, file.tell(), tuple(problems))


def _says_more(checkpoint: Checkpoint) -> bool:
    """Say whether a checkpoint is more than one of many: cosigned, or signed by two keys, as after a rotation."""
    return bool(checkpoint.cosignatures) or checkpoint.note.partition("\n\n")[2].count("\n") > 1


def read_records(tx: Transaction) -> tuple[list[Record], list[str]]:
    """Return every governed document that is whole, oldest first, and what is wrong with the others, in words."""
    try:
        return list(tx.records.list_history()), []
    except Corrupt as error:
        first = str(error)
    whole: list[Record] = []
    problems = []
    for kind, record_id in sorted({(e.draft.object.kind, e.draft.object.object_id) for e in _read_whole(tx) if e.draft.object.digest}):
        try:
            whole += tx.records.list_history(kind, record_id)
        except Corrupt as error:
            problems.append(str(error))
    return sorted(whole, key=lambda record: (record.seq, record.kind, record.record_id)), problems or [first]


def _read_whole(tx: Transaction) -> Iterator[Entry]:
    for body in tx.ledger.read():
        try:
            yield parse_entry(body)
        except Corrupt:
            continue  # the verifier reads the same bytes and says what is wrong with them


def _read_names(tx: Transaction) -> tuple[str, str]:
    """Return the names of log and tenant that the first entry states; the verifier holds all others to them."""
    first = next(_read_whole(tx), None)
    return ("", "") if first is None else (first.log, first.tenant)


def _payload_lines(tx: Transaction) -> Iterator[bytes]:
    kept = set()
    for payload in tx.payloads.list_all():
        kept.add(payload.commitment)
        yield _line(
            commitment=payload.commitment, salt=_base64(payload.salt or b""), text=_base64(payload.text or b"")
        )  # fmt: skip
    for entry in _read_whole(tx):
        commitment = entry.draft.object.object_id
        if entry.draft.act == "erase" and commitment not in kept:
            kept.add(commitment)
            yield _line(commitment=commitment, erased_at=format_time(entry.at))


def _record_line(record: Record) -> bytes:
    return json.dumps(
        {
            "kind": record.kind, "id": record.record_id, "seq": record.seq, "digest": record.digest,
            "body": _base64(document_bytes(record.body)),
        }, sort_keys=True, separators=(",", ":"), ensure_ascii=False,
    ).encode() + b"\n"  # fmt: skip


def _line(**fields: str) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _put(archive: zipfile.ZipFile, name: str, parts: Iterable[bytes]) -> None:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(member, "w", force_zip64=True) as file:
        for part in parts:
            file.write(part)
