"""What a version may be made from, and what an MLmodel file says: by hand-written cases, and for whatever else comes in."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput
from incumbent.registry.alias import aliases_of, check_alias, slots_behind
from incumbent.registry.logged_source import LoggedSource, check_paths, parse_source
from incumbent.registry.mlmodel import read_card

M_ID = "m-0123456789abcdef0123456789abcdef"
PIECES = [
    "runs:/",
    "models:/",
    "mlflow-artifacts:/",
    "file:",
    "http://",
    "/",
    "..",
    ".",
    "\\",
    "%2e",
    "artifacts",
    "models",
    M_ID,
    "run-1",
    "0",
    "a",
]


@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=9).map("".join)))
def test_a_source_is_refused_or_names_a_run_or_a_model_by_a_path_that_stays_inside(text):
    try:
        found = parse_source(text)
    except InvalidInput:
        return
    assert text.startswith(("runs:/", "models:/m-", "mlflow-artifacts:/"))
    assert "://" not in text
    assert found.owner in text
    if found.kind == "run":
        assert not {"", ".", ".."} & set(found.path.split("/"))
        assert text.removesuffix("/").endswith(found.path)
    else:
        assert found == LoggedSource("model", M_ID)


@pytest.mark.parametrize("paths", [["../a"], ["a/../b"], ["/a"], ["a//b"], [""], ["a\\b"], ["a\x00"], ["a", "a/b"], ["x" * 256], ["a/"]])
def test_paths_that_cannot_stand_in_one_folder_are_refused(paths):
    with pytest.raises(InvalidInput, match="the artifact"):
        check_paths(paths)


def test_paths_that_can_stand_in_one_folder_pass():
    check_paths(["MLmodel", "data/a", "data/ab", "data/b/c", "ü" * 127])


def mlmodel(inputs, outputs):
    said = {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None}
    return yaml.safe_dump({"artifact_path": "model", "flavors": {"sklearn": {}}, "signature": said, "uuid": "x"}, allow_unicode=True)


COLUMN = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["boolean", "integer", "long", "float", "double", "string", "datetime", 3, None]),
        "name": st.text(max_size=12),
    },
    optional={"required": st.booleans()},
)


@given(st.lists(COLUMN, max_size=8), st.lists(COLUMN, max_size=2), st.text(max_size=30))
def test_a_signature_that_yaml_folded_is_read_as_yaml_reads_it_or_not_at_all(inputs, outputs, example):
    text = mlmodel(inputs, outputs)
    card = read_card(text, {"input_example.json": example}, needs_pickle=True)
    if card is None:
        return
    assert [column.name for column in card.signature.inputs] == [one["name"] for one in inputs]
    kinds = {"boolean": "bool", "integer": "int", "long": "int", "float": "float", "double": "float", "string": "str"}
    assert [column.type for column in card.signature.inputs] == [kinds[one["type"]] for one in inputs]
    assert set(card.example) == {one["name"] for one in inputs}


@given(st.text(max_size=80))
def test_any_other_text_has_no_description(text):
    assert read_card(text, {}, needs_pickle=False) is None


def test_long_plain_signatures_are_not_given_up():
    inputs = [{"type": "double", "name": f"a column with spaces {number}", "required": True} for number in range(40)]
    outputs = [{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1, 2]}}]
    card = read_card(mlmodel(inputs, outputs), {}, needs_pickle=False)
    assert [column.name for column in card.signature.inputs] == [one["name"] for one in inputs]
    assert [(column.name, column.type) for column in card.signature.outputs] == [("prediction_0", "int"), ("prediction_1", "int")]
    assert card.facts == {"example": "made up: the model was logged without an input example"}


@given(st.text("abv1_-/.LATEST é", max_size=8))
def test_an_alias_is_taken_or_refused_and_reads_slots_that_are_read_by_it(name):
    try:
        check_alias(name)
    except InvalidInput:
        return
    for slot in slots_behind("m", name):
        assert name.lower() in aliases_of("m", slot)
