"""Judging an export: the attack table of the research, each attack caught by the check that claims to, or named as one that is not."""

import json
from dataclasses import replace

import pytest

from incumbent.ledger import reading, report
from incumbent.ledger.entry import Actor, Draft, ObjectRef
from incumbent.ledger.note import key_text
from incumbent.ledger.offline import verify_export
from unit.ledger.exported import AT, LOG, TENANT, Export, detail, failed, forge, full_export, private, public, reference_root


def test_an_export_with_one_of_everything_is_sound():
    made = full_export()
    found = verify_export(made.packed())
    assert [check.number for check in found.checks] == list(report.CLAIMS)
    assert {check.number for check in found.checks if check.outcome == "skipped"} == {13, 14, 15}
    assert found.is_sound
    assert (found.log, found.size, found.root) == (LOG, 8, reference_root(made.bodies).hex())


def test_the_smallest_ledger_is_its_first_entry():
    assert failed(Export()) == set()


# ---- the attack table


def test_an_edited_entry_is_caught():
    assert failed(forge(full_export(), 5, b'"id":"ann"', b'"id":"eve"')) == {7}


def test_an_entry_deleted_inside_is_caught():
    made = full_export()
    del made.bodies[5]
    assert {3, 7} <= failed(made)


def test_two_entries_swapped_are_caught():
    made = full_export()
    made.bodies[5], made.bodies[6] = made.bodies[6], made.bodies[5]
    assert {3, 5, 7} <= failed(made)


def test_a_tail_cut_off_with_its_checkpoints_left_is_caught():
    made = full_export()
    del made.bodies[-1]
    assert {7} <= failed(made)
    assert "the end was cut off" in detail(made, 7)


def test_a_tail_cut_off_with_its_checkpoints_is_caught_by_a_pin_alone():
    made = Export()
    made.append()
    made.append()
    pin = made.notes[3]
    del made.bodies[-1], made.notes[3]
    assert failed(made) == set(), "as the report says: it would pass"
    assert failed(made, pins=[pin]) == {13}
    assert "a backup was restored" in detail(made, 13, pins=[pin])


def test_an_entry_appended_behind_the_last_checkpoint_is_caught():
    made = full_export()
    made.append(seal=False)
    assert failed(made) == {9}
    assert "nobody signed the last 1 entries, from entry 8 on" in detail(made, 9)


def test_a_ledger_rewritten_without_its_key_is_caught():
    made, own = full_export(), private(66)
    made.notes = Export(key=own).notes | {size: note for size, note in made.notes.items() if size > 1}
    assert 8 in failed(made)


def test_a_ledger_rewritten_with_its_key_is_caught_by_a_pin_which_shows_two_stories():
    pin = full_export().notes[6]
    made = Export()
    for number in range(7):
        made.append(reason=f"another story {number}")
    assert failed(made) == set()
    assert failed(made, pins=[pin]) == {13}
    signed_by_this_key = Export()
    signed_by_this_key.append()
    assert "two stories" in detail(made, 13, pins=[signed_by_this_key.notes[2]])


def test_a_ledger_made_up_by_another_key_is_caught_by_the_known_key():
    made = Export(key=private(66))
    assert failed(made) == set()
    assert failed(made, key=key_text(public(private(1)))) == {15}
    assert failed(made, key=key_text(public(private(66)))) == set()


def test_a_key_that_ruled_before_a_rotation_is_known_still():
    for number in (1, 2):
        assert failed(full_export(), key=key_text(public(private(number)))) == set()


def test_an_entry_moved_from_another_tenant_or_ledger_is_caught():
    for old, new in [(b'"tenant":"default"', b'"tenant":"other"'), (LOG.encode(), b"incumbent/other")]:
        made = Export()
        made.append()
        body = made.bodies[1].replace(old, new)
        del made.notes[2]
        made.bodies[1] = body
        made.seal()
        assert failed(made) == {4}


def test_a_back_dated_entry_is_caught_though_it_is_signed():
    made = full_export()
    made.at = AT
    made.append()
    assert failed(made) == {5}


def test_an_export_that_says_another_size_is_caught():
    files = full_export().files()
    files["manifest.json"] = json.dumps({"format": 1, "log": LOG, "tenant": TENANT, "size": 7}).encode()
    assert failed(files) == {3}


# ---- keys that sign checkpoints


def test_after_a_rotation_the_old_key_counts_no_more():
    made = full_export()
    made.signers = [private(1)]
    made.append()
    assert failed(made) == {8}


@pytest.mark.parametrize("signers", [[1], [2], [3, 2]])
def test_a_rotation_is_signed_by_both_keys(signers):
    made = Export()
    made.rotate(private(2))
    assert failed(made) == set()
    made.signers = [private(number) for number in signers]
    made.seal()
    assert failed(made) == {8}


