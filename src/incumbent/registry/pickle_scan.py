"""What loading a file would import and call, if it is a pickle or holds one: found without loading anything.

A file is judged by its content, never by its name. Looked into: pickles of protocol 0 to 5, one after another and inside each
other's bytes; the arrays that joblib writes between opcodes; NumPy files of objects; ZIP (torch's .pt, .npz) and TAR archives;
gzip, zlib, bzip2 and xz. The verdict of a file is that of the worst thing in it:

    none        there is no pickle in it
    safe        every name that it imports is on our table of what only builds values (pickle_names)
    unknown     it imports a name that is on no list of ours, or begins like a pickle and may be none
    dangerous   it imports what runs code or reaches files, processes or the network; or does what no sound pickle does; or
                cannot be read to its end: an unpickler acts before it finds out that a stream is broken

This is evidence, not a sandbox: `unknown` code does as it likes, and a safe class of a library with a fault is still at fault.
"""

import bz2
import io
import lzma
import re
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from incumbent.base.documents import Document, Json
from incumbent.registry.pickle_findings import Broken, Findings
from incumbent.registry.pickle_machine import Machine, Outcome
from incumbent.registry.pickle_names import Risk, classify_name

Verdict = Literal["none", "safe", "unknown", "dangerous"]
SCAN_FORMAT = 1
EXPANDED_BYTES_MAX = 2 << 30
"""Bytes that the archives in one file may unpack to together: 2 GiB."""

DEPTH_MAX = 8
_FIRST_PROTOCOL, _LAST_PROTOCOL = 0, 5
_NUMPY = b"\x93NUMPY"
_OBJECT_ITEMS = re.compile(rb"['\"][|<>=]?O\d*['\"]")
_READ_BYTES = 1 << 20
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


@dataclass(frozen=True, slots=True)
class PickleImport:
    """One name that a pickle imports; `is_called` when it is also called or its result given a state."""

    module: str
    name: str
    risk: Risk
    is_called: bool


@dataclass(frozen=True, slots=True)
class PickleScan:
    """What one file would do if it were unpickled.

    Attributes:
        path: Where the file lies in its folder.
        verdict: See the head of this file.
        imports: What it imports, by module and name.
        problems: What no sound pickle does, or what could not be read.
    """

    path: str
    verdict: Verdict
    imports: tuple[PickleImport, ...] = ()
    problems: tuple[str, ...] = ()

    def to_json(self) -> Document:
        """Return the document form."""
        imports: list[Json] = [
            {"module": each.module, "name": each.name, "risk": each.risk, "is_called": each.is_called} for each in self.imports
        ]
        return {
            "format": SCAN_FORMAT,
            "path": self.path,
            "verdict": self.verdict,
            "imports": imports,
            "problems": list(self.problems),
        }

    def describe(self) -> str:
        r"""Return one line for people: the verdict and what led to it.

        >>> scan_pickle(b"cos\nsystem\n(S'true'\ntR.", "notes.txt").describe()
        'notes.txt: dangerous (imports os.system)'
        """
        named = [f"{each.module}.{each.name}" for each in self.imports if each.risk == self.verdict]
        found = [f"imports {', '.join(named[:3])}{', …' if len(named) > 3 else ''}"] if named else []
        return f"{self.path}: {self.verdict}" + (f" ({'; '.join([*found, *self.problems[:2]])})" if found or self.problems else "")


def scan_files(files: Iterable[tuple[str, bytes]]) -> list[Json]:
    r"""Return the scan of each file that is or holds a pickle, in the order of their paths; an empty list says that none is.

    >>> scan_files([("a.txt", b"tree"), ("b.txt", b"\x80\x04N.")])
    [{'format': 1, 'path': 'b.txt', 'verdict': 'safe', 'imports': [], 'problems': []}]
    """
    return list_pickles(scan_pickle(data, path) for path, data in files)


def list_pickles(scans: Iterable[PickleScan]) -> list[Json]:
    """Return the scans of files that are or hold a pickle, in the order of their paths."""
    return [scan.to_json() for scan in sorted((s for s in scans if s.verdict != "none"), key=lambda scan: scan.path)]


