"""`incumbent ledger` as an auditor and an administrator type it."""

import json
import os
import sqlite3
import subprocess
import sys
import zipfile

import pytest
from command import incumbent, incumbent_json, write


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    write(folder, {"pyproject.toml": '[tool.incumbent]\nexperiment = "x"\n'})
    return folder


@pytest.fixture
def env(tmp_path):
    return {"INCUMBENT_KEYS": str(tmp_path / "keys"), "INCUMBENT_ACTOR": "ann"}


@pytest.fixture
def filled(project, env):
    add = ("users", "add")
    incumbent(project, *add, "ann", "--name", "Ann Lee", "--role", "admin", "--role", "auditor", env=env)
    incumbent(project, *add, "vera", "--name", "Vera Ito", "--role", "validator", env=env)
    incumbent(project, "keys", "new", "ann", env=env)
    return project


def test_reading_commands_give_one_json_document_and_people_readable_lines(filled, env):
    listed = incumbent_json(filled, "ledger", "log", env=env)["entries"]
    assert [entry["seq"] for entry in listed] == list(reversed(range(len(listed))))
    assert [entry["act"] for entry in listed][-3:] == ["add-person", "add-person", "begin"]
    text = incumbent(filled, "ledger", "log", "--act", "add-person", "--limit", "1", env=env).stdout
    assert text.split()[:7] == ["seq", "time", "actor", "act", "object", "from", "->"]
    assert "person vera" in text
    assert "person ann" not in text
    named = incumbent_json(filled, "ledger", "log", "--object", "person vera", env=env)["entries"]
    shown = incumbent_json(filled, "ledger", "show", str(named[0]["seq"]), env=env)
    assert shown["entry"] == named[0]
    assert "Vera Ito" in shown["texts"].values()
    assert "Vera Ito" not in json.dumps(shown["entry"])
    commitment = next(iter(named[0]["payloads"].values()))
    incumbent(filled, "ledger", "erase", commitment, "--reason", "she asked", env=env)
    assert "erased" in incumbent(filled, "ledger", "show", str(named[0]["seq"]), env=env).stdout
    incumbent(filled, "ledger", "verify", env=env)


def test_an_auditor_takes_a_note_along_and_comes_back(filled, env, tmp_path):
    note = tmp_path / "kept.note"
    incumbent(filled, "ledger", "checkpoint", "--out", str(note), env=env)
    assert note.read_text() == incumbent(filled, "ledger", "checkpoint", env=env).stdout
    incumbent(filled, "ledger", "checkpoint", "--out", str(note), env=env, code=2)
    incumbent(filled, "ledger", "rotate", "--reason", "yearly", env=env)
    incumbent(filled, "users", "add", "omar", "--name", "Omar", "--role", "approver", env=env)
    unpinned = incumbent(filled, "ledger", "verify", env=env).stdout
    assert "not shown: no pin given: a tail cut together with its checkpoints, an old backup put back" in unpinned
    found = incumbent_json(filled, "ledger", "verify", "--pin", str(note), env=env)
    assert found["is_sound"]
    assert next(check for check in found["checks"] if check["number"] == 13)["outcome"] == "passed"
    proof = incumbent_json(filled, "ledger", "prove", "--from", str(note), env=env)
    assert json.loads(proof["proof"])["later_size"] == found["size"]


def test_the_report_says_whose_signatures_were_verified(filled, env, tmp_path):
    entries = len(incumbent_json(filled, "ledger", "log", env=env)["entries"])
    checkpoints = entries - 2  # the first act began the ledger too, and a key was asked for and bound at once
    some = incumbent(filled, "ledger", "verify", env=env).stdout
    assert f"1 of {checkpoints}; --all-checkpoints" in some
    assert f"not shown: the signatures of {checkpoints - 1} older checkpoints were not verified" in some
    every = incumbent(filled, "ledger", "verify", "--all-checkpoints", env=env).stdout
    assert "every checkpoint is signed by the key that ruled" in every
    assert "older checkpoints" not in every
    incumbent(filled, "ledger", "export", str(tmp_path / "ledger.zip"), env=env)
    done = incumbent(filled, "ledger", "verify", str(tmp_path / "ledger.zip"), "--all-checkpoints", env=env, code=2)
    assert "of an export, every checkpoint that it holds is verified anyway" in done.stderr


def test_one_approval_is_handed_out_alone(filled, env, tmp_path):
    path = tmp_path / "one.tlog-proof"
    incumbent(filled, "ledger", "prove", "1", "--out", str(path), env=env)
    assert incumbent_json(filled, "ledger", "prove", "--check", str(path), env=env)["entry"]["seq"] == 1
    key = incumbent_json(filled, "ledger", "show", "0", env=env)["entry"]["to"]
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    incumbent(stranger, "ledger", "prove", "--check", str(path), "--key", key, env=env)
    incumbent(stranger, "ledger", "prove", "--check", str(path), env=env, code=3)
    body = tmp_path / "entry.json"
    body.write_text("{}")
    done = incumbent(filled, "ledger", "prove", "--check", str(path), "--entry", str(body), env=env, code=4)
    assert "are not entry 1" in done.stderr
    incumbent(filled, "ledger", "prove", env=env, code=2)
    incumbent(filled, "ledger", "prove", "1", "--check", str(path), env=env, code=2)


