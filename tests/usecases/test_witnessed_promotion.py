"""A tier that asks for a witness: no version of it goes live until somebody who is no author has cosigned, here or on an export."""

import base64

import pytest

from incumbent.base.errors import Corrupt, InvalidInput, NotFound, Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.governance.tier import DEFAULT_TIERS
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.ledger_export import export_ledger
from incumbent.usecases.ledger_log import get_checkpoint, list_entries
from incumbent.usecases.ledger_witness import import_cosignatures, witness_export, witness_ledger
from incumbent.usecases.live import get_live
from incumbent.usecases.people import change_person
from incumbent.usecases.promote import promote
from incumbent.usecases.recording import governed, record_act
from incumbent.usecases.tiers import set_tiers
from incumbent.usecases.witnesses import add_witness, revoke_witness
from office import MODEL, SLOT, as_actor, open_office, prepare, sign_all

WHO = {"model": MODEL, "slot": SLOT, "version": 1}
WITNESSED = DEFAULT_TIERS.replace("witnesses = 0", "witnesses = 1")
REFUSED = "1 witness"


@pytest.fixture
def ws(tmp_path):
    (tmp_path / "project").mkdir()
    opened = open_workspace(read_settings(tmp_path / "project", {"INCUMBENT_KEYS": str(tmp_path / "keys")}))
    yield opened
    opened.store.close()


@pytest.fixture
def elsewhere(tmp_path):
    """Another machine: other keys, another workspace, no access to the database."""
    (tmp_path / "elsewhere").mkdir()
    opened = open_workspace(read_settings(tmp_path / "elsewhere", {"INCUMBENT_KEYS": str(tmp_path / "elsewhere" / "keys")}))
    yield opened
    opened.store.close()


@pytest.fixture
def office(ws, tmp_path):
    """An office whose first version has its evidence and all its sign-offs, and lacks a witness."""
    opened = open_office(ws)
    set_tiers(opened["omar"], text=WITNESSED)
    (tmp_path / "bundles").mkdir()
    prepare(opened, tmp_path / "bundles")
    host = open_model_host(ws)
    assert evaluate(opened["rita"], host, **WHO).verdict.outcome == "passed"
    host.close()
    sign_all(opened, 1)
    return opened


def go(office):
    return promote(office["olga"], **WHO, reason="better")


def test_a_promotion_waits_for_a_cosignature_of_a_registered_witness_who_is_no_author(ws, office, tmp_path):
    with pytest.raises(Refused, match=REFUSED):
        go(office)
    change_person(office["ada"], person="ann", roles=["developer", "approver", "auditor"])
    own = witness_ledger(office["ann"], memory=tmp_path / "ann.note", name="witness-ann")
    with pytest.raises(Refused, match=REFUSED):
        go(office)
    add_witness(office["ada"], vkey=own.vkey, owner="ann")
    with pytest.raises(Refused, match=REFUSED):
        go(office)  # she registered the version
    seen = witness_ledger(office["ben"], memory=tmp_path / "ben.note")
    with pytest.raises(Refused, match=REFUSED):
        go(office)
    add_witness(office["ada"], vkey=seen.vkey, owner="ben")
    go(office)
    assert get_live(ws, slot=SLOT).live.version == 1


def test_what_was_cosigned_on_an_export_comes_back_and_counts(ws, office, elsewhere, tmp_path):
    export_ledger(office["ben"], path=tmp_path / "ledger.zip")
    seen = witness_export(elsewhere, path=tmp_path / "ledger.zip", memory=tmp_path / "seen.note", name="witness-b")
    with pytest.raises(Refused, match="the note has lines of witness-b, and none is proven to be of a witness that is registered"):
        import_cosignatures(office["ben"], path=tmp_path / "seen.note")
    assert list_entries(ws, limit=1)[0].draft.act == "refuse"
    witness = add_witness(office["ada"], vkey=seen.vkey, owner="ben")
    with pytest.raises(Refused, match=REFUSED):
        go(office)
    with pytest.raises(Refused, match="witness is for the role"):
        import_cosignatures(office["otto"], path=tmp_path / "seen.note")
    for _ in range(2):  # again is no error, and no second witness
        imported = import_cosignatures(office["ben"], path=tmp_path / "seen.note")
        assert (imported.size, imported.witnesses) == (seen.size, (witness.key_id,))
    with ws.store.begin(read_only=True) as tx:
        assert tx.checkpoints.find(seen.size).cosignatures == (seen.note.splitlines(keepends=True)[-1],)
    go(office)
    assert get_live(ws, slot=SLOT).live.version == 1


