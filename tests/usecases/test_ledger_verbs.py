"""Reading, verifying, proving, exporting, rotating, erasing and reconciling a ledger, by the front door, on a real store."""

import hashlib
import json
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing

import pytest

from incumbent.base.errors import Conflict, Corrupt, InvalidInput, NotFound, Refused
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.ledger.merkle import leaf_hash, node_hash
from incumbent.ledger.primitives import parse_note
from incumbent.ledger.verifier import verifier_source
from incumbent.usecases.ledger_erase import erase_text
from incumbent.usecases.ledger_export import export_ledger
from incumbent.usecases.ledger_log import full_note, get_checkpoint, get_entry, list_entries
from incumbent.usecases.ledger_prove import check_entry_proof, prove_continuation, prove_entry
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.ledger_rotate import rotate_key
from incumbent.usecases.ledger_verify import verify_file, verify_ledger
from incumbent.usecases.people import add_person
from incumbent.usecases.recording import governed, record_act
from ledgers import tampering
from office import as_actor, open_office, prepare


@pytest.fixture
def ws(tmp_path):
    (tmp_path / "project").mkdir()
    opened = open_workspace(read_settings(tmp_path / "project", {"INCUMBENT_KEYS": str(tmp_path / "keys"), "INCUMBENT_ACTOR": "ann"}))
    yield opened
    opened.store.close()


@pytest.fixture
def filled(ws, tmp_path):
    """A ledger with people, keys, a policy, a holdout and a version in a slot."""
    (tmp_path / "bundles").mkdir()
    prepare(open_office(ws), tmp_path / "bundles")
    return ws


def note(ws, name="x", **fields):
    with governed(ws) as tx:
        return record_act(ws, tx, act="note", kind="note", object_id=name, **fields)


def failed(verification):
    return {check.number for check in verification.checks if check.outcome == "failed"}


def root_of(bodies):
    """RFC 9162 §2.1.1, recursively."""
    if len(bodies) == 1:
        return leaf_hash(bodies[0])
    split = 1 << (len(bodies) - 1).bit_length() - 1
    return node_hash(root_of(bodies[:split]), root_of(bodies[split:]))


def test_a_ledger_is_listed_newest_first_by_object_and_by_act(ws):
    for name in ("one", "two", "one"):
        note(ws, name, reason=f"about {name}")
    assert [entry.seq for entry in list_entries(ws)] == [3, 2, 1, 0]
    assert [entry.seq for entry in list_entries(ws, object_name="note one")] == [3, 1]
    assert [entry.draft.act for entry in list_entries(ws, act="begin")] == ["begin"]
    assert [entry.seq for entry in list_entries(ws, limit=1)] == [3]
    for limit in (0, -1, 10**9):
        with pytest.raises(InvalidInput, match="expected 1 to"):
            list_entries(ws, limit=limit)


def test_an_empty_ledger_is_not_declared_sound(ws, tmp_path):
    for ask in (get_checkpoint, verify_ledger, rotate_key):
        with pytest.raises(NotFound, match="the ledger is empty"):
            ask(ws)
    with pytest.raises(NotFound, match="the ledger is empty"):
        export_ledger(ws, path=tmp_path / "l.zip")
    assert list(tmp_path.glob("*l.zip*")) == []
    assert reconcile(ws).differences == ()


def test_an_entry_is_shown_with_its_texts_and_after_erasing_without(ws):
    long = "because " * 100
    entry = note(ws, reason=long)
    assert get_entry(ws, entry.seq).texts == {"reason": long}
    erase_text(ws, commitment=entry.draft.payloads["reason"], reason="asked to")
    assert get_entry(ws, entry.seq).texts == {"reason": None}
    assert verify_ledger(ws).is_sound
    for seq in (-1, 99, 2**60):
        with pytest.raises(NotFound, match="no entry"):
            get_entry(ws, seq)


def test_what_a_person_signed_is_decoded(filled):
    signed = [entry for entry in list_entries(filled, limit=1000) if entry.draft.statement is not None]
    for entry in signed:
        shown = get_entry(filled, entry.seq)
        assert shown.statement["predicate"]["act"] == entry.draft.act
        assert shown.statement["predicate"]["signer"] == entry.draft.actor.actor_id


