"""Bringing a database to this release's schema, by Alembic. Imported only when the schema is not at its head."""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, StaticPool, create_engine, event

from incumbent.base.digest import Algorithm
from incumbent.storage.versions import FORMAT, HEAD

_ADVISORY_LOCK = 0x1C0B_E575
"""The number under which PostgreSQL lets one process migrate at a time; any number, always the same."""


def migrate_sqlite(raw: sqlite3.Connection, algorithm: Algorithm) -> None:
    """Migrate through `raw`, in one transaction; another process that is doing so is waited for."""
    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:
        _upgrade(connection, algorithm)


def migrate_postgres(url: str, algorithm: Algorithm) -> None:
    """Migrate the database at a libpq URL, in one transaction; another process that is doing so is waited for."""
    engine = create_engine("postgresql+psycopg://" + url.partition("://")[2])
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
            _upgrade(connection, algorithm)
    finally:
        engine.dispose()


def _upgrade(connection: Connection, algorithm: Algorithm) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
    insert = "INSERT INTO settings (name, value) VALUES ('{}', '{}') ON CONFLICT (name) DO {}"
    connection.exec_driver_sql(insert.format("algorithm", algorithm, "NOTHING"))
    connection.exec_driver_sql(insert.format("format", FORMAT, f"UPDATE SET value = '{FORMAT}'"))
