"""Verify an exported ledger. Joined with the modules that it needs (`verifier.py` does that), it is the one file that does so anywhere.

    python verify.py EXPORT.zip [--pin NOTE]... [--key KEY] [--witness VKEY]... [--json]

It needs Python 3.11 and `cryptography`. Exit code 0: sound; 4: not sound; 5: what is here is sound, and documents are not here; 2: cannot
be asked so.
`report.CLAIMS` says what each check shows.

What only outside knowledge can show: a ledger rewritten whole by the holder of its key, and one restored from an old backup, agree with
themselves. `--pin` (a checkpoint noted earlier, elsewhere), `--key` and `--witness` bring that knowledge; without them the report says
so. A verifier that travels with what it judges is a convenience: take this file from a release of Incumbent when it matters.
"""

import argparse
import hashlib
import io
import json
import re
import struct
import sys
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import IO, Any, Protocol, cast

from incumbent.ledger.primitives import (
    AHEAD_MAX,
    NOTE_BYTES_MAX,
    Malformed,
    Note,
    commitment,
    decode_base64,
    parse_note,
    parse_object,
    parse_public,
    parse_time,
    parse_vkey,
    verify_cosignature,
    verify_note,
)
from incumbent.ledger.reading import ENTRY_BYTES_MAX, Kept, Reading
from incumbent.ledger.report import NOT_ASKED, Findings, Report, TooMuch, report_text

LINE_BYTES_MAX = 1 << 26
TOTAL_BYTES_MAX = 1 << 34
_UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError, OverflowError, KeyError)
_MEMBER = re.compile(r"manifest\.json|(?:entries|payloads|records)\.jsonl|verify\.py|README\.md|checkpoints/(?:0|[1-9][0-9]{0,15})\.note")
_ANY_COMMITMENT = re.compile(rb"sha256:[0-9a-f]{64}")
_PLAIN, _ENCRYPTED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}, 0x1


def verify_export(source: str | IO[bytes], pins: Sequence[str | bytes] = (), *, key: str = "", witnesses: Sequence[str] = ()) -> Report:
    """Judge an export.

    Args:
        source: Path of the zip archive, or the archive open for reading.
        pins: Checkpoints noted earlier, elsewhere: signed notes.
        key: A key that is known to be the ledger's, "ed25519:BASE64".
        witnesses: Verifier keys of witnesses who must have seen it, NAME+HASH+BASE64.

    Returns:
        A report; whatever is wrong with the archive is a failed check, never an exception.

    Raises:
        Malformed: `key` or a witness's key has another form.
        OSError: The file cannot be opened.
    """
    asked = _ask(pins, key, witnesses)
    if isinstance(source, str):
        with open(source, "rb") as file:
            return _judge(lambda: _open_archive(file), asked)
    return _judge(lambda: _open_archive(source), asked)


def verify_parts(parts: "Parts", pins: Sequence[str | bytes] = (), *, key: str = "", witnesses: Sequence[str] = ()) -> Report:
    """Judge the parts of an export where they are, without an archive around them; otherwise like `verify_export`."""
    return _judge(lambda: parts, _ask(pins, key, witnesses))


class Parts(Protocol):
    """The parts of an export, by the names that they have in its archive."""

    def list_notes(self) -> Sequence[str]:
        """Return the names of the checkpoints."""

    def read(self, name: str, limit: int) -> bytes:
        """Return a small part. Raises Malformed when it has more than `limit` bytes."""

    def lines(self, name: str, limit: int) -> Iterator[bytes]:
        """Yield the lines of a part, each with its newline. Raises Malformed for one of more than `limit` bytes."""


