"""Whose cosignature counts: a registered key's, proven, once for whoever answers for it, and nobody's for their own work."""

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from incumbent.base.errors import Conflict, InvalidInput, NotFound, Refused
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.governance.independence import Authorship
from incumbent.ledger.note import cosignature_line, cosigned_bytes, key_hash
from incumbent.usecases.ledger_log import get_checkpoint
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.ledger_rotate import rotate_key
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.ledger_witness import witness_ledger
from incumbent.usecases.people import add_person, change_person
from incumbent.usecases.recording import governed, record_act
from incumbent.usecases.witnesses import add_witness, count_cosignatures, list_witnesses, revoke_witness
from office import as_actor

ANN = [Authorship("ann@example.com", "commit", "abc")]
HELD = {"ada": "admin", "ann": "developer", "ben": "auditor", "bea": "auditor", "eve": "admin"}


@pytest.fixture
def ws(tmp_path):
    (tmp_path / "project").mkdir()
    opened = open_workspace(read_settings(tmp_path / "project", {"INCUMBENT_KEYS": str(tmp_path / "keys"), "INCUMBENT_ACTOR": "ada"}))
    for name, role in HELD.items():
        add_person(opened, person=name, name="", roles=[role], aliases=[f"{name}@example.com"])
    yield opened
    opened.store.close()


class Key:
    """A witness's key outside of every workspace; what it signs is put together here, by the C2SP specifications."""

    def __init__(self, name="witness", seed=1):
        self.name = name
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public = self._private.public_key().public_bytes_raw()
        self.vkey = f"{name}+{key_hash(name, self.public, is_cosigner=True).hex()}+{base64.b64encode(bytes([4]) + self.public).decode()}"

    def line(self, body, at_s=1_800_000_000):
        return cosignature_line(self.name, self.public, at_s, self._private.sign(cosigned_bytes(body, at_s)))


def body_of(checkpoint):
    return (checkpoint.note.rpartition("\n\n")[0] + "\n").encode()


def cosign(ws, *lines_of):
    """Put lines beside the newest checkpoint, as whoever may write the database can."""
    newest = get_checkpoint(ws)
    with ws.store.begin() as tx:
        for line_of in lines_of:
            tx.checkpoints.cosign(newest.size, line_of if isinstance(line_of, str) else line_of.line(body_of(newest)))
    return newest.size - 1


def count(ws, seq, authorships=ANN):
    with ws.store.begin(read_only=True) as tx:
        return count_cosignatures(tx, seq, authorships)


def test_names_that_nobody_registered_count_for_nothing_however_many(ws):
    seq = cosign(ws, *(f"— witness-{n} {base64.b64encode(bytes(76)).decode()}\n" for n in range(3)), Key(), Key("witness-b", 2))
    assert count(ws, seq) == 0
    add_witness(ws, vkey=Key().vkey, owner="ben")
    assert count(ws, seq) == 1, "what it had signed before counts, too: the entry was there"


def test_a_line_in_the_name_and_hash_of_a_registered_key_counts_only_if_the_key_signed_this_checkpoint(ws):
    key = Key()
    add_witness(ws, vkey=key.vkey, owner="ben")
    hashed = key_hash(key.name, key.public, is_cosigner=True)
    forged = f"— {key.name} {base64.b64encode(hashed + (1_800_000_000).to_bytes(8, 'big') + bytes(64)).decode()}\n"
    elsewhere = key.line(b"another.example/log\n7\n" + base64.b64encode(bytes(32)) + b"\n")
    seq = cosign(ws, forged, elsewhere, "junk", "— witness \n", "")
    assert count(ws, seq) == 0
    cosign(ws, key)
    assert count(ws, seq) == 1, "what somebody wrote beside it takes a right line not away"


def test_a_checkpoint_from_before_the_entry_says_nothing_of_it_and_one_from_after_does(ws):
    add_witness(ws, vkey=Key().vkey, owner="ben")
    add_witness(ws, vkey=Key("witness-b", 2).vkey, owner="bea")
    seq = cosign(ws, Key())
    later = note(ws)
    assert (count(ws, seq), count(ws, later)) == (1, 0)
    cosign(ws, Key("witness-b", 2))
    assert (count(ws, seq), count(ws, later)) == (2, 1)


