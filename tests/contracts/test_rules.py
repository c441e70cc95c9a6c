"""A rule of the database that somebody dropped, switched off or put another one in the place of is told, on both databases."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest

from incumbent.storage.postgres import PostgresDatabase
from incumbent.storage.rules import POSTGRES_RULES, postgres_rules, tell_differences
from incumbent.storage.sql_store import open_sql_store

TRIGGER = "CREATE TRIGGER runs_sealed_update BEFORE UPDATE ON {} FOR EACH ROW WHEN {} BEGIN SELECT 1; END"
LIVE = "uq_placements_one_live_per_slot"
TRUE_BUT_NEVER = f"CREATE UNIQUE INDEX {LIVE} ON placements (slot) WHERE status = 'Production ' AND is_current = 1"
END = ": the database no longer holds to what Incumbent relies on"
OTHER = f" is not what this release makes{END}"


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (["DROP TRIGGER runs_sealed_update"], f"trigger runs_sealed_update is missing{END}"),
        (["DROP TRIGGER runs_sealed_update", TRIGGER.format("runs", "OLD.manifest IS NOT NULL")], f"trigger runs_sealed_update{OTHER}"),
        (["DROP TRIGGER runs_sealed_update", TRIGGER.format("documents", "0")], f"trigger runs_sealed_update{OTHER}"),
        ([f"DROP INDEX {LIVE}"], f"index {LIVE} is missing{END}"),
        ([f"DROP INDEX {LIVE}", TRUE_BUT_NEVER], f"index {LIVE}{OTHER}"),
        (["ALTER TABLE records RENAME TO kept", "CREATE VIEW records AS SELECT * FROM kept"], f"table records is missing{END}"),
        (["PRAGMA writable_schema = ON", "UPDATE sqlite_master SET sql = replace(sql, 'Archived', 'Retired')"], f"table placements{OTHER}"),
    ],
)
def test_a_rule_of_sqlite_that_somebody_dropped_or_replaced_is_told(tmp_path: Path, statements: list[str], told: str) -> None:
    url = f"sqlite:///{tmp_path / 'incumbent.db'}"
    open_sql_store(url, algorithm="blake3").close()
    with sqlite3.connect(tmp_path / "incumbent.db") as raw:
        for statement in statements:
            raw.execute(statement)
    raw.close()
    store = open_sql_store(url, algorithm="blake3")
    assert told in store.check()
    store.close()


def replace_trigger(when: str = "", of: str = "", function: str = "records_kept_update") -> str:
    return f"CREATE OR REPLACE TRIGGER records_kept_update BEFORE UPDATE{of} ON records FOR EACH ROW{when} EXECUTE FUNCTION {function}()"


NOTHING = "{}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"


class Undone(Exception):
    """Rolls a transaction back."""


@pytest.fixture(scope="module")
def postgres_database(open_postgres_store: Callable[[], AbstractContextManager[str]]) -> Iterator[PostgresDatabase]:
    with open_postgres_store() as url:
        database = PostgresDatabase(url, "blake3")
        yield database
        database.close()


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (["DROP TRIGGER records_kept_update ON records"], f"trigger records_kept_update is missing{END}"),
        (["ALTER TABLE records DISABLE TRIGGER records_kept_update"], f"trigger records_kept_update{OTHER}"),
        (["ALTER TABLE records ENABLE REPLICA TRIGGER records_kept_update"], f"trigger records_kept_update{OTHER}"),
        ([replace_trigger(when=" WHEN (false)")], f"trigger records_kept_update{OTHER}"),
        ([replace_trigger(of=" OF seq")], f"trigger records_kept_update{OTHER}"),
        (
            ["DROP TRIGGER records_kept_update ON records", replace_trigger().replace("ON records", "ON documents", 1)],
            f"trigger records_kept_update{OTHER}",
        ),
        (
            [
                "CREATE SCHEMA other",
                f"CREATE FUNCTION {NOTHING.format('other.records_kept_update')}",
                replace_trigger(function="other.records_kept_update"),
            ],
            f"trigger records_kept_update{OTHER}",
        ),
        ([f"CREATE OR REPLACE FUNCTION {NOTHING.format('records_kept_update')}"], f"function records_kept_update{OTHER}"),
        (["ALTER FUNCTION records_on_an_entry() SET search_path = other"], f"function records_on_an_entry{OTHER}"),
        (["ALTER FUNCTION records_on_an_entry() SECURITY DEFINER"], f"function records_on_an_entry{OTHER}"),
        ([f"DROP INDEX {LIVE}", TRUE_BUT_NEVER], f"index {LIVE}{OTHER}"),
        ([f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{LIVE}'::regclass"], f"index {LIVE}{OTHER}"),
        (
            [
                "ALTER TABLE placements DROP CONSTRAINT ck_placements_status",
                "ALTER TABLE placements ADD CONSTRAINT ck_placements_status CHECK (status IN ('Staging', 'Archived')) NOT VALID",
            ],
            f"constraint ck_placements_status{OTHER}",
        ),
        (["ALTER TABLE records DISABLE TRIGGER ALL"], f"constraint fk_records_seq{OTHER}"),
    ],
)
def test_a_rule_of_postgres_that_somebody_changed_is_told(postgres_database: PostgresDatabase, statements: list[str], told: str) -> None:
    with suppress(Undone), postgres_database.begin(durable=True, read_only=False) as session:
        before = tell_differences(postgres_rules(), session.all(POSTGRES_RULES))
        for statement in statements:
            session.run(statement)
        after = tell_differences(postgres_rules(), session.all(POSTGRES_RULES))
        raise Undone
    assert before == []
    assert told in after


def test_what_an_operator_adds_for_speed_is_no_difference_and_a_change_is_told_by_the_store(postgres_store_url: str) -> None:
    store = open_sql_store(postgres_store_url, algorithm="blake3")
    with store._database.begin(durable=True, read_only=False) as session:  # type: ignore[attr-defined]
        session.run("CREATE INDEX mine ON records (digest)")
    assert store.check() == []
    with store._database.begin(durable=True, read_only=False) as session:  # type: ignore[attr-defined]
        session.run("ALTER TABLE records DISABLE TRIGGER records_kept_delete")
    assert store.check() == [f"trigger records_kept_delete{OTHER}"]
    store.close()
