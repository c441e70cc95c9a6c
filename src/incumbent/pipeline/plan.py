"""A plan: which stages would rerun, which are hits, which wait to see; and the first reason for each."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.documents import Json
from incumbent.pipeline.difference import Difference

PlanState = Literal["hit", "run", "waits"]
"""`waits`: something above it reruns; it is spared if that gives the same bytes as before (early cutoff), unless it differs itself."""


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What a run would do with one stage.

    Attributes:
        key: Action key; None while it waits, and for a mapped stage (its items have keys).
        outputs: Output name -> artifact, for a hit.
        differences: What differs from the last run, most telling first. For "waits": what does so whatever the stages above will give.
        waits_for: For "waits": the nearest stages above that rerun.
        items: For a mapped stage: how many of its items are hits, and how many there are.
        widened: Where code could not be resolved symbol by symbol, in words.
    """

    stage: str
    state: PlanState
    key: Digest | None = None
    outputs: Mapping[str, Artifact] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()
    waits_for: tuple[str, ...] = ()
    items: tuple[int, int] | None = None
    widened: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """Return the document form."""
        return {
            "stage": self.stage,
            "state": self.state,
            "key": str(self.key) if self.key else None,
            "outputs": {name: artifact.to_json() for name, artifact in self.outputs.items()},
            "differences": [difference.to_json() for difference in self.differences],
            "waits_for": list(self.waits_for),
            "items": list(self.items) if self.items else None,
            "widened": list(self.widened),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan of a whole pipeline, in running order."""

    pipeline: str
    stages: Mapping[str, StagePlan]

    def count(self) -> dict[PlanState, int]:
        """Return how many stages are in each state."""
        counted = Counter(stage.state for stage in self.stages.values())
        return {"hit": counted["hit"], "run": counted["run"], "waits": counted["waits"]}

    def to_json(self) -> Json:
        """Return the document form."""
        counted = self.count()
        counts: dict[str, Json] = {"hit": counted["hit"], "run": counted["run"], "waits": counted["waits"]}
        return {
            "pipeline": self.pipeline,
            "counts": counts,
            "stages": [stage.to_json() for stage in self.stages.values()],
        }