def _ask(pins: Sequence[str | bytes], key: str, witnesses: Sequence[str]) -> "_Asked":
    return _Asked([*pins], parse_public(key) if key else None, [parse_vkey(text) for text in witnesses])


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the asker knows from elsewhere."""

    pins: list[str | bytes]
    key: bytes | None
    witnesses: list[tuple[str, bytes]]


def _judge(open_parts: Callable[[], Parts], asked: _Asked) -> Report:
    findings = Findings()
    judged = _Judge(asked, findings)
    try:
        judged.run(open_parts())
    except TooMuch:
        findings.fail(1, "so much is wrong that the rest was not read")
    except _UNREADABLE as error:
        findings.fail(1, f"it cannot be read: {type(error).__name__}: {str(error)[:200]}")
    return Report(judged.log, judged.size, judged.root, tuple(findings.checks(judged.details, judged.skipped)), judged.missing)


class _Judge:
    """One judgement on its way; `details` and `skipped` fill as checks are reached."""

    def __init__(self, asked: _Asked, findings: Findings) -> None:
        self.log, self.size, self.root, self.missing = "", 0, "", 0
        self.details: dict[int, str] = {}
        self.skipped = dict(NOT_ASKED)
        self._asked, self._findings, self._fail = asked, findings, findings.fail
        self._kept: dict[int, Kept] = {}
        self._named: set[bytes] = set()
        self._notes: list[Note] = []
        self._pins: list[Note] = []

    def run(self, parts: Parts) -> None:
        """Make every check."""
        manifest = parse_object(parts.read("manifest.json", NOTE_BYTES_MAX))
        match manifest:
            case {"format": 1, "log": str(log), "tenant": str(tenant), "size": int(size)}:
                self.log = log
            case _:
                raise Malformed("manifest.json is not that of an export of format 1")
        self._read_notes(parts)
        self._read_records(parts)
        wanted = {note.size for note in (*self._notes, *self._pins)}
        reading = Reading(log, tenant, self._kept, wanted, self._fail)
        reading.read(parts.lines("entries.jsonl", ENTRY_BYTES_MAX))
        self.size, self.root = reading.size, reading.roots[reading.size].hex()
        if reading.size != size:
            self._fail(3, f"the manifest says {size} entries, and there are {reading.size}")
        if not reading.rulers:
            self._fail(6, "no entry begins the ledger")
        self.details |= {
            2: f"{reading.size} entries",
            3: "",
            4: f"{log}, tenant {tenant}",
            5: "",
            6: f"{len(reading.rulers) - 1} rotations",
        }
        signed = f"{reading.signed} signed"
        if reading.wordless:
            signed += f", {reading.wordless} of them without the words beside them, which only the ledger's key vouches for"
        self.details[10] = signed + (f"; {reading.unsigned} before anybody had a key are not" if reading.unsigned else "")
        self._check_notes(reading)
        self._check_records(reading)
        self._check_payloads(parts, reading)
        self._check_pins(reading)
        self._check_witnesses(reading)
        self._check_key(reading)

    def _read_notes(self, parts: Parts) -> None:
        for name in sorted(parts.list_notes(), key=_size_of):
            try:
                note = parse_note(parts.read(name, NOTE_BYTES_MAX))
            except Malformed as error:
                self._fail(7, f"{name}: {error}")
                continue
            if (note.origin, note.size) != (self.log, _size_of(name)):
                self._fail(7, f"{name} is of {note.origin[:80]}, {note.size} entries")
            else:
                self._notes.append(note)
        for number, pin in enumerate(self._asked.pins, 1):
            try:
                self._pins.append(parse_note(pin))
            except Malformed as error:
                self._fail(13, f"pin {number}: {error}")

    def _read_records(self, parts: Parts) -> None:
        for number, line in enumerate(parts.lines("records.jsonl", LINE_BYTES_MAX), 1):
            match parse_object(line):
                case {"kind": str(kind), "id": str(named), "seq": int(seq), "digest": str(digest), "body": str(encoded)}:
                    body = decode_base64(encoded)
                case _:
                    raise Malformed(f"line {number} of records.jsonl is no document")
            if "sha256:" + hashlib.sha256(body).hexdigest() != digest:
                self._fail(11, f"the bytes of {kind[:80]} {named[:80]} (entry {seq}) do not have its digest")
            if seq in self._kept:
                self._fail(11, f"entry {seq} has two documents")
            self._kept[seq] = Kept(kind, named, digest, body if kind == "key" else None)
            self._named.update(_ANY_COMMITMENT.findall(body))

    def _check_records(self, reading: Reading) -> None:
        self.details[11] = f"{len(self._kept)} documents"
        self.missing = len(reading.missing)
        if reading.missing:
            seq, name = reading.missing[0]
            self.skipped[11] = (
                f"{self.missing} of {reading.named} are not here, and were not verified; the first is that of entry {seq}, {name}"
            )
        for seq in self._kept:
            if not 0 <= seq < reading.size:
                self._fail(11, f"a document says that entry {seq} names it, and there is none")

    def _check_notes(self, reading: Reading) -> None:
        seqs, before = [seq for seq, _ in reading.rulers], 0
        self.details |= {7: f"{len(self._notes)} checkpoints", 8: "", 9: ""}
        for note in self._notes:
            if note.size > reading.size:
                self._fail(7, f"a checkpoint covers {note.size} entries, and there are {reading.size}: the end was cut off")
            elif note.root != reading.roots[note.size]:
                self._fail(7, f"the first {note.size} entries are not those that were signed")
            # The first checkpoint after a rotation carries the old key's signature beside the new one's.
            ruling = reading.rulers[max(bisect_left(seqs, before) - 1, 0) : bisect_left(seqs, note.size)]
            if not ruling or not all(verify_note(note, self.log, public) for _, public in ruling):
                self._fail(8, f"the checkpoint of {note.size} entries is not signed by the key that ruled ({len(ruling)} needed)")
            before = note.size
        if before < reading.size:
            self._fail(9, f"nobody signed the last {reading.size - before} entries, from entry {before} on")

    def _check_payloads(self, parts: Parts, reading: Reading) -> None:
        texts: set[str] = set()
        unnamed: list[str] = []
        erased: set[str] = set()
        for number, line in enumerate(parts.lines("payloads.jsonl", LINE_BYTES_MAX), 1):
            match parse_object(line):
                case {"commitment": str(committed), "salt": str(salt), "text": str(text)}:
                    if len(decode_base64(salt)) != 32 or commitment(decode_base64(text), decode_base64(salt)) != committed:
                        self._fail(12, f"the text behind {committed[:80]} is not the one that was committed to")
                    texts.add(committed)
                case {"commitment": str(committed), "erased_at": str()}:
                    if committed not in reading.erased:
                        self._fail(12, f"the text behind {committed[:80]} is said to be erased, and no entry erased it")
                    erased.add(committed)
                case _:
                    raise Malformed(f"line {number} of payloads.jsonl is no text")
            if committed not in reading.committed and committed.encode() not in self._named:
                unnamed.append(committed)
        if unnamed and reading.missing:
            self.skipped[12] = f"{len(unnamed)} texts are named by nothing that is here"
        for committed in [] if reading.missing else unnamed:
            self._fail(12, f"nothing names the text behind {committed[:80]}")
        self.details[12] = f"{len(texts)} texts, {len(erased)} erased"
        for missing in sorted(reading.committed - texts - erased):
            self._fail(12, f"the text behind {missing[:80]} is missing, and no entry erased it")

    def _check_pins(self, reading: Reading) -> None:
        if self._asked.pins:
            del self.skipped[13]
            self.details[13] = f"{len(self._pins)} noted elsewhere"
        for note in self._pins:
            if note.origin != self.log:
                self._fail(13, f"a noted checkpoint is of another ledger, {note.origin[:80]}")
            elif note.size > reading.size:
                self._fail(13, f"{note.size} entries were noted, and there are {reading.size}: the end is gone, or a backup was restored")
            elif note.root != reading.roots[note.size]:
                told = any(verify_note(note, self.log, public) for _, public in reading.rulers)
                why = "; a key of this ledger signed that one too, so it has told two stories" if told else ""
                self._fail(13, f"the first {note.size} entries are not those that were noted{why}")

    def _check_witnesses(self, reading: Reading) -> None:
        if self._asked.witnesses:
            del self.skipped[14]
            self.details[14] = ""
        for name, public in self._asked.witnesses:
            newest = 0
            for note in (*self._notes, *self._pins):
                at_s = verify_cosignature(note, name, public)
                if at_s is None or note.origin != self.log or note.root != reading.roots.get(note.size):
                    continue
                newest = max(newest, note.size)
                if note.size in reading.times and parse_time(reading.times[note.size]).timestamp() - at_s > AHEAD_MAX.total_seconds():
                    self._fail(14, f"{name} saw entry {note.size - 1} before {reading.times[note.size]}, when it says that it was written")
            if not newest:
                self._fail(14, f"{name} never cosigned what is here")
            self.details[14] += f"{name} saw the first {newest} entries, {reading.size - newest} came since. "

    def _check_key(self, reading: Reading) -> None:
        if self._asked.key is not None:
            del self.skipped[15]
            self.details[15] = ""
            if self._asked.key not in [public for _, public in reading.rulers]:
                self._fail(15, "another key signs this ledger")


def _size_of(name: str) -> int:
    return int(name.removeprefix("checkpoints/").removesuffix(".note"))


class _Archive:
    """The parts in a zip archive, which holds them and nothing else."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        members = archive.infolist()
        names = [member.filename for member in members]
        strange = [member for member in members if _MEMBER.fullmatch(member.filename) is None or member.orig_filename != member.filename]
        packed = [m for m in members if m.compress_type not in _PLAIN or m.flag_bits & _ENCRYPTED]
        if strange:
            raise Malformed(f"{strange[0].orig_filename[:80]!r} has no place in an export")
        if len(set(names)) != len(names):
            raise Malformed("a name stands in it twice")
        if packed:
            raise Malformed(f"{packed[0].filename} is encrypted, or compressed in a way that exports are not")
        if sum(member.file_size for member in members) > TOTAL_BYTES_MAX:
            raise Malformed(f"it would unpack to more than {TOTAL_BYTES_MAX} bytes")

    def list_notes(self) -> Sequence[str]:
        return [name for name in self._archive.namelist() if name.endswith(".note")]

    def read(self, name: str, limit: int) -> bytes:
        with self._archive.open(name) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise Malformed(f"{name} has more than {limit} bytes")
        return data

    def lines(self, name: str, limit: int) -> Iterator[bytes]:
        with self._archive.open(name) as file, io.BufferedReader(cast(Any, file), 1 << 20) as reader:
            while line := reader.readline(limit + 1):
                if len(line) > limit:
                    raise Malformed(f"{name} has a line of more than {limit} bytes")
                yield line


