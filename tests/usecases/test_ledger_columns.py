"""Whoever may write the database changes one cell: whatever the table and the column, verifying or reconciling tells.

Tables and columns come from the schema, so that a new one has to be told of, or to stand on a list here, with its reason.
"""

import shutil
import sqlite3
from contextlib import closing
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incumbent.base.errors import Corrupt
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.storage.schema import metadata
from incumbent.usecases.annotate import add_note, set_tag
from incumbent.usecases.findings import list_findings, open_finding
from incumbent.usecases.holdouts import count_looks, get_holdout, record_look
from incumbent.usecases.ledger_erase import erase_text
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.ledger_witness import witness_ledger
from incumbent.usecases.propose import propose
from incumbent.usecases.readiness import list_findings as list_blocking
from incumbent.usecases.recording import find_acting, governed
from incumbent.usecases.tokens import new_token, revoke_token
from ledgers import tampering
from logins import set_password
from office import MODEL, SLOT, as_actor, open_office, prepare

GOVERNED = {
    "ledger_entries", "ledger_nodes", "ledger_checkpoints", "ledger_cosignatures", "ledger_payloads", "records", "model_versions",
    "placements", "access_tokens", "accounts",
}  # fmt: skip
UNGOVERNED = {
    "sealed by the manifest of their run, not by the ledger": {
        "runs", "params", "tags", "stage_runs", "stage_artifacts", "run_artifacts", "metric_writers", "metric_series", "metric_points",
    },
    "tracking: nothing governed rests on it": {
        "experiments", "experiment_tags", "run_notes", "run_datasets", "run_models", "logged_models", "logged_model_metrics",
        "logged_model_files", "model_words", "predictions",
    },
    "found by their digest, which is computed again at each reading": {"documents", "actions", "action_outputs"},
    "who is at the door, and what is under way": {
        "claims", "account_links", "browser_sessions", "provider_journeys", "login_failures", "repeatable_requests", "webhooks",
        "webhook_deliveries", "lineage_events",
    },
    "counters and names of this database": {"settings", "models"},
}  # fmt: skip
UNTOLD = {
    ("access_tokens", "used_at"): "changes whenever the token is used, and nothing is decided by it",
    ("accounts", "password_hash"): "a hash that the ledger told would be there to be guessed at",
    ("ledger_cosignatures", "size"): "a line that is no cosignature of its checkpoint does not count wherever it is looked at",
    ("ledger_cosignatures", "line"): "as above",
    ("placements", "placement_no"): "of these numbers only the order counts, and that is told",
}
"""Columns that neither tells of, and why that is right."""
CASES = [
    (name, column.name)
    for name in sorted(GOVERNED)
    for column in metadata.tables[name].columns
    if (name, column.name) not in UNTOLD
]  # fmt: skip


def test_every_table_is_governed_or_said_not_to_be():
    told = [name for names in UNGOVERNED.values() for name in names]
    assert sorted([*GOVERNED, *told]) == sorted(metadata.tables)
    assert {table for table, _ in UNTOLD} <= GOVERNED


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """A workspace with rows in every governed table."""
    folder = tmp_path_factory.mktemp("columns")
    (folder / "project").mkdir()
    (folder / "bundles").mkdir()
    read = read_settings(folder / "project", {"INCUMBENT_KEYS": str(folder / "keys"), "INCUMBENT_ACTOR": "ada"})
    ws = open_workspace(read)
    people = open_office(ws)
    prepare(people, folder / "bundles")
    propose(people["ann"], model=MODEL, version=1, slot=f"{MODEL}/us")
    open_finding(people["vera"], subject=MODEL, title="drifts at night", severity="low")
    note = add_note(people["ann"], model=MODEL, version=1, text="as asked")
    add_note(people["ann"], model=MODEL, version=1, text="kept")
    set_tag(people["ann"], model=MODEL, version=1, name="team", value="risk")
    with ws.store.begin(read_only=True) as tx:
        commitment = tx.ledger.get(note.entry).draft.payloads["text"]
    erase_text(people["ada"], commitment=commitment, reason="asked to")
    new_token(people["ann"], name="ci")
    revoke_token(people["ann"], token=new_token(people["ann"], name="old").token.token_id)
    set_password(people["ada"], "ann")
    witness_ledger(as_actor(ws, "ben"), memory=folder / "seen.note")
    ws.store.close()
    database = ws.folder / "incumbent.db"
    shutil.copy(database, folder / "pristine.db")
    with closing(sqlite3.connect(database)) as db:
        assert all(db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in GOVERNED)
    return SimpleNamespace(database=database, pristine=folder / "pristine.db", open=lambda: open_workspace(read))


