"""What a stage reaches, construct by construct: a small project in memory, one edit, and whether the closure changes."""

import pytest

from small_project import Project, changes

REACHED = {
    "a name imported under another name": (
        {"main": "from a import f as g\ndef stage(): return g()", "a": "def f(): return 1"},
        ("a", "return 1", "return 2"),
    ),
    "an attribute of a module under another name": (
        {"main": "import a.b as c\ndef stage(): return c.f()", "a__init": "", "a__b": "def f(): return 1"},
        ("a__b", "return 1", "return 2"),
    ),
    "a chain of attributes through packages": (
        {"main": "import a.b\ndef stage(): return a.b.f()", "a__init": "", "a__b": "def f(): return 1"},
        ("a__b", "return 1", "return 2"),
    ),
    "a package without __init__": (
        {"main": "import a.b\ndef stage(): return a.b.f()", "a__b": "def f(): return 1"},
        ("a__b", "return 1", "return 2"),
    ),
    "a re-export": (
        {
            "main": "from a import f\ndef stage(): return f()",
            "a__init": "from .b import f, g",
            "a__b": "def f(): return 1\ndef g(): return 2",
        },
        ("a__b", "return 1", "return 3"),
    ),
    "a re-export that comes from elsewhere now": (
        {
            "main": "from a import f\ndef stage(): return f()",
            "a__init": "from .b import f, g",
            "a__b": "def f(): return 1\ndef g(): return 2",
        },
        ("a__init", "import f, g", "import g as f, f as g"),
    ),
    "a submodule that its package imports by itself": (
        {"main": "from a import f\ndef stage(): return f()", "a__init": "from . import b\nf = b.g", "a__b": "def g(): return 1"},
        ("a__b", "return 1", "return 2"),
    ),
    "an environment variable that a package sets": (
        {"main": "from a.b import f\ndef stage(): return f()", "a__init": "import os\nos.environ['X'] = '1'", "a__b": "def f(): return 1"},
        ("a__init", "'1'", "'2'"),
    ),
    "an attribute given to a class from another module": (
        {"main": "import b\nfrom a import C\ndef stage(): return C.y", "a": "class C: ...", "b": "from a import C\nC.y = 1"},
        ("b", "= 1", "= 2"),
    ),
    "a class that a pattern matches": (
        {"main": "from a import K\ndef stage(x):\n  match x:\n    case K(): return 1", "a": "class K:\n  n = 1"},
        ("a", "n = 1", "n = 2"),
    ),
    "an import inside the function": (
        {"main": "def stage():\n  from a import f\n  return f()", "a": "def f(): return 1"},
        ("a", "return 1", "return 2"),
    ),
    "a module imported inside the function": (
        {"main": "def stage():\n  import a as b\n  return b.f()", "a": "def f(): return 1"},
        ("a", "return 1", "return 2"),
    ),
    "both branches of a conditional import": (
        {"main": "try:\n  from a import f\nexcept ImportError:\n  from b import f\ndef stage(): return f()", "a": "f = 1", "b": "f = 2"},
        ("b", "2", "3"),
    ),
    "every branch of a conditional definition": (
        {"main": "import sys\nif sys.platform == 'win32':\n  N = 1\nelse:\n  N = 2\ndef stage(): return N"},
        ("main", "N = 2", "N = 3"),
    ),
    "a star import of a project module": (
        {"main": "from a import *\ndef stage(): return f()", "a": "def f(): return 1\ndef g(): return 2"},
        ("a", "return 1", "return 3"),
    ),
    "a star import through another": (
        {"main": "from a import *\ndef stage(): return f()", "a": "from b import *", "b": "def f(): return 1"},
        ("b", "return 1", "return 3"),
    ),
    "a name that a star import begins to shadow": (
        {"main": "from a import *\ndef stage(): return sum([1])", "a": "def other(): return 1"},
        ("a", "def other(): return 1", "def other(): return 1\ndef sum(x): return 0"),
    ),
    "a literal getattr": (
        {"main": "import a\ndef stage(): return getattr(a, 'f')()", "a": "def f(): return 1"},
        ("a", "return 1", "return 2"),
    ),
    "a literal import_module": (
        {"main": "from importlib import import_module\ndef stage(): return import_module('a').f()", "a": "def f(): return 1"},
        ("a", "return 1", "return 2"),
    ),
    "a module handed over as a value": (
        {
            "main": "import a\nfrom b import apply\ndef stage(): return apply(a)",
            "a": "def f(): return 1",
            "b": "def apply(m): return m.f()",
        },
        ("a", "return 1", "return 2"),
    ),
    "an assignment after the first": ({"main": "N = 1\nN = N + 1\ndef stage(): return N"}, ("main", "N + 1", "N + 2")),
    "an augmented assignment": ({"main": "N = 1\nN += 1\ndef stage(): return N"}, ("main", "N += 1", "N += 2")),
    "an item set at module level": ({"main": "T = {}\nT['x'] = 1\ndef stage(): return T"}, ("main", "= 1", "= 2")),
    "a method called at module level": ({"main": "T = []\nT.append(1)\ndef stage(): return T"}, ("main", "append(1)", "append(2)")),
    "a loop that fills a table": (
        {"main": "T = {}\nfor i in range(3):\n  T[i] = i\ndef stage(): return T"},
        ("main", "range(3)", "range(4)"),
    ),
    "a deletion": ({"main": "T = {1: 2}\ndel T[1]\ndef stage(): return T"}, ("main", "del T[1]", "pass")),
    "the state that a symbol had when it was read": (
        {"main": "A = 1\nB = A\nA = 2\ndef stage(): return B"},
        ("main", "B = A\nA = 2", "A = 2\nB = A"),
    ),
    "a global that a function binds": (
        {"main": "def load():\n  global N\n  N = 1\nload()\ndef stage(): return N"},
        ("main", "N = 1", "N = 2"),
    ),
    "a table that another module changes": (
        {"main": "import b\nfrom a import T\ndef stage(): return T", "a": "T = {}", "b": "from a import T\nT['x'] = 1"},
        ("b", "= 1", "= 2"),
    ),
    "a table that another module changes by attribute": (
        {"main": "import b\nfrom a import T\ndef stage(): return T", "a": "T = []", "b": "import a\na.T.append(1)"},
        ("b", "append(1)", "append(2)"),
    ),
    "a function registered by a decorator": (
        {
            "main": "R = {}\ndef register(f):\n  R[f.__name__] = f\n  return f\n"
            "@register\ndef one(): return 1\ndef stage(): return R['one']()"
        },
        ("main", "return 1", "return 2"),
    ),
    "a function registered from another module": (
        {
            "main": "import b\nfrom a import R\ndef stage(): return R['one']()",
            "a": "R = {}\ndef register(f):\n  R[f.__name__] = f\n  return f",
            "b": "from a import register\n@register\ndef one(): return 1",
        },
        ("b", "return 1", "return 2"),
    ),
    "a function registered by a method": (
        {
            "main": "from a import R\nimport b\ndef stage(): return R.run()",
            "a": "class C: ...\nR = C()",
            "b": "from a import R\n@R.add('x')\ndef one(): return 1",
        },
        ("b", "return 1", "return 2"),
    ),
    "an overload of a single-dispatch function": (
        {
            "main": "from functools import singledispatch\n@singledispatch\ndef f(x): return 0\n"
            "@f.register\ndef _(x: int): return 1\ndef stage(): return f(1)"
        },
        ("main", "return 1", "return 2"),
    ),
    "a subclass that registers itself": (
        {
            "main": "import b\nfrom a import Base\ndef stage(): return Base.all",
            "a": "class Base:\n  all = {}\n  def __init_subclass__(cls): cls.all[cls.__name__] = cls",
            "b": "from a import Base\nclass One(Base):\n  n = 1",
        },
        ("b", "n = 1", "n = 2"),
    ),
    "an effect on the process": (
        {"main": "import numpy as np\nnp.seterr(all='raise')\ndef stage(): return 1"},
        ("main", "'raise'", "'warn'"),
    ),
    "an option of a library": ({"main": "import pandas as pd\npd.options.mode = 'x'\ndef stage(): return 1"}, ("main", "'x'", "'y'")),
    "an effect in a module that is only imported": (
        {"main": "import a\ndef stage(): return 1", "a": "import numpy as np\nnp.seterr(all='raise')"},
        ("a", "'raise'", "'warn'"),
    ),
    "a field of a dataclass used as a type": (
        {
            "main": "from a import Row\ndef stage(x: Row): return x",
            "a": "from dataclasses import dataclass\n@dataclass\nclass Row:\n  n: int",
        },
        ("a", "n: int", "n: float"),
    ),
    "a quoted annotation": (
        {"main": "from a import Row\ndef stage(x: 'list[Row]'): return x", "a": "class Row:\n  n: int"},
        ("a", "n: int", "n: float"),
    ),
    "a type imported for type checkers": (
        {
            "main": "import typing\nif typing.TYPE_CHECKING:\n  from a import Row\ndef stage(x: 'Row'): return x",
            "a": "class Row:\n  n: int",
        },
        ("a", "n: int", "n: float"),
    ),
    "a factory": (
        {"main": "def make(n):\n  def inner(): return n\n  return inner\nstage = make(3)"},
        ("main", "return n", "return n + 1"),
    ),
    "what a factory is given": ({"main": "def make(n):\n  return lambda: n\nstage = make(3)"}, ("main", "make(3)", "make(4)")),
    "a default that is a constant of the module": ({"main": "N = 1\ndef stage(x=N): return x"}, ("main", "N = 1", "N = 2")),
    "the iterable of a comprehension that reuses its name": (
        {"main": "f = [1]\ndef stage(): return [f for f in f]"},
        ("main", "[1]", "[2]"),
    ),
    "a grandparent's method": (
        {
            "main": "from a import B\ndef stage(): return B().m()",
            "a": "from b import C\nclass B(C): ...",
            "b": "class C:\n  def m(self): return 1",
        },
        ("b", "return 1", "return 2"),
    ),
    "a docstring that is read": ({"main": "def f():\n  'one'\ndef stage(): return f.__doc__"}, ("main", "'one'", "'two'")),
    "the bytes of a file that is named": (
        {"main": "import a\ndef stage(): return open(a.__file__).read()", "a": "x = 1 # note"},
        ("a", "# note", "# other"),
    ),
    "the module's own __getattr__": (
        {"main": "import a\ndef stage(): return a.anything", "a": "def __getattr__(name): return 1"},
        ("a", "return 1", "return 2"),
    ),
}

