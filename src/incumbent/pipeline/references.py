"""What one module-level statement refers to: names and their attributes, changes made to them, and what only running settles.

*Early* is what happens while the module is imported (decorators, defaults, bases, class bodies, plain statements); *late* is
what happens in the bodies of functions. Written with a stack: no depth of nesting is too deep.
"""

import ast
from collections.abc import Iterable
from typing import Literal, NamedTuple

from incumbent.pipeline.aliases import comprehension_scope, find_roots, find_use, is_global, module_aliases
from incumbent.pipeline.effects import CHANGING_METHODS, LOOKING_CALLS
from incumbent.pipeline.scope import (
    GLOBAL,
    INERT,
    Import,
    Meaning,
    Scope,
    bound_names,
    find_meaning,
    find_owner,
    function_scope,
    list_imports,
    list_loaded,
    parameter_names,
)
from incumbent.pipeline.telling import query_names, tell_of_call
from incumbent.pipeline.uses import PARAMETER, UNKNOWN, Call, Dynamic, References, Use, Write

_ATTRIBUTE_CALLS = frozenset({"getattr", "hasattr", "setattr", "delattr"})
_TELLING_ATTRIBUTES = {
    "__subclasses__": "asks a class for its subclasses",
    "__globals__": "takes a function's globals",
}


How = Literal["bound", "replaced", "assigned", "called"]


class _Step(NamedTuple):
    node: ast.AST
    scope: Scope | None
    is_late: bool


def find_references(statement: ast.AST, package: str) -> References:
    """Return what a module-level statement of a module in `package` refers to."""
    reader = _Reader(package)
    reader.found.aliases = module_aliases(statement)
    reader.work.append(_Step(statement, None, False))
    while reader.work:
        reader.read(reader.work.pop())
    return reader.found


