"""MLflow's routes that we have, as one table: method, path, who answers. Every other path of MLflow's API answers ENDPOINT_NOT_FOUND."""

from collections.abc import Callable

from incumbent.server.group import Write
from incumbent.server.messages import Request, Response, Server
from incumbent.server.mlflow import artifacts, experiments, inputs, logged_models, registry, registry_versions, runs
from incumbent.server.mlflow.wire import PREFIX

PATHS: tuple[tuple[str, str, Callable[[Server, Request], Response | Write]], ...] = tuple(
    (method, f"{PREFIX}/{path}", answer)
    for method, path, answer in (
        ("POST", "experiments/create", experiments.create),
        ("GET", "experiments/get", experiments.get),
        ("GET", "experiments/get-by-name", experiments.get_by_name),
        ("POST", "experiments/search", experiments.search),
        ("GET", "experiments/search", experiments.search),
        ("POST", "experiments/update", experiments.update),
        ("POST", "experiments/delete", experiments.delete),
        ("POST", "experiments/restore", experiments.restore),
        ("POST", "experiments/set-experiment-tag", experiments.set_tag),
        ("POST", "experiments/delete-experiment-tag", experiments.delete_tag),
        ("POST", "runs/create", runs.create),
        ("GET", "runs/get", runs.get),
        ("POST", "runs/update", runs.update),
        ("POST", "runs/delete", runs.delete),
        ("POST", "runs/restore", runs.restore),
        ("POST", "runs/log-metric", runs.log_metric),
        ("POST", "runs/log-parameter", runs.log_param),
        ("POST", "runs/log-batch", runs.log_batch),
        ("POST", "runs/set-tag", runs.set_tag),
        ("POST", "runs/delete-tag", runs.delete_tag),
        ("POST", "runs/search", runs.search),
        ("GET", "metrics/get-history", runs.get_history),
        ("POST", "runs/log-inputs", inputs.log_inputs),
        ("POST", "runs/outputs", inputs.log_outputs),
        ("GET", "artifacts/list", artifacts.list_of_run),
        ("POST", "logged-models", logged_models.create),
        ("POST", "logged-models/search", logged_models.search),
        ("GET", "logged-models/{model_id}", logged_models.get),
        ("PATCH", "logged-models/{model_id}", logged_models.finalize),
        ("DELETE", "logged-models/{model_id}", logged_models.delete),
        ("POST", "logged-models/{model_id}/params", logged_models.log_params),
        ("PATCH", "logged-models/{model_id}/tags", logged_models.set_tags),
        ("DELETE", "logged-models/{model_id}/tags/{key*}", logged_models.delete_tag),
        ("GET", "logged-models/{model_id}/artifacts/directories", artifacts.list_of_model),
        ("POST", "registered-models/create", registry.create),
        ("GET", "registered-models/get", registry.get),
        ("POST", "registered-models/rename", registry.rename),
        ("PATCH", "registered-models/update", registry.update),
        ("DELETE", "registered-models/delete", registry.delete),
        ("GET", "registered-models/search", registry.search),
        ("POST", "registered-models/get-latest-versions", registry.get_latest),
        ("GET", "registered-models/get-latest-versions", registry.get_latest),
        ("POST", "registered-models/set-tag", registry.set_tag),
        ("DELETE", "registered-models/delete-tag", registry.delete_tag),
        ("POST", "registered-models/alias", registry.put_alias),
        ("DELETE", "registered-models/alias", registry.remove_alias),
        ("GET", "registered-models/alias", registry.get_alias),
        ("POST", "model-versions/create", registry_versions.create),
        ("GET", "model-versions/get", registry_versions.get),
        ("GET", "model-versions/get-download-uri", registry_versions.get_download_uri),
        ("PATCH", "model-versions/update", registry_versions.update),
        ("DELETE", "model-versions/delete", registry_versions.delete),
        ("GET", "model-versions/search", registry_versions.search),
        ("POST", "model-versions/set-tag", registry_versions.set_tag),
        ("DELETE", "model-versions/delete-tag", registry_versions.delete_tag),
        ("POST", "model-versions/transition-stage", registry_versions.transition),
    )
)

FILE_PATHS: tuple[tuple[str, str, Callable[[Server, Request], Response | Write]], ...] = (
    ("GET", "/api/2.0/mlflow-artifacts/artifacts", artifacts.list_proxied),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts/{path*}", artifacts.get),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/{path*}", artifacts.put),
    ("DELETE", "/api/2.0/mlflow-artifacts/artifacts/{path*}", artifacts.delete),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/create/{path*}", artifacts.refuse_parts),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/complete/{path*}", artifacts.refuse_parts),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/abort/{path*}", artifacts.refuse_parts),
    ("GET", "/api/2.0/mlflow-artifacts/presigned/{path*}", artifacts.refuse_presigned),
    ("GET", "/api/3.0/mlflow/server-info", artifacts.get_server_info),
)
"""The addresses of files, and what goes with them. A PUT takes its body as a stream."""

QUICK: frozenset[Callable[[Server, Request], Response | Write]] = frozenset(
    {runs.create, runs.update, runs.log_metric, runs.log_param, runs.log_batch, runs.set_tag, runs.delete_tag}
)
"""What comes by the thousand, and to a small write: asked in the thread that writes (`server/group.py`)."""

STEADY: frozenset[Callable[[Server, Request], Response | Write]] = frozenset(
    {registry.get, registry.get_alias, registry_versions.get, registry_versions.get_download_uri}
)
"""What those who serve a model ask again and again: it rests on the store alone, so it is kept until somebody commits."""
