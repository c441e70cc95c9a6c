"""Tests of a version that a pipeline made: run again, run through, and gone back to; each passes, and fails on what breaks it."""

import textwrap

import pytest

from bundles import DOUBLE, put_live, write_bundle
from exams import ask
from incumbent.base.errors import NotFound, Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.examine import TESTS, examine, find_subject
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.register import register
from incumbent.usecases.run_pipeline import run_pipeline

PIPE = """
import json, tempfile, time
from pathlib import Path
import numpy as np
import incumbent as inc

CODE = {code!r}
CARD = {card!r}

@inc.stage
def weights(*, rng: np.random.Generator) -> float:
    return float(rng.normal()) + {extra}

@inc.stage
def model(weights: float) -> Path:
    folder = Path(tempfile.mkdtemp()) / "bundle"
    (folder / "code" / "model").mkdir(parents=True)
    (folder / "code" / "model" / "__init__.py").touch()
    (folder / "code" / "model" / "serve.py").write_text(CODE)
    (folder / "factor.txt").write_text(str(weights))
    (folder / "bundle.json").write_text(CARD)
    return folder

@inc.stage
def report(weights: float) -> float:
    {report}
    return weights

pipeline = inc.Pipeline("made", [weights, model, report])
"""


@pytest.fixture
def ws(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "pyproject.toml").write_text('[tool.incumbent]\npipeline = "pipe.py:pipeline"\n')
    opened = open_workspace(read_settings(tmp_path / "project", {}))
    yield opened
    opened.store.close()


@pytest.fixture
def host(ws):
    opened = open_model_host(ws)
    yield opened
    opened.close()


def make_version(ws, tmp_path, *, extra="0.0", report="pass", slot=None):
    card = (write_bundle(tmp_path / "card") / "bundle.json").read_text()
    text = PIPE.format(code=textwrap.dedent(DOUBLE), card=card, extra=extra, report=report)
    (ws.root / "pipe.py").write_text(text)
    run = run_pipeline(ws, pipeline="pipe.py:pipeline", seed=3)
    assert run.failure is None, run.failure
    return find_subject(ws, register(ws, model="made", run=run.run_id, artifact="model"), slot=slot)


@pytest.mark.parametrize(
    ("extra", "outcome", "words"),
    [
        ("0.0", "passed", "stage model gives the same bundle, byte for byte"),
        ("time.time_ns() % 1000003", "failed", "other answers in 'y'"),
    ],
    ids=["seeded", "by the clock"],
)
def test_reproducible_trains_again_and_compares_the_bundle(ws, host, tmp_path, extra, outcome, words):
    found = ask(ws, host, make_version(ws, tmp_path, extra=extra), "reproducible")
    assert found.outcome == outcome, found
    assert words in found.reason


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Refused("the rerun of r failed in stage weights: ModuleNotFoundError: No module named 'x'"), "undecided"),
        (NotFound("source 'table' of run r is no longer in the store"), "undecided"),
        (Refused("the rerun of r failed in stage weights: ValueError: no"), "failed"),
    ],
    ids=["no library here", "no data here", "it fails"],
)
def test_a_recipe_that_cannot_be_run_here_is_undecided_and_one_that_fails_has_failed(ws, host, tmp_path, monkeypatch, error, outcome):
    def cannot(*_, **__):
        raise error

    subject = make_version(ws, tmp_path)
    monkeypatch.setattr("incumbent.usecases.examine_training.reproduce", cannot)
    found = ask(ws, host, subject, "reproducible")
    assert found.outcome == outcome
    assert str(error) in found.reason


def test_a_training_that_differs_in_its_last_digits_is_within_the_tolerance(ws, host, tmp_path):
    subject = make_version(ws, tmp_path, extra="time.time() * 1e-12")
    found = ask(ws, host, subject, "reproducible")
    assert found.outcome == "passed"
    assert "gives other bytes, and the same answers" in found.reason


def test_reproducible_is_undecided_for_a_script_and_runs_only_where_it_is_named(ws, host, tmp_path):
    with begin_run(ws, experiment="x") as run:
        run.log_artifact(write_bundle(tmp_path / "logged"), "model")
    register(ws, model="logged", run=run.id, artifact="model")
    found = examine(ws, host, model="logged", version=1, tests=["reproducible"]).results[0]
    assert found.outcome == "undecided"
    assert "a script logged it" in found.reason
    everything = {result.test for result in examine(ws, host, model="logged", version=1).results}
    assert everything == set(TESTS) - {"reproducible"}


