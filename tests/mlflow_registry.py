"""MLflow's routes of the registry, asked without a socket, and what a client would have logged before."""

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

from asgi import Client, open_app
from incumbent.base.artifact import Artifact
from incumbent.tracking.experiment import LoggedModel, ModelFile
from incumbent.tracking.run import RunArtifact

PREFIX = "/api/2.0/mlflow/"
INVALID, ABSENT, DENIED = (400, "INVALID_PARAMETER_VALUE"), (404, "RESOURCE_DOES_NOT_EXIST"), (403, "PERMISSION_DENIED")
MLMODEL = """artifact_path: model
signature:
  inputs: '[{"type": "double", "name": "x", "required": true}, {"type": "long", "name":
    "it''s n", "required": false}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]'
  params: null
"""
EXAMPLE = json.dumps({"columns": ["it's n", "x"], "data": [[3, 1.5], [4, 2.5]]})
M_ID = "m-" + "a" * 32


class Registry:
    """A server, and what a client would have logged to it."""

    def __init__(self, ws) -> None:
        self.ws = ws
        self.app = open_app(ws)
        self.client = Client(self.app)

    def ask(self, method, path, /, **fields):
        if method == "GET":
            answer = self.client.get(f"{self.where(path)}?{urlencode(fields, doseq=True)}")
        else:
            answer = self.client.ask(method, PREFIX + path, body=json.dumps(fields).encode(), headers={"content-type": "application/json"})
        return answer.status, json.loads(answer.body)

    @staticmethod
    def where(path):
        return f"/api/2.0/{path.removeprefix('../')}" if path.startswith("../") else PREFIX + path

    def must(self, method, path, /, **fields):
        status, answer = self.ask(method, path, **fields)
        assert status == 200, answer
        return answer

    def refused(self, method, path, /, **fields):
        status, answer = self.ask(method, path, **fields)
        assert status >= 400, answer
        return (status, answer["error_code"]), answer["message"]

    def begin_run(self, files=None):
        run_id = self.must("POST", "runs/create", tags=[{"key": "team", "value": "ops"}])["run"]["info"]["run_id"]
        self.must(
            "POST",
            "runs/log-batch",
            run_id=run_id,
            params=[{"key": "depth", "value": "6"}],
            metrics=[{"key": "auc", "value": 0.5, "timestamp": 1000, "step": 0}, {"key": "bad", "value": "NaN", "timestamp": 1, "step": 0}],
        )
        self.put_files(run_id, files or {"model/MLmodel": MLMODEL, "model/input_example.json": EXAMPLE, "other.txt": "x"})
        return run_id

    def put_files(self, run_id, files):
        stored = {path: self.ws.blobs.put([text.encode()]) for path, text in files.items()}
        with self.ws.store.begin() as tx:
            tx.runs.record_artifacts(
                [
                    RunArtifact(run_id, "output", path, Artifact("file", one.digest, one.size, path.rpartition("/")[2]))
                    for path, one in stored.items()
                ]
            )

    def log_model(self, run_id, model_id=M_ID, files=None):
        now = datetime(2026, 1, 1, tzinfo=UTC)
        with self.ws.store.begin() as tx:
            number = tx.experiments.find(tx.runs.get(run_id).experiment).number
            tx.logged_models.create(LoggedModel(model_id, number, "model", run_id, "", "READY", now, now))
        for path, text in (files or {"MLmodel": MLMODEL}).items():
            stored = self.ws.blobs.put([text.encode()])
            with self.ws.store.begin() as tx:
                tx.logged_models.put_file(ModelFile(model_id, path, stored.digest, stored.size))

    def make(self, name, run_id, /, **more):
        return self.must("POST", "model-versions/create", name=name, source=f"runs:/{run_id}/model", **more)["model_version"]
