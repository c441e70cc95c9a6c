"""`ledger verify` on a stored ledger: pages, which signatures are verified, and what is said of those that are not."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.ledger.entry import Actor, Draft, ObjectRef, encode_entry
from incumbent.usecases.ledger_rotate import rotate_key
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.ledger_walk import _says
from incumbent.usecases.recording import governed, record_act
from ledgers import AT, tampering


@pytest.fixture
def ws(tmp_path):
    (tmp_path / "project").mkdir()
    opened = open_workspace(read_settings(tmp_path / "project", {"INCUMBENT_KEYS": str(tmp_path / "keys"), "INCUMBENT_ACTOR": "ann"}))
    yield opened
    opened.store.close()


def note(ws, name="x"):
    with governed(ws) as tx:
        record_act(ws, tx, act="note", kind="note", object_id=name)


def failed(verification):
    return {check.number for check in verification.checks if check.outcome == "failed"}


def forge_signature(ws, size):
    """Let a checkpoint be signed with nothing: 64 zero bytes behind the right key's hash."""
    with tampering(ws) as db:
        [(note,)] = db.execute("SELECT note FROM ledger_checkpoints WHERE size = ?", (size,))
        head, _, line = note.rpartition(" ")
        forged = base64.b64encode(base64.b64decode(line)[:4] + bytes(64)).decode()
        db.execute("UPDATE ledger_checkpoints SET note = ? WHERE size = ?", (f"{head} {forged}\n", size))


def test_an_older_checkpoints_signature_is_verified_when_asked_and_is_else_said_not_to_be(ws):
    for at in range(6):
        note(ws, str(at))
    forge_signature(ws, 4)
    found = verify_ledger(ws)
    assert found.is_sound
    signed = next(check for check in found.checks if check.number == 8)
    assert signed.claim.startswith("the newest checkpoint, and each that is cosigned or of a rotation, is signed by")
    assert signed.detail.startswith("1 of 6; --all-checkpoints")
    assert any("the signatures of 5 older checkpoints were not verified" in text for text in found.unchecked)
    asked = verify_ledger(ws, every_signature=True)
    assert failed(asked) == {8}
    assert not any("older checkpoints" in text for text in asked.unchecked)


@pytest.mark.parametrize("size", [3, 5, 8])
def test_the_signatures_of_the_newest_checkpoint_of_a_rotation_and_of_a_cosigned_one_are_always_verified(ws, size):
    note(ws)
    note(ws)
    with ws.store.begin() as tx:
        tx.checkpoints.cosign(3, "— witness AAAAAAAA\n")
    note(ws)
    assert rotate_key(ws).entry.seq == 4
    for _ in range(3):
        note(ws)
    assert verify_ledger(ws).is_sound
    forge_signature(ws, size)
    assert failed(verify_ledger(ws)) == {8}


def test_a_walk_over_page_borders_finds_what_one_over_a_single_page_finds(ws, monkeypatch):
    for at in range(9):
        note(ws, str(at))
    monkeypatch.setattr("incumbent.storage.sql_ledger._READ_ROWS", 3)
    assert verify_ledger(ws).is_sound
    with tampering(ws) as db:
        db.execute("UPDATE ledger_nodes SET hash = zeroblob(32) WHERE level = 2 AND idx = 1")  # over entries 4 to 7: two pages
    [check] = [check for check in verify_ledger(ws).checks if check.outcome == "failed"]
    assert (check.number, check.detail) == (102, "node 2/1 is another than that of the entries below it")


def test_what_was_not_read_for_all_that_is_wrong_is_not_called_sound(ws, monkeypatch):
    for at in range(9):
        note(ws, str(at))
    monkeypatch.setattr("incumbent.ledger.report.PROBLEMS_MAX", 4)
    with tampering(ws) as db:
        db.execute("UPDATE ledger_entries SET act = 'other'")
    found = {check.number: check for check in verify_ledger(ws).live}
    assert found[103].outcome == "failed"
    assert (found[102].outcome, found[102].detail) == ("skipped", "so much else is wrong that not all was read")


WORDS = st.from_regex(r"[a-z][a-z0-9_.-]{0,6}", fullmatch=True)
HOSTILE = st.text(max_size=8) | st.sampled_from(
    ['","kind":"note"},"payloads":{', ',"object":{"digest":null', "\\", 'x","id":"y', "a b", "\x00\n"]
)


@given(act=WORDS, kind=WORDS, name=HOSTILE, other=HOSTILE, text=HOSTILE)
@settings(max_examples=300, deadline=None)
def test_an_entry_says_its_own_act_and_object_and_no_other(act, kind, name, other, text):
    digest = "sha256:" + "0" * 64
    draft = Draft(act, ObjectRef(kind, name, digest), Actor(text, auth=text), before=text, after=text, reason=text, refs={"r": text})
    body = encode_entry(draft, log="l", tenant="t", seq=0, at=AT).body
    assert _says(body, act, f"{kind} {name}")
    assert not _says(body, act + "x", f"{kind} {name}")
    assert not _says(body, act, f"{kind}x {name}")
    assert _says(body, act, f"{kind} {other}") == (other == name)
