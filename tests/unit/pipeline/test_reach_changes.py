"""What importing modules changes, by whatever name it is changed: an edit of it changes the closure of every stage that it reaches."""

import pytest

from small_project import changes

TABLES = "T = {'n': {}}\nROWS = [{}]\nclass O: ...\nOBJ = O()\nOBJ.opts = O()\ndef get(): return T\n"
READS = "import b\nfrom a import T\ndef stage(): return T"

SEEN = {
    "an item of an item": ({"main": "C = {'a': {}}\nC['a']['x'] = 1\ndef stage(): return C"}, ("main", "= 1", "= 2")),
    "an item of an item, from another module": ({"main": READS, "a": TABLES, "b": "import a\na.T['n']['y'] = 1"}, ("b", "= 1", "= 2")),
    "an attribute of an attribute": (
        {"main": "import b, a\ndef stage(): return a.OBJ.opts.deep", "a": TABLES, "b": "import a\na.OBJ.opts.deep = 1"},
        ("b", "= 1", "= 2"),
    ),
    "an item counted up": ({"main": "C = {'a': {'x': 1}}\nC['a']['x'] += 1\ndef stage(): return C"}, ("main", "+= 1", "+= 2")),
    "an item of what a function returns": ({"main": READS, "a": TABLES, "b": "import a\na.get()['y'] = 1"}, ("b", "= 1", "= 2")),
    "an item of what a method returns": ({"main": READS, "a": TABLES, "b": "import a\na.T.get('n')['y'] = 1"}, ("b", "= 1", "= 2")),
    "an item of a default": ({"main": READS, "a": TABLES, "b": "import a\na.T.setdefault('n', {})['y'] = 1"}, ("b", "= 1", "= 2")),
    "a deleted item of an item": ({"main": READS, "a": TABLES, "b": "import a\ndel a.T['n']['y1']"}, ("b", "y1", "y2")),
    "a loop over rows": (
        {"main": "ROWS = [{}]\nfor row in ROWS:\n  row['a'] = 1\ndef stage(): return ROWS"},
        ("main", "= 1", "= 2"),
    ),
    "a loop over rows of another module": (
        {
            "main": "import b\nfrom a import ROWS\ndef stage(): return ROWS",
            "a": TABLES,
            "b": "import a\nfor row in a.ROWS:\n  row['x'] = 1",
        },
        ("b", "= 1", "= 2"),
    ),
    "a loop over numbered rows": (
        {
            "main": "import b\nfrom a import ROWS\ndef stage(): return ROWS",
            "a": TABLES,
            "b": "import a\nfor n, row in enumerate(a.ROWS):\n  row.update(x=1)",
        },
        ("b", "x=1", "x=2"),
    ),
    "a loop over several tables": (
        {"main": READS, "a": TABLES, "b": "import a\nfor t in (a.T, a.OBJ):\n  t['x'] = 1"},
        ("b", "= 1", "= 2"),
    ),
    "a comprehension that changes rows": (
        {
            "main": "import b\nfrom a import ROWS\ndef stage(): return ROWS",
            "a": TABLES,
            "b": "import a\nDONE = [row.update(x=1) for row in a.ROWS]",
        },
        ("b", "x=1", "x=2"),
    ),
    "an alias": ({"main": READS, "a": TABLES, "b": "import a\nalias = a.T\nalias['x'] = 1"}, ("b", "= 1", "= 2")),
    "an alias in the same file": ({"main": "T = {}\nalias = T\nalias['x'] = 1\ndef stage(): return T"}, ("main", "= 1", "= 2")),
    "when an alias in the same file was changed": (
        {"main": "T = {}\nalias = T\nB = T['x']\nalias['x'] = 1\ndef stage(): return B"},
        ("main", "B = T['x']\nalias['x'] = 1", "alias['x'] = 1\nB = T['x']"),
    ),
    "an alias of an alias, in a third module": (
        {
            "main": READS.replace("import b", "import c"),
            "a": TABLES,
            "b": "import a\nalias = a.T",
            "c": "from b import alias\nalias['x'] = 1",
        },
        ("c", "= 1", "= 2"),
    ),
    "one of a pair of aliases": ({"main": READS, "a": TABLES, "b": "import a\nx, y = a.OBJ, a.T\ny['x'] = 1"}, ("b", "= 1", "= 2")),
    "a walrus": ({"main": READS, "a": TABLES, "b": "import a\n(alias := a.T)['x'] = 1"}, ("b", "= 1", "= 2")),
    "one of two by a condition": ({"main": READS, "a": TABLES, "b": "import a\nt = a.OBJ if a else a.T\nt['x'] = 1"}, ("b", "= 1", "= 2")),
    "a module under another name": ({"main": READS, "a": TABLES, "b": "import a\nm = a\nm.T['x'] = 1"}, ("b", "= 1", "= 2")),
    "a local alias in a function whose result is kept": (
        {
            "main": READS.replace("import b", "import a, b"),
            "a": TABLES + "def fill(n):\n  t = T\n  t['x'] = n",
            "b": "import a\nREADY = a.fill(1)",
        },
        ("b", "fill(1)", "fill(2)"),
    ),
    "what such a function does": (
        {"main": READS, "a": TABLES + "def fill(n):\n  t = T\n  t['x'] = n * 1", "b": "import a\nREADY = a.fill(1)"},
        ("a", "n * 1", "n * 2"),
    ),
    "what is given to a function that changes it": (
        {"main": READS, "a": TABLES, "b": "import a\ndef fill(t, n): t['x'] = n\nREADY = fill(a.T, 1)"},
        ("b", "a.T, 1", "a.T, 2"),
    ),
    "what is handed on to a function that changes it": (
        {
            "main": READS,
            "a": TABLES,
            "b": "import a\ndef fill(t, n): t.update(x=n)\ndef go(n): fill(a.T, n)\nREADY = go(1)",
        },
        ("b", "go(1)", "go(2)"),
    ),
    "a method that changes its object, its result kept": (
        {
            "main": "import b\nfrom a import R\ndef stage(): return R",
            "a": "class C:\n  def enlist(self, n):\n    self.items = n\n    return n\nR = C()",
            "b": "import a\nOK = a.R.enlist(1)",
        },
        ("b", "(1)", "(2)"),
    ),
    "a change inside of a printed line": ({"main": "T = {}\nprint('pop', T.pop('x'))\ndef stage(): return T"}, ("main", "'x'", "'y'")),
    "a call inside of a printed line": (
        {"main": "class C:\n  def go(self, n): self.n = n\nT = C()\nprint(T.go(1))\ndef stage(): return T"},
        ("main", "go(1)", "go(2)"),
    ),
}

