"""A schema in pandera's serialised form, read strictly: names, types and checks of a table, and never anything that could run.

Pandera's own reader takes any attribute of its class Check as the name of a check. Here a name is one of CHECKS, an argument is
a plain value, and whatever is not known is refused. Three keys of a column are ours, and pandera's reader passes them over:

    null_share_max      so large a share of its values may be null (with nullable: true)
    outside_share_max   so large a share of its values may break its checks: a range seen in a sample is a sample's
    privacy             "personal": it names or reaches a person; "cleared": its name sounds so, and it does not
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput

SchemaType = Literal["Int64", "Float64", "String", "Boolean"]
Privacy = Literal["", "personal", "cleared"]
COLUMNS_MAX, VALUES_MAX, TEXT_MAX = 2_000, 10_000, 1_000

_NUMBER, _TEXT, _ANY = "number", "text", "value"
CHECKS: dict[str, dict[str, str]] = {
    "equal_to": {"value": _ANY},
    "not_equal_to": {"value": _ANY},
    "greater_than": {"min_value": _NUMBER},
    "greater_than_or_equal_to": {"min_value": _NUMBER},
    "less_than": {"max_value": _NUMBER},
    "less_than_or_equal_to": {"max_value": _NUMBER},
    "in_range": {"min_value": _NUMBER, "max_value": _NUMBER, "include_min": "flag", "include_max": "flag"},
    "isin": {"allowed_values": "list"},
    "notin": {"forbidden_values": "list"},
    "str_matches": {"pattern": _TEXT},
    "str_contains": {"pattern": _TEXT},
    "str_startswith": {"string": _TEXT},
    "str_endswith": {"string": _TEXT},
    "str_length": {"min_value": "count", "max_value": "count", "exact_value": "count"},
}
"""Name of a check -> its arguments and what each is. Those of texts are for String columns, those of numbers for Int64 and Float64."""

_OPTIONAL = {"include_min", "include_max"}
_TYPES: dict[str, SchemaType] = {
    **dict.fromkeys(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "int"), "Int64"),
    **dict.fromkeys(("float32", "float64", "float"), "Float64"),
    **dict.fromkeys(("string", "str", "utf8", "object"), "String"),
    **dict.fromkeys(("boolean", "bool"), "Boolean"),
}  # fmt: skip
_INERT: dict[str, tuple[Json, ...]] = {
    "coerce": (False, True, None), "regex": (False, None), "default": (None,), "report_duplicates": ("all", None),
    "drop_invalid_rows": (False, None), "parsers": (None, []), "metadata": (None,),
}  # fmt: skip
"""Keys of a column that pandera writes and that change nothing here, with the values for which that is so."""
_INERT_TOP: dict[str, tuple[Json, ...]] = {
    "index": (None, []), "dtype": (None,), "coerce": (False, True, None), "report_duplicates": ("all", None), "checks": (None, [], {}),
    "unique_column_names": (False, True, None), "add_missing_columns": (False, None), "drop_invalid_rows": (False, None),
    "parsers": (None, []), "metadata": (None,), "on_missing_columns": (None,),
}  # fmt: skip
_OPTIONS: dict[str, tuple[Json, ...]] = {"ignore_na": (True, None), "raise_warning": (False, None), "n_failure_cases": (None,)}


@dataclass(frozen=True, slots=True)
class SchemaColumn:
    """What one column has to be.

    Attributes:
        checks: Name from CHECKS -> its arguments.
        null_share_max: Of all rows; None: `nullable` alone decides.
        outside_share_max: Of the values that are no null.
    """

    type: SchemaType
    is_nullable: bool = False
    is_required: bool = True
    is_unique: bool = False
    checks: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    null_share_max: float | None = None
    outside_share_max: float = 0.0
    privacy: Privacy = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class TableSchema:
    """What a table has to be. `is_strict`: no other columns. `unique`: columns that together say which row it is."""

    columns: Mapping[str, SchemaColumn]
    is_strict: bool = False
    is_ordered: bool = False
    unique: tuple[str, ...] = ()
    words: str = ""

    def to_json(self) -> Document:
        """Return the schema in pandera's form for Polars, with our keys; `read_schema` reads it."""
        columns: dict[str, Json] = {name: _column_json(column) for name, column in self.columns.items()}
        unique: Json = list[Json](self.unique) or None
        return {
            "schema_type": "polars_dataframe", "api": "polars", "columns": columns, "strict": self.is_strict, "ordered": self.is_ordered,
            "unique": unique, "description": self.words,
        }  # fmt: skip


