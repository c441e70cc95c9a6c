"""The graph is checked before anything runs, and each refusal names both ends."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput, NotFound
from incumbent.pipeline import source
from incumbent.pipeline.graph import build_graph
from incumbent.pipeline.stage import Output, Parameter, StageOptions, StageSpec


def spec(name, inputs=(), gives="int", outputs=None, **options):
    """A stage that takes (name, type) pairs and gives one output of its own name, or the ones listed."""
    return StageSpec(
        name=name,
        path="p.py",
        module="p",
        symbol=name,
        inputs=tuple(Parameter(parameter, kind) for parameter, kind in inputs),
        config=(),
        injected=(),
        outputs=tuple(outputs or (Output(name, gives),)),
        options=StageOptions(**options),
    )


def test_a_missing_input_names_the_stage_the_parameter_and_the_nearest_name():
    with pytest.raises(
        InvalidInput, match=r"stage 'train' \(p.py\) takes 'feature', and no stage or source gives it. Did you mean 'features'"
    ):
        build_graph("p", [spec("features"), spec("train", [("feature", "int")])], {})


def test_a_type_mismatch_names_both_ends_and_both_types():
    with pytest.raises(InvalidInput) as caught:
        build_graph("p", [spec("features", gives="polars.DataFrame"), spec("train", [("features", "pandas.DataFrame")])], {})
    for words in ("stage 'features' gives", "polars.DataFrame", "stage 'train'", "pandas.DataFrame"):
        assert words in str(caught.value)


def test_a_circle_is_spelled_out():
    stages = [spec("a", [("c", "int")]), spec("b", [("a", "int")]), spec("c", [("b", "int")])]
    with pytest.raises(InvalidInput, match="goes in a circle: ") as caught:
        build_graph("p", stages, {})
    path = str(caught.value).partition("circle: ")[2].split(" -> ")
    assert path[0] == path[-1]
    assert set(path) == {"a", "b", "c"}
    wired = {("a", "b"), ("b", "c"), ("c", "a")}  # giver -> taker
    assert set(itertools.pairwise(path)) == wired


def test_a_stage_that_needs_itself_is_a_circle():
    with pytest.raises(InvalidInput, match="circle: a -> a"):
        build_graph("p", [spec("a", [("a", "int")])], {})


@pytest.mark.parametrize(
    ("stages", "sources", "words"),
    [
        ([spec("a"), spec("a")], {}, "two stages named 'a'"),
        ([spec("a"), spec("b", outputs=(Output("a", "int"),))], {}, "stage 'b' gives 'a', and stage 'a' gives it too"),
        ([spec("a")], {"a": source.file("x.csv")}, "stage 'a' gives 'a', and source 'a' gives it too"),
        ([spec("a", outputs=(Output("x", "int"),))], {"a": source.file("x.csv")}, "names both a stage and a source"),
        ([], {}, "has no stages"),
        ([spec("a", map_over="rows")], {}, "map_over='rows', and has no such input"),
        ([spec("rows", gives="int"), spec("a", [("rows", "int")], map_over="rows")], {}, "only a list"),
    ],
)
def test_ambiguity_is_refused(stages, sources, words):
    with pytest.raises(InvalidInput, match=words):
        build_graph("p", stages, sources)


def test_a_mapped_stage_takes_items_and_gives_a_list():
    graph = build_graph(
        "p",
        [
            spec("days", gives="list[int]"),
            spec("load", [("days", "int")], gives="str", map_over="days"),
            spec("join", [("load", "list[str]")]),
        ],
        {},
    )
    assert list(graph.stages) == ["days", "load", "join"]


def test_a_mapped_stage_over_the_wrong_items_is_refused():
    with pytest.raises(InvalidInput, match="types do not fit"):
        build_graph("p", [spec("days", gives="list[int]"), spec("load", [("days", "str")], map_over="days")], {})


def test_rows_of_a_database_fit_any_frame_and_nothing_else():
    rows = {"rows": source.sql("sqlite:///x.db", "SELECT 1")}
    for frame in ("polars.DataFrame", "pandas.DataFrame", "pyarrow.Table"):
        build_graph("p", [spec("a", [("rows", frame)])], rows)
    with pytest.raises(InvalidInput, match=r"source 'rows' gives 'rows' as incumbent\.Rows"):
        build_graph("p", [spec("a", [("rows", "pathlib.Path")])], rows)


def test_classes_that_only_loading_can_judge_are_left_to_it():
    graph = build_graph("p", [spec("a", gives="app.A"), spec("b", [("a", "app.B")])], {})
    assert [(pair[1], pair[3]) for pair in graph.unsettled] == [("app.A", "app.B")]


def test_an_unknown_stage_is_not_found_with_the_nearest_name():
    with pytest.raises(NotFound, match="did you mean 'train'"):
        build_graph("p", [spec("train")], {}).get_stage("trian")


def test_downstream_of_each_stage_in_the_source_texts_seven():
    """Instrument V7.2: editing a stage dirties it and everything below it, and nothing above."""
    names = ["ingest", "validate", "features", "train", "evaluate", "register", "serve"]
    stages = [spec(name, [(above, "int")] if above else []) for above, name in zip([None, *names], names, strict=False)]
    graph = build_graph("seven", stages, {})
    for place, name in enumerate(names):
        assert list(graph.list_downstream(name)) == names[place:]


def test_a_chain_of_ten_thousand_stages_is_wired_without_recursion():
    stages = [spec(f"s{n}", [(f"s{n - 1}", "int")] if n else []) for n in range(10_000)]
    graph = build_graph("long", stages[::-1], {})
    assert list(graph.stages)[-1] == "s9999"


@given(
    st.integers(2, 12).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=20))
    )
)
def test_the_order_puts_each_stage_after_all_it_needs_or_names_a_true_circle(drawn):
    count, edges = drawn
    stages = [spec(f"s{n}", [(f"s{giver}", "int") for giver, taker in sorted(edges) if taker == n]) for n in range(count)]
    try:
        graph = build_graph("p", stages, {})
    except InvalidInput as error:
        path = str(error).partition("circle: ")[2].split(" -> ")
        assert path[0] == path[-1]
        assert all((int(giver[1:]), int(taker[1:])) in edges for giver, taker in itertools.pairwise(path))
    else:
        places = {name: place for place, name in enumerate(graph.stages)}
        assert len(places) == count
        assert all(places[f"s{giver}"] < places[f"s{taker}"] for giver, taker in edges)