ON_THE_PROCESS = {
    "an attribute of what a call gives": ("import decimal\ndecimal.getcontext().prec = 1", "= 1", "= 2"),
    "an attribute of what a call gave": ("import decimal\nc = decimal.getcontext()\nc.prec = 1", "= 1", "= 2"),
    "an item of an alias": ("import os\ne = os.environ\ne['X'] = '1'", "'1'", "'2'"),
    "a context that is entered": ("import decimal\nwith decimal.localcontext() as c:\n  c.prec = 1", "= 1", "= 2"),
    "a call whose result is kept": ("import numpy as np\nold = np.seterr(all='1')", "'1'", "'2'"),
    "a call inside of an expression": ("import random\nSEEDED = random.seed(1) or True", "1", "2"),
    "a call of a method of an attribute": ("import os\n_ = os.environ.setdefault('X', '1')", "'1'", "'2'"),
    "a call inside of if": ("import random\nif True:\n  S = random.seed(1)", "(1)", "(2)"),
    "a call as a condition": ("import random\nif random.seed(1): ...", "(1)", "(2)"),
    "a call inside of with": ("import random, contextlib\nwith contextlib.suppress(OSError):\n  S = random.seed(1)", "(1)", "(2)"),
    "a call inside of try": ("import random\ntry:\n  S = random.seed(1)\nfinally: ...", "(1)", "(2)"),
    "a call inside of a printed line": ("import numpy as np\nprint(np.seterr(all='1'))", "'1'", "'2'"),
    "a function that does it": ("import decimal\ndef f():\n  decimal.getcontext().prec = 1\nDONE = f()", "= 1", "= 2"),
    "a function that does it by a call": ("import random\ndef f(n): random.seed(n)\nDONE = f(1)", "(1)", "(2)"),
    "a function that imports what it changes": ("def f():\n  import decimal\n  decimal.getcontext().prec = 1\nDONE = f()", "= 1", "= 2"),
    "a function that calls one": ("import random\ndef g(n): random.seed(n)\ndef f(): g(1)\nDONE = f()", "g(1)", "g(2)"),
    "a function inside that is called": ("import random\ndef f():\n  def g(): random.seed(1)\n  g()\nDONE = f()", "(1)", "(2)"),
    "a class that is made": ("import random\nclass C:\n  def __init__(self): random.seed(1)\nDONE = C()", "(1)", "(2)"),
    "a class method": ("import random\nclass C:\n  @classmethod\n  def go(cls): random.seed(1)\nDONE = C.go()", "(1)", "(2)"),
    "a method of an object": ("import random\nclass C:\n  def go(self): random.seed(1)\nX = C()\nDONE = X.go()", "(1)", "(2)"),
    "a decorator": ("import random\ndef d(f):\n  random.seed(1)\n  return f\n@d\ndef g(): ...", "(1)", "(2)"),
    "a decorator with arguments": (
        "import random\ndef d(n):\n  def i(f):\n    random.seed(n)\n    return f\n  return i\n@d(1)\ndef g(): ...",
        "(1)",
        "(2)",
    ),
    "a partial": ("import functools, random\ndef f(n): random.seed(n)\ng = functools.partial(f)\nDONE = g(1)", "(1)", "(2)"),
}

