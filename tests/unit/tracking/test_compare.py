from dataclasses import replace
from datetime import UTC, datetime

import pytest

from incumbent.base.artifact import Artifact
from incumbent.base.digest import digest_bytes
from incumbent.base.errors import InvalidInput
from incumbent.base.metric import MetricPoint
from incumbent.tracking.compare import RunDetails, compare_runs
from incumbent.tracking.run import CodeVersion, Run, RunArtifact, StageRun

AT = datetime(2013, 1, 1, tzinfo=UTC)
ONE, TWO = digest_bytes(b"1"), digest_bytes(b"2")
RUN = Run(
    "run-1", "credit", "first", "p", None, "finished", AT, AT, 7, CodeVersion("abc"), {"config": {"train": {"lr": 0.1, "layers": [2]}}}
)


def details(run_id, *, params=None, data=ONE, auc=0.9, commit="abc", numpy="2.3", lr=0.1, key=ONE):
    run = replace(RUN, run_id=run_id, params=params or {}, code=CodeVersion(commit), facts={"config": {"train": {"lr": lr, "layers": [2]}}})
    return RunDetails(
        run,
        stages=[StageRun("train", None, "ran", key)],
        artifacts=[RunArtifact(run_id, "input", "raw", Artifact("file", data, 1, "raw.csv"))],
        metrics={"auc": MetricPoint("auc", auc, 0, AT)},
        environment={"python": "3.11", "distributions": {"numpy": numpy}},
    )


def differing(*runs):
    return {(row.section, row.name): row.values for row in compare_runs(runs).differences}


def test_equal_runs_differ_in_nothing_and_share_their_fields():
    comparison = compare_runs([details("run-1"), details("run-2"), details("run-3")])
    assert comparison.run_ids == ("run-1", "run-2", "run-3")
    assert comparison.differences == ()
    assert {row.section for row in comparison.rows} == {"run", "config", "metrics", "inputs", "code", "stages", "environment"}


def test_each_recorded_input_shows_up_where_it_differs():
    assert differing(details("run-1"), details("run-2", data=TWO, auc=0.8, commit="abd", numpy="2.4", lr=0.2, key=TWO)) == {
        ("config", "train.lr"): (0.1, 0.2),
        ("metrics", "auc"): (0.9, 0.8),
        ("inputs", "raw"): (f"file {ONE} raw.csv", f"file {TWO} raw.csv"),
        ("code", "commit"): ("abc", "abd"),
        ("stages", "train"): (ONE, TWO),
        ("environment", "distributions.numpy"): ("2.3", "2.4"),
    }


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), (1, "1"), (0, None), ([1], [1.0])])
def test_values_of_different_types_are_different(one, other):
    assert differing(details("run-1", params={"p": one}), details("run-2", params={"p": other})) == {("params", "p"): (one, other)}


def test_keys_in_another_order_are_the_same_value():
    assert differing(details("run-1", params={"p": {"a": 1, "b": 2}}), details("run-2", params={"p": {"b": 2, "a": 1}})) == {}


def test_a_missing_value_is_told_from_none():
    [row] = compare_runs([details("run-1", params={"p": None}), details("run-2", params={})]).differences
    assert (row.values, row.has) == ((None, None), (True, False))


@pytest.mark.parametrize("ids", [[], ["run-1"], ["run-1", "run-2", "run-1"]])
def test_comparing_takes_two_different_runs(ids):
    with pytest.raises(InvalidInput, match="two or more different runs"):
        compare_runs([details(run_id) for run_id in ids])
