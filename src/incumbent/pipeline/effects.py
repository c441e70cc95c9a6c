"""What calls do beside giving a result, as far as a name can say: the tables that judge code outside of the project.

A call whose result is dropped is made for its effect. One whose result is kept counts by its verb: `random.seed`,
`np.seterr`, `os.environ.setdefault` change the process whatever becomes of what they return.
"""

import re

CHANGING_METHODS = frozenset({
    "__setitem__", "add", "add_argument", "append", "appendleft", "clear", "difference_update", "discard", "extend", "insert",
    "intersection_update", "move_to_end", "pop", "popitem", "popleft", "push", "put", "register", "remove", "reverse", "set", "setdefault",
    "sort", "symmetric_difference_update", "update", "write",
})  # fmt: skip
"""Methods taken to change what they belong to, even where their result is used; one whose result is dropped always is."""

LOOKING_CALLS = frozenset({
    "abs", "all", "any", "bool", "dict", "float", "format", "frozenset", "hash", "hex", "id", "int", "isinstance", "len", "list", "max",
    "min", "print", "range", "repr", "round", "set", "sorted", "str", "sum", "tuple", "type",
})  # fmt: skip
"""Builtins that leave what they are given as it is."""

_VERBS = frozenset({
    "activate", "add", "apply", "autolog", "basic", "capture", "chdir", "configure", "deactivate", "disable", "enable", "filterwarnings",
    "import", "init", "initialize", "install", "manual", "monkey", "monkeypatch", "patch", "putenv", "register", "reload", "remove",
    "reset", "seed", "simplefilter", "start", "switch", "umask", "uninstall", "unregister", "unset", "use",
})  # fmt: skip
"""First words of the names of functions that change the process, beside all that begin with "set"."""
_NAMES = frozenset({"load_dotenv", "load_ext", "load_library", "run_module", "run_path"})
"""Names that change the process though their first word does not say so."""
_DATA_LIBRARIES = frozenset({
    "array", "collections", "copy", "csv", "dataclasses", "datetime", "functools", "itertools", "json", "lightgbm", "math", "numpy",
    "operator", "pandas", "pathlib", "pickle", "polars", "pyarrow", "re", "scipy", "sklearn", "statistics",
    "string", "tomllib", "torch", "typing",
    "xgboost", "yaml",
})  # fmt: skip
"""Libraries whose functions give new objects, unless their name says that they get a shared one."""
_PLAIN_IN_BODIES = frozenset({"contextlib", "functools", "inspect", "logging", "time", "tqdm", "typing", "warnings.warn"})
"""What a function that runs at import time may call with its result dropped, and leave nothing that a result depends on."""


def changes_process(name: str, *, is_dropped: bool, is_late: bool) -> bool:
    """Say whether a call of something outside of the project counts as an effect on the process.

    Args:
        name: Its dotted name.
        is_dropped: Nothing is made of its result.
        is_late: It stands in a function's body.

    >>> changes_process("numpy.seterr", is_dropped=False, is_late=False), changes_process("numpy.sort", is_dropped=False, is_late=False)
    (True, False)
    """
    top, _, rest = name.partition(".")
    if top == "incumbent":
        return False
    if is_dropped:
        return not is_late or not (top in _PLAIN_IN_BODIES or name in _PLAIN_IN_BODIES)
    last = name.rpartition(".")[2]
    if last in CHANGING_METHODS and top not in _DATA_LIBRARIES and "." in rest:
        return True
    word = _first_word(last)
    return last in _NAMES or (last != "add" and word in _VERBS) or (word.startswith("set") and not word.startswith("setting"))


def gives_shared(name: str) -> bool:
    """Say whether what a call outside of the project gives may be held by others, so that a change to it reaches them.

    >>> gives_shared("decimal.getcontext"), gives_shared("pandas.read_csv"), gives_shared("collections.OrderedDict")
    (True, False, False)
    """
    last = name.rpartition(".")[2]
    if last[:1].isupper():
        return False
    return name.partition(".")[0] not in _DATA_LIBRARIES or last.startswith(("get", "set", "current", "default", "option"))


def _first_word(name: str) -> str:
    found = re.match(r"_*([a-z]+)", name)
    return found.group(1) if found else ""
