"""The verb `run --sweep`: one run per combination of config values, nested under one parent; what they share runs once."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.pipeline.config import Config, merge_setting
from incumbent.tracking.run import Run
from incumbent.usecases.log_run import describe_run, seal_run, start_run
from incumbent.usecases.run_pipeline import RunResult
from incumbent.usecases.workspace import Workspace

COMBINATIONS_MAX = 10_000

RunOne = Callable[[Config, str], RunResult]
"""Runs the pipeline with a config, under a parent run's id."""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep gave.

    Attributes:
        parent_id: The run that the others are nested in.
        trials: (settings, result) of each combination, in the order in which they were run.
    """

    parent_id: str
    trials: Sequence[tuple[Mapping[str, Json], RunResult]]

    @property
    def failed(self) -> int:
        """Number of runs that failed."""
        return sum(result.failure is not None for _, result in self.trials)


def expand_grid(axes: Mapping[str, Sequence[Json]]) -> list[dict[str, Json]]:
    """Return every combination, the last axis changing fastest.

    Raises:
        InvalidInput: No axis, an empty one, or too many combinations.

    >>> expand_grid({"train.lr": [0.1, 0.2], "train.depth": [3]})
    [{'train.lr': 0.1, 'train.depth': 3}, {'train.lr': 0.2, 'train.depth': 3}]
    """
    if not axes or not all(axes.values()):
        raise InvalidInput("a sweep needs values: --sweep train.lr=0.01,0.1")
    count = 1
    for values in axes.values():
        count *= len(values)
    if count > COMBINATIONS_MAX:
        raise InvalidInput(f"this sweep has {count:,} combinations, over the limit of {COMBINATIONS_MAX:,}; use --trials to sample them")
    return [dict(zip(axes, combination, strict=True)) for combination in itertools.product(*axes.values())]


def sweep(
    ws: Workspace,
    *,
    name: str,
    base: Config,
    combinations: Sequence[Mapping[str, Json]],
    run_one: RunOne,
    experiment: str = "",
    parent: Run | None = None,
) -> SweepResult:
    """Run each combination over `base`, one after another; stages that two of them share are hits in the second.

    Args:
        ws: The workspace.
        name: Name of the pipeline, for the parent run.
        base: Config under the combinations.
        combinations: `stage.key` -> value, one mapping a run.
        run_one: Runs one.
        experiment: Group of runs; the pipeline's name by default.
        parent: The parent run, when the caller has opened it and will seal it.
    """
    owned = parent or open_sweep(ws, name=name, experiment=experiment)
    trials: list[tuple[Mapping[str, Json], RunResult]] = []
    is_done = False
    try:
        for combination in combinations:
            config = {stage: dict(values) for stage, values in base.items()}
            for path, value in combination.items():
                merge_setting(config, path, value)
            trials.append((combination, run_one(config, owned.run_id)))
        is_done = True
    finally:
        if parent is None:
            failed = any(result.failure is not None for _, result in trials)
            seal_run(ws, run=owned, state="killed" if not is_done else "failed" if failed else "finished")
    return SweepResult(owned.run_id, trials)


def open_sweep(ws: Workspace, *, name: str, experiment: str = "") -> Run:
    """Record the parent run of a sweep."""
    return start_run(ws, began=describe_run(ws, experiment=experiment or name, name=f"{name} sweep", tags={"kind": "sweep"}))
