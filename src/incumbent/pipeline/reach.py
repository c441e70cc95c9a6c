"""The code that a stage reaches: the closure of its symbol over everything that its statements refer to.

Rules, so that no edit that could change a stage's result is missed, and no other edit counts:
    a symbol reaches what its statements name: helpers, constants, defaults, decorators, bases, annotations, what a factory
    closes over; a class is taken whole, with its bases;
    a name imported from another project file reaches that file's symbol, and the import itself;
    a module used as a value reaches all of its symbols, a package those of its loaded modules too;
    statements that change a reached symbol at import time, in whatever module and through whatever alias, and statements
    with an effect on the process in any module that the pipeline loads, are reached as well (`changes`);
    what a stage may be given brings its class with it (`crossing`);
    where what is reached is known only when it runs (exec, a computed getattr on a module, a computed import, a replaced
    attribute), every file that the stage's modules import is taken whole, and the reasons are given in words.

What it cannot see: modules found by a computed import are caught when they are read at run time, by the runner.
"""

import ast
import builtins
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from incumbent.pipeline.changes import find_changes
from incumbent.pipeline.resolve import FILE, Bound, End, External, Find, Missing, Node, Resolver, Whole
from incumbent.pipeline.symbols import EFFECTS, MODULE, SourceModule
from incumbent.pipeline.uses import Dynamic, Use

CHANGES = "<changes"
"""What the symbols begin with that stand for changes of another symbol."""
_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__package__", "__spec__", "__builtins__", "__class__", "WindowsError"}
_IMPORTERS = frozenset({"importlib.import_module", "importlib.__import__", "importlib.reload", "runpy.run_module", "runpy.run_path"})
_MARKING = frozenset({
    "incumbent", "incumbent.stage", "incumbent.Pipeline", "incumbent.source", "incumbent.log_metric", "incumbent.pipeline",
})  # fmt: skip
"""What a stage uses of Incumbent without its result depending on Incumbent's version."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What one stage reaches.

    Attributes:
        nodes: Symbols, sorted by their id; whole files (symbol "") when widened.
        imports: Top-level names of third-party modules.
        widened: Why whole files were taken, one line each; empty when all was resolved.
        reads_docstrings: Some of the code reads docstrings, so they count.
    """

    nodes: tuple[Node, ...]
    imports: frozenset[str]
    widened: tuple[str, ...] = ()
    reads_docstrings: bool = False


@dataclass(frozen=True, slots=True)
class Handed:
    """The code that comes to a stage with the objects that it is given.

    Attributes:
        nodes: Classes and functions that the objects may be of, or hold; files ("") of a producer that is widened.
        reasons: Why a producer is widened.
    """

    nodes: frozenset[Node] = frozenset()
    reasons: tuple[str, ...] = ()


NOTHING = Handed()


@dataclass(slots=True)
class _Edges:
    """What one symbol refers to directly."""

    nodes: set[Node] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)
    reads_docstrings: bool = False


