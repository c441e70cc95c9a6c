"""An import of a store in MLflow's old form, a folder that MLflow itself wrote: what comes, and what does not."""

import math
import os
import shutil
from dataclasses import replace

import pytest

from incumbent.base.digest import digest_bytes
from incumbent.base.errors import Corrupt, InvalidInput, NotFound
from incumbent.bootstrap.mlflow_source import open_mlflow_source
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.registered_models import get_model, get_words
from mlflow_store import bring, numbers, open_new, reasons, unpack_folder

MIB = 1 << 20


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return unpack_folder(tmp_path_factory.mktemp("folder") / "mlruns")


@pytest.fixture(scope="module")
def brought(pristine, tmp_path_factory):
    ws = open_new(tmp_path_factory.mktemp("whole"))
    yield ws, bring(ws, str(pristine))
    ws.store.close()


@pytest.fixture
def store(tmp_path, pristine):
    return shutil.copytree(pristine, tmp_path / "mlruns")


@pytest.fixture
def ws(tmp_path):
    opened = open_new(tmp_path / "project")
    yield opened
    opened.store.close()


def run_folder(store, name):
    """The folder of the run of a name."""
    [found] = [path.parents[1] for path in store.glob("*/*/tags/mlflow.runName") if path.read_text() == name]
    return found


def test_the_counts_are_those_of_the_files(brought, pristine):
    _, report = brought
    runs = [path.parent for path in pristine.rglob("meta.yaml") if (path.parent / "metrics").is_dir() and path.parents[1].name != "models"]
    points = sum(len(path.read_text().splitlines()) for run in runs for path in (run / "metrics").rglob("*") if path.is_file())
    of_runs = {kind: sum(path.is_file() for run in runs for path in (run / kind).rglob("*")) for kind in ("params", "tags")}
    files = sum(path.is_file() and "artifacts" in path.parts for path in pristine.rglob("*"))
    assert (len(runs), points, of_runs, files) == (7, 618, {"params": 6, "tags": 16}, 3)
    for kind, count in {
        "experiments": 3, "runs": len(runs), **of_runs, "metric points": points, "datasets": 2, "files": files, "logged models": 1,
        "models": 1, "versions": 2, "aliases": 1,
    }.items():  # fmt: skip
        assert numbers(report, kind) == (count, count, 0, 0), kind
    assert (report.checked_runs, report.checked_points, report.checked_files) == (7, (616, 616), (3, 3)), "two points are there twice"
    assert report.differences == []


def test_a_run_comes_with_all_that_its_files_say(brought, pristine):
    ws, _ = brought
    names = {name: run_folder(pristine, name).name for name in ("sweep", "child 0", "child 1", "thrown away", "still going", "broke")}
    with ws.store.begin(read_only=True) as tx:
        child, going, broke = (tx.runs.get(names[name]) for name in ("child 0", "still going", "broke"))
        odd, loss = (tx.metrics.history(child.run_id, name) for name in ("odd", "loss"))
        [slash], [about] = (tx.metrics.history(child.run_id, name) for name in ("metrics/with slash", "accuracy"))
        deleted = tx.run_links.list_deleted(list(names.values()))
        [dataset] = tx.run_links.list_datasets([child.run_id])[child.run_id]
        links = {(link.run_id, link.direction, link.step) for link in tx.run_links.list_models([names["child 0"], names["child 1"]])}
        files = {row.name: row.artifact.digest for row in tx.runs.list_artifacts(names["sweep"])}
    assert (child.name, child.experiment, child.state, child.parent_id) == ("child 0", "churn", "finished", names["sweep"])
    assert child.params == {"depth": "4", "note/long": "ü\n" * 500, "empty": ""}
    assert (child.tags["grid"], child.facts["actor"], child.code.commit) == ("yes", "mlflow:mia", "a" * 40)
    assert (broke.state, going.state, going.ended_at, going.experiment) == ("failed", "running", None, "Default")
    assert list(deleted) == [names["thrown away"]]
    assert sum(math.isnan(point.value) for point in odd) == 1
    assert sorted(point.value for point in odd if not math.isnan(point.value)) == [-math.inf, 0.25, 0.5, 0.75, math.inf]
    assert [(point.step, point.value) for point in loss] == [(step, 1 / (step + 1)) for step in range(300)]
    assert [(point.value, point.step) for point in (slash, about)] == [(-1.5, -3), (0.75, 1)]
    assert (dataset.name, dataset.digest, dataset.profile) == ("rows of may", "9010d92e", '{"num_rows": 5}')
    assert dataset.tags == {"mlflow.data.context": "training"}
    assert links == {(names["child 0"], "output", 3), (names["child 1"], "input", 0)}
    assert files == {"notes/at 12:30.txt": digest_bytes(b"plain\n"), "notes/empty.txt": digest_bytes(b"")}


