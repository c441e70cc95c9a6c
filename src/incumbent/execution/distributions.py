"""Installed distributions as files tell them: which one gives an import name, what it needs, and a digest of what it installed.

Nothing is imported. The digest of a distribution comes from its RECORD, which already holds the SHA-256 of each installed file;
left out are the lines that differ between two installs of the same wheel (installer's notes, scripts that name the interpreter,
byte code). Where there is no RECORD (Debian, conda) the names, sizes and times of its files stand in.
"""

import json
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from incumbent.base.digest import Algorithm, digest_bytes, finish, new_hasher

_REQUIRED = re.compile(r"^Requires-Dist:\s*([A-Za-z0-9][A-Za-z0-9._-]*)[^;\n]*(;.*)?$", re.MULTILINE)
_NATIVE = (".so", ".pyd", ".dylib", ".dll")
_SOURCES = (".py", *_NATIVE)


def normalize_name(name: str) -> str:
    """Return the one spelling of a distribution's name (PEP 503).

    >>> normalize_name("Scikit_Learn")
    'scikit-learn'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True)
class Distribution:
    """One installed distribution.

    Attributes:
        name: In the one spelling of PEP 503.
        info: Its `.dist-info` (or `.egg-info`) folder or file.
    """

    name: str
    version: str
    info: Path

    @cached_property
    def record(self) -> bytes:
        """The bytes of RECORD, each line begun by a line feed; empty if it has none."""
        found = _read(self.info / "RECORD")
        return b"\n" + found if found else b""

    @cached_property
    def is_native(self) -> bool:
        """Whether it ships machine code, whose results depend on the processor."""
        if self.record:
            return re.search(rb"\.(?:so|pyd|dylib|dll)(?:\.\d+)*[\",]", self.record) is not None
        return any(path.endswith(_NATIVE) for path in _list_files(self._roots()))

    @cached_property
    def editable_root(self) -> Path | None:
        """The source folder of an editable install, else None."""
        try:
            direct = json.loads(_read(self.info / "direct_url.json") or b"{}")
        except ValueError:
            return None
        if not isinstance(direct, dict) or not (direct.get("dir_info") or {}).get("editable"):
            return None
        return Path(unquote(urlsplit(str(direct.get("url", ""))).path))

    @cached_property
    def requirements(self) -> tuple[str, ...]:
        """Names of the distributions that it needs, extras left out."""
        text = _read(self.info / "METADATA" if self.info.is_dir() else self.info).partition(b"\n\n")[0].decode(errors="replace")
        found = {normalize_name(match[1]) for match in _REQUIRED.finditer(text) if "extra" not in (match[2] or "")}
        return tuple(sorted(found))

    def gives(self, import_name: str) -> bool:
        """Say whether `import_name` can be imported because of it."""
        if b".dist-info/direct_url.json" in self.record and self.editable_root is not None:
            return any(_has_module(folder, import_name) for folder in (self.editable_root, self.editable_root / "src"))
        return _is_in_record(self.record, import_name.encode()) if self.record else import_name in self._import_names

    @cached_property
    def _import_names(self) -> tuple[str, ...]:
        """Top-level names, where there is no RECORD."""
        listed = _read(self.info / "top_level.txt").decode(errors="replace").split()
        return tuple(listed) or (self.name.replace("-", "_"),)

    def digest(self, algorithm: Algorithm) -> str:
        """Return the digest of what it installed."""
        if self.editable_root is not None:
            return digest_sources(self.editable_root, algorithm)
        if self.record:
            return digest_bytes(b"\n".join(sorted(_lasting_lines(self.record))), algorithm)
        return _digest_status(_list_files(self._roots()), algorithm)

    def _roots(self) -> list[Path]:
        parent = self.info.parent
        roots = [parent / name for name in self._import_names]
        return [path for root in roots for path in (root, root.with_name(root.name + ".py")) if path.exists()]


@dataclass(frozen=True)
class Installed:
    """All distributions on a search path, the first of a name winning, as the import system has it."""

    folders: tuple[Path, ...]

    @cached_property
    def by_name(self) -> Mapping[str, Distribution]:
        """Distributions by name; only folder names are read for this."""
        found: dict[str, Distribution] = {}
        for folder in self.folders:
            try:
                entries = sorted(os.listdir(folder))
            except OSError:
                continue
            for entry in entries:
                if entry.endswith((".dist-info", ".egg-info")):
                    name, _, rest = entry.rpartition(".")[0].partition("-")
                    distribution = Distribution(normalize_name(name), rest.partition("-py")[0], folder / entry)
                    found.setdefault(distribution.name, distribution)
        return found

    def find_givers(self, import_names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return, for each import name, the names of the distributions that give it: several for a namespace package, none if unknown."""
        wanted = list(import_names)
        if not wanted:
            return {}
        return {wish: tuple(name for name, found in self.by_name.items() if found.gives(wish)) for wish in wanted}

    def reach(self, names: Iterable[str]) -> list[Distribution]:
        """Return the installed distributions among `names` and all that they need, directly or not, by name."""
        reached: dict[str, Distribution] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in reached and name in self.by_name:
                reached[name] = self.by_name[name]
                waiting += reached[name].requirements
        return [reached[name] for name in sorted(reached)]


