"""After `ledger own`, the role that Incumbent connects as cannot touch what was written, and Incumbent still works."""

import pytest
from command import incumbent, incumbent_json, write

from bundles import make_run, write_bundle
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.ledger_own import RIGHTS
from incumbent.usecases.live import get_live
from incumbent.usecases.propose import propose
from incumbent.usecases.register import register

APP, OWNER = "incumbent_app", "incumbent_ledger_owner"


@pytest.fixture
def roles(postgres_server):
    import psycopg

    with psycopg.connect(postgres_server, autocommit=True) as admin:
        for role in (APP, OWNER):
            admin.execute(f"DROP ROLE IF EXISTS {role}")
        admin.execute(f"CREATE ROLE {APP} LOGIN")
    yield
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f"DROP ROLE IF EXISTS {APP}")
        admin.execute(f"DROP ROLE IF EXISTS {OWNER}")


@pytest.fixture
def urls(roles, postgres_url):
    """(the administrator's address, the program's): the program made the database's tables, and owns them and the database."""
    import psycopg

    name = postgres_url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} OWNER TO {APP}")
    head, _, rest = postgres_url.partition("://")
    yield postgres_url, f"{head}://{APP}@{rest.partition('@')[2]}"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} OWNER TO CURRENT_USER")
        for role in (APP, OWNER):
            if exists(admin, role):
                admin.execute(f"DROP OWNED BY {role} CASCADE")


def exists(admin, role):
    return bool(admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchall())


def own(folder, env, admin_url):
    import psycopg

    sql = incumbent(folder, "ledger", "own", "--role", OWNER, "--app", APP, env=env).stdout
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(sql)


@pytest.fixture
def owned(urls, tmp_path):
    admin_url, app_url = urls
    folder = tmp_path / "project"
    folder.mkdir()
    write(folder, {"pyproject.toml": ""})
    env = {"INCUMBENT_KEYS": str(tmp_path / "keys"), "INCUMBENT_ACTOR": "ann", "INCUMBENT_URL": app_url}
    ws = open_workspace(read_settings(folder, env))
    run = make_run(ws, write_bundle(tmp_path / "bundle"))
    register(ws, model="double", run=run, artifact="model", slot="double/eu")
    own(folder, env, admin_url)
    yield ws, env, folder, run
    ws.store.close()


def refused(url, sql):
    import psycopg

    with psycopg.connect(url, autocommit=True) as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(sql)


def test_the_program_can_neither_change_nor_remove_nor_switch_off(owned, urls):
    _, url = urls
    for table in RIGHTS:
        for sql in (
            f"TRUNCATE {table} CASCADE",
            f"ALTER TABLE {table} DISABLE TRIGGER ALL",
            f"DROP TRIGGER {table}_kept_update ON {table}",
            f"DROP TABLE {table} CASCADE",
            f"ALTER TABLE {table} OWNER TO {APP}",
            f"ALTER TABLE {table} RENAME TO gone",
            f"CREATE RULE quiet AS ON INSERT TO {table} DO INSTEAD NOTHING",
        ):
            refused(url, sql)
        if table != "ledger_payloads":
            refused(url, f"DELETE FROM {table}")
    for table, column in (("ledger_entries", "body"), ("ledger_nodes", "hash"), ("ledger_checkpoints", "note"), ("records", "body")):
        refused(url, f"UPDATE {table} SET {column} = {column}")
    refused(url, "UPDATE placements SET status = 'Production'")
    refused(url, "UPDATE ledger_payloads SET body = body")
    refused(url, "UPDATE model_versions SET actor = 'eve'")
    refused(url, "CREATE OR REPLACE FUNCTION records_kept_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$")
    refused(url, "DROP SCHEMA public CASCADE")
    refused(url, f"SET ROLE {OWNER}")
    refused(url, "SET session_replication_role = replica")


def test_incumbent_still_registers_places_rotates_erases_cosigns_and_verifies(owned, tmp_path):
    ws, env, folder, run = owned
    register(ws, model="double", run=run, artifact="model")
    propose(ws, model="double", version=2, slot="double/eu")
    incumbent(folder, "archive", "double@1", "--slot", "double/eu", "--reason", "long " * 100, env=env)
    assert [placed.version for placed in get_live(ws, "double/eu").staging] == [2]
    [entry] = incumbent_json(folder, "ledger", "log", "--act", "reject", env=env)["entries"]
    incumbent(folder, "ledger", "erase", entry["payloads"]["reason"], "--reason", "asked", env=env)
    incumbent(folder, "ledger", "rotate", env=env)
    incumbent(folder, "ledger", "witness", "--memory", str(tmp_path / "seen.note"), env=env)
    incumbent(folder, "ledger", "verify", env=env)
    incumbent(folder, "ledger", "reconcile", env=env)
    assert incumbent_json(folder, "ledger", "attack", env=env)["is_expected"]


def test_owning_again_changes_nothing(owned, urls):
    ws, env, folder, _ = owned
    own(folder, env, urls[0])
    register(ws, model="double", run=owned[3], artifact="model")


def test_a_role_that_could_take_it_all_back_is_not_accepted(owned, urls):
    import psycopg

    _, env, folder, _ = owned
    admin_url, _ = urls
    sql = incumbent(folder, "ledger", "own", "--role", OWNER, "--app", APP, env=env).stdout
    for grant, undo, message in (
        (f"GRANT {OWNER} TO {APP}", f"REVOKE {OWNER} FROM {APP}", "is a member of"),
        (f"ALTER ROLE {APP} CREATEROLE", f"ALTER ROLE {APP} NOCREATEROLE", "makes roles"),
        (f"ALTER ROLE {OWNER} LOGIN", f"ALTER ROLE {OWNER} NOLOGIN", "can log in"),
    ):
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(grant)
            with pytest.raises(psycopg.errors.RaiseException, match=message):
                admin.execute(sql)
            admin.execute("ROLLBACK")
            admin.execute(undo)
