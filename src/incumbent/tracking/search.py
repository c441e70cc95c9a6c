"""The language of `runs search`: `metrics.auc > 0.9 and params.depth = 6 order by metrics.auc desc`.

    query       [condition] [order by field [asc | desc], ...]
    condition   comparison | not condition | condition and condition | condition or condition | (condition)
    comparison  field operator value | field [not] in (value, ...)
    field       metrics.NAME | params.NAME | tags.NAME | attributes.NAME | NAME of an attribute
    operator    = != < <= > >= like ilike          (== and <> are taken too; like: % any text, _ one character)
    value       number | 'text' | "text" | true | false

A NAME that is no plain word stands in backticks or double quotes; a quote inside quotes is doubled. Keywords in any case. `and` binds
closer than `or`, `not` closest. A comparison with a field that a run does not have is false (and `not` of it true). `metrics.NAME`
is the metric's last value. Times are ISO 8601 text, taken as UTC unless they say otherwise, and kept in the one form
`2013-01-31T00:00:00+00:00`. MLflow's filters mean the same here, `attribute.`, `param.`, `metric.`, `tag.` and `status` included.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Literal, NoReturn, cast

from incumbent.base.errors import InvalidInput

Entity = Literal["metrics", "params", "tags", "attributes", "datasets"]
"""`datasets` only in MLflow's filters: name, digest or context of a dataset that the run read."""
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "like", "ilike", "in", "not in"]
Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """One test of one field; for "in" and "not in" `value` is a tuple."""

    entity: Entity
    name: str
    operator: Operator
    value: Value | tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Combination:
    """All, or any, of several conditions; or none of one."""

    connective: Literal["and", "or", "not"]
    parts: tuple["Condition", ...]


Condition = Comparison | Combination


@dataclass(frozen=True, slots=True)
class Order:
    """One key to sort by; runs without the field come last either way."""

    entity: Entity
    name: str
    is_descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. No condition matches every run; no order means newest first."""

    condition: Condition | None = None
    order: tuple[Order, ...] = ()


Kind = Literal["number", "text", "time", "state", "any"]
ATTRIBUTES: dict[str, Kind] = {
    "state": "state", "name": "text", "experiment": "text", "pipeline": "text", "run_id": "text", "parent_id": "text", "commit": "text",
    "started_at": "time", "ended_at": "time", "duration_s": "number", "seed": "number",
}  # fmt: skip
"""What can be asked of a run itself, and with what kind of value."""
STATES = ("running", "finished", "failed", "killed")
DEPTH_MAX = 50
COMPARISONS_MAX = 200
"""Well under what databases take in one statement (SQLite: an expression 1,000 deep)."""
TEXT_CHARACTERS_MAX = 20_000

_SYNONYMS: dict[str, str] = {"status": "state", "run_name": "name", "start_time": "started_at", "end_time": "ended_at"}
_ENTITIES: dict[str, Entity] = {
    "metrics": "metrics", "metric": "metrics", "params": "params", "param": "params", "parameters": "params", "parameter": "params",
    "tags": "tags", "tag": "tags", "attributes": "attributes", "attribute": "attributes", "attr": "attributes", "run": "attributes",
}  # fmt: skip
_ORDERED: tuple[Operator, ...] = ("=", "!=", "<", "<=", ">", ">=")
_LEGAL: dict[Kind, tuple[Operator, ...]] = {
    "number": (*_ORDERED, "in", "not in"),
    "time": _ORDERED,
    "state": ("=", "!=", "in", "not in"),
    "text": (*_ORDERED, "like", "ilike", "in", "not in"),
    "any": (*_ORDERED, "like", "ilike", "in", "not in"),
}
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<field>[^\W\d]\w*\.(?:`(?:[^`]|``)*`|"(?:[^"]|"")*"))
    | (?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")
    | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w./-]))
    | (?P<word>\w[\w./-]*)
    | (?P<symbol>==|!=|<>|<=|>=|[=<>(),])
    )""",
    re.VERBOSE,
)
_PLAIN = re.compile(r"\w(?:[\w./-]*\w)?")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int
    end: int

    def is_word(self, word: str) -> bool:
        return self.kind == "word" and self.text.lower() == word


def parse_query(text: str) -> Query:
    """Return the query that `text` spells; empty text matches every run.

    Raises:
        InvalidInput: With the place, marked by a caret, and what would be legal there.

    >>> parse_query("metrics.auc > 0.9 order by auc")
    Traceback (most recent call last):
    incumbent.base.errors.InvalidInput: auc is no attribute of a run; metrics.auc or params.auc, or one of state, name, ...
      metrics.auc > 0.9 order by auc
                                 ^
    """
    if len(text) > TEXT_CHARACTERS_MAX:
        raise InvalidInput(f"a query of {len(text)} characters; at most {TEXT_CHARACTERS_MAX}")
    return _Parser(text).query()


