"""Watch what a stage really reads while it runs, and compare it with what its key holds.

A file that the stage reads and does not declare is an undeclared input: data files wherever they lie, project modules that are
imported late and are no part of the code's digest, names listed from a folder. So is an environment variable that project code
reads. Left alone: the interpreter, the standard library and installed packages (the environment's digest holds them), the
operating system's folders, the attempt's own folder, and what the stage wrote or made itself.

A module is imported before any attempt. What it reads then is remembered (import_reads.py) and counts as read by each attempt
of a stage whose code it is part of.

Not seen: file status calls (`exists`), what a child process reads (starting one is reported), readers written in native code
that are not in native_readers.READERS, time and the network (a connection is reported).
"""

import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import FrameType
from typing import Literal

from incumbent.base.digest import Algorithm
from incumbent.base.errors import Refused
from incumbent.execution.advice import advise, advise_import
from incumbent.execution.import_reads import ImportRead, ImportReads
from incumbent.execution.observed import observe_input
from incumbent.execution.project_files import ProjectFiles
from incumbent.pipeline.action import Policy, StageTask, Undeclared

_CACHES = ("matplotlib", "fontconfig", "numba", "pip", "joblib", "torch/kernels", "triton")
_MODULES = (".py", ".pyc", *EXTENSION_SUFFIXES)
_READS_SOURCE_TEXT = ("linecache.py", "tokenize.py", "traceback.py", "inspect.py")
_PASS_VARIABLES = ("os", "_collections_abc")
_PASS_CHANCE = ("random", "secrets", "uuid")
_KEYED_VARIABLES = frozenset({"PYTHONHASHSEED", "TZ", "LC_ALL", "LANG", "TMPDIR"})


class UndeclaredInput(Refused):
    """A stage read something (or drew chance) that its key does not hold, and the policy is to fail."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the watch saw in one attempt.

    Attributes:
        undeclared: Each undeclared input once, with its digest.
        warnings: In words: writes outside of the attempt's folder, connections, processes started, unseeded chance.
        refusals: In words, what the policy "fail" forbids.
    """

    undeclared: tuple[Undeclared, ...] = ()
    warnings: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


