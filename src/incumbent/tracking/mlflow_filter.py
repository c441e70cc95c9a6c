"""MLflow's filter strings and sort keys, read into our own conditions; one parser, a table of fields for each thing that is searched.

    filter      comparison [AND comparison]...
    comparison  field operator value | field [NOT] IN (text, ...) | field IS [NOT] NULL
    field       metrics.NAME | params.NAME | tags.NAME | datasets.NAME | attributes.NAME | NAME of an attribute
    value       number | 'text' | "text"

A NAME that is no plain word stands in backticks or double quotes. Metrics and times are compared with numbers (times in milliseconds since
1970), everything else with text in quotes. Whatever comes in, what goes out is a condition or InvalidInput.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, NoReturn, cast

from incumbent.base.errors import InvalidInput
from incumbent.tracking.search import COMPARISONS_MAX, Combination, Comparison, Condition, Entity, Operator, Order, Value

FILTER_CHARACTERS_MAX = 20_000
IN_VALUES_MAX = 1_000
Kind = Literal["text", "time", "status", "number"]


@dataclass(frozen=True, slots=True)
class Fields:
    """What can be asked of one kind of thing.

    Attributes:
        attributes: MLflow's name in lower case -> (our entity, our name, kind).
        held: What hangs on it by name.
    """

    what: str
    attributes: Mapping[str, tuple[Entity, str, Kind]]
    held: frozenset[Entity]


_NAMES: Mapping[str, Entity] = {
    "metrics": "metrics", "metric": "metrics", "params": "params", "param": "params", "parameters": "params", "parameter": "params",
    "tags": "tags", "tag": "tags", "datasets": "datasets", "dataset": "datasets", "attributes": "attributes", "attribute": "attributes",
    "attr": "attributes", "run": "attributes",
}  # fmt: skip
RUN_FIELDS = Fields(
    "run",
    {
        "run_id": ("attributes", "run_id", "text"), "run id": ("attributes", "run_id", "text"),
        "run_name": ("attributes", "name", "text"), "run name": ("attributes", "name", "text"),
        "status": ("attributes", "state", "status"), "user_id": ("tags", "mlflow.user", "text"),
        "start_time": ("attributes", "started_at", "time"), "created": ("attributes", "started_at", "time"),
        "end_time": ("attributes", "ended_at", "time"),
    },
    frozenset(("metrics", "params", "tags", "datasets")),
)  # fmt: skip
EXPERIMENT_FIELDS = Fields(
    "experiment",
    {
        "name": ("attributes", "name", "text"), "experiment_id": ("attributes", "experiment_id", "text"),
        "creation_time": ("attributes", "creation_time", "number"), "last_update_time": ("attributes", "last_update_time", "number"),
    },
    frozenset(("tags",)),
)  # fmt: skip
LOGGED_MODEL_FIELDS = Fields(
    "logged model",
    {
        "name": ("attributes", "name", "text"), "model_name": ("attributes", "name", "text"),
        "model_id": ("attributes", "model_id", "text"), "model_type": ("attributes", "model_type", "text"),
        "source_run_id": ("attributes", "source_run_id", "text"), "status": ("attributes", "status", "text"),
        "experiment_id": ("attributes", "experiment_id", "text"),
        **dict.fromkeys(("creation_time", "creation_timestamp", "creation_timestamp_ms"), ("attributes", "creation_time", "number")),
        **dict.fromkeys(
            ("last_updated_time", "last_updated_timestamp", "last_updated_timestamp_ms"), ("attributes", "last_updated_time", "number")
        ),
    },
    frozenset(("params", "tags", "metrics")),
)  # fmt: skip
MODEL_FIELDS = Fields(
    "registered model",
    {
        "name": ("attributes", "name", "text"), "timestamp": ("attributes", "last_updated_timestamp", "number"),
        "creation_timestamp": ("attributes", "creation_timestamp", "number"),
        "last_updated_timestamp": ("attributes", "last_updated_timestamp", "number"),
    },
    frozenset(("tags",)),
)  # fmt: skip
VERSION_FIELDS = Fields(
    "model version",
    {
        **MODEL_FIELDS.attributes, "run_id": ("attributes", "run_id", "text"), "source_path": ("attributes", "source_path", "text"),
        "source": ("attributes", "source_path", "text"), "version_number": ("attributes", "version_number", "number"),
        "version": ("attributes", "version_number", "number"),
    },
    frozenset(("tags",)),
)  # fmt: skip
_DATASET_NAMES = ("name", "digest", "context")
_STATUSES = {"running": "running", "scheduled": "running", "finished": "finished", "failed": "failed", "killed": "killed"}
_NUMERIC: tuple[Operator, ...] = ("=", "!=", "<", "<=", ">", ">=")
_TEXTUAL: tuple[Operator, ...] = ("=", "!=", "like", "ilike", "in", "not in")
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<field>[^\W\d]\w*\.(?:`[^`]*`|"[^"]*"))
    | (?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`)
    | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<word>[^\W\d][\w./-]*)
    | (?P<symbol>==|!=|<>|<=|>=|[=<>(),])
    )""",
    re.VERBOSE,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Token = tuple[str, str, int]