NOT_REACHED = {
    "another function of an imported module": (
        {"main": "import a\ndef stage(): return a.f()", "a": "def f(): return 1\ndef g(): return 2"},
        ("a", "return 2", "return 3"),
    ),
    "a global that a parameter shadows": ({"main": "N = 1\ndef stage(N): return N"}, ("main", "N = 1", "N = 2")),
    "a global that a local shadows": ({"main": "N = 1\ndef stage():\n  N = 5\n  return N"}, ("main", "N = 1", "N = 2")),
    "a global that a loop variable shadows": ({"main": "N = 1\ndef stage(): return [N for N in (1, 2)]"}, ("main", "N = 1", "N = 2")),
    "a global that an exception's name shadows": (
        {"main": "e = 1\ndef stage():\n  try: return 1\n  except ValueError as e: return e"},
        ("main", "e = 1", "e = 2"),
    ),
    "what only __main__ does": (
        {"main": "def stage(): return 1\nif __name__ == '__main__':\n  print(stage())"},
        ("main", "print(stage())", "print(2)"),
    ),
    "the list of stages": (
        {"main": "import incumbent as inc\n@inc.stage\ndef stage(): return 1\nother = 3\np = inc.Pipeline('p', [stage])"},
        ("main", "[stage]", "[stage, other]"),
    ),
    "a run at the end of the file": (
        {"main": "import incumbent as inc\n@inc.stage\ndef stage(): return 1\np = inc.Pipeline('p', [stage])\ninc.run_pipeline(p)"},
        ("main", "inc.run_pipeline(p)", "inc.run_pipeline(p, seed=3)"),
    ),
    "how a stage runs": (
        {"main": "import incumbent as inc\n@inc.stage(retries=2)\ndef stage(): return 1"},
        ("main", "retries=2", "timeout_s=3, retries=4"),
    ),
    "another function under the same library's decorator": (
        {"main": "import functools\n@functools.cache\ndef g(): return 1\n@functools.cache\ndef stage(): return 2"},
        ("main", "return 1", "return 3"),
    ),
    "a cache that another stage fills when it runs": (
        {"main": "C = {}\ndef g():\n  C[1] = 1\n  return 5\ndef stage(): return C\np = [g, stage]"},
        ("main", "return 5", "return 6"),
    ),
    "a printed line": ({"main": "print('one')\ndef stage(): return 1"}, ("main", "'one'", "'two'")),
    "a star import's other names": (
        {"main": "from a import *\ndef stage(): return f()", "a": "def f(): return 1\ndef g(): return 2"},
        ("a", "return 2", "return 3"),
    ),
    "the folder of a file, and comments in it": (
        {"main": "import a\nX = __file__\ndef stage(): return X", "a": "x = 1"},
        ("main", "X =", "# note\nX ="),
    ),
}