class Watch:
    """The watch over one process; on only inside `importing` and `active`, one attempt at a time. `hooks` feeds it with events."""

    current: "Watch | None" = None
    seed: int | None = None
    """The seed of the attempt that is running in this process, for libraries that are imported only now."""

    def __init__(self, root: Path, *, ignored: tuple[Path, ...] = ()) -> None:
        self.files = ProjectFiles(root)
        self._root = root
        self._ignored = tuple(os.path.realpath(folder) + os.sep for folder in ignored) + _list_cache_folders()
        self._busy = threading.local()
        self._imports = ImportReads(self.files)
        self._algorithm: Algorithm = "blake3"
        self._reset()

    def _reset(self) -> None:
        self._task: StageTask | None = None  # None while modules are imported
        self._policy: Policy = "off"
        self._free = self._ignored
        self._allowed: frozenset[str] = frozenset()
        self._own: set[str] = set()  # files it wrote and folders it made, as real paths
        self._seen: dict[tuple[str, str], str] = {}
        self._values: dict[tuple[str, str], str] = {}  # digests that were taken when it was read, during an import
        self._warnings: dict[str, None] = {}
        self._refusals: dict[str, None] = {}
        self._chances: set[str] = set()  # places; one draw may pass several functions that are watched
        self._bulk: tuple[int, int] | None = None

    @contextmanager
    def importing(self, known: frozenset[str], algorithm: Algorithm) -> Iterator[None]:
        """Remember what modules read while the block imports them, for the attempts to come.

        Args:
            known: Project files that the code reader has read: loading one of them is no undeclared input.
            algorithm: Of the digests of what is read.
        """
        self._reset()
        self._imports, self._algorithm = ImportReads(self.files, known), algorithm
        Watch.current = self
        try:
            yield
        finally:
            Watch.current = None

    @contextmanager
    def active(self, task: StageTask, folder: Path, allowed_paths: frozenset[str]) -> Iterator[None]:
        """Watch while the block runs. `settle` then says what was seen.

        Raises:
            UndeclaredInput: Its modules read something when they were imported, and the policy is to fail.
        """
        self._reset()
        self._task, self._policy = task, task.policy
        self._free, self._allowed = (os.path.realpath(folder) + os.sep, *self._ignored), allowed_paths | {task.path}
        self._take_imports(task)
        Watch.current, Watch.seed = (None if task.policy == "off" else self), task.seed
        try:
            yield
        finally:
            Watch.current = Watch.seed = None

    def settle(self, algorithm: Algorithm) -> Finding:
        """Return what the last attempt did, with the digests of what it read as it is now."""
        Watch.current = None
        undeclared = tuple(
            Undeclared(_kind(kind), name, self._value_of(kind, name, algorithm), where) for (kind, name), where in self._seen.items()
        )
        return Finding(undeclared, tuple(self._warnings), tuple(self._refusals))

    def _value_of(self, kind: str, name: str, algorithm: Algorithm) -> str:
        known = self._values.get((kind, name))
        return observe_input(self._root, kind, name, algorithm) if known is None else known

    def on_read(self, path: object) -> None:
        """A file is opened for reading."""
        with self._once() as first:
            text = _path_text(path)
            if first and text is not None and not self._is_usual_import(text):
                name = self._judge_read(text)
                where = self._find_place() if name is not None else ""
                if name is not None and where is not None:
                    self._add("file", name, where)

    def on_list(self, path: object) -> None:
        """The names in a folder are listed."""
        with self._once() as first:
            text = _path_text("." if path is None else path)
            if first and text is not None and not _is_called_by_import():
                real = os.path.realpath(text)
                where = self._find_place()
                if where is not None and not self._is_free(real + os.sep):
                    self._add("file", self.files.relative(real) + "/", where)

    def on_write(self, path: object) -> None:
        """A file is opened for writing."""
        with self._once() as first:
            text = _path_text(path)
            if first and text is not None:
                real = os.path.realpath(text)
                free = self._is_free(real) or "__pycache__" in real
                self._own.add(real)
                if not free and self._task is not None:
                    place = self._find_place() or "?"
                    self.warn(f"wrote {self.files.relative(real)} ({place}), outside of its folder: nothing keeps or clears it; return it")

    def on_make_folder(self, path: object) -> None:
        """A folder is made: what is in it is the stage's own."""
        text = _path_text(path)
        if text is not None:
            self._own.add(os.path.realpath(text) + os.sep)

    def on_variable(self, name: str) -> None:
        """An environment variable is read."""
        with self._once() as first:
            if not first or self._is_declared(name):
                return
            frame = self._find_caller(_PASS_VARIABLES)
            if frame is not None and (id(frame), frame.f_lasti) != self._bulk:
                self._add("env", name, self._place(frame))

    def on_all_variables(self) -> None:
        """All variables are walked over (to copy them): the reads made by this same instruction are no use of any one."""
        frame = self._find_caller(_PASS_VARIABLES)
        self._bulk = None if frame is None else (id(frame), frame.f_lasti)

    def on_chance(self, what: str) -> None:
        """Unseeded chance is drawn."""
        with self._once() as first:
            frame = self._find_caller(_PASS_CHANCE) if first and self._task is not None else None
            if frame is None or self._place(frame) in self._chances:
                return
            self._chances.add(self._place(frame))
            words = (
                f"stage {self._stage!r} draws unseeded chance from {what} ({self._place(frame)}): no rerun can give the same; "
                "take `rng` (a NumPy Generator) or `seed` as a keyword-only parameter and use that"
            )
            if self._policy == "fail":
                self._refuse(words)
            self.warn(words)

    def on_outside(self, what: str) -> None:
        """Something happens that the watch cannot follow: a connection, a process."""
        with self._once() as first:
            frame = self._find_caller() if first and self._task is not None else None
            if frame is not None:
                self.warn(f"{what} ({self._place(frame)}): what it gives is not part of the key")

    def warn(self, words: str) -> None:
        """Remember a warning (once)."""
        if len(self._warnings) < 100:
            self._warnings.setdefault(words if words.startswith("stage ") else f"stage {self._stage!r} {words}")

    @property
    def _stage(self) -> str:
        return self._task.stage if self._task else "?"

    @contextmanager
    def _once(self) -> Iterator[bool]:
        """Yield False inside of the watch's own work, which opens files and reads frames too."""
        if getattr(self._busy, "on", False):
            yield False
            return
        self._busy.on = True
        try:
            yield True
        finally:
            self._busy.on = False

    def _add(self, kind: Literal["file", "env"], name: str, where: str) -> None:
        files, is_import = self._imports.list_files(sys._getframe(1))
        if is_import or self._task is None:
            self._imports.add(ImportRead(kind, name, observe_input(self._root, kind, name, self._algorithm), where, files))
        if self._task is None or (kind, name) in self._seen:
            return
        self._seen[kind, name] = where
        if self._policy == "fail":
            self._refuse(advise(self._stage, kind, name, where))

    def _take_imports(self, task: StageTask) -> None:
        """Lay what the modules of the stage's code read when they were imported at the door of this attempt."""
        if task.policy == "off":
            return
        for read in self._imports:
            is_declared = self._is_declared(read.name) if read.kind == "env" else read.name in self._allowed
            if read.concerns(self._allowed) and not is_declared:
                if (read.kind, read.name) not in self._seen:
                    self._seen[read.kind, read.name] = read.where
                    self._values[read.kind, read.name] = read.value
                if task.policy == "fail":
                    self._refusals.setdefault(advise_import(self._stage, read.kind, read.name, read.where))
        if self._refusals:
            raise UndeclaredInput(" ".join(self._refusals))

    def _is_declared(self, variable: str) -> bool:
        return variable in _KEYED_VARIABLES or (self._task is not None and variable in self._task.env)

    def _refuse(self, words: str) -> None:
        self._refusals.setdefault(words)
        raise UndeclaredInput(words)

    def _is_usual_import(self, text: str) -> bool:
        """Say whether the import system reads a module that the key knows all about.

        A statement that imports a file of the project by name has been read by the code reader. What of that file it leads to is in
        the key, and if that is nothing (an empty `__init__.py`), nothing is missing. An import by a computed name is another matter.
        """
        if not text.endswith(_MODULES) or not _is_called_by_import():
            return False
        if self._task is None and self.files.is_library(text):  # the short way: a large library is a thousand files
            return True
        is_known = self.files.relative(text) in self._imports.known
        if self._task is None:  # the places of the stages are imported by their names, as text
            return is_known or not self._is_computed_import()
        return is_known and not self._is_computed_import()

    def _is_computed_import(self) -> bool:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and (frame.f_code.co_filename.startswith(("<frozen importlib", _HERE))):
            frame = frame.f_back
        return frame is not None and not self.files.is_project(frame.f_code.co_filename)

    def _judge_read(self, text: str) -> str | None:
        """Return the name under which a file is undeclared, or None if the stage may read it."""
        if text.endswith(".pyc"):
            try:
                text = importlib.util.source_from_cache(text)
            except (ValueError, NotImplementedError):
                return None
        real = os.path.realpath(text)
        if self._is_free(real) or os.path.isdir(real):
            return None
        name = self.files.relative(real)
        return None if name in self._allowed else name

    def _is_free(self, real: str) -> bool:
        if real.startswith(self._free) or real in self._own:
            return True
        if self.files.is_library(real) or self.files.is_system(real):
            return True
        return any(folder.endswith(os.sep) and real.startswith(folder) for folder in self._own)

    def _find_place(self) -> str | None:
        """Return `path:line` of the nearest project code, "" if there is none on this thread, None if only source text is shown."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            name = frame.f_code.co_filename
            if name.endswith(_READS_SOURCE_TEXT) and not self.files.is_project(name):
                return None
            if self.files.is_project(name):
                return self._place(frame)
            frame = frame.f_back
        return ""

    def _find_caller(self, past: tuple[str, ...] | None = None) -> FrameType | None:
        """Return the frame that asked, if it is project code, else None.

        Args:
            past: Names of the library modules that only pass the question on; None looks past the whole standard library.
        """
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename in _OWN_FILES:
            frame = frame.f_back
        while frame is not None:
            name = frame.f_code.co_filename
            if self.files.is_project(name):
                return frame
            if name.startswith(_HERE):  # called by the stage (a bundle that it opens): a library, so in the environment's digest
                return None
            module = os.path.basename(name).removesuffix(".py").removeprefix("<frozen ").removesuffix(">")
            if "site-packages" in name or "dist-packages" in name or (past is not None and module not in past):
                return None
            frame = frame.f_back
        return None

    def _place(self, frame: FrameType) -> str:
        return f"{self.files.relative(frame.f_code.co_filename)}:{frame.f_lineno}"


def _kind(text: str) -> Literal["file", "env"]:
    return "env" if text == "env" else "file"


def _path_text(path: object) -> str | None:
    if isinstance(path, bytes):
        return os.fsdecode(path)
    if isinstance(path, os.PathLike):
        return os.fsdecode(os.fspath(path))
    return path if isinstance(path, str) and path else None


def _is_called_by_import() -> bool:
    """Say whether the import system lists a folder on sys.path (its finder does so before each first import)."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    name = frame.f_code.co_filename if frame is not None else ""
    return name.startswith("<frozen importlib") or f"{os.sep}importlib{os.sep}" in name or name.endswith("pkgutil.py")


def _list_cache_folders() -> tuple[str, ...]:
    """Return the folders in the user's home where libraries keep what they can always make again."""
    homes = [
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
        os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"),
    ]
    return tuple(os.path.realpath(os.path.join(home, name)) + os.sep for home in homes for name in _CACHES)


_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_OWN_FILES = frozenset(_HERE + name for name in ("watch.py", "hooks.py", "seeding.py", "native_readers.py"))
"""Whoever feeds the watch: the one that asked stands behind them."""
