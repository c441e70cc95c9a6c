"""Keys as files: which one signs is what lies there now, however often the same one signed before."""

import shutil

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from incumbent.base.errors import Corrupt, NotFound
from incumbent.execution import key_folder
from incumbent.execution.key_folder import KeyFolder


@pytest.fixture
def keys(tmp_path):
    return KeyFolder(ledger=tmp_path / "ledger", personal=tmp_path / "people")


def is_signed(public, signature, data):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except InvalidSignature:
        return False
    return True


def test_each_key_signs_for_its_own_public_half_in_any_order(keys):
    pairs = {name: keys.make(name) for name in ("ledger", "ann", "bob")}
    for name in ("ann", "ledger", "ann", "bob", "ledger"):
        signature = keys.sign(pairs[name], name.encode())
        assert [is_signed(public, signature, name.encode()) for public in pairs.values()] == [one == name for one in pairs]


def test_a_key_is_read_once_while_its_files_stay(keys, monkeypatch):
    read = []
    monkeypatch.setattr(key_folder, "read_private", lambda path, real=key_folder.read_private: read.append(path.name) or real(path))
    public = keys.make("ledger")
    assert is_signed(public, [keys.sign(public, b"same") for _ in range(5)][-1], b"same")
    assert read == ["ledger.key"]


@pytest.mark.parametrize("half", ["pub", "key"])
def test_a_key_that_was_taken_away_signs_no_more_and_signs_again_once_it_is_back(keys, tmp_path, half):
    public, file = keys.make("ledger"), tmp_path / f"ledger/ledger.{half}"
    keys.sign(public, b"before")
    file.rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(NotFound):
            keys.sign(public, b"now")
    shutil.copy(tmp_path / "away", file)
    assert is_signed(public, keys.sign(public, b"back"), b"back")


def test_a_key_whose_file_was_written_over_is_read_anew(keys, tmp_path):
    public = keys.make("ledger")
    keys.sign(public, b"before")
    (tmp_path / "ledger/ledger.key").write_text("no key")
    with pytest.raises(Corrupt, match="no private key"):
        keys.sign(public, b"now")


def test_another_pair_under_the_same_name_is_another_key(keys, tmp_path):
    old = keys.make("ledger")
    keys.sign(old, b"before")
    for half in ("pub", "key"):
        (tmp_path / f"ledger/ledger.{half}").unlink()
    new = keys.make("ledger")
    assert is_signed(new, keys.sign(new, b"now"), b"now")
    with pytest.raises(NotFound, match="not on this machine"):
        keys.sign(old, b"now")
