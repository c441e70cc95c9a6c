import re
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput
from incumbent.tracking.search import (
    ATTRIBUTES,
    COMPARISONS_MAX,
    DEPTH_MAX,
    STATES,
    Combination,
    Comparison,
    Order,
    Query,
    format_query,
    parse_query,
)


def metric(name, operator, value):
    return Comparison("metrics", name, operator, value)


def test_the_sentence_of_the_readme_parses():
    query = parse_query("metrics.auc > 0.9 and params.depth = 6 order by metrics.auc desc")
    assert query == Query(
        Combination("and", (metric("auc", ">", 0.9), Comparison("params", "depth", "=", 6))),
        (Order("metrics", "auc", is_descending=True),),
    )


def test_empty_text_matches_every_run_newest_first():
    assert parse_query("") == parse_query("  \n ") == Query()


@pytest.mark.parametrize(
    "text",
    [
        "metrics.`f1 score` > 0.5",
        'metrics."f1 score" > 0.5',
        "metric.`f1 score`>.5",
        "METRICS.`f1 score` > 5e-1",
        "(((metrics.`f1 score` > +0.5)))",
    ],
)
def test_names_and_numbers_may_be_written_in_several_ways(text):
    assert parse_query(text) == Query(metric("f1 score", ">", 0.5))


def test_and_binds_closer_than_or_and_not_closest():
    a, b, c = (metric(name, "=", 1) for name in "abc")
    assert parse_query("metrics.a = 1 or metrics.b = 1 and not metrics.c = 1").condition == Combination(
        "or", (a, Combination("and", (b, Combination("not", (c,)))))
    )
    assert parse_query("(metrics.a = 1 or metrics.b = 1) and metrics.c = 1").condition == Combination("and", (Combination("or", (a, b)), c))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Filters as MLflow's documentation and clients write them.
        ("attributes.status = 'FINISHED'", Comparison("attributes", "state", "=", "finished")),
        ("status IN ('FAILED', 'KILLED')", Comparison("attributes", "state", "in", ("failed", "killed"))),
        ("attribute.run_name LIKE '%tree%'", Comparison("attributes", "name", "like", "%tree%")),
        ("tags.mlflow.source.name ILIKE \"TRAIN%\"", Comparison("tags", "mlflow.source.name", "ilike", "TRAIN%")),
        ("parameters.depth != '6'", Comparison("params", "depth", "!=", "6")),
        ("run.run_id not in ('a', 'b')", Comparison("attributes", "run_id", "not in", ("a", "b"))),
        ("metrics.m <> -1", metric("m", "!=", -1)),
        ("params.on == true", Comparison("params", "on", "=", True)),
        ("started_at >= '2013-01-31'", Comparison("attributes", "started_at", ">=", "2013-01-31T00:00:00+00:00")),
        ("ended_at < '2013-01-31T01:00:00+02:00'", Comparison("attributes", "ended_at", "<", "2013-01-30T23:00:00+00:00")),
        ("tags.who = 'O''Brien'", Comparison("tags", "who", "=", "O'Brien")),
        ("params.`a``b` = 1", Comparison("params", "a`b", "=", 1)),
        ("metrics.val/auc-pr > 1", metric("val/auc-pr", ">", 1)),
    ],
)  # fmt: skip
def test_mlflow_filters_and_our_own_spellings(text, expected):
    assert parse_query(text).condition == expected


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("metrics.auc > 'x'", "'x'", "is a number"),
        ("auc > 1", "auc", "metrics.auc or params.auc"),
        ("attributes.sate = 'failed'", "attributes", "did you mean state?"),
        ("state = 'done'", "'done'", "legal: running, finished, failed, killed"),
        ("state < 'failed'", "<", "legal: =, !=, in, not in"),
        ("metrics.a like 'x'", "like", "legal: ="),
        ("metrics.a >", None, "a value must follow"),
        ("metrics.a 1", "1", "an operator must follow"),
        ("metrics. > 1", "metrics.", "followed by a dot and a name"),
        ("(metrics.a > 1", None, "closing parenthesis"),
        ("metrics.a > 1)", ")", "the end must follow"),
        ("metrics.a > 1 params.b = 2", "params.b", "and, or, order by, or the end"),
        ("metrics.a > 1 order metrics.a", "metrics.a", "'by' must follow"),
        ("metrics.a in 1", "1", "a list in parentheses"),
        ("metrics.a in ()", ")", "a value must follow"),
        ("tags.a = 3", "3", "write '3'"),
        ("tags.a = 'x", "'x", "never closed"),
        ("metrics.a > 1 ; drop table runs", ";", "no meaning here"),
        ("datasets.name = 'x'", "datasets", "legal: metrics, params, tags, attributes"),
        ("started_at > 'yesterday'", "'yesterday'", "write it as '2013-01-31'"),
        ("params.a > 2013-01-31", "2013-01-31", "text in quotes"),
        ("metrics.a > 1e999", "1e999", "too large"),
        ("order by metrics.a desc,", None, "a field must stand"),
    ],
)
def test_an_error_points_at_the_place_and_says_what_is_legal(text, place, words):
    with pytest.raises(InvalidInput, match=re.escape(words)) as caught:
        parse_query(text)
    _, line, caret = str(caught.value).split("\n")
    assert line.strip() == text.strip()
    at = len(text) if place is None else text.rindex(place)
    assert caret.index("^") - 2 == at


