"""What the modules of a project do to each other while they are imported, and so to a stage that never mentions them.

Three things are found: statements of one module that change a symbol of another (or run a function that does), statements
with an effect on the process (`np.seterr(…)`), and replaced attributes of modules (monkey patches). A function that is only
handed over at import time, as an argument, is not taken to be called.
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from incumbent.pipeline.references import Use, Write
from incumbent.pipeline.resolve import Bound, End, External, Missing, Node, Resolver, Whole
from incumbent.pipeline.symbols import SourceModule

_HARMLESS = frozenset({"print"})


@dataclass(slots=True)
class Changes:
    """What importing some modules changes.

    Attributes:
        added: Symbol -> statements elsewhere that change it, as (path, place).
        effects: Path -> places of statements with an effect on the process.
        patches: Symbol (or (path, "*")) -> who replaces it, in words.
    """

    added: dict[Node, set[tuple[str, int]]] = field(default_factory=dict)
    effects: dict[str, list[int]] = field(default_factory=dict)
    patches: dict[Node, list[str]] = field(default_factory=dict)


def find_changes(modules: Iterable[SourceModule], resolver: Resolver) -> Changes:
    """Return what importing `modules` changes."""
    search = _Search(list(modules), resolver)
    for module in search.modules:
        for place in range(len(module.statements)):
            search.read_statement(module, place)
    if search.writers:
        search.add_callers()
    return search.found


class _Search:
    def __init__(self, modules: list[SourceModule], resolver: Resolver) -> None:
        self.modules = modules
        self.resolver = resolver
        self.found = Changes()
        self.writers: dict[Node, set[Node]] = {}
        self.owners = {module.path: _owners_by_place(module) for module in modules}

    def read_statement(self, module: SourceModule, place: int) -> None:
        references = module.references(place)
        for write in references.writes:
            self.read_write(module, place, write)
        if any(self.has_effect(module, call) for call in references.calls):
            self.add_effect(module, place)
        statement = module.statements[place]
        if isinstance(statement, ast.ClassDef) and any(
            isinstance(inner, ast.FunctionDef) and inner.name == "__init_subclass__" for inner in statement.body
        ):
            node = (module.path, statement.name)
            self.writers.setdefault(node, set()).add(node)  # each subclass may register itself with it

    def read_write(self, module: SourceModule, place: int, write: Write) -> None:
        for end in self.resolver.resolve(module, write.use).ends:
            if isinstance(end, External):
                if not write.is_late and write.how != "called":
                    self.add_effect(module, place)
            elif isinstance(end, Missing):
                if write.how == "replaced" and not end.is_plain:
                    self.add_patch((end.module.path, end.name), module, write)
            elif isinstance(end, Bound):
                if write.how == "replaced" and write.use.chain and not end.rest:
                    self.add_patch(end.node, module, write)
                elif write.is_late:
                    self.writers.setdefault(end.node, set()).update(
                        (module.path, owner) for owner in self.owners[module.path].get(place, ())
                    )
                elif end.module is not module:
                    self.found.added.setdefault(end.node, set()).add((module.path, place))

    def add_effect(self, module: SourceModule, place: int) -> None:
        places = self.found.effects.setdefault(module.path, [])
        if place not in places:
            places.append(place)

    def add_patch(self, target: Node, module: SourceModule, write: Write) -> None:
        name = ".".join(part for part in (write.use.root if isinstance(write.use.root, str) else write.use.root.module, *write.use.chain))
        self.found.patches.setdefault(target, []).append(f"{module.label}:{write.line} replaces {name}")

    def has_effect(self, module: SourceModule, call: Use) -> bool:
        """Say whether a call made for its effect may change more than the symbol it is made on."""
        if not call.root:
            return True
        return any(_is_effect(end) for end in self.resolver.resolve(module, call).ends)

    def add_callers(self) -> None:
        """Add, for each symbol that a function changes, the statements that run such a function at import time."""
        called_by: dict[Node, set[Node]] = {}
        run_by: dict[Node, set[tuple[str, int]]] = {}
        for module in self.modules:
            owners = self.owners[module.path]
            for place in range(len(module.statements)):
                references = module.references(place)
                for use in references.late:
                    for node in self.nodes(module, use):
                        called_by.setdefault(node, set()).update((module.path, owner) for owner in owners.get(place, ()))
                for use in references.invoked:
                    for node in self.nodes(module, use):
                        run_by.setdefault(node, set()).add((module.path, place))
        own = {(module.path, name): places for module in self.modules for name, places in module.definitions.items()}
        for target, writers in self.writers.items():
            for writer in _reach_back(writers, called_by):
                fresh = {at for at in run_by.get(writer, ()) if at[0] != target[0] or at[1] not in own.get(target, ())}
                if fresh:
                    self.found.added.setdefault(target, set()).update(fresh)

    def nodes(self, module: SourceModule, use: Use) -> list[Node]:
        return [end.node for end in self.resolver.resolve(module, use).ends if isinstance(end, Bound)]


def _is_effect(called: End) -> bool:
    if isinstance(called, External):
        return called.name.partition(".")[0] != "incumbent"
    if isinstance(called, Missing):
        return called.name not in _HARMLESS
    return isinstance(called, Whole) or not called.rest


def _owners_by_place(module: SourceModule) -> dict[int, list[str]]:
    owners: dict[int, list[str]] = {}
    for name, places in module.definitions.items():
        for place in places:
            owners.setdefault(place, []).append(name)
    return owners


def _reach_back(start: set[Node], called_by: dict[Node, set[Node]]) -> set[Node]:
    reached, work = set(start), list(start)
    while work:
        for caller in called_by.get(work.pop(), ()):
            if caller not in reached:
                reached.add(caller)
                work.append(caller)
    return reached
