import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import IncumbentError, InvalidInput
from incumbent.registry.bundle import BundleCard, make_bundle_card, parse_bundle_card
from incumbent.registry.signature import Column, Signature

SIGNATURE = Signature((Column("x", "float"),), (Column("y", "float"),))
CARD = BundleCard("model.serve:load", SIGNATURE, {"x": 1.0}, {"label": "late"})


def test_a_card_survives_its_bytes():
    assert parse_bundle_card(CARD.to_bytes()) == CARD


@pytest.mark.parametrize("entry", ["load", "a:b:c", "a.:load", ":load", "a:", "a b:load", "../a:load", "os:system\n"])
def test_an_entry_point_of_another_form_is_refused(entry):
    with pytest.raises(InvalidInput, match="not an entry point; expected module:function"):
        make_bundle_card(entry, SIGNATURE, {"x": 1.0}, {})


def test_an_example_that_does_not_fit_the_signature_is_refused():
    with pytest.raises(InvalidInput, match="column 'x' \\(float\\) is missing"):
        make_bundle_card("m:load", SIGNATURE, {"z": 1.0}, {})


def test_a_bundle_of_a_newer_format_says_which_one_this_release_reads():
    newer = json.dumps({**CARD.to_json(), "format": 2}).encode()
    with pytest.raises(InvalidInput, match="has format 2; this release reads format 1"):
        parse_bundle_card(newer)


values = st.none() | st.integers() | st.text() | st.lists(st.integers())
damaged = st.builds(lambda key, value: json.dumps({**CARD.to_json(), key: value}).encode(), st.sampled_from(list(CARD.to_json())), values)


@given(st.binary(max_size=200) | damaged)
def test_any_bytes_are_a_card_or_one_of_our_errors(data):
    try:
        parse_bundle_card(data)
    except IncumbentError:
        pass
