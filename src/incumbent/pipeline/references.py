"""What one module-level statement refers to: names and their attributes, changes made to them, and what only running settles.

*Early* is what happens while the module is imported (decorators, defaults, bases, class bodies, plain statements); *late* is
what happens in the bodies of functions. Written with a stack: no depth of nesting is too deep.
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from incumbent.pipeline.scope import GLOBAL, INERT, Import, Scope, bound_names, find_meaning, list_imports, list_loaded, parameter_names

CHANGING_METHODS = frozenset({
    "__setitem__", "add", "add_argument", "append", "appendleft", "clear", "difference_update", "discard", "extend", "insert",
    "intersection_update", "move_to_end", "pop", "popitem", "popleft", "push", "put", "register", "remove", "reverse", "set", "setdefault",
    "sort", "symmetric_difference_update", "update", "write",
})  # fmt: skip
"""Methods taken to change what they belong to, even where their result is used; one whose result is dropped always is."""

_RUNS_TEXT = {"exec": "exec(…)", "eval": "eval(…)"}
_NAMESPACES = {"globals": "globals()", "vars": "vars()", "locals": "locals()"}
_ATTRIBUTE_CALLS = frozenset({"getattr", "hasattr", "setattr", "delattr"})
_TELLING_ATTRIBUTES = {
    "__subclasses__": "asks a class for its subclasses",
    "__globals__": "takes a function's globals",
}


class Use(NamedTuple):
    """A name and the attributes taken from it: `helpers.io.load` is ("helpers", ("io", "load")).

    The root is a module-level name, or the import itself when a function imports it for its own use.
    """

    root: str | Import
    chain: tuple[str, ...] = ()


class Write(NamedTuple):
    """A change made to what a name stands for.

    Attributes:
        use: What is changed, or for "replaced" the attribute that is bound anew.
        how: "replaced" (`helpers.f = g`), "assigned" (`TABLE["x"] = 1`), or "called" (a method, a decorator, an argument).
        is_late: It happens in a function's body.
    """

    use: Use
    how: Literal["replaced", "assigned", "called"]
    is_late: bool
    line: int


class Dynamic(NamedTuple):
    """A construct that may reach anything.

    Attributes:
        kind: "text" (exec, eval), "namespace" (globals()), "attribute" (getattr with a computed name), "import", "telling"
            (attributes that lead elsewhere), "docstring".
        use: What it is applied to or called as: decides whether it counts.
        argument: For "import", the literal name of the module, None if it is computed.
        words: How it is shown.
    """

    kind: str
    use: Use
    argument: str | None
    words: str
    line: int


@dataclass(slots=True)
class References:
    """All that a statement refers to.

    Attributes:
        early, late: Uses, by when they happen.
        writes: Changes made, early and late.
        calls: What a plain expression at module level calls for its effect; Use("") when that is no name.
        invoked: What is run early: called, used as a decorator or as a base class.
        loads: Modules that the statement imports.
        declared: Names that a function of it binds as `global`.
    """

    early: set[Use] = field(default_factory=set)
    late: set[Use] = field(default_factory=set)
    writes: list[Write] = field(default_factory=list)
    calls: list[Use] = field(default_factory=list)
    invoked: set[Use] = field(default_factory=set)
    dynamics: list[Dynamic] = field(default_factory=list)
    loads: set[str] = field(default_factory=set)
    declared: set[str] = field(default_factory=set)


class _Step(NamedTuple):
    node: ast.AST
    scope: Scope | None
    is_late: bool


def find_references(statement: ast.AST, package: str) -> References:
    """Return what a module-level statement of a module in `package` refers to."""
    reader = _Reader(package)
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

    def use_of(self, node: ast.AST, scope: Scope | None) -> Use | None:
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

    def note_use(self, use: Use, step: _Step) -> None:
        (self.found.late if step.is_late else self.found.early).add(use)

    def note_write(self, use: Use, step: _Step, how: Literal["replaced", "assigned", "called"]) -> None:
        self.found.writes.append(Write(use, how, step.is_late, getattr(step.node, "lineno", 0)))

    # One method for each kind of node that needs more than a look at its children.

    def name(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.Name)
        if isinstance(node.ctx, ast.Load):
            use = self.use_of(node, step.scope)
            if use is not None:
                self.note_use(use, step)
                if node.id == "__doc__":
                    self.found.dynamics.append(Dynamic("docstring", use, None, node.id, node.lineno))
        elif step.scope is not None and find_meaning(node.id, step.scope) is GLOBAL and not _is_class_name(node.id, step.scope):
            self.note_use(Use(node.id), step)
            self.note_write(Use(node.id), step, "assigned")
            self.found.declared.add(node.id)

    def attribute(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.Attribute)
        use = self.use_of(node, step.scope)
        if node.attr == "__doc__":
            self.found.dynamics.append(Dynamic("docstring", use or Use("", ()), None, node.attr, node.lineno))
        words = _TELLING_ATTRIBUTES.get(node.attr)
        if words is not None:
            self.found.dynamics.append(Dynamic("telling", use or Use("", ()), None, words, node.lineno))
        if use is None:
            self.push((node.value,), step.scope, step.is_late)
            return
        if isinstance(node.ctx, ast.Load):
            self.note_use(use, step)
        else:
            self.note_write(use, step, "replaced")
            self.note_use(Use(use.root, use.chain[:-1]) if len(use.chain) > 1 else use, step)

    def subscript(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.Subscript)
        if not isinstance(node.ctx, ast.Load):
            use = self.use_of(node.value, step.scope)
            if use is not None:
                self.note_write(use, step, "assigned")
        self.push((node.value, node.slice), step.scope, step.is_late)

    def call(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.Call)
        arguments: list[ast.AST] = [*node.args, *node.keywords]
        use = self.use_of(node.func, step.scope)
        if use is not None:
            if use.chain and use.chain[-1] in CHANGING_METHODS:
                self.note_write(Use(use.root, use.chain[:-1]), step, "called")
            if not step.is_late:
                self.found.invoked.add(use)
            last = use.chain[-1] if use.chain else _tail(use.root)
            if last in _ATTRIBUTE_CALLS and len(node.args) >= 2 and self.attribute_call(node, use, last, step):
                arguments = [*node.args[1:], *node.keywords]
            self.telling_call(node, use, last)
        self.push((node.func, *arguments), step.scope, step.is_late)

    def telling_call(self, node: ast.Call, use: Use, last: str) -> None:
        dynamics = self.found.dynamics
        if last in _RUNS_TEXT:
            dynamics.append(Dynamic("text", use, None, _RUNS_TEXT[last], node.lineno))
        elif last in _NAMESPACES and not node.args:
            dynamics.append(Dynamic("namespace", use, None, _NAMESPACES[last], node.lineno))
        elif last in ("import_module", "__import__", "run_module", "run_path", "reload"):
            words = f"{last}({ast.unparse(node.args[0])[:60] if node.args else ''})"
            dynamics.append(Dynamic("import", use, self.literal_module(node), words, node.lineno))

    def literal_module(self, node: ast.Call) -> str | None:
        first = node.args[0] if node.args else None
        if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
            return None
        level = len(first.value) - len(first.value.lstrip("."))
        if level == 0:
            return first.value
        anchor = node.args[1] if len(node.args) > 1 else None
        if isinstance(anchor, ast.Name) and anchor.id == "__package__":
            parts = self.package.split(".")
            return ".".join([*parts[: len(parts) - level + 1], first.value[level:]])
        return None

    def attribute_call(self, node: ast.Call, use: Use, last: str, step: _Step) -> bool:
        """Read getattr and its like on a chain; True if the first argument needs no further look."""
        if use.chain or find_meaning(last, step.scope) is not GLOBAL:
            return False
        target = self.use_of(node.args[0], step.scope)
        if target is None:
            return False
        name = node.args[1]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            full = Use(target.root, (*target.chain, name.value))
            self.note_use(full, step)
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
            use = self.use_of(value.func, step.scope)
            if use is not None and use.chain:
                self.note_write(Use(use.root, use.chain[:-1]), step, "called")
            if not step.is_late:
                self.found.calls.append(use or Use("", ()))
                for argument in (*value.args, *(keyword.value for keyword in value.keywords)):
                    given = self.use_of(argument, step.scope)
                    if given is not None:
                        self.note_write(given, step, "called")
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
        self.push(node.body, Scope(names, step.scope), True)

    def decorators(self, nodes: list[ast.expr], step: _Step) -> None:
        for node in nodes:
            use = self.use_of(node.func if isinstance(node, ast.Call) else node, step.scope)
            if use is None:
                continue
            if not step.is_late:
                self.found.invoked.add(use)
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
        names: dict[str, Import | None] = dict.fromkeys(parameter_names(node.args))
        self.push((node.body,), Scope({**bound_names((node.body,), self.package), **names}, step.scope), True)

    def class_body(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.ClassDef)
        self.decorators(node.decorator_list, step)
        bases = (self.use_of(base, step.scope) for base in node.bases)
        self.found.invoked.update(use for use in bases if use is not None and not step.is_late)
        self.push((*node.bases, *node.keywords), step.scope, step.is_late)
        outer = Scope(dict.fromkeys(_type_parameters(node)), step.scope)
        self.push(node.body, Scope(bound_names(node.body, self.package), outer, is_class=True), step.is_late)

    def comprehension(self, step: _Step) -> None:
        node = step.node
        assert isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp)
        targets = bound_names((generator.target for generator in node.generators), self.package)
        inner = Scope(targets, step.scope)
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
        use = self.use_of(node.target, step.scope)
        if use is not None:
            self.note_use(use, step)
            self.note_write(use, step, "replaced" if use.chain else "assigned")
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
}