def find_installed() -> Installed:
    """Return what is installed where this interpreter imports from, the standard library left out."""
    library = {os.path.realpath(path) for path in (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))}
    folders = [entry for entry in sys.path if entry and os.path.isdir(entry) and os.path.realpath(entry) not in library]
    return Installed(tuple(Path(folder) for folder in dict.fromkeys(folders)))


def digest_sources(root: Path, algorithm: Algorithm) -> str:
    """Return the digest of all Python and native files under `root` (or of that one file), by name and content."""
    hasher = new_hasher(algorithm)
    for path in _list_files([root]):
        if path.endswith(_SOURCES):
            data = _read(Path(path))
            hasher.update(f"{os.path.relpath(path, root)}\0{len(data)}\0".encode("utf-8", "surrogateescape") + data)
    return finish(hasher, algorithm)


def _is_in_record(record: bytes, name: bytes) -> bool:
    r"""Say whether a RECORD lists a top-level package or module of that name (searched as a whole: splitting it is slow).

    >>> record = b"\na/__init__.py,,\nb.cpython-311-x86_64-linux-gnu.so,,\nc.libs/x.so,,\n"
    >>> [_is_in_record(record, name) for name in (b"a", b"b", b"c", b"gnu")]
    [True, True, False, False]
    """
    if b"\n" + name + b"/" in record or b"\n" + name + b".py," in record:
        return True
    start = record.find(b"\n" + name + b".")
    while start >= 0:
        path = record[start + 1 : start + 200].partition(b",")[0]
        if b"/" not in path and path.endswith((b".so", b".pyd")):
            return True
        start = record.find(b"\n" + name + b".", start + 1)
    return False


def _lasting_lines(record: bytes) -> Iterator[bytes]:
    """Yield the lines that every install of the same wheel has: paths, digests and sizes of what can be imported or read."""
    for line in record.splitlines():
        path = line.partition(b",")[0]
        if path and not (path.startswith((b"..", b"/", b'"..')) or b".dist-info/" in path or path.endswith((b".pyc", b".pth"))):
            yield line


def _has_module(folder: Path, name: str) -> bool:
    return (folder / name / "__init__.py").exists() or (folder / f"{name}.py").exists()


def _list_files(roots: Iterable[Path]) -> Iterator[str]:
    """Yield every file under `roots` in one fixed order; hidden folders, byte code and environments inside are passed over."""
    for root in sorted(roots):
        if root.is_file():
            yield str(root)
        for parent, folders, names in os.walk(root):
            folders[:] = sorted(name for name in folders if not _is_passed_over(parent, name))
            yield from (os.path.join(parent, name) for name in sorted(names))


def _is_passed_over(parent: str, name: str) -> bool:
    return name.startswith(".") or name in ("__pycache__", "node_modules") or os.path.exists(os.path.join(parent, name, "pyvenv.cfg"))


def _digest_status(paths: Iterable[str], algorithm: Algorithm) -> str:
    lines = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue
        lines.append(f"{path}\0{status.st_size}\0{status.st_mtime_ns}")
    return digest_bytes("\n".join(lines).encode("utf-8", "surrogateescape"), algorithm)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
