"""Databases that earlier versions have left behind: this one opens each, on both databases, and nothing of them is lost."""

import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

import incumbent.storage
from incumbent.base.errors import NotFound
from incumbent.storage.sql_store import open_sql_store
from incumbent.storage.versions import HEAD, REVISIONS
from incumbent.usecases.ports import Store, Transaction

GOLDEN = {path.stem.removeprefix("schema-"): path for path in (Path(__file__).parents[1] / "golden").glob("*.db")}


def test_every_migration_has_a_database_of_before_it() -> None:
    assert sorted(GOLDEN) == [revision for revision in REVISIONS if revision != HEAD]


@pytest.fixture(params=sorted(GOLDEN))
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of one."""
    copy = tmp_path / "incumbent.db"
    shutil.copy(GOLDEN[request.param], copy)
    return copy


def test_every_database_that_a_release_has_written_opens(old: Path) -> None:
    before = rows_of(old)
    store = open_sql_store(f"sqlite:///{old}", algorithm="blake3")
    assert_golden(store)
    store.close()
    assert_kept(before, rows_of(old))


def test_what_people_clients_and_webhooks_left_in_the_latest_is_read(tmp_path: Path) -> None:
    shutil.copy(GOLDEN[max(GOLDEN)], tmp_path / "incumbent.db")
    store = open_sql_store(f"sqlite:///{tmp_path / 'incumbent.db'}", algorithm="blake3")
    with store.begin(read_only=True) as tx:
        assert_of_clients(tx)
    store.close()


def rows_of(path: Path) -> Mapping[str, Sequence[Mapping[str, object]]]:
    """Return all rows by table."""
    with closing(sqlite3.connect(path)) as raw:
        raw.row_factory = sqlite3.Row
        tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'alembic_version'")]
        return {table: [dict(row) for row in raw.execute(f'SELECT * FROM "{table}"')] for table in tables}


def assert_kept(before: Mapping[str, Sequence[Mapping[str, object]]], after: Mapping[str, Sequence[Mapping[str, object]]]) -> None:
    """Every row of before is there, with every value, and no other is in its table."""
    assert sum(map(len, before.values())) >= 20
    for table, rows in before.items():
        columns = list(rows[0]) if rows else []
        kept = [[row[name] for name in columns] for row in after[table]]
        assert sorted(map(repr, kept)) == sorted(repr([row[name] for name in columns]) for row in rows), table


def assert_golden(store: Store) -> None:
    """What `golden/write_database.py` has written since its first day."""
    with store.begin() as tx:
        run = tx.runs.get("run-golden-1")
        assert (run.state, run.params["depth"], run.started_at) == ("finished", 6, datetime(2013, 1, 1, tzinfo=UTC))
        assert run.manifest is not None
        assert tx.documents.get(run.manifest) == {"kind": "manifest", "run": "run-golden-1"}
        assert [point.value for point in tx.metrics.history("run-golden-1", "auc")] == [0.5, 0.75]
        [stage_run] = tx.runs.list_stages("run-golden-1")
        assert stage_run.key is not None
        assert tx.actions.find([stage_run.key])[stage_run.key].outputs == stage_run.outputs
        live = tx.registry.find_live("delay/us")
        assert live is not None
        assert tx.registry.get_version(live.model, live.version).bundle == stage_run.outputs["model"]
        assert tx.predictions.get("pred-golden-1").output == [0.25]
        assert [note.text for note in tx.index.list_notes("run-golden-1")] == ["kept"]
        with pytest.raises(NotFound):
            tx.predictions.get("none")
    assert store.check() == []


def assert_of_clients(tx: Transaction) -> None:
    """What it has written since schema 0007."""
    account, [token], failures = tx.accounts.find("ann"), tx.tokens.list_all(), tx.attempts.find("ann")
    assert account is not None
    assert failures is not None
    assert (account.password_hash, token.scope, failures.count) == ("argon2id-of-a-password", ("read", "write"), 3)
    assert tx.sessions.find("33" * 32) is not None
    assert tx.accounts.find_link("11" * 32) is not None
    experiment = tx.experiments.find("credit")
    assert experiment is not None
    assert (experiment.tags, experiment.deleted_at) == ({"team": "risk"}, datetime(2013, 1, 1, tzinfo=UTC))
    assert [step for _, step, _ in tx.open_runs.page_history("run-golden-2", "loss", limit=9, offset=0)] == [1, 2]
    assert [one.tags for one in tx.run_links.list_datasets(["run-golden-2"])["run-golden-2"]] == [{"a": "b"}]
    assert (tx.logged_models.get("m-golden-1").status, [one.path for one in tx.logged_models.list_files("m-golden-1")]) == (
        "READY", ["MLmodel"],
    )  # fmt: skip
    assert tx.model_words.list_all(["delay"], 1) == {("delay", 1, "tag"): {"who": "ann"}}
    [webhook] = tx.webhooks.list_all()
    assert (webhook.url, webhook.sealed[:6], webhook.cursor, webhook.tried) == ("https://hooks.example/in", "whsec_", 3, 2)
    assert [one.detail for one in tx.webhooks.list_deliveries(webhook.webhook_id, limit=9)] == ["away"]
    repeated = tx.repeats.find("ann", "key-golden-1")
    assert repeated is not None
    assert (repeated.status, repeated.body) == (201, b'{"a": 1}')


@pytest.mark.parametrize("revision", ["0001", "0006", max(GOLDEN)])
def test_rows_of_an_old_postgres_database_are_carried_over(postgres_url: str, revision: str) -> None:
    """The same rows, put into PostgreSQL as it was at that revision."""
    engine = create_engine("postgresql+psycopg://" + postgres_url.partition("://")[2])
    rows = rows_of(GOLDEN[revision])
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(incumbent.storage.__file__).parent / "migrations"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.exec_driver_sql("SET session_replication_role = replica")  # rules and references wait until all is there
        for table, found in rows.items():
            for row in found:
                names, places = ", ".join(f'"{name}"' for name in row), ", ".join(["%s"] * len(row))
                connection.exec_driver_sql(f'INSERT INTO "{table}" ({names}) VALUES ({places})', tuple(row.values()))
        connection.exec_driver_sql("SET session_replication_role = DEFAULT")
    engine.dispose()
    store = open_sql_store(postgres_url, algorithm="blake3")
    assert_golden(store)
    store.close()
