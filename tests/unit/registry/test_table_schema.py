"""A schema is read strictly: what is known is taken, everything else is refused by name, and nothing is run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput
from incumbent.registry.table_schema import CHECKS, TableSchema, read_schema


def one(**column):
    return {"columns": {"x": {"dtype": "Int64", **column}}}


def test_both_shapes_in_which_pandera_writes_checks_say_the_same():
    flat = read_schema(one(in_range={"min_value": 1, "max_value": 5, "include_min": True, "include_max": False}))
    listed = read_schema(
        one(checks=[{"min_value": 1, "max_value": 5, "include_min": True, "include_max": False, "options": {"check_name": "in_range"}}])
    )
    assert flat == listed
    assert flat.columns["x"].checks == {"in_range": {"min_value": 1, "max_value": 5, "include_min": True, "include_max": False}}


def test_a_schema_of_pandas_is_one_of_the_same_four_types():
    schema = read_schema({"schema_type": "dataframe", "columns": {"a": {"dtype": "int32"}, "b": {"dtype": "object"}}, "index": None})
    assert [column.type for column in schema.columns.values()] == ["Int64", "String"]


REFUSED = {
    "no mapping": ([], "no mapping"),
    "no columns": ({"columns": {}}, "no `columns`"),
    "a model of something else": ({"schema_type": "xarray", **one()}, "xarray"),
    "an unknown key": ({**one(), "hooks": "os.system"}, "'hooks'"),
    "an unknown check": (one(from_format_kwargs=1), "'from_format_kwargs'"),
    "an attribute of Check": (one(__class__=1), "'__class__'"),
    "an unknown check in a list": (one(checks=[{"value": 1, "options": {"check_name": "eval"}}]), "'eval'"),
    "an unknown check in a mapping": (one(checks={"element_wise": "lambda x: x"}), "'element_wise'"),
    "code as an argument": (one(greater_than="__import__('os')"), "no number"),
    "an unknown argument": (one(in_range={"min_value": 1, "max_value": 2, "fn": "x"}), "'fn'"),
    "a missing argument": (one(in_range={"min_value": 1}), "lacks max_value"),
    "bounds the wrong way round": (one(in_range={"min_value": 2, "max_value": 1}), "wrong way round"),
    "a check twice": (one(isin=[1], checks={"isin": [2]}), "twice"),
    "a warning instead of a failure": (one(greater_than={"min_value": 1, "raise_warning": True}), "raise_warning"),
    "no type": ({"columns": {"x": {}}}, "dtype"),
    "a type that times have": (one(dtype="Datetime"), "ISO text"),
    "not a number": (one(greater_than=float("nan")), "no number"),
    "infinite": (one(less_than=float("inf")), "no number"),
    "too large": (one(less_than=2**63), "no number"),
    "a flag for a number": (one(less_than=True), "no number"),
    "an empty list": (one(isin=[]), "no list"),
    "a list of mixed kinds": (one(isin=[1, "a"]), "no list"),
    "a check of texts": (one(str_matches="a"), "no text"),
    "a pattern for a name": (one(regex=True), "regex"),
    "rows thrown away": (one(drop_invalid_rows=True), "drop_invalid_rows"),
    "a parser": (one(parsers=["x"]), "parsers"),
    "a filter": ({**one(), "strict": "filter"}, "strict"),
    "a share above one": (one(outside_share_max=1.5), "outside_share_max"),
    "nulls both ways": (one(null_share_max=0.1), "nullable"),
    "an unknown word on privacy": (one(privacy="maybe"), "privacy"),
    "unique over what is not there": ({**one(), "unique": ["y"]}, "unique"),
    "a column whose name is a number": ({"columns": {1: {"dtype": "Int64"}}}, "name"),
    "a check over the whole table": ({**one(), "checks": [{"options": {"check_name": "isin"}}]}, "checks"),
}


@pytest.mark.parametrize(("document", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_known_is_refused_and_named(document, words):
    with pytest.raises(InvalidInput) as refused:
        read_schema(document)
    assert words in str(refused.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["columns", "x", "dtype", "checks", "options", "check_name", "isin", *CHECKS]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_any_document_is_a_schema_or_invalid_input(document):
    try:
        schema = read_schema(document)
    except InvalidInput:
        return
    assert read_schema(schema.to_json()) == schema


def test_a_schema_reads_itself_back_with_every_kind_of_check():
    column = {
        "dtype": "String", "nullable": True, "unique": True, "required": False, "isin": ["a", "b"], "notin": ["c"], "str_matches": "^a",
        "str_length": {"min_value": 1, "max_value": None, "exact_value": None}, "null_share_max": 0.2, "outside_share_max": 0.01,
        "privacy": "cleared", "description": "who asked",
    }  # fmt: skip
    schema = read_schema({"columns": {"who": column}, "strict": True, "ordered": True, "unique": ["who"]})
    assert isinstance(schema, TableSchema)
    assert schema.columns["who"].checks["str_length"] == {"min_value": 1}
    assert read_schema(schema.to_json()) == schema