def note(ws):
    with governed(ws) as tx:
        return record_act(ws, tx, act="open-finding", kind="note", object_id="x").seq


def test_two_keys_of_one_owner_are_one_witness_through_a_service_too(ws):
    add_person(ws, person="cron", name="", roles=["service"], kind="service", owner="ben")
    for seed, owner in ((1, "ben"), (2, "ben@example.com"), (3, "cron"), (4, "bea")):
        add_witness(ws, vkey=Key(f"witness-{seed}", seed).vkey, owner=owner)
    seq = cosign(ws, *(Key(f"witness-{seed}", seed) for seed in (1, 2, 3)))
    assert count(ws, seq) == 1
    cosign(ws, Key("witness-4", 4))
    assert count(ws, seq) == 2


@pytest.mark.parametrize("author", ["ann", "ann@example.com", "ANN@EXAMPLE.COM", "bot"])
def test_an_authors_own_witness_counts_for_others_work_only(ws, author):
    add_person(ws, person="bot", name="", roles=["service"], kind="service", owner="ann")
    add_witness(ws, vkey=Key().vkey, owner="bot")
    seq = cosign(ws, Key())
    assert count(ws, seq, [Authorship(author, "run", "r")]) == 0
    assert count(ws, seq, [Authorship("bea", "run", "r")]) == 1


def test_a_witness_that_an_author_registered_counts_for_others_work_only(ws):
    add_witness(as_actor(ws, "eve"), vkey=Key().vkey, owner="ben")
    seq = cosign(ws, Key())
    assert (count(ws, seq, [Authorship("eve@example.com", "commit", "c")]), count(ws, seq)) == (0, 1)


def test_a_witness_that_stands_here_on_an_authors_word_over_any_number_of_steps_counts_for_others_work_only(ws):
    """The registration rests on the author, or the person who answers for it does."""
    add_person(as_actor(ws, "eve"), person="yan", name="", roles=["admin"])
    add_person(as_actor(ws, "yan"), person="yola", name="", roles=["admin"])
    add_person(as_actor(ws, "yola"), person="zoe", name="", roles=["auditor"])
    add_witness(as_actor(ws, "yola"), vkey=Key("one", 1).vkey, owner="ben")
    add_witness(ws, vkey=Key("two", 2).vkey, owner="zoe")
    seq = cosign(ws, Key("one", 1), Key("two", 2))
    assert (count(ws, seq, [Authorship("eve", "commit", "c")]), count(ws, seq)) == (0, 2)
    assert count(ws, seq, [Authorship("yan", "commit", "c")]) == 0
    of_ada = [Authorship("ada", "commit", "c")]
    assert count(ws, seq, of_ada) == 0, "whoever began bars where they gave their word themselves: for ben, and for the key of zoe's"
    add_witness(as_actor(ws, "eve"), vkey=Key("three", 3).vkey, owner="zoe")
    cosign(ws, Key("three", 3))
    assert count(ws, seq, of_ada) == 1, "and at the end of a chain they do not"


def test_a_revoked_witness_counts_for_nothing_and_does_not_come_back(ws):
    witness = add_witness(ws, vkey=Key().vkey, owner="ben")
    seq = cosign(ws, Key())
    assert count(ws, seq) == 1
    revoked = revoke_witness(ws, witness="witness", reason="sold")
    assert (count(ws, seq), revoked.key_id) == (0, witness.key_id)
    assert list_witnesses(ws) == [revoked]
    with pytest.raises(Refused, match="is revoked already"):
        revoke_witness(ws, witness=witness.key_id, reason="sold")
    with pytest.raises(Conflict, match="was revoked, and comes not back"):
        add_witness(ws, vkey=Key().vkey, owner="bea")
    with pytest.raises(Conflict, match="was revoked"):
        add_witness(ws, vkey=Key("witness-other").vkey, owner="bea")
    assert verify_ledger(ws).is_sound
    assert reconcile(ws).differences == ()


