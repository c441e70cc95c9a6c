"""A person's signature covers what they said with it: nobody who runs the database puts other words beside it."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from incumbent.base.documents import document_bytes
from incumbent.base.errors import Corrupt, Refused
from incumbent.cli import main
from incumbent.ledger.entry import REASON_CHARACTERS_MAX
from incumbent.usecases import sign_off as signing_off
from incumbent.usecases import signing
from incumbent.usecases.findings import close_finding, open_finding
from incumbent.usecases.ledger_erase import erase_text
from incumbent.usecases.ledger_log import get_entry
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.promote import check_promotion, promote
from incumbent.usecases.recording import record_act
from incumbent.usecases.sign_off import sign_off
from office import MODEL, SLOT

WHO = {"model": MODEL, "slot": SLOT, "version": 1}
SHORT, LONG = "only for loans below 5,000", "only for loans below 5,000. " * 20


@pytest.fixture
def office(evaluated_office):
    return evaluated_office


def sign(office, comment):
    sign_off(office["vera"], **WHO, capacity="validator")
    return sign_off(office["omar"], **WHO, capacity="approver", comment=comment)


def problems(office):
    return "\n".join(check_promotion(office["olga"], **WHO).problems)


def failed(office):
    return {check.number: check.detail for check in verify_ledger(office["ben"]).checks if check.outcome == "failed"}


def change_database(office, *statements):
    """Do what an operator with the database's file could do."""
    path = office["ada"].folder / "incumbent.db"
    with closing(sqlite3.connect(path)) as db, db:
        for statement, values in statements:
            db.execute(statement, values)


@pytest.mark.parametrize("comment", [SHORT, LONG, ""], ids=["short", "long", "none"])
def test_what_was_said_is_signed_and_counts(office, comment):
    done = sign(office, comment)
    shown = get_entry(office["ben"], done.entry)
    said = shown.statement["predicate"]
    if comment == LONG:
        assert (said["reason"], said["reason_commitment"]) == ("", shown.entry.draft.payloads["reason"])
        assert shown.texts["reason"] == LONG
    else:
        assert (said["reason"], said["reason_commitment"]) == (comment, "")
    assert shown.is_reason_signed is (True if comment else None)
    assert failed(office) == {}
    promote(office["olga"], **WHO, reason="better")


@pytest.mark.parametrize("other", ["for every loan", LONG, ""], ids=["others", "long ones", "none"])
def test_whoever_has_the_ledgers_key_puts_no_other_words_beside_a_signature(office, monkeypatch, other):
    """The server itself is the operator's: it writes an entry of its own, checkpoint and all, around what the person signed."""

    def write(ws, tx, **given):
        return record_act(ws, tx, **{**given, "reason": other})

    monkeypatch.setattr(signing_off, "record_act", write)
    sign(office, SHORT)
    assert "does not count: omar's sign-off: its signature does not hold: approve by omar is not signed as it has to be: " in problems(
        office
    )
    with pytest.raises(Refused, match="the person signed reason"):
        promote(office["olga"], **WHO, reason="x")
    assert f"the person signed reason {SHORT!r}" in failed(office)[10]


def test_words_exchanged_in_the_stored_entry_are_found(office):
    done = sign(office, SHORT)
    body = get_entry(office["ben"], done.entry).entry.body.replace(b"below 5,000", b"above 5,000")
    change_database(
        office,
        ("DROP TRIGGER ledger_entries_kept_update", ()),
        ("UPDATE ledger_entries SET body = ? WHERE seq = ?", (body, done.entry)),
    )
    assert "the entry says 'only for loans above 5,000'" in problems(office)
    assert {7, 10} <= failed(office).keys()


def test_a_long_text_exchanged_where_it_is_kept_is_found_and_one_that_was_erased_is_no_fault(office):
    done = sign(office, LONG)
    commitment = get_entry(office["ben"], done.entry).entry.draft.payloads["reason"]
    change_database(
        office, *((f"DROP TRIGGER {name}", ()) for name in payload_triggers(office)),
        ("UPDATE ledger_payloads SET body = ? WHERE commitment = ?", (b"for every loan", commitment)),
    )  # fmt: skip
    assert "omar's sign-off: its signature does not hold: the text behind sha256:" in problems(office)
    with pytest.raises(Corrupt, match="is not what was committed to"):
        get_entry(office["ben"], done.entry)
    assert 12 in failed(office)
    change_database(office, ("UPDATE ledger_payloads SET body = ? WHERE commitment = ?", (LONG.encode(), commitment)))
    erase_text(office["ada"], commitment=commitment, reason="it names a customer")
    assert (failed(office).keys(), get_entry(office["ben"], done.entry).texts["reason"]) == ({101}, None)  # the rule that was taken away
    promote(office["olga"], **WHO, reason="better")


def payload_triggers(office):
    with closing(sqlite3.connect(office["ada"].folder / "incumbent.db")) as db:
        found = db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'ledger_payloads'")
        return [name for (name,) in found if "update" in name]


def test_the_whole_document_of_a_closed_finding_is_signed(office):
    made = open_finding(office["rita"], subject=MODEL, title="no subgroup report").finding
    done = close_finding(office["omar"], finding=made.finding_id, resolution=SHORT)
    shown = get_entry(office["ben"], done.entry)
    signed = {one["name"]: "sha256:" + one["digest"]["sha256"] for one in shown.statement["subject"]}
    assert signed["closed"] == shown.entry.draft.object.digest
    assert shown.statement["predicate"]["reason"] == SHORT


def sign_as_before(monkeypatch):
    """Have statements written in the form that releases before 2026-11-26 gave them."""
    write = signing.statement_payload

    def write_first_form(**said):
        statement = json.loads(write(**said))
        statement["predicateType"] = "urn:incumbent:act:v1"
        del statement["predicate"]["reason"], statement["predicate"]["reason_commitment"]
        return document_bytes(statement)

    monkeypatch.setattr(signing, "statement_payload", write_first_form)


@pytest.mark.parametrize("comment", [SHORT, LONG], ids=["short", "long"])
def test_what_was_signed_without_its_words_counts_as_it_did_and_is_shown_so(office, monkeypatch, capsys, comment):
    sign_as_before(monkeypatch)
    done = sign(office, comment)
    monkeypatch.undo()
    assert get_entry(office["ben"], done.entry).is_reason_signed is False
    [check] = [check for check in verify_ledger(office["ben"]).checks if check.number == 10]
    assert (check.outcome, check.detail) == (
        "passed", "2 signed, 1 of them without the words beside them, which only the ledger's key vouches for",
    )  # fmt: skip
    promote(office["olga"], **WHO, reason="better")
    monkeypatch.chdir(office["ada"].folder.parent)
    assert main(["ledger", "show", str(done.entry)]) == 0
    assert "as it was signed, without the reason, which only the ledger's key vouches for" in capsys.readouterr().out


def test_a_text_stands_in_the_statement_up_to_the_length_that_an_entry_takes(office):
    done = sign(office, "x" * REASON_CHARACTERS_MAX)
    assert len(get_entry(office["ben"], done.entry).statement["predicate"]["reason"]) == REASON_CHARACTERS_MAX
    done = sign_off(replace(office["omar"]), **WHO, capacity="approver", comment="x" * (REASON_CHARACTERS_MAX + 1))
    assert get_entry(office["ben"], done.entry).statement["predicate"]["reason"] == ""