def test_a_caret_deep_in_a_long_query_stays_in_sight():
    text = " and ".join(["metrics.a > 1"] * 30) + " and nonsense = 1"
    with pytest.raises(InvalidInput, match="nonsense is no attribute") as caught:
        parse_query(text)
    _, line, caret = str(caught.value).split("\n")
    assert len(line) < 120
    assert line[caret.index("^") :].startswith("nonsense")


def test_depth_and_length_are_bounded():
    deep = "(" * DEPTH_MAX + "metrics.a = 1" + ")" * DEPTH_MAX
    assert parse_query(deep).condition == metric("a", "=", 1)
    for text in ("(" + deep + ")", "not " * 4_000 + "metrics.a = 1", "(" * 15_000):
        with pytest.raises(InvalidInput, match=f"more than {DEPTH_MAX} deep"):
            parse_query(text)
    with pytest.raises(InvalidInput, match=f"more than {COMPARISONS_MAX} comparisons"):
        parse_query(" or ".join(["metrics.a=1"] * (COMPARISONS_MAX + 1)))
    with pytest.raises(InvalidInput, match="characters; at most"):
        parse_query(" " * 30_000)


names = st.text(min_size=1, max_size=20)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
operators = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
texts = st.text(max_size=20)


def compared(entity, name, values, ordered=operators):
    plain = st.builds(Comparison, st.just(entity), name, ordered, values)
    lists = st.builds(
        Comparison, st.just(entity), name, st.sampled_from(["in", "not in"]), st.lists(values, min_size=1, max_size=3).map(tuple)
    )
    return plain | lists


def liked(entity, name):
    return st.builds(Comparison, st.just(entity), name, st.sampled_from(["like", "ilike"]), texts)


def attributes(kind):
    return st.sampled_from([name for name, its in ATTRIBUTES.items() if its == kind])


moments = st.datetimes(timezones=st.just(UTC)).map(lambda at: at.isoformat())
comparisons = st.one_of(
    compared("metrics", names, numbers),
    compared("params", names, numbers | texts | st.booleans()),
    compared("tags", names, texts),
    liked("params", names),
    liked("tags", names),
    compared("attributes", attributes("text"), texts),
    liked("attributes", attributes("text")),
    compared("attributes", attributes("number"), numbers),
    compared("attributes", attributes("state"), st.sampled_from(STATES), st.sampled_from(["=", "!="])),
    st.builds(Comparison, st.just("attributes"), attributes("time"), operators, moments),
)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds(Combination, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Combination, st.just("not"), st.tuples(inner)),
    ),
    max_leaves=12,
)
orders = st.one_of(
    st.builds(Order, st.sampled_from(["metrics", "params", "tags"]), names, st.booleans()),
    st.builds(Order, st.just("attributes"), st.sampled_from(sorted(ATTRIBUTES)), st.booleans()),
)


@given(st.builds(Query, st.none() | conditions, st.lists(orders, max_size=3).map(tuple)))
def test_a_query_that_is_printed_parses_to_itself(query):
    assert repr(parse_query(format_query(query))) == repr(query)  # repr: 1, 1.0 and True are equal, and not the same


WORDS = ["metrics.a", "params.`b c`", "state", "and", "or", "not", "(", ")", ",", "in", "like", "=", ">", "'x'", "'", "1", "1e5", "order",
         "by", "desc", "`", "true", "\x00", "é"]  # fmt: skip


@given(st.text() | st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
def test_any_text_is_a_query_or_invalid_input(text):
    try:
        query = parse_query(text)
    except InvalidInput:
        return
    assert parse_query(format_query(query)) == query