def test_a_sound_ledger_passes_every_check_and_says_what_was_not_shown(filled):
    found = verify_ledger(filled)
    assert found.is_sound
    assert {check.outcome for check in found.live} == {"passed"}
    assert any("no pin given: a tail cut together with its checkpoints" in text for text in found.unchecked)
    pinned = verify_ledger(filled, pins=[full_note(get_checkpoint(filled))])
    assert pinned.is_sound
    assert not any("no pin given" in text for text in pinned.unchecked)


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("UPDATE ledger_entries SET act = 'approve' WHERE seq = 2", 103),
        ("UPDATE ledger_entries SET object = 'note y' WHERE seq = 2", 103),
        ("UPDATE ledger_nodes SET hash = zeroblob(32) WHERE level = 0 AND idx = 2", 102),
        ("DELETE FROM ledger_nodes WHERE level = 1 AND idx = 0", 102),
        ("DELETE FROM ledger_entries WHERE seq = 2", 3),
        ("UPDATE ledger_entries SET body = X'78' WHERE seq = 2", 2),
        ("UPDATE ledger_entries SET body = X'00FF0A' WHERE seq = 2", 2),
        ("UPDATE ledger_checkpoints SET note = 'x' WHERE size = 3", 7),
        ("UPDATE ledger_checkpoints SET note = replace(note, char(10) || '3' || char(10), char(10) || '4' || char(10)) WHERE size = 3", 7),
        ("UPDATE ledger_checkpoints SET note = (SELECT note FROM ledger_checkpoints WHERE size = 4) WHERE size = 3", 7),
        ("INSERT INTO ledger_checkpoints SELECT 0, at, note FROM ledger_checkpoints WHERE size = 2", 7),
        ("INSERT INTO ledger_checkpoints SELECT -9, at, note FROM ledger_checkpoints WHERE size = 2", 7),
        ("INSERT INTO ledger_checkpoints SELECT 99, at, note FROM ledger_checkpoints WHERE size = 2", 7),
        ("INSERT INTO ledger_nodes VALUES (0, 99, zeroblob(32))", 102),
        ("INSERT INTO ledger_nodes VALUES (9, 0, zeroblob(32))", 102),
        ("UPDATE ledger_nodes SET hash = 'text' WHERE level = 0 AND idx = 3", 102),
        ("DELETE FROM ledger_checkpoints WHERE size > 3", 9),
        ("UPDATE ledger_payloads SET body = X'78'", 12),
        ("DELETE FROM ledger_payloads", 12),
        ("UPDATE records SET body = X'7B7D'", 104),
        ("INSERT INTO ledger_payloads VALUES ('sha256:' || lower(hex(zeroblob(32))), zeroblob(32), X'78')", 12),
    ],
)
def test_each_way_of_tampering_fails_the_check_that_is_about_it(ws, sql, number):
    for at in range(5):
        note(ws, str(at), reason="long " * 100)
    add_person(ws, person="ann", name="Ann Lee", roles=["admin"])
    assert verify_ledger(ws).is_sound
    with tampering(ws) as db:
        db.execute(sql)
    found = verify_ledger(ws)
    assert not found.is_sound
    assert number in failed(found)


def test_a_trigger_that_was_taken_away_is_missed(ws):
    note(ws)
    with closing(sqlite3.connect(ws.folder / "incumbent.db", isolation_level=None)) as db:
        db.execute("DROP TRIGGER ledger_entries_kept_update")
    found = verify_ledger(ws)
    assert failed(found) == {101}


