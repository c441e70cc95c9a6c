"""Sweeps that Optuna steers: it proposes a combination, the pipeline runs, the metric goes back. Needs the extra `sweep`."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput, Unavailable
from incumbent.pipeline.config import Config, merge_setting
from incumbent.tracking.run import RunState
from incumbent.usecases.log_run import seal_run
from incumbent.usecases.run_pipeline import RunResult
from incumbent.usecases.sweep import RunOne, SweepResult, open_sweep
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, both possible; whole numbers if both ends are."""

    low: int | float
    high: int | float
    is_log: bool = False


Axis = Range | Sequence[Json]


def run_trials(
    ws: Workspace,
    *,
    name: str,
    base: Config,
    axes: Mapping[str, Axis],
    trials: int,
    metric: str,
    is_maximized: bool,
    run_one: RunOne,
    seed: int,
    experiment: str = "",
) -> SweepResult:
    """Run `trials` combinations that Optuna's TPE sampler proposes, seeded, so that the same sweep proposes the same.

    Raises:
        Unavailable: Optuna is not installed.
        InvalidInput: A run finished without logging `metric`, or the number of trials is not positive.
    """
    if trials < 1:
        raise InvalidInput(f"--trials {trials}: expected 1 or more")
    try:
        optuna: Any = importlib.import_module("optuna")
    except ModuleNotFoundError:
        raise Unavailable("--trials needs Optuna: install incumbent[sweep]") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize" if is_maximized else "minimize", sampler=optuna.samplers.TPESampler(seed=seed % 2**32))
    parent = open_sweep(ws, name=name, experiment=experiment)
    done: list[tuple[Mapping[str, Json], RunResult]] = []
    state: RunState = "killed"
    try:
        for _ in range(trials):
            trial = study.ask()
            settings = {path: _suggest(trial, path, axis) for path, axis in axes.items()}
            config = {stage: dict(values) for stage, values in base.items()}
            for path, value in settings.items():
                merge_setting(config, path, value)
            result = run_one(config, parent.run_id)
            done.append((settings, result))
            if result.failure is not None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            elif metric not in result.metrics:
                raise InvalidInput(f"run {result.run_id} logged no metric {metric!r}; it logged: {', '.join(result.metrics) or 'none'}")
            else:
                study.tell(trial, result.metrics[metric])
        state = "failed" if any(result.failure for _, result in done) else "finished"
    finally:
        seal_run(ws, run=parent, state=state)
    return SweepResult(parent.run_id, done)


def _suggest(trial: Any, path: str, axis: Axis) -> Json:
    found: Json
    if not isinstance(axis, Range):
        found = trial.suggest_categorical(path, list(axis))
    elif isinstance(axis.low, int) and isinstance(axis.high, int):
        found = trial.suggest_int(path, axis.low, axis.high, log=axis.is_log)
    else:
        found = trial.suggest_float(path, axis.low, axis.high, log=axis.is_log)
    return found
