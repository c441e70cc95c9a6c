"""Feed the watch: one audit hook, a recording `os.environ`, and patches applied to libraries as they are imported.

Installed once in a process, before user code is imported, so that `from numpy.random import default_rng` and
`from polars import read_csv` are seen too. While no attempt runs, each costs one test of one name.
"""

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

from incumbent.execution import native_readers, seeding, sqlite_names
from incumbent.execution.watch import Watch

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ENVIRONMENT_FILE = re.compile(r"/proc/(self|thread-self|\d+)/(task/\d+/)?environ")
_installed: list[bool] = []


def install_hooks() -> None:
    """Install everything, the first time this is called in a process."""
    if _installed:
        return
    _installed.append(True)
    sys.addaudithook(_on_event)
    os.environ.__class__ = os.environb.__class__ = _RecordingEnviron
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
    path, _, flags = arguments
    if isinstance(path, int):
        return
    if isinstance(path, str) and _ENVIRONMENT_FILE.fullmatch(path):
        watch.on_environment_file()
        return
    flags = flags if isinstance(flags, int) else os.O_RDONLY
    empties = bool(flags & os.O_TRUNC)
    reads = flags & os.O_ACCMODE in (os.O_RDONLY, os.O_RDWR)
    if not flags & _WRITES or (reads and not empties and os.path.lexists(path)):
        watch.on_read(path)
    if flags & _WRITES:
        watch.on_write(path, empties=empties)


def _on_import(watch: Watch, arguments: tuple[Any, ...]) -> None:
    filename = arguments[1]  # set for extension modules only; Python sources are opened, which is an event of its own
    if isinstance(filename, str):
        watch.on_read(filename)


def _on_sqlite(watch: Watch, arguments: tuple[Any, ...]) -> None:
    _on_database(watch, arguments[0])


def _on_database(watch: Watch, name: object) -> None:
    path = sqlite_names.find_path(name)
    if path is not None:
        watch.on_read(path) if os.path.lexists(path) else watch.on_write(path)


def _on_list(watch: Watch, arguments: tuple[Any, ...]) -> None:
    path = arguments[0]
    watch.on_list(_path_of(path) if isinstance(path, int) else path)


def _on_move(watch: Watch, arguments: tuple[Any, ...], *, keeps: bool = False) -> None:
    source, target, source_fd, target_fd = arguments
    watch.on_move(_beside(source_fd, source), _beside(target_fd, target), keeps=keeps)


def _on_remove(watch: Watch, arguments: tuple[Any, ...]) -> None:
    watch.on_remove(_beside(arguments[1], arguments[0]))


def _on_make_folder(watch: Watch, arguments: tuple[Any, ...]) -> None:
    watch.on_make_folder(_beside(arguments[2], arguments[0]))


def _beside(folder_fd: int, path: object) -> object:
    """Return a path that may be relative to an open folder (-1: it is not)."""
    if folder_fd < 0 or not isinstance(path, str | bytes | os.PathLike):
        return path
    folder = _path_of(folder_fd)
    return path if folder is None else os.path.join(folder, os.fsdecode(path))


def _path_of(fd: int) -> str | None:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:  # another system: what is under an open folder is not seen there
        return None


def _on_connect(watch: Watch, arguments: tuple[Any, ...]) -> None:
    address = arguments[1]
    if isinstance(address, tuple) and len(address) >= 2:
        watch.on_outside(f"connects to {address[0]}:{address[1]}")
    elif isinstance(address, str | bytes):  # a socket in the file system
        watch.on_outside(f"connects to {os.fsdecode(address)!r}")


def _on_process(watch: Watch, arguments: tuple[Any, ...]) -> None:
    if len(arguments) > 1 and arguments[-1] is not None:  # its environment
        watch.on_given_environment()
    watch.on_outside(f"starts the process {os.path.basename(os.fsdecode(arguments[0] or b'?'))}, which is not watched")


