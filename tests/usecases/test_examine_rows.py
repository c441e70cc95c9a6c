"""The tests of a version's rows and answers: each passes where nothing is wrong, and fails where exactly its rule is broken."""

import re

import polars as pl
import pytest

from exams import SCORING, SQUARE, ask, make_rows, make_subject
from incumbent.base.errors import InvalidInput, NotFound, Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.gates.policy import Scoring
from incumbent.usecases.examine import LABEL_TESTS, examine, list_examinations, record_test_results, run_tests
from incumbent.usecases.examine_score import get_test_score
from incumbent.usecases.examine_subject import find_subject
from incumbent.usecases.holdouts import list_holdouts
from incumbent.usecases.policies import set_policy
from incumbent.usecases.recording import check_acting, governed
from incumbent.usecases.schemas import get_schema, infer_schema, list_schemas, set_schema


@pytest.fixture
def ws(tmp_path):
    (tmp_path / "project").mkdir()
    opened = open_workspace(read_settings(tmp_path / "project", {}))
    yield opened
    opened.store.close()


@pytest.fixture
def host(ws):
    opened = open_model_host(ws)
    yield opened
    opened.close()


def register_schema(ws, subject, *edits, form="yaml"):
    """Infer, edit the text, set it, and return the subject as it is found now."""
    text = infer_schema(ws, model="square", version=subject.version.version, form=form)
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    set_schema(ws, model="square", text=text)
    return find_subject(ws, subject.version, holdout=subject.holdout.name, scoring=subject.scoring)


def test_distributions_passes_rows_of_one_law(ws, host, tmp_path):
    found = ask(ws, host, make_subject(ws, tmp_path), "distributions")
    assert found.outcome == "passed"
    assert found.facts["false_alarm_rate"] == 0.01
    assert "at most 1% of the time" in found.reason


@pytest.mark.parametrize(
    "held",
    [
        make_rows(2).with_columns(x=pl.col("x") + 2),
        make_rows(2).with_columns(x=pl.col("x") / 3),
        make_rows(2).with_columns(who=pl.lit("bob")),
        make_rows(2).with_columns(who=pl.lit(None, dtype=pl.String)),
        make_rows(2).with_columns(y_true=pl.col("y_true") + 9),
    ],
    ids=["shifted", "narrowed", "one category", "nulls", "label"],
)
def test_distributions_fails_what_moved_and_names_it(ws, host, tmp_path, held):
    found = ask(ws, host, make_subject(ws, tmp_path, holdout=held), "distributions")
    assert found.outcome == "failed"
    moved = next(name for name in ("x", "who", "y_true") if not held[name].equals(make_rows(2)[name]))
    assert repr(moved) in found.reason


def test_distributions_is_undecided_on_few_rows(ws, host, tmp_path):
    found = ask(ws, host, make_subject(ws, tmp_path, holdout=make_rows(2, 40)), "distributions")
    assert found.outcome == "undecided", found
    assert "too few rows" in found.reason


def test_distributions_compares_with_the_rows_that_the_champion_was_trained_on(ws, host, tmp_path):
    from dataclasses import replace

    other = make_subject(ws, tmp_path, training=make_rows(5).with_columns(x=pl.col("x") + 3))
    mine = make_subject(ws, tmp_path)
    rival = replace(mine, champion=other.version, champion_training=other.training)
    found = ask(ws, host, rival, "distributions")
    assert found.outcome == "failed"
    assert "the champion's training rows" in found.reason
    assert ask(ws, host, replace(mine, champion=mine.version, champion_training=mine.training), "distributions").outcome == "passed"


