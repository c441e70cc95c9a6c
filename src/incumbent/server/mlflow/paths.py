"""MLflow's routes that we have, as one table: method, path, who answers. Every other path of MLflow's API answers ENDPOINT_NOT_FOUND."""

from collections.abc import Callable

from incumbent.server.group import Write
from incumbent.server.messages import Request, Response, Server
from incumbent.server.mlflow import experiments, runs
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
    )
)

QUICK: frozenset[Callable[[Server, Request], Response | Write]] = frozenset(
    {runs.create, runs.update, runs.log_metric, runs.log_param, runs.log_batch, runs.set_tag, runs.delete_tag}
)
"""What comes by the thousand, and to a small write: asked in the thread that writes (`server/group.py`)."""
