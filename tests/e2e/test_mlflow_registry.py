"""The real MLflow client against a real server process that knows its people: the registry, and what governance asks for there."""

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from command import incumbent_json
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LinearRegression

from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.execution.bundles.frame import describe_frame
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.list_versions import get_version, list_versions
from incumbent.usecases.live import get_live
from incumbent.usecases.tokens import new_token
from office import MODEL, SLOT, open_office, prepare, sign_all

ALIAS = "eu"


class Place:
    """A server process over a workspace with people, and MLflow's client in the name of one of them."""

    def __init__(self, folder) -> None:
        self.folder = folder / "project"
        self.folder.mkdir()
        self.env = {"INCUMBENT_KEYS": str(folder / "keys")}
        self.ws = open_workspace(read_settings(self.folder, self.env))
        self.office = open_office(self.ws)
        (folder / "bundles").mkdir()
        prepare(self.office, folder / "bundles", tier=3)
        self.tokens = {name: new_token(self.office[name], name="mlflow").secret for name in ("otto", "olga", "ben")}
        self.tokens["olga, read and govern"] = new_token(self.office["olga"], name="narrow", scope=["read", "govern"]).secret
        self.errors = folder / "stderr.txt"
        command = [sys.executable, "-m", "incumbent", "server", "--project", str(self.folder), "--port", "0"]
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **self.env})
        self.address = self.process.stdout.readline().split()[-1].rstrip("/")
        self.client = MlflowClient(tracking_uri=self.address)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("registry"))
    yield made
    made.process.terminate()
    assert made.process.wait(20) == 0
    made.process.stdout.close()
    made.ws.store.close()
    assert "Traceback" not in made.errors.read_text()


@pytest.fixture
def as_(place, monkeypatch):
    def log_in(name):
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", place.tokens[name])
        return place.client

    return log_in


def refused(ask, *given, **named):
    with pytest.raises(MlflowException) as error:
        ask(*given, **named)
    return error.value.error_code, str(error.value)


def test_models_and_versions_are_made_found_tagged_and_given_aliases(place, as_, tmp_path):
    client = as_("otto")
    client.create_registered_model("credit", tags={"team": "risk"}, description="who pays")
    assert refused(client.create_registered_model, "credit")[0] == "RESOURCE_ALREADY_EXISTS"
    assert "cannot name a model" in refused(client.create_registered_model, "Credit Model")[1]
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "auc", 0.75)
    client.log_text(run_id, "flavors: {}\n", "model/MLmodel")
    client.log_text(run_id, "a", "model/data/a.txt")
    first = client.create_model_version("credit", f"runs:/{run_id}/model", run_id, tags={"kind": "good"}, description="first")
    assert (first.version, first.status, first.run_id, first.tags, first.current_stage) == ("1", "READY", run_id, {"kind": "good"}, "None")
    client.log_text(run_id, "changed", "model/data/a.txt")
    client.create_model_version("credit", f"mlflow-artifacts:/0/{run_id}/artifacts/model", run_id)
    client.update_registered_model("credit", "who pays back")
    client.update_model_version("credit", "2", "second")
    client.set_registered_model_tag("credit", "owner", "ann")
    client.delete_registered_model_tag("credit", "team")
    client.set_model_version_tag("credit", "2", "kind", "best")
    client.delete_model_version_tag("credit", "1", "kind")
    client.set_registered_model_alias("credit", "shadow", "2")
    model = client.get_registered_model("credit")
    assert (model.description, model.tags, model.aliases) == ("who pays back", {"owner": "ann"}, {"shadow": "2"})
    assert [one.version for one in model.latest_versions] == ["2"]
    found = client.get_model_version_by_alias("credit", "shadow")
    assert (found.version, found.description, found.tags, found.aliases) == ("2", "second", {"kind": "best"}, ["shadow"])
    assert [one.version for one in client.search_model_versions("name = 'credit' AND tags.kind = 'best'")] == ["2"]
    assert [one.version for one in client.search_model_versions("name='credit'", order_by=["version_number ASC"])] == ["1", "2"]
    assert [one.name for one in client.search_registered_models(order_by=["name DESC"], max_results=1)] == [MODEL]
    for number, text in (("1", "a"), ("2", "changed")):
        uri = client.get_model_version_download_uri("credit", number)
        folder = mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path / number), tracking_uri=place.address)
        assert (Path(folder) / "data" / "a.txt").read_text() == text
    client.delete_registered_model_alias("credit", "shadow")
    assert refused(client.get_model_version_by_alias, "credit", "shadow")[0] == "INVALID_PARAMETER_VALUE"
    client.delete_model_version("credit", "2")
    assert refused(client.get_model_version, "credit", "2")[0] == "RESOURCE_DOES_NOT_EXIST"
    assert "cannot be renamed" in refused(client.rename_registered_model, "credit", "debit")[1]
    client.delete_registered_model("credit")
    assert refused(client.get_registered_model, "credit")[0] == "RESOURCE_DOES_NOT_EXIST"