def change(office, sql, *values):
    """Run a statement on a fresh copy, and return what verifying and reconciling say; None where SQLite itself refuses."""
    for left in office.database.parent.glob("incumbent.db-*"):
        left.unlink()
    shutil.copy(office.pristine, office.database)
    try:
        with tampering(SimpleNamespace(folder=office.database.parent)) as db:
            if not db.execute(sql, values).rowcount:
                return None
    except (sqlite3.IntegrityError, sqlite3.OperationalError):
        return None
    ws = office.open()
    try:
        found = verify_ledger(ws, every_signature=True)
        return [f"{check.number}: {check.detail}" for check in found.checks if check.outcome == "failed"] + [*reconcile(ws).differences]
    except Corrupt as error:
        return [str(error)]
    finally:
        ws.store.close()


def test_nothing_is_told_of_a_workspace_that_nobody_changed(office):
    ws = office.open()
    assert (verify_ledger(ws).is_sound, reconcile(ws).differences) == (True, ())
    ws.store.close()


def test_a_look_and_a_finding_that_are_put_elsewhere_are_missed_by_nobody(office):
    """Where fewer rows allow more, all of them are read, and one that stands elsewhere than its document says stops the reading."""
    ws = office.open()
    with governed(ws) as tx:
        holdout = get_holdout(tx, "frozen")
        assert record_look(ws, tx, acting=find_acting(ws, tx), holdout=holdout, version=f"{MODEL}@1", slot=SLOT, policy="p")[1] == 1
    assert len(list_findings(ws, subject=MODEL)) == 1
    with tampering(ws) as db:
        db.execute("UPDATE records SET subject = 'elsewhere' WHERE kind IN ('look', 'finding')")
    with pytest.raises(Corrupt, match="stands under subject 'elsewhere'"):
        list_findings(ws, subject=MODEL)
    with ws.store.begin(read_only=True) as tx:
        with pytest.raises(Corrupt, match="stands under subject 'elsewhere'"):
            count_looks(tx, holdout)
        with pytest.raises(Corrupt, match="stands under subject 'elsewhere'"):
            list_blocking(tx, MODEL)
    ws.store.close()


def test_another_order_of_placements_is_told(office):
    told = change(office, "UPDATE placements SET placement_no = -placement_no")
    assert told == ["the placements stand in another order than the ledger's, so a slot's newest is another"]


def mutations(value, others):
    """Return what somebody could put in the place of a value."""
    if isinstance(value, bytes):
        made = [value + b" ", value[:-1], b""]
    elif isinstance(value, int):
        made = [value + 1, -value - 1, 0, 2**62]
    else:
        made = [f"{value}x", "", "x"]
    return [other for other in [*made, *others, None] if other != value]


@pytest.mark.parametrize(("table", "column"), CASES)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_cell_that_is_changed_behind_the_back_is_told(office, table, column, data):
    keys = [key.name for key in metadata.tables[table].primary_key.columns]
    with closing(sqlite3.connect(office.pristine)) as db:
        rows = db.execute(f"SELECT {column}, {', '.join(keys)} FROM {table} ORDER BY {', '.join(keys)}").fetchall()
    value, *key = data.draw(st.sampled_from(rows))
    new = data.draw(st.sampled_from(mutations(value, sorted({row[0] for row in rows}, key=repr)[:3])))
    told = change(office, f"UPDATE {table} SET {column} = ? WHERE {' AND '.join(f'{name} = ?' for name in keys)}", new, *key)
    assert told is None or told != [], f"{table}.{column} of {key}: {value!r} -> {new!r}"


# The newest checkpoint covers what an older one did; and a cosignature that is gone counts no more, which is the side to err on.
@pytest.mark.parametrize("table", sorted(GOVERNED - {"ledger_cosignatures", "ledger_checkpoints"}))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_row_that_is_taken_away_behind_the_back_is_told(office, table, data):
    keys = [key.name for key in metadata.tables[table].primary_key.columns]
    with closing(sqlite3.connect(office.pristine)) as db:
        key = data.draw(st.sampled_from(db.execute(f"SELECT {', '.join(keys)} FROM {table} ORDER BY {', '.join(keys)}").fetchall()))
    told = change(office, f"DELETE FROM {table} WHERE {' AND '.join(f'{name} = ?' for name in keys)}", *key)
    assert told is None or told != [], f"{table} {key}"
