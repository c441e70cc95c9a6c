"""Schemas by pandera: what is inferred pandera reads, each rule is broken by rows made to break it, and files stay data."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput
from incumbent.registry.table_schema import read_schema

pytest.importorskip("pandera", reason="pandera (the extra checks) is not installed")
from incumbent.execution.pandera_schemas import TEXT_BYTES_MAX, check_schema, infer_schema, parse_schema, write_schema

ROWS = {
    "x": [0.5, 2.0, None, 9.5],
    "n": [1, 2, 3, 4],
    "who": ["ann", "bob", "ann", "bob"],
    "late": [True, False, True, False],
    "nothing": [None] * 4,
}


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_an_inferred_schema_is_read_by_pandera_and_by_us_and_holds_for_its_own_rows(form):
    import polars as pl
    from pandera.io import polars_io

    schema = infer_schema(ROWS)
    text = write_schema(schema, form)
    assert parse_schema(text) == schema
    assert check_schema(schema, ROWS) == []
    theirs = (polars_io.from_yaml if form == "yaml" else polars_io.from_json)(text)
    theirs.validate(pl.DataFrame(ROWS, schema_overrides={"nothing": pl.String}), lazy=True)
    column = schema.columns["x"]
    assert column.checks == {"greater_than_or_equal_to": {"min_value": 0.5}, "less_than_or_equal_to": {"max_value": 9.5}}
    assert (column.is_nullable, schema.columns["who"].checks) == (True, {"isin": {"allowed_values": ["ann", "bob"]}})


def schema_of(dtype="Int64", **column):
    return read_schema({"columns": {"x": {"dtype": dtype, **column}}})


BROKEN = {
    "missing": (schema_of(), {"y": [1, 2]}, ("x", "column_in_dataframe", 1)),
    "type": (schema_of(), {"x": ["1", "2"]}, ("x", "dtype", 2)),
    "null": (schema_of(), {"x": [1, None]}, ("x", "not_nullable", 1)),
    "unique": (schema_of(unique=True), {"x": [1, 1, 2]}, ("x", "field_uniqueness", 2)),
    "equal": (schema_of(equal_to=1), {"x": [1, 2]}, ("x", "equal_to", 1)),
    "not equal": (schema_of(not_equal_to=1), {"x": [1, 2]}, ("x", "not_equal_to", 1)),
    "above": (schema_of(greater_than=1), {"x": [1, 2]}, ("x", "greater_than", 1)),
    "at least": (schema_of(greater_than_or_equal_to=2), {"x": [1, 2]}, ("x", "greater_than_or_equal_to", 1)),
    "below": (schema_of(less_than=2), {"x": [1, 2]}, ("x", "less_than", 1)),
    "at most": (schema_of(less_than_or_equal_to=1), {"x": [1, 2]}, ("x", "less_than_or_equal_to", 1)),
    "range": (
        schema_of("Float64", in_range={"min_value": 0, "max_value": 1, "include_max": False}),
        {"x": [0.0, 1.0, 0.5, 7.0]},
        ("x", "in_range", 2),
    ),
    "in": (schema_of("String", isin=["a"]), {"x": ["a", "b", "b"]}, ("x", "isin", 2)),
    "not in": (schema_of("String", notin=["b"]), {"x": ["a", "b"]}, ("x", "notin", 1)),
    "matches": (schema_of("String", str_matches="^a+$"), {"x": ["aa", "ab"]}, ("x", "str_matches", 1)),
    "contains": (schema_of("String", str_contains="b"), {"x": ["aa", "ab"]}, ("x", "str_contains", 1)),
    "starts": (schema_of("String", str_startswith="b"), {"x": ["ba", "ab"]}, ("x", "str_startswith", 1)),
    "ends": (schema_of("String", str_endswith="b"), {"x": ["ba", "ab"]}, ("x", "str_endswith", 1)),
    "length": (schema_of("String", str_length={"max_value": 2}), {"x": ["a", "abc"]}, ("x", "str_length", 1)),
    "strict": (read_schema({"columns": {"x": {"dtype": "Int64"}}, "strict": True}), {"x": [1], "y": [1]}, ("y", "column_in_schema", 1)),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "rows", "breach"), BROKEN.values(), ids=BROKEN)
def test_each_rule_finds_the_rows_that_break_it_and_passes_the_others(schema, rows, breach):
    [found] = check_schema(schema, rows)
    assert (found.column, found.rule, found.failed) == breach


def test_columns_that_together_name_a_row_may_not_come_twice():
    schema = read_schema({"columns": {"a": {"dtype": "Int64"}, "b": {"dtype": "Int64"}}, "unique": ["a", "b"]})
    assert check_schema(schema, {"a": [1, 1], "b": [1, 2]}) == []
    assert len(check_schema(schema, {"a": [1, 1], "b": [2, 2]})) > 0


def test_the_order_of_columns_counts_where_the_schema_says_so():
    schema = read_schema({"columns": {"a": {"dtype": "Int64"}, "b": {"dtype": "Int64"}}, "ordered": True})
    assert check_schema(schema, {"a": [1], "b": [2]}) == []
    assert check_schema(schema, {"b": [2], "a": [1]}) != []


def test_whole_numbers_do_for_floats_and_back_and_a_column_of_nulls_for_anything():
    assert check_schema(schema_of("Float64", less_than=5), {"x": [1, 2, None]})[0].rule == "not_nullable"
    assert check_schema(schema_of("Float64", less_than=5), {"x": [1, 2]}) == []
    assert check_schema(schema_of("Int64", less_than=5), {"x": [1.0, 2.0]}) == []
    assert check_schema(schema_of("Int64"), {"x": [1.5]})[0].rule == "dtype"
    assert check_schema(schema_of("Boolean", nullable=True), {"x": [None]}) == []
    assert [b.rule for b in check_schema(schema_of("Int64"), {"x": [2**70]})] == ["dtype"]
    assert [b.rule for b in check_schema(schema_of("Int64"), {"x": ["a", 1]})] == ["dtype"]


def test_an_environment_that_switches_pandera_off_changes_nothing(monkeypatch):
    from pandera import config

    with config.config_context(validation_enabled=False):
        assert len(check_schema(schema_of(less_than=2), {"x": [1, 2]})) == 1


HOSTILE = {
    "a tag of Python": ("columns: !!python/object/apply:os.system ['true']", "tag"),
    "a tag of ours": ("columns: !x {}", "tag"),
    "an alias bomb": ("a: &a [1,1]\nb: &b [*a,*a]\ncolumns: [*b,*b]", "anchor"),
    "a merge": ("columns:\n  x: {<<: {dtype: Int64}}", "no text"),
    "deep": ("[" * 5_000, "nests deeper"),
    "deep JSON": ('{"columns":' + "[" * 200_000, "no JSON"),
    "wide": ("columns: [" + "1," * 60_000 + "1]", "more than"),
    "huge": ("#" * (TEXT_BYTES_MAX + 1), "bytes"),
    "a key twice": ("columns: {}\ncolumns: {}", "twice"),
    "a key twice in JSON": ('{"columns": {}, "columns": {}}', "twice"),
    "two documents": ("columns: {}\n---\ncolumns: {}", "no YAML"),
    "a tab": ("columns:\n\tx: 1", "no YAML"),
    "empty": ("", "empty"),
    "NUL": ("columns: \x00", "no YAML"),
    "a long number": ("columns: {x: {dtype: Int64, less_than: " + "9" * 5_000 + "}}", "no YAML"),
    "a name that is a number": ("columns: {1: {dtype: Int64}}", "no text"),
    "Norway": ("columns: {no: {dtype: Int64}}", "no text"),
    "a date": ("columns: {x: {dtype: String, isin: [2024-01-01]}}", "no list"),
    "code as a check": ("columns: {x: {dtype: Int64, checks: {lambda: 'x > 1'}}}", "'lambda'"),
    "a list": ("- 1", "no mapping"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_in_words(text, words):
    with pytest.raises(InvalidInput) as refused:
        parse_schema(text)
    assert words in str(refused.value)


SPELT = (
    "columns|x|: |:|{|}|[|]|, |\n|  |- |dtype|Int64|isin|1|-1.5|2024-13-45|0x_|1:60|2001-01-01 00:00:00 +99:99|<<|=|&a |*a|!|!!set|? "
    "|>|'|\"|\\u12|#|---|...|%TAG|~|\x85"
)
words = st.sampled_from([*SPELT.split("|"), "|\n"])


@settings(max_examples=400)
@given(st.lists(words, max_size=14).map("".join) | st.text(max_size=60))
def test_any_text_is_a_schema_or_invalid_input(text):
    try:
        schema = parse_schema(text)
    except InvalidInput:
        return
    assert parse_schema(write_schema(schema, "json")) == parse_schema(write_schema(schema, "yaml")) == schema


def test_a_pattern_that_blows_up_elsewhere_is_over_at_once_and_one_that_is_none_is_refused():
    evil = schema_of("String", str_matches="^(a+)+$")
    assert [b.failed for b in check_schema(evil, {"x": ["a" * 5_000 + "!"]})] == [1]
    for pattern in ("(", "(?=look)", "(?P<n>a)(?P=n)"):
        with pytest.raises(InvalidInput, match="no regular expression"):
            parse_schema(json.dumps({"columns": {"x": {"dtype": "String", "str_contains": pattern}}}))


def test_many_failing_rows_are_counted_and_a_few_are_shown():
    [found] = check_schema(schema_of("String", isin=["a"]), {"x": [f"v{place}" for place in range(200_000)]})
    assert (found.failed, found.rows, found.examples) == (200_000, 200_000, ("v0", "v1", "v2"))


def test_texts_too_long_for_a_list_get_a_length(tmp_path):
    assert infer_schema({"x": ["a" * 2_000, "b"]}).columns["x"].checks == {"str_length": {"min_value": 1, "max_value": 2_000}}


def test_rows_that_are_none_imply_no_schema():
    with pytest.raises(InvalidInput, match="no rows"):
        infer_schema({"x": []})
    assert json.loads(write_schema(infer_schema({"x": [1]}), "json"))["columns"]["x"]["dtype"] == "Int64"
