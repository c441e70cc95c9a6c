"""Calls that reach what their own text does not name: exec, imports by name, readers of docstrings and source, queries."""

import ast
import re
from collections.abc import Iterator

from incumbent.pipeline.aliases import find_roots
from incumbent.pipeline.scope import Import, Scope, absolute_module, find_meaning
from incumbent.pipeline.uses import UNKNOWN, Dynamic, Use

_RUNS_TEXT = {"exec": "exec(…)", "eval": "eval(…)"}
_NAMESPACES = {"globals": "globals()", "vars": "vars()", "locals": "locals()"}
_READS = {"getdoc": "docstring", "getsource": "source", "getsourcelines": "source", "getcomments": "source"}
_IMPORTING = frozenset({"import_module", "__import__", "run_module", "run_path", "reload"})
_AT_NAME = re.compile(r"@([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*)*)")


def tell_of_call(node: ast.Call, use: Use, last: str, scope: Scope | None, package: str) -> list[Dynamic]:
    """Return what a call of `use`, whose last name is `last`, may reach beside its arguments, in a module of `package`."""
    if last in _RUNS_TEXT:
        return [Dynamic("text", use, None, _RUNS_TEXT[last], node.lineno)]
    if last in _NAMESPACES and not node.args:
        return [Dynamic("namespace", use, None, _NAMESPACES[last], node.lineno)]
    if last in _READS:
        targets = {root.use for argument in node.args[:1] for root in find_roots(argument, scope)} or {Use(UNKNOWN)}
        return [Dynamic(_READS[last], target, None, f"{last}(…)", node.lineno) for target in sorted(targets, key=str)]
    if last in _IMPORTING:
        words = f"{last}({ast.unparse(node.args[0])[:60] if node.args else ''})"
        return [Dynamic("import", use, _literal_module(node, package), words, node.lineno)]
    return []


def _literal_module(node: ast.Call, package: str) -> str | None:
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    first = node.args[0] if node.args else given.get("name")
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return None
    level = len(first.value) - len(first.value.lstrip("."))
    if level == 0:
        return first.value
    anchor = node.args[1] if len(node.args) > 1 else given.get("package")
    if isinstance(anchor, ast.Constant) and isinstance(anchor.value, str):
        package = anchor.value
    elif not isinstance(anchor, ast.Name) or anchor.id not in ("__package__", "__name__"):  # __name__: only a package can say it
        return None
    return absolute_module(first.value[level:], level, package)


def query_names(node: ast.Call, method: str, scope: Scope | None) -> Iterator[Use]:
    """Yield the names that a frame's `query("x > @LIMIT")` or `eval` takes from around it."""
    if method not in ("query", "eval"):
        return
    for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
        texts = (inner.value for inner in ast.walk(argument) if isinstance(inner, ast.Constant) and isinstance(inner.value, str))
        for name, attributes in (found for text in texts for found in _AT_NAME.findall(text)):
            meaning = find_meaning(name, scope)
            if meaning is not None:
                yield Use(meaning if isinstance(meaning, Import) else name, tuple(attributes.split(".")[1:]))
