"""What else an export holds, what the asker knows from elsewhere, and the file that is shipped."""

import ast
import json
import re
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.ledger.entry import Actor, Draft, ObjectRef, commit, encode_entry, format_time, parse_time
from incumbent.ledger.note import key_text
from incumbent.ledger.offline import main, verify_export
from incumbent.ledger.primitives import Malformed
from incumbent.ledger.verifier import verifier_source
from unit.ledger.exported import (
    AT,
    BUNDLE,
    LOG,
    TENANT,
    Export,
    b64,
    detail,
    failed,
    first_form,
    forge,
    full_export,
    lines,
    pack,
    private,
    public,
    sha256,
    vkey,
)

# ---- documents and texts


def test_a_changed_document_is_caught_with_and_without_its_digest():
    made = full_export()
    made.records[0]["body"] = b64(b'{"rules":[]}')
    assert failed(made) == {11}
    made.records[0]["digest"] = sha256(b'{"rules":[]}')
    assert failed(made) == {11}


def with_documents():
    made = full_export()
    made.record("add-person", "person", "bob", {"name_commitment": made.keep(b"Bob Roe")})
    return made


def test_an_export_without_a_document_is_told_to_be_incomplete_and_never_sound():
    made = with_documents()
    whole = verify_export(made.packed())
    assert (whole.missing, whole.is_sound, whole.is_incomplete) == (0, True, False)
    assert [record["kind"] for record in made.records] == ["policy", "key", "person"]
    del made.records[2], made.records[0]  # of the person's name nothing is left but the text
    found = verify_export(made.packed())
    assert (found.missing, found.is_sound, found.is_incomplete) == (2, False, True)
    told = {check.number: check.detail for check in found.checks if check.outcome == "skipped"}
    assert told[11] == "2 of 3 are not here, and were not verified; the first is that of entry 1, policy flights-late"
    assert told[12] == "1 texts are named by nothing that is here"


def test_an_export_that_lacks_documents_and_is_wrong_besides_is_not_incomplete_but_unsound():
    made = with_documents()
    del made.records[0]
    assert verify_export(pack(forge(made, 5, b'"id":"ann"', b'"id":"eve"').files())).is_incomplete is False
    keyless = with_documents()
    del keyless.records[1]  # the key's: what bob approved cannot be shown to be his
    found = verify_export(keyless.packed())
    assert (found.missing, found.is_incomplete, found.is_sound) == (1, False, False)
    assert {check.number for check in found.checks if check.outcome == "failed"} == {10}


def test_the_digest_of_a_bundle_that_is_placed_is_no_documents():
    made = Export()
    made.append(Draft("promote", ObjectRef("placement", "delay/us flights-late@1", BUNDLE), Actor("ann")))
    assert verify_export(made.packed()).is_sound


@pytest.mark.parametrize(("name", "value"), [("kind", "other"), ("id", "other"), ("seq", 0), ("seq", 99), ("seq", -1)])
def test_a_document_under_another_name_or_entry_is_caught(name, value):
    made = full_export()
    made.records[0][name] = value
    assert failed(made) == {11}


def test_a_changed_text_is_caught():
    made = full_export()
    made.payloads[0]["text"] = b64(b"another reason")
    assert failed(made) == {12}


def test_a_missing_text_is_caught_unless_an_entry_erased_it():
    made = full_export()
    del made.payloads[0]
    assert failed(made) == {12}
    made.payloads.append({"commitment": commit(b"a long reason", bytes(32)), "erased_at": "2026-11-25T14:00:00.000000Z"})
    assert failed(made) == {12}
    assert "no entry erased it" in detail(made, 12)


def test_a_text_that_nothing_names_is_caught():
    made = full_export()
    made.keep(b"slipped in")
    assert failed(made) == {12}
    made.record("add-person", "person", "bob", {"name_commitment": made.payloads[-1]["commitment"]})
    assert failed(made) == set(), "a document names it"


def test_words_are_those_that_were_signed_and_how_many_were_not_is_told():
    made, key = Export(), private(7)
    made.add_key("bob", key)
    made.append(made.approval("bob", key, reason="small errors"), reason="small errors")
    assert (failed(made), detail(made, 10)) == (set(), "1 signed")
    made.append(first_form(made.approval("bob", key), key), reason="whatever")
    made.append(first_form(made.approval("bob", key), key))
    told = "3 signed, 1 of them without the words beside them, which only the ledger's key vouches for"
    assert (failed(made), detail(made, 10)) == (set(), told)
    made.append(made.approval("bob", key, reason="small errors"), reason="large errors")
    assert failed(made) == {10}
    assert "the person signed reason 'small errors', and the entry says 'large errors'" in detail(made, 10)


# ---- pins and witnesses


def test_pins_of_the_past_pass_and_malformed_or_foreign_ones_do_not():
    made = full_export()
    assert failed(made, pins=list(made.notes.values())) == set()
    assert failed(made, pins=["nonsense"]) == {13}
    assert failed(made, pins=[Export(log="incumbent/other").notes[1]]) == {13}


def test_a_witness_must_have_seen_the_ledger():
    made, key = full_export(), private(5)
    asked = {"witnesses": [vkey("w.example", key)]}
    assert failed(made, **asked) == {14}
    made.cosign("w.example", private(6), int(made.at.timestamp()))
    assert failed(made, **asked) == {14}
    made.cosign("w.example", key, int(made.at.timestamp()), size=6)
    assert failed(made, **asked) == set()
    assert "w.example saw the first 6 entries, 2 came since" in detail(made, 14, **asked)


