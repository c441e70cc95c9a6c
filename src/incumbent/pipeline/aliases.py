"""What an expression may stand for: the names from which the object came that it gives, through locals, loops, items and calls.

In doubt it names too much: a change made to the expression then counts as a change of each.
"""

import ast
from collections.abc import Iterable, Iterator

from incumbent.pipeline.scope import GLOBAL, INERT, Import, Scope, bound_names, find_meaning, find_owner, same_scope
from incumbent.pipeline.uses import PARAMETER, UNKNOWN, Root, Use

_FRESH_CALLS = frozenset({
    "abs", "bool", "bytes", "complex", "copy", "deepcopy", "float", "frozenset", "hash", "id", "int", "isinstance", "len", "object", "open",
    "range", "repr", "round", "str", "sum", "type",
})  # fmt: skip
"""Calls whose result shares nothing with what they are given."""

Part = tuple[ast.expr, bool]
"""(an expression, whether a name is bound to a part of it only)."""
_Step = tuple[ast.expr, Scope | None, tuple[str, ...] | None]


def find_use(node: ast.AST, scope: Scope | None) -> Use | None:
    """Return the use that a name or a chain of attributes is, None if it starts from a local value or an expression."""
    chain = []
    while isinstance(node, ast.Attribute):
        chain.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    meaning = find_meaning(node.id, scope)
    if meaning is None:
        return None
    return Use(meaning if isinstance(meaning, Import) else node.id, tuple(reversed(chain)))


def find_roots(node: ast.expr, scope: Scope | None) -> set[Root]:
    """Return all that the value of an expression may be, or be a part of; nothing if it is new."""
    found: set[Root] = set()
    seen: set[tuple[int, tuple[str, ...] | None]] = set()
    work: list[_Step] = [(node, scope, ())]
    while work:
        node, scope, path = step = work.pop()
        if (id(node), path) in seen or len(path or ()) > 20:
            continue
        seen.add((id(node), path))
        use = find_use(node, scope)
        if use is not None:
            found.add(Root(Use(use.root, (*use.chain, *(path or ()))), path is not None))
        elif isinstance(node, ast.Name):
            work += _behind_local(node.id, scope, path, found)
        elif isinstance(node, ast.Call):
            work += _behind_call(node, scope, found)
        else:
            work += _behind(step)
    return found


def _behind_local(name: str, scope: Scope | None, path: tuple[str, ...] | None, found: set[Root]) -> Iterator[_Step]:
    owner = find_owner(name, scope)
    if owner is None:
        return
    if name in owner.parameters:
        found.add(Root(Use(PARAMETER, (name,)), False))
    if owner.bindings is None:
        owner.bindings = list_bindings(owner.body)
    for value, is_part in owner.bindings.get(name, ()):
        yield value, owner, None if is_part else path


def _behind_call(node: ast.Call, scope: Scope | None, found: set[Root]) -> Iterator[_Step]:
    called = find_use(node.func, scope)
    if called is not None:
        found.add(Root(called, False, True))
        last = called.chain[-1] if called.chain else str(called.root if isinstance(called.root, str) else called.root.name)
    elif isinstance(node.func, ast.Attribute):
        last = node.func.attr
        if last not in _FRESH_CALLS:
            yield node.func.value, scope, None
    else:
        last = ""
        if not isinstance(node.func, ast.Name):
            found.add(Root(Use(UNKNOWN), False))
    if last not in _FRESH_CALLS and not last[:1].isupper():
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            yield argument, scope, None


def _behind(step: _Step) -> Iterator[_Step]:
    node, scope, path = step
    if isinstance(node, ast.Attribute):
        yield node.value, scope, None if path is None else (node.attr, *path)
    elif isinstance(node, ast.Subscript | ast.Starred | ast.YieldFrom):
        yield node.value, scope, None
    elif isinstance(node, ast.IfExp):
        yield from ((node.body, scope, path), (node.orelse, scope, path))
    elif isinstance(node, ast.BoolOp):
        yield from ((value, scope, path) for value in node.values)
    elif isinstance(node, ast.NamedExpr | ast.Await):
        yield node.value, scope, path
    elif isinstance(node, ast.Tuple | ast.List | ast.Set):
        yield from ((item, scope, None) for item in node.elts)
    elif isinstance(node, ast.Dict):
        yield from ((item, scope, None) for item in node.values)
    elif isinstance(node, ast.BinOp):
        yield from ((node.left, scope, None), (node.right, scope, None))
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        yield (node.value if isinstance(node, ast.DictComp) else node.elt), comprehension_scope(node, scope, ""), None


def comprehension_scope(node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, outer: Scope | None, package: str) -> Scope:
    """Return the scope that a comprehension's variables live in."""
    names = bound_names((generator.target for generator in node.generators), package)
    scope = Scope(names, outer)
    scope.bindings = {}
    for generator in node.generators:
        _bind(generator.target, generator.iter, True, scope.bindings)
    return scope


def list_bindings(body: Iterable[ast.AST]) -> dict[str, list[Part]]:
    """Return, for each name that some statements bind in their own scope, what it is bound to."""
    found: dict[str, list[Part]] = {}
    work = list(body)
    while work:
        node = work.pop()
        if type(node) in INERT or isinstance(node, ast.Name):
            continue
        for target, value, is_part in _list_targets(node):
            _bind(target, value, is_part, found)
        if isinstance(node, ast.Match):
            for name in bound_names((case.pattern for case in node.cases), ""):
                found.setdefault(name, []).append((node.subject, True))
        work += same_scope(node)
    return found


def _list_targets(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr, bool]]:
    if isinstance(node, ast.Assign):
        yield from ((target, node.value, False) for target in node.targets)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        yield node.target, node.value, False
    elif isinstance(node, ast.AugAssign):
        yield node.target, node.value, True
    elif isinstance(node, ast.For | ast.AsyncFor):
        yield node.target, node.iter, True
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield node.optional_vars, node.context_expr, False


def _bind(target: ast.expr, value: ast.expr, is_part: bool, found: dict[str, list[Part]]) -> None:
    work = [(target, value, is_part)]
    while work:
        target, value, is_part = work.pop()
        if isinstance(target, ast.Name):
            found.setdefault(target.id, []).append((value, is_part))
        elif isinstance(target, ast.Starred):
            work.append((target.value, value, True))
        elif isinstance(target, ast.Tuple | ast.List):
            items = value.elts if isinstance(value, ast.Tuple | ast.List) and not is_part else []
            if len(items) == len(target.elts) and not any(isinstance(item, ast.Starred) for item in (*items, *target.elts)):
                work += [(inner, item, False) for inner, item in zip(target.elts, items, strict=True)]
            else:
                work += [(inner, value, True) for inner in target.elts]


def module_aliases(statement: ast.AST) -> dict[str, set[Root]]:
    """Return what the module-level names that a statement binds may be, or be parts of."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {}
    aliases: dict[str, set[Root]] = {}
    for name, parts in list_bindings((statement,)).items():
        for value, is_part in parts:
            for root in find_roots(value, None):
                if root.use != Use(name):
                    aliases.setdefault(name, set()).add(root._replace(is_exact=root.is_exact and not is_part))
    return aliases


def is_global(name: str, scope: Scope | None) -> bool:
    """Say whether a name means what the module, or Python, means by it."""
    return find_meaning(name, scope) is GLOBAL
