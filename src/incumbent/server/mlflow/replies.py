"""Our runs and experiments as MLflow's clients read them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from incumbent.base.documents import Json, document_bytes
from incumbent.base.metric import MetricPoint
from incumbent.server.mlflow.wire import to_ms
from incumbent.tracking.experiment import DatasetInput, Experiment, ModelLink, ModelMetric
from incumbent.tracking.run import Run
from incumbent.usecases.ports import Transaction
from incumbent.usecases.tracked_runs import NAME_TAG, experiment_id_of, find_experiment

_STATUSES = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}


def describe_experiment(experiment: Experiment) -> dict[str, Any]:
    """Return an experiment."""
    number = experiment_id_of(experiment)
    times = {"creation_time": experiment.created_at, "last_update_time": experiment.updated_at}
    return {
        "experiment_id": number,
        "name": experiment.name,
        "artifact_location": f"mlflow-artifacts:/{number}",
        "lifecycle_stage": "active" if experiment.deleted_at is None else "deleted",
        **{name: to_ms(at) for name, at in times.items() if at is not None},
        "tags": _pairs(experiment.tags),
    }


def describe_runs(tx: Transaction, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return runs whole: what they are, params, last metrics, tags and datasets."""
    run_ids = [run.run_id for run in runs]
    metrics = tx.metrics.latest(run_ids)
    deleted = tx.run_links.list_deleted(run_ids)
    ids = {name: _experiment_id(tx, name) for name in sorted({run.experiment for run in runs})}
    datasets = tx.run_links.list_datasets(run_ids)
    links: dict[tuple[str, str], list[ModelLink]] = {}
    for link in tx.run_links.list_models(run_ids):
        links.setdefault((link.run_id, link.direction), []).append(link)
    return [
        {
            "info": describe_info(run, ids[run.experiment], is_deleted=run.run_id in deleted),
            "data": {
                "metrics": [describe_point(point) for point in metrics[run.run_id].values()],
                "params": [{"key": name, "value": _text(value)} for name, value in run.params.items()],
                "tags": _pairs({**run.tags, NAME_TAG: run.name}),
            },
            "inputs": {
                "dataset_inputs": [_describe_dataset(one) for one in datasets[run.run_id]],
                "model_inputs": [{"model_id": link.model_id} for link in links.get((run.run_id, "input"), [])],
            },
            "outputs": {
                "model_outputs": [{"model_id": link.model_id, "step": link.step} for link in links.get((run.run_id, "output"), [])],
            },
        }
        for run in runs
    ]


def describe_info(run: Run, experiment_id: str, *, is_deleted: bool) -> dict[str, Any]:
    """Return what a run is."""
    return {
        "run_id": run.run_id,
        "run_uuid": run.run_id,
        "run_name": run.name,
        "experiment_id": experiment_id,
        "user_id": run.tags.get("mlflow.user") or str(run.facts.get("actor") or ""),
        "status": _STATUSES[run.state],
        "start_time": to_ms(run.started_at),
        **({} if run.ended_at is None else {"end_time": to_ms(run.ended_at)}),
        "artifact_uri": f"mlflow-artifacts:/{experiment_id}/{run.run_id}/artifacts",
        "lifecycle_stage": "deleted" if is_deleted else "active",
    }


def describe_point(point: MetricPoint) -> dict[str, Any]:
    """Return a metric's point; JSON has no NaN and no infinities, so protocol buffers spell them as text."""
    return {"key": point.name, "value": _number(point.value), "timestamp": to_ms(point.at), "step": point.step}


def describe_model_metric(point: ModelMetric) -> dict[str, Any]:
    """Return a metric's point that is about a logged model, and perhaps a dataset."""
    about = {"dataset_name": point.dataset_name, "dataset_digest": point.dataset_digest} if point.dataset_name else {}
    plain = describe_point(MetricPoint(point.name, point.value, point.step, point.at))
    return {**plain, "model_id": point.model_id, "run_id": point.run_id, **about}


def describe_history(name: str, points: Sequence[tuple[float | None, int, int]]) -> list[dict[str, Any]]:
    """Return many points of one metric: value (None: NaN), step and microseconds since 1970 of each."""
    finite = math.isfinite
    return [
        {
            "key": name,
            "value": value if value is not None and finite(value) else _number(math.nan if value is None else value),
            "timestamp": at // 1000,
            "step": step,
        }
        for value, step, at in points
    ]


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _experiment_id(tx: Transaction, name: str) -> str:
    return experiment_id_of(tx.experiments.find(name) or find_experiment(tx, "0"))


def _pairs(words: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": name, "value": value} for name, value in words.items()]


def _text(value: Json) -> str:
    return value if isinstance(value, str) else document_bytes({"": value}).decode()[4:-1]


def _describe_dataset(given: DatasetInput) -> dict[str, Any]:
    described = {
        "name": given.name, "digest": given.digest, "source_type": given.source_type, "source": given.source,
        **({"schema": given.schema} if given.schema else {}), **({"profile": given.profile} if given.profile else {}),
    }  # fmt: skip
    return {"dataset": described, "tags": _pairs(given.tags)}
