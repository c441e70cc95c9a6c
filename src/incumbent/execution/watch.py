"""Watch what a stage really reads while it runs, and compare it with what its key holds.

A file that the stage reads and does not declare is an undeclared input: data files wherever they lie, project modules that are
imported late and are no part of the code's digest, names listed from a folder. So is an environment variable that project code
reads, and the whole environment where it is copied, unless the stage then gives a process an environment (that is reported). Left
alone: the interpreter, the standard library and installed packages (the environment's digest holds them), the
operating system's folders, the attempt's own folder, and what the stage wrote or made itself.

A module is imported before any attempt. What it reads then is remembered (import_reads.py) and counts as read by each attempt
of a stage whose code it is part of.

This catches what is forgotten. It is no sandbox: docs/explanation/recipe.md lists what it does not see.
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
from types import CodeType
from typing import Literal

from incumbent.base.digest import Algorithm
from incumbent.base.errors import Refused
from incumbent.execution.advice import advise, advise_import
from incumbent.execution.callers import Callers
from incumbent.execution.import_reads import ImportRead, ImportReads
from incumbent.execution.native_readers import list_files
from incumbent.execution.observed import ALL_VARIABLES, UNREPEATABLE, observe_input
from incumbent.execution.own_files import OwnFiles
from incumbent.execution.project_files import ProjectFiles
from incumbent.execution.variables import GivenVariables
from incumbent.pipeline.action import Policy, StageTask, Undeclared

_CACHES = ("matplotlib", "fontconfig", "numba", "pip", "joblib", "torch/kernels", "triton")
_MODULES = (".py", ".pyc", *EXTENSION_SUFFIXES)
_PASS_VARIABLES = ("os", "_collections_abc", "collections", "posixpath", "ntpath", "pathlib", "string", "getpass")
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
        self._callers = Callers(self.files)
        self._imports = ImportReads(self.files)
        self._given = GivenVariables()
        self._algorithm: Algorithm = "blake3"
        self._reset()

    def _reset(self) -> None:
        self._task: StageTask | None = None  # None while modules are imported
        self._policy: Policy = "off"
        self._free = self._ignored
        self._allowed: frozenset[str] = frozenset()
        self._own = OwnFiles()
        self._seen: dict[tuple[str, str], tuple[str, str]] = {}  # where, and the digest just before: the stage may change it after
        self._warnings: dict[str, None] = {}
        self._refusals: dict[str, None] = {}
        self._chances: set[str] = set()  # places; one draw may pass several functions that are watched
        self._bulk: tuple[CodeType, int] | None = None
        self._copies: dict[str, ImportRead] = {}  # of all variables, by place
        self._import_copies: set[ImportRead] = set()  # those among them that a late import made
        self._told: set[str] = set()  # files outside of the attempt's folder whose change was told

    @contextmanager
    def importing(self, known: frozenset[str], algorithm: Algorithm) -> Iterator[None]:
        """Remember what modules read while the block imports them, for the attempts to come.

        Args:
            known: Project files that the code reader has read: loading one of them is no undeclared input.
            algorithm: Of the digests of what is read.
        """
        self._reset()
        self._imports, self._algorithm = ImportReads(self.files, known), algorithm
        self._given.begin_import()
        Watch.current = self
        try:
            yield
        finally:
            Watch.current = None
            self._count_copies()

    @contextmanager
    def active(self, task: StageTask, folder: Path, allowed_paths: frozenset[str]) -> Iterator[None]:
        """Watch while the block runs. `settle` then says what was seen.

        Raises:
            UndeclaredInput: Its modules read something when they were imported, and the policy is to fail.
        """
        self._reset()
        self._task, self._policy = task, task.policy
        self._free, self._allowed = (os.path.realpath(folder) + os.sep, *self._ignored), allowed_paths | {task.path}
        self._given.begin_attempt()
        self._take_imports(task)
        Watch.current, Watch.seed = (None if task.policy == "off" else self), task.seed
        try:
            yield
        finally:
            Watch.current = Watch.seed = None

    def settle(self) -> Finding:
        """Return what the last attempt did."""
        Watch.current = None
        self._count_copies()
        undeclared = tuple(Undeclared(_kind(kind), name, value, where) for (kind, name), (where, value) in self._seen.items())
        return Finding(undeclared, tuple(self._warnings), tuple(self._refusals))

    def on_read(self, path: object) -> None:
        """A file is opened for reading."""
        if self._task is None and isinstance(path, str) and path.endswith(_MODULES) and self.files.is_library(path):
            return  # the short way: importing a large library reads a thousand files
        with self._once() as first:
            text = _path_text(path)
            if first and text is not None and not self._is_usual_import(text):
                name = self._judge_read(text)
                where = self._callers.find_place(text) if name is not None else ""
                if name is not None and where is not None:
                    self._add("file", name, where)

    def on_list(self, path: object) -> None:
        """The names in a folder are listed."""
        with self._once() as first:
            text = _path_text("." if path is None else path)
            if first and text is not None and not self._callers.is_import():
                real = os.path.realpath(text)
                where = self._callers.find_place(real)
                if where is not None and not self._is_elsewhere(real + os.sep) and real + os.sep not in self._own:
                    self._add("file", self.files.relative(real) + "/", where)

    def on_write(self, path: object, *, empties: bool = False) -> None:
        """A file is opened for writing; `empties` says that its old content is thrown away."""
        with self._once() as first:
            text = _path_text(path)
            if first and text is not None:
                real = os.path.realpath(text)
                self._own.open_to_write(real, empties=empties)
                self._tell_change("wrote", real)

    def on_make_folder(self, path: object) -> None:
        """A folder is made: what is in it is the stage's own, unless it was there before."""
        text = _path_text(path)
        if text is not None:
            self._own.make_folder(os.path.realpath(text))

    def on_move(self, source: object, target: object, *, keeps: bool) -> None:
        """A file or folder gets another name, or one more (`keeps`). What is read by the new name comes from the old one."""
        with self._once() as first:
            old, new = _path_text(source), _path_text(target)
            if first and old is not None and new is not None:
                real_new = _real_entry(new)
                for path in (old, *list_files(old)):
                    name = self._judge_read(path)
                    if name is not None:
                        self._add("file", name, self._callers.find_place(path) or "")
                if not keeps:
                    self._tell_change("moved", _real_entry(old))
                self._own.move(_real_entry(old), real_new)
                self._tell_change("wrote", real_new)

    def on_remove(self, path: object) -> None:
        """A file or an empty folder is removed."""
        with self._once() as first:
            text = _path_text(path)
            if first and text is not None and os.path.lexists(text):
                self._tell_change("removed", _real_entry(text))

    def _tell_change(self, verb: str, real: str) -> None:
        """Warn, once for each file, of a change outside of the attempt's folder; the stage's own leavings are told of too."""
        if self._task is None or real in self._told or "__pycache__" in real or self._is_elsewhere(real):
            return
        if verb != "wrote" and (real in self._own or real + os.sep in self._own):
            return
        self._told.add(real)
        place = self._callers.find_place(real) or "?"
        self.warn(f"{verb} {self.files.relative(real)} ({place}), outside of its folder: nothing keeps or clears it; return it")

    def on_variable(self, name: str) -> None:
        """An environment variable is read."""
        with self._once() as first:
            if first and not self._is_declared(name) and name in self._given:
                frame = self._callers.find_caller(_PASS_VARIABLES)
                if frame is not None and (frame.f_code, frame.f_lasti) != self._bulk:
                    self._add("env", name, self._callers.place(frame))

    def on_all_variables(self) -> None:
        """All variables are walked over (to copy them). The reads made by this same instruction are no use of any one."""
        with self._once() as first:
            frame = self._callers.find_caller(_PASS_VARIABLES) if first else None
            if frame is not None:
                self._bulk = (frame.f_code, frame.f_lasti)
                self._add_copy(self._callers.place(frame))

    def on_environment_file(self) -> None:
        """The file is opened in which the system shows a process's variables."""
        with self._once() as first:
            frame = self._callers.find_caller() if first else None
            if frame is not None:
                self._add_copy(self._callers.place(frame))

    def on_change_variable(self, name: str) -> None:
        """A variable is set or removed: to read it after is to read what the code itself says."""
        with self._once() as first:
            if first:
                self._given.note_change(name, os.environ.get(name), is_import=self._task is None)

    def on_given_environment(self) -> None:
        """A process gets an environment: what was copied was copied for this, as far as anyone can tell."""
        self._copies.clear()

    def _add_copy(self, where: str) -> None:
        if where not in self._copies:
            files, is_import = self._imports.list_files(sys._getframe(2))
            read = ImportRead("env", ALL_VARIABLES, self._given.digest(self._algorithm), where, files)
            self._copies[where] = read
            if is_import:
                self._import_copies.add(read)

    def _count_copies(self) -> None:
        """Count as read what was copied and given to no process."""
        for read in self._copies.values():
            if self._task is None or read in self._import_copies:
                self._imports.add(read)
            if self._task is not None and (read.kind, read.name) not in self._seen:
                self._remember(read.kind, read.name, read.value, read.where)
                if self._policy == "fail":
                    self._refusals.setdefault(advise(self._stage, read.kind, read.name, read.where))

    def on_chance(self, what: str) -> None:
        """Unseeded chance is drawn."""
        with self._once() as first:
            frame = self._callers.find_caller(_PASS_CHANCE) if first and self._task is not None else None
            if frame is None or self._callers.place(frame) in self._chances:
                return
            self._chances.add(self._callers.place(frame))
            words = (
                f"stage {self._stage!r} draws unseeded chance from {what} ({self._callers.place(frame)}): no rerun can give the same; "
                "take `rng` (a NumPy Generator) or `seed` as a keyword-only parameter and use that"
            )
            if self._policy == "fail":
                self._refuse(words)
            self.warn(words)

    def on_outside(self, what: str) -> None:
        """Something happens that the watch cannot follow: a connection, a process."""
        with self._once() as first:
            frame = self._callers.find_caller() if first and self._task is not None else None
            if frame is not None:
                self.warn(f"{what} ({self._callers.place(frame)}): what it gives is not part of the key")

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
        is_new = (kind, name) not in self._seen
        if is_import or self._task is None or is_new:
            value = observe_input(self._root, kind, name, self._algorithm)
            if not value and kind == "file" and os.path.exists(self._root / name):
                value = UNREPEATABLE
        if is_import or self._task is None:
            self._imports.add(ImportRead(kind, name, value, where, files))
        if self._task is None or not is_new:
            return
        self._remember(kind, name, value, where)
        if self._policy == "fail":
            self._refuse(advise(self._stage, kind, name, where))

    def _remember(self, kind: str, name: str, value: str, where: str) -> None:
        if (kind, name) not in self._seen:
            self._seen[kind, name] = where, value

    def _take_imports(self, task: StageTask) -> None:
        """Lay what the modules of the stage's code read when they were imported at the door of this attempt."""
        if task.policy == "off":
            return
        for read in self._imports:
            is_declared = self._is_declared(read.name) if read.kind == "env" else read.name in self._allowed
            if read.concerns(self._allowed) and not is_declared:
                self._remember(read.kind, read.name, read.value, read.where)
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
        if not text.endswith(_MODULES) or not self._callers.is_import():
            return False
        is_known = self.files.relative(text) in self._imports.known
        if self._task is None:  # the places of the stages are imported by their names, as text
            return is_known or not self._callers.is_computed_import()
        return is_known and not self._callers.is_computed_import()

    def _judge_read(self, text: str) -> str | None:
        """Return the name under which a file is undeclared, or None if the stage may read it."""
        if text.endswith(".pyc"):
            try:
                text = importlib.util.source_from_cache(text)
            except (ValueError, NotImplementedError):  # it stands for no source
                pass
        real = os.path.realpath(text)
        if self._is_elsewhere(real) or real in self._own or os.path.isdir(real):
            return None
        name = self.files.relative(real)
        return None if name in self._allowed else name

    def _is_elsewhere(self, real: str) -> bool:
        """Say whether a file is none of the project's business: a library's, the system's, the workspace's, the attempt's own."""
        return real.startswith(self._free) or self.files.is_library(real) or self.files.is_system(real)


def _kind(text: str) -> Literal["file", "env"]:
    return "env" if text == "env" else "file"


def _path_text(path: object) -> str | None:
    if isinstance(path, bytes):
        return os.fsdecode(path)
    if isinstance(path, os.PathLike):
        return os.fsdecode(os.fspath(path))
    return path if isinstance(path, str) and path else None


def _real_entry(path: str) -> str:
    """Return the real path of a folder's entry: a link itself, not what it leads to."""
    return os.path.join(os.path.realpath(os.path.dirname(path) or "."), os.path.basename(path))


def _list_cache_folders() -> tuple[str, ...]:
    """Return the folders in the user's home where libraries keep what they can always make again."""
    homes = [
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
        os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"),
    ]
    return tuple(os.path.realpath(os.path.join(home, name)) + os.sep for home in homes for name in _CACHES)
