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


class _Pieces(list[_Work]):
    """What stands for a node, in order: text, in one piece where it is in one, and nodes still to be written."""

    def __init__(self) -> None:
        self.text = ""

    def add(self, value: object, is_local: bool) -> None:
        if type(value) is ast.Name:
            self.text += f"`{value.id}`"
        elif type(value) is ast.Constant:
            self.text += _constant(value.value)
        elif isinstance(value, ast.AST):
            self.append((self.text, False))
            self.append((value, is_local))
            self.text = ""
        else:
            self.text += _plain(value)

    def close(self, end: str) -> "_Pieces":
        self.append((self.text + end, False))
        return self


def _expand(node: ast.AST, is_local: bool, keep_docstrings: bool) -> _Pieces:
    pieces = _Pieces()
    if isinstance(node, ast.Name | ast.Constant):
        pieces.add(node, False)
        return pieces.close("")
    if isinstance(node, ast.JoinedStr):
        return _expand_joined(node.values, is_local)
    kind = type(node)
    is_inner = (is_local or kind in _FUNCTIONS) and kind is not ast.ClassDef  # a class body evaluates its annotations, wherever it is
    pieces.text = f"{kind.__name__}("
    for name in _fields(kind):
        value = getattr(node, name, None)
        if isinstance(value, list):
            if name in _BODIES:
                value = [statement for statement in value if not _is_idle(statement, keep_docstrings)]
            if value:
                pieces.text += f"{name}=["
                for item in value:
                    pieces.add(item, is_inner)
                    pieces.text += ","
                pieces.text += "];"
        elif value is not None and not _is_unread(kind, name, value, is_local):
            pieces.text += f"{name}="
            pieces.add(value, is_inner)
            pieces.text += ";"
    return pieces.close(")")


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


def _expand_joined(values: list[ast.expr], is_local: bool) -> _Pieces:
    """Write an f-string with neighbouring pieces of text as one: versions of Python cut them at different places."""
    pieces = _Pieces()
    pieces.text = "Joined["
    text = ""
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            text += value.value
            continue
        pieces.text += f"{text!a}," if text else ""
        text = ""
        pieces.add(value, is_local)
        pieces.text += ","
    return pieces.close(f"{text!a},]" if text else "]")


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
