"""One open transaction, whatever the database: fixed statements in the SQL that SQLite and PostgreSQL share.

The statements are text, not SQLAlchemy expressions: importing SQLAlchemy takes about 0.2 s, twice the whole time that a run
of a thousand cached stages may take (docs/adr/0005-storage.md). Tables, migrations and searches are SQLAlchemy Core.
Placeholders are `?` everywhere; the PostgreSQL side rewrites them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

from incumbent.base.errors import Conflict, IncumbentError

Row = tuple[Any, ...]
Dialect = Literal["sqlite", "postgresql"]
PARAMETERS_MAX = 500
"""Values per statement of an `IN` list; longer lists are asked in parts."""


class Cursor(Protocol):
    """What the drivers' cursors have in common, as far as we use it."""

    @property
    def rowcount(self) -> int:
        """How many rows the last statement touched."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any:
        """Run one statement."""

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> Any:
        """Run one statement once per row."""

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""

    def fetchone(self) -> Any:
        """Return the next row, or None."""


class Session:
    """Statements inside one transaction. After one has failed, the transaction can only end without effect.

    Attributes:
        dialect: Which database it is, for the few statements that differ.
        is_read_only: Nothing may be written, and nothing is locked.
    """

    def __init__(self, cursor: Cursor, dialect: Dialect, translate: Callable[[Exception], IncumbentError], *, is_read_only: bool) -> None:
        self.cursor = cursor
        self.dialect = dialect
        self.is_read_only = is_read_only
        self._translate = translate
        self._has_failed = False

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run a statement and return its rows."""
        try:
            self.cursor.execute(self._text(sql), parameters)
            return self.cursor.fetchall()
        except Exception as error:
            raise self._fail(error) from error

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """Run a statement and return its first row, or None."""
        rows = self.all(sql, parameters)
        return rows[0] if rows else None

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement that gives no rows; return how many it touched."""
        try:
            self.cursor.execute(self._text(sql), parameters)
            return self.cursor.rowcount
        except Exception as error:
            raise self._fail(error) from error

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once per row."""
        if not rows:
            return
        try:
            self.cursor.executemany(self._text(sql), rows)
        except Exception as error:
            raise self._fail(error) from error

    def among(self, sql: str, values: Sequence[Any], before: Sequence[Any] = ()) -> Iterator[Row]:
        """Run a statement whose `(*)` stands for a list of values, in parts short enough for any database."""
        for start in range(0, len(values), PARAMETERS_MAX):
            part = values[start : start + PARAMETERS_MAX]
            yield from self.all(sql.replace("(*)", f"({','.join('?' * len(part))})"), (*before, *part))

    def call(self, work: Callable[[Any], None]) -> None:
        """Let `work` use the driver's own cursor (bulk loading), with errors translated as everywhere."""
        try:
            work(self.cursor)
        except Exception as error:
            raise self._fail(error) from error

    def must_be_sound(self) -> None:
        """Raise Conflict if a statement failed: its caller went on, and what follows rests on nothing."""
        if self._has_failed:
            raise Conflict("a statement of this transaction failed, so none of it was kept; run it again")

    def _text(self, sql: str) -> str:
        return sql if self.dialect == "sqlite" else postgres_text(sql)

    def _fail(self, error: Exception) -> IncumbentError:
        self._has_failed = True
        return self._translate(error)


_POSTGRES_TEXT: dict[str, str] = {}


def postgres_text(sql: str) -> str:
    """Return the statement with psycopg's placeholders. No statement of ours holds a literal `?`."""
    text = _POSTGRES_TEXT.get(sql)
    if text is None:
        text = sql.replace("%", "%%").replace("?", "%s")
        if len(_POSTGRES_TEXT) < 2_000:  # lists of many lengths must not grow it for ever
            _POSTGRES_TEXT[sql] = text
    return text


class Database(Protocol):
    """A database that is open and of our version."""

    dialect: Dialect

    def begin(self, *, durable: bool, read_only: bool) -> AbstractContextManager[Session]:
        """Open a transaction."""

    def stamp(self) -> int | None:
        """Return a number that stays while nobody commits, None where that cannot be told at once."""

    def identity(self) -> str:
        """Return a text that two openings of one database have in common."""

    def check(self) -> Sequence[str]:
        """Return what is wrong with the file or the schema, in words."""

    def close(self) -> None:
        """Give up connections."""
