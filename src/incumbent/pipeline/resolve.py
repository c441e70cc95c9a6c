"""What a name in one project file stands for in the whole project: imports, re-exports, attributes of modules, star imports.

A name may stand for several things (both branches of a `try` import it): all of them are given.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from incumbent.pipeline.scope import Import
from incumbent.pipeline.symbols import STAR, SourceModule
from incumbent.pipeline.uses import Use

Find = Callable[[str], SourceModule | None]
"""Gives the project's module of a dotted name, None for any other."""
Node = tuple[str, str]
"""A symbol: (path of its module, name)."""
FILE = "__file__"
"""The symbol that stands for a file's bytes."""
_SILENT = frozenset({"__name__", "__doc__", "__package__", "__spec__", "__path__", "__loader__", "__annotations__", "__version__"})


@dataclass(frozen=True, slots=True)
class Bound:
    """A symbol of a project module, and the attributes that are taken from it."""

    module: SourceModule
    symbol: str
    rest: tuple[str, ...] = ()

    @property
    def node(self) -> Node:
        """The symbol."""
        return (self.module.path, FILE if self.module.is_binary else self.symbol)


@dataclass(frozen=True, slots=True)
class Whole:
    """A project module itself, as a value: any symbol of it may be used."""

    module: SourceModule


@dataclass(frozen=True, slots=True)
class External:
    """Something outside of the project, by its dotted name."""

    name: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A name that a project module does not bind: a builtin, or bound by means that cannot be read.

    Attributes:
        is_plain: It was written as a plain name in that module, so may be a builtin.
        stars: Modules outside of the project whose star import may give it.
    """

    module: SourceModule
    name: str
    is_plain: bool
    stars: tuple[str, ...] = ()


End = Bound | Whole | External | Missing


@dataclass(slots=True)
class Resolution:
    """What a use stands for.

    Attributes:
        ends: Everything it may be.
        passed: The import symbols (and star imports) on the way.
    """

    ends: list[End] = field(default_factory=list)
    passed: set[Node] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Name:
    module: SourceModule
    name: str
    chain: tuple[str, ...]
    is_plain: bool


@dataclass(frozen=True, slots=True)
class _Module:
    name: str
    chain: tuple[str, ...]


class Resolver:
    """Resolves uses in the project's modules; each (module, use) once."""

    def __init__(self, find: Find) -> None:
        self.find = find
        self._known: dict[tuple[str, Use], Resolution] = {}

    def resolve(self, module: SourceModule, use: Use) -> Resolution:
        """Return what `use`, written in `module`, stands for."""
        key = (module.path, use)
        known = self._known.get(key)
        if known is None:
            start = _Name(module, use.root, use.chain, True) if isinstance(use.root, str) else None
            # A start is never None where it is in the list.
            known = self._known[key] = self._follow([start] if start else list(self._imported(use.root, use.chain)))  # type: ignore[arg-type]
        return known

    def resolve_module(self, name: str) -> Resolution:
        """Return what importing the module of that name gives."""
        return self._follow([_Module(name, ())])

    def _follow(self, work: "list[_Name | _Module | End]") -> Resolution:
        found = Resolution()
        seen: set[tuple[str, str, tuple[str, ...]]] = set()
        while work:
            step = work.pop()
            if isinstance(step, _Name):
                key = (step.module.path, step.name, step.chain)
                if key not in seen:
                    seen.add(key)
                    work += self._follow_name(step, found)
            elif isinstance(step, _Module):
                work += self._follow_module(step)
            else:
                found.ends.append(step)
        return found

    def _follow_name(self, step: _Name, found: Resolution) -> "Iterator[_Name | _Module | End]":
        module, name = step.module, step.name
        if module.is_binary or name in module.definitions:
            yield Bound(module, name, step.chain)
        targets = module.imports.get(name, ())
        if targets:
            found.passed.add((module.path, name))
            yield from self._imported_names(step, targets)
        if module.has(name):
            return
        if name == FILE:
            if not step.is_plain and not module.is_package:  # a file that names itself, or a package, only wants a folder
                yield Bound(module, FILE)
            return
        givers, outside = self._star_givers(module, name)
        if module.stars:
            found.passed.add((module.path, STAR))
        for giver in givers:
            yield _Name(giver, name, step.chain, False)
        if not givers:
            yield Missing(module, name, step.is_plain, outside)

    def _imported_names(self, step: _Name, targets: Iterable[Import]) -> "Iterator[_Name | _Module | End]":
        for target in targets:
            if target.name == step.name and self.find(target.module) is step.module:  # `from . import name` in a package's __init__
                yield _Module(f"{target.module}.{target.name}", step.chain)
            else:
                yield from self._imported(target, step.chain)

    def _star_givers(self, module: SourceModule, name: str) -> tuple[list[SourceModule], tuple[str, ...]]:
        """Return the project modules whose star import gives a name, and the outside modules whose star import may."""
        givers, outside, seen = [], [], {module.path}
        work = list(module.stars)
        while work:
            star = work.pop()
            target = self.find(star)
            if target is None:
                outside.append(star)
            elif target.path not in seen:
                seen.add(target.path)
                if target.has(name) and target.exports(name):
                    givers.append(target)
                else:
                    work += target.stars
        return givers, tuple(sorted(outside))

    def _imported(self, target: Import, chain: tuple[str, ...]) -> "Iterator[_Name | _Module | End]":
        if target.name is None:
            yield _Module(target.module, chain)
        else:
            yield _Module(target.module, (target.name, *chain))

    def _follow_module(self, step: _Module) -> "Iterator[_Name | _Module | End]":
        module, chain = self.find(step.name), step.chain
        if not chain:
            yield External(step.name) if module is None else Whole(module)
            return
        first, rest = chain[0], chain[1:]
        inner = f"{step.name}.{first}"
        if module is None:
            if self._is_folder_of(step.name, chain):
                yield _Module(inner, rest)
            else:
                yield External(".".join((step.name, *chain)))
        elif module.has(first):
            yield _Name(module, first, rest, False)
        elif self.find(inner) is not None or self._is_folder_of(inner, rest):
            yield _Module(inner, rest)
        elif first == "__dict__":
            yield Whole(module)
        elif first == FILE or self._star_givers(module, first)[0]:
            yield _Name(module, first, rest, False)
        elif module.has("__getattr__"):
            yield Bound(module, "__getattr__")
        elif first not in _SILENT:
            yield Missing(module, first, False, self._star_givers(module, first)[1])

    def _is_folder_of(self, name: str, chain: tuple[str, ...]) -> bool:
        """Say whether `name` is a folder without `__init__.py` that holds the module which `chain` leads to."""
        for part in chain:
            name = f"{name}.{part}"
            if self.find(name) is not None:
                return True
        return False