def _column_json(column: SchemaColumn) -> Json:
    written: dict[str, Json] = {
        "dtype": column.type, "nullable": column.is_nullable, "required": column.is_required, "unique": column.is_unique,
    }  # fmt: skip
    for name, arguments in column.checks.items():
        written[name] = next(iter(arguments.values())) if len(CHECKS[name]) == 1 else dict(arguments)
    if column.null_share_max is not None:
        written["null_share_max"] = column.null_share_max
    if column.outside_share_max:
        written["outside_share_max"] = column.outside_share_max
    return {**written, **{key: text for key, text in (("privacy", column.privacy), ("description", column.words)) if text}}


@dataclass(frozen=True, slots=True)
class SchemaBreach:
    """What rows break of a schema.

    Attributes:
        column: Which column; "" where it is about the table.
        rule: A key of CHECKS; or pandera's word for the rest, such as "dtype", "not_nullable", "column_in_dataframe".
        failed: How many values (for a missing column or a wrong type: all rows).
        rows: How many rows there are.
        examples: A few of the values.
    """

    column: str
    rule: str
    failed: int
    rows: int
    examples: tuple[str, ...] = ()


class _Keys:
    """A mapping whose keys are taken one by one, so that what nobody took can be refused."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise InvalidInput(f"{where} is no mapping of names")
        self.left, self.where = dict(value), where

    def take(self, key: str, default: Json = None) -> Json:
        return cast(Json, self.left.pop(key, default))

    def flag(self, key: str, default: bool) -> bool:
        value = self.take(key, default)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise InvalidInput(f"{self.where}: {key} is {str(value)[:60]!r}; it is true or false")
        return value

    def text(self, key: str) -> str:
        value = self.take(key)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > TEXT_MAX:
            raise InvalidInput(f"{self.where}: {key} is no text of at most {TEXT_MAX:,} characters")
        return value

    def share(self, key: str) -> float | None:
        value = self.take(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise InvalidInput(f"{self.where}: {key} is {str(value)[:60]!r}; it is a share from 0 to 1")
        return float(value)

    def pass_over(self, inert: Mapping[str, tuple[Json, ...]]) -> None:
        for key, values in inert.items():
            value = self.take(key)
            if value is not None and not any(value is known or (type(value) is type(known) and value == known) for known in values):
                raise InvalidInput(
                    f"{self.where}: {key} = {str(value)[:60]!r} is not supported: nothing in a schema may change data or run"
                )

    def done(self, legal: str) -> None:
        if self.left:
            unknown = ", ".join(repr(str(key)[:64]) for key in list(self.left)[:5])
            raise InvalidInput(f"{self.where} has {unknown}, which is not known here; {legal}")


def read_schema(document: object) -> TableSchema:
    """Return the schema that a document in pandera's serialised form says.

    Raises:
        InvalidInput: It has another form, or says something that is not known here; the message names the column and key.

    >>> read_schema({"columns": {"x": {"dtype": "Int64", "isin": [1, 2]}}}).columns["x"].checks
    {'isin': {'allowed_values': [1, 2]}}
    """
    top = _Keys(document, "the schema")
    kind, _, _ = top.take("schema_type"), top.take("version"), top.take("api")
    if kind not in {None, "polars_dataframe", "dataframe"}:
        raise InvalidInput(f"the schema is a {str(kind)[:60]!r}; a schema of a table is a polars_dataframe or dataframe")
    top.pass_over(_INERT_TOP)
    listed = top.take("columns")
    if not isinstance(listed, dict) or not listed or len(listed) > COLUMNS_MAX:
        raise InvalidInput(f"the schema has no `columns`, or more than {COLUMNS_MAX:,}: a mapping of column name to what it holds")
    if not all(isinstance(name, str) and 0 < len(name) <= TEXT_MAX for name in listed):
        raise InvalidInput("a column's name is a text; quote it where YAML takes it for a number or a date")
    columns = {name: _read_column(name, value) for name, value in listed.items()}
    unique = top.take("unique")
    unique = [unique] if isinstance(unique, str) else unique or []
    if not isinstance(unique, list) or not all(isinstance(name, str) and name in columns for name in unique):
        raise InvalidInput(f"the schema: unique is {str(unique)[:60]!r}; it lists columns of the schema")
    words = " ".join(filter(None, (top.text("name"), top.text("title"), top.text("description"))))[:TEXT_MAX]
    schema = TableSchema(columns, top.flag("strict", False), top.flag("ordered", False), tuple(map(str, unique)), words)
    top.done("it has columns, strict, ordered, unique, name, title and description")
    return schema


def _read_column(name: str, value: object) -> SchemaColumn:
    keys = _Keys(value, f"column {name[:64]!r}")
    spelled = keys.take("dtype")
    kind = _TYPES.get(spelled.lower()) if isinstance(spelled, str) else None
    if kind is None:
        raise InvalidInput(
            f"{keys.where}: dtype is {str(spelled)[:60]!r}; it is Int64, Float64, String or Boolean (times are ISO text here: String)"
        )
    keys.pass_over(_INERT)
    keys.take("name")
    nullable, required, unique = keys.flag("nullable", False), keys.flag("required", True), keys.flag("unique", False)
    null_share, outside = keys.share("null_share_max"), keys.share("outside_share_max")
    if null_share is not None and not nullable:
        raise InvalidInput(f"{keys.where}: null_share_max needs nullable: true; otherwise no null is allowed at all")
    privacy = keys.text("privacy")
    if privacy not in {"", "personal", "cleared"}:
        raise InvalidInput(f"{keys.where}: privacy is {privacy[:60]!r}; it is personal or cleared")
    words = " ".join(filter(None, (keys.text("title"), keys.text("description"))))[:TEXT_MAX]
    checks = {check: _read_check(keys.where, check, given, kind) for check, given in _list_checks(keys)}
    keys.done(f"checks are {', '.join(CHECKS)}")
    return SchemaColumn(kind, nullable, required, unique, checks, null_share, outside or 0.0, cast(Privacy, privacy), words)


def _list_checks(keys: _Keys) -> list[tuple[str, object]]:
    """Return (name, arguments) of the checks, from keys of the column, from a mapping `checks` or from pandera's longer list."""
    found: list[tuple[str, object]] = [(name, keys.take(name)) for name in CHECKS if name in keys.left]
    listed = keys.take("checks")
    if isinstance(listed, dict):
        found += [(str(name), given) for name, given in listed.items()]
    elif isinstance(listed, list):
        for entry in listed:
            one = _Keys(entry, f"{keys.where}, a check")
            options = _Keys(one.take("options"), f"{keys.where}, options of a check")
            name = options.take("check_name")
            found.append((str(name), {**one.left, **options.left}))
    elif listed is not None:
        raise InvalidInput(f"{keys.where}: checks are a list or a mapping")
    names = [name for name, _ in found]
    if len(set(names)) < len(names):
        raise InvalidInput(f"{keys.where}: a check stands there twice")
    return found


