"""The fold: what must be there after these entries, worked out by hand, and each way in which a database can differ from it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.ledger.entry import Actor, Draft, ObjectRef, encode_entry
from incumbent.registry.fold import Governed, compare, document_row, fold, placement_row, version_row

AT = datetime(2013, 3, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
MOVES = [("propose", "None", "Staging"), ("promote", "Staging", "Production"), ("supersede", "Production", "Archived"),
         ("roll-back", "Archived", "Production")]  # fmt: skip


def entry(seq, act, name, before="", after="", digest="sha256:00", **fields):
    kind, _, object_id = name.partition(" ")
    draft = Draft(act, ObjectRef(kind, object_id, digest), Actor("ann"), before=before, after=after, reason="why", **fields)
    return encode_entry(draft, log="l", tenant="default", seq=seq, at=AT + timedelta(seconds=seq))


def placed(seq, status, version="m@1", slot="s", **fields):
    known = {"status": status, "at": AT + timedelta(seconds=seq), "actor": "ann", "reason": "why", "is_current": True}
    return placement_row(slot, version, seq, **{**known, **fields})


def history(*moves):
    return [entry(seq, act, "placement s m@1", before, after) for seq, (act, before, after) in enumerate(moves)]


def test_a_history_leaves_its_rows_and_what_is_live():
    refs = {"manifest": "blake3:aa", "bundle": "blake3:bb", "run": "run-1"}
    entries = [
        entry(0, "register", "version m@1", digest="sha256:cc", refs=refs),
        entry(1, "propose", "placement s m@1", "None", "Staging"),
        entry(2, "refuse", "placement s m@1", after="promote", digest=None),
        entry(3, "promote", "placement s m@1", "Staging", "Production"),
        entry(4, "erase", "payload sha256:00", digest=None),
        entry(5, "set-policy", "policy m", digest="sha256:dd"),
    ]
    found = Governed(
        [
            version_row("m@1", 0, manifest="blake3:aa", bundle="blake3:bb", run="run-1", actor="ann", at=AT),
            document_row("version", "m@1", 0, digest="sha256:cc"),
            placed(1, "Staging", is_current=False),
            placed(3, "Production"),
            document_row("policy", "m", 5, digest="sha256:dd"),
        ],
        {"s": "m@1"},
    )
    assert compare(fold(entries, None), found) == []


@pytest.mark.parametrize(
    ("rows", "live", "message"),
    [
        ([1, 1, 2], {"s": "m@1"}, "placement s m@1 (Staging), entry 0: stands 2 times"),
        ([2], {"s": "m@1"}, "placement s m@1 (Staging), entry 0 is in the ledger, and not in the database"),
        ([2, 1], {"s": "m@1"}, "the placements stand in another order than the ledger's, so a slot's newest is another"),
        ([3, 2], {"s": "m@1"}, "placement s m@1 (Staging), entry 0: is_current is 'true' in the database, 'false' in the ledger"),
        ([1, 2], {}, "slot s: in Production is nothing by the database (is_current), m@1 by the ledger"),
        ([1, 2], {"s": "m@2"}, "slot s: in Production is m@2 by the database (is_current), m@1 by the ledger"),
        ([1, 2], {"s": "m@1", "t": "m@1"}, "slot t: in Production is m@1 by the database (is_current), nothing by the ledger"),
    ],
)  # fmt: skip
def test_each_difference_is_named_and_nothing_else(rows, live, message):
    kinds = {1: placed(0, "Staging", is_current=False), 2: placed(1, "Production"), 3: placed(0, "Staging")}
    expected = fold(history(*MOVES[:2]), None)
    assert compare(expected, Governed([kinds[row] for row in rows], live)) == [message]


def test_a_row_that_no_entry_explains_is_named():
    extra = placed(7, "Staging", slot="t")
    found = Governed([placed(0, "Staging"), extra], {})
    assert compare(fold(history(MOVES[0]), None), found) == [
        "placement t m@1 (Staging), entry 7 is in the database, and no entry explains it"
    ]


@given(st.lists(st.sampled_from(MOVES), max_size=8))
def test_a_ledger_that_makes_no_legal_walk_contradicts_itself_and_a_legal_one_does_not(moves):
    now, wrong = "None", 0
    for _, before, after in moves:
        wrong += before != now
        now = after
    problems = fold(history(*moves), None).problems
    assert len(problems) == wrong
    assert all("no legal transition explains it" in problem for problem in problems)


def test_an_act_that_does_not_make_its_transition_and_two_in_production_are_contradictions():
    [wrong] = fold([entry(0, "archive", "placement s m@1", "None", "Staging")], None).problems
    assert wrong.startswith("entry 0 (archive) takes m@1 from None to Staging in slot s")
    entries = [
        *history(*MOVES[:2]),
        entry(2, "propose", "placement s m@2", "None", "Staging"),
        entry(3, "promote", "placement s m@2", "Staging", "Production"),
    ]
    assert fold(entries, None).problems == ["entry 3 puts m@2 into Production of slot s while m@1 is there"]


ADOPTED = {
    "kind": "ledger",
    "log": "l",
    "versions": [{"name": "m@1", "manifest": "blake3:aa"}],
    "placements": [
        {"slot": "s", "version": "m@1", "status": "Staging", "since": AT.isoformat(), "actor": "bob", "reason": "r"},
        {"slot": "s", "version": "m@1", "status": "Production", "since": LATER.isoformat(), "actor": "bob", "reason": "r"},
    ],
}  # fmt: skip


def test_rows_from_before_the_ledger_are_explained_by_its_first_document_alone():
    rows = [
        version_row("m@1", None, manifest="blake3:aa", bundle="blake3:bb", run="run-1", actor="bob", at=AT),
        placement_row("s", "m@1", None, status="Staging", at=AT, actor="bob", reason="r", is_current=False),
        placement_row("s", "m@1", None, status="Production", at=LATER, actor="bob", reason="r", is_current=True),
    ]
    found = Governed(rows, {"s": "m@1"})
    assert compare(fold([], ADOPTED), found) == []
    assert compare(fold([entry(0, "supersede", "placement s m@1", "Production", "Archived")], ADOPTED), found) == [
        "placement s m@1 (Production), from before the ledger: is_current is 'true' in the database, 'false' in the ledger",
        "placement s m@1 (Archived), entry 0 is in the ledger, and not in the database",
        "slot s: in Production is m@1 by the database (is_current), nothing by the ledger",
    ]
    changed = [replace(rows[0], facts={"manifest": "blake3:ff"}), *rows[1:]]
    assert compare(fold([], ADOPTED), Governed(changed, {"s": "m@1"})) == [
        "version m@1, from before the ledger: manifest is 'blake3:ff' in the database, 'blake3:aa' in the ledger"
    ]
    assert len(compare(fold([], None), found)) == 4


@given(st.recursive(st.none() | st.integers() | st.text(max_size=9), lambda inner: st.lists(inner, max_size=3)))
def test_a_first_document_of_any_form_is_a_difference_at_most(junk):
    found = fold([], {"versions": junk, "placements": junk if not isinstance(junk, list) else [{"slot": "s", "since": str(junk)}]})
    assert isinstance(compare(found, Governed([], {})), list)