def test_without_a_schema_expected_values_do_not_apply_and_the_reason_says_how_to_register_one(ws, host, tmp_path):
    found = ask(ws, host, make_subject(ws, tmp_path), "expected-values")
    assert found.outcome == "not-applicable"
    assert "incumbent schemas infer square@1" in found.reason
    assert "none is registered" in ask(ws, host, make_subject(ws, tmp_path), "schema").reason


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_an_inferred_schema_that_is_registered_holds_for_its_own_rows(ws, host, tmp_path, form):
    subject = register_schema(ws, make_subject(ws, tmp_path), form=form)
    for name in ("schema", "expected-values"):
        found = ask(ws, host, subject, name)
        assert found.outcome == "passed", found
        assert found.facts["schema_entry"] == subject.schema.seq
    assert [(one.model, one.seq) for one in list_schemas(ws)] == [("square", subject.schema.seq)]


@pytest.mark.parametrize(
    ("test", "edit", "words"),
    [
        ("expected-values", ("greater_than_or_equal_to: -2", "greater_than_or_equal_to: 1\n    title: two"), "break greater_than_or"),
        ("expected-values", ("isin:\n    - ann\n", "isin:\n"), "values of 'who' break isin"),
        ("schema", ("dtype: Float64", "dtype: String"), "'x' is Float64, not String"),
        ("schema", ("strict: false", "strict: true\ntitle: no others"), ""),
        ("schema", ("columns:\n", "columns:\n  age:\n    dtype: Int64\n"), "'age' is missing"),
    ],
    ids=["range", "category", "type", "strict", "missing"],
)  # fmt: skip
def test_rows_that_break_the_registered_schema_fail_and_are_named(ws, host, tmp_path, test, edit, words):
    held = make_rows(2).with_columns(extra=pl.lit(1)) if "strict" in edit[0] else None
    subject = make_subject(ws, tmp_path, holdout=held)
    text = infer_schema(ws, model="square", version=1)
    if "dtype" in edit[0]:
        text = (
            text.partition("  who:")[0].replace("dtype: Float64", "dtype: String").partition("    greater")[0]
            + "  who:"
            + text.partition("  who:")[2]
        )
    else:
        assert edit[0] in text
        text = text.replace(*edit)
    set_schema(ws, model="square", text=text)
    found = ask(ws, host, find_subject(ws, subject.version, holdout="frozen-1", scoring=SCORING), test)
    assert found.outcome == "failed", found
    assert (words or "'extra' is not in the schema") in found.reason


def test_a_share_of_nulls_and_of_values_outside_is_what_the_schema_allows(ws, host, tmp_path):
    held = make_rows(2).with_columns(who=pl.Series([None if place % 10 == 0 else "ann" for place in range(400)]))  # 10 % nulls
    subject = make_subject(ws, tmp_path, holdout=held)
    column = "{columns: {x: {dtype: Float64}, who: {dtype: String, nullable: true, null_share_max: %s}, y_true: {dtype: Float64}}}"
    for share, outcome in [("0.1", "passed"), ("0.09", "failed")]:
        set_schema(ws, model="square", text=column % share)
        found = ask(ws, host, find_subject(ws, subject.version, holdout="frozen-1"), "expected-values")
        assert found.outcome == outcome, found
    outside = "columns: {x: {dtype: Float64, less_than: 2.0, outside_share_max: %s}}"
    above = sum(value >= 2.0 for value in [*make_rows(1)["x"]])
    for share, outcome in [(0.9, "passed"), (above / 400 - 0.01, "failed")]:
        set_schema(ws, model="square", text=outside % share)
        found = ask(ws, host, find_subject(ws, subject.version, holdout="frozen-1"), "expected-values")
        assert found.outcome == outcome, found


def test_a_schema_that_lets_every_value_break_its_checks_expects_nothing(ws, host, tmp_path):
    subject = make_subject(ws, tmp_path)
    set_schema(ws, model="square", text="columns: {x: {dtype: Float64, less_than: -100.0, outside_share_max: 1.0}}")
    found = ask(ws, host, find_subject(ws, subject.version, holdout="frozen-1"), "expected-values")
    assert (found.outcome, "every value of 'x' break its checks" in found.reason) == ("undecided", True), found


