"""The result of a SQL query, as Arrow. Its version is the digest of its rows; nothing is written, and no secret is kept.

1. `$NAME` in the URL is read from the environment; a password that stands in the URL itself is refused, since recipes are kept.
2. The query is one SELECT (or WITH, VALUES, TABLE), run in a read-only session where the database has one: SQLite is opened with
   mode=ro, PostgreSQL and MySQL get SET TRANSACTION READ ONLY. Nothing is ever committed.
3. Rows come in batches through a server-side cursor where the driver has one. The batches do not show in the result.
4. Errors of the driver are one paragraph, and every value that came from the environment is masked in it.
"""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote

from incumbent.base.errors import InvalidInput, Unavailable
from incumbent.execution.sources.columns import Column
from incumbent.execution.sources.intake import Intake, show
from incumbent.execution.sources.listing import locate
from incumbent.pipeline.action import Captured
from incumbent.pipeline.source import SourceSpec

if TYPE_CHECKING:
    import sqlalchemy as sa

_BATCH_ROWS = 50_000
_CONNECT_S = 10
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))", re.ASCII)
_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_READ_ONLY = {"postgresql": "SET TRANSACTION READ ONLY", "mysql": "SET TRANSACTION READ ONLY", "mariadb": "SET TRANSACTION READ ONLY"}
_SQLITE_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL}
_POSTGRES_KINDS = {
    16: "bool", 17: "bytes", 18: "text", 19: "text", 20: "int", 21: "int", 23: "int", 25: "text", 26: "int", 114: "json", 700: "float",
    701: "float", 1042: "text", 1043: "text", 1082: "date", 1083: "time", 1114: "timestamp", 1184: "timestamp_utc", 1186: "interval",
    1700: "decimal", 2950: "uuid", 3802: "json",
}  # fmt: skip
"""What PostgreSQL's type numbers (pg_type.oid) mean for a column without a value; other databases do not say."""


