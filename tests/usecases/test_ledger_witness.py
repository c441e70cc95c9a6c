"""A witness in a second place: it cosigns what continues its memory, and nothing else, whoever holds the ledger's key."""

import shutil
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from incumbent.base.errors import Corrupt, InvalidInput, NotFound, Refused
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.ledger.primitives import parse_note, parse_vkey, verify_cosignature
from incumbent.usecases.ledger_attacks import Scene, fork, without_triggers
from incumbent.usecases.ledger_export import export_ledger
from incumbent.usecases.ledger_log import full_note, get_checkpoint
from incumbent.usecases.ledger_rotate import rotate_key
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.ledger_witness import witness_export, witness_ledger
from incumbent.usecases.recording import governed, record_act
from office import open_office


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "project").mkdir()
    return read_settings(tmp_path / "project", {"INCUMBENT_KEYS": str(tmp_path / "keys"), "INCUMBENT_ACTOR": "ann"})


@pytest.fixture
def ws(settings):
    opened = open_workspace(settings)
    for name in ("one", "two"):
        note(opened, name)
    yield opened
    opened.store.close()


@pytest.fixture
def elsewhere(tmp_path):
    """Another machine: other keys, another workspace, no access to the database."""
    (tmp_path / "elsewhere").mkdir()
    opened = open_workspace(read_settings(tmp_path / "elsewhere", {"INCUMBENT_KEYS": str(tmp_path / "elsewhere" / "keys")}))
    yield opened
    opened.store.close()


def note(ws, name="x"):
    with governed(ws) as tx:
        return record_act(ws, tx, act="note", kind="note", object_id=name)


def attack(ws, do, cut):
    with ws.store.begin(read_only=True) as tx:
        size = tx.ledger.size()
    ws.store.close()
    with without_triggers(str(ws.folder / "incumbent.db")) as db:
        do(Scene(db, ws.keys, 1, cut, cut, size))


def test_what_was_seen_is_cosigned_and_stands_beside_the_checkpoint(ws, tmp_path):
    seen = witness_ledger(ws, memory=tmp_path / "seen.note")
    name, public = parse_vkey(seen.vkey)
    assert (seen.size, seen.before, name) == (3, None, "witness")
    assert verify_cosignature(parse_note(full_note(get_checkpoint(ws))), name, public) is not None
    assert verify_ledger(ws, witnesses=[seen.vkey]).is_sound
    note(ws)
    again = witness_ledger(ws, memory=tmp_path / "seen.note")
    assert (again.size, again.before, again.vkey) == (4, 3, seen.vkey)
    assert (tmp_path / "seen.note").read_text() == again.note
    same = witness_ledger(ws, memory=tmp_path / "seen.note")
    assert (same.note, len(get_checkpoint(ws).cosignatures)) == (again.note, 1)


def test_a_witness_needs_only_an_export(ws, elsewhere, tmp_path):
    export_ledger(ws, path=tmp_path / "one.zip")
    first = witness_export(elsewhere, path=tmp_path / "one.zip", memory=tmp_path / "seen.note", name="witness-b")
    note(ws)
    rotate_key(ws)
    export_ledger(ws, path=tmp_path / "two.zip")
    second = witness_export(elsewhere, path=tmp_path / "two.zip", memory=tmp_path / "seen.note", name="witness-b")
    assert (first.size, second.before, second.size) == (3, 3, 5)
    assert verify_ledger(ws, pins=[second.note], witnesses=[second.vkey]).is_sound
    assert not verify_ledger(ws, witnesses=[second.vkey]).is_sound, "the database does not have what was cosigned elsewhere"


@pytest.mark.parametrize("kind", ["fork", "rollback"])
def test_what_does_not_continue_its_memory_is_not_cosigned_though_the_ledgers_key_signed_it(ws, settings, tmp_path, kind):
    shutil.copyfile(ws.folder / "incumbent.db", tmp_path / "early.db")
    for name in ("three", "four"):
        note(ws, name)
    memory = tmp_path / "seen.note"
    witness_ledger(ws, memory=memory)
    before = memory.read_bytes()
    if kind == "fork":
        attack(ws, fork, 3)
    else:
        ws.store.close()
        with without_triggers(str(ws.folder / "incumbent.db")) as db:
            for table, column in (("ledger_cosignatures", "size"), ("ledger_checkpoints", "size"), ("ledger_entries", "seq + 1")):
                db.execute(f"DELETE FROM {table} WHERE {column} > 3")
            db.execute("DELETE FROM ledger_nodes WHERE (idx + 1) << level > 3")
    again = open_workspace(settings)
    assert verify_ledger(again).is_sound, "by itself it agrees with itself"
    note(again)
    with pytest.raises(Corrupt, match="does not cosign this ledger: checkpoints noted elsewhere are of this ledger's past"):
        witness_ledger(again, memory=memory)
    assert memory.read_bytes() == before
    assert get_checkpoint(again).cosignatures == ()
    again.store.close()


