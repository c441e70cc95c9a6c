"""The canonical text of Python syntax: equal for two sources if and only if they say the same to the interpreter.

What is left out: comments, layout, positions, docstrings and every other statement without effect (`pass`, a lone constant),
type comments, type parameters, annotations of a function's local variables (the interpreter never evaluates them), the `u`
of u"…". What counts: all else, parameter and return annotations and the fields of a class among it.

The text is our own and not `ast.dump`, whose form changes with each minor version of Python: this one is the same on
3.11 to 3.13. It is written with a stack, not with recursion, so that no depth of nesting is too deep for it.
"""

import ast
import warnings
from collections.abc import Iterable

from incumbent.base.errors import InvalidInput

_DROPPED = frozenset({"ctx", "type_comment", "type_params", "kind", "type_ignores"})
_BODIES = frozenset({"body", "orelse", "finalbody"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_Work = tuple[str | ast.AST, bool]  # what is to be written, and whether it is inside a function


def parse_source(data: bytes | str, path: str) -> ast.Module:
    """Return the syntax tree of a Python file.

    Raises:
        InvalidInput: It is not Python (the message has the line), not in its declared encoding, or nested too deeply.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in the user's string is the user's business
            return ast.parse(data, filename=path)
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise InvalidInput(f"{path} is not valid Python{line}: {error.msg}; mend the file and run again") from error
    except ValueError as error:
        raise InvalidInput(f"{path} is not valid Python: {error}; is it a text file in UTF-8?") from error
    except (RecursionError, MemoryError) as error:
        raise InvalidInput(f"{path} nests its expressions too deeply to be parsed; break the longest one up") from error


def canonical_text(nodes: Iterable[ast.AST], *, keep_docstrings: bool = False) -> str:
    """Return the canonical text of some statements or expressions.

    >>> canonical_text(ast.parse("return_value = (a+1)  # why").body) == canonical_text(ast.parse("return_value=a + 1").body)
    True
    """
    written: list[str] = []
    work: list[_Work] = [(node, False) for node in nodes if not _is_idle(node, keep_docstrings)]
    work.reverse()
    while work:
        item, is_local = work.pop()
        if isinstance(item, str):
            written.append(item)
        else:
            work.extend(reversed(_expand(item, is_local, keep_docstrings)))
    return "".join(written)


def _expand(node: ast.AST, is_local: bool, keep_docstrings: bool) -> list[_Work]:
    """Return what stands for a node: its pieces, in order, as text or as nodes still to be written."""
    if isinstance(node, ast.Constant):
        return [(_constant(node.value), False)]
    if isinstance(node, ast.Name):
        return [(f"`{node.id}`", False)]
    if isinstance(node, ast.JoinedStr):
        return _expand_joined(node.values, is_local)
    kind = type(node)
    is_inner = (is_local or kind in _FUNCTIONS) and kind is not ast.ClassDef  # a class body evaluates its annotations, wherever it is
    parts: list[_Work] = [(f"{kind.__name__}(", False)]
    for name in _fields(kind):
        value = getattr(node, name, None)
        if isinstance(value, list):
            if name in _BODIES:
                value = [statement for statement in value if not _is_idle(statement, keep_docstrings)]
            if value:
                parts.append((f"{name}=[", False))
                for item in value:
                    parts += [(item if isinstance(item, ast.AST) else _plain(item), is_inner), (",", False)]
                parts.append(("];", False))
        elif value is not None and not _is_unread(kind, name, value, is_local):
            parts += [(f"{name}=", False), (value if isinstance(value, ast.AST) else _plain(value), is_inner), (";", False)]
    parts.append((")", False))
    return parts


def _is_unread(kind: type[ast.AST], field: str, value: object, is_local: bool) -> bool:
    """Say whether the interpreter takes no notice of a field: a local variable's annotation, an empty format (f"{x:}" is f"{x}")."""
    if field == "annotation":
        return is_local and kind is ast.AnnAssign
    return field == "format_spec" and isinstance(value, ast.JoinedStr) and not _joined_has_text(value)


_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {}


def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    found = _FIELDS.get(kind)
    if found is None:
        found = _FIELDS[kind] = tuple(sorted(name for name in kind._fields if name not in _DROPPED))
    return found


def _is_idle(statement: ast.AST, keep_docstrings: bool) -> bool:
    if isinstance(statement, ast.Pass):
        return True
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return not (keep_docstrings and isinstance(statement.value.value, str))
    return False


def _expand_joined(values: list[ast.expr], is_local: bool) -> list[_Work]:
    """Write an f-string with neighbouring pieces of text as one: versions of Python cut them at different places."""
    parts: list[_Work] = [("Joined[", False)]
    text = ""
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            text += value.value
            continue
        if text:
            parts.append((f"{text!a},", False))
            text = ""
        parts += [(value, is_local), (",", False)]
    if text:
        parts.append((f"{text!a},", False))
    return [*parts, ("]", False)]


def _joined_has_text(spec: ast.JoinedStr) -> bool:
    return any(not (isinstance(piece, ast.Constant) and piece.value == "") for piece in spec.values)


def _constant(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"int:{value:x}"  # hex: decimal digits are limited in number
    if isinstance(value, str):
        return f"str:{value!a}"  # not repr, which follows the Unicode tables of the interpreter
    return f"{type(value).__name__}:{value!r}"


def _plain(value: object) -> str:
    return "~" if value is None else ascii(value)
