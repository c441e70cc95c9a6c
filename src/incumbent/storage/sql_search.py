"""Looking for runs: a parsed `Query` becomes one SQL statement, with every name and value a parameter.

What a comparison means (also where SQL, left alone, would differ between databases):
- a run without the field fails every comparison, `!=` and `not in` included; so `not` of it holds;
- metrics compare by their last point; NaN equals nothing and orders after every number, before runs without the metric;
- params compare as numbers when the query gives a number, and what spells no number then is only `!=` to it;
- text compares and sorts by code point, `like` minds the case and `ilike` does not.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from incumbent.base.digest import Digest
from incumbent.base.errors import InvalidInput, NotFound
from incumbent.storage.cells import from_micros, to_micros, to_number, to_text
from incumbent.storage.session import Row, Session
from incumbent.storage.sql_runs import RUN_COLUMNS, STAGE_COLUMNS, build_runs, build_stage_run
from incumbent.tracking.run import Note, Run, StageRun
from incumbent.tracking.search import Combination, Comparison, Condition, Operator, Order, Query, Value

_Sql = tuple[str, list[object]]

_ATTRIBUTES = {
    "run_id": "runs.run_id", "name": "runs.name", "state": "runs.state", "pipeline": "runs.pipeline", "commit": "runs.commit_hash",
    "experiment": "experiments.name", "parent_id": "runs.parent_id", "seed": "runs.seed", "started_at": "runs.started_at",
    "ended_at": "runs.ended_at", "duration_s": "((runs.ended_at - runs.started_at) / 1000000.0)",
}  # fmt: skip
_TIMES = ("started_at", "ended_at")
_NUMBERS = ("seed", "duration_s")
_SIGNS = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_OF_EXPERIMENT = "experiments.experiment_no = runs.experiment_no"
_FROM = f"FROM runs JOIN experiments ON {_OF_EXPERIMENT}"
_NEWEST = ("runs.started_at DESC", "runs.run_no DESC")


class SqlRunIndex:
    """Runs by what is known of them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def search(self, query: Query, *, limit: int, offset: int = 0, is_deleted: bool | None = None) -> Sequence[Run]:
        """Return the runs that the query matches, in its order (newest first if it has none, and among equals).

        `is_deleted` None: also those that were put out of sight.
        """
        if limit < 0 or offset < 0:
            raise InvalidInput(f"limit {limit} and offset {offset} count from 0")
        tests: list[str] = []
        values: list[object] = []
        if is_deleted is not None:
            tests.append(f"runs.deleted_at IS {'NOT ' if is_deleted else ''}NULL")
        if query.condition is not None:
            condition, values = self._condition(query.condition)
            tests.append(condition)
        page = min(limit, 2**62), min(offset, 2**62)
        is_walk = bool(query.order) and query.order[0].entity == "metrics" and _is_of_attributes(query.condition)
        rows = self._page_by_metric(query.order, (tests, values), page) if is_walk else []
        if len(rows) < limit or not rows:
            joins, keys, named = self._order(query.order)
            where = f" WHERE {' AND '.join(tests)}" if tests else ""
            sql = f"SELECT runs.run_no {_FROM}{''.join(joins)}{where} ORDER BY {', '.join([*keys, *_NEWEST])} LIMIT ? OFFSET ?"
            rows = self._session.all(sql, (*named, *values, *page))
        return self._load([int(row[0]) for row in rows])

    def _page_by_metric(self, order: Sequence[Order], tested: tuple[list[str], list[object]], page: tuple[int, int]) -> list[Row]:
        """Return the numbers of a page of runs that have a number of the metric they are ordered by first.

        They come first, and stand in this order in an index, so that a page need not look at every run; not for a condition on what hangs
        on runs, for of those it may let through few. A page that is not full says nothing about the runs that follow.
        """
        joins, keys, named = self._order(order)
        tests = ["held_0.name = ?", "held_0.last_value IS NOT NULL", "runs.run_no = held_0.run_no", _OF_EXPERIMENT, *tested[0]]
        sql = (
            f"SELECT runs.run_no FROM metric_series AS held_0 CROSS JOIN runs CROSS JOIN experiments{''.join(joins[1:])} "
            f"WHERE {' AND '.join(tests)} ORDER BY {', '.join([f'held_0.last_value {_direction(order[0])}', *keys[2:], *_NEWEST])} "
            "LIMIT ? OFFSET ?"
        )
        return self._session.all(sql, (*named[1:], named[0], *tested[1], *page))

    def _load(self, numbers: list[int]) -> list[Run]:
        rows = {row[0]: row for row in self._session.among(f"SELECT {RUN_COLUMNS} {_FROM} WHERE runs.run_no IN (*)", numbers)}
        return build_runs(self._session, [rows[number] for number in numbers])

    def find_latest(self, pipeline: str) -> Run | None:
        """Return the newest finished run of a pipeline."""
        row = self._session.one(
            "SELECT run_no FROM runs WHERE pipeline = ? AND state = 'finished' ORDER BY started_at DESC, run_no DESC LIMIT 1", (pipeline,)
        )
        return None if row is None else self._load([int(row[0])])[0]

    def find_makers(self, digest: Digest) -> Sequence[tuple[str, StageRun]]:
        """Return (run id, stage run) of every stage run that gave this digest, oldest first."""
        return self._by_artifact(digest, "output")

    def find_takers(self, digest: Digest) -> Sequence[tuple[str, StageRun]]:
        """Return (run id, stage run) of every stage run that took this digest as an input, oldest first."""
        return self._by_artifact(digest, "input")

    def _by_artifact(self, digest: Digest, direction: str) -> list[tuple[str, StageRun]]:
        rows = self._session.all(
            f"SELECT runs.run_id, {STAGE_COLUMNS} FROM stage_artifacts "
            "JOIN stage_runs ON stage_runs.run_no = stage_artifacts.run_no AND stage_runs.stage = stage_artifacts.stage "
            "AND stage_runs.item = stage_artifacts.item JOIN runs ON runs.run_no = stage_runs.run_no "
            "WHERE stage_artifacts.digest = ? AND stage_artifacts.direction = ? ORDER BY stage_runs.stage_run_no",
            (digest, direction),
        )
        return [(row[0], build_stage_run(row[1:])) for row in rows]

    def find_givers(self, digests: Sequence[Digest]) -> Mapping[Digest, Sequence[str]]:
        """Return the runs that gave these digests, by themselves or in a stage, by id and oldest first."""
        found: dict[Digest, dict[int, str]] = {}
        for table in ("run_artifacts", "stage_artifacts"):
            sql = (
                f"SELECT digest, runs.run_no, runs.run_id FROM {table} JOIN runs ON runs.run_no = {table}.run_no "
                "WHERE direction = ? AND digest IN (*)"
            )
            for digest, run_no, run_id in self._session.among(sql, list(dict.fromkeys(digests)), ("output",)):
                found.setdefault(Digest(digest), {})[run_no] = run_id
        return {digest: [runs[run_no] for run_no in sorted(runs)] for digest, runs in found.items()}

    def list_experiments(self) -> Sequence[tuple[str, int]]:
        """Return (name, number of runs) of each experiment, by name."""
        rows = self._session.all(
            "SELECT experiments.name, count(runs.run_no) FROM experiments LEFT JOIN runs ON runs.experiment_no = experiments.experiment_no "
            "GROUP BY experiments.name"
        )
        return sorted((str(name), int(count)) for name, count in rows)

    def add_note(self, note: Note) -> None:
        """Append a note to a run, sealed or not. Raises NotFound."""
        row = self._session.one("SELECT run_no FROM runs WHERE run_id = ?", (note.run_id,))
        if row is None:
            raise NotFound(f"no run {note.run_id[:80]!r} in this workspace")
        self._session.run(
            "INSERT INTO run_notes (run_no, at, actor, body) VALUES (?, ?, ?, ?)",
            (row[0], to_micros(note.at), to_text(note.actor, "actor"), to_text(note.text, "note")),
        )

    def list_notes(self, run_id: str) -> Sequence[Note]:
        """Return the notes of a run, oldest first."""
        rows = self._session.all(
            "SELECT run_id, at, actor, body FROM run_notes JOIN runs ON runs.run_no = run_notes.run_no WHERE run_id = ? ORDER BY note_no",
            (run_id,),
        )
        return [Note(owner, from_micros(at), actor, body) for owner, at, actor, body in rows]

    def _condition(self, condition: Condition, *, is_narrowed: bool = False) -> _Sql:
        """Return test and values. `is_narrowed`: few runs are left by a test beside it, so that a metric is looked up run by run."""
        if isinstance(condition, Combination):
            is_all = condition.connective == "and"
            is_narrowed = is_all and (is_narrowed or any(_is_narrow(part) for part in condition.parts))
            parts = [self._condition(part, is_narrowed=is_narrowed) for part in condition.parts]
            values = [value for _, more in parts for value in more]
            if condition.connective == "not":
                return f"NOT ({' OR '.join(text for text, _ in parts)})", values
            return "(" + f" {condition.connective.upper()} ".join(text for text, _ in parts) + ")", values
        return self._comparison(condition, is_narrowed=is_narrowed)

    def _comparison(self, wanted: Comparison, *, is_narrowed: bool) -> _Sql:
        if wanted.entity == "attributes":
            column = _attribute(wanted.name)
            if wanted.name in (*_TIMES, *_NUMBERS):
                change = _micros if wanted.name in _TIMES else _number
                text, values = _numeric(column, wanted.operator, [change(value) for value in _values(wanted)])
            else:
                text, values = self._textual(column, wanted.operator, [_as_text(value) for value in _values(wanted)])
            return f"({column} IS NOT NULL AND {text})", values
        table, text, values = self._held(wanted)
        if wanted.entity == "datasets":
            return f"runs.run_no IN (SELECT run_no FROM {table} WHERE {text})", values
        if is_narrowed and table == "metric_series":
            text = f"{table}.run_no = runs.run_no AND {table}.name = ? AND {text}"
            return f"EXISTS (SELECT 1 FROM {table} WHERE {text})", [wanted.name, *values]
        return f"runs.run_no IN (SELECT run_no FROM {table} WHERE {table}.name = ? AND {text})", [wanted.name, *values]

    def _held(self, wanted: Comparison) -> tuple[str, str, list[object]]:
        """Return table, test and values for what hangs on a run by name."""
        given = _values(wanted)
        are_numbers = all(_is_number(value) for value in given)
        if wanted.entity == "metrics":
            text, values = _numeric("metric_series.last_value", wanted.operator, [_number(value) for value in given], is_odd_unequal=True)
            return "metric_series", f"metric_series.last_at IS NOT NULL AND {text}", values
        if wanted.entity == "params" and are_numbers and wanted.operator not in ("like", "ilike"):
            return "params", *_numeric("params.number", wanted.operator, [_number(value) for value in given], is_odd_unequal=True)
        if wanted.entity == "datasets":
            return "run_datasets", *self._textual(f"run_datasets.{wanted.name}", wanted.operator, [_as_text(value) for value in given])
        words = [_as_text(value) for value in given]
        text, values = self._textual("params.text" if wanted.entity == "params" else "tags.value", wanted.operator, words)
        numbers = [to_number(word) for word in words]
        if wanted.entity == "params" and wanted.operator in ("=", "in") and all(_is_finite(number) for number in numbers):
            # Whatever has this text has this number, and numbers stand in an index. A whole number beyond all floats has none.
            return "params", f"params.number IN ({', '.join('?' * len(numbers))}) AND {text}", [*numbers, *values]
        return wanted.entity, text, values

    def _textual(self, column: str, operator: Operator, given: list[str]) -> _Sql:
        if operator in ("like", "ilike"):
            return self._like(column, given[0], minds_case=operator == "like")
        return _compare(self._ordered(column), operator, list(given))

    def _like(self, column: str, pattern: str, *, minds_case: bool) -> _Sql:
        if self._session.dialect == "sqlite":  # its LIKE never minds the case, so we say it in GLOB's signs
            glob = "".join({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}.get(character, character) for character in pattern)
            return (f"{column} GLOB ?", [glob]) if minds_case else (f"lower_text({column}) GLOB lower_text(?)", [glob])
        return f"{column} {'LIKE' if minds_case else 'ILIKE'} ? ESCAPE ''", [pattern]

    def _ordered(self, column: str) -> str:
        return column if self._session.dialect == "sqlite" else f'{column} COLLATE "C"'

    def _order(self, order: Sequence[Order]) -> tuple[list[str], list[str], list[object]]:
        """Return joins, sort keys and the joins' values, one each."""
        joins, keys, values = list[str](), list[str](), list[object]()
        for place, key in enumerate(order):
            direction = _direction(key)
            if key.entity == "attributes":
                column = _attribute(key.name)
                sorted_by = column if key.name in (*_TIMES, *_NUMBERS) else self._ordered(column)
                keys += [f"CASE WHEN {column} IS NULL THEN 1 ELSE 0 END", f"{sorted_by} {direction}"]
                continue
            table = {"metrics": "metric_series", "params": "params", "tags": "tags"}[key.entity]
            held = f"held_{place}"
            joins.append(f" LEFT JOIN {table} AS {held} ON {held}.run_no = runs.run_no AND {held}.name = ?")
            values.append(key.name)
            keys += self._held_keys(key.entity, held, direction)
        return joins, keys, values

    def _held_keys(self, entity: str, held: str, direction: str) -> list[str]:
        if entity == "tags":
            return [f"CASE WHEN {held}.name IS NULL THEN 1 ELSE 0 END", f"{self._ordered(f'{held}.value')} {direction}"]
        present, number = (f"{held}.last_at", f"{held}.last_value") if entity == "metrics" else (f"{held}.name", f"{held}.number")
        rank = f"CASE WHEN {present} IS NULL THEN 2 WHEN {number} IS NULL THEN 1 ELSE 0 END"
        numeric = f"CASE WHEN {number} IS NULL THEN 0 ELSE {number} END {direction}"  # so that what is no number is all alike
        return [rank, numeric] if entity == "metrics" else [rank, numeric, f"{self._ordered(f'{held}.text')} {direction}"]


