import hashlib
import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from incumbent.base.errors import InvalidInput
from incumbent.serving.split import MODES, PLACES, Split, change_shares, make_split, split_from_json, ten_thousandths


def canary(share=500, *, slot="credit/eu", rollout="roll-1", mode="canary"):
    return make_split(slot=slot, rollout=rollout, mode=mode, champion="m@1", shares={"m@1": PLACES - share, "m@2": share})


def owners(split):
    return [arm for arm, places in split.spans for _ in range(places)]


def test_the_places_of_keys_never_change_from_one_release_to_the_next():
    """A caller who moved to the other arm because of an upgrade would spoil every comparison under way."""
    held = {
        "a": 2566,
        "customer-17": 3798,
        "Zoë": 6902,
        "x" * 1024: 691,
    }
    split = canary()
    assert {key: split.place(key) for key in held} == held


def test_a_place_is_the_keyed_hash_as_a_fraction_of_ten_thousand():
    salt = hashlib.blake2b(b'{"rollout":"roll-1","slot":"credit/eu"}', digest_size=32, person=b"incumbent split").digest()
    number = int.from_bytes(hashlib.blake2b(b"customer-17", digest_size=8, key=salt).digest(), "big")
    assert canary().place("customer-17") == int(Fraction(number, 2**64) * 10_000)