def test_an_export_is_verified_elsewhere_and_a_changed_one_is_not(filled, env, tmp_path):
    path = tmp_path / "ledger.zip"
    incumbent(filled, "ledger", "export", str(path), env=env)
    incumbent(filled, "ledger", "export", str(path), env=env, code=1)
    incumbent(filled, "ledger", "verify", str(path), env=env)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(tmp_path / "changed.zip", "w") as changed:
        for name in archive.namelist():
            data = archive.read(name)
            changed.writestr(
                name, data.replace(b'"validator"', b'"approverr"') if name == "records.jsonl" else data.replace(b"vera", b"eve_")
            )
        verifier = tmp_path / "verify.py"
        verifier.write_bytes(archive.read("verify.py"))
    found = incumbent_json(filled, "ledger", "verify", str(tmp_path / "changed.zip"), env=env, code=4)
    assert not found["is_sound"]
    incumbent(filled, "ledger", "verify", str(tmp_path / "none.zip"), env=env, code=3)
    lacking = tmp_path / "lacking.zip"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(lacking, "w") as made:
        for name in archive.namelist():
            lines = archive.read(name).splitlines(keepends=True)
            made.writestr(name, b"".join(line for line in lines if name != "records.jsonl" or json.loads(line)["id"] != "vera"))
    found = incumbent_json(filled, "ledger", "verify", str(lacking), env=env, code=5)
    assert (found["missing"], found["is_incomplete"], found["is_sound"]) == (1, True, False)
    shown = incumbent(filled, "ledger", "verify", str(lacking), env=env, code=5).stdout
    assert "INCOMPLETE: the entries are sound; 1 documents are not in this export, and were not verified" in shown
    for archive, code in ((path, 0), (tmp_path / "changed.zip", 4), (lacking, 5)):
        assert subprocess.run([sys.executable, "-I", verifier, archive], capture_output=True, check=False).returncode == code


def test_a_changed_database_is_not_sound_and_what_it_changed_is_named(filled, env):
    with sqlite3.connect(filled / ".incumbent" / "incumbent.db") as db:
        [(rule,)] = db.execute("SELECT sql FROM sqlite_master WHERE name = 'records_kept_delete'").fetchall()
        db.execute("DROP TRIGGER records_kept_delete")
        db.execute("DELETE FROM records WHERE record_id = 'vera'")
        db.execute(rule)
    db.close()
    found = incumbent(filled, "ledger", "reconcile", env=env, code=4).stdout
    assert "document person vera, entry 2 is in the ledger, and not in the database" in found
    found = incumbent(filled, "ledger", "verify", env=env, code=4).stdout
    assert "are not here, and were not verified; the first is that of entry 2, person vera" in found
    assert found.endswith("NOT SOUND\n")


def test_a_witness_refuses_an_old_backup(filled, env, tmp_path):
    database = filled / ".incumbent" / "incumbent.db"
    early = database.read_bytes()
    incumbent(filled, "users", "add", "omar", "--name", "Omar", "--role", "approver", env=env)
    memory = ("--memory", str(tmp_path / "seen.note"))
    seen = incumbent_json(filled, "ledger", "witness", *memory, env=env)
    assert seen["before"] is None
    incumbent(filled, "ledger", "verify", "--witness", seen["vkey"], env=env)
    database.write_bytes(early)
    incumbent(filled, "ledger", "verify", env=env)
    done = incumbent(filled, "ledger", "witness", *memory, env=env, code=4)
    assert "does not cosign this ledger" in done.stderr


def test_the_attack_table_is_printed_with_what_it_does_not_catch(filled, env):
    done = incumbent(filled, "ledger", "attack", env=env)
    lines = {line[:52].strip(): line[52:].split()[:2] for line in done.stdout.splitlines()[1:20]}
    assert lines["fork, key stolen"] == ["intact", "caught"]
    assert lines["edit an entry"] == ["caught", "caught"]
    assert "Nothing catches an act that was never submitted" in done.stdout
    found = incumbent_json(filled, "ledger", "attack", env=env)
    assert (found["is_expected"], len(found["attacks"])) == (True, 19)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["show", "99"], 3, "no entry 99"),
        (["show", "x"], 2, "invalid int"),
        (["log", "--limit", "0"], 2, "--limit 0"),
        (["verify", "--pin", "none.note"], 3, "no file none.note"),
        (["verify", "--key", "x"], 2, "no public key"),
        (["verify", "--witness", "x"], 2, "no Ed25519 witness key"),
        (["erase", "sha256:00", "--reason", "x"], 3, "no text is kept"),
        (["own", "--role", 'a"; DROP', "--app", "b"], 2, "cannot name a role"),
        (["own", "--role", "b", "--app", "b"], 2, "cannot both be"),
    ],
)
def test_what_is_asked_wrongly_says_so(filled, env, arguments, code, message):
    if arguments[0] == "show" and arguments[1] == "x":
        done = subprocess.run(
            [sys.executable, "-m", "incumbent", "ledger", *arguments], cwd=filled, capture_output=True, text=True, check=False,
            env={**os.environ, **env},
        )  # fmt: skip
        assert done.returncode == code
    else:
        done = incumbent(filled, "ledger", *arguments, env=env, code=code)
    assert message in done.stderr


def test_before_the_ledger_begins_nothing_is_sound(project, env):
    for verb in (["checkpoint"], ["verify"], ["export", "l.zip"], ["rotate"], ["prove", "0"]):
        assert "the ledger is empty" in incumbent(project, "ledger", *verb, env=env, code=3).stderr
    assert incumbent_json(project, "ledger", "log", env=env) == {"entries": []}