def test_experiments_models_and_versions_come_with_all_that_their_files_say(brought):
    ws, report = brought
    with ws.store.begin(read_only=True) as tx:
        churn, abandoned = tx.experiments.find("churn"), tx.experiments.find("abandoned")
        [model] = tx.logged_models.list_all([churn.number])
        [metric] = tx.logged_models.list_metrics([model.model_id])[model.model_id]
        files = {file.path: file.digest for file in tx.logged_models.list_files(model.model_id)}
        versions = sorted(version.version for version in tx.registry.list_versions("churn"))
        registered, first, third = get_model(tx, "churn"), get_words(tx, "churn", 1), get_words(tx, "churn", 3)
        placements = tx.registry.list_placements()
    assert (churn.tags["team"], churn.deleted_at, abandoned.deleted_at is None) == ("growth", None, False)
    assert (model.name, model.kind, model.status, model.params, model.tags["t"]) == ("clf", "sklearn", "READY", {"C": "1.0"}, "1")
    assert (metric.name, metric.value, metric.step, metric.dataset_name, metric.dataset_digest) == ("accuracy", 0.75, 1, "rows", "d1")
    assert files == {"MLmodel": digest_bytes(b"flavors: {}\nmodel_uuid: x\n")}
    assert (versions, list(placements)) == ([1, 3], [])
    assert (registered.description, registered.tags["owner"]) == ("who leaves", "growth")
    assert (third.description, third.tags["reviewed"], first.tags["incumbent.imported.status"]) == ("the third", "no", "Production")
    assert report.claims == ["churn@1 was in Production over there; here it is in no slot"]
    assert reconcile(ws).differences == ()


def test_a_second_import_brings_what_is_new_and_nothing_else(ws, store):
    bring(ws, store.as_uri())
    with (run_folder(store, "still going") / "tags" / "late").open("w") as tag:
        tag.write("yes")
    with (run_folder(store, "child 0") / "metrics" / "loss").open("a") as metric:
        metric.write("1700000009000 0.5 300\n")
    again = bring(ws, str(store))
    assert numbers(again, "runs") == (7, 2, 5, 0)
    assert numbers(again, "metric points")[1:3] == (1, 618)
    assert again.differences == []
    assert numbers(bring(ws, str(store)), "runs") == (7, 0, 7, 0)


def add(path, text):
    path.write_text(path.read_text() + text)


def bomb():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join([*lines, "user_id: *a11", ""])