def scan_pickle(data: bytes, path: str = "") -> PickleScan:
    r"""Return what unpickling these bytes, or any pickle in them, would import and call.

    >>> scan_pickle(b"\x80\x02ccollections\nOrderedDict\n)R.").verdict
    'safe'
    >>> scan_pickle(b"x,y\n1,2\n").verdict
    'none'
    """
    search = _Search()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an odd escape in bytes that are no pickle: where warnings are errors, a scan would end there
        search.look(data, 0, is_whole=True)
    found = search.findings
    verdict: Verdict = "none"
    if found.problems or found.worst() == "dangerous":
        verdict = "dangerous"
    elif found.doubts or found.worst() == "unknown":
        verdict = "unknown"
    elif found.is_pickle:
        verdict = "safe"
    imports = tuple(PickleImport(*name, classify_name(*name), called) for name, called in sorted(found.imports.items()))
    return PickleScan(path.encode("utf-8", "backslashreplace").decode(), verdict, imports, (*found.problems, *found.doubts))


class _Search:
    """Goes through one file and what is packed inside it."""

    def __init__(self) -> None:
        self.findings = Findings()
        self.expanded = 0

    def look(self, data: bytes, depth: int, *, is_whole: bool) -> None:
        """Look at bytes: a file or member (`is_whole`), or a piece of a pickle that may be anything."""
        if depth > DEPTH_MAX:
            self._blame(f"archives and pickles are packed into each other more than {DEPTH_MAX} deep")
            return
        for starts, expand in _EXPANDERS:
            if starts(data):
                try:
                    expand(self, data, depth)
                except Broken as error:
                    self._blame(str(error))
                except (
                    OSError,
                    ValueError,
                    EOFError,
                    zlib.error,
                    lzma.LZMAError,
                    zipfile.BadZipFile,
                    tarfile.TarError,
                    RuntimeError,
                ) as error:
                    if is_whole or isinstance(error, NotImplementedError):
                        self._blame(f"an archive cannot be read: {str(error)[:100]!a}")
        self._look_at_pickles(data, depth, is_whole=is_whole)

    def _blame(self, problem: str) -> None:
        self.findings.problems[problem] = None

    def _look_at_pickles(self, data: bytes, depth: int, *, is_whole: bool) -> None:
        start = 0
        while start < len(data):
            end = self._follow(data, start, is_certain=is_whole or start > 0)
            if end is None:
                break
            start = end
        nested, self.findings.nested = self.findings.nested, []
        for piece in nested:
            self.look(piece, depth + 1, is_whole=False)

    def _follow(self, data: bytes, start: int, *, is_certain: bool) -> int | None:
        """Follow one pickle and return its end, or None if there is none."""
        tried = Findings(opcodes=self.findings.opcodes)
        machine = Machine(data, start, tried)
        outcome = machine.run()
        self.findings.opcodes = tried.opcodes
        if outcome.reason and (_is_safetensors(data, start) or not _may_be_pickle(data, start, outcome, is_certain=is_certain)):
            if _imports_danger(tried) and outcome.is_plausible:
                return self._take(tried, outcome)
            if start == 0 and is_certain and outcome.is_plausible:
                self._doubt(tried, outcome)
            return None
        if not outcome.reason and not _is_pickle(data, start, outcome, tried):
            return None
        if machine.has_raw_arrays:
            self._follow_without_joblib(data, start, tried)
        return self._take(tried, outcome)

    def _follow_without_joblib(self, data: bytes, start: int, with_it: Findings) -> None:
        """Look at what joblib would pass over as an array with the eyes of an unpickler that knows nothing of joblib.

        Such a one mistakes the memo of an inner pickle for its own, so words that were read are put together anew: no matter.
        """
        plain = Findings(opcodes=self.findings.opcodes)
        Machine(data, start, plain, passes_arrays=False).run()
        self.findings.opcodes = plain.opcodes
        words = {word for name in with_it.imports for word in name}
        new = plain.imports.keys() - with_it.imports.keys()
        if any(classify_name(*name) == "dangerous" or not words.issuperset(name) for name in new):
            self._blame("it does one thing when joblib loads it and another when pickle does")
            self._merge(plain)

    def _take(self, tried: Findings, outcome: Outcome) -> int | None:
        self.findings.is_pickle = True
        self._merge(tried)
        if outcome.has_unreadable:
            self._blame("an argument cannot be read")
        if outcome.reason:
            self._blame(outcome.reason)
            return None
        return outcome.end

    def _doubt(self, tried: Findings, outcome: Outcome) -> None:
        self._merge(tried)
        self.findings.doubts[f"it begins like a pickle and may be none: {outcome.reason}"] = None

    def _merge(self, other: Findings) -> None:
        for name, called in other.imports.items():
            self.findings.imports[name] = self.findings.imports.get(name, False) or called
        self.findings.problems |= other.problems
        self.findings.nested += other.nested

    def grow(self, count: int) -> None:
        """Count bytes that came out of an archive."""
        self.expanded += count
        if self.expanded > EXPANDED_BYTES_MAX:
            raise Broken(f"its archives unpack to more than {EXPANDED_BYTES_MAX >> 30} GiB, and no more is read")