def test_values_whose_type_is_wrong_are_not_called_as_expected(ws, host, tmp_path):
    subject = make_subject(ws, tmp_path)
    set_schema(ws, model="square", text="columns: {who: {dtype: Int64, less_than: 5}}")
    found = ask(ws, host, find_subject(ws, subject.version, holdout="frozen-1"), "expected-values")
    assert (found.outcome, "'who' could not be judged" in found.reason) == ("undecided", True)


def test_a_registered_schema_may_clear_a_name_but_no_values_and_may_call_a_column_personal(ws, host, tmp_path):
    rows = {"street": ["quiet"] * 400, "note": ["see ann@example.com"] * 400}
    subject = make_subject(ws, tmp_path, training=make_rows(1, street=rows["street"]))
    rest = "note: {dtype: String, required: false, privacy: cleared}"
    schema = "columns: {x: {dtype: Float64}, street: {dtype: String, required: false, privacy: %s}, " + rest + "}"
    assert ask(ws, host, subject, "privacy-columns").outcome == "failed"
    set_schema(ws, model="square", text=schema % "cleared")
    again = find_subject(ws, subject.version, holdout="frozen-1")
    found = ask(ws, host, again, "privacy-columns")
    assert (found.outcome, found.facts["cleared"]) == ("passed", ["note", "street"])
    noted = make_subject(ws, tmp_path, training=make_rows(1, note=rows["note"]))
    assert "'note' holds e-mail" in ask(ws, host, noted, "privacy-columns").reason
    set_schema(ws, model="square", text=schema.replace("x: {dtype: Float64}", "x: {dtype: Float64, privacy: personal}") % "cleared")
    found = ask(ws, host, find_subject(ws, subject.version, holdout="frozen-1"), "privacy-columns")
    assert "'x' is personal by the registered schema" in found.reason


def test_a_schema_is_set_for_a_model_that_exists_and_is_an_entry(ws, host, tmp_path):
    make_subject(ws, tmp_path)
    with pytest.raises(NotFound, match="there is no model 'sqare'; there are: square"):
        set_schema(ws, model="sqare", text="columns: {x: {dtype: Float64}}")
    with pytest.raises(InvalidInput, match="tag"):
        set_schema(ws, model="square", text="columns: !!python/name:os.system x")
    with pytest.raises(NotFound, match="no schema is registered"):
        get_schema(ws, model="square")
    done = set_schema(ws, model="square", text="columns: {x: {dtype: Float64}}", reason="first")
    with ws.store.begin(read_only=True) as tx:
        entry = tx.ledger.get(done.seq)
    assert (entry.draft.act, entry.draft.object.name, entry.draft.reason) == ("set-schema", "schema square", "first")
    assert get_schema(ws, model="square") == done


def test_feature_benefit_passes_when_each_input_matters_and_is_open_when_one_does_not(ws, host, tmp_path):
    both = SQUARE.replace(
        '2 * x * x for x in columns["x"]', "2 * x * x + (0 if w == 'ann' else 3) for x, w in zip(columns['x'], columns['who'])"
    )
    rows = make_rows(2)
    held = rows.with_columns(y_true=pl.col("y_true") + pl.when(pl.col("who") == "ann").then(0).otherwise(3))
    found = ask(ws, host, make_subject(ws, tmp_path, both, holdout=held), "feature-benefit")
    assert found.outcome == "passed", found
    idle = ask(ws, host, make_subject(ws, tmp_path), "feature-benefit")
    assert idle.outcome == "undecided"
    assert "'who' (0, 0 to 0;" in idle.reason
    assert idle.facts["who"]["bytes_a_row"] > 1
    assert isinstance(idle.facts["who"]["ms"], float)
    # By arithmetic: with x dealt out anew the squared error is about E(2 x² - 2 x'²)² = 8 Var(x²); x is uniform on (-3, 3).
    assert idle.facts["x"]["benefit"] == pytest.approx(8 * (81 / 5 - 9), rel=0.2)