class SymbolGraph:
    """Answers what a symbol reaches, in one project at one moment; shared by all stages of a pipeline.

    Args:
        find: Gives the project's modules.
        entry: The pipeline's file: what importing it changes counts for every stage.
    """

    def __init__(self, find: Find, entry: SourceModule) -> None:
        self.resolver = Resolver(find)
        self.modules: dict[str, SourceModule] = {}
        self.loaded = tuple(self._load([entry]))
        self.changes = find_changes((self.modules[path] for path in self.loaded), self.resolver)
        self._places: dict[Node, list[int]] = {(path, EFFECTS): places for path, places in self.changes.effects.items()}
        self._edges: dict[Node, _Edges] = {}

    def _load(self, start: Iterable[SourceModule]) -> dict[str, None]:
        work = list(start)
        loaded = dict.fromkeys(module.path for module in work)
        self.modules.update((module.path, module) for module in work)
        while work:
            module = work.pop()
            for name in sorted(module.loads) + ([module.name] if "." in module.name else []):
                for found in self._with_packages(name):
                    if found.path not in loaded:
                        loaded[found.path] = None
                        self.modules[found.path] = found
                        work.append(found)
        return loaded

    def _with_packages(self, name: str) -> list[SourceModule]:
        """Return the project modules of a dotted name: importing a.b runs a/__init__.py first."""
        parts = name.split(".")
        found = (self.resolver.find(".".join(parts[: place + 1])) for place in range(len(parts)))
        return [module for module in found if module is not None]

    def reach(self, module: SourceModule, symbol: str, handed: Handed = NOTHING) -> Reach:
        """Return what a module-level symbol reaches; "" for a stage that no symbol binds, which takes all its files whole.

        The code of the objects that are `handed` to the stage is as much its own as what it names.
        """
        self.modules.setdefault(module.path, module)
        reached: set[Node] = set()
        found = _Edges(reasons=list(handed.reasons))
        work: list[Node] = [(path, EFFECTS) for path in self.changes.effects]
        if symbol:
            work.append((module.path, symbol))
        else:
            found.reasons.append(f"{module.label}: no module-level name binds the stage")
        work += handed.nodes
        while work:
            node = work.pop()
            if node in reached:
                continue
            reached.add(node)
            edges = self._edges.get(node) or self._read_edges(node)
            work += edges.nodes - reached
            found.imports |= edges.imports
            found.reasons += edges.reasons
            found.reads_docstrings |= edges.reads_docstrings
        if found.reasons:
            return self._widen(module, reached, found)
        return Reach(tuple(sorted(reached, key=self.node_id)), frozenset(found.imports), (), found.reads_docstrings)

    def statements(self, node: Node) -> list[ast.stmt]:
        """Return the statements that make a reached symbol what it is; none of a whole file."""
        module = self.modules[node[0]]
        return [module.statements[place] for place in self._list_places(node)]

    def values(self, node: Node) -> set[Node]:
        """Return the symbols that a reached one mentions other than to call them."""
        module = self.modules[node[0]]
        uses = {use for place in self._list_places(node) for use in module.references(place).values}
        ends = (end for use in uses for end in self.resolver.resolve(module, use).ends)
        return {end.node for end in ends if isinstance(end, Bound) and not end.rest}

    def _list_places(self, node: Node) -> list[int]:
        return self._places.get(node, self.modules[node[0]].definitions.get(node[1], []))

    def _widen(self, module: SourceModule, reached: set[Node], found: _Edges) -> Reach:
        paths = self._load({path: self.modules[path] for path in (module.path, *(path for path, _ in reached))}.values())
        for path in paths:
            for name in self.modules[path].loads:
                found.imports |= self._outside(name) - {"incumbent"}
        nodes = tuple(sorted(((path, "") for path in paths), key=self.node_id))
        return Reach(nodes, frozenset(found.imports), tuple(sorted(set(found.reasons))))

    def node_id(self, node: Node) -> str:
        """Return the id that recipes show: `path::symbol`, or the path alone for a whole file."""
        path, symbol = node
        label = self.modules[path].label
        return label if symbol in ("", FILE) else f"{label}::{symbol}"

    def node_text(self, node: Node, *, keep_docstrings: bool = False) -> str:
        """Return the canonical text of a reached symbol, or of a whole file."""
        path, symbol = node
        module = self.modules[path]
        if symbol == "":
            return module.whole_text()
        if symbol == FILE:
            return f"bytes {module.content}"
        places = self._places.get(node)
        if places is not None:
            return module.statements_text(places, keep_docstrings=keep_docstrings)
        return module.text(symbol, keep_docstrings=keep_docstrings)

    def _read_edges(self, node: Node) -> _Edges:
        edges = self._edges[node] = _Edges()
        path, symbol = node
        module = self.modules[path]
        if symbol == MODULE:
            self._add_module(module, edges)
            edges.nodes |= self._inside(module.name)
        for place in self._list_places(node):
            references = module.references(place)
            for use in references.early | references.late:
                self._add_use(module, use, edges)
            for name in references.loads:
                edges.imports |= self._outside(name) - {"incumbent"}
            for dynamic in references.dynamics:
                self._add_dynamic(module, dynamic, edges)
        self._add_changes(node, edges)
        return edges

    def _add_module(self, module: SourceModule, edges: _Edges) -> None:
        edges.nodes.update((module.path, symbol) for symbol in module.list_symbols())
        if module.is_binary:
            edges.nodes.add((module.path, FILE))
        for name in module.imports:
            self._add_use(module, Use(name), edges)

    def _inside(self, package: str) -> set[Node]:
        """Return the loaded modules of a package: who has the package as a value has them as its attributes."""
        start = f"{package}."
        return {(path, MODULE) for path in self.loaded if self.modules[path].name.startswith(start)}

    def _add_changes(self, node: Node, edges: _Edges) -> None:
        """Add what is done to a symbol elsewhere: the statements of each module under one id that no other edit moves."""
        by_path: dict[str, list[int]] = {}
        for path, place in sorted(self.changes.added.get(node, ())):
            by_path.setdefault(path, []).append(place)
        for path, places in by_path.items():
            changing = (path, f"{CHANGES} {self.node_id(node)}>")
            self._places[changing] = places
            edges.nodes.add(changing)
        edges.reasons += self.changes.patches.get(node, ())
        edges.reasons += self.changes.patches.get((node[0], "*"), ())

    def _add_use(self, module: SourceModule, use: Use, edges: _Edges) -> None:
        resolution = self.resolver.resolve(module, use)
        edges.nodes |= resolution.passed
        for end in resolution.ends:
            self._add_end(end, edges)
            if isinstance(end, External) and end.name.startswith("sys.modules"):
                edges.reasons.append(f"{module.label}: looks into sys.modules, which holds any module")

    def _add_end(self, end: End, edges: _Edges) -> None:
        if isinstance(end, External):
            edges.imports |= self._outside(end.name)
            edges.nodes |= self._inside(end.name)  # a folder without __init__.py
            return
        self.modules.setdefault(end.module.path, end.module)
        if isinstance(end, Bound):
            edges.nodes.add(end.node)
        elif isinstance(end, Whole):
            edges.nodes.add((end.module.path, MODULE))
        elif end.stars and end.name not in _BUILTINS:
            edges.imports.update(*(self._outside(star) for star in end.stars))
            words = f"{end.name!r} may come from `from {end.stars[0]} import *`, which is outside of the project"
            edges.reasons.append(f"{end.module.label}: {words}")
        elif not end.is_plain:
            edges.reasons.append(f"{end.module.label} does not define {end.name!r}, which is asked of it, in a way that can be read")

    def _add_dynamic(self, module: SourceModule, dynamic: Dynamic, edges: _Edges) -> None:
        ends = self.resolver.resolve(module, dynamic.use).ends if dynamic.use.root else []
        where = f"{module.label}:{dynamic.line}"
        if dynamic.kind == "docstring":
            edges.reads_docstrings |= not ends or not all(isinstance(end, External) for end in ends)
        elif dynamic.kind == "source":
            self._add_source(dynamic, ends, where, edges)
        elif dynamic.kind == "telling":
            if not ends or not all(isinstance(end, External) for end in ends):
                edges.reasons.append(f"{where} {dynamic.words}")
        elif dynamic.kind == "attribute":
            for end in ends:
                if isinstance(end, Whole):
                    edges.reasons.append(f"{where} {dynamic.words} takes an attribute of {end.module.label} by a computed name")
                else:
                    self._add_end(end, edges)
        elif dynamic.kind == "import":
            self._add_import_call(dynamic, ends, where, edges)
        elif any(_is_builtin(end) for end in ends):
            edges.reasons.append(f"{where} {dynamic.words} may name anything")

    def _add_source(self, dynamic: Dynamic, ends: list[End], where: str, edges: _Edges) -> None:
        """Add the bytes of a file whose text is read: comments are part of it."""
        for end in ends:
            if isinstance(end, Bound | Whole):
                self.modules.setdefault(end.module.path, end.module)
                edges.nodes.add((end.module.path, FILE))
        if not ends or any(isinstance(end, Missing) for end in ends):
            edges.reasons.append(f"{where} {dynamic.words} reads the source of something that has no name")

    def _add_import_call(self, dynamic: Dynamic, ends: list[End], where: str, edges: _Edges) -> None:
        if not any(_is_builtin(end) or (isinstance(end, External) and end.name in _IMPORTERS) for end in ends):
            return
        if dynamic.argument is None or dynamic.words.startswith(("run_", "reload")):
            edges.reasons.append(f"{where} {dynamic.words} imports a module by a computed name")
            return
        for end in self.resolver.resolve_module(dynamic.argument).ends:
            self._add_end(end, edges)

    def _outside(self, name: str) -> set[str]:
        """Return the third-party top-level name of something outside of the project, as a set of one or none."""
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or not top or self._with_packages(name):
            return set()
        if top == "incumbent" and (name in _MARKING or name.startswith(("incumbent.source.", "incumbent.pipeline."))):
            return set()
        return {top}


def _is_builtin(end: End) -> bool:
    if isinstance(end, External):
        return end.name.startswith("builtins.")
    return isinstance(end, Missing) and end.is_plain
