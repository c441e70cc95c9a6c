"""One attempt at one stage: decode the inputs, seed, watch, call, check the result, encode the outputs.

The same code runs in a forked worker, in a fresh interpreter and in the user's own process. Whatever the stage does, short of
ending the process, comes out as a `StageOutcome`; `log` and `resources` are filled in by the runner, which sees them from outside.
"""

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from incumbent.base.artifact import Artifact
from incumbent.base.errors import Corrupt, IncumbentError, NotFound, Unavailable
from incumbent.base.metric import MetricPoint
from incumbent.execution import seeding
from incumbent.execution.attempt_blobs import AttemptBlobs, OutputTooLarge
from incumbent.execution.failures import describe_error
from incumbent.execution.loading import find_function, refuse_changed
from incumbent.execution.watch import Finding, Watch
from incumbent.pipeline.action import StageFailure, StageOutcome, StageTask
from incumbent.usecases.log_metric import recording_metrics
from incumbent.usecases.ports import Blobs, Codecs

CheckType = Callable[[object, object], str | None]
"""Says in words why a value is not of an annotated type, or None if it is."""


class _Failed(Exception):
    """Carries an outcome out of the depth of an attempt."""

    def __init__(self, outcome: StageOutcome) -> None:
        super().__init__()
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Bench:
    """What attempts in this process work with."""

    root: Path
    watch: Watch
    codecs: Codecs
    check_type: CheckType
    blobs: Blobs


def run_attempt(task: StageTask, bench: Bench, *, folder: Path, allowed_paths: frozenset[str]) -> StageOutcome:
    """Run one stage once and return what came of it; never raises.

    Args:
        task: What to run.
        bench: The process's tools.
        folder: The attempt's own folder: inputs that are paths appear in it, and the stage may write there.
        allowed_paths: Project files (relative to the root) that are part of the stage's code, so may be imported late.
    """
    blobs = AttemptBlobs(bench.blobs, task.output_bytes_max)
    metrics: list[MetricPoint] = []

    def record(name: str, value: float, step: int) -> None:
        metrics.append(MetricPoint(name, value, step, datetime.now(UTC)))

    try:
        function = find_function((task.path, task.module, task.symbol))
        hints = _read_hints(function)
        inputs = _decode_inputs(task, bench, blobs, hints, folder / "inputs")
        positional, keywords = _bind(task, function, inputs)
        with recording_metrics(record), bench.watch.active(task, folder, allowed_paths):
            seeding.seed_loaded(task.seed)
            value = _call(task, bench, function, positional, keywords)
        finding = bench.watch.settle()
        _refuse_undeclared(task, finding)
        refuse_changed(bench.root, "going on")  # a module that the stage imported late may have been edited
        outputs = _encode_outputs(task, bench, blobs, hints.get("return", inspect.Signature.empty), value)
        outcome = StageOutcome(task.task_id, "done", outputs, undeclared=finding.undeclared, warnings=finding.warnings)
    except _Failed as failed:
        outcome = failed.outcome
    except IncumbentError as error:
        outcome = _fail(task, f"{error}", is_final=not isinstance(error, Unavailable))
    return replace(outcome, metrics=tuple(metrics))


def _fail(task: StageTask, message: str, *, is_final: bool) -> StageOutcome:
    return StageOutcome(task.task_id, "failed", failure=StageFailure(message, is_final=is_final))


def _read_hints(function: Callable[..., object]) -> Mapping[str, object]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001 - annotations are user code; one that names a class under TYPE_CHECKING says nothing here
        return {name: hint for name, hint in getattr(function, "__annotations__", {}).items() if not isinstance(hint, str)}


def _decode_inputs(task: StageTask, bench: Bench, blobs: AttemptBlobs, hints: Mapping[str, object], folder: Path) -> dict[str, object]:
    inputs: dict[str, object] = {}
    for name, artifact in task.data.items():
        try:
            inputs[name] = bench.codecs.decode(artifact, hints.get(name, typing.Any), blobs, folder / name)
        except (Corrupt, NotFound) as error:
            digest = blobs.asked or artifact.digest
            failure = StageFailure(f"input {name!r} cannot be read: {error}", digest=digest, is_final=True)
            raise _Failed(StageOutcome(task.task_id, "corrupt_input", failure=failure)) from error
    return inputs


