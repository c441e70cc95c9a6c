"""MLflow's filter strings: what they mean, and that nothing else than a condition or InvalidInput comes of any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput
from incumbent.tracking.matching import matches, sort_by
from incumbent.tracking.mlflow_filter import EXPERIMENT_FIELDS, VERSION_FIELDS, parse_filter, parse_orders
from incumbent.tracking.search import Combination, Comparison, Order

WORDS = st.sampled_from(
    ["metrics.", "params.x", "tags.`a b`", "attributes.start_time", "status", "AND", "OR", "(", ")", "=", "!=", ">", "LIKE", "IN", "NOT",
     "IS", "NULL", "'a'", '"b"', "1", "-1e9", "1e999", ",", "'", "`", "datasets.name", "; DROP TABLE runs", "\0", "--", "run_id", "9" * 500]
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("metrics.accuracy >= .9", Comparison("metrics", "accuracy", ">=", 0.9)),
        ("metric.`a b/c` < -1e-3", Comparison("metrics", "a b/c", "<", -0.001)),
        ("params.\"my param\" = '1'", Comparison("params", "my param", "=", "1")),
        ("params.x ILIKE '%Ab_'", Comparison("params", "x", "ilike", "%Ab_")),
        ("tags.mlflow.parentRunId = 'run-1'", Comparison("tags", "mlflow.parentRunId", "=", "run-1")),
        ("tags.`mlflow.parentRunId` != \"it''s\"", Comparison("tags", "mlflow.parentRunId", "!=", "it''s")),
        ("tag.x = 'it''s'", Comparison("tags", "x", "=", "it's")),
        ("status = 'FINISHED'", Comparison("attributes", "state", "=", "finished")),
        ("attributes.status IN ('RUNNING', 'failed')", Comparison("attributes", "state", "in", ("running", "failed"))),
        ("run_id NOT IN ('a')", Comparison("attributes", "run_id", "not in", ("a",))),
        ("attributes.start_time > 1000", Comparison("attributes", "started_at", ">", "1970-01-01T00:00:01+00:00")),
        ("attributes.`Run name` = 'n'", Comparison("attributes", "name", "=", "n")),
        ("user_id = 'me'", Comparison("tags", "mlflow.user", "=", "me")),
        ("datasets.context = 'train'", Comparison("datasets", "context", "=", "train")),
        ("tags.x IS NOT NULL", Comparison("tags", "x", "like", "%")),
        ("params.x is null", Combination("not", (Comparison("params", "x", "like", "%"),))),
        ("  ", None),
        (
            "metrics.a > 1 and params.b = 'c' AND tags.d LIKE '%'",
            Combination(
                "and",
                (Comparison("metrics", "a", ">", 1), Comparison("params", "b", "=", "c"), Comparison("tags", "d", "like", "%")),
            ),
        ),
    ],
)
def test_a_filter_means_what_mlflow_documents(text, wanted):
    assert parse_filter(text) == wanted


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("metrics.a > 1 OR metrics.b > 1", "know neither OR nor parentheses"),
        ("(metrics.a > 1)", "a field must stand here"),
        ("metrics.a = '1'", "metrics.a is compared with a number"),
        ("params.a = 1", "compared with text in quotes"),
        ("params.a > '1'", "is not compared with >"),
        ("metrics.a LIKE 'x'", "is not compared with LIKE"),
        ("metrics.a IS NULL", "for tags and params"),
        ("metrics.a BETWEEN 1 AND 2", "an operator must follow"),
        ("status = 'DONE'", "is no status of a run"),
        ("artifact_uri = 'x'", "is no attribute of a run"),
        ("datasets.profile = 'x'", "a dataset has name, digest, context"),
        ("tags.x = 'a'; DROP TABLE runs; --", "nothing of the language begins here"),
        ("tags.x = 'a' -- '", "nothing of the language begins here"),
        ("tags.x = 'never closed", "nothing of the language begins here"),
        ("run_id IN ()", "compared with text in quotes"),
        ("run_id IN 'a'", "IN takes a list"),
        ("attributes.start_time > 99999999999999999999", "is no time"),
        ("metrics.a > " + "9" * 401, "more than 400 characters"),
        (" AND ".join(["metrics.a > 1"] * 201), "more than 200 comparisons"),
        ("x" * 20_001, "20001 characters"),
    ],
)
def test_what_is_not_of_the_language_is_refused_with_the_reason(text, why):
    with pytest.raises(InvalidInput, match="^Invalid filter: ") as caught:
        parse_filter(text)
    assert why in str(caught.value)


@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join), st.lists(WORDS).map("".join)))
def test_any_text_ends_in_a_condition_or_in_words(text):
    for parse in (parse_filter, lambda one: parse_orders([one]), lambda one: parse_filter(one, EXPERIMENT_FIELDS)):
        try:
            parse(text)
        except InvalidInput as error:
            assert str(error).startswith("Invalid filter: ")  # noqa: PT017  (most texts raise, and some do not)


def test_orders_are_fields_with_a_direction():
    assert parse_orders(["metrics.auc DESC", "start_time", "params.`a b` asc", "tags.x"]) == (
        Order("metrics", "auc", True), Order("attributes", "started_at"), Order("params", "a b"), Order("tags", "x"),
    )  # fmt: skip
    assert parse_orders(["version_number DESC"], VERSION_FIELDS) == (Order("attributes", "version_number", True),)
    for text in ("metrics.auc sideways", "", "nothing", "metrics.auc DESC, start_time", "datasets.name", "a; b"):
        with pytest.raises(InvalidInput):
            parse_orders([text])


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("name = 'abc'", True), ("name != 'abc'", False), ("name LIKE 'a_c'", True), ("name LIKE 'A%'", False), ("name ILIKE 'A%'", True),
        ("name LIKE 'a.c'", False), ("name IN ('x', 'abc')", True), ("name NOT IN ('x')", True), ("tags.t IS NULL", True),
        ("tags.t != 'a'", False), ("creation_time >= 5 AND creation_time < 6", True), ("creation_time <= 4", False),
        ("creation_time > 5", False),
    ],
)  # fmt: skip
def test_conditions_hold_over_values_in_memory(text, holds):
    assert matches(parse_filter(text, EXPERIMENT_FIELDS), {("attributes", "name"): "abc", ("attributes", "creation_time"): 5}) is holds


def test_things_are_sorted_by_several_keys_and_those_without_come_last():
    things = [{"a": 1, "b": "x"}, {"b": "y"}, {"a": 2, "b": "x"}, {"a": 1, "b": "y"}, {"a": float("nan"), "b": "z"}]

    def read(thing):
        return {("metrics", name): value for name, value in thing.items()}

    down = sort_by(things, [Order("metrics", "a", True), Order("metrics", "b", True)], read)
    assert [(one.get("a"), one["b"]) for one in down[:3]] == [(2, "x"), (1, "y"), (1, "x")]
    assert [one["b"] for one in down[3:]] == ["z", "y"]
    assert [one["b"] for one in sort_by(things, [Order("metrics", "a")], read)[:3]] == ["x", "y", "x"]
