"""`incumbent holdouts` says which holdouts share their looks, and which could not be compared."""

import json

import polars as pl
import pytest

from incumbent.bootstrap.workspace import open_workspace
from incumbent.cli import main
from incumbent.config import read_settings
from incumbent.usecases.holdouts import list_holdouts
from incumbent.usecases.live_run import begin_run
from office import make_rows


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("INCUMBENT_KEYS", str(tmp_path / "keys"))
    return tmp_path / "project"


def make_run(project, table):
    ws = open_workspace(read_settings(project, {"INCUMBENT_KEYS": str(project.parent / "keys")}))
    with begin_run(ws, experiment="data") as run:
        run.log_artifact(table, "holdout")
    digests = [str(holdout.artifact.digest) for holdout in list_holdouts(ws)]
    ws.store.close()
    return run.id, digests


def call(capsys, *arguments):
    assert main(["holdouts", *arguments]) == 0
    return capsys.readouterr().out


def test_shared_rows_and_rows_that_could_not_be_compared_are_told_in_text_and_in_json(project, capsys):
    for name, table in (("march", make_rows(0)), ("lost", make_rows(900).rename({"x": "u"}))):
        run, _ = make_run(project, table)
        said = call(capsys, "add", name, "--run", run)
        assert "shares" not in said
    run, (_, lost) = make_run(project, pl.concat([make_rows(0).tail(300), make_rows(700, 100)]))
    [blob] = [path for path in project.rglob("*") if path.is_file() and path.name == lost.partition(":")[2][2:]]
    blob.unlink()
    said = call(capsys, "add", "april", "--run", run)
    assert "it shares rows with march: looks at either count for both\n" in said
    assert "april was not compared with lost, whose rows could no longer be read when it was frozen\n" in said
    listed = {holdout["name"]: holdout for holdout in json.loads(call(capsys, "ls", "--json"))["holdouts"]}
    assert [(listed[name]["shares"], listed[name]["unread"]) for name in ("march", "april")] == [([], []), (["march"], ["lost"])]
    lines = call(capsys, "ls").splitlines()
    assert lines[0].split("  ")[0] == "holdout"
    assert "shares rows with" in lines[0]
    assert [line.split()[3] for line in lines[1:4]] == ["-", "-", "march"]
    assert lines[4] == "april was not compared with lost, whose rows could no longer be read when it was frozen"