def _bind(task: StageTask, function: Callable[..., object], inputs: Mapping[str, object]) -> tuple[list[object], dict[str, object]]:
    keywords: dict[str, object] = dict(task.config)
    if "seed" in task.injected:
        keywords["seed"] = task.seed
    if "rng" in task.injected:
        keywords["rng"] = seeding.make_rng(task.seed)
    positional = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in inputs:
            given = keywords.get(parameter.name)
            if parameter.annotation in (float, "float") and type(given) is int:
                keywords[parameter.name] = float(given)  # `--set lr=1` means 1.0
        elif parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            positional.append(inputs[parameter.name])
        else:
            keywords[parameter.name] = inputs[parameter.name]
    return positional, keywords


def _call(task: StageTask, bench: Bench, function: Callable[..., object], positional: list[object], keywords: dict[str, object]) -> object:
    try:
        return function(*positional, **keywords)
    except BaseException as error:
        finding = bench.watch.settle()
        refuse_changed(bench.root, "going on")
        _refuse_undeclared(task, finding, error)  # when the watch stopped it, the watch's words say more than the exception's
        failure = describe_error(error, bench.watch.files)
        outcome = StageOutcome(task.task_id, "failed", undeclared=finding.undeclared, failure=failure, warnings=finding.warnings)
        raise _Failed(outcome) from error


def _refuse_undeclared(task: StageTask, finding: Finding, error: BaseException | None = None) -> None:
    if task.policy != "fail" or not finding.refusals:
        return
    failure = StageFailure(" ".join(finding.refusals), is_final=True)
    raise _Failed(
        StageOutcome(task.task_id, "failed", undeclared=finding.undeclared, failure=failure, warnings=finding.warnings)
    ) from error


def _encode_outputs(task: StageTask, bench: Bench, blobs: AttemptBlobs, annotation: object, value: object) -> dict[str, Artifact]:
    names = list(task.produces)
    if len(names) == 1:
        pairs = [(names[0], annotation, value)]
    else:
        pairs = list(zip(names, _split_annotation(annotation, len(names)), _split_value(task, value, names), strict=True))
    for name, expected, given in pairs:
        wrong = None if expected is inspect.Signature.empty else bench.check_type(given, expected)
        if wrong is not None:
            which = f"output {name!r} of stage {task.stage!r}" if len(names) > 1 else f"stage {task.stage!r}"
            raise _Failed(_fail(task, f"{which} is annotated {task.produces[name]}, and {_place(task)} returned {wrong}", is_final=True))
    return {name: _encode(task, bench, blobs, name, given) for name, _, given in pairs}


def _split_annotation(annotation: object, count: int) -> list[object]:
    items = typing.get_args(annotation)
    return list(items) if len(items) == count and Ellipsis not in items else [inspect.Signature.empty] * count


def _split_value(task: StageTask, value: object, names: list[str]) -> list[object]:
    if isinstance(value, tuple | list) and len(value) == len(names):
        return list(value)
    got = f"{len(value)} values" if isinstance(value, tuple | list) else "None" if value is None else f"one {type(value).__name__}"
    wanted = f"a tuple of {len(names)}: {', '.join(names)}"
    raise _Failed(_fail(task, f"stage {task.stage!r} must return {wanted}; {_place(task)} returned {got}", is_final=True))


def _encode(task: StageTask, bench: Bench, blobs: AttemptBlobs, name: str, value: object) -> Artifact:
    blobs.begin_output()
    try:
        return bench.codecs.encode(value, task.produces[name], blobs)
    except OutputTooLarge as error:
        message = f"output {name!r} of stage {task.stage!r} is {error}; raise output_bytes_max in its @stage(…), or return less"
        raise _Failed(_fail(task, message, is_final=True)) from error
    except IncumbentError as error:
        message = f"output {name!r} of stage {task.stage!r} cannot be stored: {error}"
        raise _Failed(_fail(task, message, is_final=not isinstance(error, Unavailable))) from error
    except Exception as error:
        failure = describe_error(error, bench.watch.files, doing=f"output {name!r} of stage {task.stage!r} cannot be stored: ")
        raise _Failed(StageOutcome(task.task_id, "failed", failure=replace(failure, is_final=True))) from error


def _place(task: StageTask) -> str:
    return f"{task.symbol} ({task.path})"
