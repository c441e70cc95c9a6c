"""The attack table: what it says is caught is caught, what it says is silent is silent, and a weaker ledger would not pass it."""

import shutil
import sqlite3

import pytest

from incumbent.base.errors import Conflict, Refused
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases import ledger_attack
from incumbent.usecases.ledger_attack import attack_copy
from incumbent.usecases.ledger_erase import erase_text
from incumbent.usecases.ledger_log import list_entries
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.ledger_rotate import rotate_key
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.recording import governed, record_act
from office import open_office, prepare

RESEARCH = {
    "edit an entry": ("caught", "caught"),
    "edit who did it": ("caught", "caught"),
    "delete an entry inside": ("caught", "caught"),
    "reorder entries": ("caught", "caught"),
    "cut the tail, checkpoints left": ("caught", "caught"),
    "cut the tail and its checkpoints": ("intact", "caught"),
    "cut only what nobody elsewhere saw": ("intact", "intact"),
    "wipe the ledger": ("caught", "caught"),
    "rewrite all, with another key": ("caught", "caught"),
    "append a back-dated approval in another's name": ("caught", "caught"),
    "back-date, key stolen": ("intact", "caught"),
    "fork, key stolen": ("intact", "caught"),
    "rewrite only what nobody elsewhere saw, key stolen": ("intact", "intact"),
    "move entries to another tenant": ("caught", "caught"),
    "take a version off the air behind the ledger": ("caught", "caught"),
    "put a version on the air behind the ledger": ("caught", "caught"),
    "change a governed document": ("caught", "caught"),
    "restore an old backup": ("intact", "caught"),
    "40 writers at once": ("40 stored", "40 stored"),
}
"""The research page's table (governance.md §3.4), written down by hand."""


@pytest.fixture
def ws(tmp_path):
    (tmp_path / "project").mkdir()
    opened = open_workspace(read_settings(tmp_path / "project", {"INCUMBENT_KEYS": str(tmp_path / "keys"), "INCUMBENT_ACTOR": "ada"}))
    yield opened
    opened.store.close()


def note(ws, name, **fields):
    with governed(ws) as tx:
        return record_act(ws, tx, act="note", kind="note", object_id=name, **fields)


def outcomes(rows):
    return {row.name: (row.alone, row.with_pin) for row in rows}


def test_the_table_comes_out_as_the_research_says_on_a_ledger_that_has_not_begun(ws):
    rows = attack_copy(ws)
    assert outcomes(rows) == RESEARCH
    assert all(row.is_expected for row in rows)
    assert list_entries(ws) == []


def test_the_table_comes_out_the_same_on_a_real_history_which_is_left_as_it_is(ws, tmp_path):
    (tmp_path / "bundles").mkdir()
    prepare(open_office(ws), tmp_path / "bundles")
    rotate_key(ws)
    before = [entry.body for entry in list_entries(ws, limit=1000)]
    rows = attack_copy(ws)
    assert outcomes(rows) == RESEARCH, [row for row in rows if not row.is_expected]
    assert [entry.body for entry in list_entries(ws, limit=1000)] == before
    assert verify_ledger(ws).is_sound
    assert reconcile(ws).differences == ()


@pytest.fixture
def shared(tmp_path, postgres_url):
    """A workspace whose ledger is in PostgreSQL, in a folder that once had a ledger of its own in a file."""
    (tmp_path / "shared").mkdir()
    env = {"INCUMBENT_KEYS": str(tmp_path / "keys"), "INCUMBENT_ACTOR": "ada"}
    alone = open_workspace(read_settings(tmp_path / "shared", env))
    note(alone, "of the file")
    alone.store.close()
    shutil.rmtree(alone.folder / "keys")
    opened = open_workspace(read_settings(tmp_path / "shared", {**env, "INCUMBENT_URL": postgres_url}))
    yield opened
    opened.store.close()