@pytest.mark.parametrize(("limit", "outcome"), [(0, "failed"), (1, "passed")])
def test_feature_benefit_fails_only_by_the_number_that_the_policy_names(ws, host, tmp_path, limit, outcome):
    from dataclasses import replace

    subject = replace(make_subject(ws, tmp_path), useless_features_max=limit)
    found = ask(ws, host, subject, "feature-benefit")
    assert found.outcome == outcome
    assert f"The policy allows {limit}" in found.reason


def test_feature_benefit_needs_rows(ws, host, tmp_path):
    found = ask(ws, host, make_subject(ws, tmp_path, holdout=make_rows(2, 20)), "feature-benefit")
    assert found.outcome == "undecided", found
    assert "too few" in found.reason


def by_who(subject):
    from dataclasses import replace

    return replace(subject, groups=("who",))


PARTIAL = SQUARE.replace(
    '2 * x * x for x in columns["x"]', "2 * x * x + (0 if w == 'ann' else 1) for x, w in zip(columns['x'], columns['who'])"
)


def test_subgroups_of_a_number_fail_where_one_groups_error_is_larger(ws, host, tmp_path):
    assert ask(ws, host, make_subject(ws, tmp_path), "subgroups").outcome == "not-applicable"
    even = ask(ws, host, by_who(make_subject(ws, tmp_path)), "subgroups")
    assert even.outcome == "passed", even
    assert sum(group["n"] for group in even.facts["who"]["groups"]) == 400
    found = ask(ws, host, by_who(make_subject(ws, tmp_path, PARTIAL)), "subgroups")
    assert found.outcome == "failed"
    assert "'bob' by" in found.reason
    few = ask(ws, host, by_who(make_subject(ws, tmp_path, holdout=make_rows(2, 50))), "subgroups")
    assert few.outcome == "undecided"


def test_subgroups_that_may_be_luck_say_how_many_more_rows_would_settle_it(ws, host, tmp_path):
    """Squared errors of 0 and 2 in one group and 0 and 2.6 in the other: their means differ by 0.3, and 0.575 is the limit.

    Of 200 rows the bound lies 1.96 sqrt((1 + 1.69) / 99) = 0.323 above 0.3, and has to come within 0.275 of it: 200 (0.323 / 0.275)^2.
    """

    def ask_of(rows):
        places = range(rows)
        x = [place / 100 for place in places]
        off = [(2.0 if place % 2 else 2.6) ** 0.5 * (place % 4 > 1) for place in places]
        held = pl.DataFrame(
            {
                "x": x,
                "who": ["ann" if place % 2 else "bob" for place in places],
                "y_true": [2 * v * v + more for v, more in zip(x, off, strict=True)],
            }
        )
        return ask(ws, host, by_who(make_subject(ws, tmp_path, holdout=held)), "subgroups")

    found = ask_of(200)
    assert found.outcome == "undecided", found
    more = int(re.search(r"about (\d+) more rows would settle it", found.reason)[1])
    assert more == pytest.approx(200 * (0.323 / 0.275) ** 2 - 200, abs=2)
    assert [ask_of(200 + 4 * round(more * share / 4)).outcome for share in (0.8, 1.2)] == ["undecided", "passed"]