def _is_of_attributes(condition: Condition | None) -> bool:
    if isinstance(condition, Combination):
        return all(_is_of_attributes(part) for part in condition.parts)
    return condition is None or condition.entity == "attributes"


def _is_narrow(condition: Condition) -> bool:
    return isinstance(condition, Comparison) and condition.entity == "params" and condition.operator in ("=", "in")


def _direction(key: Order) -> str:
    return "DESC" if key.is_descending else "ASC"


def _attribute(name: str) -> str:
    if name not in _ATTRIBUTES:
        raise InvalidInput(f"{name[:80]!r} is no attribute of a run; legal: {', '.join(_ATTRIBUTES)}")
    return _ATTRIBUTES[name]


def _values(wanted: Comparison) -> list[Value]:
    return list(wanted.value) if isinstance(wanted.value, tuple) else [wanted.value]


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(number: float | None) -> bool:
    return number is not None and math.isfinite(number)


def _number(value: Value) -> float | int:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidInput(f"{value!r} is compared with a number, so it must be one")
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _micros(value: Value) -> int:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InvalidInput(f"{value!r} is compared with a time, so it must be one: {error}") from error
    return to_micros(at if at.tzinfo else at.replace(tzinfo=UTC))


def _as_text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return to_text(str(value), "text")


def _numeric(column: str, operator: Operator, given: Sequence[float | int], *, is_odd_unequal: bool = False) -> _Sql:
    """Compare numbers; `is_odd_unequal`: a NULL stands for something there that is no number, so it differs from all."""
    text, values = _compare(column, operator, list(given))
    return (f"({column} IS NULL OR {text})" if is_odd_unequal and operator in ("!=", "not in") else text), values


def _compare(column: str, operator: Operator, given: list[object]) -> _Sql:
    if operator in ("in", "not in"):
        return f"{column} {operator.upper()} ({', '.join('?' * len(given))})", given
    if operator not in _SIGNS:
        raise InvalidInput(f"{operator!r} compares text, not numbers; legal: {', '.join(_SIGNS)}, in, not in")
    return f"{column} {_SIGNS[operator]} ?", given