@pytest.mark.parametrize("name", REACHED)
def test_an_edit_of_what_is_reached_changes_the_closure(name):
    files, edit = REACHED[name]
    assert changes(files, *edit)


@pytest.mark.parametrize("name", NOT_REACHED)
def test_an_edit_of_what_is_not_reached_leaves_the_closure(name):
    files, edit = NOT_REACHED[name]
    assert not changes(files, *edit)


WIDENED = {
    "a computed getattr on a module": ("import a\ndef stage(n): return getattr(a, n)()", "main.py:2 getattr(a, n)"),
    "a computed import": ("import importlib, a\ndef stage(n): return importlib.import_module(n)", "import_module(n) imports a module"),
    "__import__": ("import a\ndef stage(n): return __import__(n)", "__import__(n)"),
    "exec": ("import a\ndef stage(t): exec(t)", "exec(…) may name anything"),
    "eval": ("import a\ndef stage(t): return eval(t)", "eval(…) may name anything"),
    "globals": ("import a\ndef stage(n): return globals()[n]", "globals()"),
    "vars": ("import a\ndef stage(n): return vars()[n]", "vars()"),
    "locals": ("import a\ndef stage(n): return locals()[n]", "locals()"),
    "sys.modules": ("import sys, a\ndef stage(n): return sys.modules[n]", "sys.modules"),
    "subclasses": ("import a\ndef stage(): return a.C.__subclasses__()", "subclasses"),
    "a star import from outside": (
        "from numpy import *\nimport a\ndef stage(): return zeros(3)",
        "'zeros' may come from `from numpy import *`",
    ),
    "a monkey patch": ("import a\na.f = lambda: 3\ndef stage(): return a.f()", "main.py:2 replaces a.f"),
    "a monkey patch by setattr": ("import a\nsetattr(a, 'f', 3)\ndef stage(): return a.f()", "main.py:2 replaces a.f"),
    "a monkey patch inside a function": ("import a\ndef patch(): a.f = 3\ndef stage(): return a.f()", "main.py:2 replaces a.f"),
    "a name that a module does not have": ("from a import missing\ndef stage(): return missing", "a.py does not define 'missing'"),
}


