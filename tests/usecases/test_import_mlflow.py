"""An import of a store that MLflow itself made: what comes, what comes again, and what does not."""

import json
import math
import os
from datetime import UTC, datetime

import pytest

from incumbent.base.digest import digest_bytes
from incumbent.base.errors import Corrupt, InvalidInput, NotFound
from incumbent.cli import main
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.registered_models import get_model, get_words
from incumbent.usecases.trace import trace
from mlflow_store import (
    BROKE,
    CHILD_0,
    CHILD_1,
    DATA,
    FIT,
    GOING,
    GONE,
    LOGGED,
    SWEEP,
    ask,
    bring,
    change,
    copy_store,
    numbers,
    open_new,
    reasons,
)

LARGEST = 1.7976931348623157e308
"""What MLflow's database keeps in place of an infinity."""


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return copy_store(tmp_path_factory.mktemp("mlflow") / "store")


@pytest.fixture(scope="module")
def brought(pristine, tmp_path_factory):
    ws = open_new(tmp_path_factory.mktemp("whole"))
    yield ws, bring(ws, pristine)
    ws.store.close()


@pytest.fixture
def store(tmp_path):
    return copy_store(tmp_path / "store")


@pytest.fixture
def ws(tmp_path):
    opened = open_new(tmp_path / "project")
    yield opened
    opened.store.close()


def test_the_counts_are_those_that_the_source_database_gives_by_sql(brought, pristine):
    _, report = brought
    for kind, sql in {
        "experiments": "SELECT count(*) FROM experiments",
        "runs": "SELECT count(*) FROM runs",
        "params": "SELECT count(*) FROM params",
        "tags": "SELECT count(*) FROM tags",
        "metric points": "SELECT count(*) FROM metrics",
        "datasets": "SELECT count(*) FROM inputs WHERE source_type = 'DATASET'",
        "logged models": "SELECT count(*) FROM logged_models",
        "models": "SELECT count(*) FROM registered_models",
        "versions": "SELECT count(*) FROM model_versions WHERE current_stage != 'Deleted_Internal'",
    }.items():
        [(count,)] = ask(pristine, sql)
        assert numbers(report, kind) == (count, count, 0, 0), kind
    files = sum(1 for path in (DATA / "mlartifacts").rglob("*") if path.is_file())
    assert numbers(report, "files") == (files, files, 0, 0)
    assert report.checked_runs == 7
    assert report.checked_points == (616, 616)
    assert report.checked_files == (files, files)
    assert report.differences == []


def test_runs_keep_their_ids_times_states_params_tags_and_parents(brought):
    ws, _ = brought
    with ws.store.begin(read_only=True) as tx:
        child, broke, going = (tx.runs.get(run_id) for run_id in (CHILD_1, BROKE, GOING))
        deleted = tx.run_links.list_deleted([SWEEP, CHILD_0, GONE])
        [dataset] = tx.run_links.list_datasets([CHILD_1])[CHILD_1]
    assert (child.name, child.experiment, child.state, child.parent_id) == ("child 1", "churn", "finished", SWEEP)
    assert child.params == {"depth": "5", "note": "ü" * 500}
    assert child.tags["grid"] == "yes"
    assert child.started_at == datetime(2023, 11, 14, 22, 13, 21, 1_000, UTC)
    assert child.ended_at == datetime(2023, 11, 14, 22, 13, 23, tzinfo=UTC)
    assert child.facts["actor"] == "mlflow:mia"
    assert child.manifest is None
    assert (broke.state, going.state, going.ended_at, going.experiment) == ("failed", "running", None, "Default")
    assert list(deleted) == [GONE]
    assert (dataset.name, dataset.digest, dataset.schema) == ("rows", "9010d92e", '{"a": "long"}')
    assert dataset.tags == {"mlflow.data.context": "training"}


def test_metrics_keep_every_point_nan_and_equal_steps_too(brought):
    ws, _ = brought
    with ws.store.begin(read_only=True) as tx:
        odd, loss = tx.metrics.history(CHILD_0, "odd"), tx.metrics.history(CHILD_0, "loss")
        [slash] = tx.metrics.history(CHILD_0, "metrics/with slash")
    assert {point.step for point in odd} == {7}
    assert sum(1 for point in odd if math.isnan(point.value)) == 1
    assert sorted(point.value for point in odd if not math.isnan(point.value)) == [-LARGEST, 0.25, 0.5, 0.75, LARGEST]
    assert [(point.step, point.value) for point in loss] == [(step, 1 / (step + 1)) for step in range(300)]
    assert (slash.value, slash.step) == (-1.5, -3)