def parse_filter(text: str, fields: Fields = RUN_FIELDS) -> Condition | None:
    """Return the condition that an MLflow filter spells, None if it is empty.

    Raises:
        InvalidInput: It is not of the language, with the place.

    >>> parse_filter("metrics.auc > 0.9")
    Comparison(entity='metrics', name='auc', operator='>', value=0.9)
    >>> parse_filter("params.x = 1")
    Traceback (most recent call last):
    incumbent.base.errors.InvalidInput: Invalid filter: params.x is compared with text in quotes, not with '1' (...)
    """
    if len(text) > FILTER_CHARACTERS_MAX:
        raise InvalidInput(f"Invalid filter: it has {len(text)} characters; at most {FILTER_CHARACTERS_MAX}")
    reader = _Reader(text, fields)
    parts: list[Condition] = []
    while not reader.is_at_end():
        if parts:
            reader.must_take_and()
        parts.append(reader.comparison())
        if len(parts) > COMPARISONS_MAX:
            raise InvalidInput(f"Invalid filter: more than {COMPARISONS_MAX} comparisons")
    return None if not parts else parts[0] if len(parts) == 1 else Combination("and", tuple(parts))


def parse_orders(texts: Sequence[str], fields: Fields = RUN_FIELDS) -> tuple[Order, ...]:
    """Return the keys that a list such as `["metrics.auc DESC", "start_time"]` spells.

    Raises:
        InvalidInput: One of them is not a field, with ASC or DESC after it or nothing.

    >>> parse_orders(["metric.`f 1` desc", "end_time ASC"])[0]
    Order(entity='metrics', name='f 1', is_descending=True)
    """
    if len(texts) > 20:
        raise InvalidInput(f"Invalid order_by: {len(texts)} keys; at most 20")
    return tuple(_Reader(text, fields).order() for text in texts)


