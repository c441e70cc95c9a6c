"""Feed the watch: one audit hook, a recording `os.environ`, and patches applied to libraries as they are imported.

Installed once in a process, before user code is imported, so that `from numpy.random import default_rng` and
`from polars import read_csv` are seen too. While no attempt runs, each costs one test of one name.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

from incumbent.execution import native_readers, seeding
from incumbent.execution.watch import Watch

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_installed: list[bool] = []


def install_hooks() -> None:
    """Install everything, the first time this is called in a process."""
    if _installed:
        return
    _installed.append(True)
    sys.addaudithook(_on_event)
    os.environ.__class__ = _RecordingEnviron
    seeding.catch_entropy(_on_chance)
    sys.meta_path.insert(0, _PatchingFinder())
    for name in PATCHES:
        if name in sys.modules:
            _patch(sys.modules[name])


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    watch = Watch.current
    if watch is not None:
        react = _REACTIONS.get(event)
        if react is not None:
            react(watch, arguments)


def _on_open(watch: Watch, arguments: tuple[Any, ...]) -> None:
    path, mode, flags = arguments
    if isinstance(path, int):
        return
    writes = bool(flags & _WRITES) if isinstance(flags, int) else any(letter in (mode or "r") for letter in "wax+")
    if writes and (mode is None or "+" not in mode or "w" in mode) and not _is_read_in_place(path, flags):
        watch.on_write(path)
    else:
        watch.on_read(path)


def _is_read_in_place(path: object, flags: object) -> bool:
    """Say whether an existing file is opened to be read and changed (`r+`, O_RDWR without O_TRUNC)."""
    return (
        isinstance(flags, int)
        and flags & os.O_ACCMODE == os.O_RDWR
        and not flags & (os.O_TRUNC | os.O_EXCL)
        and isinstance(path, str | bytes | os.PathLike)
        and os.path.exists(path)
    )


def _on_import(watch: Watch, arguments: tuple[Any, ...]) -> None:
    filename = arguments[1]  # set for extension modules only; Python sources are opened, which is an event of its own
    if isinstance(filename, str):
        watch.on_read(filename)


def _on_sqlite(watch: Watch, arguments: tuple[Any, ...]) -> None:
    path = arguments[0]
    if isinstance(path, str | bytes | os.PathLike) and path not in ("", b"", ":memory:", b":memory:"):
        watch.on_read(path) if os.path.exists(path) else watch.on_write(path)


def _on_connect(watch: Watch, arguments: tuple[Any, ...]) -> None:
    address = arguments[1]
    if isinstance(address, tuple) and len(address) >= 2:
        watch.on_outside(f"connects to {address[0]}:{address[1]}")


def _on_process(watch: Watch, arguments: tuple[Any, ...]) -> None:
    watch.on_outside(f"starts the process {os.path.basename(os.fsdecode(arguments[0] or b'?'))}, which is not watched")


_REACTIONS: dict[str, Callable[[Watch, tuple[Any, ...]], None]] = {
    "open": _on_open,
    "import": _on_import,
    "os.listdir": lambda watch, arguments: watch.on_list(arguments[0]),
    "os.scandir": lambda watch, arguments: watch.on_list(arguments[0]),
    "os.mkdir": lambda watch, arguments: watch.on_make_folder(arguments[0]),
    "sqlite3.connect": _on_sqlite,
    "socket.connect": _on_connect,
    "subprocess.Popen": _on_process,
    "os.system": _on_process,
    "os.posix_spawn": _on_process,
}


def _on_chance(what: str) -> None:
    watch = Watch.current
    if watch is not None:
        watch.on_chance(what)


class _RecordingEnviron(os._Environ):  # type: ignore[type-arg]
    """`os.environ`, telling the watch what is read. The object stays the same one; only its class changes."""

    def __getitem__(self, key: Any) -> Any:
        watch = Watch.current
        if watch is not None and isinstance(key, str):
            watch.on_variable(key)
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[Any]:
        watch = Watch.current
        if watch is not None:
            watch.on_all_variables()
        return super().__iter__()


def _seed_late(name: str) -> Callable[[ModuleType], None]:
    def seed(module: ModuleType) -> None:
        if Watch.seed is not None:
            seeding.SEEDERS[name](module, Watch.seed)

    return seed


def _wrap_readers(module: ModuleType) -> None:
    native_readers.wrap_readers(module, _on_native_read)


def _on_native_read(path: object) -> None:
    watch = Watch.current
    if watch is not None:
        for found in native_readers.list_files(path):
            watch.on_read(found)


PATCHES: dict[str, list[Callable[[ModuleType], None]]] = {
    "numpy.random.bit_generator": [lambda module: seeding.catch_numpy(module, _on_chance)],
    "numpy.random.mtrand": [seeding.spare_legacy],
    **{name: [_seed_late(name)] for name in seeding.SEEDERS if name != "random"},
}
for _name in native_readers.READERS:
    PATCHES.setdefault(_name, []).append(_wrap_readers)


def _patch(module: ModuleType) -> None:
    for change in PATCHES[module.__name__]:
        change(module)


class _PatchingFinder(importlib.abc.MetaPathFinder):
    """Finds modules as everybody else does, and has those in PATCHES changed once they are loaded."""

    def __init__(self) -> None:
        self._looking: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec that the other finders give, its loader followed by our change."""
        if fullname not in PATCHES or fullname in self._looking:
            return None
        self._looking.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname) if path is None else _find_elsewhere(self, fullname, path, target)
        finally:
            self._looking.discard(fullname)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                _patch(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # this loader serves this one module
        return spec


def _find_elsewhere(
    self: importlib.abc.MetaPathFinder, fullname: str, path: Sequence[str] | None, target: ModuleType | None
) -> importlib.machinery.ModuleSpec | None:
    for finder in sys.meta_path:
        if finder is not self:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                return spec
    return None
