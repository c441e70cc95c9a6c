import math
import random
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import blake3

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest, digest_bytes
from incumbent.base.documents import document_bytes
from incumbent.base.metric import MetricPoint
from incumbent.tracking.manifest import manifest_document
from incumbent.tracking.run import CodeVersion, Run, RunArtifact, StageRun

AT = datetime(2013, 1, 1, tzinfo=UTC)
RUN = Run(
    "run-1", "credit", "first", "", None, "finished", AT, AT + timedelta(seconds=2), 7, CodeVersion("abc"), {"host": "h"}, {"lr": 0.1}
)
DIGEST = digest_bytes(b"x")
STAGES = [StageRun("b", 1, "ran", DIGEST), StageRun("b", 0, "ran", DIGEST), StageRun("a", None, "hit", DIGEST)]
ARTIFACTS = [
    RunArtifact("run-1", way, name, Artifact("bytes", DIGEST, 1)) for way, name in (("output", "m"), ("input", "z"), ("input", "a"))
]
LOSS = [MetricPoint("loss", value, step, AT) for step, value in enumerate((0.5, 0.25, math.nan))]
AUC = [MetricPoint("auc", 0.9, 0, AT)]


def digest(run=RUN, stages=STAGES, artifacts=ARTIFACTS, points=(("loss", LOSS), ("auc", AUC))):
    return digest_bytes(document_bytes(manifest_document(run, stages, artifacts, points, "blake3")))


def test_the_order_in_which_things_are_told_does_not_matter():
    shuffled = random.Random(1).sample(LOSS, 3)
    assert digest(stages=STAGES[::-1], artifacts=ARTIFACTS[::-1], points=(("auc", AUC), ("loss", shuffled))) == digest()


def test_every_part_is_under_the_seal():
    changes = [
        {"run": replace(RUN, **{name: value})}
        for name, value in {
            "name": "second", "params": {"lr": 0.10000001}, "tags": {"a": "b"}, "seed": 8, "state": "failed", "facts": {},
            "ended_at": AT, "code": CodeVersion("abd"), "parent_id": "run-0", "experiment": "x",
        }.items()
    ] + [
        {"stages": STAGES[1:]},
        {"stages": [*STAGES[:2], replace(STAGES[2], state="ran")]},
        {"artifacts": ARTIFACTS[1:]},
        {"points": (("loss", LOSS),)},
        {"points": (("loss", LOSS[:2]), ("auc", AUC))},
        {"points": (("loss", LOSS), ("auc", [replace(AUC[0], value=0.9000000001)]))},
        {"points": (("loss", LOSS), ("auc", [replace(AUC[0], step=1)]))},
        {"points": (("loss", LOSS), ("auc", [replace(AUC[0], at=AT + timedelta(microseconds=1))]))},
    ]  # fmt: skip
    assert len({digest(), *(digest(**change) for change in changes)}) == len(changes) + 1


def test_the_digest_of_a_metric_is_over_its_packed_points_as_documented():
    manifest = manifest_document(RUN, [], [], [("auc", [replace(AUC[0], step=2, value=0.8), AUC[0]])], "blake3")
    micros = 1_356_998_400_000_000  # 2013-01-01T00:00:00Z
    packed = struct.pack("<qqd", 0, micros, 0.9) + struct.pack("<qqd", 2, micros, 0.8)
    expected = Digest(f"blake3:{blake3.blake3(packed).hexdigest()}")
    assert manifest["metrics"] == {"auc": {"points": 2, "last": 0.8, "step": 2, "digest": expected}}


def test_a_manifest_says_nothing_of_itself_and_holds_nan_as_text():
    manifest = manifest_document(replace(RUN, manifest=DIGEST), STAGES, ARTIFACTS, [("loss", LOSS)], "sha256")
    assert "manifest" not in manifest
    assert manifest["metrics"]["loss"]["last"] == "nan"
    assert manifest["metrics"]["loss"]["digest"].startswith("sha256:")
