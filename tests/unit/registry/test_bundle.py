import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import IncumbentError, InvalidInput
from incumbent.registry.bundle import BundleCard, make_bundle_card, make_loaded_card, parse_bundle_card
from incumbent.registry.signature import Column, Signature

SIGNATURE = Signature((Column("x", "float"),), (Column("y", "float"),))
CARD = BundleCard("model.serve:load", SIGNATURE, {"x": 1.0}, {"label": "late"})


LOADED = BundleCard("", SIGNATURE, {"x": 1.0}, {}, "lightgbm", {"file": "model.txt"}, needs_pickle=False)


@pytest.mark.parametrize("card", [CARD, LOADED])
def test_a_card_survives_its_bytes(card):
    assert parse_bundle_card(card.to_bytes()) == card


def test_a_bundle_with_an_entry_keeps_the_format_that_older_releases_read():
    assert CARD.to_json()["format"] == 1
    assert CARD.to_json().keys() == {"kind", "format", "entry", "signature", "example", "facts"}


@pytest.mark.parametrize(
    "change",
    [{"loader": 3}, {"settings": []}, {"needs_pickle": "no"}, {"needs_pickle": 0}, {"entry": "m:load"}, {"format": 1}, {"format": True}],
)
def test_a_description_that_mixes_the_two_ways_or_leaves_one_half_out_is_refused(change):
    with pytest.raises(InvalidInput, match="is not a bundle description|has format True"):
        parse_bundle_card(json.dumps({**LOADED.to_json(), **change}).encode())


@pytest.mark.parametrize("loader", ["", "Pickle", "../skops", "a b", "skops\n", "x" * 41])
def test_a_loader_of_another_form_is_refused(loader):
    with pytest.raises(InvalidInput, match="is not the name of a loader"):
        make_loaded_card(loader, SIGNATURE, {"x": 1.0}, {}, {}, needs_pickle=False)


@pytest.mark.parametrize("entry", ["load", "a:b:c", "a.:load", ":load", "a:", "a b:load", "../a:load", "os:system\n"])
def test_an_entry_point_of_another_form_is_refused(entry):
    with pytest.raises(InvalidInput, match="not an entry point; expected module:function"):
        make_bundle_card(entry, SIGNATURE, {"x": 1.0}, {})


def test_an_example_that_does_not_fit_the_signature_is_refused():
    with pytest.raises(InvalidInput, match="column 'x' \\(float\\) is missing"):
        make_bundle_card("m:load", SIGNATURE, {"z": 1.0}, {})


def test_a_bundle_of_a_newer_format_says_which_one_this_release_reads():
    newer = json.dumps({**CARD.to_json(), "format": 3}).encode()
    with pytest.raises(InvalidInput, match="has format 3; this release reads formats 1 and 2"):
        parse_bundle_card(newer)


values = st.none() | st.integers() | st.text() | st.lists(st.integers())
damaged = st.builds(
    lambda card, key, value: json.dumps({**card.to_json(), key: value}).encode(),
    st.sampled_from([CARD, LOADED]),
    st.sampled_from(sorted({*CARD.to_json(), *LOADED.to_json()})),
    values,
)


@given(st.binary(max_size=200) | damaged)
def test_any_bytes_are_a_card_or_one_of_our_errors(data):
    try:
        parse_bundle_card(data)
    except IncumbentError:
        pass