class _Parser:
    """Recursive descent, with the depth counted: text of any shape ends in a query or in words."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._next = 0
        self._depth = 0
        self._comparisons = 0

    def _split(self) -> list[_Token]:
        tokens: list[_Token] = []
        at = 0
        end = len(self._text.rstrip())
        while at < end:
            found = _TOKEN.match(self._text, at)
            if found is None:
                at += len(self._text[at:]) - len(self._text[at:].lstrip())
                what = "a quote that is never closed" if self._text[at] in "'\"`" else f"{self._text[at]!r} has no meaning here"
                self._fail(what, at)
            kind = cast(str, found.lastgroup)
            tokens.append(_Token(kind, found[kind], found.start(kind), found.end()))
            at = found.end()
        return [*tokens, _Token("end", "", end, end)]

    def _fail(self, what: str, at: int) -> NoReturn:
        """Raise with the part of the text around the place, on one line, and a caret under the place."""
        start = max(0, at - 60)
        line = "".join(character if character.isprintable() else " " for character in self._text[start : at + 40])
        raise InvalidInput(f"{what}\n  {line}\n  {' ' * (at - start)}^")

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += token.kind != "end"
        return token

    def _take_word(self, *words: str) -> str | None:
        token = self._peek()
        for word in words:
            if token.is_word(word):
                self._next += 1
                return word
        return None

    def _must(self, symbol: str, instead: str) -> None:
        token = self._take()
        if token.kind != "symbol" or token.text != symbol:
            self._fail(f"{_shown(token)} where {instead} must follow", token.at)

    def query(self) -> Query:
        condition = None
        if self._peek().kind != "end" and not self._peek().is_word("order"):
            condition = self._any()
        order: list[Order] = []
        if self._take_word("order"):
            if not self._take_word("by"):
                self._fail(f"{_shown(self._peek())} where 'by' must follow 'order'", self._peek().at)
            order.append(self._order())
            while self._peek().text == "," and self._peek().kind == "symbol":
                self._next += 1
                order.append(self._order())
        token = self._peek()
        if token.kind != "end":
            self._fail(f"{_shown(token)} where {'a comma or ' if order else 'and, or, order by, or '}the end must follow", token.at)
        return Query(condition, tuple(order))

    def _order(self) -> Order:
        entity, name, _ = self._field(self._take())
        return Order(entity, name, self._take_word("asc", "desc") == "desc")

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._take_word("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Combination("or", tuple(parts))

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._take_word("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Combination("and", tuple(parts))

    def _one(self) -> Condition:
        token = self._peek()
        is_group = token.kind == "symbol" and token.text == "("
        if not is_group and not token.is_word("not"):
            return self._comparison()
        self._next += 1
        self._depth += 1
        if self._depth > DEPTH_MAX:
            self._fail(f"nested more than {DEPTH_MAX} deep", token.at)
        if is_group:
            condition = self._any()
            self._must(")", "and, or, or a closing parenthesis")
        else:
            condition = Combination("not", (self._one(),))
        self._depth -= 1
        return condition

    def _comparison(self) -> Comparison:
        token = self._take()
        entity, name, kind = self._field(token)
        self._comparisons += 1
        if self._comparisons > COMPARISONS_MAX:
            self._fail(f"more than {COMPARISONS_MAX} comparisons in one query", token.at)
        at = self._peek().at
        operator = self._operator()
        if operator not in _LEGAL[kind]:
            self._fail(f"{entity}.{name} cannot be compared with {operator!r}; legal: {', '.join(_LEGAL[kind])}", at)
        if operator not in ("in", "not in"):
            return Comparison(entity, name, operator, self._value(entity, name, kind, operator))
        self._must("(", "a list in parentheses, such as ('a', 'b'),")
        values = [self._value(entity, name, kind, operator)]
        while self._peek().kind == "symbol" and self._peek().text == ",":
            self._next += 1
            values.append(self._value(entity, name, kind, operator))
        self._must(")", "a comma or a closing parenthesis")
        return Comparison(entity, name, operator, tuple(values))

    def _operator(self) -> Operator:
        token = self._take()
        word = token.text.lower()
        if token.kind == "word" and word == "not" and self._take_word("in"):
            return "not in"
        if token.kind == "word" and word in ("like", "ilike", "in"):
            return cast(Operator, word)
        symbol = {"==": "=", "<>": "!="}.get(word, word)
        if token.kind != "symbol" or symbol not in _ORDERED:
            self._fail(f"{_shown(token)} where an operator must follow: {', '.join(_LEGAL['any'])}", token.at)
        return symbol

    def _field(self, token: _Token) -> tuple[Entity, str, Kind]:
        if token.kind not in ("word", "field"):
            self._fail(f"{_shown(token)} where a field must stand, such as metrics.auc, params.depth, tags.owner or state", token.at)
        head, dot, name = token.text.partition(".")
        if not dot:
            head, name = "attributes", token.text
        entity = _ENTITIES.get(head.lower())
        if entity is None:
            self._fail(f"{head!r} is no kind of field; legal: metrics, params, tags, attributes, each with a dot and a name", token.at)
        if token.kind == "field":
            name = name[1:-1].replace(name[0] * 2, name[0])
        if not name:
            self._fail(f"{entity} must be followed by a dot and a name, such as {entity}.auc", token.at)
        if entity != "attributes":
            # Three literals.
            return entity, name, {"metrics": "number", "params": "any", "tags": "text"}[entity]  # type: ignore[return-value]
        known = _SYNONYMS.get(name.lower(), name.lower())
        if known not in ATTRIBUTES:
            near = get_close_matches(known, ATTRIBUTES, 1)
            instead = f"did you mean {near[0]}? " if near else f"metrics.{name} or params.{name}, or " if not dot else ""
            self._fail(f"{name} is no attribute of a run; {instead}one of {', '.join(ATTRIBUTES)}", token.at)
        return entity, known, ATTRIBUTES[known]

    def _value(self, entity: str, name: str, kind: Kind, operator: Operator) -> Value:
        token = self._take()
        value: Value
        if token.kind == "quoted":
            value = token.text[1:-1].replace(token.text[0] * 2, token.text[0])
        elif token.kind == "number":
            value = self._number(token)
        elif token.is_word("true") or token.is_word("false"):
            value = token.text.lower() == "true"
        else:
            self._fail(f"{_shown(token)} where a value must follow: a number, true, false, or text in quotes", token.at)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if kind == "number" and not is_number:
            self._fail(f"{entity}.{name} is a number; compare it with one, without quotes", token.at)
        if (kind in ("text", "time", "state") or operator in ("like", "ilike")) and not isinstance(value, str):
            self._fail(f"{entity}.{name} {operator} wants text: write '{token.text}'", token.at)
        if kind == "time":
            return self._time(cast(str, value), token)
        if kind == "state":
            value = cast(str, value).lower()
            if value not in STATES:
                self._fail(f"{value!r} is no state of a run; legal: {', '.join(STATES)}", token.at)
        return value

    def _number(self, token: _Token) -> int | float:
        if len(token.text) > 400:
            self._fail("a number of more than 400 characters", token.at)
        if token.text.lstrip("+-").isdecimal():
            return int(token.text)
        number = float(token.text)
        if math.isinf(number):
            self._fail("this number is too large", token.at)
        return number

    def _time(self, text: str, token: _Token) -> str:
        try:
            at = datetime.fromisoformat(text)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
        except (ValueError, OverflowError):
            self._fail(f"{text[:40]!r} is no time; write it as '2013-01-31' or '2013-01-31T12:00:00+00:00'", token.at)


def _shown(token: _Token) -> str:
    return "the end" if token.kind == "end" else repr(token.text[:40])


def format_query(query: Query) -> str:
    """Return text that `parse_query` turns into the same query.

    >>> format_query(parse_query("metric.`f1 score`>=.5 AND (state='FAILED' or not tags.x like 'a%')"))
    "metrics.`f1 score` >= 0.5 and (attributes.state = 'failed' or not tags.x like 'a%')"
    """
    words = [] if query.condition is None else [_format(query.condition, is_inner=False)]
    if query.order:
        keys = (f"{_format_field(one.entity, one.name)}{' desc' if one.is_descending else ''}" for one in query.order)
        words.append(f"order by {', '.join(keys)}")
    return " ".join(words)


def _format(condition: Condition, *, is_inner: bool = True) -> str:
    if isinstance(condition, Comparison):
        field = _format_field(condition.entity, condition.name)
        if isinstance(condition.value, tuple):
            return f"{field} {condition.operator} ({', '.join(_format_value(one) for one in condition.value)})"
        return f"{field} {condition.operator} {_format_value(condition.value)}"
    if condition.connective == "not":
        return f"not {_format(condition.parts[0])}"
    text = f" {condition.connective} ".join(_format(part) for part in condition.parts)
    return f"({text})" if is_inner else text


def _format_field(entity: str, name: str) -> str:
    return f"{entity}.{name}" if _PLAIN.fullmatch(name) else f"{entity}.`{name.replace('`', '``')}`"


def _format_value(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)