@pytest.mark.parametrize("name", WIDENED)
def test_what_only_running_settles_widens_to_whole_files_and_says_why(name):
    main, reason = WIDENED[name]
    files = {"main": main, "a": "def f(): return 1\nclass C: ...\nz = 1", "unrelated": "y = 1"}
    project = Project(**files)
    assert any(reason in line for line in project.reach().widened)
    assert set(project.leaves()) == {"main.py", "a.py"}
    assert project.leaves() != Project(**{**files, "a": files["a"].replace("z = 1", "z = 2")}).leaves()
    assert project.leaves() == Project(**{**files, "unrelated": "y = 2"}).leaves()
    assert project.leaves() == Project(**{**files, "a": files["a"] + "  # note"}).leaves()


def test_a_monkey_patch_of_what_is_not_reached_widens_nothing():
    project = Project(main="import a\na.g = 3\ndef stage(): return a.f()", a="def f(): return 1\ndef g(): return 2")
    assert project.reach().widened == ()


def test_a_name_like_a_builtin_that_the_module_defines_itself_is_that_symbol():
    project = Project(main="def eval(t): return t\ndef stage(t): return eval(t)")
    assert project.reach().widened == ()
    assert "main.py::eval" in project.leaves()


def test_imports_are_the_third_party_modules_that_the_code_reaches():
    project = Project(
        main="import json, numpy as np, pandas as pd\nfrom sklearn.linear_model import Ridge\nimport a, incumbent as inc\n"
        "@inc.stage\ndef stage(): return np.zeros(3), json, a.f(), inc.log_metric('x', 1)\ndef other(): return Ridge, pd, inc.psi",
        a="def f():\n  import scipy.stats\n  return scipy.stats",
    )
    assert project.reach().imports == {"numpy", "scipy"}
    assert project.reach("other").imports == {"sklearn", "pandas", "incumbent"}


def test_a_symbol_that_cannot_be_named_takes_all_files_of_its_module_whole():
    project = Project(main="import a\ndef make(): ...", a="x = 1", b="y = 1")
    reach = project.reach("")
    assert [project.graph.node_id(node) for node in reach.nodes] == ["a.py", "main.py"]
    assert reach.widened == ("main.py: no module-level name binds the stage",)


def test_modules_that_import_each_other_are_followed_round_once():
    project = Project(main="import a\ndef stage(): return a.f()", a="import b\ndef f(): return b.g()", b="import a\ndef g(): return a.f()")
    assert set(project.leaves()) == {"main.py::stage", "main.py::a", "a.py::f", "a.py::b", "b.py::g", "b.py::a"}


def test_a_chain_of_three_thousand_calls_is_followed_to_its_end():
    chain = "".join(f"def f{n}(x): return f{n + 1}(x)\n" for n in range(3000))
    files = {"main": f"{chain}def f3000(x): return x\ndef stage(): return f0(1)"}
    assert len(Project(**files).leaves()) == 3002
    assert changes(files, "main", "def f3000(x): return x", "def f3000(x): return -x")
