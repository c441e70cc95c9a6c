"""`incumbent schemas` and `incumbent testscore` as a person types them: a draft, the edit, the entry, what a bad file gets."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from command import incumbent, incumbent_json, write

SCRIPT = """
import random, sys, tempfile
from pathlib import Path
import polars as pl
import incumbent as inc
sys.path.insert(0, sys.argv[1])
from bundles import write_bundle

def rows(seed):
    chance = random.Random(seed)
    x = [chance.uniform(-3, 3) for _ in range(400)]
    return pl.DataFrame({"x": x, "who": [chance.choice(["ann", "bob"]) for _ in x], "y_true": [2 * v + chance.gauss(0, 0.1) for v in x]})

with inc.run(experiment="double") as run:
    run.log_artifact(write_bundle(Path(tempfile.mkdtemp()) / "bundle"), "model")
    run.log_artifact(rows(1), "training")
    run.log_artifact(rows(2), "held")
print(run.id)
"""
DATA = ("--holdout", "frozen", "--label", "y_true", "--output", "y")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    write(folder, {"script.py": textwrap.dedent(SCRIPT)})
    command = [sys.executable, "script.py", str(Path(__file__).parents[1])]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
    incumbent(folder, "register", "--model", "double", "--run", run, "--artifact", "model")
    incumbent(folder, "holdouts", "add", "frozen", "--run", run, "--artifact", "held")
    return folder


@pytest.fixture
def project(made, tmp_path):
    return shutil.copytree(made, tmp_path / "project")


def test_a_draft_is_edited_set_and_held_against_the_rows(project):
    incumbent(project, "schemas", "infer", "double@1", "--out", "schema.yaml")
    text = (project / "schema.yaml").read_text()
    assert "never overwritten" in incumbent(project, "schemas", "infer", "double@1", "--out", "schema.yaml", code=2).stderr
    (project / "schema.yaml").write_text(text.replace("    - ann\n", ""))
    done = incumbent_json(project, "schemas", "set", "double", "schema.yaml", "--reason", "nobody is called ann")
    found = incumbent_json(project, "testscore", "run", "double@1", "--test", "expected-values", *DATA, code=1)
    [result] = found["results"]
    assert (result["outcome"], result["facts"]["schema_entry"]) == ("failed", done["entry"])
    assert "'who' break isin" in result["reason"]
    assert f"entry {done['entry']}" in incumbent(project, "schemas", "show", "double").stdout
    incumbent(project, "ledger", "reconcile")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("s.yaml", "columns: !!python/object/apply:os.system ['touch pwned']", "only plain values are read"),
        ("s.yaml", "a: &a [1]\ncolumns: *a", "anchor"),
        ("s.json", '{"columns": {"x": {"dtype": "Int64", "checks": {"eval": "1"}}}}', "'eval'"),
        ("s.yaml", "", "empty"),
    ],
    ids=["code", "alias", "unknown check", "empty"],
)
def test_a_bad_file_is_refused_and_nothing_is_run_or_recorded(project, name, text, words):
    (project / name).write_text(text)
    assert words in incumbent(project, "schemas", "set", "double", name, code=2).stderr
    assert not (project / "pwned").exists()
    assert incumbent_json(project, "schemas", "ls")["schemas"] == []


def test_what_is_not_there_is_named(project):
    (project / "s.yaml").write_text("columns: {x: {dtype: Float64}}")
    assert "there are: double" in incumbent(project, "schemas", "set", "nope", "s.yaml", code=3).stderr
    assert "incumbent schemas infer" in incumbent(project, "schemas", "show", "double", code=3).stderr
    assert ".yaml or .json" in incumbent(project, "schemas", "infer", "double@1", "--out", "s.txt", code=2).stderr


def test_groups_are_named_on_the_command_line_and_nobody_attests_where_nobody_is_known(project):
    found = incumbent_json(project, "testscore", "run", "double@1", "--test", "subgroups", "--group", "who", *DATA)
    assert found["results"][0]["outcome"] == "passed"
    refused = incumbent(project, "testscore", "attest", "double@1", "data-6", "--reason", "two days", code=1)
    assert "nobody is registered" in refused.stderr
