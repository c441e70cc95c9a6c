"""What the modules of a project do to each other while they are imported, and so to a stage that never mentions them.

Three things are found: statements of one module that change a symbol of another (or run a function that does), statements
with an effect on the process (`np.seterr(…)`, or a call of a function that does that), and replaced attributes of modules
(monkey patches). A change made through another name, an item, a loop's variable or the result of a call is one of what
stands behind it. A function that is only handed over at import time, as an argument, is not taken to be called.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from incumbent.pipeline.aliases import find_roots
from incumbent.pipeline.effects import changes_process, gives_shared
from incumbent.pipeline.resolve import Bound, End, External, Missing, Node, Resolver, Whole
from incumbent.pipeline.symbols import SourceModule
from incumbent.pipeline.uses import PARAMETER, UNKNOWN, Call, Root, Use, Write

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
    if search.writers or search.process or search.takers:
        search.add_callers()
    for places in search.found.effects.values():
        places.sort()
    return search.found


@dataclass(slots=True)
class _Callers:
    """Who mentions and who runs a symbol.

    Attributes:
        mentioned: Symbol -> symbols whose code mentions it -> how few calls away from a call of theirs.
        run: Symbol -> statements that run it early -> how many calls deep.
    """

    mentioned: dict[Node, dict[Node, int]] = field(default_factory=dict)
    run: dict[Node, dict[tuple[str, int], int]] = field(default_factory=dict)


class _Search:
    """Collects changes.

    Attributes:
        writers: Symbol -> functions that change it.
        process: Functions with an effect on the process -> how many calls until it happens.
        takers: Functions that change what they are given.
        self_writers: Names of methods that change their object.
    """

    def __init__(self, modules: list[SourceModule], resolver: Resolver) -> None:
        self.modules = modules
        self.resolver = resolver
        self.found = Changes()
        self.writers: dict[Node, set[Node]] = {}
        self.process: dict[Node, int] = {}
        self.takers: set[Node] = set()
        self.owners = {module.path: _owners_by_place(module) for module in modules}
        every = (module.references(place) for module in modules for place in range(len(module.statements)))
        self.self_writers = frozenset().union(*(references.self_writers for references in every))

    def read_statement(self, module: SourceModule, place: int) -> None:
        references = module.references(place)
        for write in references.writes:
            self.read_write(module, place, write)
        for call in references.calls:
            if self.has_effect(module, call):
                self.add_effect(module, place, call)
            self.read_method(module, place, call)
        statement = module.statements[place]
        if isinstance(statement, ast.ClassDef) and any(
            isinstance(inner, ast.FunctionDef) and inner.name == "__init_subclass__" for inner in statement.body
        ):
            node = (module.path, statement.name)
            self.writers.setdefault(node, set()).add(node)  # each subclass may register itself with it

    def read_write(self, module: SourceModule, place: int, write: Write) -> None:
        if write.use.root == PARAMETER:
            self.takers.update(self.list_owners(module, place))
        elif write.use.root == UNKNOWN:
            if not write.is_late or write.how != "called":
                self.add_effect(module, place, write)
        else:
            for end, is_result in self.ends(module, write):
                self.read_end(module, place, write, end, is_result)

    def read_end(self, module: SourceModule, place: int, write: Write, end: End, is_result: bool) -> None:
        if isinstance(end, External):
            if gives_shared(end.name) if is_result else write.how != "called":
                self.add_effect(module, place, write)
        elif isinstance(end, Missing):
            if write.how == "replaced" and not end.is_plain:
                self.add_patch((end.module.path, end.name), module, write)
        elif isinstance(end, Bound):
            if write.how == "replaced" and write.use.chain and not end.rest:
                self.add_patch(end.node, module, write)
            else:
                self.add_change(module, place, end.node, write)

    def add_change(self, module: SourceModule, place: int, target: Node, write: Write | Call) -> None:
        if write.is_late:
            self.writers.setdefault(target, set()).update(self.list_owners(module, place))
        elif target[0] != module.path or place not in module.definitions.get(target[1], ()):
            self.found.added.setdefault(target, set()).add((module.path, place))

    def ends(self, module: SourceModule, write: Write) -> Iterator[tuple[End, bool]]:
        """Yield all that a change reaches, and whether it reaches what calling that gives."""
        work = [(module, Root(write.use, True, write.is_result))]
        seen: set[tuple[str, Use, bool]] = set()
        while work:
            module, root = work.pop()
            if (module.path, root.use, root.is_result) in seen or root.use.root in (PARAMETER, UNKNOWN) or len(root.use.chain) > 20:
                continue
            seen.add((module.path, root.use, root.is_result))
            for end in self.resolver.resolve(module, root.use).ends:
                gives = root.is_result and isinstance(end, Bound) and not end.rest
                if not gives:
                    yield end, root.is_result
                if isinstance(end, Bound) and write.how != "bound":
                    for origin in end.module.list_origins(end.symbol, is_result=gives):
                        rest = end.rest if origin.is_exact else ()
                        use = Use(origin.use.root, (*origin.use.chain, *rest))
                        work.append((end.module, Root(use, origin.is_exact, origin.is_result or (root.is_result and bool(rest)))))

    def read_method(self, module: SourceModule, place: int, call: Call) -> None:
        """Count `R.enlist(x)` as a change of R, whatever becomes of its result, if a method of that name changes its object."""
        if call.use.chain and call.use.chain[-1] in self.self_writers:
            for end in self.resolver.resolve(module, call.use).ends:
                if isinstance(end, Bound) and end.rest:
                    self.add_change(module, place, end.node, call)

    def list_owners(self, module: SourceModule, place: int) -> set[Node]:
        return {(module.path, owner) for owner in self.owners[module.path].get(place, ())}

    def add_effect(self, module: SourceModule, place: int, at: Write | Call) -> None:
        if at.is_late:
            for owner in self.list_owners(module, place):
                self.process[owner] = min(at.level, self.process.get(owner, at.level))
        else:
            self.add_effect_at((module.path, place))

    def add_effect_at(self, at: tuple[str, int]) -> None:
        places = self.found.effects.setdefault(at[0], [])
        if at[1] not in places:
            places.append(at[1])

    def add_patch(self, target: Node, module: SourceModule, write: Write) -> None:
        name = ".".join(part for part in (write.use.root if isinstance(write.use.root, str) else write.use.root.module, *write.use.chain))
        self.found.patches.setdefault(target, []).append(f"{module.label}:{write.line} replaces {name}")

    def has_effect(self, module: SourceModule, call: Call) -> bool:
        """Say whether a call may change more than the symbol it is made on."""
        if not call.use.root:
            return True
        return any(_is_effect(end, call) for end in self.resolver.resolve(module, call.use).ends)

    def add_callers(self) -> None:
        """Add the statements that run, at import time, a function that changes a symbol, the process or its arguments."""
        callers = self.list_callers()
        self.add_arguments(callers)
        own = {(module.path, name): places for module in self.modules for name, places in module.definitions.items()}
        for target, writers in self.writers.items():
            for writer in _reach_back(writers, callers.mentioned):
                fresh = {at for at in callers.run.get(writer, ()) if at[0] != target[0] or at[1] not in own.get(target, ())}
                if fresh:
                    self.found.added.setdefault(target, set()).update(fresh)
        for node, level in _spread(self.process, callers.mentioned).items():
            for at, depth in callers.run.get(node, {}).items():
                if level <= depth:
                    self.add_effect_at(at)

    def add_arguments(self, callers: _Callers) -> None:
        """Count what is given to a function that changes its arguments as changed."""
        takers = _reach_back(self.takers, callers.mentioned)
        for module in self.modules if takers else ():
            for place in range(len(module.statements)):
                for call in module.references(place).calls:
                    if not takers.isdisjoint(self.nodes(module, call.use)):
                        for root in {root for given in call.given for root in find_roots(given, call.scope)}:
                            if root.use.root not in (PARAMETER, UNKNOWN):
                                write = Write(root.use, "called", call.is_late, 0, call.level, root.is_result)
                                self.read_write(module, place, write)

    def list_callers(self) -> _Callers:
        callers = _Callers()
        for module in self.modules:
            for place, statement in enumerate(module.statements):
                references = module.references(place)
                owners = self.list_owners(module, place)
                is_plain = not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                mentions = {**references.levels, **(dict.fromkeys(references.early, -1) if is_plain else {})}
                for use, level in mentions.items():
                    for node in self.nodes(module, use):
                        known = callers.mentioned.setdefault(node, {})
                        known.update((owner, min(level, known.get(owner, level))) for owner in owners if owner != node)
                for use, depth in references.invoked.items():
                    for end in self.resolver.resolve(module, use).ends:
                        if isinstance(end, Bound):
                            runs = callers.run.setdefault(end.node, {})
                            at = (module.path, place)
                            runs[at] = max(depth + bool(end.rest), runs.get(at, 0))
        return callers

    def nodes(self, module: SourceModule, use: Use) -> list[Node]:
        return [end.node for end in self.resolver.resolve(module, use).ends if isinstance(end, Bound)] if use.root else []


def _is_effect(called: End, call: Call) -> bool:
    if isinstance(called, External):
        if call.loads is not None and called.name.startswith(("importlib.", "builtins.")):
            return False  # the module that it names is read like any other
        return changes_process(called.name, is_dropped=call.is_dropped, is_late=call.is_late)
    if call.is_late or not call.is_dropped:
        return False
    if isinstance(called, Missing):
        return called.name not in _HARMLESS and not (called.name == "__import__" and call.loads is not None)
    return isinstance(called, Whole) or not called.rest


def _owners_by_place(module: SourceModule) -> dict[int, list[str]]:
    owners: dict[int, list[str]] = {}
    for name, places in module.definitions.items():
        for place in places:
            owners.setdefault(place, []).append(name)
    return owners


def _reach_back(start: set[Node], mentioned: dict[Node, dict[Node, int]]) -> set[Node]:
    reached, work = set(start), list(start)
    while work:
        for caller in mentioned.get(work.pop(), ()):
            if caller not in reached:
                reached.add(caller)
                work.append(caller)
    return reached


def _spread(start: dict[Node, int], mentioned: dict[Node, dict[Node, int]]) -> dict[Node, int]:
    """Return every symbol whose calls come to an effect -> how many calls until then; a plain binding (-1) is none itself."""
    levels, work = dict(start), list(start)
    while work:
        node = work.pop()
        for caller, at in mentioned.get(node, {}).items():
            level = levels[node] if at < 0 else at
            if level < levels.get(caller, level + 1):
                levels[caller] = level
                work.append(caller)
    return levels
