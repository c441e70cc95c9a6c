"""Make mlflow_folder.zip, a store in MLflow's old form, that the import's tests read: run once, with mlflow-skinny.

    MLFLOW_ALLOW_FILE_STORE=true python make_mlflow_folder.py FOLDER/mlruns      FOLDER stands in the addresses of artifacts
"""

import math
import sys
import zipfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput, Metric, Param, RunTag

TIMES = (2013, 1, 1, 0, 0, 0)


def fill(client: MlflowClient, words: Path) -> None:
    """Write one of everything that MLflow's folder can hold."""
    client.search_experiments()  # makes the experiment called Default
    churn = client.create_experiment("churn", tags={"team": "growth", "mlflow.note.content": "who leaves"})
    abandoned = client.create_experiment("abandoned")
    lost = client.create_run(abandoned, start_time=1_700_000_000_000, run_name="lost")
    client.log_metric(lost.info.run_id, "loss", 1.0, 1_700_000_000_000, 0)
    client.delete_experiment(abandoned)
    parent = client.create_run(churn, start_time=1_700_000_000_000, tags={"mlflow.user": "mia"}, run_name="sweep")
    children = []
    for number in range(2):
        tags = {"mlflow.parentRunId": parent.info.run_id, "mlflow.user": "mia", "mlflow.source.git.commit": "a" * 40}
        child = client.create_run(churn, start_time=1_700_000_001_000 + number, tags=tags, run_name=f"child {number}").info.run_id
        points = [Metric("loss", 1 / (step + 1 + number), 1_700_000_001_000 + step, step) for step in range(300)]
        points += [Metric("odd", value, 1_700_000_002_000 + n, 7) for n, value in enumerate([math.nan, math.inf, -math.inf, 0.5, 0.25])]
        points += [Metric("odd", 0.75, 1_700_000_002_000, 7)] * 2 + [Metric("metrics/with slash", -1.5, 1_700_000_002_000, -3)]
        params = [Param("depth", str(4 + number)), Param("note/long", "ü\n" * 500), Param("empty", "")]
        client.log_batch(child, metrics=points, params=params, tags=[RunTag("grid", "yes")])
        dataset = Dataset("rows of may", "9010d92e", "local", '{"uri": "rows.csv"}', '{"a": "long"}', '{"num_rows": 5}')
        client.log_inputs(child, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
        client.set_terminated(child, "FINISHED", 1_700_000_003_000)
        children.append(child)
    for name, text in (("at 12:30.txt", "plain\n"), ("empty.txt", "")):
        (words / name).write_text(text)
        client.log_artifact(parent.info.run_id, str(words / name), "notes")
    client.set_terminated(parent.info.run_id, "FINISHED", 1_700_000_009_000)
    failed = client.create_run(churn, start_time=1_700_000_010_000, run_name="broke").info.run_id
    client.set_terminated(failed, "FAILED", 1_700_000_010_500)
    client.create_run("0", start_time=1_700_000_011_000, run_name="still going")
    gone = client.create_run(churn, start_time=1_700_000_012_000, run_name="thrown away").info.run_id
    client.delete_run(gone)
    model = client.create_logged_model(churn, name="clf", source_run_id=children[0], tags={"t": "1"}, params={"C": "1.0"}, model_type="sklearn")
    (words / "MLmodel").write_text("flavors: {}\nmodel_uuid: x\n")
    client.log_model_artifact(model.model_id, str(words / "MLmodel"))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(children[0], [LoggedModelOutput(model.model_id, 3)])
    client.log_inputs(children[1], models=[LoggedModelInput(model.model_id)])
    client.log_metric(children[0], "accuracy", 0.75, 1_700_000_002_500, 1, dataset_name="rows", dataset_digest="d1", model_id=model.model_id)
    client.create_registered_model("churn", tags={"owner": "growth"}, description="who leaves")
    for _ in range(3):
        client.create_model_version("churn", f"models:/{model.model_id}", children[0], model_id=model.model_id)
    client.delete_model_version("churn", "2")
    client.transition_model_version_stage("churn", "1", "Production")
    client.set_model_version_tag("churn", "3", "reviewed", "no")
    client.update_model_version("churn", "3", "the third")
    client.set_registered_model_alias("churn", "newest", "3")


def main(root: Path) -> None:
    """Make the folder, and pack it so that the same folder gives the same file."""
    words = root.with_name("words")
    words.mkdir(parents=True)
    mlflow.set_tracking_uri(root.as_uri())  # the registry asks for logged models by it
    fill(MlflowClient(root.as_uri(), root.as_uri()), words)
    with zipfile.ZipFile(Path(__file__).with_name("mlflow_folder.zip"), "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix() + ("/" if path.is_dir() else "")
            packed.writestr(zipfile.ZipInfo(name, TIMES), b"" if path.is_dir() else path.read_bytes(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