def test_files_are_blobs_by_the_digest_of_their_bytes(brought):
    ws, _ = brought
    with ws.store.begin(read_only=True) as tx:
        rows = {row.name: row.artifact for row in tx.runs.list_artifacts(SWEEP)}
        model_files = {file.path: file.digest for file in tx.logged_models.list_files(LOGGED)}
    assert {name: artifact.digest for name, artifact in rows.items()} == {
        "empty.txt": digest_bytes(b"", "blake3"),
        "notes/at 12:30.txt": digest_bytes(b"plain\n", "blake3"),
        "same.txt": digest_bytes(b"plain\n", "blake3"),
    }
    folder = DATA / "mlartifacts" / "1" / "models" / LOGGED / "artifacts"
    assert model_files == {path.name: digest_bytes(path.read_bytes(), "blake3") for path in folder.iterdir()}
    assert all(ws.blobs.get(digest) == (folder / path).read_bytes() for path, digest in model_files.items())


def test_a_version_keeps_its_number_and_is_live_nowhere_whatever_it_was_called_over_there(brought):
    ws, report = brought
    with ws.store.begin(read_only=True) as tx:
        versions = tx.registry.list_versions("churn")
        placements, slots = tx.registry.list_placements(), tx.registry.list_slots()
        first, third, other = get_words(tx, "churn", 1), get_words(tx, "churn", 3), get_model(tx, "churn-model-eu")
        model = get_model(tx, "churn")
    assert sorted(version.version for version in versions) == [1, 3]
    assert (list(placements), list(slots)) == ([], [])
    assert first.tags["incumbent.imported.status"] == "Production"
    assert third.tags["reviewed"] == "no"
    assert third.tags["incumbent.imported.aliases"] == "champion"
    assert third.description == "the third"
    assert (model.description, model.tags["owner"]) == ("who leaves", "growth")
    assert other.tags["incumbent.imported.name"] == "Churn Model EU"
    assert "churn@1 was in Production over there; here it is in no slot" in report.claims
    assert numbers(report, "aliases") == (1, 0, 0, 1)
    assert "it says what is live in slot churn/production" in reasons(report)
    assert reconcile(ws).differences == ()


def test_experiments_keep_tags_and_say_their_old_id_and_the_deleted_one_is_deleted(brought):
    ws, _ = brought
    with ws.store.begin(read_only=True) as tx:
        churn, abandoned = tx.experiments.find("churn"), tx.experiments.find("abandoned")
    assert churn.tags["team"] == "growth"
    assert churn.tags["incumbent.imported.id"] == "1"
    assert churn.deleted_at is None
    assert abandoned.deleted_at is not None


def test_a_second_import_brings_what_is_new_and_nothing_else(ws, store):
    bring(ws, store)
    again = bring(ws, store)
    assert all(count.brought == 0 for count in again.counts.values())
    assert numbers(again, "metric points") == (616, 0, 616, 0)
    change(
        store,
        f"UPDATE runs SET status = 'FINISHED', end_time = 1700000099000 WHERE run_uuid = '{GOING}'",
        f"INSERT INTO metrics VALUES ('loss', 0.125, 1700000012000, '{GOING}', 1, 0)",
        f"INSERT INTO latest_metrics VALUES ('loss', 0.125, 1700000012000, 1, 0, '{GOING}')",
    )
    (store / "mlartifacts" / "1" / SWEEP / "artifacts" / "late.txt").write_text("late")
    third = bring(ws, store)
    assert numbers(third, "runs") == (7, 2, 5, 0)
    assert numbers(third, "metric points") == (617, 1, 616, 0)
    assert numbers(third, "versions") == (2, 0, 2, 0)
    with ws.store.begin(read_only=True) as tx:
        going = tx.runs.get(GOING)
        assert [point.value for point in tx.metrics.history(GOING, "loss")] == [0.125]
        assert "late.txt" in {row.name for row in tx.runs.list_artifacts(SWEEP)}
        assert len(tx.registry.list_versions("churn")) == 2
    assert (going.state, going.ended_at) == ("finished", datetime(2023, 11, 14, 22, 14, 59, tzinfo=UTC))


