"""`incumbent runs` and `incumbent.run`, from a script in a project folder, as a user meets them."""

import json
import os
import subprocess
import sys

import pytest
from command import incumbent, incumbent_json

SCRIPT = """
import sys
import incumbent as inc

for depth, auc in ((4, 0.91), (6, 0.93), (6, 0.89)):
    with inc.run(experiment="credit", name=f"depth {depth}", params={"depth": depth, "lr": 0.1}, tags={"team": "risk"}) as run:
        for step in range(10):
            run.log_metric("loss", 1 / (step + 1))
        run.log_metric("auc", auc)
        run.log_artifact("train.py", "code/train.py")
        run.log_artifact({"threshold": 0.5}, "settings")
        print(run.id)
run = inc.run(experiment="other")
run.log_metric("loss", 3)
print(run.id, flush=True)
if "die" in sys.argv:
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with three finished runs, and one whose process was killed."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").write_text("[tool.incumbent]\n")
    (folder / "train.py").write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INCUMBENT_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "train.py", "die"],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == -9, done.stderr
    return folder, done.stdout.split()


def test_a_search_gives_its_runs_in_order_with_the_fields_it_was_asked_by(project):
    folder, ids = project
    query = "metrics.auc > 0.9 and params.depth in (4, 6) order by metrics.auc desc"
    found = incumbent_json(folder, "runs", "search", query)["runs"]
    assert [(run["run_id"], run["metrics"]["auc"]["last"], run["params"]["depth"]) for run in found] == [
        (ids[1], 0.93, 6), (ids[0], 0.91, 4),
    ]  # fmt: skip
    lines = incumbent(folder, "runs", "search", query).stdout.splitlines()
    assert lines[0].split()[-2:] == ["metrics.auc", "params.depth"]
    assert [line.split()[-2:] for line in lines[1:]] == [["0.93", "6"], ["0.91", "4"]]


def test_a_list_shows_what_a_killed_process_left(project):
    folder, ids = project
    runs = {run["run_id"]: run for run in incumbent_json(folder, "runs", "ls")["runs"]}
    assert {run_id: runs[run_id]["state"] for run_id in ids} == {**dict.fromkeys(ids[:3], "finished"), ids[3]: "killed"}
    assert runs[ids[3]]["metrics"]["loss"]["last"] == 3
    assert [run["run_id"] for run in incumbent_json(folder, "runs", "ls", "--experiment", "other")["runs"]] == [ids[3]]
    assert len(incumbent_json(folder, "runs", "ls", "--limit", "2", "--offset", "1")["runs"]) == 2


def test_show_prints_all_that_is_known_and_verifies_the_seal(project):
    folder, ids = project
    text = incumbent(folder, "runs", "show", ids[1], "--verify").stdout
    for words in ("depth 6", "finished", "(verified)", "auc ", "0.93 at step 0", "min 0.1   max 1   10 points", "code/train.py", "blake3:"):
        assert words in text, f"{words!r} is not in\n{text}"
    document = incumbent_json(folder, "runs", "show", ids[1])
    assert document["metrics"]["loss"]["last"] == 0.1
    assert document["environment"]
    assert {one["name"]: one["artifact"]["codec"] for one in document["artifacts"]} == {"code/train.py": "file", "settings": "value"}


def test_compare_prints_only_what_differs_unless_asked_for_all(project):
    folder, ids = project
    rows = incumbent_json(folder, "runs", "compare", ids[0], ids[1])["rows"]
    assert {(row["section"], row["name"]): row["values"] for row in rows} == {("params", "depth"): [4, 6], ("metrics", "auc"): [0.91, 0.93]}
    every = incumbent_json(folder, "runs", "compare", ids[0], ids[1], "--all")["rows"]
    assert {"params", "metrics", "outputs", "environment", "code"} <= {row["section"] for row in every}
    assert "no difference" not in incumbent(folder, "runs", "compare", ids[0], ids[1]).stdout


def test_a_note_on_a_sealed_run_is_shown_and_leaves_its_seal_whole(project):
    folder, ids = project
    incumbent(folder, "runs", "note", ids[0], "the one we showed")
    assert [note["text"] for note in incumbent_json(folder, "runs", "show", ids[0], "--verify")["notes"]] == ["the one we showed"]


def test_an_export_holds_every_point(project):
    folder, ids = project
    incumbent(folder, "runs", "export", ids[0], "--output", "run.json")
    document = json.loads((folder / "run.json").read_text("utf-8"))
    assert [(step, value) for step, _, value in document["points"]["loss"]] == [(step, 1 / (step + 1)) for step in range(10)]
    assert json.loads(incumbent(folder, "runs", "export", ids[0]).stdout) == document
    assert "cannot be written" in incumbent(folder, "runs", "export", ids[0], "--output", "nowhere/run.json", code=1).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["search", "loss > 1"], 2, "metrics.loss or params.loss"),
        (["search", "metrics.loss >"], 2, "^"),
        (["show", "run-0000000"], 3, "runs ls"),
        (["compare", "run-0000000"], 3, "runs ls"),
        (["ls", "--limit", "0"], 2, "at least one run"),
        (["note", "run-0000000", "x"], 3, "no run"),
    ],
)
def test_bad_input_gets_one_paragraph_and_the_right_exit_code(project, arguments, code, words):
    folder, _ = project
    done = incumbent(folder, "runs", *arguments, code=code)
    assert words in done.stderr
    assert done.stdout == ""


def test_help_has_examples(project):
    folder, _ = project
    assert "order by metrics.auc desc" in incumbent(folder, "runs", "--help").stdout