def _read_check(where: str, name: str, given: object, kind: SchemaType) -> dict[str, Json]:
    if name not in CHECKS:
        raise InvalidInput(f"{where} has a check {name[:64]!r}, which is not known here; checks are {', '.join(CHECKS)}")
    wanted = CHECKS[name]
    held = _Keys(given, f"{where}, {name}") if isinstance(given, dict) else None
    if held is not None:
        held.pass_over(_OPTIONS)
        held.text("error")
        held.text("name")
        held.left = {key: value for key, value in held.left.items() if value is not None}
        if "value" in held.left and "value" not in wanted and len(held.left) == 1:
            given, held = held.take("value"), None
    if held is None:
        if len(wanted) != 1:
            raise InvalidInput(f"{where}: {name} takes {', '.join(wanted)}")
        return {key: _read_argument(f"{where}, {name}", cast(Json, given), shape, kind) for key, shape in wanted.items()}
    taken = {key: _read_argument(held.where, held.take(key), shape, kind) for key, shape in wanted.items() if key in held.left}
    held.done(f"it takes {', '.join(wanted)}")
    missing = [key for key in wanted if key not in taken and key not in _OPTIONAL and name != "str_length"]
    if missing or not taken:
        raise InvalidInput(f"{where}: {name} lacks {', '.join(missing or wanted)}")
    _check_order(where, name, taken)
    return taken


def _check_order(where: str, name: str, taken: Mapping[str, Json]) -> None:
    low, high = taken.get("min_value"), taken.get("max_value")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        raise InvalidInput(f"{where}: {name} from {low} to {high} holds nothing; the bounds are the wrong way round")


def _read_argument(where: str, value: Json, shape: str, kind: SchemaType) -> Json:
    match shape:
        case "flag" if isinstance(value, bool):
            return value
        case "count" if type(value) is int and 0 <= value <= 10**9:
            return value
        case "number" if kind in {"Int64", "Float64"} and _fits(value, kind):
            return value
        case "text" if kind == "String" and isinstance(value, str) and 0 < len(value) <= TEXT_MAX:
            return value
        case "value" if _fits(value, kind):
            return value
        case "list" if isinstance(value, list) and 0 < len(value) <= VALUES_MAX and all(_fits(one, kind) for one in value):
            return value
    raise InvalidInput(f"{where}: {str(value)[:60]!r} is no {shape} for a column of {kind}")


def _fits(value: Json, kind: SchemaType) -> bool:
    match kind:
        case "Boolean":
            return isinstance(value, bool)
        case "String":
            return isinstance(value, str) and len(value) <= TEXT_MAX
        case _:
            return not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value) and abs(value) < 2**63