class _Reader:
    """Walks one statement; `work` holds what is still to be read."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.found = References()
        self.work: list[_Step] = []
        self.callees: set[int] = set()
        self.dropped: set[int] = set()

    def read(self, step: _Step) -> None:
        if type(step.node) in INERT:
            return
        special = _SPECIAL.get(type(step.node))
        if special is None:
            self.push(ast.iter_child_nodes(step.node), step.scope, step.is_late)
        else:
            special(self, step)

    def push(self, nodes: Iterable[ast.AST], scope: Scope | None, is_late: bool) -> None:
        self.work += [_Step(node, scope, is_late) for node in nodes]

    def note_use(self, use: Use, step: _Step) -> None:
        if not step.is_late:
            self.found.early.add(use)
            return
        self.found.late.add(use)
        level = step.scope.level if step.scope is not None else 0
        self.found.levels[use] = min(level, self.found.levels.get(use, level))

    def note_value(self, use: Use, step: _Step) -> None:
        self.note_use(use, step)
        if id(step.node) not in self.callees:
            self.found.values.add(use)

    def note_write(self, use: Use, step: _Step, how: How, is_result: bool = False) -> None:
        level = step.scope.level if step.scope is not None else 0
        self.found.writes.append(Write(use, how, step.is_late, getattr(step.node, "lineno", 0), level, is_result))

    def write_to(self, node: ast.expr, step: _Step, how: How) -> None:
        """Note a change of all that an expression may be a part of; a method that changes its own object as such."""
        for root in find_roots(node, step.scope):
            self.note_write(root.use, step, how, root.is_result)
        while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
            node = node.func if isinstance(node, ast.Call) else node.value
        owner = find_owner(node.id, step.scope) if isinstance(node, ast.Name) else None
        if owner is not None and owner.method and isinstance(node, ast.Name) and node.id == owner.owner:
            self.found.self_writers.add(owner.method)

    # One method for each kind of node that needs more than a look at its children.

    def name(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.Name)
        if isinstance(node.ctx, ast.Load):
            use = find_use(node, step.scope)
            if use is not None:
                self.note_value(use, step)
                if node.id == "__doc__":
                    self.found.dynamics.append(Dynamic("docstring", use, None, node.id, node.lineno))
        elif step.scope is not None and find_meaning(node.id, step.scope) is GLOBAL and not _is_class_name(node.id, step.scope):
            self.note_use(Use(node.id), step)
            self.note_write(Use(node.id), step, "bound")
            self.found.declared.add(node.id)

    def attribute(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.Attribute)
        use = find_use(node, step.scope)
        if node.attr == "__doc__":
            self.found.dynamics.append(Dynamic("docstring", use or Use("", ()), None, node.attr, node.lineno))
        words = _TELLING_ATTRIBUTES.get(node.attr)
        if words is not None:
            self.found.dynamics.append(Dynamic("telling", use or Use("", ()), None, words, node.lineno))
        if use is None:
            if not isinstance(node.ctx, ast.Load):
                self.attribute_through(node, step)
            self.push((node.value,), step.scope, step.is_late)
            return
        if isinstance(node.ctx, ast.Load):
            self.note_value(use, step)
        else:
            self.note_write(use, step, "replaced")
            self.note_use(Use(use.root, use.chain[:-1]) if len(use.chain) > 1 else use, step)

    def attribute_through(self, node: ast.Attribute, step: _Step) -> None:
        """Note an attribute that is set on a local value or an expression."""
        for root in find_roots(node, step.scope):
            if root.is_exact and not root.is_result and root.use.root != PARAMETER:
                self.note_write(root.use, step, "replaced")
        self.write_to(node.value, step, "assigned")

    def subscript(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.Subscript)
        if not isinstance(node.ctx, ast.Load):
            self.write_to(node.value, step, "assigned")
        self.push((node.value, node.slice), step.scope, step.is_late)

    def call(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.Call)
        self.callees.add(id(node.func))
        arguments: list[ast.AST] = [*node.args, *node.keywords]
        use = find_use(node.func, step.scope)
        if isinstance(node.func, ast.Attribute):
            if node.func.attr in CHANGING_METHODS:
                self.write_to(node.func.value, step, "called")
            for name in query_names(node, node.func.attr, step.scope):
                self.note_use(name, step)
        is_dropped = id(node) in self.dropped
        loads = None
        if use is not None:
            if not step.is_late:
                self.invoke(use, 0)
            last = use.chain[-1] if use.chain else _tail(use.root)
            if last in _ATTRIBUTE_CALLS and len(node.args) >= 2 and self.attribute_call(node, use, last, step):
                arguments = [*node.args[1:], *node.keywords]
            told = tell_of_call(node, use, last, step.scope, self.package)
            self.found.dynamics += told
            loads = next((dynamic.argument for dynamic in told if dynamic.loads), None)
            self.found.loads |= {loads} if loads else set()
        elif not step.is_late and isinstance(node.func, ast.Call):
            inner = find_use(node.func.func, step.scope)
            if inner is not None:
                self.invoke(inner, 1)
        if use is not None or (is_dropped and not step.is_late):
            given = (*node.args, *(keyword.value for keyword in node.keywords))
            level = step.scope.level if step.scope is not None else 0
            self.found.calls.append(Call(use or Use(UNKNOWN), given, step.scope, is_dropped, step.is_late, level, loads))
        self.push((node.func, *arguments), step.scope, step.is_late)

    def invoke(self, use: Use, depth: int) -> None:
        self.found.invoked[use] = max(depth, self.found.invoked.get(use, 0))

    def attribute_call(self, node: ast.Call, use: Use, last: str, step: _Step) -> bool:
        """Read getattr and its like on a chain; True if the first argument needs no further look."""
        if use.chain or not is_global(last, step.scope):
            return False
        target = find_use(node.args[0], step.scope)
        if target is None:
            if last in ("setattr", "delattr"):
                self.write_to(node.args[0], step, "assigned")
            return False
        name = node.args[1]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            full = Use(target.root, (*target.chain, name.value))
            self.note_use(full, step)
            self.found.values.add(full)
            if name.value == "__doc__":
                self.found.dynamics.append(Dynamic("docstring", full, None, "__doc__", node.lineno))
            if last in ("setattr", "delattr"):
                self.note_write(full, step, "replaced")
            return True
        words = f"{last}({ast.unparse(node.args[0])[:60]}, {ast.unparse(name)[:60]})"
        self.found.dynamics.append(Dynamic("attribute", target, None, words, node.lineno))
        if last in ("setattr", "delattr"):
            self.note_write(Use(target.root, (*target.chain, "*")), step, "replaced")
        return True

    def expression(self, step: _Step) -> None:
        """A call made for its effect: on what its method belongs to, and on what it is given."""
        node = step.node
        assert isinstance(node, ast.Expr)
        value = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(value, ast.Call):
            self.dropped.add(id(value))
            if isinstance(value.func, ast.Attribute):
                self.write_to(value.func.value, step, "called")
            if isinstance(value.func, ast.Name) and value.func.id in LOOKING_CALLS and is_global(value.func.id, step.scope):
                self.looked_at(value, step)
            elif not step.is_late:
                for argument in (*value.args, *(keyword.value for keyword in value.keywords)):
                    self.write_to(argument, step, "called")
        self.push((node.value,), step.scope, step.is_late)

    def looked_at(self, call: ast.Call, step: _Step) -> None:
        """Read `print(…)`: what it is given stays as it is, but a method that is called inside may change its object."""
        for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
            for inner in ast.walk(argument):
                if isinstance(inner, ast.Call) and not step.is_late:
                    is_plain = isinstance(inner.func, ast.Name) and inner.func.id in LOOKING_CALLS
                    for given in () if is_plain else (inner.func, *inner.args, *(keyword.value for keyword in inner.keywords)):
                        self.write_to(given.value if isinstance(given, ast.Attribute) and given is inner.func else given, step, "called")

    def returned(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.Return | ast.Yield)
        if node.value is not None:
            self.found.returns.append((node.value, step.scope))
            self.push((node.value,), step.scope, step.is_late)

    def function(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        self.decorators(node.decorator_list, step)
        self.parameters(node.args, step)
        if node.returns is not None:
            self.annotation(node.returns, step)
        names = bound_names(node.body, self.package)
        names.update(dict.fromkeys(parameter_names(node.args)))
        names.update(dict.fromkeys(_type_parameters(node)))
        self.push(node.body, function_scope(node, names, step.scope), True)

    def decorators(self, nodes: list[ast.expr], step: _Step) -> None:
        for node in nodes:
            use = find_use(node.func if isinstance(node, ast.Call) else node, step.scope)
            if use is None:
                continue
            if not step.is_late:
                self.invoke(use, int(isinstance(node, ast.Call)))
                self.callees.add(id(node))
            if use.chain and not (step.scope is not None and step.scope.is_class):
                self.note_write(Use(use.root, use.chain[:-1]), step, "called")  # @registry.register, @process.register
        self.push(nodes, step.scope, step.is_late)

    def parameters(self, arguments: ast.arguments, step: _Step) -> None:
        self.push(arguments.defaults, step.scope, step.is_late)
        self.push((default for default in arguments.kw_defaults if default is not None), step.scope, step.is_late)
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
            if argument is not None and argument.annotation is not None:
                self.annotation(argument.annotation, step)

    def annotation(self, node: ast.expr, step: _Step) -> None:
        """Read an annotation, and what is quoted inside of it."""
        self.push((node,), step.scope, step.is_late)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                try:
                    self.push((ast.parse(inner.value, mode="eval").body,), step.scope, step.is_late)
                except (SyntaxError, ValueError, RecursionError, MemoryError):
                    continue  # Literal["any text"]

    def function_value(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.Lambda)
        self.parameters(node.args, step)
        names: dict[str, Meaning] = dict.fromkeys(parameter_names(node.args))
        level = step.scope.level + 1 if step.scope is not None else 0
        names = {**bound_names((node.body,), self.package), **names}
        self.push((node.body,), Scope(names, step.scope, body=(node.body,), parameters=parameter_names(node.args), level=level), True)

    def class_body(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.ClassDef)
        self.decorators(node.decorator_list, step)
        bases = (find_use(base, step.scope) for base in node.bases)
        for use in bases:
            if use is not None and not step.is_late:
                self.invoke(use, 1)
        self.push((*node.bases, *node.keywords), step.scope, step.is_late)
        outer = Scope(dict.fromkeys(_type_parameters(node)), step.scope)
        self.push(node.body, Scope(bound_names(node.body, self.package), outer, is_class=True), step.is_late)

    def comprehension(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp)
        inner = comprehension_scope(node, step.scope, self.package)
        for place, generator in enumerate(node.generators):
            self.push((generator.iter,), inner if place else step.scope, step.is_late)
            self.push(generator.ifs, inner, step.is_late)
        values: tuple[ast.AST, ...] = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
        self.push(values, inner, step.is_late)

    def annotated(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.AnnAssign)
        self.push((node.target,) if node.value is None else (node.target, node.value), step.scope, step.is_late)
        if not step.is_late or (step.scope is not None and step.scope.is_class):
            self.annotation(node.annotation, step)

    def augmented(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.AugAssign)
        use = find_use(node.target, step.scope)
        if use is not None:
            self.note_use(use, step)
            self.note_write(use, step, "replaced" if use.chain else "assigned")
        elif isinstance(node.target, ast.Name):
            self.write_to(node.target, step, "assigned")  # a list that a local name shares grows in place
        self.push((node.target, node.value), step.scope, step.is_late)

    def imports(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.Import | ast.ImportFrom)
        self.found.loads.update(list_loaded(node, self.package))
        if step.scope is None:
            return
        for name, target in list_imports(node, self.package):
            if find_meaning(name, step.scope) != target:  # bound twice, or in a class: no use of the name would show it
                self.note_use(Use(target), step)

    def declares(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.Global)
        self.found.declared.update(node.names)


def _tail(root: str | Import) -> str:
    return root if isinstance(root, str) else (root.name or root.module)


def _type_parameters(node: ast.AST) -> list[str]:
    return [parameter.name for parameter in getattr(node, "type_params", [])]


def _is_class_name(name: str, scope: Scope) -> bool:
    return scope.is_class and scope.names.get(name, GLOBAL) is not GLOBAL


_SPECIAL = {
    ast.Name: _Reader.name,
    ast.Attribute: _Reader.attribute,
    ast.Subscript: _Reader.subscript,
    ast.Call: _Reader.call,
    ast.Expr: _Reader.expression,
    ast.FunctionDef: _Reader.function,
    ast.AsyncFunctionDef: _Reader.function,
    ast.Lambda: _Reader.function_value,
    ast.ClassDef: _Reader.class_body,
    ast.ListComp: _Reader.comprehension,
    ast.SetComp: _Reader.comprehension,
    ast.DictComp: _Reader.comprehension,
    ast.GeneratorExp: _Reader.comprehension,
    ast.AnnAssign: _Reader.annotated,
    ast.AugAssign: _Reader.augmented,
    ast.Import: _Reader.imports,
    ast.ImportFrom: _Reader.imports,
    ast.Global: _Reader.declares,
    ast.Return: _Reader.returned,
    ast.Yield: _Reader.returned,
}
