"""The canonical text: what must not change it, what must, and what may never break it."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incumbent.base.errors import IncumbentError, InvalidInput
from incumbent.pipeline.symbols import read_module
from incumbent.pipeline.syntax import canonical_text, parse_source


def text(source: str) -> str:
    return canonical_text(ast.parse(source).body)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1 # why", "x=1"),
        ("def f():\n  'doc'\n  return 1", "def f():\n\n    return (1)"),
        ("def f():\n  'doc'", "def f(): ..."),
        ("def f(): pass", "def f():\n  'only'\n  pass"),
        ("class A:\n  'doc'\n  x = 1\n  'about x'", "class A:\n  x = 1"),
        ("x = 'a' 'b'", 'x = "ab"'),
        ("x = u'a'", "x = 'a'"),
        ("x = 0x10", "x = 16"),
        ("x = f'a{b}' 'c' 'd'", "x = f'a{b}cd'"),
        ("x = f'{b:}'", "x = f'{b}'"),
        ("def f():\n  x: int = 1", "def f():\n  x: str = 1"),
        ("if a:\n  b\nelse:\n  pass", "if a: b"),
        ("f(a,\n  b,)", "f(a, b)"),
        ("x = (1,\n 2)", "x = 1, 2"),
    ],
)
def test_what_the_interpreter_does_not_see_leaves_the_text_as_it_is(one, other):
    assert text(one) == text(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 1", "x = '1'"),
        ("x = 'a'", "x = b'a'"),
        ("x = None", "x = ..."),
        ("x = (1, 2)", "x = [1, 2]"),
        ("x = 0.0", "x = -0.0"),
        ("def f(a, b): ...", "def f(a, *, b): ..."),
        ("def f(a, b): ...", "def f(a, b, /): ..."),
        ("def f(a=1, b=2): ...", "def f(a=2, b=1): ..."),
        ("def f(*, a=1, b): ...", "def f(*, a, b=1): ..."),
        ("def f(a: int): ...", "def f(a: str): ..."),
        ("def f() -> int: ...", "def f(): ..."),
        ("class A:\n  x: int", "class A:\n  x: str"),
        ("def f():\n  class A:\n    x: int", "def f():\n  class A:\n    x: str"),
        ("x = f'{b}'", "x = f'{b!r}'"),
        ("x = f'{b}'", "x = f'{b:>3}'"),
        ("x = f'{{b}}'", "x = f'{b}'"),
        ("x = {1: 2, **a}", "x = {**a, 1: 2}"),
        ("a < b < c", "(a < b) < c"),
        ("a - b - c", "a - (b - c)"),
        ("from . import a", "from .. import a"),
        ("import a.b", "import a.b as a"),
        ("def f():\n  yield 1", "def f():\n  return 1"),
        ("async def f(): ...", "def f(): ..."),
        ("try:\n  a\nexcept A:\n  b", "try:\n  a\nexcept* A:\n  b"),
        ("match x:\n  case None: a()", "match x:\n  case True: a()"),
        ("lambda: (yield)", "lambda: None"),
    ],
)
def test_what_the_interpreter_sees_changes_the_text(one, other):
    assert text(one) != text(other)


def test_docstrings_are_kept_where_they_are_asked_for():
    one, other = ast.parse("def f():\n  'one'").body, ast.parse("def f():\n  'other'").body
    assert canonical_text(one, keep_docstrings=True) != canonical_text(other, keep_docstrings=True)


def test_a_long_chain_of_branches_and_a_deep_expression_need_no_deep_stack():
    branches = "if a == 0: x = 0\n" + "".join(f"elif a == {n}: x = {n}\n" for n in range(1, 900))
    assert text(branches) == text(branches.replace("\n", "  # note\n"))
    sum_of_many = "x = " + " + ".join(f"a{n}" for n in range(2000))
    assert text(sum_of_many) != text(sum_of_many.replace("a1999", "a1998"))


SOURCE = '''
import os
from a.b import c as d
@mark(1, key="v")
def f(x: int = 1, *y, z=[1, 2], **w) -> "T":
    """Doc."""
    for i, j in zip(x, y):
        if i and not j or i is None: continue
        with open(f"{i}.{j:>{w}}") as handle: yield handle.read()[1:2]
    return {k: v for k, v in w.items() if k}, {*y}, lambda q: q ** -1
class A(B, metaclass=M):
    field: int = 3
    def g(self): return self.field
'''
LINES = SOURCE.strip("\n").split("\n")


@settings(deadline=None)
@given(st.data())
def test_comments_blank_lines_and_trailing_space_never_change_the_text(data):
    written = []
    for line in LINES:
        written += data.draw(st.lists(st.sampled_from(["", "   ", "# a comment", "        # x = 1", "\f"]), max_size=2))
        inside_string = '"""' in line
        written.append(line + ("" if inside_string else data.draw(st.sampled_from(["", "  ", "  # why", "\t#"]))))
    assert text("\n".join(written)) == text(SOURCE)


@settings(deadline=None)
@given(st.integers(1, 9))
def test_the_width_of_the_indent_never_changes_the_text(width):
    widened = [" " * (width * ((len(line) - len(line.lstrip())) // 4)) + line.lstrip() for line in LINES]
    assert text("\n".join(widened)) == text(SOURCE)


def read_or_refuse(data: bytes) -> str:
    """Return the message of the refusal, or all texts of the module."""
    try:
        module = read_module(data, path="a.py", label="a.py", name="a", is_package=False)
    except IncumbentError as error:
        return str(error)
    return "a.py " + module.whole_text() + "".join(module.text(symbol) for symbol in module.list_symbols())


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused_in_words(data):
    assert read_or_refuse(data).startswith("a.py ")


@settings(deadline=None)
@given(st.text(alphabet="()[]{}:;=,.+-*'\"\\\n \tfx1@#defclassimportlambda", max_size=80))
def test_any_text_is_parsed_or_refused_in_words(source):
    assert read_or_refuse(source.encode()).startswith("a.py ")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"def f(:\n", "a.py is not valid Python, line 1"),
        (b"x = 1\ny = = 2\n", "line 2"),
        (b"x = '\xff'\n", "a.py is not valid Python"),
        (b"x = 1\0\n", "a.py is not valid Python"),
        (b"# -*- coding: nonsense -*-\nx = 1\n", "a.py is not valid Python"),
        (b"x = " + b"(" * 300 + b")" * 300, "a.py"),
        (b"x = " + b"-" * 100_000 + b"1", "a.py"),
        (b"x" + b".y" * 100_000, "a.py nests"),
    ],
    ids=["syntax", "line", "encoding", "nul", "cookie", "parentheses", "unary", "attributes"],
)
def test_what_is_no_python_is_refused_in_one_paragraph(data, message):
    with pytest.raises(InvalidInput) as caught:
        parse_source(data, "a.py")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