def test_a_witness_who_saw_an_entry_before_its_time_shows_that_it_is_forward_dated():
    made, key = full_export(), private(5)
    made.cosign("w.example", key, int((made.at - timedelta(minutes=6)).timestamp()))
    assert failed(made, witnesses=[vkey("w.example", key)]) == {14}


def test_a_cosignature_on_a_pin_counts_too():
    made, elsewhere, key = full_export(), full_export(), private(5)
    elsewhere.cosign("w.example", key, int(made.at.timestamp()))
    assert failed(made, pins=[elsewhere.notes[8]], witnesses=[vkey("w.example", key)]) == set()


@pytest.mark.parametrize("asked", [{"key": "ed25519:AAAA"}, {"key": "x"}, {"witnesses": ["w.example"]}])
def test_a_key_of_another_form_is_the_askers_mistake(asked):
    with pytest.raises(Malformed):
        verify_export(full_export().packed(), **asked)


# ---- the script


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("elsewhere") / "verify.py"
    path.write_text(verifier_source())
    return path


def run(script, *arguments):
    done = subprocess.run(
        [sys.executable, "-I", script, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=script.parent
    )
    return done.returncode, done.stdout, done.stderr


def test_the_shipped_file_judges_alone_and_answers_by_its_exit_code(script):
    good, bad, pin = script.with_name("good.zip"), script.with_name("bad.zip"), script.with_name("pin.note")
    good.write_bytes(full_export().packed().read())
    bad.write_bytes(forge(full_export(), 5, b'"id":"ann"', b'"id":"eve"').packed().read())
    pin.write_text(full_export().notes[6])
    code, shown, _ = run(script, good, "--pin", pin, "--key", key_text(public(private(1))))
    assert (code, shown.splitlines()[-1]) == (0, "SOUND")
    code, shown, _ = run(script, bad)
    assert (code, shown.splitlines()[-1]) == (4, "NOT SOUND")
    whole = with_documents()
    whole.records = whole.records[1:2]
    lacking = script.with_name("lacking.zip")
    lacking.write_bytes(whole.packed().read())
    code, shown, _ = run(script, lacking)
    assert (code, shown.splitlines()[-1]) == (
        5, "INCOMPLETE: the entries are sound; 2 documents are not in this export, and were not verified",
    )  # fmt: skip
    code, shown, _ = run(script, lacking, "--json")
    found = json.loads(shown)
    assert (code, found["missing"], found["is_incomplete"], found["is_sound"]) == (5, 2, True, False)
    code, shown, _ = run(script, bad, "--json")
    assert code == 4
    found = json.loads(shown)
    assert (found["is_sound"], found["checks"][6]["outcome"]) == (False, "failed")
    for wrong in ([], [script.with_name("missing.zip")], [good, "--key", "x"], [good, "--pin", "missing"], [good, "--witness", "x"]):
        code, _, errors = run(script, *wrong)
        assert code == 2
        assert "usage:" in errors
        assert "Traceback" not in errors


def test_the_shipped_file_imports_the_standard_library_and_cryptography_alone():
    found = set(re.findall(r"^(?:from|import) (\w+)", verifier_source(), re.MULTILINE))
    assert found - sys.stdlib_module_names == {"cryptography"}


def test_no_two_parts_of_the_shipped_file_share_a_name():
    names = []
    for node in ast.parse(verifier_source()).body:
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                names.append(node.name)
            case ast.Assign(targets=targets):
                names += [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.append(name)
    assert len(names) > 60
    assert sorted(names) == sorted(set(names))


def test_in_process_it_answers_as_the_script_does(tmp_path, capsys):
    path = tmp_path / "export.zip"
    path.write_bytes(full_export().packed().read())
    assert main([str(path)]) == 0
    assert capsys.readouterr().out.endswith("\nSOUND\n")


def test_nothing_in_an_export_writes_to_the_terminal_what_a_terminal_obeys(tmp_path, capsys):
    made = full_export()
    made.records[0]["id"] = "\x1b[2J\u202e\x7f"
    path = tmp_path / "export.zip"
    path.write_bytes(made.packed().read())
    assert main([str(path)]) == 4
    assert set(capsys.readouterr().out) <= {*map(chr, range(32, 127)), "\n"}


def test_entries_that_storage_writes_have_the_form_that_the_verifier_knows():
    draft = Draft(
        "note", ObjectRef("slot", 'a "quoted" \\ \x00\x1f\x7f\u2028 \U0001f600 name', None), Actor("ann", "service", "key:x"),
        ("validator", "admin"), {"b": "1", "a": "2"}, "before", "after", "x" * 280,
    )  # fmt: skip
    body = encode_entry(draft, log=LOG, tenant=TENANT, seq=1, at=AT).body
    made = Export()
    made.at = AT
    made.bodies.append(body)
    made.seal()
    assert failed(made) == set()
    assert lines([]) == b""


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda at: at.year >= 1000), st.integers(0, 26), st.sampled_from("0 9-Tzé٢\n"))
def test_a_time_is_read_in_the_one_spelling_that_entries_have(at, place, character):
    text = format_time(at)
    assert parse_time(text) == at
    other = text[:place] + character + text[place + 1 :]
    with suppress(ValueError):
        assert parse_time(other) == datetime.strptime(other, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    for longer in (text + character, character + text, text[:place] + text[place + 1 :]):
        with pytest.raises(ValueError, match="is no time as entries spell it|out of range|must be in|Invalid isoformat"):
            parse_time(longer)