HOSTILE = {
    "a link as a param": (lambda run: (run / "params" / "key").symlink_to("/etc/hostname"), "is a link, where MLflow makes none"),
    "a link to a folder": (lambda run: (run / "tags" / "all").symlink_to("/etc"), "is a link, where MLflow makes none"),
    "a pipe": (lambda run: os.mkfifo(run / "params" / "pipe"), "is no regular file"),
    "no text": (lambda run: (run / "params" / "raw").write_bytes(b"\xff"), "no text in UTF-8"),
    "no point": (lambda run: (run / "metrics" / "m").write_text("1 2 3 4\n"), "a line that is no point"),
    "no number": (lambda run: (run / "metrics" / "m").write_text("1 0x10 3\n"), "a line that is no point"),
    "an endless line": (lambda run: (run / "metrics" / "m").write_bytes(b"1" * MIB), "has a line of"),
    "no record": (lambda run: (run / "meta.yaml").unlink(), "has no meta.yaml"),
    "no YAML": (lambda run: (run / "meta.yaml").write_text("a: [\n"), "is no YAML"),
    "a list": (lambda run: (run / "meta.yaml").write_text("[]"), "is no record"),
    "another run": (lambda run: (run / "meta.yaml").write_text("run_id: other\n"), "says that it is run 'other'"),
    "an object": (lambda run: (run / "meta.yaml").write_text("!!python/object/apply:os.system ['true']\n"), "is no YAML"),
    "a bomb": (lambda run: add(run / "meta.yaml", bomb()), "where a text belongs"),
    "a status": (lambda run: add(run / "meta.yaml", "status: 9\n"), "its status is '9'"),
    "a time": (lambda run: add(run / "meta.yaml", "start_time: 1e9\n"), "where a whole number belongs"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_each_bad_thing_in_a_run_is_refused_with_its_reason_and_the_rest_comes(ws, store, kind):
    do, reason = HOSTILE[kind]
    do(run_folder(store, "broke"))
    report = bring(ws, str(store))
    assert numbers(report, "runs") == (7, 6, 0, 1)
    assert reason in reasons(report)
    assert report.differences == []


def test_artifacts_elsewhere_are_refused_until_their_folder_is_named(ws, store, tmp_path):
    run = run_folder(store, "sweep")
    elsewhere = tmp_path / "elsewhere" / run.name / "artifacts"
    shutil.move(run / "artifacts", elsewhere)
    meta = (run / "meta.yaml").read_text().splitlines()
    lines = [line for line in meta if not line.startswith("artifact_uri")] + [f"artifact_uri: {elsewhere.as_uri()}", ""]
    (run / "meta.yaml").write_text("\n".join(lines))
    report = bring(ws, str(store))
    assert f"outside of {store}" in reasons(report)
    assert numbers(report, "files")[1] == 1
    assert numbers(bring(ws, str(store), artifacts=tmp_path / "elsewhere"), "files")[1] == 2


def test_what_is_no_folder_of_mlflow_is_said_to_be_none_and_one_that_lacks_a_record_loses_nothing(store, tmp_path):
    def source(address):
        return open_mlflow_source(str(address), artifacts=None, environ={})

    with pytest.raises(InvalidInput, match="is no folder of MLflow"):
        source(tmp_path)
    with pytest.raises(NotFound, match="there is no folder"):
        source(tmp_path / "none")
    (store / "pictures").mkdir()
    (store / "link").symlink_to(store / "0")
    assert len(list(source(store).list_experiments())) == 3, "a folder of something else is none of MLflow's, nor is a link"
    churn = run_folder(store, "sweep").parent
    shutil.copytree(churn, store / ".trash" / churn.name)
    with pytest.raises(Corrupt, match="is there twice"):
        source(store)
    shutil.rmtree(store / ".trash" / churn.name)
    (churn / "meta.yaml").unlink()
    with pytest.raises(Corrupt, match=r"holds runs, and has no meta\.yaml"):
        source(store)


def test_old_lines_of_two_fields_and_those_about_a_dataset_are_read(ws, store):
    run = run_folder(store, "broke")
    (run / "metrics" / "old").write_text("1700000000000 0.5\n\n1700000000001 0.25\n")
    (run / "metrics" / "about").write_text("1700000000000 0.5 4 rows of may d1\n")
    assert bring(ws, str(store)).differences == []
    with ws.store.begin(read_only=True) as tx:
        told = {name: [(point.value, point.step) for point in tx.metrics.history(run.name, name)] for name in ("old", "about")}
    assert told == {"old": [(0.5, 0), (0.25, 0)], "about": [(0.5, 4)]}


def test_a_link_replaced_while_it_is_read_is_not_followed(store):
    source = open_mlflow_source(str(store), artifacts=None, environ={})
    [run] = [one for one in source.list_runs(run_folder(store, "child 0").parent.name) if one.name == "child 0"]
    loss = run_folder(store, "child 0") / "metrics" / "loss"
    loss.unlink()
    loss.symlink_to("/etc/passwd")
    with pytest.raises(Corrupt, match="is a link"):
        list(source.list_points(replace(run)))
