"""The migrations make what `schema.py` says, on both databases; and each has its place in the list of revisions."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

import incumbent.storage
from incumbent.storage.migrate import migrate_sqlite
from incumbent.storage.new_sqlite import create_sqlite
from incumbent.storage.rules import POSTGRES_RULES, postgres_rules
from incumbent.storage.schema import metadata
from incumbent.storage.sql_store import open_sql_store
from incumbent.storage.versions import HEAD, REVISIONS


def differences(url: str) -> list[object]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
    engine.dispose()
    return [one for one in found if "alembic_version" not in str(one)]


def test_a_new_sqlite_database_is_what_the_schema_says(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'incumbent.db'}"
    open_sql_store(url, algorithm="blake3").close()
    assert differences(url) == []


def test_a_new_sqlite_database_is_what_the_migrations_leave_behind() -> None:
    """`new_sqlite.sql` gives what the migrations give: the same schema, and no rows besides."""
    migrated, made = (sqlite3.connect(":memory:", isolation_level=None) for _ in range(2))
    migrate_sqlite(migrated, "blake3")
    assert create_sqlite(made, "blake3")
    made_so, migrated_so = (["".join(line.split()) for line in raw.iterdump()] for raw in (made, migrated))
    assert made_so == migrated_so, "run scripts/new_sqlite.py"
    assert not create_sqlite(made, "blake3"), "it is there already"
    migrated.close()
    made.close()


def test_a_new_postgres_database_is_what_the_schema_says(postgres_url: str) -> None:
    open_sql_store(postgres_url, algorithm="blake3").close()
    assert differences("postgresql+psycopg://" + postgres_url.partition("://")[2]) == []


def test_the_rules_of_postgres_are_what_the_migrations_leave_behind(postgres_url: str) -> None:
    """`postgres_rules.json`, which every database is held to, has all that a database has that was just migrated, and no more."""
    store = open_sql_store(postgres_url, algorithm="blake3")
    with store._database.begin(durable=False, read_only=True) as session:  # type: ignore[attr-defined]
        found = session.all(POSTGRES_RULES)
    store.close()
    assert len(dict(found)) == len(found)
    assert dict(found) == postgres_rules(), "run scripts/postgres_rules.py"


def test_the_revisions_are_one_line_and_all_listed() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(incumbent.storage.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    assert [revision.revision for revision in script.walk_revisions()][::-1] == list(REVISIONS)
    assert script.get_heads() == [HEAD]


@pytest.mark.parametrize("algorithm", ["blake3", "sha256"])
def test_a_new_database_remembers_its_format_and_algorithm(tmp_path: Path, algorithm: str) -> None:
    store = open_sql_store(f"sqlite:///{tmp_path / 'incumbent.db'}", algorithm=algorithm)  # type: ignore[arg-type]
    with store._database.begin(durable=False, read_only=True) as session:  # type: ignore[attr-defined]
        assert dict(session.all("SELECT name, value FROM settings")) == {"algorithm": algorithm, "format": "1"}
    store.close()
