"""The runs table: the query language of `incumbent runs search`, columns and sorting by the address, paging by cursor."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.base.metric import MetricPoint
from incumbent.server.messages import Request, Response, Server
from incumbent.server.pages.render import link, page, problems_as_pages
from incumbent.server.pages.words import ABSENT, cut, show_number, show_value
from incumbent.tracking.run import Run
from incumbent.tracking.search import ATTRIBUTES, Combination, Comparison, Condition, Entity, Order, Query, parse_query
from incumbent.usecases.log_run import get_last_points, search_runs

ROWS = 50
COLUMNS_MAX = 20
COLUMNS_UNASKED = 4
"""Columns that are shown when nobody asked for any: the metrics that most runs of the page have."""
_CURSOR = re.compile(r"([0-9]{1,9})-([0-9]{1,16})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIXED = (("run_id", "Run"), ("state", "State"), ("started_at", "Started"), ("duration_s", "Duration"), ("experiment", "Experiment"))


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name as the query language spells it, and the addresses that sort by it."""

    name: str
    label: str
    sorted: str
    address: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run and its cells."""

    run: Run
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for.

    Attributes:
        filter: Text of the query.
        columns: Text of the columns, None if nobody asked.
        sort: A field, with "-" before it for descending; "" for the query's own order.
        offset: How many rows came on earlier pages.
        until: No run that started later is shown, so that pages do not shift while runs begin; None on the first page.
    """

    filter: str
    columns: str | None
    sort: str
    offset: int
    until: datetime | None

    def link(self, **changed: object) -> str:
        """Return the address of the same table with something changed; from its first page on."""
        fields: dict[str, object] = {"q": self.filter or None, "columns": self.columns, "sort": self.sort or None}
        return link("runs", **{**fields, **changed})


@problems_as_pages
def show_runs(server: Server, request: Request) -> Response:
    """Show the table of runs."""
    try:
        asked = read_asked(request.read_query())
        query = read_query(asked)
        names = None if asked.columns is None else read_columns(asked.columns)
        now = asked.until or server.ws.clock.now()
        runs = list(search_runs(server.ws, query=query, limit=ROWS + 1, offset=asked.offset))
    except InvalidInput as error:
        text = request.read_query()
        return page("runs.html", "Runs", room="/runs", status=400, problem=str(error), asked=_only_texts(text), rows=[], known=[])
    has_more, runs = len(runs) > ROWS, runs[:ROWS]
    points = get_last_points(server.ws, run_ids=[one.run_id for one in runs])
    known = _list_known(runs, points)
    if names is None:
        names = _list_asked(query) or [name for name in known if name.startswith("metrics.")][:COLUMNS_UNASKED]
    asked = replace(asked, columns=", ".join(names))
    columns = [_column(asked, name, label) for name, label in (*_FIXED, *((name, name) for name in names))]
    rows = [RunRow(one, [_cell(name, one, points.get(one.run_id, {})) for name in names]) for one in runs]
    onward = asked.link(after=f"{asked.offset + ROWS}-{(now - _EPOCH) // timedelta(microseconds=1)}") if has_more else ""
    return page(
        "runs.html", "Runs", room="/runs", problem="", asked=asked, rows=rows, columns=columns, onward=onward,
        shown_columns=", ".join(names),
        known=[(name, asked.link(columns=", ".join([*names, name]))) for name in known if name not in names][:30],
    )  # fmt: skip


def read_asked(fields: Mapping[str, str]) -> Asked:
    """Return what an address asks for. Raises InvalidInput when its cursor is none of ours."""
    offset, until = 0, None
    if cursor := fields.get("after"):
        found = _CURSOR.fullmatch(cursor)
        if found is None:
            raise InvalidInput(f"{cursor[:40]!r} is no place in the table; go on from its first page")
        offset = int(found[1])
        try:
            until = _EPOCH + timedelta(microseconds=int(found[2]))
        except OverflowError:
            raise InvalidInput(f"{cursor[:40]!r} is no place in the table; go on from its first page") from None
    return Asked(fields.get("q", "").strip(), fields.get("columns"), fields.get("sort", "").strip(), offset, until)