class _Reader:
    def __init__(self, text: str, fields: Fields) -> None:
        self._text = text
        self._fields = fields
        self._tokens = self._split(text)
        self._next = 0

    def _split(self, text: str) -> list[_Token]:
        tokens: list[_Token] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            found = _TOKEN.match(text, at)
            if found is None:
                self._fail("nothing of the language begins here", at)
            kind = cast(str, found.lastgroup)
            tokens.append((kind, found[kind], found.start(kind)))
            at = found.end()
        return [*tokens, ("end", "", end)]

    def _fail(self, what: str, at: int) -> NoReturn:
        start = max(0, at - 40)
        raise InvalidInput(f"Invalid filter: {what} (at character {at} of {self._text[start : at + 40]!r})")

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += token[0] != "end"
        return token

    def _take_word(self, *words: str) -> bool:
        for word in words:
            kind, text, _ = self._tokens[self._next]
            if kind != "word" or text.lower() != word:
                return False
            self._next += 1
        return True

    def is_at_end(self) -> bool:
        return self._tokens[self._next][0] == "end"

    def must_take_and(self) -> None:
        _, text, at = self._tokens[self._next]
        if not self._take_word("and"):
            self._fail(f"AND or the end must follow, not {text[:40]!r}; MLflow's filters know neither OR nor parentheses", at)

    def order(self) -> Order:
        entity, name, _ = self._field(is_order=True)
        is_descending = self._take_word("desc")
        if not is_descending:
            self._take_word("asc")
        if not self.is_at_end():
            self._fail("ASC, DESC or the end must follow a field to sort by", self._tokens[self._next][2])
        return Order(entity, name, is_descending)

    def comparison(self) -> Condition:
        entity, name, kind = self._field()
        at = self._tokens[self._next][2]
        if self._take_word("is"):
            return self._presence(entity, name, at)
        operator = self._operator()
        if entity == "metrics" or kind in ("time", "number"):
            legal = _NUMERIC
        else:
            legal = ("=", "!=", "in", "not in") if kind == "status" else _TEXTUAL
        if operator not in legal:
            self._fail(f"{entity}.{name} is not compared with {operator.upper()}; legal: {', '.join(legal).upper()}", at)
        if operator in ("in", "not in"):
            return Comparison(entity, name, operator, self._list(entity, name, kind))
        return Comparison(entity, name, operator, self._value(entity, name, kind))

    def _presence(self, entity: Entity, name: str, at: int) -> Condition:
        is_absent = not self._take_word("not")
        if not self._take_word("null"):
            self._fail("NULL or NOT NULL must follow IS", self._tokens[self._next][2])
        if entity not in ("tags", "params"):
            self._fail("IS NULL and IS NOT NULL are for tags and params", at)
        is_there = Comparison(entity, name, "like", "%")
        return Combination("not", (is_there,)) if is_absent else is_there

    def _operator(self) -> Operator:
        kind, text, at = self._take()
        word = text.lower()
        if kind == "word" and word == "not" and self._take_word("in"):
            return "not in"
        if kind == "word" and word in ("like", "ilike", "in"):
            return cast(Operator, word)
        symbol = {"==": "=", "<>": "!="}.get(text, text)
        if kind != "symbol" or symbol not in _NUMERIC:
            self._fail(f"an operator must follow, not {text[:40]!r}", at)
        return symbol

    def _field(self, *, is_order: bool = False) -> tuple[Entity, str, Kind]:
        kind, text, at = self._take()
        if kind == "quoted" and text[0] in '`"':
            return self._attribute(text[1:-1], at)
        if kind not in ("word", "field"):
            self._fail(f"a field must stand here, such as metrics.auc or attributes.start_time, not {text[:40]!r}", at)
        head, dot, name = text.partition(".")
        if not dot:
            return self._attribute(text, at)
        entity = _NAMES.get(head.lower())
        if kind == "field":
            name = name[1:-1]
        if entity == "attributes":
            return self._attribute(name, at)
        if entity not in self._fields.held or not name or (is_order and entity == "datasets"):
            held = ", ".join(sorted(self._fields.held))
            self._fail(f"{text[:40]!r} is no field of a {self._fields.what}; legal: {held} with a name, or an attribute", at)
        if entity == "datasets" and name not in _DATASET_NAMES:
            self._fail(f"a dataset has {', '.join(_DATASET_NAMES)}, and no {name[:40]!r}", at)
        return entity, name, "number" if entity == "metrics" else "text"

    def _attribute(self, name: str, at: int) -> tuple[Entity, str, Kind]:
        found = self._fields.attributes.get(name.lower())
        if found is None:
            self._fail(f"{name[:40]!r} is no attribute of a {self._fields.what}; legal: {', '.join(self._fields.attributes)}", at)
        return found

    def _list(self, entity: Entity, name: str, kind: Kind) -> tuple[Value, ...]:
        values: list[Value] = []
        _, text, at = self._take()
        separator = text if text == "(" else ""
        while separator in ("(", ","):
            values.append(self._value(entity, name, kind))
            _, separator, at = self._take()
        if separator != ")" or len(values) > IN_VALUES_MAX:
            self._fail(f"IN takes a list in parentheses, such as ('a', 'b'), of at most {IN_VALUES_MAX}", at)
        return tuple(values)

    def _value(self, entity: Entity, name: str, kind: Kind) -> Value:
        given, text, at = self._take()
        if kind in ("time", "number"):
            if given != "number":
                self._fail(f"{entity}.{name} is compared with a number, not with {text[:40]!r}", at)
            return self._number(text, at) if kind == "number" else self._time(text, at)
        if given != "quoted" or text[0] == "`":
            self._fail(f"{entity}.{name} is compared with text in quotes, not with {text[:40]!r}", at)
        value = text[1:-1].replace(text[0] * 2, text[0])
        if kind == "status":
            if value.lower() not in _STATUSES:
                self._fail(f"{value[:40]!r} is no status of a run; legal: {', '.join(_STATUSES).upper()}", at)
            return _STATUSES[value.lower()]
        return value

    def _number(self, text: str, at: int) -> int | float:
        if len(text) > 400:
            self._fail("a number of more than 400 characters", at)
        if text.lstrip("+-").isdecimal():
            return int(text)
        number = float(text)
        if math.isinf(number):
            self._fail("this number is too large", at)
        return number

    def _time(self, text: str, at: int) -> str:
        try:
            return (_EPOCH + timedelta(milliseconds=self._number(text, at))).isoformat()
        except OverflowError:
            self._fail(f"{text[:40]} milliseconds since 1970 is no time", at)