def test_an_export_verifies_with_nothing_but_the_verifier_in_it_and_is_the_same_bytes_twice(filled, tmp_path):
    exported = export_ledger(filled, path=tmp_path / "one.zip")
    export_ledger(filled, path=tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert exported.bytes_written == (tmp_path / "one.zip").stat().st_size
    assert verify_file(path=str(tmp_path / "one.zip")).is_sound
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.read("verify.py").decode() == verifier_source()
        archive.extract("verify.py", tmp_path)
        lines = archive.read("entries.jsonl").splitlines()
    assert len(lines) == exported.size
    done = subprocess.run(
        [sys.executable, "-I", tmp_path / "verify.py", tmp_path / "one.zip", "--json"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, json.loads(done.stdout)["size"]) == (0, exported.size), done.stderr


def test_an_export_is_never_written_over_and_nothing_is_left_of_one_that_failed(ws, tmp_path):
    add_person(ws, person="ann", name="Ann Lee", roles=["admin"])
    (tmp_path / "there.zip").write_text("mine")
    with pytest.raises(Conflict, match="never written over"):
        export_ledger(ws, path=tmp_path / "there.zip")
    assert (tmp_path / "there.zip").read_text() == "mine"
    with tampering(ws) as db:
        db.execute("UPDATE records SET body = X'7B7D' WHERE kind = 'person'")
    with pytest.raises(Corrupt, match="nothing was exported"):
        export_ledger(ws, path=tmp_path / "new.zip")
    assert sorted(path.name for path in tmp_path.glob("*.zip*")) == ["there.zip"]


def test_a_proof_of_one_entry_is_checked_alone_and_fails_for_any_other(ws):
    for at in range(11):
        note(ws, str(at))
    note_of = parse_note(full_note(get_checkpoint(ws)))
    bodies = [entry.body for entry in reversed(list_entries(ws))]
    assert note_of.root == root_of(bodies)
    for seq in range(12):
        text = prove_entry(ws, seq=seq)
        found = check_entry_proof(ws, text=text)
        assert (found.seq, found.size, found.body.encode()) == (seq, 12, bodies[seq])
        with pytest.raises(Corrupt, match=f"are not entry {seq}"):
            check_entry_proof(ws, text=text, body=bodies[seq - 1])
    with pytest.raises(NotFound, match="no entry 12 to prove"):
        prove_entry(ws, seq=12)
    with pytest.raises(InvalidInput, match="no proof of an entry"):
        check_entry_proof(ws, text="hello")
    with pytest.raises(Corrupt, match="not signed with the key that is trusted"):
        check_entry_proof(ws, text=prove_entry(ws, seq=3), key="ed25519:" + "E" * 43 + "=")


def test_a_proof_from_before_a_rotation_still_stands(ws):
    note(ws)
    text = prove_entry(ws, seq=1)
    rotate_key(ws)
    assert check_entry_proof(ws, text=text).size == 2


def test_no_proof_is_given_out_that_would_not_hold(ws):
    for at in range(6):
        note(ws, str(at))
    with tampering(ws) as db:
        db.execute("UPDATE ledger_nodes SET hash = zeroblob(32) WHERE level = 1 AND idx = 1")
    with pytest.raises(Corrupt, match="does not lead from entry 0"):
        prove_entry(ws, seq=0)


def test_a_ledger_continues_its_own_past_and_no_other(ws, tmp_path):
    note(ws)
    early = full_note(get_checkpoint(ws))
    for at in range(9):
        note(ws, str(at))
    found = prove_continuation(ws, note=early)
    assert (found.size, found.later_size) == (2, 11)
    later = full_note(get_checkpoint(ws))
    assert prove_continuation(ws, note=later).hashes == ()
    (tmp_path / "other").mkdir()
    other = open_workspace(read_settings(tmp_path / "other", {"INCUMBENT_KEYS": str(tmp_path / "keys")}))
    note(other)
    with pytest.raises(Corrupt, match="is of ledger"):
        prove_continuation(other, note=early)
    other.store.close()
    fork = early.replace(early.splitlines()[2], "A" * 43 + "=")
    with pytest.raises(Corrupt, match="rewritten, or is another branch"):
        prove_continuation(ws, note=fork)
    ahead = early.replace("\n2\n", "\n99\n")
    with pytest.raises(Corrupt, match="99 entries, and this ledger has 11"):
        prove_continuation(ws, note=ahead)
    with pytest.raises(InvalidInput, match="no checkpoint"):
        prove_continuation(ws, note="hello")


def test_a_rotation_is_signed_by_both_keys_and_the_old_one_signs_no_more(ws):
    note(ws)
    rotation = rotate_key(ws, reason="yearly")
    lines = get_checkpoint(ws).note.partition("\n\n")[2].splitlines()
    assert (rotation.name, len(lines), rotation.entry.draft.before) == ("ledger-2", 2, rotation.before)
    note(ws)
    assert len(get_checkpoint(ws).note.partition("\n\n")[2].splitlines()) == 1
    assert rotate_key(ws).name == "ledger-3"
    assert verify_ledger(ws).is_sound


def test_only_who_may_rotates_and_erases_and_the_attempt_is_an_entry(ws):
    office = open_office(ws)
    entry = note(as_actor(ws, "ann"), reason="long " * 100)
    with pytest.raises(Refused, match="rotate-key is for the role admin"):
        rotate_key(office["vera"])
    with pytest.raises(Refused, match="erase is for the role admin"):
        erase_text(office["vera"], commitment=entry.draft.payloads["reason"], reason="asked")
    assert [(e.draft.after, e.draft.actor.actor_id) for e in list_entries(ws, act="refuse")] == [("erase", "vera"), ("rotate-key", "vera")]
    assert get_entry(ws, entry.seq).texts["reason"] is not None


@pytest.mark.parametrize("commitment", ["", "sha256:" + "0" * 64, "x" * 10_000, "'; DROP TABLE records; --"])
def test_what_is_not_kept_cannot_be_erased(ws, commitment):
    note(ws)
    with pytest.raises(NotFound, match="no text is kept"):
        erase_text(ws, commitment=commitment, reason="asked")
    with pytest.raises(InvalidInput, match="needs a reason"):
        erase_text(ws, commitment=commitment, reason=" ")
    assert len(list_entries(ws)) == 2


def test_the_ledger_explains_every_row_of_a_real_history(filled):
    found = reconcile(filled)
    assert found.differences == ()
    assert found.rows > 10


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("UPDATE placements SET is_current = 0", "is_current is 'false' in the database, 'true' in the ledger"),
        ("UPDATE placements SET actor = 'eve'", "actor is 'eve' in the database, 'ann' in the ledger"),
        ("UPDATE placements SET reason = 'eve'", "reason is 'eve' in the database"),
        ("UPDATE placements SET status = 'Production'", "status is 'Production' in the database, 'Staging' in the ledger"),
        ("UPDATE placements SET since_at = since_at - 1", "since is "),
        ("UPDATE placements SET slot = 'other/eu'", "and no entry explains it"),
        ("DELETE FROM placements", "is in the ledger, and not in the database"),
        ("UPDATE placements SET ledger_seq = NULL", "from before the ledger is in the database, and no entry explains it"),
        ("UPDATE model_versions SET manifest = 'blake3:00'", "manifest is 'blake3:00' in the database"),
        ("UPDATE model_versions SET run_id = 'run-x'", "run is 'run-x' in the database"),
        ("UPDATE model_versions SET created_at = 0", "created at is '1970-01-01"),
        ("UPDATE model_versions SET key = 'blake3:00'", "version double@1: recipe in the database not as in its manifest, entry"),
        ("UPDATE model_versions SET facts = '{}'", "version double@1: signature, facts in the database not as in its manifest, entry"),
        ("UPDATE model_versions SET facts = replace(facts, 'serve:load', 'serve:other')", "facts in the database not as in its manifest"),
        ("UPDATE records SET subject = 'eve' WHERE kind = 'tier'", "stands under subject 'eve', and its document is about 'double'"),
        ("DELETE FROM records WHERE kind = 'policy'", "document policy double, entry"),
        ("UPDATE records SET record_id = 'eve' WHERE kind = 'person' AND record_id = 'vera'", "person eve (entry"),
    ],
)  # fmt: skip
def test_every_change_of_a_governed_row_is_named(filled, sql, message):
    with tampering(filled) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute(sql)
    differences = reconcile(filled).differences
    assert any(message in difference for difference in differences), differences


def test_a_document_whose_bytes_are_damaged_is_named_once(filled):
    with tampering(filled) as db:
        db.execute("UPDATE records SET body = X'7B7D' WHERE kind = 'policy'")
    differences = reconcile(filled).differences
    assert len(differences) == 1
    assert "policy double" in differences[0]
    assert "not what was recorded" in differences[0]


def test_the_root_of_the_checkpoint_can_be_computed_with_sha256_alone(ws):
    note(ws)
    first, second = (entry.body for entry in reversed(list_entries(ws)))
    leaves = [hashlib.sha256(b"\0" + body).digest() for body in (first, second)]
    assert parse_note(get_checkpoint(ws).note).root == hashlib.sha256(b"\1" + b"".join(leaves)).digest()
