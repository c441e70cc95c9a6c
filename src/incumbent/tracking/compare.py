"""Comparing runs: which params, metrics, inputs, code, environment and config differ, as one table."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput
from incumbent.base.metric import MetricPoint
from incumbent.tracking.manifest import number_json
from incumbent.tracking.run import Note, Run, RunArtifact, StageRun

Section = Literal["run", "params", "config", "metrics", "inputs", "outputs", "code", "stages", "environment", "tags"]


@dataclass(frozen=True, slots=True)
class RunDetails:
    """A run and all that hangs on it, except the single points of its metrics.

    Attributes:
        metrics: Metric name -> last point.
        environment: The document that `run.facts["environment"]` names; empty when the run has none.
    """

    run: Run
    stages: Sequence[StageRun] = ()
    artifacts: Sequence[RunArtifact] = ()
    metrics: Mapping[str, MetricPoint] = field(default_factory=dict)
    notes: Sequence[Note] = ()
    environment: Document = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """One field across the compared runs; a run that does not have it has None in `values` and False in `has`."""

    section: Section
    name: str
    values: tuple[Json, ...]
    has: tuple[bool, ...]

    @property
    def is_same(self) -> bool:
        """Whether every run has it with the same value: of the same type too, as 1, 1.0, True and "1" are four values."""
        first = self.values[0]
        return len(set(self.has)) == 1 and all(_same(first, value) for value in self.values[1:])


@dataclass(frozen=True, slots=True)
class RunComparison:
    """All fields of the compared runs, by section, then by name."""

    run_ids: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def differences(self) -> tuple[Row, ...]:
        """The rows that are not the same everywhere."""
        return tuple(row for row in self.rows if not row.is_same)


def compare_runs(runs: Sequence[RunDetails]) -> RunComparison:
    """Return what the runs have in common and where they differ.

    Raises:
        InvalidInput: Fewer than two runs, or one of them twice.
    """
    ids = tuple(one.run.run_id for one in runs)
    if len(runs) < 2 or len(set(ids)) < len(ids):
        raise InvalidInput(f"comparing takes two or more different runs, not {', '.join(ids) or 'none'}")
    columns = [list(_sections(one)) for one in runs]
    rows: list[Row] = []
    for place, (section, _) in enumerate(columns[0]):
        fields = [column[place][1] for column in columns]
        for name in sorted({name for one in fields for name in one}):
            rows.append(Row(section, name, tuple(one.get(name) for one in fields), tuple(name in one for one in fields)))
    return RunComparison(ids, tuple(rows))


def _sections(details: RunDetails) -> Iterator[tuple[Section, Mapping[str, Json]]]:
    run = details.run
    facts = dict(run.facts)
    config = facts.pop("config", None)
    yield "run", {"state": run.state, "experiment": run.experiment, "pipeline": run.pipeline, "seed": run.seed}
    yield "params", run.params
    yield "config", dict(flatten(config)) if isinstance(config, dict) else {}
    yield "metrics", {name: number_json(point.value) for name, point in details.metrics.items()}
    yield "inputs", {one.name: one.artifact.identity for one in details.artifacts if one.direction == "input"}
    yield "outputs", {one.name: one.artifact.identity for one in details.artifacts if one.direction == "output"}
    yield "code", {"commit": run.code.commit, "is_dirty": run.code.is_dirty, "tree": run.code.tree}
    yield "stages", {stage_name(one): one.key for one in details.stages}
    yield "environment", dict(flatten(details.environment))
    yield "tags", dict(run.tags)


def stage_name(stage: StageRun) -> str:
    """Return the name of a stage run, the item in brackets."""
    return stage.stage if stage.item is None else f"{stage.stage}[{stage.item}]"


def flatten(document: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    """Yield (dotted name, value) of every leaf; an empty object is a leaf too.

    >>> dict(flatten({"train": {"lr": 0.1, "layers": [2, 3]}, "note": {}}))
    {'train.lr': 0.1, 'train.layers': [2, 3], 'note': {}}
    """
    pending: list[tuple[str, Json]] = list(document.items())[::-1]
    while pending:
        name, value = pending.pop()
        if isinstance(value, dict) and value:
            pending.extend((f"{name}.{key}", inner) for key, inner in list(value.items())[::-1])
        else:
            yield name, value


def _same(one: Json, other: Json) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
