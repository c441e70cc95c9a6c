"""The module-level symbols of one source file: which statements make each of them what it is.

A symbol's statements are all those that bind it (every branch of a module-level `if` or `try`), those that change it while
the module is imported (`TABLE["x"] = 1`, `NAMES.append(…)`, `@registry.register` above a function), and the functions that
bind it as `global`. In the order of the file: a symbol's text says what it has become, not what it was first.
"""

import ast
import hashlib
from bisect import insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from incumbent.pipeline.aliases import find_roots
from incumbent.pipeline.references import find_references
from incumbent.pipeline.scope import Import, bound_names, list_imports
from incumbent.pipeline.syntax import canonical_text, parse_source
from incumbent.pipeline.uses import References, Root, Use

EFFECTS = "<import>"
"""The symbol that stands for what importing a module does beside binding names."""
STAR = "*"
"""The symbol that stands for a module's star imports."""
MODULE = "<module>"
"""The symbol that stands for a module used as a value: all of its symbols."""
STAGE_NAMES = frozenset({"incumbent.stage", "incumbent.pipeline.stage.stage"})


@dataclass(slots=True)
class SourceModule:
    """One project file, parsed; what is asked about its statements is worked out once, when first asked.

    Attributes:
        path: Relative to the project's root, or absolute for an editable install outside of it.
        label: The path as symbol ids show it: the same wherever the project is.
        name: Dotted name under which it is imported.
        is_package: It is an `__init__.py`.
        content: SHA-256 of its bytes, in hex.
        statements: Module-level statements, less those only for type checkers' or `__main__`'s eyes, pairs taken apart.
        definitions: Symbol -> places in `statements`, in order.
        imports: Symbol -> what import statements bind it to.
        stars: Modules imported with a star.
        loads: Every module that is imported anywhere in the file.
        is_binary: A compiled extension: nothing is known of it but its bytes.
    """

    path: str
    label: str
    name: str
    is_package: bool
    content: str
    statements: list[ast.stmt] = field(default_factory=list)
    definitions: dict[str, list[int]] = field(default_factory=dict)
    imports: dict[str, list[Import]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    loads: set[str] = field(default_factory=set)
    is_binary: bool = False
    _tree: ast.Module | None = None
    _references: dict[int, References] = field(default_factory=dict)
    _texts: dict[tuple[int, bool], str] = field(default_factory=dict)

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    def references(self, place: int) -> References:
        """Return what the statement at `place` refers to."""
        found = self._references.get(place)
        if found is None:
            found = self._references[place] = find_references(self.statements[place], self.package)
        return found

    def list_origins(self, symbol: str, *, is_result: bool = False) -> Iterator[Root]:
        """Yield what a symbol may be or be a part of, or what calling it may give."""
        for place in self.definitions.get(symbol, ()):
            references = self.references(place)
            if not is_result:
                yield from references.aliases.get(symbol, ())
                continue
            for value, scope in references.returns:
                yield from find_roots(value, scope)

    def has(self, symbol: str) -> bool:
        """Say whether the module binds a symbol by itself (not by a star import)."""
        return self.is_binary or symbol in self.definitions or symbol in self.imports

    def list_symbols(self) -> Iterator[str]:
        """Yield every symbol."""
        yield from dict.fromkeys((*self.definitions, *self.imports))
        if self.stars:
            yield STAR

    def exports(self, symbol: str) -> bool:
        """Say whether a star import of this module takes a symbol: by `__all__` if it is a literal, else no underscore."""
        public = self._public_names()
        return symbol in public if public is not None else not symbol.startswith("_")

    def _public_names(self) -> frozenset[str] | None:
        names: set[str] = set()
        places = self.definitions.get("__all__", ())
        for place in places:
            value: ast.AST = getattr(self.statements[place], "value", None) or self.statements[place]
            try:
                names.update(name for name in ast.literal_eval(value) if isinstance(name, str))
            except (ValueError, TypeError, SyntaxError):
                return None
        return frozenset(names) if places else None

    def text(self, symbol: str, *, keep_docstrings: bool = False) -> str:
        """Return the canonical text of a symbol: what imports bind it to, and its statements."""
        if symbol == STAR:
            return f"stars {self.stars!a}"
        bound = "".join(f"import {target.module}:{target.name or ''};" for target in self.imports.get(symbol, ()))
        return bound + self.statements_text(self.definitions.get(symbol, ()), keep_docstrings=keep_docstrings)

    def statements_text(self, places: Iterable[int], *, keep_docstrings: bool = False) -> str:
        """Return the canonical text of the statements at `places`."""
        return "".join(self._statement_text(place, keep_docstrings) for place in places)

    def whole_text(self) -> str:
        """Return the canonical text of the whole file, docstrings with it."""
        return f"binary {self.content}" if self._tree is None else canonical_text(self._tree.body, keep_docstrings=True)

    def list_spans(self, symbol: str) -> Iterator[tuple[int, int]]:
        """Yield the (first, last) lines of each statement that defines or imports a symbol."""
        places = set(self.definitions.get(symbol, ()))
        for place, statement in enumerate(self.statements):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                is_meant = symbol in dict(list_imports(statement, self.package))
            else:
                is_meant = place in places
            if is_meant:
                decorators = getattr(statement, "decorator_list", [])
                yield min(statement.lineno, *(d.lineno for d in decorators), statement.lineno), statement.end_lineno or statement.lineno

    def _statement_text(self, place: int, keep_docstrings: bool) -> str:
        key = (place, keep_docstrings)
        if key not in self._texts:
            self._texts[key] = self._write_statement(place, keep_docstrings)
        return self._texts[key]

    def _write_statement(self, place: int, keep_docstrings: bool) -> str:
        statement = self.statements[place]
        if isinstance(statement, ast.Import | ast.ImportFrom):
            return ""
        text = canonical_text((self._without_stage_mark(statement),), keep_docstrings=keep_docstrings)
        return text + "".join(self._moments(place))

    def _moments(self, place: int) -> Iterator[str]:
        """Yield, for each symbol read early that changes in the course of the file, which of its states is read."""
        for use in sorted(self.references(place).early, key=str):
            places = self.definitions.get(use.root, ()) if isinstance(use.root, str) else ()
            if len(places) > 1 and place not in places:
                yield f"@{use.root}{sum(other < place for other in places)}"

    def _without_stage_mark(self, statement: ast.stmt) -> ast.stmt:
        """Return a function without its @stage: options say how a stage runs, and those that matter are keyed elsewhere."""
        if not isinstance(statement, ast.FunctionDef) or not statement.decorator_list:
            return statement
        kept = [decorator for decorator in statement.decorator_list if not self.is_stage_mark(decorator)]
        if len(kept) == len(statement.decorator_list):
            return statement
        fields = {name: value for name, value in ast.iter_fields(statement) if name != "decorator_list"}
        return ast.FunctionDef(**fields, decorator_list=kept)

    def is_stage_mark(self, node: ast.expr) -> bool:
        """Say whether an expression is `stage`, or `stage(…)`, under whatever name Incumbent was imported."""
        return self.external_name(node.func if isinstance(node, ast.Call) else node) in STAGE_NAMES

    def external_name(self, node: ast.expr) -> str:
        """Return the dotted name that a chain of attributes has by this module's own imports, "" if it has none."""
        chain: list[str] = []
        while isinstance(node, ast.Attribute):
            chain.append(node.attr)
            node = node.value
        targets = self.imports.get(node.id, []) if isinstance(node, ast.Name) else []
        if len(targets) != 1:
            return ""
        return ".".join(part for part in (targets[0].module, targets[0].name, *reversed(chain)) if part)


def read_module(data: bytes, *, path: str, label: str, name: str, is_package: bool, is_binary: bool = False) -> SourceModule:
    """Return the symbols of a file.

    Raises:
        InvalidInput: The bytes are no Python source.
    """
    module = SourceModule(path, label, name, is_package, hashlib.sha256(data).hexdigest(), is_binary=is_binary)
    if is_binary:
        return module
    module._tree = parse_source(data, path)
    work: list[ast.stmt] = module._tree.body[::-1]
    while work:
        statement = work.pop()
        opened = _open_guard(statement)
        if opened is None:
            for part in _take_apart(statement):
                _add_statement(module, part)
        else:
            work += opened[::-1]
    _add_changes(module)
    return module


def _open_guard(statement: ast.stmt) -> list[ast.stmt] | None:
    """Return what to read instead of a guard for type checkers (its body) or for `__main__` (what is done otherwise)."""
    if not isinstance(statement, ast.If):
        return None
    test = statement.test
    if (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"):
        return statement.body + statement.orelse
    if isinstance(test, ast.Compare) and len(test.comparators) == 1 and isinstance(test.ops[0], ast.Eq):
        sides = (test.left, test.comparators[0])
        names = [side.id for side in sides if isinstance(side, ast.Name)]
        values = [side.value for side in sides if isinstance(side, ast.Constant)]
        if names == ["__name__"] and values == ["__main__"]:
            return statement.orelse
    return None


def _take_apart(statement: ast.stmt) -> list[ast.stmt]:
    """Return `f, g = a, b` as two statements, so that an edit of one is none of the other; any other as it is."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
        if isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List) and len(target.elts) == len(value.elts):
            names = {left.id for left in target.elts if isinstance(left, ast.Name)}
            reads = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
            if len(names) == len(target.elts) and not names & reads and not any(isinstance(e, ast.Starred) for e in value.elts):
                pairs = zip(target.elts, value.elts, strict=True)
                return [ast.copy_location(ast.Assign(targets=[left], value=right), statement) for left, right in pairs]
    return [statement]


def _add_statement(module: SourceModule, statement: ast.stmt) -> None:
    place = len(module.statements)
    module.statements.append(statement)
    module.loads.update(module.references(place).loads)
    if isinstance(statement, ast.Import | ast.ImportFrom):
        _add_imports(module, statement)
        return
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        for node in ast.walk(statement):  # imports in the branches of if and try
            if isinstance(node, ast.Import | ast.ImportFrom):
                _add_imports(module, node)
    for name in bound_names((statement,), module.package):
        module.definitions.setdefault(name, []).append(place)


def _add_imports(module: SourceModule, node: ast.Import | ast.ImportFrom) -> None:
    for name, target in list_imports(node, module.package):
        if target.name == "*":
            module.stars.append(target.module)
        elif target not in module.imports.setdefault(name, []):
            module.imports[name].append(target)


def _is_spectator(module: SourceModule, statement: ast.stmt) -> bool:
    """Say whether a statement only hands things to Incumbent: `inc.run_pipeline(pipeline)`."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    call = statement.value
    given = (*call.args, *(keyword.value for keyword in call.keywords))
    is_plain = not any(isinstance(node, ast.Call) for argument in given for node in ast.walk(argument))
    return is_plain and module.external_name(call.func).startswith("incumbent.")


def _add_changes(module: SourceModule) -> None:
    """Count a statement that changes a symbol of this module among those that define it."""
    for place, statement in enumerate(module.statements):
        if _is_spectator(module, statement):
            continue
        references = module.references(place)
        changed = set(references.declared)
        for write in references.writes:
            if not write.is_late:
                changed |= _names_behind(module, Root(write.use, write.how != "bound", write.is_result))
        for name in changed:
            if (name in module.definitions or name in references.declared) and name not in module.imports:
                places = module.definitions.setdefault(name, [])
                if place not in places:
                    insort(places, place)


def _names_behind(module: SourceModule, start: Root) -> set[str]:
    """Return the names of a module that a change of one of them changes, by what they are bound to in the same file."""
    seen: set[tuple[Use, bool]] = set()
    names: set[str] = set()
    work = [start]
    while work:
        root = work.pop()
        name = root.use.root
        if not isinstance(name, str) or (root.use, root.is_result) in seen:
            continue
        seen.add((root.use, root.is_result))
        if not root.is_result or root.use.chain:
            names.add(name)
        work += module.list_origins(name, is_result=root.is_result and not root.use.chain)
    return names
