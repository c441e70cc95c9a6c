"""Finds the project's modules by name, without importing anything: where the interpreter would look, in its order.

The project's own code is what lies in the folders that are searched first (the entry file's, the root, root/src), on
PYTHONPATH, and in editable installs; everything else belongs to the environment and is known by its distribution.
"""

import ast
import os
import sys
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from incumbent.base.errors import InvalidInput
from incumbent.pipeline.symbols import SourceModule, read_module

SOURCE_BYTES_MAX = 64 * 1024 * 1024
Signature = tuple[int, int, int, int]


class SourceFiles:
    """Parsed source files of one project, each read once per process while its stat stays the same."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[tuple[str, str], tuple[Signature, SourceModule]] = {}

    def load(self, file: Path, name: str, base: Path) -> SourceModule:
        """Return the module in `file`, imported as `name` from the folder `base`.

        Raises:
            InvalidInput: It cannot be read, is too large, or is not Python.
        """
        path, label = self._place(file, base)
        try:
            stat = file.stat()
            signature = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
            known = self._known.get((path, name))
            if known is not None and known[0] == signature:
                return known[1]
            if stat.st_size > SOURCE_BYTES_MAX:
                raise InvalidInput(
                    f"{path} has {stat.st_size:,} bytes; a source file may have {SOURCE_BYTES_MAX:,}: keep data in data files"
                )
            data = file.read_bytes()
        except OSError as error:
            raise InvalidInput(f"{path} cannot be read: {error.strerror}; check that it is there and its permissions") from error
        is_binary = file.name.endswith(tuple(EXTENSION_SUFFIXES))
        module = read_module(data, path=path, label=label, name=name, is_package=file.name == "__init__.py", is_binary=is_binary)
        self._known[path, name] = (signature, module)
        return module

    def find_label(self, label: str) -> Path | None:
        """Return the file outside of the root that symbol ids show as `label`."""
        known = (module for _, module in self._known.values())
        return next((Path(module.path) for module in known if module.label == label and module.path != label), None)

    def _place(self, file: Path, base: Path) -> tuple[str, str]:
        """Return the path of a file for reading it again, and for symbol ids, which are the same wherever the project is."""
        if file.is_relative_to(self.root):
            path = file.relative_to(self.root).as_posix()
            return path, path
        return file.as_posix(), f"editable:{file.relative_to(base).as_posix()}"


class ModuleFinder:
    """Finds modules for one reading of a pipeline: what is found, or absent, is asked of the file system once.

    Args:
        search: Folders of the project, in the order in which the interpreter searches them.
    """

    def __init__(self, files: SourceFiles, search: tuple[Path, ...]) -> None:
        self.files = files
        self.search = search
        self._outer: tuple[tuple[Path, ...], dict[str, Path]] | None = None
        self._bases: dict[str, tuple[Path, ...]] = {}
        self._modules: dict[str, SourceModule | None] = {}
        self._names: dict[Path, str] = {}

    def find(self, name: str) -> SourceModule | None:
        """Return the project's module of a dotted name, None if the project has none.

        Raises:
            InvalidInput: The module is there and cannot be read or parsed.
        """
        if name not in self._modules:
            self._modules[name] = self._find(name)
        return self._modules[name]

    def enter(self, file: Path, name: str, base: Path) -> SourceModule:
        """Return the module that the reading starts from; from now on `name` means that file.

        Raises:
            InvalidInput: It cannot be read or parsed.
        """
        self._names[file] = name
        module = self._modules[name] = self.files.load(file, name, base)
        return module

    def list_contents(self) -> dict[str, str]:
        """Return the SHA-256, in hex, of each file that was read, by path, sorted."""
        return dict(sorted((module.path, module.content) for module in self._modules.values() if module is not None))

    def _find(self, name: str) -> SourceModule | None:
        top, *rest = name.split(".")
        if not all(part.isidentifier() for part in (top, *rest)) or top == "incumbent" or top in sys.builtin_module_names:
            return None
        for base in self._bases_of(top):
            file = _module_file(base.joinpath(*name.split(".")))
            if file is not None:
                known = self._names.setdefault(file, name)  # one file under two names is one module
                return self.files.load(file, known, base)
        return None

    def _bases_of(self, top: str) -> tuple[Path, ...]:
        """Return the folders that hold a top-level name: the first with a module or package, else all with a plain folder."""
        if top not in self._bases:
            folders = self._holding(self.search, top)
            if top in sys.stdlib_module_names:  # a plain folder of that name gives way to the library's module
                folders = tuple(base for base in folders if _module_file(base / top) is not None)
            elif not folders:
                outer, mapped = self._list_outer()
                folders = (mapped[top].parent,) if top in mapped else self._holding(outer, top)
            self._bases[top] = folders
        return self._bases[top]

    def _holding(self, bases: tuple[Path, ...], top: str) -> tuple[Path, ...]:
        first = next((base for base in bases if _module_file(base / top) is not None), None)
        return (first,) if first else tuple(base for base in bases if _is_importable_folder(base / top))

    def _list_outer(self) -> tuple[tuple[Path, ...], dict[str, Path]]:
        if self._outer is None:
            self._outer = _list_outer_folders(self.search)
        return self._outer


def _module_file(stem: Path) -> Path | None:
    """Return the file that the interpreter loads for a module at `stem`: a package, then an extension, then source."""
    package = stem / "__init__.py"
    if package.is_file():
        return package
    for suffix in (*EXTENSION_SUFFIXES, ".py"):
        file = stem.parent / f"{stem.name}{suffix}"
        if file.is_file():
            return file
    return None


def _is_importable_folder(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        return any(_has_module(entry) for entry in entries)


def _has_module(entry: "os.DirEntry[str]") -> bool:
    return entry.name.endswith((".py", *EXTENSION_SUFFIXES)) or (entry.is_dir() and entry.name.isidentifier())


def _list_outer_folders(search: tuple[Path, ...]) -> tuple[tuple[Path, ...], dict[str, Path]]:
    """Return folders on PYTHONPATH and of editable installs, and the packages that an editable install maps one by one."""
    folders = [Path(entry).resolve() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    mapped: dict[str, Path] = {}
    for site in (Path(entry) for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))):
        try:
            names = sorted(os.listdir(site))
        except OSError:
            continue
        for name in names:
            if name.endswith(".pth"):
                folders += _path_lines(site / name)
            elif name.startswith("__editable__") and name.endswith("_finder.py"):
                mapped.update(_finder_mapping(site / name))
    kept = [folder for folder in dict.fromkeys(folders) if folder not in search and folder.is_dir()]
    return tuple(kept), mapped


def _path_lines(file: Path) -> Iterator[Path]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        if line.strip() and not line.startswith(("#", "import ", "import\t")):
            yield (file.parent / line.strip()).resolve()


def _finder_mapping(file: Path) -> dict[str, Path]:
    """Return what setuptools' finder of an editable install maps: `MAPPING = {"package": "/folder/package"}`."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return {}
    for statement in tree.body:
        target = statement.target if isinstance(statement, ast.AnnAssign) else None
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]  # type: ignore[assignment]  # Assign has targets, AnnAssign a target
        if (
            isinstance(target, ast.Name)
            and target.id == "MAPPING"
            and isinstance(statement, ast.Assign | ast.AnnAssign)
            and statement.value
        ):
            try:
                mapping = ast.literal_eval(statement.value)
            except (ValueError, TypeError, SyntaxError):
                return {}
            return {str(name): Path(str(folder)) for name, folder in mapping.items()} if isinstance(mapping, dict) else {}
    return {}
