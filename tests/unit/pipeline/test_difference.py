"""Why a stage reruns: the first input that differs, with both values."""

from incumbent.pipeline.difference import Difference, diff_recipes

CODE = {
    "blake3:1": {"kind": "code", "leaves": {"a.py::f": "blake3:aa", "a.py::g": "blake3:bb"}},
    "blake3:2": {"kind": "code", "leaves": {"a.py::f": "blake3:cc", "a.py::h": "blake3:dd"}},
}
ENV = {
    "blake3:3": {"kind": "env", "distributions": {"numpy": ["2.0", "blake3:x"]}, "threads": 1},
    "blake3:4": {"kind": "env", "distributions": {"numpy": ["2.1", "blake3:y"]}, "threads": 1},
}
OLD = {
    "stage": "s",
    "data": {"x": "value blake3:0"},
    "code": "blake3:1",
    "config": {"k": 1, "deep": {"a": 1}},
    "env": "blake3:3",
    "seed": 1,
    "outputs": ["s"],
}


def diff(**change):
    return diff_recipes(OLD, {**OLD, **change}, {**CODE, **ENV}.get)


def test_equal_recipes_do_not_differ():
    assert diff() == []


def test_a_changed_symbol_is_named_and_told_from_one_that_came_or_went():
    found = diff(code="blake3:2")
    assert [str(one) for one in found] == ["code: a.py::f edited", "code: a.py::g no longer reached", "code: a.py::h newly reached"]


def test_a_nested_config_value_is_named_by_its_path_with_both_values():
    assert diff(config={"k": 1, "deep": {"a": 2}}) == [Difference("config", "deep.a", "1", "2")]


def test_one_and_one_point_nought_differ():
    assert diff(config={"k": 1.0, "deep": {"a": 1}}) == [Difference("config", "k", "1", "1.0")]


def test_a_package_is_named_with_both_versions():
    [found] = diff(env="blake3:4")
    assert str(found) == "env: distributions.numpy 2.0 blake3:x -> 2.1 blake3:y"


def test_data_comes_before_code_before_config_before_environment_before_seed():
    found = diff(data={"x": "value blake3:9"}, code="blake3:2", config={}, env="blake3:4", seed=2)
    kinds = list(dict.fromkeys(one.kind for one in found))
    assert kinds == ["data", "code", "config", "env", "seed"]


def test_a_document_that_is_gone_still_gives_a_difference():
    [found] = diff_recipes(OLD, {**OLD, "code": "blake3:unknown"}, CODE.get)
    assert (found.kind, found.old, found.new) == ("code", "blake3:1", "blake3:unknown")
