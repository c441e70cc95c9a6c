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
    """The names of one function, class or comprehension, and the scope around it (None: the module).

    Attributes:
        body: Statements of a function, to see in them what its names are bound to.
        parameters: Names that are given to it, less `owner`.
        owner: The name that a method knows its object by.
        method: That method's name.
        level: How many calls its body is away from a call of the module-level function or class that it stands in: 0 if
            that call runs it, 1 if what is returned must be called (a decorator's inner function, a method).
        bindings: Name -> (expression, whether it is bound to a part of it only), None until they are asked for.
    """

    __slots__ = ("bindings", "body", "is_class", "level", "method", "names", "outer", "owner", "parameters")

    def __init__(
        self,
        names: dict[str, Meaning],
        outer: "Scope | None",
        *,
        is_class: bool = False,
        body: Iterable[ast.AST] = (),
        parameters: Iterable[str] = (),
        level: int | None = None,
    ) -> None:
        self.names = names
        self.outer = outer
        self.is_class = is_class
        self.body = body
        self.parameters = frozenset(parameters)
        self.owner = self.method = ""
        outer_level: int = outer.level if outer is not None else 0
        self.level: int = outer_level if level is None else level
        self.bindings: dict[str, list[tuple[ast.expr, bool]]] | None = None


def find_meaning(name: str, scope: Scope | None) -> Meaning:
    """Return what a name means in a scope: GLOBAL when nothing around binds it.

    A class body's names are passed over even inside of it: they are unbound until assigned, and then the global is read.
    """
    while scope is not None:
        if not scope.is_class and name in scope.names:
            return scope.names[name]
        scope = scope.outer
    return GLOBAL


def find_owner(name: str, scope: Scope | None) -> Scope | None:
    """Return the scope that binds a local name, None for a global one."""
    while scope is not None and (scope.is_class or name not in scope.names):
        scope = scope.outer
    return scope


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
            work += same_scope(node)
    names.update(declared)
    return {name: meaning for name, meaning in names.items() if declared.get(name, GLOBAL) is not None}


def same_scope(node: ast.AST) -> Iterable[ast.AST]:
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


_FIRST_RUN = frozenset({"__init__", "__new__", "__post_init__", "__init_subclass__", "__set_name__", "__call__"})
"""Methods that a call of their class runs, or may run; any other takes one more call."""


def function_scope(node: ast.FunctionDef | ast.AsyncFunctionDef, names: dict[str, Meaning], outer: Scope | None) -> Scope:
    """Return the scope of a function's body; it is one call further away if nothing around it calls it."""
    parameters = list(parameter_names(node.args))
    is_method = outer is not None and outer.is_class
    if outer is None:
        level = 0
    elif outer.is_class:
        level = outer.level + (node.name not in _FIRST_RUN)
    else:
        level = outer.level + (not _is_called(node.name, outer.body))
    scope = Scope(names, outer, body=node.body, parameters=parameters[is_method:], level=level)
    if is_method and parameters:
        scope.owner, scope.method = parameters[0], node.name
    return scope


def _is_called(name: str, body: Iterable[ast.AST]) -> bool:
    """Say whether a function is called, or handed to anything but a wrapper of functools, in the body that defines it."""
    for node in (inner for statement in body for inner in ast.walk(statement)):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == name:
                return True
            is_given = any(isinstance(given, ast.Name) and given.id == name for given in node.args)
            if is_given and not ast.unparse(node.func).startswith(("functools.", "wraps", "update_wrapper")):
                return True
    return False