def _on_fork(watch: Watch, _arguments: tuple[Any, ...]) -> None:
    watch.on_outside("starts a copy of its process, whose reads are not told")


def _on_library(watch: Watch, arguments: tuple[Any, ...]) -> None:
    name = arguments[0]
    if isinstance(name, str | bytes) and os.sep in os.fsdecode(name):  # a bare name is looked for where the system's libraries are
        watch.on_read(name)


_REACTIONS: dict[str, Callable[[Watch, tuple[Any, ...]], None]] = {
    "open": _on_open,
    "import": _on_import,
    "os.listdir": _on_list,
    "os.scandir": _on_list,
    "os.mkdir": _on_make_folder,
    "os.rename": _on_move,
    "os.link": functools.partial(_on_move, keeps=True),
    "os.remove": _on_remove,
    "os.rmdir": _on_remove,
    "os.truncate": lambda watch, arguments: watch.on_write(arguments[0]),
    "ctypes.dlopen": _on_library,
    "sqlite3.connect": _on_sqlite,
    "socket.connect": _on_connect,
    "subprocess.Popen": _on_process,
    "os.system": _on_process,
    "os.posix_spawn": _on_process,
    "os.fork": _on_fork,
    "os.forkpty": _on_fork,
}


def _on_chance(what: str) -> None:
    watch = Watch.current
    if watch is not None:
        watch.on_chance(what)


class _RecordingEnviron(os._Environ):  # type: ignore[type-arg]  # generic in the stubs alone, not when it runs
    """`os.environ`, telling the watch what is read. The object stays the same one; only its class changes."""

    def __getitem__(self, key: Any) -> Any:
        watch = Watch.current
        if watch is not None and isinstance(key, str | bytes):
            watch.on_variable(os.fsdecode(key))
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        watch = Watch.current
        if watch is not None and isinstance(key, str | bytes):
            watch.on_change_variable(os.fsdecode(key))
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        watch = Watch.current
        if watch is not None and isinstance(key, str | bytes):
            watch.on_change_variable(os.fsdecode(key))
        super().__delitem__(key)

    def __iter__(self) -> Iterator[Any]:
        watch = Watch.current
        if watch is not None:
            watch.on_all_variables()
        return super().__iter__()

    def __repr__(self) -> str:
        watch = Watch.current
        if watch is not None:
            watch.on_all_variables()
        return super().__repr__()


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
        address = native_readers.find_address(path)
        if address is not None:
            watch.on_outside(f"reads {address}")
        for found in native_readers.list_files(path):
            watch.on_read(found)


def _wrap_sqlite(module: ModuleType) -> None:
    connect = module.connect

    def tell(name: object) -> None:
        watch = Watch.current
        if watch is not None:
            _on_database(watch, name)

    @functools.wraps(connect)
    def connect_and_listen(*args: Any, **kwargs: Any) -> Any:
        connection = connect(*args, **kwargs)
        if Watch.current is not None:
            sqlite_names.on_attach(connection, tell)
        return connection

    setattr(module, "connect", connect_and_listen)  # noqa: B010 - the type of a module has no such attribute


def _wrap_spawn(module: ModuleType) -> None:
    """Tell of the workers of multiprocessing that are not forked: no audit event is raised for them."""
    spawn = module.spawnv_passfds

    @functools.wraps(spawn)
    def spawn_and_tell(path: Any, args: Any, passfds: Any) -> int:
        watch = Watch.current
        if watch is not None:
            _on_process(watch, (path,))
        return int(spawn(path, args, passfds))

    setattr(module, "spawnv_passfds", spawn_and_tell)  # noqa: B010 - the type of a module has no such attribute


PATCHES: dict[str, list[Callable[[ModuleType], None]]] = {
    "numpy.random.bit_generator": [lambda module: seeding.catch_numpy(module, _on_chance)],
    "numpy.random.mtrand": [seeding.spare_legacy],
    "sqlite3": [_wrap_sqlite],
    "multiprocessing.util": [_wrap_spawn],
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