def test_an_alias_that_says_what_is_live_moves_by_evidence_sign_offs_and_an_operator_alone(place, as_):
    code, message = refused(as_("otto").set_registered_model_alias, MODEL, ALIAS, "1")
    assert code == "PERMISSION_DENIED"
    assert "promote is for the role operator" in message
    code, message = refused(as_("ben").set_registered_model_alias, MODEL, "shadow", "1")
    assert code == "PERMISSION_DENIED"
    code, message = refused(as_("olga").set_registered_model_alias, MODEL, ALIAS, "1")
    assert code == "PERMISSION_DENIED"
    assert "may not go into Production in double/eu" in message
    assert "there is no evidence on double@1" in message
    assert refused(as_("ben").get_model_version_by_alias, MODEL, ALIAS)[0] == "INVALID_PARAMETER_VALUE"
    host = open_model_host(place.ws)
    try:
        assert evaluate(place.office["rita"], host, model=MODEL, slot=SLOT, version=1).verdict.outcome == "passed"
    finally:
        host.close()
    code, message = refused(as_("olga").set_registered_model_alias, MODEL, ALIAS, "1")
    assert code == "PERMISSION_DENIED"
    assert "evidence" not in message
    assert "missing: 1 approver" in message
    sign_all(place.office, 1)
    code, message = refused(as_("olga, read and govern").set_registered_model_alias, MODEL, ALIAS, "1")
    assert code == "PERMISSION_DENIED"
    assert "this token's scope is read, govern, which leaves out promote" in message
    as_("olga").set_registered_model_alias(MODEL, ALIAS, "1")
    found = as_("ben").get_model_version_by_alias(MODEL, ALIAS)
    assert (found.version, found.aliases) == ("1", [ALIAS])
    live = get_live(place.ws, SLOT)
    assert (live.live.version, live.live.actor, live.basis.act, live.basis.verdict) == (1, "olga", "promote", "passed")
    shown = incumbent_json(place.folder, "live", SLOT, env=place.env)["live"]
    assert (shown["model"], shown["version"], shown["actor"], shown["reason"]) == (MODEL, 1, "olga", "alias eu of double set")
    code, message = refused(as_("olga").delete_registered_model_alias, MODEL, ALIAS)
    assert code == "PERMISSION_DENIED"
    assert "incumbent archive double@1 --slot double/eu" in message
    assert refused(as_("otto").delete_registered_model, MODEL)[0] == "PERMISSION_DENIED"


@pytest.mark.filterwarnings("ignore")  # MLflow warns of itself and of pandas
def test_a_logged_model_is_registered_by_its_name_answers_from_every_address_and_can_be_proposed(place, as_, monkeypatch, is_slow):
    import mlflow.sklearn

    as_("otto")
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")  # MLflow asks so before it reads a skops file, its own default
    mlflow.set_tracking_uri(place.address)
    mlflow.set_registry_uri(place.address)
    rows = pd.DataFrame({"x": [1.0, 2.0, 3.0], "n": [1, 2, 4]})
    fitted = LinearRegression().fit(rows, [3.0, 5.0, 9.0])
    expected = fitted.predict(rows).tolist()
    mlflow.set_experiment("sums")  # else the one that another test left, in this process, at another server
    with mlflow.start_run() as run:
        signature = mlflow.models.infer_signature(rows, fitted.predict(rows))
        logged = mlflow.sklearn.log_model(
            fitted, name="model", signature=signature, input_example=rows.iloc[:1], registered_model_name="sums",
            pip_requirements=["scikit-learn"],  # else MLflow loads the model in another process, to see what it imports
        )  # fmt: skip
    again = mlflow.register_model(f"runs:/{run.info.run_id}/model", "sums")
    assert (str(logged.registered_model_version), again.version) == ("1", "2")
    [second] = [one for one in list_versions(place.ws, model="sums") if one.version.version == 2]
    assert (second.version.run_id, second.version.facts["mlflow"]["model_id"]) == (run.info.run_id, logged.model_id)
    place.client.set_registered_model_alias("sums", "shadow", "2")
    for address in ("models:/sums/1", "models:/sums@shadow", "models:/sums/latest", f"models:/{logged.model_id}"):
        assert mlflow.pyfunc.load_model(address).predict(rows).tolist() == expected
    version = get_version(place.ws, model="sums", version=1).version
    card = version.facts["bundle"]
    assert (card["loader"], card["needs_pickle"], card["example"]) == ("mlflow", False, {"x": 1.0, "n": 1})
    assert card["settings"]["frame"]["columns"] == describe_frame(rows)[0]["columns"]
    if is_slow:  # a process that imports MLflow and scikit-learn
        host = open_model_host(place.ws)
        try:
            answered = host.answer(version.bundle, {name: rows[name].tolist() for name in rows})
        finally:
            host.close()
        assert answered["prediction"] == pytest.approx(expected, rel=1e-12)
    assert place.client.transition_model_version_stage("sums", "1", "Staging").current_stage == "Staging"
    code, message = refused(place.client.set_registered_model_alias, "sums", "champion", "1")
    assert code == "PERMISSION_DENIED"
    assert "sums@1 is a candidate in slot sums/production (Staging), and waits there" in message


@pytest.mark.filterwarnings("ignore:.*transition_model_version_stage.*:FutureWarning", "ignore:.*get_latest_versions.*:FutureWarning")
def test_a_stage_is_the_status_in_the_models_own_slot(place, as_):
    move = as_("otto").transition_model_version_stage
    assert "None -> Production is no legal transition" in refused(move, MODEL, "1", "Production")[1]
    assert place.client.get_model_version(MODEL, "1").current_stage == "None"
    assert move(MODEL, "1", "Staging").current_stage == "Staging"
    assert [placed.version for placed in get_live(place.ws, f"{MODEL}/production").staging] == [1]
    code, message = refused(move, MODEL, "1", "Production")
    assert code == "PERMISSION_DENIED"
    assert "promote is for the role operator" in message
    assert refused(move, MODEL, "1", "None")[0] == "PERMISSION_DENIED"
    assert refused(move, MODEL, "1", "Nowhere")[0] == "INVALID_PARAMETER_VALUE"
    assert move(MODEL, "1", "Archived").current_stage == "Archived"
    assert [one.version for one in as_("ben").get_latest_versions(MODEL, ["Archived"])] == ["1"]
