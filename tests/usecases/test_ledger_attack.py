"""The attack table: what it says is caught is caught, what it says is silent is silent, and a weaker ledger would not pass it."""

import pytest

from incumbent.base.errors import Conflict, Refused
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases import ledger_attack
from incumbent.usecases.ledger_attack import attack_copy
from incumbent.usecases.ledger_log import list_entries
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.ledger_rotate import rotate_key
from incumbent.usecases.ledger_verify import verify_ledger
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
    opened = open_workspace(read_settings(tmp_path / "project", {"INCUMBENT_KEYS": str(tmp_path / "keys"), "INCUMBENT_ACTOR": "ann"}))
    yield opened
    opened.store.close()


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
    import sqlite3

    rotate = attack_copy(ws)
    assert rotate
    from incumbent.usecases.recording import governed, record_act

    with governed(ws) as tx:
        record_act(ws, tx, act="note", kind="note", object_id="x")
    ws.store.close()
    db = sqlite3.connect(ws.folder / "incumbent.db")
    db.execute("DROP TRIGGER ledger_entries_kept_update")
    db.commit()
    db.close()
    with pytest.raises(Refused, match="not sound as it is"):
        attack_copy(ws)