def test_another_ledger_is_not_cosigned_with_this_memory(ws, elsewhere, tmp_path):
    witness_ledger(ws, memory=tmp_path / "seen.note")
    other = replace(elsewhere, keys=ws.keys)
    with governed(elsewhere) as tx:
        record_act(elsewhere, tx, act="note", kind="note", object_id="x")
    with pytest.raises(Corrupt, match="of another ledger"):
        witness_ledger(other, memory=tmp_path / "seen.note")


@pytest.mark.parametrize("text", ["", "hello", "x\n1\n" + "A" * 43 + "=\n\n— x AAAAAAAA\n", "\x00" * 99])
def test_a_memory_that_is_none_is_not_forgotten_but_told(ws, tmp_path, text):
    (tmp_path / "seen.note").write_text(text)
    with pytest.raises(Corrupt, match="seen.note"):
        witness_ledger(ws, memory=tmp_path / "seen.note")
    assert get_checkpoint(ws).cosignatures == ()


def test_a_memory_that_somebody_else_cosigned_is_not_believed(ws, tmp_path):
    witness_ledger(ws, memory=tmp_path / "seen.note", name="witness-a")
    with pytest.raises(Corrupt, match="was not cosigned with this machine's key 'witness-b'"):
        witness_ledger(ws, memory=tmp_path / "seen.note", name="witness-b")


def test_a_ledger_from_the_future_is_not_cosigned(ws, tmp_path):
    class Slow:
        def now(self):
            return ws.clock.now() - timedelta(hours=1)

    with pytest.raises(Corrupt, match="the witness's clock says"):
        witness_ledger(replace(ws, clock=Slow()), memory=tmp_path / "seen.note")
    assert not (tmp_path / "seen.note").exists()


def test_the_ledgers_own_key_is_no_witness_and_neither_is_somebody_without_the_right(ws, elsewhere, tmp_path):
    with pytest.raises(InvalidInput, match="is named witness or witness-"):
        witness_ledger(ws, memory=tmp_path / "seen.note", name="ledger")
    with pytest.raises(NotFound, match="cannot be read"):
        witness_export(ws, path=tmp_path / "none.zip", memory=tmp_path / "seen.note")
    (tmp_path / "no.zip").write_text("no archive")
    with pytest.raises(Corrupt, match="Nothing was signed"):
        witness_export(ws, path=tmp_path / "no.zip", memory=tmp_path / "seen.note")
    with pytest.raises(NotFound, match="the ledger is empty"):
        witness_ledger(elsewhere, memory=tmp_path / "seen.note")
    office = open_office(ws)
    with pytest.raises(Refused, match="witness is for the role auditor"):
        witness_ledger(office["vera"], memory=tmp_path / "seen.note")
    assert witness_ledger(office["ben"], memory=tmp_path / "seen.note").before is None


@given(st.data())
@examples(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_export_is_not_cosigned_and_the_memory_stays_as_it_was(ws, elsewhere, tmp_path, data):
    whole, damaged, memory = tmp_path / "whole.zip", tmp_path / "damaged.zip", tmp_path / "seen.note"
    if not whole.exists():
        export_ledger(ws, path=whole)
        witness_export(elsewhere, path=whole, memory=memory)
    content = bytearray(whole.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans(), label="is cut"):
        del content[place:]
    else:
        content[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(min_size=1, max_size=4))
    damaged.write_bytes(content)
    before = memory.read_bytes()
    with suppress(Corrupt):
        seen = witness_export(elsewhere, path=damaged, memory=memory)
        assert parse_note(seen.note).body == parse_note(before).body, "a change of what an archive says nothing by"
    assert memory.read_bytes() == before


@given(st.binary(max_size=300), st.integers(0, 200))
@examples(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_a_memory_is_believed_only_if_this_witness_signed_it(ws, tmp_path, junk, keep):
    memory = tmp_path / "seen.note"
    if not memory.exists():
        witness_ledger(ws, memory=memory)
    whole = memory.read_bytes()
    memory.write_bytes(whole[:keep] + junk)
    with pytest.raises(Corrupt):
        witness_ledger(ws, memory=memory)
    memory.write_bytes(whole)