@pytest.mark.parametrize(
    ("wrong_of_bob", "rows", "outcome"), [(0, 400, "passed"), (100, 400, "failed"), (22, 400, "undecided"), (0, 50, "undecided")]
)
def test_subgroups_of_a_decision_fail_where_one_group_is_wrong_more_often(ws, host, tmp_path, wrong_of_bob, rows, outcome):
    who = ["ann" if place % 2 else "bob" for place in range(rows)]
    x = [float(place % 5 + 4) for place in range(rows)]  # is_big of SQUARE: 2 x² > 10
    bobs = [place for place in range(rows) if who[place] == "bob"][:wrong_of_bob]
    held = pl.DataFrame({"x": x, "who": who, "late": [place not in bobs for place in range(rows)]})
    held = held.with_columns(late=pl.when(pl.int_range(rows) % 40 == 1).then(~pl.col("late")).otherwise(pl.col("late")))
    found = ask(ws, host, by_who(make_subject(ws, tmp_path, holdout=held, scoring=Scoring("late", "is_big"))), "subgroups")
    assert found.outcome == outcome, found
    assert ("more rows would settle it" in found.reason) is (wrong_of_bob == 22)


def test_subgroups_of_an_identifier_or_of_one_value_are_none(ws, host, tmp_path):
    held = make_rows(2).with_columns(who=pl.Series([f"p{place}" for place in range(400)]))
    assert "at most 100 are groups" in ask(ws, host, by_who(make_subject(ws, tmp_path, holdout=held)), "subgroups").reason
    alone = make_rows(2).with_columns(who=pl.lit("ann"))
    assert "one group only" in ask(ws, host, by_who(make_subject(ws, tmp_path, holdout=alone)), "subgroups").reason


POLICY = """
format = 1
[primary]
metric = "mse"
margin = 0.05
label = "y_true"
output = "y"
[holdout]
name = "frozen-1"
looks_max = 2
[tests]
required = ["serves", "subgroups"]
groups = ["who"]
useless_features_max = 1
"""


def test_the_policy_names_groups_and_how_many_inputs_may_be_idle(ws, host, tmp_path):
    subject = make_subject(ws, tmp_path)
    set_policy(ws, target="square", text=POLICY)
    found = find_subject(ws, subject.version)
    assert (found.groups, found.useless_features_max) == (("who",), 1)
    assert find_subject(ws, subject.version, groups=["x"]).groups == ("who", "x")


def test_an_examination_past_the_budget_of_the_holdout_is_refused_and_on_record(ws, host, tmp_path):
    make_subject(ws, tmp_path)
    set_policy(ws, target="square", text=POLICY)
    for _ in range(2):
        examine(ws, host, model="square", version=1, tests=["subgroups"])
    with pytest.raises(Refused, match="looked at 2 times"):
        examine(ws, host, model="square", version=1, tests=["subgroups"])
    assert [holdout.looks for holdout in list_holdouts(ws)] == [2]
    examine(ws, host, model="square", version=1, tests=["serves", "distributions"])
    with ws.store.begin(read_only=True) as tx:
        assert len(tx.ledger.find(act="refuse")) == 1


def test_a_spent_holdout_is_not_read_by_a_gates_tests_either(ws, host, tmp_path):
    subject = by_who(make_subject(ws, tmp_path))
    found = run_tests(ws, host, subject, ["serves", *sorted(LABEL_TESTS)], may_look=False)
    assert [result.outcome for result in found] == ["passed"] + ["undecided"] * len(LABEL_TESTS)
    assert all("used up" in result.reason for result in found[1:])


def test_what_a_gate_ran_feeds_the_score_without_running_twice(ws, host, tmp_path):
    subject = by_who(make_subject(ws, tmp_path))
    results = run_tests(ws, host, subject, ["subgroups"])
    with governed(ws) as tx:
        made = record_test_results(ws, tx, acting=check_acting(ws, tx, "evaluate"), subject=subject, results=results, at=ws.clock.now())
    assert list_examinations(ws, model="square", version=1) == [made]
    score = {point.point: point.score for point in get_test_score(ws, model="square", version=1).points}
    assert score["model-6"] == 1.0
    assert list_holdouts(ws)[0].looks == 0
    with pytest.raises(InvalidInput, match="without a result"), governed(ws) as tx:
        record_test_results(ws, tx, acting=check_acting(ws, tx, "evaluate"), subject=subject, results=[], at=ws.clock.now())
