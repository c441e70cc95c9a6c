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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from incumbent.base.documents import Document, document_bytes
from incumbent.base.errors import Conflict, Corrupt, NotFound, Unavailable
from incumbent.ledger.entry import Entry, format_time, parse_entry
from incumbent.ledger.primitives import Malformed
from incumbent.ledger.verifier import verifier_source
from incumbent.usecases.governed_ports import Record
from incumbent.usecases.ledger_log import NO_LEDGER, full_note
from incumbent.usecases.ports import Transaction
from incumbent.usecases.workspace import Workspace

FORMAT = 1
_LINES_OF_ONE_SIGNATURE = 5
"""A note of one signature: ledger, size, root, an empty line, the signature."""
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
                exported = write_export(ws, file)
                file.flush()
                os.fsync(file.fileno())
                os.link(draft, path)  # which fails when somebody else was first, where a rename would write over
            finally:
                draft.unlink()
    except FileExistsError as error:
        raise Conflict(f"{path} is there already, and an export is never written over: choose another name") from error
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror or error}") from error
    return exported


def write_export(ws: Workspace, file: IO[bytes]) -> Exported:
    """Write the ledger, with its verifier, into an open file.

    Raises:
        NotFound: There is no ledger yet.
        Corrupt: A governed document is not what was recorded.
    """
    exported = write_archive(ws, file, for_others=True)
    if exported.problems:
        raise Corrupt(f"{exported.problems[0]}; nothing was exported, `incumbent ledger verify` says what else is wrong")
    return exported


def write_archive(ws: Workspace, file: IO[bytes], *, for_others: bool = False) -> Exported:
    """Write the archive, of one moment, into an open file.

    Args:
        ws: The workspace.
        file: Where to.
        for_others: With the verifier in it, and only the checkpoints that say something of their own (`StoredParts`).

    Raises:
        NotFound: There is no ledger: no entry, and no checkpoint of any.
    """
    with ws.store.begin(read_only=True) as tx, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        parts = StoredParts(tx, every_checkpoint=not for_others)
        for name in ("manifest.json", "entries.jsonl", *parts.list_notes(), "payloads.jsonl", "records.jsonl"):
            _put(archive, name, parts.lines(name))
        if for_others:
            _put(archive, "verify.py", [verifier_source().encode()])
    return Exported(parts.log, parts.size, file.tell(), tuple(parts.problems))


class StoredParts:
    """The parts of an export as they lie in the database, read in one transaction (`ledger.offline.Parts`).

    Args:
        tx: The transaction.
        every_checkpoint: Or only those that say something of their own: the newest, those that a witness cosigned, and those that
            two keys signed, as after a rotation. The newest covers every entry.

    Attributes:
        checkpoints: How many are stored, chosen or not.
        records: Governed documents that are whole.
        problems: What is wrong with the others.

    Raises:
        NotFound: There is no ledger: no entry, and no checkpoint of any.
    """

    def __init__(self, tx: Transaction, *, every_checkpoint: bool) -> None:
        self._tx = tx
        self.size = tx.ledger.size()
        self.checkpoints = 0
        self._notes = self._choose(every_checkpoint=every_checkpoint)
        if not self.size and not self._notes:
            raise NotFound(NO_LEDGER)
        self.log, self.tenant = _read_names(tx)
        self.records, damaged = tx.records.read_all()
        self.problems = [message for _, message in damaged]

    def _choose(self, *, every_checkpoint: bool) -> dict[str, str]:
        chosen: dict[int, str] = {}
        newest: tuple[int, str] | None = None
        for page in self._tx.ledger_rows.read_checkpoints():
            self.checkpoints += len(page)
            newest = page[-1][0], page[-1][2]
            for size, _, note, is_cosigned in page:
                if is_cosigned:
                    found = self._tx.checkpoints.find(size)
                    chosen[size] = note if found is None else full_note(found)
                elif every_checkpoint or note.count("\n") > _LINES_OF_ONE_SIGNATURE:
                    chosen[size] = note
        if newest is not None:
            chosen.setdefault(*newest)
        return {f"checkpoints/{size}.note": chosen[size] for size in sorted(chosen)}

    def list_notes(self) -> Sequence[str]:
        """Return the names of the chosen checkpoints, by size."""
        return list(self._notes)

    def read(self, name: str, limit: int) -> bytes:
        """Return a part whole. Raises Malformed when it has more than `limit` bytes."""
        data = b"".join(self.lines(name))
        if len(data) > limit:
            raise Malformed(f"{name} has more than {limit} bytes")
        return data

    def lines(self, name: str, limit: int | None = None) -> Iterator[bytes]:
        """Yield what a part is put together from: lines with their newline, or a whole small part.

        An entry's bytes are one line here even if a newline is in them, so the judge sees what the database has.
        """
        for line in self._parts(name):
            if limit is not None and len(line) > limit:
                raise Malformed(f"{name} has a line of more than {limit} bytes")
            yield line

    def _parts(self, name: str) -> Iterable[bytes]:
        match name:
            case "entries.jsonl":
                return (body + b"\n" for body in self._tx.ledger.read())
            case "payloads.jsonl":
                return _payload_lines(self._tx)
            case "records.jsonl":
                return (_record_line(record) for record in self.records)
            case "manifest.json":
                manifest: Document = {"format": FORMAT, "log": self.log, "tenant": self.tenant, "size": self.size}
                return [document_bytes(manifest)]
        return [self._notes[name].encode("utf-8", "backslashreplace")]


def _read_whole(tx: Transaction, beginning: bytes = b"") -> Iterator[Entry]:
    """Yield the entries whose bytes are those of one, and begin so: in the one form that entries have, the act comes first."""
    for body in tx.ledger.read():
        if not body.startswith(beginning):
            continue
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
    for entry in _read_whole(tx, beginning=b'{"act":"erase",'):
        commitment = entry.draft.object.object_id
        if commitment not in kept:
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
