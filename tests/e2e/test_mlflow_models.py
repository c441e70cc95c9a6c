"""What a run read and made: the real MLflow client logs datasets, models and their metrics to a real server process."""

import subprocess
import sys

import mlflow
import msgspec
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelInput, LoggedModelOutput, LoggedModelParameter, LoggedModelStatus, Metric
from mlflow.exceptions import MlflowException

from asgi import Client, open_app
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.collect_garbage import collect_garbage
from tracked import open_tracked

PREFIX = "/api/2.0/mlflow"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::pandas.errors.Pandas4Warning")
"""The client's own, about itself and its libraries."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mlflow-models")


@pytest.fixture(scope="module")
def address(folder):
    open_workspace(read_settings(folder, {})).store.close()
    command = [sys.executable, "-m", "incumbent", "server", "--project", str(folder), "--port", "0"]
    with (folder / "stderr.txt").open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    address = process.stdout.readline().split()[-1].rstrip("/")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(address)
    yield address
    mlflow.set_tracking_uri(before)
    process.terminate()
    assert process.wait(20) == 0
    process.stdout.close()
    assert "Traceback" not in (folder / "stderr.txt").read_text()


@pytest.fixture
def client(address):
    return MlflowClient(tracking_uri=address)


def test_a_dataset_that_a_run_read_is_told_back_and_found(client):
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [0, 1]})
    dataset = mlflow.data.from_pandas(frame, name="flights", targets="y")
    experiment = client.create_experiment("datasets")
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_input(dataset, context="training", tags={"split": "a"})
        mlflow.log_input(dataset, context="training")  # again: once
    [found] = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest, found.dataset.source_type) == ("flights", dataset.digest, "code")
    assert {tag.key: tag.value for tag in found.tags} == {"mlflow.data.context": "training", "split": "a"}
    assert '"y"' in found.dataset.schema
    assert '"num_rows": 2' in found.dataset.profile
    for text in (f"dataset.digest = '{dataset.digest}'", "datasets.context = 'training' AND dataset.name = 'flights'"):
        assert [one.info.run_id for one in client.search_runs([experiment], text)] == [run.info.run_id]
    assert client.search_runs([experiment], "datasets.context = 'eval'") == []


def test_a_logged_model_has_a_life_params_tags_metrics_and_files(client, tmp_path):
    experiment = client.create_experiment("life")
    run_id = client.create_run(experiment).info.run_id
    model = client.create_logged_model(
        experiment, name="tree", source_run_id=run_id, tags={"team": "ops"}, params={"depth": "3"}, model_type="Agent"
    )
    assert (model.status, model.source_run_id, model.model_type) == (LoggedModelStatus.PENDING, run_id, "Agent")
    assert model.artifact_location == f"mlflow-artifacts:/{experiment}/models/{model.model_id}/artifacts"
    client._tracking_client.store.log_logged_model_params(model.model_id, [LoggedModelParameter("leaves", "7")])
    with pytest.raises(MlflowException, match="a param is set once"):
        client._tracking_client.store.log_logged_model_params(model.model_id, [LoggedModelParameter("leaves", "8")])
    client.set_logged_model_tags(model.model_id, {"odd/key": "x", "b": "2"})
    client.delete_logged_model_tag(model.model_id, "b")
    client.log_metric(run_id, "auc", 0.8, timestamp=1000, step=1, model_id=model.model_id, dataset_name="flights", dataset_digest="d1")
    client.log_batch(run_id, [Metric("loss", 0.5, 2000, 2, model_id=model.model_id, run_id=run_id)])
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=4)])
    (tmp_path / "weights.bin").write_bytes(bytes(100_000))
    client.log_model_artifact(model.model_id, str(tmp_path / "weights.bin"))
    found = client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    assert (found.status, found.params, found.tags) == (
        LoggedModelStatus.READY,
        {"depth": "3", "leaves": "7"},
        {"team": "ops", "odd/key": "x"},
    )
    metrics = {
        point.key: (point.value, point.step, point.dataset_name, point.run_id) for point in client.get_logged_model(model.model_id).metrics
    }
    assert metrics == {"auc": (0.8, 1, "flights", run_id), "loss": (0.5, 2, None, run_id)}
    run = client.get_run(run_id)
    assert (run.data.metrics, [(one.model_id, one.step) for one in run.outputs.model_outputs]) == (
        {"auc": 0.8, "loss": 0.5},
        [(model.model_id, 4)],
    )
    assert [(one.path, one.file_size) for one in client.list_logged_model_artifacts(model.model_id)] == [("weights.bin", 100_000)]
    other = client.create_run(experiment).info.run_id
    client.log_inputs(other, models=[LoggedModelInput(model.model_id)])
    assert [one.model_id for one in client.get_run(other).inputs.model_inputs] == [model.model_id]


def test_logged_models_are_searched_ordered_by_a_metric_of_a_dataset_and_paged(client):
    experiment = client.create_experiment("search models")
    run_id = client.create_run(experiment).info.run_id
    ids = []
    for n in range(4):
        model = client.create_logged_model(experiment, name=f"m{n}", params={"kind": "even" if n % 2 == 0 else "odd"})
        client.log_metric(run_id, "acc", n / 10, model_id=model.model_id, dataset_name="train", dataset_digest="d")
        client.log_metric(run_id, "acc", 1 - n / 10, model_id=model.model_id, dataset_name="test", dataset_digest="d")
        ids.append(model.model_id)

    def find(text="", **more):
        return [one.model_id for one in client.search_logged_models([experiment], text, **more)]

    def by(dataset, *, ascending):
        return [{"field_name": "metrics.acc", "dataset_name": dataset, "ascending": ascending}]

    assert find("params.kind = 'even'", order_by=by("train", ascending=False)) == [ids[2], ids[0]]
    assert find(order_by=by("test", ascending=False)) == ids
    assert find("metrics.acc >= 0.2", datasets=[{"dataset_name": "train"}], order_by=by("train", ascending=True)) == ids[2:]
    assert find("name = 'm1'") == [ids[1]]
    first = client.search_logged_models([experiment], max_results=3, order_by=by("train", ascending=True))
    rest = client.search_logged_models([experiment], max_results=3, order_by=by("train", ascending=True), page_token=first.token)
    assert [one.model_id for one in [*first, *rest]] == ids
    client.delete_logged_model(ids[0])
    assert set(find()) == set(ids[1:])
    with pytest.raises(MlflowException) as caught:
        client.get_logged_model(ids[0])
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_deleted_models_files_go_with_the_next_collection(client, folder, tmp_path):
    experiment = client.create_experiment("gone")
    model = client.create_logged_model(experiment, name="gone")
    (tmp_path / "w.bin").write_bytes(b"weights of the model that goes")
    client.log_model_artifact(model.model_id, str(tmp_path / "w.bin"))
    ws = open_workspace(read_settings(folder, {}))
    with ws.store.begin(read_only=True) as tx:
        [file] = tx.logged_models.list_files(model.model_id)
    collect_garbage(ws, grace_s=0)
    assert ws.blobs.size(file.digest) == 30
    client.delete_logged_model(model.model_id)
    collect_garbage(ws, grace_s=0)
    assert ws.blobs.size(file.digest) is None
    ws.store.close()


def test_a_sklearn_model_is_logged_and_loaded_by_the_real_client(client, tmp_path):
    sklearn = pytest.importorskip("mlflow.sklearn")
    from sklearn.linear_model import LogisticRegression

    rows = np.array([[0.0], [1.0], [2.0], [3.0]])
    fitted = LogisticRegression().fit(rows, [0, 0, 1, 1])
    mlflow.set_experiment("sklearn")
    with mlflow.start_run() as run:
        info = sklearn.log_model(
            fitted, name="model", signature=mlflow.models.infer_signature(rows, fitted.predict(rows)), pip_requirements=["scikit-learn"]
        )
    found = client.get_logged_model(info.model_id)
    assert (found.status, found.source_run_id, found.name) == (LoggedModelStatus.READY, run.info.run_id, "model")
    assert "MLmodel" in {one.path for one in client.list_logged_model_artifacts(info.model_id)}
    assert [one.model_id for one in client.get_run(run.info.run_id).outputs.model_outputs] == [info.model_id]
    loaded = sklearn.load_model(f"models:/{info.model_id}")
    assert (loaded.predict_proba(rows) == fitted.predict_proba(rows)).all()


def test_autolog_logs_a_fit_and_its_score(client, monkeypatch):
    monkeypatch.setenv("MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT", "1")  # it then takes its defaults, and does not load the model anew
    sklearn = pytest.importorskip("mlflow.sklearn")
    from sklearn.tree import DecisionTreeClassifier

    mlflow.set_experiment("autolog")
    sklearn.autolog(log_models=True, log_datasets=True, silent=True, disable_for_unsupported_versions=False)
    try:
        rows, truth = np.array([[0.0], [1.0], [2.0], [3.0]] * 5), np.array([0, 0, 1, 1] * 5)
        with mlflow.start_run() as run:
            tree = DecisionTreeClassifier(max_depth=2).fit(rows, truth)
            tree.score(rows, truth)
    finally:
        sklearn.autolog(disable=True, silent=True)
    found = client.get_run(run.info.run_id)
    assert (found.data.params["max_depth"], found.data.metrics["training_accuracy_score"]) == ("2", 1.0)
    assert found.inputs.dataset_inputs
    assert len(found.outputs.model_outputs) == 1


def train_lightgbm(rows, truth):
    import lightgbm

    data = lightgbm.Dataset(rows, truth)
    lightgbm.train({"objective": "binary", "verbose": -1, "min_data_in_leaf": 1}, data, 5, valid_sets=[data])


def train_xgboost(rows, truth):
    import xgboost

    data = xgboost.DMatrix(rows, truth)
    xgboost.train({"objective": "binary:logistic"}, data, 5, evals=[(data, "training")], verbose_eval=False)


@pytest.mark.parametrize(
    ("flavour", "train", "metric", "rounds"),
    [
        ("lightgbm", train_lightgbm, "training-binary_logloss", lambda model: model.num_trees()),
        ("xgboost", train_xgboost, "training-logloss", lambda model: model.num_boosted_rounds()),
    ],
    ids=["lightgbm", "xgboost"],
)
def test_autolog_of_boosted_trees_logs_every_round_and_a_model_that_loads(client, monkeypatch, flavour, train, metric, rounds):
    monkeypatch.setenv("MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT", "1")
    module = pytest.importorskip(f"mlflow.{flavour}")
    mlflow.set_experiment(flavour)
    module.autolog(silent=True, disable_for_unsupported_versions=False)
    try:
        with mlflow.start_run() as run:
            train(np.arange(40.0).reshape(-1, 1), np.arange(40) > 20)
    finally:
        module.autolog(disable=True, silent=True)
    found = client.get_run(run.info.run_id)
    history = client.get_metric_history(run.info.run_id, metric)
    assert [point.step for point in history] == [0, 1, 2, 3, 4]
    assert found.data.metrics[metric] == history[-1].value < history[0].value
    assert found.data.params["num_boost_round"] == "5"
    assert any("feature_importance" in one.path for one in client.list_artifacts(run.info.run_id))
    [output] = found.outputs.model_outputs
    assert rounds(module.load_model(f"models:/{output.model_id}")) == 5


def test_a_search_over_parameters_leaves_a_child_for_each(client, monkeypatch):
    monkeypatch.setenv("MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT", "1")
    sklearn = pytest.importorskip("mlflow.sklearn")
    from sklearn.model_selection import GridSearchCV
    from sklearn.tree import DecisionTreeClassifier

    experiment = mlflow.set_experiment("grid").experiment_id
    sklearn.autolog(log_models=False, silent=True, max_tuning_runs=3, disable_for_unsupported_versions=False)
    try:
        with mlflow.start_run() as run:
            rows = np.arange(40.0).reshape(-1, 1) % 20
            GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2, 3]}, cv=2).fit(rows, rows[:, 0] > 9)
    finally:
        sklearn.autolog(disable=True, silent=True)
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{run.info.run_id}'", order_by=["params.max_depth ASC"])
    assert [child.data.params["max_depth"] for child in children] == ["1", "2", "3"]
    assert all("mean_test_score" in child.data.metrics for child in children)


@pytest.fixture
def local(tmp_path):
    ws = open_tracked(tmp_path)
    app = open_app(ws, single_user="always")
    client = Client(app, headers={"content-type": "application/json"})
    made = client.post(f"{PREFIX}/runs/create", body=b'{"experiment_id": "0"}')
    client.run_id = made.text.partition('"run_id":"')[2].partition('"')[0]
    made = client.post(f"{PREFIX}/logged-models", body=b'{"experiment_id": "0", "name": "m"}')
    client.model_id = made.text.partition('"model_id":"')[2].partition('"')[0]
    yield client
    app.close()
    ws.store.close()


INVALID = (400, "INVALID_PARAMETER_VALUE")
NONE = (404, "RESOURCE_DOES_NOT_EXIST")
NOBODY = "m-" + "0" * 32
DATASET = '{"dataset": {"name": "%s", "digest": "d", "source_type": "s", "source": "%s"}}'


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "why"),
    [
        ("POST", "runs/log-inputs", '{"run_id": "RUN", "datasets": [{}]}', *INVALID, "dataset"),
        ("POST", "runs/log-inputs", '{"run_id": "RUN", "datasets": [%s]}' % (DATASET % ("n" * 501, "x")), *INVALID, "at most 500"),
        ("POST", "runs/log-inputs", '{"run_id": "RUN", "datasets": [%s]}' % (DATASET % ("", "x")), *INVALID, "name: it is empty"),
        ("POST", "runs/log-inputs", '{"run_id": "RUN", "datasets": [%s]}' % (DATASET % ("n", r"\u0000")), *INVALID, "NUL"),
        ("POST", "runs/log-inputs", '{"run_id": "run-none", "datasets": []}', *NONE, "run-none"),
        ("POST", "runs/log-inputs", '{"run_id": "RUN", "models": [{"model_id": "NOBODY"}]}', *NONE, "no logged model"),
        ("POST", "runs/outputs", '{"run_id": "RUN", "models": [{"model_id": "MODEL", "step": 9223372036854775808}]}', *INVALID, "64 bits"),
        ("POST", "logged-models", '{"experiment_id": "77", "name": "m"}', *NONE, "77"),
        ("POST", "logged-models", '{"experiment_id": "0", "name": "a/b"}', *INVALID, "must not contain"),
        ("POST", "logged-models", '{"experiment_id": "0", "source_run_id": "run-none"}', *NONE, "run-none"),
        ("POST", "logged-models", '{"experiment_id": "0", "tags": [{"key": "k", "value": "%s"}]}' % ("v" * 8001), *INVALID, "at most 8000"),
        ("PATCH", "logged-models/MODEL", '{"status": "LOGGED_MODEL_SOLD"}', *INVALID, "legal: LOGGED_MODEL_PENDING"),
        ("PATCH", f"logged-models/{NOBODY}", '{"status": 2}', *NONE, "no logged model"),
        ("PATCH", "logged-models/MODEL/tags", '{"tags": [{"key": "", "value": "v"}]}', *INVALID, "1 to 250"),
        ("DELETE", "logged-models/MODEL/tags/none", "", *NONE, "No tag"),
        ("POST", "logged-models/search", '{"experiment_ids": ["0"], "filter": "x; DROP TABLE runs"}', *INVALID, "Invalid"),
        ("POST", "logged-models/search", '{"experiment_ids": ["0"], "order_by": [{"field_name": "1; --"}]}', *INVALID, "Invalid"),
        ("POST", "logged-models/search", '{"experiment_ids": ["0"], "max_results": 0}', *INVALID, "max_results"),
        ("POST", "runs/log-metric", '{"run_id": "RUN", "key": "a", "value": 1, "timestamp": 1, "model_id": "NOBODY"}', *NONE, "no logged"),
        ("GET", "logged-models/m-..%2f..", "", *NONE, "no logged model"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_mlflows_words(local, method, path, body, status, code, why):
    names = {"RUN": local.run_id, "/MODEL": f"/{local.model_id}", '"MODEL"': f'"{local.model_id}"', "NOBODY": NOBODY}
    for name, meant in names.items():
        path, body = path.replace(name, meant), body.replace(name, meant)
    answer = local.ask(method, f"{PREFIX}/{path}", body=body.encode())
    assert answer.status == status, answer.text
    assert f'"error_code":"{code}"' in answer.text
    assert why in answer.text


def test_a_refused_metric_of_a_model_leaves_the_run_without_it(local):
    body = msgspec.json.encode({"run_id": local.run_id, "key": "a", "value": 1, "timestamp": 1, "model_id": NOBODY})
    assert local.post(f"{PREFIX}/runs/log-metric", body=body).status == 404
    assert '"metrics":[]' in local.get(f"{PREFIX}/runs/get?run_id={local.run_id}").text


def test_the_server_says_that_nothing_comes_in_parts(local):
    assert '"multipart_uploads_enabled":false' in local.get("/api/3.0/mlflow/server-info").text