def test_keys_fall_on_places_evenly_and_two_rollouts_or_slots_draw_independently():
    keys = [f"customer-{i}" for i in range(20_000)]
    first, second, third = (canary(5000, **other) for other in ({}, {"rollout": "roll-2"}, {"slot": "credit/us"}))
    places = np.array([first.place(key) for key in keys])
    assert stats.chisquare(np.bincount(places // 100, minlength=100)).pvalue > 1e-6
    mine = np.array([first.assign(key).answers == "m@2" for key in keys])
    for other in (second, third):
        theirs = np.array([other.assign(key).answers == "m@2" for key in keys])
        table = [[int((mine & theirs).sum()), int((mine & ~theirs).sum())], [int((~mine & theirs).sum()), int((~mine & ~theirs).sum())]]
        assert stats.chi2_contingency(table).pvalue > 1e-6


@st.composite
def two_shares(draw):
    """Shares of up to five arms before and after, as two cuts of 10,000."""

    def cut():
        arms = draw(st.lists(st.sampled_from(["b", "c", "d", "e"]), unique=True, min_size=1))
        ends = sorted(draw(st.lists(st.integers(1, PLACES - 1), min_size=len(arms), max_size=len(arms), unique=True)))
        return dict(zip(["a", *arms], np.diff([0, *ends, PLACES]).tolist(), strict=True))

    return cut(), cut(), cut()


@given(two_shares())
def test_a_change_of_shares_moves_the_fewest_places_that_it_can(shares):
    before, *later = shares
    split = make_split(slot="s", rollout="r", mode="ab", champion="a", shares=before)
    for after in later:
        changed = change_shares(split, mode="ab", shares=after)
        assert changed.shares == after
        moved = sum(mine != theirs for mine, theirs in zip(owners(split), owners(changed), strict=True))
        assert moved == sum(abs(after.get(arm, 0) - split.shares.get(arm, 0)) for arm in {*after, *split.shares}) // 2
        assert split_from_json(json.loads(json.dumps(changed.to_json()))) == changed
        split = changed


def test_a_key_stays_with_its_arm_while_a_canary_grows_and_all_go_back_when_it_stops():
    keys = [f"k{i}" for i in range(2000)]
    small = canary(100)
    large = change_shares(small, mode="canary", shares={"m@1": 7500, "m@2": 2500})
    in_small, in_large = ({key for key in keys if split.assign(key).answers == "m@2"} for split in (small, large))
    assert in_small < in_large
    stopped = change_shares(large, mode="all", shares={"m@1": PLACES})
    assert {stopped.assign(key).answers for key in keys} == {"m@1"}


def test_in_shadow_the_champion_answers_everybody_and_the_challenger_is_asked_beside_it():
    split = canary(3000, mode="shadow")
    found = [split.assign(f"k{i}") for i in range(500)]
    assert {one.answers for one in found} == {"m@1"}
    assert {(one.shadow, one.place >= 7000) for one in found} == {("m@2", True), (None, False)}
    full = make_split(slot="s", rollout="r", mode="shadow", champion="m@1", shares={"m@2": PLACES})
    assert full.assign("k").answers == "m@1"
    assert full.assign("k").shadow == "m@2"


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_takes_what_its_row_says_and_no_fewer_or_more_challengers(mode):
    fewest, most = MODES[mode].challengers
    for count in (fewest - 1, fewest, most, most + 1):
        if count < 0:
            continue
        shares = {"a": PLACES - count, **{f"b{i}": 1 for i in range(count)}}
        if fewest <= count <= most:
            assert make_split(slot="s", rollout="r", mode=mode, champion="a", shares=shares).shares == shares
        else:
            with pytest.raises(InvalidInput, match="challengers; it takes"):
                make_split(slot="s", rollout="r", mode=mode, champion="a", shares=shares)


@pytest.mark.parametrize(
    ("mode", "shares", "says"),
    [
        ("canary", {"a": 9500, "b": 499}, "sum to 9,999"),
        ("canary", {"a": 9500, "b": 501}, "sum to 10,001"),
        ("canary", {"b": 10_000}, "the champion a has no share"),
        ("canary", {"a": 0, "b": 10_000}, "share of a is 0"),
        ("canary", {"a": 10_000, "b": 0}, "share of b is 0"),
        ("canary", {"a": 10_500, "b": -500}, "share of b is -500"),
        ("canary", {"a": 9500.0, "b": 500}, "share of a is 9500.0"),
        ("canary", {"a": 9999, "b": True}, "share of b is True"),
        ("all", {"a": 9999}, "from 10000 up"),
        ("all", {"a": 9999, "b": 1}, "1 challengers; it takes 0"),
        ("mirror", {"a": 10_000}, "no mode; there are all, canary, ab, shadow"),
    ],
)
def test_shares_that_are_not_whole_or_not_all_are_refused(mode, shares, says):
    with pytest.raises(InvalidInput, match=says):
        make_split(slot="s", rollout="r", mode=mode, champion="a", shares=shares)
    if mode in MODES:
        with pytest.raises(InvalidInput, match=says):
            change_shares(make_split(slot="s", rollout="r", mode="all", champion="a", shares={"a": PLACES}), mode=mode, shares=shares)


@pytest.mark.parametrize("share", [0.00005, 1 / 3, -0.1, 1.0001, "x", "", "nan", float("nan"), float("inf"), "1/0", Fraction(1, 3)])
def test_a_share_that_is_no_whole_number_of_ten_thousandths_is_refused_and_not_rounded(share):
    with pytest.raises(InvalidInput, match="no share"):
        ten_thousandths(share)


@pytest.mark.parametrize("key", ["", "x" * 1025, "\ud800"])
def test_a_key_that_is_none_is_refused(key):
    with pytest.raises(InvalidInput, match="a caller's key"):
        canary().assign(key)


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "x"},
        {"spans": [["m@1", 10_000.0]]},
        {"spans": [["m@1", 0], ["m@2", 10_000]]},
        {"spans": [["m@1", True]]},
        {"spans": []},
        {"more": 1},
        {"slot": 1},
    ],
)
def test_a_document_that_is_no_split_is_refused(change):
    with pytest.raises(InvalidInput):
        split_from_json({**canary().to_json(), **change})


def test_a_split_cannot_be_made_around_its_rules():
    with pytest.raises(InvalidInput, match="sum to 9,999"):
        Split("s", "r", "canary", "a", (("a", 9000), ("b", 999)))
