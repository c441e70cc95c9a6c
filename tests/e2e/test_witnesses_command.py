"""`incumbent witnesses`, and a witness on another machine whose note comes back; in this process, by what an administrator types."""

import json

import pytest

from incumbent.bootstrap.workspace import open_workspace
from incumbent.cli import main
from incumbent.config import read_settings
from incumbent.usecases.people import add_person


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Return a function that runs a command in one of two projects, as ann, with that machine's keys, and returns what it prints."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    ws = open_workspace(read_settings(tmp_path / "here", {"INCUMBENT_KEYS": str(tmp_path / "here-keys"), "INCUMBENT_ACTOR": "ann"}))
    add_person(ws, person="ann", name="Ann Lee", roles=["admin", "auditor"])
    ws.store.close()
    monkeypatch.setenv("INCUMBENT_ACTOR", "ann")

    def run(where, *arguments, code=0):
        monkeypatch.chdir(tmp_path / where)
        monkeypatch.setenv("INCUMBENT_KEYS", str(tmp_path / f"{where}-keys"))
        assert main([*arguments]) == code
        shown = capsys.readouterr()
        return shown.err if code else shown.out

    return run


def test_a_witness_on_another_machine_cosigns_an_export_and_its_note_comes_back(call, tmp_path):
    assert "no witness yet" in call("here", "witnesses", "ls")
    call("here", "ledger", "export", str(tmp_path / "ledger.zip"))
    there = ("--memory", str(tmp_path / "seen.note"), "--export", str(tmp_path / "ledger.zip"))
    seen = json.loads(call("there", "ledger", "witness", *there, "--json"))
    bring = ("ledger", "witness", "--import", str(tmp_path / "seen.note"))
    assert "incumbent witnesses add VKEY --owner ID" in call("here", *bring, code=1)
    assert "ann answers for it" in call("here", "witnesses", "add", seen["vkey"], "--owner", "ann")
    [known] = json.loads(call("here", "witnesses", "ls", "--json"))["witnesses"]
    assert (known["name"], known["owner"], known["added_by"], known["revoked_at"]) == ("witness", "ann", "ann", None)
    assert call("here", *bring) == f"kept beside the checkpoint of {seen['size']} entries: what {known['key_id']} cosigned, verified\n"
    assert json.loads(call("here", *bring, "--json")) == {"size": seen["size"], "witnesses": [known["key_id"]]}
    assert f"witness saw the first {seen['size']} entries" in call("here", "ledger", "verify", "--witness", seen["vkey"])
    said = call("here", "witnesses", "revoke", "witness", "--reason", "the machine was sold")
    assert "nothing that it cosigned counts any more" in said
    assert "revoked 20" in call("here", "witnesses", "ls")
    assert "--export names another" in call("here", *bring, "--export", "x.zip", code=2)
