"""The manifest of a finished run: all that is known of it as one document, whose digest seals the run.

The manifest is computed from what is stored and from nothing else, so anyone can compute it again and compare digests: a
changed param, point, artifact or stage changes it. Metric points are in it by digest: over each metric's points sorted by
step, time and value, so the digest does not depend on how several writers took turns.
"""

import math
from collections.abc import Iterable, Sequence
from struct import Struct

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Algorithm, finish, new_hasher
from incumbent.base.documents import Document, Json
from incumbent.base.metric import MetricPoint
from incumbent.tracking.record import artifact_document, microseconds, run_document
from incumbent.tracking.run import Run, RunArtifact, StageRun

_POINT = Struct("<qqd")


def manifest_document(
    run: Run,
    stages: Sequence[StageRun],
    artifacts: Sequence[RunArtifact],
    points: Iterable[tuple[str, Sequence[MetricPoint]]],
    algorithm: Algorithm,
) -> Document:
    """Return the manifest of a run that has ended.

    Args:
        run: With its final state; its own `manifest` field is left out.
        stages: Its stage runs, in any order.
        artifacts: Its inputs and outputs, in any order.
        points: (metric name, all of its points, at least one), in any order; looked at one metric after another.
        algorithm: Of the digests over the points: the workspace's.
    """
    about = run_document(run)
    del about["manifest"]
    return {
        "kind": "run",
        "format": 1,
        **about,
        "stages": [stage_document(stage) for stage in sorted(stages, key=lambda one: (one.stage, -1 if one.item is None else one.item))],
        "artifacts": [
            artifact_document(one) for one in sorted(artifacts, key=lambda one: (one.direction, one.name, one.artifact.identity))
        ],
        "metrics": {name: _metric_document(history, algorithm) for name, history in points},
    }


def stage_document(stage: StageRun) -> Document:
    """Return the document form of a stage run."""
    return {
        "stage": stage.stage, "item": stage.item, "state": stage.state, "key": stage.key,
        "inputs": _artifacts(stage.inputs.items()), "outputs": _artifacts(stage.outputs.items()), "log": stage.log,
        "wall_s": stage.wall_s, "cpu_s": stage.cpu_s, "rss_bytes_max": stage.rss_bytes_max, "why": stage.why,
    }  # fmt: skip


def number_json(value: float) -> Json:
    """Return a number as a document holds it: NaN and the infinities as the texts "nan", "inf" and "-inf".

    >>> number_json(0.5), number_json(math.inf)
    (0.5, 'inf')
    """
    return value if math.isfinite(value) else str(value)


def _artifacts(artifacts: Iterable[tuple[str, Artifact]]) -> Document:
    return {name: artifact.to_json() for name, artifact in artifacts}


def _metric_document(points: Sequence[MetricPoint], algorithm: Algorithm) -> Document:
    packed = [_packed(point) for point in points]
    packed.sort()
    hasher = new_hasher(algorithm)
    for _, _, data in packed:
        hasher.update(data)
    step, _, last = packed[-1]
    return {
        "points": len(packed),
        "last": number_json(_POINT.unpack(last)[2]),
        "step": step,
        "digest": finish(hasher, algorithm),
    }


def _packed(point: MetricPoint) -> tuple[int, int, bytes]:
    at_us = microseconds(point.at)
    value = math.nan if math.isnan(point.value) else point.value  # one NaN for all, so that its bytes are always the same
    return point.step, at_us, _POINT.pack(point.step, at_us, value)
