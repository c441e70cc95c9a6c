"""Annotations as dotted text, read from source: the counterpart of what `type_text` says of live ones."""

import ast

from incumbent.pipeline.resolve import Bound, External, Resolver
from incumbent.pipeline.symbols import SourceModule
from incumbent.pipeline.types import ANY
from incumbent.pipeline.uses import Use

_DEPTH_MAX = 60


def annotation_text(module: SourceModule, node: ast.expr | None, resolver: Resolver, depth: int = 0) -> str:
    """Return an annotation of `module` with each name as the dotted name of what it stands for.

    Quoted annotations are read, aliases of the project followed, `Annotated` taken off. What is no type, or nested beyond
    all use, is `typing.Any`: it is settled with the real classes before anything runs.
    """
    if node is None or depth > _DEPTH_MAX:
        return ANY
    if isinstance(node, ast.Constant):
        return _constant_text(module, node, resolver, depth)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        parts: list[str] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            parts.append(annotation_text(module, node.right, resolver, depth + 1))
            node = node.left
        return " | ".join([annotation_text(module, node, resolver, depth + 1), *reversed(parts)])
    if isinstance(node, ast.Subscript):
        return _subscript_text(module, node, resolver, depth)
    if isinstance(node, ast.List):
        return f"[{', '.join(annotation_text(module, item, resolver, depth + 1) for item in node.elts)}]"
    use = chain_of(node)
    return ANY if use is None else _name_text(module, use, resolver, depth)


def chain_of(node: ast.expr) -> Use | None:
    """Return a module-level name or a chain of attributes as a use, None for any other expression."""
    chain = []
    while isinstance(node, ast.Attribute):
        chain.append(node.attr)
        node = node.value
    return Use(node.id, tuple(reversed(chain))) if isinstance(node, ast.Name) else None


def _constant_text(module: SourceModule, node: ast.Constant, resolver: Resolver, depth: int) -> str:
    if node.value is None:
        return "None"
    if node.value is ...:
        return "..."
    if not isinstance(node.value, str):
        return ANY
    try:
        inner = ast.parse(node.value.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ANY
    return annotation_text(module, inner, resolver, depth + 1)


def _subscript_text(module: SourceModule, node: ast.Subscript, resolver: Resolver, depth: int) -> str:
    head = annotation_text(module, node.value, resolver, depth + 1)
    items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if head == "typing.Literal":
        return f"typing.Literal[{', '.join(ast.unparse(item) for item in items)}]"
    if head == "typing.Annotated":
        return annotation_text(module, items[0], resolver, depth + 1) if items else ANY
    texts = [annotation_text(module, item, resolver, depth + 1) for item in items]
    if head == "typing.Optional":
        return f"{texts[0]} | None"
    if head == "typing.Union":
        return " | ".join(texts)
    return f"{head}[{', '.join(texts)}]"


def _name_text(module: SourceModule, use: Use, resolver: Resolver, depth: int) -> str:
    for end in resolver.resolve(module, use).ends:
        if isinstance(end, External):
            return end.name.removeprefix("builtins.")
        if isinstance(end, Bound):
            return _bound_text(end, resolver, depth)
    return ".".join((str(use.root), *use.chain))


def _bound_text(end: Bound, resolver: Resolver, depth: int) -> str:
    """Name a class by where it is defined, so that a re-export is the same type; follow an alias to what it stands for."""
    name = ".".join((end.module.name, end.symbol, *end.rest))
    places = end.module.definitions.get(end.symbol, [])
    if len(places) != 1 or end.rest:
        return name
    statement = end.module.statements[places[0]]
    value = None if isinstance(statement, ast.ClassDef | ast.FunctionDef) else getattr(statement, "value", None)
    if isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.BinOp):
        return annotation_text(end.module, value, resolver, depth + 1)
    return name
