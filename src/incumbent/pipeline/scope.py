"""Python's scope rules, as far as a reader needs them: which names a block binds, and what a name means inside of it."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Import:
    """What an import statement binds a name to.

    Attributes:
        module: Absolute dotted name of the module.
        name: The name taken from it (`from module import name`), None for the module itself, "*" for all names.
    """

    module: str
    name: str | None = None


class GlobalName:
    """Marks a name that a function declares `global`."""


GLOBAL = GlobalName()
Meaning = Import | GlobalName | None
"""What a bound name is: an import, a declared global, or a plain local (None)."""

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
INERT = frozenset(
    kind
    for base in (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
    for kind in (*base.__subclasses__(), ast.Constant, ast.Pass, ast.Break, ast.Continue)
)
"""Nodes without names in them: half of all nodes, so passed over early."""


class Scope:
    """The names of one function, class or comprehension, and the scope around it (None: the module)."""

    __slots__ = ("is_class", "names", "outer")

    def __init__(self, names: dict[str, Meaning], outer: "Scope | None", *, is_class: bool = False) -> None:
        self.names = names
        self.outer = outer
        self.is_class = is_class


def find_meaning(name: str, scope: Scope | None) -> Meaning:
    """Return what a name means in a scope: GLOBAL when nothing around binds it.

    A class body's names are passed over even inside of it: they are unbound until assigned, and then the global is read.
    """
    while scope is not None:
        if not scope.is_class and name in scope.names:
            return scope.names[name]
        scope = scope.outer
    return GLOBAL


def list_imports(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, Import]]:
    """Yield (bound name, import) for an import statement in a module of `package`; a star is bound to "*"."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname:
                yield alias.asname, Import(alias.name)
            else:
                top = alias.name.partition(".")[0]
                yield top, Import(top)
        return
    module = absolute_module(node.module or "", node.level, package)
    for alias in node.names:
        yield alias.asname or alias.name, Import(module, alias.name)


def list_loaded(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    """Yield the modules that an import statement loads; of `from a import b`, both a and a.b, which may be one."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name
        return
    module = absolute_module(node.module or "", node.level, package)
    yield module
    for alias in node.names:
        if alias.name != "*":
            yield f"{module}.{alias.name}"


def absolute_module(module: str, level: int, package: str) -> str:
    """Return the absolute name of a relative import.

    >>> absolute_module("io", 2, "app.stages"), absolute_module("", 1, "app"), absolute_module("json", 0, "app")
    ('app.io', 'app', 'json')
    """
    if level == 0:
        return module
    parts = package.split(".") if package else []
    base = parts[: len(parts) - (level - 1)] if level > 1 else parts
    return ".".join([*base, module] if module else base)


def bound_names(body: Iterable[ast.AST], package: str) -> dict[str, Meaning]:
    """Return every name that some statements bind in their own scope, nested scopes left out."""
    names: dict[str, Meaning] = {}
    declared: dict[str, Meaning] = {}
    work = list(body)
    while work:
        node = work.pop()
        if type(node) in INERT:
            continue
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                names.setdefault(node.id, None)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(list_imports(node, package))
        elif isinstance(node, ast.Global | ast.Nonlocal):
            declared.update(dict.fromkeys(node.names, GLOBAL if isinstance(node, ast.Global) else None))
        else:
            for name in _own_names(node):
                names.setdefault(name, None)
            work += _same_scope(node)
    names.update(declared)
    return {name: meaning for name, meaning in names.items() if declared.get(name, GLOBAL) is not None}


def _same_scope(node: ast.AST) -> Iterable[ast.AST]:
    """Yield the parts of a node whose names belong to the same scope."""
    if isinstance(node, _OWN_SCOPE):
        return () if isinstance(node, ast.Lambda) else node.decorator_list
    if isinstance(node, _COMPREHENSIONS):
        return (inner.target for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr))
    return ast.iter_child_nodes(node)


def _own_names(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node binds in a field of its own: definitions, exception handlers, patterns of `match`."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        if node.name:
            yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


def parameter_names(arguments: ast.arguments) -> Iterator[str]:
    """Yield every parameter's name."""
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if argument is not None:
            yield argument.arg
