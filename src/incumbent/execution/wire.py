"""Tasks and outcomes as documents, and back: what crosses between a runner and its workers.

Decoding is defensive (`InvalidInput` for anything that does not fit), because a worker runs user code.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast, get_args

from incumbent.base.artifact import Artifact, artifact_from_json
from incumbent.base.digest import Digest, parse_digest
from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput
from incumbent.base.metric import MetricPoint
from incumbent.pipeline.action import OutcomeState, Policy, Resources, StageFailure, StageOutcome, StageTask, Undeclared


def task_to_json(task: StageTask) -> Document:
    """Return a task as a document."""
    return {
        "task_id": task.task_id, "stage": task.stage, "path": task.path, "module": task.module, "symbol": task.symbol,
        "data": {name: artifact.to_json() for name, artifact in task.data.items()},
        "config": dict(task.config), "injected": list(task.injected), "produces": [[name, text] for name, text in task.produces.items()],
        "seed": task.seed, "env": list(task.env), "policy": task.policy, "threads": task.threads,
        "timeout_s": task.timeout_s, "output_bytes_max": task.output_bytes_max,
    }  # fmt: skip


def task_from_json(value: Json) -> StageTask:
    """Return the task that `task_to_json` wrote.

    Raises:
        InvalidInput: A field is missing, or of the wrong type.
    """
    try:
        match value:
            case {
                "task_id": str(task_id), "stage": str(stage), "path": str(path), "module": str(module), "symbol": str(symbol),
                "data": dict(data), "config": dict(config), "injected": list(injected), "produces": list(produces),
                "seed": int(seed), "env": list(env), "policy": str(policy), "threads": threads, "timeout_s": timeout_s,
                "output_bytes_max": output_bytes_max,
            } if policy in get_args(Policy):  # fmt: skip
                return StageTask(
                    task_id, stage, path, module, symbol, _artifacts(data), config, _texts(injected),
                    {str(name): str(text) for name, text in cast(list[Any], produces)}, seed, _texts(env), cast(Policy, policy),
                    cast(int | None, threads), cast(float | None, timeout_s), cast(int | None, output_bytes_max),
                )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"not a stage task: {error}") from error
    raise InvalidInput(f"not a stage task: {str(value)[:200]}")


def outcome_to_json(outcome: StageOutcome) -> Document:
    """Return an outcome as a document. Numbers of metrics go as text, because JSON has no NaN."""
    failure = outcome.failure
    return {
        "task_id": outcome.task_id,
        "state": outcome.state,
        "outputs": [[name, artifact.to_json()] for name, artifact in outcome.outputs.items()],
        "metrics": [[point.name, repr(point.value), point.step, point.at.isoformat()] for point in outcome.metrics],
        "undeclared": [[item.kind, item.name, item.value, item.where] for item in outcome.undeclared],
        "log": outcome.log,
        "resources": [outcome.resources.wall_s, outcome.resources.cpu_s, outcome.resources.rss_bytes_max],
        "failure": None if failure is None else [failure.message, failure.traceback, failure.digest, failure.is_final],
        "warnings": list(outcome.warnings),
    }


def outcome_from_json(value: Json) -> StageOutcome:
    """Return the outcome that `outcome_to_json` wrote.

    Raises:
        InvalidInput: A field is missing, or of the wrong type.
    """
    try:
        match value:
            case {
                "task_id": str(task_id), "state": str(state), "outputs": list(outputs), "metrics": list(metrics),
                "undeclared": list(undeclared), "log": log, "resources": [wall_s, cpu_s, int(rss)], "failure": failure,
                "warnings": list(warnings),
            } if state in get_args(OutcomeState):  # fmt: skip
                return StageOutcome(
                    task_id, cast(OutcomeState, state),
                    {name: artifact_from_json(artifact) for name, artifact in cast(list[Any], outputs)},
                    tuple(_point(point) for point in metrics), tuple(_undeclared(item) for item in undeclared),
                    _digest(log),
                    Resources(float(cast(float, wall_s)), float(cast(float, cpu_s)), rss), _failure(failure), _texts(warnings),
                )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"not a stage outcome: {error}") from error
    raise InvalidInput(f"not a stage outcome: {str(value)[:200]}")


def _artifacts(value: Mapping[str, Json]) -> dict[str, Artifact]:
    return {name: artifact_from_json(artifact) for name, artifact in value.items()}


def _texts(value: list[Json]) -> tuple[str, ...]:
    if not all(isinstance(text, str) for text in value):
        raise InvalidInput(f"expected a list of texts, not {str(value)[:80]}")
    return tuple(cast(list[str], value))


def _digest(value: Json) -> Digest | None:
    if value is None:
        return None
    parse_digest(str(value))
    return Digest(str(value))


def _point(value: Json) -> MetricPoint:
    match value:
        case [str(name), str(number), int(step), str(at)]:
            return MetricPoint(name, float(number), step, datetime.fromisoformat(at))
    raise InvalidInput(f"not a metric point: {str(value)[:80]}")


def _undeclared(value: Json) -> Undeclared:
    match value:
        case ["file" | "env" as kind, str(name), str(observed), str(where)]:
            return Undeclared(kind, name, observed, where)
    raise InvalidInput(f"not an undeclared input: {str(value)[:80]}")


def _failure(value: Json) -> StageFailure | None:
    match value:
        case None:
            return None
        case [str(message), str(traceback), digest, bool(is_final)]:
            return StageFailure(message, traceback, _digest(digest), is_final)
    raise InvalidInput(f"not a failure: {str(value)[:80]}")
