"""The life of a version in a slot: the table is the whole law, and a slot's history tells who is live and who may come back."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import Refused
from incumbent.registry.model import Placement
from incumbent.registry.slot import at_time, find_live, find_status, find_target, has_been_live, list_line, list_models_ever_live
from incumbent.registry.transitions import STATES, TRANSITIONS, check_transition

BEGAN = datetime(2013, 1, 1, tzinfo=UTC)
ACTS = sorted({act for transition in TRANSITIONS.values() for act in transition.acts})
PAIRS = sorted(itertools.product(STATES, STATES))


def check(now, to, act, **known):
    check_transition(now, to, act, version="m@2", slot="s/eu", **known)


def test_the_table_is_the_state_machine_of_the_source_with_roll_back_and_rejection():
    assert set(TRANSITIONS) == {
        ("None", "Staging"), ("Staging", "Production"), ("Production", "Archived"), ("Archived", "Production"), ("Staging", "Archived"),
    }  # fmt: skip


@pytest.mark.parametrize(("now", "to"), [pair for pair in PAIRS if pair not in TRANSITIONS])
@pytest.mark.parametrize("act", ACTS)
def test_every_pair_outside_the_table_is_refused_and_says_what_is_legal(now, to, act):
    with pytest.raises(Refused) as refused:
        check(now, to, act, has_been_live=True)
    legal = [after for before, after in TRANSITIONS if before == now]
    assert f"from {now}: " in str(refused.value)
    assert all(f"{after} (" in str(refused.value) for after in legal)


@pytest.mark.parametrize(("pair", "act"), list(itertools.product(TRANSITIONS, ACTS)))
def test_a_legal_pair_is_made_by_its_own_acts_and_no_other(pair, act):
    if act in TRANSITIONS[pair].acts:
        check(*pair, act, has_been_live=True)
    else:
        with pytest.raises(Refused, match="no legal transition"):
            check(*pair, act, has_been_live=True)


def test_nothing_goes_back_to_where_it_never_was():
    with pytest.raises(Refused, match="was never in Production here"):
        check("Archived", "Production", "roll-back", has_been_live=False)


class Slot:
    """A history made as the use cases make it: newest first, and what is replaced archived at the same time."""

    def __init__(self, *, has_acts=True):
        self.history, self.at, self.has_acts = [], BEGAN, has_acts

    def put(self, version, status, act="", *, later=True):
        self.at += timedelta(seconds=later)
        self.history.insert(0, Placement("s", "m", version, status, self.at, "me", "", act=act if self.has_acts else ""))

    def go_live(self, version):
        self.at += timedelta(seconds=1)
        live = find_live(self.history)
        act = "roll-back" if find_status(self.history, ("m", version)) == "Archived" else "promote"
        if live is not None:
            self.put(live.version, "Archived", "supersede", later=False)
        self.put(version, "Production", act, later=False)

    @property
    def target(self):
        found = find_target(self.history)
        return found and found[1]


@pytest.mark.parametrize("has_acts", [True, False], ids=["by act", "from before the ledger"])
def test_rolling_back_twice_goes_back_two_steps_and_never_forward_again(has_acts):
    slot = Slot(has_acts=has_acts)
    assert slot.target is None
    for version in (1, 2, 3):
        slot.go_live(version)
    assert (slot.target, find_live(slot.history).version) == (2, 3)
    slot.go_live(2)
    assert slot.target == 1
    slot.go_live(1)
    assert slot.target is None
    slot.go_live(4)
    assert slot.target == 1
    assert [version for _, version in list_line(slot.history)] == [1, 4]


def test_a_retired_version_is_no_target():
    slot = Slot()
    for version in (1, 2):
        slot.go_live(version)
    slot.put(2, "Archived", "archive")
    assert (find_live(slot.history), slot.target) == (None, 1)
    slot.go_live(3)
    assert slot.target == 1
    slot.put(4, "Staging")
    slot.put(4, "Archived", "reject")
    assert slot.target == 1, "a rejected candidate was never live"


def test_a_version_that_was_retired_at_the_very_moment_at_which_the_next_went_live_is_no_target():
    slot = Slot()
    for version in (1, 2):
        slot.go_live(version)
    slot.put(2, "Archived", "archive")
    slot.put(3, "Production", "promote", later=False)
    assert [version for _, version in list_line(slot.history)] == [1, 3]


def test_a_version_that_was_replaced_is_a_target_though_the_clock_moved_between_its_two_entries():
    slot = Slot()
    slot.go_live(1)
    slot.put(1, "Archived", "supersede")
    slot.put(2, "Production", "promote")
    assert slot.target == 1


def test_what_was_rolled_back_from_is_no_target_though_the_way_went_to_a_version_outside_the_line():
    slot = Slot()
    for version in (1, 2):
        slot.go_live(version)
    slot.put(2, "Archived", "archive")
    slot.go_live(3)
    slot.go_live(2)
    assert [version for _, version in list_line(slot.history)] == [1, 2], "3 was just left"


def test_the_models_that_a_slot_remembers_are_those_that_were_in_production_there():
    slot = Slot()
    slot.go_live(1)
    slot.history.insert(0, replace(slot.history[0], model="candidate", status="Staging"))
    slot.history.insert(0, replace(slot.history[0], model="other", status="Production"))
    assert list_models_ever_live(slot.history) == ["other", "m"]


def test_the_past_is_asked_by_cutting_the_history():
    slot = Slot()
    slot.put(1, "Staging")
    slot.go_live(1)
    then = slot.at
    slot.go_live(2)
    assert find_live(at_time(slot.history, then)).version == 1
    assert find_status(at_time(slot.history, BEGAN), ("m", 1)) == "None"
    assert find_status(slot.history, ("m", 1)) == "Archived"
    assert (has_been_live(slot.history, ("m", 1)), has_been_live(slot.history, ("m", 9))) == (True, False)


@given(st.booleans(), st.lists(st.tuples(st.sampled_from(["promote", "back", "retire"]), st.integers(1, 5)), max_size=30))
def test_the_line_is_a_stack(has_acts, steps):
    # The stack is the reference: promote pushes, rolling back pops, retiring pops without a successor.
    slot, stack = Slot(has_acts=has_acts), []
    live = False
    for step, _ in steps:
        if step == "promote":
            version = 1 + max((p.version for p in slot.history), default=0)
            slot.go_live(version)
            stack.append(version)
            live = True
        elif step == "back" and len(stack) > live:
            if live:
                stack.pop()
            slot.go_live(stack[-1])
            live = True
        elif step == "retire" and live:
            slot.put(stack.pop(), "Archived", "archive")
            live = False
        expected = stack[:-1] if live else stack
        assert slot.target == (expected[-1] if expected else None)
        assert bool(find_live(slot.history)) == live
