"""Make the MLflow store that the import's tests read: run once, with full MLflow in an environment of its own.

    python make_mlflow_store.py FOLDER     leaves FOLDER/mlflow.db and FOLDER/mlartifacts
"""

import math
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import mlflow
import mlflow.sklearn
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.entities.dataset_input import DatasetInput
from mlflow.entities.dataset import Dataset
from mlflow.entities.input_tag import InputTag
from sklearn.linear_model import LogisticRegression

PORT = 5123


def fill(address: str) -> None:
    mlflow.set_tracking_uri(address)
    client = MlflowClient(address)
    churn = client.create_experiment("churn", tags={"team": "growth", "mlflow.note.content": "who leaves"})
    empty = client.create_experiment("abandoned")
    client.delete_experiment(empty)
    parent = client.create_run(churn, start_time=1_700_000_000_000, tags={"mlflow.user": "mia", "mlflow.source.git.commit": "a" * 40}, run_name="sweep")
    for number in range(2):
        child = client.create_run(churn, start_time=1_700_000_001_000 + number, tags={"mlflow.parentRunId": parent.info.run_id, "mlflow.user": "mia"}, run_name=f"child {number}")
        points = [Metric("loss", 1 / (step + 1 + number), 1_700_000_001_000 + step, step) for step in range(300)]
        points += [Metric("odd", value, 1_700_000_002_000 + n, 7) for n, value in enumerate([math.nan, math.inf, -math.inf, 0.5, 0.25])]
        points += [Metric("odd", 0.75, 1_700_000_002_000, 7), Metric("metrics/with slash", -1.5, 1_700_000_002_000, -3)]
        client.log_batch(child.info.run_id, metrics=points, params=[Param("depth", str(4 + number)), Param("note", "ü" * 500)], tags=[RunTag("grid", "yes")])
        client.log_inputs(child.info.run_id, [DatasetInput(Dataset("rows", "9010d92e", "local", '{"uri": "rows.csv"}', '{"a": "long"}', '{"num_rows": 5}'), [InputTag("mlflow.data.context", "training")])])
        client.set_terminated(child.info.run_id, "FINISHED", 1_700_000_003_000)
    client.log_text(parent.info.run_id, "plain\n", "notes/at 12:30.txt")
    client.log_text(parent.info.run_id, "plain\n", "same.txt")
    client.log_text(parent.info.run_id, "", "empty.txt")
    client.set_terminated(parent.info.run_id, "FINISHED", 1_700_000_009_000)
    failed = client.create_run(churn, start_time=1_700_000_010_000, run_name="broke")
    client.log_param(failed.info.run_id, "depth", "-1")
    client.set_terminated(failed.info.run_id, "FAILED", 1_700_000_010_500)
    client.create_run("0", start_time=1_700_000_011_000, run_name="still going")
    gone = client.create_run(churn, start_time=1_700_000_012_000, run_name="thrown away")
    client.log_metric(gone.info.run_id, "loss", 3.5, 1_700_000_012_000, 0)
    client.delete_run(gone.info.run_id)
    with mlflow.start_run(experiment_id=churn, run_name="fit"):
        model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
        info = mlflow.sklearn.log_model(model, name="model", params={"C": 1.0}, pip_requirements=["scikit-learn"])
        mlflow.log_metric("accuracy", 0.75, step=0, model_id=info.model_id)
    client.create_registered_model("churn", tags={"owner": "growth"}, description="who leaves")
    for _ in range(3):
        client.create_model_version("churn", f"models:/{info.model_id}", info.run_id if hasattr(info, "run_id") else None, model_id=info.model_id)
    client.delete_model_version("churn", "2")
    client.transition_model_version_stage("churn", "1", "Production")
    client.set_model_version_tag("churn", "3", "reviewed", "no")
    client.update_model_version("churn", "3", "the third")
    client.set_registered_model_alias("churn", "champion", "3")
    client.create_registered_model("Churn Model EU")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["LOGNAME"] = os.environ["USER"] = "mia"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", "sqlite:///mlflow.db", "--artifacts-destination", "./mlartifacts"]
    server = subprocess.Popen([*command, "--port", str(PORT), "--workers", "1"], cwd=folder)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=5).read()
                break
            except OSError:
                time.sleep(0.5)
        fill(f"http://127.0.0.1:{PORT}")
    finally:
        server.terminate()
        server.wait()
    with sqlite3.connect(folder / "mlflow.db", isolation_level=None) as db:
        db.execute("UPDATE tags SET value = 'fit.py' WHERE key = 'mlflow.source.name'")
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA page_size = 512")
        db.execute("VACUUM")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