def _only_texts(fields: Mapping[str, str]) -> Asked:
    return Asked(fields.get("q", "").strip(), fields.get("columns"), "", 0, None)


def read_query(asked: Asked) -> Query:
    """Return the query with the order and the time of the address. Raises InvalidInput."""
    query = parse_query(asked.filter)
    order = query.order
    if asked.sort:
        entity, name = read_field(asked.sort.removeprefix("-"))
        order = (Order(entity, name, is_descending=asked.sort.startswith("-")),)
    condition: Condition | None = query.condition
    if asked.until is not None:
        pinned = Comparison("attributes", "started_at", "<=", asked.until.isoformat(timespec="microseconds"))
        condition = pinned if condition is None else Combination("and", (pinned, condition))
    return Query(condition, order)


def read_field(text: str) -> tuple[Entity, str]:
    """Return what a column's name means.

    Raises:
        InvalidInput: It names no metric, param, tag or attribute.

    >>> read_field("metrics.valid/auc"), read_field("started_at")
    (('metrics', 'valid/auc'), ('attributes', 'started_at'))
    """
    for entity in ("metrics", "params", "tags"):
        if text.startswith(f"{entity}.") and len(text) > len(entity) + 1:
            return entity, text[len(entity) + 1 :]
    if text in ATTRIBUTES:
        return "attributes", text
    legal = ", ".join(ATTRIBUTES)
    raise InvalidInput(f"{text[:80]!r} is no column: it is metrics.NAME, params.NAME, tags.NAME or one of {legal}")


def read_columns(text: str) -> list[str]:
    """Return the names of the columns that a text lists, commas between. Raises InvalidInput."""
    names = list(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))
    if len(names) > COLUMNS_MAX:
        raise InvalidInput(f"{len(names)} columns: a table takes at most {COLUMNS_MAX}")
    for name in names:
        read_field(name)
    return names


def _column(asked: Asked, name: str, label: str) -> Column:
    ordered = {name: "ascending", f"-{name}": "descending"}.get(asked.sort, "")
    return Column(name, label, ordered, asked.link(sort=name if ordered == "descending" else f"-{name}"))


def _list_known(runs: Sequence[Run], points: Mapping[str, Mapping[str, MetricPoint]]) -> list[str]:
    """Return the metrics and params that runs of the page have, those of most runs first."""
    counted = Counter(f"metrics.{name}" for found in points.values() for name in found)
    counted.update(f"params.{name}" for one in runs for name in one.params)
    return [name for name, _ in counted.most_common() if "," not in name and len(name) <= 200]


def _list_asked(query: Query) -> list[str]:
    """Return what a query asks of params, metrics and tags: a table shows what it was searched by."""
    found: list[str] = []
    pending: list[Condition] = [] if query.condition is None else [query.condition]
    while pending:
        one = pending.pop()
        if isinstance(one, Combination):
            pending.extend(one.parts[::-1])
        elif one.entity != "attributes":
            found.append(f"{one.entity}.{one.name}")
    found += [f"{key.entity}.{key.name}" for key in query.order if key.entity != "attributes"]
    return list(dict.fromkeys(found))[:COLUMNS_MAX]


def _cell(column: str, one: Run, points: Mapping[str, MetricPoint]) -> str:
    entity, name = read_field(column)
    if entity == "metrics":
        return show_number(points[name].value) if name in points else ABSENT
    if entity == "attributes":
        return cut(str({"commit": one.code.commit}.get(name) or getattr(one, name, "") or ABSENT))
    values: Mapping[str, Json] = one.params if entity == "params" else dict(one.tags)
    return show_value(values[name]) if name in values else ABSENT