def _has_header(data: bytes, start: int) -> bool:
    return data[start : start + 1] == b"\x80" and start + 1 < len(data) and _FIRST_PROTOCOL <= data[start + 1] <= _LAST_PROTOCOL


def _is_safetensors(data: bytes, start: int) -> bool:
    """Say whether these are safetensors whose header happens to be as long as a pickle's first bytes: byte 2 stops any unpickler."""
    length = int.from_bytes(data[:8], "little")
    return start == 0 and data[8:9] == b"{" and data[2:3] == b"\0" and 8 + length <= len(data)


def _may_be_pickle(data: bytes, start: int, outcome: Outcome, *, is_certain: bool) -> bool:
    """Say whether a stream that broke is a pickle all the same: it begins as one, or would have called something by then."""
    return (is_certain and _has_header(data, start)) or (outcome.is_plausible and outcome.was_called)


def _is_pickle(data: bytes, start: int, outcome: Outcome, found: Findings) -> bool:
    """Say whether a stream that came to a STOP is a pickle: plain text can come to one by chance."""
    if _has_header(data, start) or found.imports:
        return True
    return outcome.is_clean and outcome.end == len(data) and outcome.end - start > 1


def _imports_danger(found: Findings) -> bool:
    return any(classify_name(*name) == "dangerous" for name in found.imports)


def _starts_zip(data: bytes) -> bool:
    """Say whether a ZIP reader would open it: the directory is at the end, whatever stands before."""
    return data.startswith(b"PK\x03\x04") or zipfile.is_zipfile(io.BytesIO(data))


def _expand_zip(search: _Search, data: bytes, depth: int) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                with archive.open(member) as file:
                    search.look(_read_all(search, file.read), depth + 1, is_whole=True)


def _expand_tar(search: _Search, data: bytes, depth: int) -> None:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            if file is not None:
                search.look(_read_all(search, file.read), depth + 1, is_whole=True)


def _read_all(search: _Search, read: Callable[[int], bytes]) -> bytes:
    parts = []
    while part := read(_READ_BYTES):
        search.grow(len(part))
        parts.append(part)
    return b"".join(parts)


def _expand_stream(
    make: Callable[[], "zlib._Decompress | bz2.BZ2Decompressor | lzma.LZMADecompressor"],
) -> Callable[[_Search, bytes, int], None]:
    def expand(search: _Search, data: bytes, depth: int) -> None:
        stream, parts, place = make(), [], 0
        while not stream.eof:
            piece = data[place : place + _READ_BYTES // 16]
            if not piece:
                raise EOFError("its compressed stream breaks off")
            parts.append(_inflate(search, stream, piece))
            place += len(piece)
        search.look(b"".join(parts), depth + 1, is_whole=True)

    return expand


def _inflate(search: _Search, stream: "zlib._Decompress | bz2.BZ2Decompressor | lzma.LZMADecompressor", piece: bytes) -> bytes:
    part = stream.decompress(piece)
    search.grow(len(part))
    return part


def _refuse_stream(_: _Search, __: bytes, ___: int) -> None:
    raise Broken("it is compressed with lz4, which is not looked into")


def _expand_numpy(search: _Search, data: bytes, depth: int) -> None:
    """Look behind the header of a .npy file: an array of objects is a pickle."""
    size = 2 if data[6:7] == b"\x01" else 4
    body = 8 + size + int.from_bytes(data[8 : 8 + size], "little")
    if _OBJECT_ITEMS.search(data[:body]):
        search.look(data[body:], depth + 1, is_whole=True)


_EXPANDERS: tuple[tuple[Callable[[bytes], bool], Callable[[_Search, bytes, int], None]], ...] = (
    (_starts_zip, _expand_zip),
    (lambda data: data[257:262] == b"ustar", _expand_tar),
    (
        lambda data: data[:2] in {b"\x1f\x8b", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda"},
        _expand_stream(lambda: zlib.decompressobj(_GZIP_OR_ZLIB)),
    ),
    (lambda data: data.startswith(b"BZh"), _expand_stream(bz2.BZ2Decompressor)),
    (lambda data: data.startswith((b"\xfd7zXZ\0", b"]\0\0")), _expand_stream(lzma.LZMADecompressor)),
    (lambda data: data.startswith(b"\x04\x22\x4d\x18"), _refuse_stream),
    (lambda data: data.startswith(_NUMPY), _expand_numpy),
)