@dataclass(frozen=True, slots=True)
class Address:
    """A database URL with its variables filled in, and the values that must not be shown."""

    url: "sa.URL"
    shown: str
    secrets: tuple[str, ...]

    def mask(self, text: str) -> str:
        """Return `text` on one line, every secret in it replaced."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            for form in {secret, quote(secret, safe=""), unquote(secret)}:
                text = text.replace(form, "***")
        return " ".join(text.split())[:500]


def capture_sql(intake: Intake, spec: SourceSpec) -> Captured:
    """Run the query and capture its result: an artifact "arrow", with rows and columns as facts.

    Raises:
        InvalidInput: The URL or query cannot be used, or a column has no type.
        NotFound: A SQLite file does not exist.
        Unavailable: The database cannot be reached.
    """
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise InvalidInput("a SQL source needs pyarrow; install incumbent[arrow]") from error
    check_query(spec.detail)
    address = read_address(spec.location, intake.environ)
    with _connect(intake, address) as connection:
        columns = _read(connection, spec.detail, intake.progress)
    arrays = [column.finish() for column in columns]
    table = pa.table(arrays, names=[column.name for column in columns])
    rows = table.num_rows
    words = f"{rows:,} row{'s' * (rows != 1)}"
    if rows > 1 and not has_order(spec.detail):
        words += "; no ORDER BY: the database may give the rows in another order, and so with another digest, at any time"
    facts = {"rows": rows, "columns": {field.name: str(field.type) for field in table.schema}}
    return Captured(intake.codecs.encode(table, "pyarrow.Table", intake.blobs), words, facts)


def check_query(query: str) -> None:
    """Raise InvalidInput unless the query is one statement that reads."""
    plain = _NOISE.sub(" ", query).strip().rstrip(";").strip()
    first = re.match(r"\(*\s*([A-Za-z]*)", plain)
    verb = first[1].upper() if first else ""
    if verb not in ("SELECT", "WITH", "VALUES", "TABLE"):
        raise InvalidInput(f"a SQL source reads: its query begins with SELECT, WITH, VALUES or TABLE, not {(verb or query)[:40]!r}")
    if ";" in plain:
        raise InvalidInput("a SQL source is one query: remove what follows the first ';'")


def has_order(query: str) -> bool:
    """Return whether the query has an ORDER BY outside of parentheses.

    >>> has_order("SELECT rank() OVER (ORDER BY x) FROM t"), has_order("SELECT x FROM t ORDER  BY x")
    (False, True)
    """
    plain = _NOISE.sub(" ", query)
    while (flat := re.sub(r"\([^()]*\)", " ", plain)) != plain:
        plain = flat
    return re.search(r"\border\s+by\b", plain, re.IGNORECASE) is not None


def read_address(location: str, environ: Mapping[str, str]) -> Address:
    """Return the address that `location` means in this environment.

    A URL that is one variable as a whole is taken as it is; elsewhere a value fills one part of the URL, and needs no escapes.

    Raises:
        InvalidInput: It is no URL, a variable is not set, or a password stands in it.
    """
    import sqlalchemy as sa

    secrets: list[str] = []

    def fill(text: str) -> str:
        def value(found: re.Match[str]) -> str:
            name = found[1] or found[2]
            if not environ.get(name):
                raise InvalidInput(f"the database URL names ${name}, which is not set; set that environment variable")
            secrets.append(environ[name])
            return environ[name]

        return _VARIABLE.sub(value, text)

    is_whole = _VARIABLE.fullmatch(location.strip()) is not None
    try:
        url = sa.make_url(fill(location.strip()) if is_whole else location)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise InvalidInput("the database URL has no legal form; it looks like postgresql://user:$PASSWORD@host/name") from error
    if not is_whole:
        if url.password and not _VARIABLE.search(str(url.password)):
            raise InvalidInput("the database URL holds a password, and recipes are kept; write $NAME there and set that variable")
        query = {name: fill(value) if isinstance(value, str) else tuple(map(fill, value)) for name, value in url.query.items()}
        filled = sa.URL.create(
            url.drivername,
            username=fill(url.username) if url.username else None,
            password=fill(str(url.password)) if url.password else None,
            host=fill(url.host) if url.host else None,
            port=url.port,
            database=fill(url.database) if url.database else None,
            query=query,
        )
        return Address(filled, url.render_as_string(hide_password=True), _worth_masking(secrets))
    secrets.append(str(url.password or ""))
    return Address(url, location.strip(), _worth_masking(secrets))


def _worth_masking(secrets: Sequence[str]) -> tuple[str, ...]:
    """Leave out one- and two-letter values: masking them would make any message unreadable."""
    return tuple({secret for secret in secrets if len(secret) > 2})


@contextmanager
def _connect(intake: Intake, address: Address) -> Iterator["sa.Connection"]:
    """Yield a connection in a read-only transaction that is rolled back; errors of the driver become ours."""
    import sqlalchemy as sa

    try:
        engine = _make_engine(intake, address)
    except (sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        driver = getattr(error, "name", None) or address.url.drivername
        raise InvalidInput(f"{address.shown}: there is no driver for it here; install {driver}, or mend the URL") from error
    try:
        try:
            connection = engine.connect()
        except sa.exc.DBAPIError as error:
            reason = address.mask(str(error.orig))
            raise Unavailable(f"{address.shown} cannot be reached: {reason}; nothing was taken in") from None
        with connection:
            try:
                statement = _READ_ONLY.get(engine.dialect.name)
                if statement is not None:
                    connection.exec_driver_sql(statement)
                yield connection
            except sa.exc.SQLAlchemyError as error:
                raise _explain(address, error) from None
            finally:
                connection.rollback()
    finally:
        engine.dispose()


def _make_engine(intake: Intake, address: Address) -> "sa.Engine":
    import sqlalchemy as sa

    url = address.url
    dialect = url.get_backend_name()
    if dialect == "sqlite":
        return sa.create_engine("sqlite://", creator=_sqlite_opener(intake, url), poolclass=sa.NullPool)
    arguments: dict[str, Any] = {}
    if dialect == "postgresql" and "connect_timeout" not in url.query:
        arguments["connect_timeout"] = _CONNECT_S
    return sa.create_engine(url, poolclass=sa.NullPool, connect_args=arguments)


def _sqlite_opener(intake: Intake, url: "sa.URL") -> Callable[[], sqlite3.Connection]:
    path = url.database
    if not path or path == ":memory:" or path.startswith("file:"):
        raise InvalidInput(f"{show(path or 'sqlite://')} is no SQLite file; write sqlite:///path/in/the/project.db")
    place = locate(intake.root, path)
    if not os.path.isfile(place.path):
        raise InvalidInput(f"{show(path)} is not a regular file")
    address = f"file:{quote(place.path)}?mode=ro"
    return lambda: sqlite3.connect(address, uri=True, timeout=_CONNECT_S)


def _read(connection: "sa.Connection", query: str, progress: Callable[[int, int], None]) -> list[Column]:
    # Without parameters the driver leaves % and : in the query alone.
    options: dict[str, Any] = {"stream_results": True, "max_row_buffer": _BATCH_ROWS, "no_parameters": True}
    result = connection.execution_options(**options).exec_driver_sql(query)
    names = list(result.keys())
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(f"the query gives two columns called {twice[0]!r}; give one of them another name with AS")
    cursor = result.cursor
    declared = ["null"] * len(names)
    if cursor is not None and connection.dialect.name == "postgresql":
        declared = [_POSTGRES_KINDS.get(cast(int, column[1]), "null") for column in cursor.description]
    columns = [Column(name, kind) for name, kind in zip(names, declared, strict=True)]
    size = 0
    for rows in result.partitions(_BATCH_ROWS):
        for column, values in zip(columns, zip(*rows, strict=True), strict=True):
            size += column.append(values)
        progress(size, 0)
    return columns


def _explain(address: Address, error: "sa.exc.SQLAlchemyError") -> InvalidInput | Unavailable:
    import sqlalchemy as sa

    cause = getattr(error, "orig", None) or error
    reason = f"{address.shown}: {address.mask(str(cause))}"
    if isinstance(cause, sqlite3.Error):
        is_passing = getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_PASSING
    else:
        is_passing = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
    if is_passing:
        return Unavailable(f"{reason}; nothing was taken in, run again when the database answers")
    return InvalidInput(f"{reason}; mend the query or the data")