def _open_archive(file: IO[bytes]) -> _Archive:
    return _Archive(zipfile.ZipFile(file))  # which leaves the file open, for it is not ours


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script: judge an export and print the report."""
    parser = argparse.ArgumentParser(
        description="Verify an exported ledger. Exit code 0: sound, 4: not sound, 5: documents are missing, 2: cannot be asked so."
    )
    parser.add_argument("export", help="the zip archive")
    parser.add_argument("--pin", action="append", default=[], help="file with a checkpoint noted earlier, elsewhere")
    parser.add_argument("--key", default="", help="a key known to be the ledger's: ed25519:BASE64")
    parser.add_argument("--witness", action="append", default=[], help="a witness who must have seen it: NAME+HASH+BASE64")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    given = parser.parse_args(arguments)
    try:
        pins = [_read_pin(path) for path in given.pin]
        report = verify_export(given.export, pins, key=given.key, witnesses=given.witness)
    except (OSError, Malformed) as error:
        parser.error(str(error))
    shown = (
        json.dumps({**asdict(report), "is_sound": report.is_sound, "is_incomplete": report.is_incomplete}, indent=2) + "\n"
        if given.json
        else report_text(report)
    )
    sys.stdout.write(shown)
    return 0 if report.is_sound else 5 if report.is_incomplete else 4


def _read_pin(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(NOTE_BYTES_MAX + 1)


if __name__ == "__main__":
    sys.exit(main())