def test_a_witness_whose_owner_left_counts_for_nothing(ws):
    add_witness(ws, vkey=Key().vkey, owner="ben")
    seq = cosign(ws, Key())
    change_person(ws, person="ben", is_active=False)
    assert count(ws, seq) == 0


def test_who_may_register_which_key(ws):
    with pytest.raises(Refused, match="add-witness is for the role admin"):
        add_witness(as_actor(ws, "ann"), vkey=Key().vkey, owner="ann")
    with pytest.raises(NotFound, match="no person 'zoe'"):
        add_witness(ws, vkey=Key().vkey, owner="zoe")
    add_witness(ws, vkey=Key().vkey, owner="ben")
    with pytest.raises(Conflict, match="is registered already"):
        add_witness(ws, vkey=Key("witness-again").vkey, owner="bea")
    with pytest.raises(Refused, match="revoke-witness is for the role admin"):
        revoke_witness(as_actor(ws, "ben"), witness="witness", reason="mine")
    assert count(ws, cosign(ws, Key())) == 1


def test_a_key_that_signs_the_ledger_or_signed_it_is_no_witness(ws):
    before = ws.keys.find("ledger")
    rotate_key(ws)
    for public in (before, ws.keys.find("ledger-2")):
        vkey = f"w+{key_hash('w', public, is_cosigner=True).hex()}+{base64.b64encode(bytes([4]) + public).decode()}"
        with pytest.raises(InvalidInput, match="signs, or signed, this ledger itself"):
            add_witness(ws, vkey=vkey, owner="ben")
    assert list_witnesses(ws) == []


@pytest.mark.parametrize("vkey", ["", "witness", "w+00000000+AAAA", Key().vkey.replace("witness", "other"), Key().vkey[:-1], "a b+1+="])
def test_what_is_no_verifier_key_is_refused(ws, vkey):
    with pytest.raises(InvalidInput, match="incumbent ledger witness"):
        add_witness(ws, vkey=vkey, owner="ben")


@given(st.text(max_size=60))
@examples(max_examples=60, deadline=None)
def test_any_text_at_all_as_a_verifier_key_is_refused_and_nothing_else(text):
    with pytest.raises(InvalidInput):
        add_witness(None, vkey=text, owner="ben")  # type: ignore[arg-type]  # before the workspace is asked


def test_a_short_or_unknown_name_revokes_nobody_and_of_two_keys_of_one_name_the_good_one_is_meant(ws):
    first = add_witness(ws, vkey=Key().vkey, owner="ben")
    second = add_witness(ws, vkey=Key(seed=2).vkey, owner="bea")
    for name in ("", "ed25519:", first.key_id[:12], "nobody", "witness"):
        with pytest.raises(NotFound, match=r"go by .*; there are: witness \(ed25519:"):
            revoke_witness(ws, witness=name, reason="x")
    assert revoke_witness(ws, witness=first.key_id[8:14], reason="x").key_id == first.key_id
    assert revoke_witness(ws, witness="witness", reason="x").key_id == second.key_id


def test_a_witness_is_told_that_its_cosignature_is_kept_and_whether_it_counts(ws, tmp_path):
    ben = as_actor(ws, "ben")
    seen = witness_ledger(ben, memory=tmp_path / "seen.note")
    assert (seen.bar, len(get_checkpoint(ws).cosignatures)) == ("its key is not registered here", 1)
    assert count(ws, seen.size - 1) == 0
    witness = add_witness(ws, vkey=seen.vkey, owner="ben")
    assert count(ws, seen.size - 1) == 1
    assert witness_ledger(ben, memory=tmp_path / "seen.note").bar == ""
    revoke_witness(ws, witness=witness.key_id, reason="sold")
    assert witness_ledger(ben, memory=tmp_path / "seen.note").bar == f"its key {witness.key_id} was revoked"


def test_an_installation_that_knows_nobody_has_no_witness(tmp_path):
    opened = open_workspace(read_settings(tmp_path, {"INCUMBENT_KEYS": str(tmp_path / "keys"), "INCUMBENT_ACTOR": "ann"}))
    with pytest.raises(NotFound, match="there are: nobody yet"):
        add_witness(replace(opened, actor="ann"), vkey=Key().vkey, owner="ann")
    opened.store.close()