def test_a_point_that_changes_no_last_value_is_found_by_the_comparison_and_brought(ws, store):
    bring(ws, store)
    change(store, f"INSERT INTO metrics VALUES ('loss', 9.0, 1600000000000, '{CHILD_0}', -1, 0)")
    report = bring(ws, store)
    assert report.differences == []
    with ws.store.begin(read_only=True) as tx:
        assert 9.0 in {point.value for point in tx.metrics.history(CHILD_0, "loss")}


def test_a_difference_is_named_and_ends_the_command_with_4(tmp_path, store, monkeypatch, capsys):
    ws = open_new(tmp_path / "project")
    bring(ws, store)
    with ws.store.begin() as tx:
        tx.open_runs.append(CHILD_0, [("loss", 77.0, 5, 1)])
    ws.store.close()
    monkeypatch.chdir(tmp_path / "project")
    assert main(["import", "mlflow", f"sqlite:///{store / 'mlflow.db'}", "--json"]) == 4
    document = json.loads(capsys.readouterr().out)
    assert document["verified"]["differences"] == [f"run {CHILD_0}: metric 'loss' is not as in the source"]
    assert document["verified"]["points"] == {"source": 616, "here": 617}
    assert main(["import", "mlflow", f"sqlite:///{store / 'mlflow.db'}"]) == 4
    assert "metric 'loss' is not as in the source" in capsys.readouterr().out


def test_a_dry_run_counts_the_same_and_writes_nothing(ws, store, brought):
    _, whole = brought
    report = bring(ws, store, dry_run=True)
    for kind in ("experiments", "runs", "params", "tags", "metric points", "datasets", "files", "logged models", "models", "versions"):
        assert numbers(report, kind) == numbers(whole, kind), kind
    with ws.store.begin(read_only=True) as tx:
        assert list(tx.experiments.list_all()) == []
        assert tx.ledger.size() == 0
    assert list(ws.blobs.list_digests()) == []


def test_what_is_here_under_the_same_name_but_was_not_imported_is_not_touched(ws, store):
    bring(ws, store)
    with ws.store.begin() as tx:
        run = tx.runs.get(CHILD_0)
        tx.runs.update(type(run)(**{**{name: getattr(run, name) for name in run.__slots__}, "facts": {"actor": "ann"}}))
        tx.model_words.put("churn", 0, "tag", "incumbent.imported.name", "another")
    report = bring(ws, store, anew=True)
    assert f"run {CHILD_0}: a run {CHILD_0} is here already, and no import brought it" in reasons(report)
    assert "histories of two models are not mixed" in reasons(report)
    assert report.differences == []


def run_sets(what, run_id):
    return f"UPDATE runs SET {what} WHERE run_uuid = '{run_id}'"


def metric_sets(what, run_id, name):
    return f"UPDATE metrics SET {what} WHERE run_uuid = '{run_id}' AND key = '{name}'"


BAD = [
    {
        run_sets("artifact_uri = '/etc'", SWEEP): "its artifacts are at '/etc', outside of",
        run_sets("artifact_uri = 'mlflow-artifacts:/1/../../x'", BROKE): "which is no plain path",
        run_sets("artifact_uri = 'file:///%2e%2e/x'", GONE): "which is no plain path",
        run_sets("artifact_uri = 's3://b/x'", GOING): "which an import from a file does not reach",
        f"UPDATE params SET value = hex(zeroblob(9000000)) WHERE run_uuid = '{BROKE}'": "18000000 characters",
        f"UPDATE tags SET value = 'a' || char(0) || 'b' WHERE run_uuid = '{CHILD_0}' AND key = 'grid'": "holds a NUL",
        metric_sets("timestamp = 9000000000000000000 + step", CHILD_0, "loss"): "which is no time",
        metric_sets("key = char(27) || 'x'", GONE, "loss"): "printable characters",
        "UPDATE model_versions SET source = 'http://169.254.169.254/x' WHERE version = 3": "it fetches nothing",
    },
    {
        metric_sets("step = 'seven'", CHILD_0, "odd"): "'seven' where a whole number belongs",
        metric_sets("value = 'much'", CHILD_1, "odd"): "which is no number",
        run_sets("start_time = 9000000000000000000", BROKE): "which is no time",
        run_sets("status = 'DANCING'", GONE): "'DANCING', which MLflow does not have",
        run_sets("run_uuid = '../x'", GOING): "its id is none of MLflow's",
        run_sets("name = x'ff00'", SWEEP): "where a text belongs",
        "DELETE FROM tags WHERE key = 'mlflow.runName'": "where a text belongs",
        "UPDATE logged_models SET model_id = 'm-../x'": "its id is not `m-` and 32 hexadecimal digits",
        "UPDATE model_versions SET version = 900000000 WHERE version = 3": "at most 10000 are left out",
    },
]


