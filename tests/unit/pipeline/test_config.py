"""Config is checked against the stages' signatures before anything runs."""

import pytest

from incumbent.base.errors import InvalidInput
from incumbent.pipeline.config import check_value, config_from_document, merge_setting, resolve_config
from incumbent.pipeline.graph import build_graph
from incumbent.pipeline.stage import Output, Parameter, StageSpec, Unset


@pytest.fixture
def graph():
    config = (
        Parameter("depth", "int", 6, has_default=True),
        Parameter("lr", "float"),
        Parameter("odd", "object", Unset("f()"), has_default=True),
    )
    return build_graph("p", [StageSpec("train", "p.py", "p", "train", (), config, (), (Output("train", "int"),))], {})


def test_literal_defaults_are_filled_in_and_others_are_left_to_the_code(graph):
    assert resolve_config(graph, {"train": {"lr": 0.5}}) == {"train": {"lr": 0.5, "depth": 6}}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"trian": {}}, "names stage 'trian', which pipeline 'p' does not have; did you mean 'train'"),
        ({"train": {"dept": 1, "lr": 1.0}}, "train.dept: stage 'train' takes depth, lr, odd; did you mean 'depth'"),
        ({"train": {"lr": "fast"}}, "train.lr='fast' is a str, and the stage takes float"),
        ({"train": {"lr": 0.1, "depth": True}}, "train.depth=True is a bool, and the stage takes int"),
        ({"train": {"lr": 0.1, "depth": 1.5}}, "train.depth=1.5 is a float"),
        ({}, "train.lr has no value and no default: give it with --set train.lr=VALUE"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(graph, given, words):
    with pytest.raises(InvalidInput, match=words):
        resolve_config(graph, given)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [(1, "int"), (1, "float"), (None, "int | None"), ("a", "typing.Literal['a', 'b']"), ([1, 2], "list[int]"), ({"a": 1}, "dict[str, int]"),
     ("x", "app.Custom"), (1, ""), ("a/b", "pathlib.Path")],
)  # fmt: skip
def test_values_that_fit(value, annotation):
    check_value("s.k", value, annotation)


@pytest.mark.parametrize(
    ("value", "annotation"), [("1", "int"), (None, "int"), ("c", "typing.Literal['a', 'b']"), ([1, "2"], "list[int]"), (True, "float")]
)
def test_values_that_do_not_fit(value, annotation):
    with pytest.raises(InvalidInput, match="and the stage takes"):
        check_value("s.k", value, annotation)


@pytest.mark.parametrize("path", ["depth", ".depth", "train.", "train.a b", ""])
def test_a_setting_without_stage_and_key_is_refused(path):
    with pytest.raises(InvalidInput, match=r"expected STAGE\.KEY=VALUE"):
        merge_setting({}, path, 1)


def test_a_config_file_that_is_no_table_of_tables_is_refused():
    with pytest.raises(InvalidInput, match="expected a table per stage"):
        config_from_document({"train": 3}, "pyproject.toml")
