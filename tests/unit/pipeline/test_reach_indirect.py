"""What a stage reaches without naming it: modules imported by a text, submodules of a package, docstrings, names in queries."""

import pytest

from small_project import Project, changes

LATE = {
    "lib__init": "",
    "lib__limits": "LIMIT = 1",
    "lib__late": "import lib.limits\nlib.limits.TABLE = {}\nimport decimal\ndecimal.getcontext().prec = 5",
}

REACHED = {
    "an effect of a module imported by a text": (
        {"main": "import importlib\nimportlib.import_module('lib.late')\ndef stage(): return 1", **LATE},
        ("lib__late", "= 5", "= 6"),
    ),
    "an effect of a module imported by a text, as a value": (
        {"main": "import importlib\nLATE = importlib.import_module('lib.late')\ndef stage(): return 1", **LATE},
        ("lib__late", "= 5", "= 6"),
    ),
    "an effect of a module imported by a relative text": (
        {"main": "import lib\ndef stage(): return 1", **LATE, "lib__init": "import importlib\nimportlib.import_module('.late', __name__)"},
        ("lib__late", "= 5", "= 6"),
    ),
    "an effect of a module imported by a text relative to a text": (
        {"main": "import importlib\nimportlib.import_module('.late', package='lib')\ndef stage(): return 1", **LATE},
        ("lib__late", "= 5", "= 6"),
    ),
    "an effect of a module imported by __import__": (
        {"main": "__import__('lib.late')\ndef stage(): return 1", **LATE},
        ("lib__late", "= 5", "= 6"),
    ),
    "a table that a module imported by a text changes": (
        {
            "main": "import importlib\nfrom a import T\nimportlib.import_module('b')\ndef stage(): return T",
            "a": "T = {}",
            "b": "import a\na.T['x'] = 1",
        },
        ("b", "= 1", "= 2"),
    ),
    "a submodule of a package handed over": (
        {"main": "import lib, lib.h\ndef read(m): return m.h.Q\ndef stage(): return read(lib)", "lib__init": "", "lib__h": "Q = 1"},
        ("lib__h", "1", "2"),
    ),
    "a submodule's submodule of a package handed over": (
        {"main": "import lib.h.i\ndef stage(f): return f(lib)", "lib__init": "", "lib__h__init": "", "lib__h__i": "Q = 1"},
        ("lib__h__i", "1", "2"),
    ),
    "a submodule that a getter is given": (
        {"main": "import operator, lib.h\ndef stage(): return operator.attrgetter('h.Q')(lib)", "lib__init": "", "lib__h": "Q = 1"},
        ("lib__h", "1", "2"),
    ),
    "a submodule of a folder without __init__ handed over": (
        {"main": "import lib.h\ndef read(m): return m.h.Q\ndef stage(): return read(lib)", "lib__h": "Q = 1"},
        ("lib__h", "1", "2"),
    ),
    "a docstring that inspect reads": (
        {"main": "import inspect\ndef f():\n  'one'\ndef stage(): return inspect.getdoc(f)"},
        ("main", "'one'", "'two'"),
    ),
    "a docstring under a name that is written out": (
        {"main": "def f():\n  'one'\ndef stage(): return getattr(f, '__doc__')"},
        ("main", "'one'", "'two'"),
    ),
    "a comment in source that inspect reads": (
        {"main": "import inspect, a\ndef stage(): return inspect.getsource(a.f)", "a": "def f(): return 1 # one"},
        ("a", "# one", "# two"),
    ),
    "a name in a query": ({"main": "LIMIT = 1\ndef stage(df): return df.query('x > @LIMIT')"}, ("main", "= 1", "= 2")),
    "a name from elsewhere in a query": (
        {"main": "from a import LIMIT\ndef stage(df): return df.query('x > @LIMIT')", "a": "LIMIT = 1"},
        ("a", "1", "2"),
    ),
    "an attribute in a query": (
        {"main": "import a\ndef stage(df): return df[df.x > 0].query('x > @a.LIMIT')", "a": "LIMIT = 1"},
        ("a", "1", "2"),
    ),
    "a name in an assignment that a frame evaluates": (
        {"main": "LIMIT = 1\ndef stage(df): return df.eval(expr='y = x + @LIMIT')"},
        ("main", "= 1", "= 2"),
    ),
    "a name in a query that is put together": (
        {"main": "LIMIT = 1\ndef stage(df, c): return df.query(f'{c} > @LIMIT')"},
        ("main", "= 1", "= 2"),
    ),
}

NOT_REACHED = {
    "what a module imported by a text holds beside": (
        {"main": "import importlib\nimportlib.import_module('a')\ndef stage(): return 1", "a": "N = 1"},
        ("a", "1", "2"),
    ),
    "a submodule beside the one that is named": (
        {"main": "import lib.h, lib.i\ndef stage(): return lib.h.Q", "lib__init": "", "lib__h": "Q = 1", "lib__i": "Q = 2"},
        ("lib__i", "2", "3"),
    ),
    "a local name in a query": (
        {"main": "LIMIT = 1\ndef stage(df, LIMIT): return df.query('x > @LIMIT')"},
        ("main", "= 1", "= 2"),
    ),
}


@pytest.mark.parametrize("name", REACHED)
def test_an_edit_of_what_is_reached_without_its_name_changes_the_closure(name):
    files, edit = REACHED[name]
    assert changes(files, *edit)


@pytest.mark.parametrize("name", NOT_REACHED)
def test_an_edit_of_what_lies_beside_it_leaves_the_closure(name):
    files, edit = NOT_REACHED[name]
    assert not changes(files, *edit)


def test_a_module_imported_by_a_computed_name_at_import_time_widens_every_stage():
    project = Project(main="import importlib, a\nLATE = importlib.import_module(a.N)\ndef stage(): return 1", a="N = 'b'")
    assert project.reach().widened == ("main.py:2 import_module(a.N) imports a module by a computed name",)


def test_source_of_something_without_a_name_widens():
    project = Project(main="import inspect, a\ndef stage(f): return inspect.getsource(f)", a="N = 1")
    assert any("reads the source" in line for line in project.reach().widened)
