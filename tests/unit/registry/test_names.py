import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput
from incumbent.registry.names import check_model_name, check_slot_name, parse_version_name

HOSTILE = ["", ".", "..", "../x", "/x", "x/", "a//b", "A", "a b", "a%2fb", "a\\b", "a\n", "é", "-a", "a-", "x" * 65, "a\0b", "<b>", "a:b"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_could_mean_something_else_are_refused(name):
    with pytest.raises(InvalidInput, match="cannot name a slot"):
        check_slot_name(name)
    with pytest.raises(InvalidInput, match="cannot name a model"):
        check_model_name(name)


@pytest.mark.parametrize("name", ["flights-late/nyc", "a", "a1/b.c/d_e/f-9"])
def test_plain_names_are_taken_as_they_are(name):
    assert check_slot_name(name) == name


@pytest.mark.parametrize("text", ["flights", "flights@", "flights@0", "flights@-1", "flights@1.0", "@1", "a@b@1x", "flights@1\n"])
def test_what_is_not_model_and_version_is_refused(text):
    with pytest.raises(InvalidInput, match=r"does not name a version; expected MODEL@VERSION|cannot name a model"):
        parse_version_name(text)


@given(st.text())
def test_any_text_is_a_version_name_or_invalid(text):
    try:
        model, version = parse_version_name(text)
    except InvalidInput:
        return
    assert check_model_name(model) == model
    assert version >= 1