def test_a_ledger_on_postgresql_is_attacked_in_a_copy_that_tells_the_same(shared, tmp_path):
    (tmp_path / "bundles").mkdir()
    office = open_office(shared)
    prepare(office, tmp_path / "bundles")
    erased = note(shared, "long", reason="asked to " * 100).draft.payloads["reason"]
    erase_text(office["ada"], commitment=erased, reason="asked to")
    note(shared, "kept", reason="because " * 100)
    rotate_key(shared)
    with shared.store.begin() as tx:
        tx.checkpoints.cosign(tx.ledger.size(), "— witness AAAAAAAA\n")
    before = [entry.body for entry in list_entries(shared, limit=1000)]
    rows = attack_copy(shared, keep=tmp_path / "kept")
    assert outcomes(rows) == RESEARCH, [row for row in rows if not row.is_expected]
    assert [entry.body for entry in list_entries(shared, limit=1000)] == before
    copied = open_workspace(read_settings(tmp_path / "kept" / "00-before", {"INCUMBENT_KEYS": str(tmp_path / "keys")}))
    size = len(before)
    with copied.store.begin(read_only=True) as there, shared.store.begin(read_only=True) as here:
        assert list(there.ledger.read(0, size)) == list(here.ledger.read())
        assert there.ledger_rows.read_nodes(0, size) == here.ledger_rows.read_nodes(0, size)
        assert [known for known in there.checkpoints.list_all() if known.size <= size] == here.checkpoints.list_all()
        assert [record for record in there.records.list_history() if record.seq < size] == here.records.list_history()
        assert there.payloads.list_all() == here.payloads.list_all()
        assert [found for found in there.registry.list_versions() if found.seq < size] == here.registry.list_versions()
        assert [placed for placed in there.registry.list_placements() if placed.seq < size] == here.registry.list_placements()
    copied.store.close()


def test_a_ledger_on_postgresql_that_has_not_begun_is_attacked_too(shared):
    assert outcomes(attack_copy(shared)) == RESEARCH


def test_a_ledger_on_postgresql_that_is_not_sound_is_as_unsound_in_the_copy(shared, postgres_url):
    import psycopg

    for at in range(3):
        note(shared, str(at))
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("ALTER TABLE ledger_entries DISABLE TRIGGER USER")
        admin.execute(
            "UPDATE ledger_entries SET body = convert_to(replace(convert_from(body, 'UTF8'), 'ada', 'eve'), 'UTF8') WHERE seq = 1"
        )
        admin.execute("ALTER TABLE ledger_entries ENABLE TRIGGER USER")
    with pytest.raises(Refused, match="not sound as it is"):
        attack_copy(shared)


def test_without_the_verifier_the_table_says_that_it_is_not_as_expected(ws, monkeypatch):
    looked = ledger_attack._look
    monkeypatch.setattr(ledger_attack, "_look", lambda copy, note: "" if note is None else looked(copy, note))
    rows = {row.name: row for row in attack_copy(ws)}
    assert not rows["edit an entry"].is_expected
    assert rows["fork, key stolen"].is_expected


def test_a_verifier_that_finds_fault_with_everything_is_as_wrong(ws, monkeypatch):
    looked = ledger_attack._look
    monkeypatch.setattr(ledger_attack, "_look", lambda copy, note: looked(copy, note) or ("" if ground(copy) else "something"))
    rows = {row.name: row for row in attack_copy(ws)}
    assert not rows["cut only what nobody elsewhere saw"].is_expected
    assert not rows["40 writers at once"].is_expected


def ground(copy):
    return copy.root.name == "00-before"


def test_the_copies_are_kept_where_asked_and_nothing_is_written_over(ws, tmp_path):
    attack_copy(ws, keep=tmp_path / "kept")
    kept = open_workspace(read_settings(tmp_path / "kept" / "01", {"INCUMBENT_KEYS": str(tmp_path / "keys")}))
    assert not verify_ledger(kept).is_sound
    kept.store.close()
    with pytest.raises(Conflict, match="is there already"):
        attack_copy(ws, keep=tmp_path / "kept")


def test_a_ledger_that_is_not_sound_is_not_attacked(ws):
    assert attack_copy(ws)
    note(ws, "x")
    ws.store.close()
    db = sqlite3.connect(ws.folder / "incumbent.db")
    db.execute("DROP TRIGGER ledger_entries_kept_update")
    db.commit()
    db.close()
    with pytest.raises(Refused, match="not sound as it is"):
        attack_copy(ws)