@pytest.mark.parametrize(("bad", "runs", "points"), [(BAD[0], 7, 616 - 300 - 1), (BAD[1], 1, 1)])
def test_each_bad_thing_in_the_database_is_refused_with_its_reason_and_the_rest_comes(ws, store, bad, runs, points):
    change(store, "PRAGMA ignore_check_constraints = ON", *bad)
    report = bring(ws, store)
    for reason in bad.values():
        assert reason in reasons(report)
    assert report.counts["runs"].brought == runs
    assert report.counts["metric points"].brought == points
    assert report.differences == []


def test_links_and_pipes_among_artifacts_are_not_followed_out(ws, store, tmp_path):
    folder = store / "mlartifacts" / "1" / SWEEP / "artifacts"
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (folder / "out.txt").symlink_to(secret)
    (folder / "folder").symlink_to(tmp_path, target_is_directory=True)
    (folder / "nowhere").symlink_to(tmp_path / "absent")
    (folder / "inside.txt").symlink_to(folder / "same.txt")
    os.mkfifo(folder / "pipe")
    (folder / "back\\slash").write_text("x")
    report = bring(ws, store)
    with ws.store.begin(read_only=True) as tx:
        names = {row.name for row in tx.runs.list_artifacts(SWEEP)}
    assert names == {"empty.txt", "notes/at 12:30.txt", "same.txt", "inside.txt"}
    assert numbers(report, "files") == (14, 9, 0, 5)
    assert digest_bytes(b"secret", "blake3") not in set(ws.blobs.list_digests())
    for reason in ("leads out of the artifacts", "no regular file", "leads nowhere", "no backslash"):
        assert reason in reasons(report)
    assert report.differences == []


def test_artifacts_that_were_moved_are_found_in_the_folder_that_is_named(ws, store, tmp_path):
    change(store, "UPDATE runs SET artifact_uri = replace(artifact_uri, 'mlflow-artifacts:/', '/srv/old/mlruns/')")
    refused = bring(ws, store, dry_run=True)
    assert "outside of" in reasons(refused)
    moved = (store / "mlartifacts").rename(tmp_path / "moved")
    report = bring(ws, store, artifacts=moved)
    assert numbers(report, "files") == (8, 8, 0, 0)


def test_what_is_no_mlflow_database_is_said_to_be_none_and_a_broken_one_loses_nothing(ws, store, tmp_path):
    (tmp_path / "text.db").write_text("not a database at all " * 100)
    (tmp_path / "empty.db").touch()
    for name, kind, words in (
        (f"sqlite:///{tmp_path / 'absent.db'}", NotFound, "there is no MLflow database"),
        (f"sqlite:///{tmp_path / 'text.db'}", Corrupt, "cannot be read"),
        (f"sqlite:///{tmp_path / 'empty.db'}", InvalidInput, "no database of MLflow"),
        (str(store), InvalidInput, "is no folder of MLflow"),
        ("postgresql://host/x", InvalidInput, "no kind of MLflow store"),
        ("http://", InvalidInput, "no kind of MLflow store"),
        ("http://h:99999", InvalidInput, "no address"),
    ):
        with pytest.raises(kind, match=words):
            bring(ws, name)
    bring(ws, store)
    data = bytearray((store / "mlflow.db").read_bytes())
    data[60_000:200_000] = b"\xa5" * 140_000
    (store / "mlflow.db").write_bytes(data)
    with pytest.raises(Corrupt, match="cannot be read"):
        bring(ws, store)
    with ws.store.begin(read_only=True) as tx:
        assert len(tx.metrics.history(CHILD_0, "loss")) == 300


def test_a_version_can_be_traced_to_its_imported_run(brought):
    ws, _ = brought
    assert FIT in str(trace(ws, "churn@3"))
