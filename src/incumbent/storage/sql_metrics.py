"""Metric points, in SQL: the one path where every microsecond counts, so points are five small cells and loaded in bulk.

A point is known by (writer, sequence): sending a batch again adds nothing. The last point of each series stands beside it,
kept in the same transaction, so that a search by a metric is a search of an index.

A point that comes without a writer's number is known by what it says: its sequence is a number below zero, made from name, step, time
and value. So a client that sends a point again, because the answer was lost, adds nothing. The number begins with step and time: points
that are logged one after the other then lie side by side in the tables, where numbers without any order cost four times as much.
"""

import hashlib
import math
import struct
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any
from zlib import crc32

from incumbent.base.errors import InvalidInput
from incumbent.base.metric import MetricPoint, PointCells
from incumbent.storage.cells import from_micros, from_real, to_micros, to_real, to_text
from incumbent.storage.session import Session
from incumbent.storage.sql_runs import open_run

COPY_POINTS_MIN = 200
"""From this many points on, PostgreSQL takes them by COPY into a temporary table (measured in docs/adr/0005-storage.md)."""

SQLITE_ROWS = 100
"""So many points go to SQLite in one statement: half the time of a statement each. Two statements do for batches of any length: this many,
and one at a time for the rest."""

_INSERT = "INSERT INTO metric_points (writer_no, seq, series_no, step, at, value) "
_INSERT_ONE = _INSERT + "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_INSERT_ROWS = _INSERT + "VALUES " + ", ".join(["(?, ?, ?, ?, ?, ?)"] * SQLITE_ROWS) + " ON CONFLICT DO NOTHING"
_KEEP = (
    "UPDATE metric_series SET last_step = ?, last_at = ?, last_writer = ?, last_seq = ?, last_value = ? WHERE series_no = ? "
    "AND (last_at IS NULL OR "
)
_IS_LATER_OR_LARGER = (
    "(last_step, last_at) < (?, ?) OR ((last_step, last_at) = (?, ?) AND last_value IS NOT NULL AND (? IS NULL OR last_value < ?)))"
)
_IN_ORDER = "writer_no, CASE WHEN seq < 0 THEN at ELSE 0 END, CASE WHEN seq < 0 THEN step ELSE 0 END, seq"
"""As logged: by the writer's count, and where there is none (below zero: `append_cells`) by time and step."""
_PointRow = tuple[int, int, int, int, int, float | None]
_CONTENT = struct.Struct("<dqq")
_LOWEST = -(2**63)


class SqlMetrics:
    """Metric points by run and name."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, run_id: str, points: Sequence[MetricPoint], *, writer: str, first: int) -> None:
        """Store points numbered first, first + 1, … by `writer`; those stored before are left alone."""
        if first < 0:
            raise InvalidInput(f"points are numbered from 0, not from {first}")
        run_no = open_run(self._session, run_id)
        if not points:
            return
        writer_no, series = self._writer(run_no, writer), self._series(run_no, {point.name for point in points})
        rows = [
            (writer_no, seq, series[point.name], point.step, to_micros(point.at), to_real(point.value))
            for seq, point in enumerate(points, first)
        ]
        self._insert(rows)
        self._session.many(_KEEP + "(last_step, last_at, last_writer, last_seq) < (?, ?, ?, ?))", _latest_by_writer(rows))

    def append_cells(self, run_no: int, points: Sequence[PointCells], *, writer: str) -> None:
        """Store points that are known by what they say; those stored before are left alone.

        Of points at the same step and time the largest is the last: which came first, nobody knows.
        """
        if not points:
            return
        writer_no, series = self._writer(run_no, writer), self._series(run_no, {point[0] for point in points})
        rows = _number(writer_no, series, points)
        if self._insert(rows) < len(rows):
            self._settle(rows)
        self._session.many(_KEEP + _IS_LATER_OR_LARGER, _latest_by_value(rows))

    def _settle(self, rows: Sequence[_PointRow]) -> None:
        """Give another number to points whose own is that of a point that says something else: 43 bits alike are rare, not impossible."""
        turn = 0
        while lost := self._find_lost(rows):
            turn += 1
            rows = [(row[0], _other_number(row, turn), *row[2:]) for row in lost]
            self._insert(rows)

    def _find_lost(self, rows: Sequence[_PointRow]) -> list[_PointRow]:
        sql = "SELECT seq, series_no, step, at, value FROM metric_points WHERE writer_no = ? AND seq IN (*)"
        stored = {found[0]: found[1:] for found in self._session.among(sql, [row[1] for row in rows], (rows[0][0],))}
        return [row for row in rows if stored[row[1]] != row[2:]]

    def _writer(self, run_no: int, writer: str) -> int:
        find = "SELECT writer_no FROM metric_writers WHERE run_no = ? AND writer = ?"
        row = self._session.one(find, (run_no, writer))
        if row is None:
            self._session.run(
                "INSERT INTO metric_writers (run_no, writer) VALUES (?, ?) ON CONFLICT DO NOTHING", (run_no, to_text(writer, "writer"))
            )
            row = self._session.one(find, (run_no, writer))
        assert row is not None
        return int(row[0])

    def _series(self, run_no: int, names: set[str]) -> dict[str, int]:
        find = "SELECT name, series_no FROM metric_series WHERE run_no = ? AND name IN (*)"
        known: dict[str, int] = dict(self._session.among(find, sorted(names), (run_no,)))
        fresh = sorted(names - known.keys())
        if fresh:
            rows = [(run_no, to_text(name, "metric")) for name in fresh]
            self._session.many("INSERT INTO metric_series (run_no, name) VALUES (?, ?) ON CONFLICT DO NOTHING", rows)
            known.update(dict(self._session.among(find, fresh, (run_no,))))
        return known

    def _insert(self, rows: list[_PointRow]) -> int:
        """Store what is not there yet; return how many."""
        if self._session.dialect == "sqlite":
            return self._insert_into_sqlite(rows)
        if len(rows) < COPY_POINTS_MIN:
            columns = [list(column) for column in zip(*rows, strict=True)]
            return self._session.run(
                _INSERT + "SELECT * FROM unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::float8[]) "
                "ON CONFLICT DO NOTHING",
                columns,
            )
        self._session.call(lambda cursor: _copy(cursor, rows))
        return self._session.cursor.rowcount

    def _insert_into_sqlite(self, rows: list[_PointRow]) -> int:
        rest = len(rows) - len(rows) % SQLITE_ROWS
        parts = [rows[start : start + SQLITE_ROWS] for start in range(0, rest, SQLITE_ROWS)]
        count = sum(self._session.run(_INSERT_ROWS, list(chain.from_iterable(part))) for part in parts)
        if rest < len(rows):
            self._session.many(_INSERT_ONE, rows[rest:])
            count += self._session.cursor.rowcount
        return count

    def history(self, run_id: str, name: str) -> Sequence[MetricPoint]:
        """Return all points of one metric, each writer's in the order in which it logged them."""
        row = self._session.one(
            "SELECT series_no FROM metric_series JOIN runs ON runs.run_no = metric_series.run_no "
            "WHERE run_id = ? AND metric_series.name = ?",
            (run_id, name),
        )
        if row is None:
            return []
        points = self._session.all("SELECT value, step, at FROM metric_points WHERE series_no = ? ORDER BY " + _IN_ORDER, row)
        return [MetricPoint(name, from_real(value), step, from_micros(at)) for value, step, at in points]

    def latest(self, run_ids: Sequence[str]) -> Mapping[str, Mapping[str, MetricPoint]]:
        """Return, for each run, the last point (highest step, then latest) of each metric."""
        found: dict[str, dict[str, MetricPoint]] = {run_id: {} for run_id in run_ids}
        rows = self._session.among(
            "SELECT run_id, metric_series.name, last_value, last_step, last_at FROM metric_series "
            "JOIN runs ON runs.run_no = metric_series.run_no WHERE run_id IN (*) AND last_at IS NOT NULL",
            list(found),
        )
        for run_id, name, value, step, at in rows:
            found[run_id][name] = MetricPoint(name, from_real(value), step, from_micros(at))
        return {run_id: dict(sorted(points.items())) for run_id, points in found.items()}