def test_the_checkpoint_of_a_rotation_cannot_be_left_out():
    made = Export()
    made.rotate(private(2))
    made.append()
    assert failed(made) == set()
    del made.notes[2]
    assert failed(made) == {8}


def test_two_rotations_under_one_checkpoint_need_all_three_keys():
    made = Export()
    made.rotate(private(2))
    made.rotate(private(3))
    del made.notes[2]
    made.signers = [private(number) for number in (1, 2, 3)]
    made.seal()
    assert failed(made) == set()
    made.signers = [private(number) for number in (1, 3)]
    made.seal()
    assert failed(made) == {8}


@pytest.mark.parametrize(("before", "after"), [(9, 2), (1, 1)])
def test_a_rotation_from_a_key_that_does_not_rule_or_back_to_one_that_did_is_caught(before, after):
    made = Export()
    draft = Draft("rotate-key", ObjectRef("ledger", LOG), Actor("ann"))
    made.signers = [private(1), private(after)]
    made.append(draft, before=key_text(public(private(before))), after=key_text(public(private(after))))
    assert failed(made) == {6}


def test_a_second_beginning_and_a_beginning_of_another_ledger_are_caught():
    made = Export()
    made.append(Draft("begin", ObjectRef("ledger", LOG), Actor("eve")), after=key_text(public(private(66))))
    assert 6 in failed(made)
    made = Export()
    made.bodies, made.notes = [], {}
    made.append(Draft("begin", ObjectRef("ledger", "other"), Actor("ann")), after=key_text(public(private(1))))
    assert failed(made) == {6}


def test_a_ledger_that_never_begins_is_not_sound():
    made = Export()
    made.bodies, made.notes = [], {}
    assert 6 in failed(made)
    made.append()
    assert {6, 8} <= failed(made)


# ---- acts of a person's will


def with_bob():
    made = Export()
    made.add_key("bob", private(7))
    return made


def test_an_approval_without_a_signature_is_caught_once_anybody_has_a_key():
    unsigned = Draft("approve", ObjectRef("version", "flights-late@1"), Actor("bob"))
    made = Export()
    made.append(unsigned)
    assert failed(made) == set()
    assert "1 before anybody had a key" in detail(made, 10)
    made = with_bob()
    made.append(unsigned)
    assert failed(made) == {10}


@pytest.mark.parametrize("act", sorted(reading.HUMAN_ACTS))
def test_every_act_of_a_persons_will_needs_a_signature(act):
    made = with_bob()
    made.append(act=act)
    assert failed(made) == {10}


def test_the_acts_that_need_a_signature_are_those_of_the_table_of_acts():
    from incumbent.governance.acts import ACTS

    assert {name for name, act in ACTS.items() if act.is_human} == reading.HUMAN_ACTS


def test_an_approval_in_anothers_name_is_caught():
    for draft in (
        with_bob().approval("bob", private(8)),
        with_bob().approval("ann", private(7)),
        with_bob().approval("bob", private(7), signer="ann"),
    ):
        made = with_bob()
        made.append(draft)
        assert failed(made) == {10}


def test_an_approval_signed_before_its_key_was_bound_is_caught():
    made = Export()
    draft = made.approval("bob", private(7))
    made.append(draft)
    made.add_key("bob", private(7))
    assert failed(made) == {10}


def test_a_revoked_key_signs_no_more_and_what_it_signed_before_stands():
    made = with_bob()
    made.append(made.approval("bob", private(7)))
    made.revoke("bob", private(7))
    assert failed(made) == set()
    made.append(made.approval("bob", private(7)))
    assert failed(made) == {10}


def test_a_statement_counts_once():
    made = with_bob()
    draft = made.approval("bob", private(7))
    made.append(draft)
    made.append(draft)
    assert failed(made) == {10}
    assert "an earlier entry carried already" in detail(made, 10)


def test_an_approval_moved_to_another_version_or_ledger_is_caught():
    made = with_bob()
    made.append(replace(made.approval("bob", private(7)), object=ObjectRef("version", "flights-late@2")))
    assert failed(made) == {10}
    other = Export(log="incumbent/other")
    other.add_key("bob", private(7))
    other.append(made.approval("bob", private(7)))
    assert failed(other) == {10}


def test_a_key_of_one_person_is_not_given_to_another():
    made = with_bob()
    made.add_key("eve", private(7))
    assert failed(made) == {10}


def test_a_key_without_its_document_and_a_revocation_of_nothing_are_caught():
    made = with_bob()
    made.records.clear()
    assert failed(made) == {10}
    made = with_bob()
    made.revoke("bob", private(8))
    assert failed(made) == {10}
