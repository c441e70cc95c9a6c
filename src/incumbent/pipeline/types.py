"""Artifact types as dotted text: what can be said of two annotations without importing either.

`judge_types` answers "same", "mismatch" or "unknown". Unknown pairs (two classes that may be related) are settled with the
real classes once a worker has loaded the code, still before any stage runs.
"""

from typing import Literal

ANY = "typing.Any"
_OPEN = {ANY, "object", ""}
FRAMES = frozenset({"pyarrow.Table", "polars.DataFrame", "pandas.DataFrame"})
"""A source of rows (SQL, Delta) is handed over as whichever of these the stage names."""

ROWS = "incumbent.Rows"
"""The type of a source of rows."""

_CONCRETE = FRAMES | {
    "int", "float", "bool", "str", "bytes", "dict", "list", "tuple", "set", "frozenset", "None", "complex",
    "pathlib.Path", "numpy.ndarray", "lightgbm.Booster", "xgboost.Booster",
}  # fmt: skip
PUBLIC_NAMES = {
    "polars.dataframe.frame.DataFrame": "polars.DataFrame", "pandas.core.frame.DataFrame": "pandas.DataFrame",
    "pyarrow.lib.Table": "pyarrow.Table", "lightgbm.basic.Booster": "lightgbm.Booster", "xgboost.core.Booster": "xgboost.Booster",
    "pathlib._local.Path": "pathlib.Path",
}  # fmt: skip
"""What a class says of where it is defined -> the name that programs write: `Path` is in `pathlib._local` on Python 3.13 alone."""

_ALIASES = PUBLIC_NAMES | {
    "numpy.typing.NDArray": "numpy.ndarray", "typing.List": "list", "typing.Dict": "dict", "typing.Tuple": "tuple", "typing.Set": "set",
    "collections.abc.Mapping": "dict", "typing.Mapping": "dict", "NoneType": "None",
}  # fmt: skip

_SCALARS = _CONCRETE - {"dict", "list", "tuple", "set", "frozenset"} | {
    "...", "bytearray", "memoryview", "datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta", "decimal.Decimal",
    "fractions.Fraction", "uuid.UUID", "numpy.bool", "numpy.float32", "numpy.float64", "numpy.int32", "numpy.int64",
}  # fmt: skip
_CONTAINERS = frozenset({
    "dict", "list", "tuple", "set", "frozenset", "collections.abc.Sequence", "collections.abc.Iterable", "collections.abc.Set",
    "typing.Sequence", "typing.Iterable", "typing.FrozenSet",
})  # fmt: skip

TypeVerdict = Literal["same", "mismatch", "unknown"]


def judge_types(produced: str, consumed: str) -> TypeVerdict:
    """Say whether a value annotated `produced` may be handed to a parameter annotated `consumed`.

    >>> judge_types("polars.DataFrame", "pandas.DataFrame")
    'mismatch'
    >>> judge_types("int", "int | None"), judge_types("list[int]", "list[str]"), judge_types("app.A", "app.B")
    ('same', 'mismatch', 'unknown')
    """
    options = split_union(consumed)
    verdicts = {_judge_one(part, options) for part in split_union(produced)}
    if "mismatch" in verdicts:
        return "mismatch"
    return "unknown" if "unknown" in verdicts else "same"


def _judge_one(produced: str, options: tuple[str, ...]) -> TypeVerdict:
    verdicts = {_judge_pair(produced, option) for option in options}
    for best in ("same", "unknown"):
        if best in verdicts:
            return best
    return "mismatch"


def _judge_pair(produced: str, consumed: str) -> TypeVerdict:
    if produced == consumed or produced in _OPEN or consumed in _OPEN:
        return "same"
    if produced == ROWS:
        return "same" if _plain(consumed) in FRAMES else "mismatch"
    left, left_items = split_generic(produced)
    right, right_items = split_generic(consumed)
    left, right = _plain(left), _plain(right)
    if left != right:
        if (left, right) == ("int", "float"):  # PEP 484's numeric tower
            return "same"
        return "mismatch" if left in _CONCRETE and right in _CONCRETE else "unknown"
    if not left_items or not right_items or left == "numpy.ndarray":
        return "same"
    if len(left_items) != len(right_items):
        return "unknown" if "..." in left_items + right_items else "mismatch"
    verdicts = {judge_types(a, b) for a, b in zip(left_items, right_items, strict=True)}
    return "mismatch" if "mismatch" in verdicts else "unknown" if "unknown" in verdicts else "same"


def _plain(name: str) -> str:
    return _ALIASES.get(name, name)


def split_union(text: str) -> tuple[str, ...]:
    """Return the members of a union annotation, `X | Y` or `Optional[X]`.

    >>> split_union("dict[str, int | None] | None")
    ('dict[str, int | None]', 'None')
    """
    head, items = split_generic(text)
    if head == "typing.Optional" and len(items) == 1:
        return (*split_union(items[0]), "None")
    if head == "typing.Union":
        return tuple(part for item in items for part in split_union(item))
    return tuple(_split_top(text, "|"))


def split_generic(text: str) -> tuple[str, tuple[str, ...]]:
    """Return (origin, arguments) of an annotation.

    >>> split_generic("dict[str, list[int]]")
    ('dict', ('str', 'list[int]'))
    """
    text = text.strip()
    if text.endswith("]") and "[" in text and len(_split_top(text, "|")) == 1:
        head, _, inner = text.partition("[")
        return head.strip(), tuple(_split_top(inner[:-1], ","))
    return text, ()


def is_plain_type(text: str) -> bool:
    """Say whether no object of a project's own class can be, or be inside of, a value of that annotation.

    A container says so only with the types of its items; a frame, an array and a booster are stored without any objects.

    >>> is_plain_type("dict[str, list[float]] | None"), is_plain_type("pandas.DataFrame"), is_plain_type("numpy.ndarray[typing.Any]")
    (True, True, True)
    >>> is_plain_type("dict"), is_plain_type("list[app.Row]"), is_plain_type("typing.Any"), is_plain_type("sklearn.base.BaseEstimator")
    (False, False, False, False)
    """
    work = [text]
    while work:
        parts = split_union(work.pop())
        if len(parts) > 1:
            work += parts
            continue
        head, items = split_generic(parts[0])
        head = _plain(head)
        if head in _CONTAINERS and items:
            work += items
        elif head not in _SCALARS and head != "typing.Literal":
            return False
    return True


def item_type(text: str) -> str | None:
    """Return the type of one item if `text` is a list or a tuple of any length, else None."""
    head, items = split_generic(text)
    if _plain(head) == "list" and len(items) == 1:
        return items[0]
    if _plain(head) == "tuple" and len(items) == 2 and items[1] == "...":
        return items[0]
    return None


def _split_top(text: str, separator: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for place, character in enumerate(text):
        depth += (character in "[(") - (character in "])")
        if character == separator and depth == 0:
            parts.append(text[start:place].strip())
            start = place + 1
    parts.append(text[start:].strip())
    return parts