def _latest_by_writer(rows: Sequence[_PointRow]) -> list[tuple[object, ...]]:
    last: dict[int, tuple[int, int, int, int, float | None]] = {}
    for writer_no, seq, series_no, step, at, value in rows:
        present = last.get(series_no)
        if present is None or (step, at, writer_no, seq) >= present[:4]:
            last[series_no] = (step, at, writer_no, seq, value)
    return [(*kept, series_no, *kept[:4]) for series_no, kept in sorted(last.items())]  # sorted: two writers never lock crosswise


def _number(writer_no: int, series: Mapping[str, int], points: Sequence[PointCells]) -> list[_PointRow]:
    """Return rows with numbers from -2^63 to -1: 20 bits of step and milliseconds, 32 of a checksum of all it says, 11 of the step."""
    sums = {name: crc32(name.encode()) for name in series}
    pack = _CONTENT.pack
    return [
        (
            writer_no,
            _LOWEST + ((step + at // 1000 & 0xFFFFF) << 43 | crc32(pack(value, step, at), sums[name]) << 11 | step & 0x7FF),
            series[name],
            step,
            at,
            None if value != value else value,  # noqa: PLR0124  (only NaN differs from itself; math.isnan is slower)
        )
        for name, value, step, at in points
    ]


def _other_number(row: _PointRow, turn: int) -> int:
    """Return a number that nobody can aim at, for a point whose first one was taken."""
    return -1 - (int.from_bytes(hashlib.blake2b(repr((turn, row)).encode(), digest_size=8).digest()) >> 1)


def _latest_by_value(rows: Sequence[_PointRow]) -> list[tuple[object, ...]]:
    """NaN counts as larger than every number, as where metrics are sorted."""
    last: dict[int, _PointRow] = {}
    for row in rows:
        held = last.get(row[2])
        if held is None or row[3] > held[3] or (row[3] == held[3] and _place(row) >= _place(held)):
            last[row[2]] = row
    return [
        (step, at, writer_no, seq, value, series_no, step, at, step, at, value, value)
        for series_no, (writer_no, seq, _, step, at, value) in sorted(last.items())
    ]


def _place(row: _PointRow) -> tuple[int, float]:
    return row[4], math.inf if row[5] is None else row[5]


def _copy(cursor: Any, rows: Sequence[_PointRow]) -> None:
    """Load rows by COPY. COPY itself knows no ON CONFLICT, so it fills a temporary table that is emptied at the commit."""
    cursor.execute("CREATE TEMPORARY TABLE IF NOT EXISTS incoming_points (LIKE metric_points) ON COMMIT DELETE ROWS")
    cursor.execute("TRUNCATE incoming_points")
    with cursor.copy("COPY incoming_points (writer_no, seq, series_no, step, at, value) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["int8", "int8", "int8", "int8", "int8", "float8"])
        for row in rows:
            copy.write_row(row)
    cursor.execute(_INSERT + "SELECT writer_no, seq, series_no, step, at, value FROM incoming_points ON CONFLICT DO NOTHING")