def other_signature(note):
    """Return the note with other bytes in the last line's signature, its name and key hash as they were."""
    head, _, last = note[:-1].rpartition("\n")
    name, encoded = last.rsplit(" ", 1)
    blob = bytearray(base64.b64decode(encoded))
    blob[-1] ^= 1
    return f"{head}\n{name} {base64.b64encode(bytes(blob)).decode()}\n"


def other_root(note):
    lines = note.split("\n")
    return "\n".join([*lines[:2], base64.b64encode(bytes(32)).decode(), *lines[3:]])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (other_signature, Refused, "lines of witness, and none is proven"),
        (other_root, Corrupt, "this ledger's first .* are others"),
        (lambda note: note.replace("\n", "\n9", 1), Corrupt, "its end is gone, or a backup was restored"),
        (lambda note: "another-" + note, InvalidInput, "the note is of ledger another-"),
        (lambda note: note.rpartition("— ")[0], Refused, "lines of nobody, and none is proven"),
        (lambda note: note.encode("utf-16"), InvalidInput, "is no note that a witness cosigned"),
        (lambda _: "", InvalidInput, "is no note that a witness cosigned"),
        (lambda _: None, NotFound, "cannot be read"),
    ],
    ids=["signature", "root", "size", "origin", "no cosignature", "encoding", "empty", "no file"],
)
def test_a_note_that_proves_nothing_of_the_kind_is_not_kept(ws, elsewhere, tmp_path, change, error, message):
    with governed(ws) as tx:
        record_act(ws, tx, act="note", kind="note", object_id="x")
    export_ledger(ws, path=tmp_path / "ledger.zip")
    seen = witness_export(elsewhere, path=tmp_path / "ledger.zip", memory=tmp_path / "seen.note")
    open_office(ws)
    add_witness(as_actor(ws, "ada"), vkey=seen.vkey, owner="ben")
    changed = change(seen.note)
    path = tmp_path / "changed.note"
    if changed is not None:
        path.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    with pytest.raises(error, match=message):
        import_cosignatures(as_actor(ws, "ben"), path=path)
    with ws.store.begin(read_only=True) as tx:
        assert all(known.cosignatures == () for known in tx.checkpoints.list_all())


def test_a_wrong_line_beside_a_right_one_is_left_out_and_a_revoked_witness_brings_nothing(ws, elsewhere, tmp_path):
    office = open_office(ws)
    export_ledger(ws, path=tmp_path / "ledger.zip")
    seen = witness_export(elsewhere, path=tmp_path / "ledger.zip", memory=tmp_path / "seen.note")
    add_witness(office["ada"], vkey=seen.vkey, owner="ben")
    right = seen.note.splitlines(keepends=True)[-1]
    wrong = other_signature(seen.note).splitlines(keepends=True)[-1]
    (tmp_path / "both.note").write_text(seen.note.removesuffix(right) + wrong + right)
    assert len(import_cosignatures(office["ben"], path=tmp_path / "both.note").witnesses) == 1
    assert get_checkpoint(ws, seen.size).cosignatures == (right,)
    revoke_witness(office["ada"], witness="witness", reason="sold")
    with pytest.raises(Refused, match="registered here and not revoked"):
        import_cosignatures(office["ben"], path=tmp_path / "seen.note")
