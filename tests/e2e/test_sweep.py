"""Sweeps: one run per combination, shared upstream work done once."""

import pytest
from command import incumbent, incumbent_json, ran, write

PIPELINE = """
import incumbent as inc

@inc.stage
def load() -> list[int]:
    return [1, 2, 3]

@inc.stage
def train(load: list[int], *, lr: float = 0.1, depth: int = 2) -> float:
    return -((lr - 0.3) ** 2) + depth

@inc.stage
def evaluate(train: float) -> float:
    inc.log_metric("score", train)
    return train

pipeline = inc.Pipeline("sweep", [load, train, evaluate])
"""


@pytest.fixture
def project(tmp_path):
    write(tmp_path, {"pipe.py": PIPELINE, "pyproject.toml": '[tool.incumbent]\npipeline = "pipe.py:pipeline"\n'})
    return tmp_path


def test_a_grid_runs_every_combination_under_one_parent_and_shares_what_is_above(project):
    found = incumbent_json(project, "run", "--sweep", "train.lr=0.1,0.3", "--sweep", "train.depth=2,4")
    assert [trial["settings"] for trial in found["trials"]] == [
        {"train.lr": lr, "train.depth": depth} for lr in (0.1, 0.3) for depth in (2, 4)
    ]
    assert [trial["ran"] for trial in found["trials"]] == [3, 2, 2, 2], "load ran once"
    assert found["trials"][3]["metrics"]["score"] == pytest.approx(4.0)
    assert ran(incumbent_json(project, "run", "--set", "train.lr=0.3", "--set", "train.depth=4")) == []


def test_optuna_finds_its_way_and_the_same_sweep_proposes_the_same(project):
    pytest.importorskip("optuna", reason="the extra `sweep` is not installed")
    arguments = ["run", "--sweep", "train.lr=0.0..1.0", "--trials", "4", "--maximize", "score"]
    first = incumbent_json(project, *arguments)
    again = incumbent_json(project, *arguments)
    assert [trial["settings"] for trial in first["trials"]] == [trial["settings"] for trial in again["trials"]]
    assert all(0 <= trial["settings"]["train.lr"] <= 1 for trial in first["trials"])
    assert sum(trial["ran"] for trial in again["trials"]) == 0


def test_a_metric_that_no_stage_logs_is_refused(project):
    pytest.importorskip("optuna", reason="the extra `sweep` is not installed")
    done = incumbent(project, "run", "--sweep", "train.lr=0.1,0.2", "--trials", "2", "--minimize", "loss", code=2)
    assert "logged no metric 'loss'; it logged: score" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sweep", "train.lr=0.1,abc"], "train.lr='abc' is a str, and the stage takes float"),
        (["--sweep", "train.lr=0.1", "--sweep", "train.lr=0.2"], "given twice"),
        (["--sweep", "train.lr=0.1,0.1"], "a value is given twice"),
        (["--sweep", "train.lr="], "one or more values"),
        (["--sweep", "train.lr=0.1", "--dry-run"], "--dry-run plans one run"),
        (["--trials", "3", "--maximize", "score"], "--sweep STAGE.KEY"),
        (["--set", "train.lr=nan"], "train.lr=nan"),
    ],
)
def test_a_sweep_that_cannot_go_well_is_refused_before_its_first_run(project, arguments, words):
    done = incumbent(project, "run", *arguments, code=2)
    assert words in " ".join(done.stderr.split())
    assert "run-" not in incumbent(project, "runs", "ls", "--json").stdout


def test_a_whole_number_for_a_float_is_the_same_setting(project):
    incumbent(project, "run", "--set", "train.lr=1.0")
    assert ran(incumbent_json(project, "run", "--set", "train.lr=1")) == []