def test_pipeline_integration_passes_a_run_whose_every_stage_ran(ws, host, tmp_path):
    found = ask(ws, host, make_version(ws, tmp_path), "pipeline-integration")
    assert found.outcome == "passed"
    assert found.facts["stages"] == found.facts["ran"] == ["model", "report", "weights"]


def test_pipeline_integration_says_how_many_stages_ran_and_counts_none_for_nothing(ws, host, tmp_path):
    make_version(ws, tmp_path / "first")
    changed = ask(ws, host, make_version(ws, tmp_path / "second", report="print(1)"), "pipeline-integration")
    assert (changed.outcome, changed.facts["ran"]) == ("passed", ["report"])
    assert changed.reason.startswith("1 of 3 stages")
    cached = ask(ws, host, make_version(ws, tmp_path / "third", report="print(1)  # the same"), "pipeline-integration")
    assert (cached.outcome, cached.facts["ran"]) == ("undecided", [])


def test_pipeline_integration_fails_a_run_whose_seal_no_longer_holds(ws, host, tmp_path):
    import sqlite3

    subject = make_version(ws, tmp_path)
    database = sqlite3.connect(ws.folder / "incumbent.db", isolation_level=None)
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        database.execute(f"DROP TRIGGER {name}")
    assert database.execute("UPDATE stage_runs SET state = 'skipped' WHERE stage = 'report'").rowcount == 1
    database.close()
    found = ask(ws, host, subject, "pipeline-integration")
    assert found.outcome == "failed", found


def live(ws, tmp_path, factor):
    with begin_run(ws, experiment="x") as run:
        run.log_artifact(write_bundle(tmp_path / f"bundle-{factor}", factor=factor), "model")
    version = register(ws, model="gone", run=run.id, artifact="model")
    put_live(ws, model="gone", version=version.version, slot="gone/eu", reason="better")
    return version


def test_the_drill_of_a_roll_back_passes_where_the_version_before_answers(ws, host, tmp_path):
    live(ws, tmp_path, 2.0)
    second = live(ws, tmp_path, 3.0)
    found = ask(ws, host, find_subject(ws, second, slot="gone/eu"), "rollback-drill")
    assert (found.outcome, found.facts["target"]) == ("passed", "gone@1")
    assert found.facts["seconds"] >= 0


def test_the_drill_of_a_roll_back_fails_where_the_bytes_of_the_version_before_are_damaged(ws, host, tmp_path):
    live(ws, tmp_path, 2.125)
    second = live(ws, tmp_path, 3.0)
    [damaged] = [path for path in (ws.folder / "blobs").rglob("*") if path.is_file() and path.read_bytes() == b"2.125"]
    damaged.chmod(0o644)
    damaged.write_bytes(b"9.999")
    found = ask(ws, host, find_subject(ws, second, slot="gone/eu"), "rollback-drill")
    assert found.outcome == "failed"
    assert "Corrupt" in found.reason


def test_the_drill_of_a_roll_back_fails_where_the_version_before_no_longer_loads(ws, host, tmp_path, monkeypatch):
    live(ws, tmp_path, 2.0)
    second = live(ws, tmp_path, 3.0)

    class Broken:
        def answer(self, bundle, columns):
            raise __import__("incumbent.base.errors", fromlist=["x"]).Unavailable("the bundle cannot be loaded: no such library")

    found = ask(ws, Broken(), find_subject(ws, second, slot="gone/eu"), "rollback-drill")
    assert found.outcome == "failed"
    assert "cannot be loaded" in found.reason


def test_the_champion_of_the_slot_is_found_with_its_training_rows(ws, host, tmp_path):
    first, second = live(ws, tmp_path, 2.0), live(ws, tmp_path, 3.0)
    subject = find_subject(ws, first, slot="gone/eu")
    assert (subject.champion.version, subject.champion_training) == (2, None)
    assert find_subject(ws, second, slot="gone/eu").champion is None
