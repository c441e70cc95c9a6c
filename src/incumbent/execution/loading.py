"""Import the user's modules once, find the stages in them, and settle the types that only real classes can settle."""

import builtins
import hashlib
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import SourceFileLoader
from pathlib import Path, PurePosixPath
from types import CodeType, MappingProxyType
from typing import Any, cast

from incumbent.base.errors import Conflict, InvalidInput
from incumbent.execution.failures import describe_error
from incumbent.execution.project_files import ProjectFiles
from incumbent.pipeline.pipeline import find_stage
from incumbent.pipeline.stage import Stage
from incumbent.pipeline.types import judge_types, split_generic, split_union

Place = tuple[str, str, str]
"""Where a stage's code is: path relative to the root, module, symbol (see `StageSpec`)."""


def put_on_path(root: Path, places: Iterable[Place]) -> None:
    """Let the project's modules be imported as their names in `places` want it; then the root, then root/src."""
    wanted = [str(root / _base_of(path, module)) for path, module, _ in dict.fromkeys(places)]
    wanted += [str(root), str(root / "src")]
    fresh = [folder for folder in dict.fromkeys(wanted) if os.path.isdir(folder)]
    sys.path[:] = fresh + [entry for entry in sys.path if entry not in fresh]


def _base_of(path: str, module: str) -> str:
    """Return the folder on sys.path from which `module` is the file `path`.

    >>> _base_of("pipelines/credit.py", "credit"), _base_of("pipelines/credit.py", "pipelines.credit"), _base_of("src/a/__init__.py", "a")
    ('pipelines', '.', 'src')
    """
    parts = PurePosixPath(path)
    folder = parts.parent.parent if parts.name == "__init__.py" else parts.parent
    for _ in range(module.count(".")):
        folder = folder.parent
    return str(folder)


def import_modules(root: Path, places: Iterable[Place], contents: Mapping[str, str] = MappingProxyType({})) -> None:
    """Import every module in `places`, and from now on every file of this project, from its source.

    Args:
        root: The project's root.
        places: Where the stages are.
        contents: What the stages' keys were made from (see `PipelineCode.contents`).

    Raises:
        InvalidInput: One cannot be imported, or its name is taken by another file; the message says where.
        Conflict: A file is no longer the one in `contents`.
    """
    _read_from_source(root, contents)
    for path, module in dict.fromkeys((path, module) for path, module, _ in places):
        try:
            loaded = importlib.import_module(module)
        except (Exception, SystemExit) as error:  # importing runs user code, which may raise anything
            refuse_changed(root, "starting")
            failure = describe_error(error, ProjectFiles(root), doing=f"{path} cannot be imported: ")
            raise InvalidInput(failure.message) from error
        found = getattr(loaded, "__file__", None)
        if found is None or os.path.realpath(found) != os.path.realpath(root / path):
            raise InvalidInput(
                f"{path} cannot be imported as {module!r}: that name already belongs to {found or 'a built-in module'}; rename the file"
            )
    refuse_changed(root, "starting")


@dataclass(slots=True)
class _Project:
    """One project whose modules this process imports.

    Attributes:
        contents: SHA-256 of the files that the keys were made from.
        changed: Those that had other bytes when they were imported.
    """

    files: ProjectFiles
    contents: Mapping[str, str]
    changed: dict[str, None] = field(default_factory=dict)

    def check(self, path: str, data: bytes) -> None:
        """Remember a source whose bytes are not those that were read for the keys; raise Conflict, which user code may swallow."""
        name = self.files.relative(path)
        expected = self.contents.get(name)
        if expected is not None and hashlib.sha256(data).hexdigest() != expected:
            self.changed.setdefault(name)
            raise Conflict(_changed_words(self.changed, "going on"))


def refuse_changed(root: Path, phase: str) -> None:
    """Raise Conflict if a source that was imported is not the one that the stages' keys were made from.

    Args:
        root: The project's root, as it was imported from.
        phase: What the run is doing, for the message: "starting" or "going on".
    """
    project = _projects.get(root)
    if project is not None and project.changed:
        raise Conflict(_changed_words(project.changed, phase))


def _changed_words(changed: Iterable[str], phase: str) -> str:
    return f"{', '.join(changed)} changed while the run was {phase}; run again; nothing was recorded under a wrong key"


_projects: dict[Path, _Project] = {}


def _read_from_source(root: Path, contents: Mapping[str, str]) -> None:
    """Have this project's modules compiled from source, never taken from `__pycache__`, and checked against `contents`.

    Byte code is trusted by the source's size and its time in whole seconds. An edit of equal length within one second would run
    the old code, and store what it gives under the new code's key.
    """
    if not _projects:
        original = SourceFileLoader.get_code

        def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
            path = self.get_filename(fullname)
            for project in _projects.values():
                if path in project.contents or project.files.is_project(path):  # the first: code that is installed to be edited
                    data = self.get_data(path)
                    project.check(path, data)
                    return self.source_to_code(data, path)
            return original(self, fullname)

        SourceFileLoader.get_code = get_code  # type: ignore[method-assign,assignment]  # the point: the loader is replaced
    known = _projects.get(root)
    _projects[root] = _Project(ProjectFiles(root) if known is None else known.files, contents)


def find_function(place: Place) -> Callable[..., object]:
    """Return the function of a stage whose module is imported.

    Raises:
        InvalidInput: The module does not bind that symbol to a stage or function.
    """
    path, module, symbol = place
    if module not in sys.modules:
        importlib.import_module(module)
    if symbol.endswith("]"):  # a stage that only its pipeline holds
        return cast(Callable[..., object], find_stage(vars(sys.modules[module]), symbol).function)
    found = getattr(sys.modules[module], symbol, None)
    if isinstance(found, Stage):
        return cast(Callable[..., object], found.function)
    if callable(found):
        return cast(Callable[..., object], found)
    raise InvalidInput(f"{path} binds no stage to the name {symbol!r} once it is imported; found {type(found).__name__}")


def settle_types(unsettled: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """Return, in words, each pair of types that does not fit now that the classes are known; names that stay unknown pass."""
    return [
        f"types do not fit: {giver} as {produced}, and {taker}"
        for giver, produced, taker, consumed in unsettled
        if not _fits(produced, consumed)
    ]


def _fits(produced: str, consumed: str) -> bool:
    options = split_union(consumed)
    return all(any(_fits_one(part, option) for option in options) for part in split_union(produced))


def _fits_one(produced: str, consumed: str) -> bool:
    verdict = judge_types(produced, consumed)
    if verdict != "unknown":
        return verdict == "same"
    left, left_items = split_generic(produced)
    right, right_items = split_generic(consumed)
    giver, taker = _resolve(left), _resolve(right)
    if not isinstance(giver, type) or not isinstance(taker, type):
        return True  # an alias, a protocol of typing, a name under TYPE_CHECKING: nothing to judge by
    try:
        if not issubclass(giver, taker):
            return False
    except TypeError:  # a protocol that is not runtime-checkable
        return True
    if len(left_items) != len(right_items):
        return True
    return all(_fits(a, b) for a, b in zip(left_items, right_items, strict=True))


def _resolve(name: str) -> object:
    """Return what a dotted name means, or None if it means nothing here."""
    if "." not in name:
        return getattr(builtins, name, None)
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except Exception:  # noqa: BLE001, S112 - importing runs user code; what cannot be imported cannot be judged
            continue
        for part in parts[cut:]:
            found = getattr(found, part, None)
        return found
    return None