UNSEEN = {
    "a constant made by a library": ({"main": "import numpy as np\nX = np.array([1])\ndef stage(): return 1"}, ("main", "[1]", "[2]")),
    "a pattern that is compiled": ({"main": "import re\nX = re.compile('1')\ndef stage(): return 1"}, ("main", "'1'", "'2'")),
    "a sorted copy": ({"main": "import numpy as np\nX = np.sort([1])\ndef stage(): return 1"}, ("main", "[1]", "[2]")),
    "a column of another frame": (
        {"main": "import pandas as pd\ndf = pd.read_csv('f')\ndf['x'] = 1\ndef stage(): return 1"},
        ("main", "= 1", "= 2"),
    ),
    "another function under a decorator that seeds when it is called": (
        {
            "main": "import random\ndef seeded(f):\n  def run(*a):\n    random.seed(0)\n    return f(*a)\n  return run\n"
            "@seeded\ndef other(): return 1\n@seeded\ndef stage(): return 2"
        },
        ("main", "return 1", "return 3"),
    ),
    "what a function would do that nothing runs": (
        {"main": "import random\ndef f(): random.seed(1)\ndef stage(): return 1"},
        ("main", "(1)", "(2)"),
    ),
    "a printed length": ({"main": "T = []\nprint('one', len(T))\ndef stage(): return T"}, ("main", "'one'", "'two'")),
    "a printed table": ({"main": "T = []\nprint('one', T)\ndef stage(): return T"}, ("main", "'one'", "'two'")),
    "a change of a copy": (
        {"main": "import copy\nT = {}\nother = copy.deepcopy(T)\nother['x'] = 1\ndef stage(): return T"},
        ("main", "= 1", "= 2"),
    ),
    "a name that is bound to something else": (
        {"main": "T = {}\nx = T\ny = {}\ny['x'] = 1\ndef stage(): return T"},
        ("main", "= 1", "= 2"),
    ),
    "another object of a class": (
        {"main": "class C:\n  def __init__(self, n): self.n = n\nX = C(1)\nY = C(3)\ndef stage(): return X"},
        ("main", "C(3)", "C(4)"),
    ),
}


@pytest.mark.parametrize("name", SEEN)
def test_a_change_at_import_time_counts_for_a_stage_that_uses_what_is_changed(name):
    files, edit = SEEN[name]
    assert changes(files, *edit)


@pytest.mark.parametrize("name", ON_THE_PROCESS)
@pytest.mark.parametrize("where", ["the pipeline's file", "a module that it imports"])
def test_an_effect_on_the_process_counts_for_every_stage(name, where):
    text, old, new = ON_THE_PROCESS[name]
    if where == "the pipeline's file":
        assert changes({"main": f"{text}\ndef stage(): return 'result'"}, "main", old, new)
    else:
        assert changes({"main": "import a\ndef stage(): return 'result'", "a": text}, "a", old, new)


@pytest.mark.parametrize("name", UNSEEN)
def test_what_changes_nothing_for_the_stage_leaves_its_closure(name):
    files, edit = UNSEEN[name]
    assert not changes(files, *edit)
