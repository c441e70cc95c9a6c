"""A holdout's budget: whose looks count, what it cannot be raised by, and what is found out before one is spent."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput, Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.examine import examine
from incumbent.usecases.holdout_rows import count_overlap, digest_table, share_of_rows
from incumbent.usecases.holdouts import list_holdouts, register_holdout
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.policies import set_policy
from office import MODEL, POLICY, SLOT, go_live, make_rows, open_office, prepare, register_factor

WHO = {"model": MODEL, "slot": SLOT}


@pytest.fixture
def ws(tmp_path):
    (tmp_path / "project").mkdir()
    opened = open_workspace(read_settings(tmp_path / "project", {"INCUMBENT_KEYS": str(tmp_path / "keys")}))
    yield opened
    opened.store.close()


@pytest.fixture
def host(ws):
    opened = open_model_host(ws)
    yield opened
    opened.close()


@pytest.fixture
def office(ws):
    return open_office(ws)


@pytest.fixture
def bundles(tmp_path):
    folder = tmp_path / "bundles"
    folder.mkdir()
    return folder


def give(ws, table):
    with begin_run(ws, experiment="data") as run:
        run.log_artifact(table, "holdout")
    return run.id


def freeze(office, name, table):
    return register_holdout(office["rita"], name=name, run=give(office["ann"], table), artifact="holdout")


COPIES = {
    "in another order": make_rows(0).reverse(),
    "under other names": make_rows(0).rename({"x": "u", "who": "v", "y_true": "w"}).reverse(),
    "narrowed": make_rows(0).with_columns(pl.col("x").cast(pl.Float32), pl.col("y_true").cast(pl.Float32)),
    "with a column more": make_rows(0).with_row_index("row"),
    "with a column more and other names": make_rows(0).rename({"x": "u", "who": "v", "y_true": "w"}).with_row_index("row").reverse(),
    "with fewer rows": make_rows(0).head(150),
    "as the half of a greater one": pl.concat([make_rows(0), make_rows(700, 900)]),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_a_copy_of_a_holdout_has_no_budget_of_its_own(ws, office, host, bundles, copy):
    prepare(office, bundles, policy=POLICY.replace("looks_max = 20", "looks_max = 1"))
    evaluate(office["rita"], host, **WHO, version=1)
    found = freeze(office, "copy", copy)
    assert (found.looks, found.shares) == (1, ("frozen",))
    assert [holdout.looks for holdout in list_holdouts(ws)] == [1, 1]


def test_fresh_rows_of_the_same_kind_have_their_own_budget_and_so_have_few_categories(ws, office, host, bundles):
    prepare(office, bundles)
    evaluate(office["rita"], host, **WHO, version=1)
    fresh = freeze(office, "fresh", make_rows(300))  # 100 of 400 rows by their x, but other noise
    assert (fresh.looks, fresh.shares) == (0, ())
    for name, turn in (("first", 0), ("second", 1)):
        kinds = pl.DataFrame({"a": [place % 2 for place in range(60)], "b": [(place + turn) % 3 for place in range(60)]})
        coarse = freeze(office, name, kinds.with_columns(n=pl.lit(turn)))
    assert coarse.shares == ()


def test_looks_pass_from_one_holdout_to_the_next_that_shares_its_rows(ws, office, host, bundles):
    prepare(office, bundles)
    evaluate(office["rita"], host, **WHO, version=1)
    freeze(office, "next", pl.concat([make_rows(0).tail(250), make_rows(700, 150)]))
    last = freeze(office, "last", pl.concat([make_rows(700, 150), make_rows(2000, 150)]))
    assert last.looks == 1


def test_the_ladder_remembers_what_it_released_on_data_that_share_rows(ws, office, host, bundles):
    prepare(office, bundles)
    go_live(office, host, 1)
    register_factor(office["ann"], bundles, 2.0)
    climbing = POLICY.replace("looks_max = 20", 'looks_max = 20\nreuse = "ladder"')
    set_policy(office["rita"], target=MODEL, text=climbing)
    assert evaluate(office["rita"], host, **WHO, version=2).verdict.outcome == "passed"
    freeze(office, "copy", make_rows(0).rename({"who": "by"}).with_columns(who=pl.col("by")).reverse())
    set_policy(office["rita"], target=MODEL, text=climbing.replace('"frozen"', '"copy"'))
    again = evaluate(office["rita"], host, **WHO, version=2)
    assert any("does not beat the best score that this holdout has given" in result.reason for result in again.verdict.results)


def test_a_budget_that_is_raised_after_a_look_stays_what_it_was_and_says_so(ws, office, host, bundles):
    prepare(office, bundles, policy=POLICY.replace("looks_max = 20", "looks_max = 2"))
    evaluate(office["rita"], host, **WHO, version=1)
    set_policy(office["rita"], target=MODEL, text=POLICY.replace("looks_max = 20", "looks_max = 500"))
    second = evaluate(office["rita"], host, **WHO, version=1)
    assert second.holdout["looks_max"] == 2
    third = evaluate(office["rita"], host, **WHO, version=1)
    assert third.verdict.outcome == "failed"
    assert any("look 3 of at most 2" in r.reason and "looks_max = 500 came after a look" in r.reason for r in third.verdict.results)
    with pytest.raises(Refused, match="looked at 2 times and may not be"):
        examine(office["rita"], host, model=MODEL, version=1, tests=["subgroups"], groups=["who"])


def test_a_budget_may_be_raised_before_the_first_look_and_lowered_at_any_time(ws, office, host, bundles):
    prepare(office, bundles, policy=POLICY.replace("looks_max = 20", "looks_max = 2"))
    set_policy(office["rita"], target=MODEL, text=POLICY)
    assert evaluate(office["rita"], host, **WHO, version=1).holdout["looks_max"] == 20
    set_policy(office["rita"], target=MODEL, text=POLICY.replace("looks_max = 20", "looks_max = 5"))
    assert evaluate(office["rita"], host, **WHO, version=1).holdout["looks_max"] == 5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (POLICY.replace('"y_true"', '"truth"'), "holdout frozen has no column 'truth'"),
        (POLICY.replace('output = "y"', 'output = "z"'), "the answer of double@1 has no column 'z'"),
        (POLICY.replace("[holdout]", '[[guardrail]]\nmetric = "forbidden_rate"\nceiling = 0.1\noutput = "bad"\n[holdout]'), "'bad'"),
    ],
)
def test_a_policy_that_names_a_column_that_is_not_there_spends_no_look(ws, office, host, bundles, wrong, message):
    prepare(office, bundles, policy=wrong)
    with pytest.raises(InvalidInput, match=message):
        evaluate(office["rita"], host, **WHO, version=1)
    assert list_holdouts(ws)[0].looks == 0


@pytest.mark.parametrize(
    "disguised",
    [
        make_rows(0, 3).with_row_index("row"),
        make_rows(0, 3).with_columns(pl.col("x").cast(pl.Float32), pl.col("y_true").cast(pl.Float32)),
        make_rows(0, 3).drop("y_true"),
    ],
    ids=["a column more", "narrowed", "without the label"],
)
def test_training_rows_are_found_in_the_holdout_whatever_stands_beside_them(ws, office, host, bundles, disguised):
    prepare(office, bundles)
    register_factor(office["ann"], bundles, 2.0, training=disguised)
    with pytest.raises(Refused, match=r"3 of 400 rows of holdout frozen stand in the training data of double@2.* columns x"):
        evaluate(office["rita"], host, **WHO, version=2)
    assert list_holdouts(ws)[0].looks == 0


def test_evidence_says_over_which_columns_an_overlap_was_ruled_out_and_none_in_common_is_refused(ws, office, host, bundles):
    prepare(office, bundles)
    found = evaluate(office["rita"], host, **WHO, version=1).holdout["overlap"]
    assert found == {"rows": 0, "compared": ["x", "who", "y_true"], "inputs_not_compared": [], "inputs_repeat": False}
    register_factor(office["ann"], bundles, 2.0, training=make_rows(0).rename({"x": "u", "who": "v"}))
    with pytest.raises(Refused, match="with no input in common, an overlap cannot be ruled out"):
        evaluate(office["rita"], host, **WHO, version=2)


def test_inputs_that_training_does_not_have_are_named_and_inputs_that_repeat_are_compared_with_all_columns():
    table = {"a": [1.0, 2.0, 3.0], "b": [4, 5, 6], "y": [0, 1, 0]}
    part = count_overlap(table, {"a": [3.0], "y": [0]}, inputs=["a", "b"], label="y")
    assert (part.rows, part.columns, part.missing) == (1, ("a", "y"), ("b",))
    coarse, other = {"a": [0, 0, 0, 1, 1], "id": [1, 2, 3, 4, 9]}, {"a": [0, 1], "id": [5, 4]}
    whole = count_overlap(coarse, other, inputs=["a"])
    assert (whole.rows, whole.columns, whole.is_repeating) == (1, ("a", "id"), True)


def test_values_are_compared_as_what_they_are_however_they_were_written():
    one = {"a": [0.1, None, True, 1e300, -0.0, 10**400, "x"]}
    narrow = {"a": ["0.1", math.nan, 1.0, 1e300, 0, 10**400, "x"]}
    assert digest_table(one) == digest_table(narrow)
    assert count_overlap(one, narrow, inputs=["a"]).rows == 7
    assert count_overlap({"a": ["ab", "c"], "b": ["c", "d"]}, {"a": ["a", "c"], "b": ["bc", "e"]}, inputs=["a", "b"]).rows == 0


CELLS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4))


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12).flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_a_table_in_another_order_and_under_other_names_has_the_same_digest(both):
    rows, moved = both
    one = {"a": [row[0] for row in rows], "b": [row[1] for row in rows]}
    other = {"p": [row[1] for row in moved], "q": [row[0] for row in moved]}
    assert digest_table(one)[1] == digest_table(other)[1]
    assert digest_table(one)[0] == digest_table({"b": [row[1] for row in moved], "a": [row[0] for row in moved]})[0]
    assert 0.0 <= share_of_rows(one, other) <= 1.0


@pytest.mark.parametrize(("shared", "expected"), [(4, 0.4), (5, 0.5), (10, 1.0)])
def test_the_share_is_of_the_smaller_tables_rows(shared, expected):
    small = {"a": [*range(10)], "b": [value * 7 for value in range(10)]}
    large = {"a": [*range(shared), *range(100, 140)], "b": [*(v * 7 for v in range(shared)), *range(200, 240)]}
    assert share_of_rows(small, large) == expected == share_of_rows(large, small)


@pytest.mark.parametrize("start", [1_700_000_000, 16_777_216, 2**60])
def test_later_timestamps_and_ids_are_no_rows_that_were_trained_on(start):
    training = {"t": [start + place for place in range(1000)]}
    holdout = {"t": [float(start + 1000 + place) if start < 2**53 else start + 1000 + place for place in range(1000)]}
    assert count_overlap(holdout, training, inputs=["t"]).rows == 0
    assert count_overlap({"t": [float(start)]}, training, inputs=["t"]).rows == 1, "the same number in another type"
