"""Values that the store's contract writes and reads back."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from blake3 import blake3

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.documents import document_bytes
from incumbent.base.metric import MetricPoint
from incumbent.pipeline.action import Action, Resources
from incumbent.registry.model import ModelVersion, Prediction
from incumbent.tracking.run import CodeVersion, Run
from incumbent.usecases.ports import Transaction

NOW = datetime(2013, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)


def digest(text: str) -> Digest:
    return Digest("blake3:" + blake3(text.encode()).hexdigest())


def artifact(text: str, codec: str = "arrow", name: str = "") -> Artifact:
    return Artifact(codec, digest(text), len(text), name)


def make_run(run_id: str = "run-aaaaaaaa", **fields: object) -> Run:
    known = {
        "experiment": "flights",
        "name": "first",
        "pipeline": "flights",
        "parent_id": None,
        "state": "running",
        "started_at": NOW,
        "ended_at": None,
        "seed": 7,
        "code": CodeVersion("c0ffee", True, "blake3:dirty"),
        "facts": {"host": "here", "nested": {"list": [1, 2.5, None, True, "ü"]}},
        "params": {"train.lr": 0.1, "depth": 6, "optimizer": "adam", "nothing": None, "flag": True, "shape": [1, {"a": 2}]},
        "tags": {"team": "ops"},
    }
    return Run(run_id=run_id, **{**known, **fields})  # type: ignore[arg-type]


def make_action(stage: str = "train", output: str = "model", **fields: object) -> tuple[Action, dict[str, object]]:
    recipe: dict[str, object] = {"kind": "recipe", "stage": stage, "config": {"lr": 0.1}}
    known = {
        "outputs": {"model": artifact(output), "report": artifact(output + " report", "value")},
        "metrics": (MetricPoint("auc", 0.91, 3, NOW), MetricPoint("loss", math.inf, 0, NOW)),
        "undeclared": (("env", "HOME", "blake3:x"),),
        "log": digest(output + " log"),
        "resources": Resources(1.5, 1.25, 1 << 30),
        "run_id": "run-aaaaaaaa",
        "created_at": NOW,
    }
    return Action(key=digest_of(recipe), stage=stage, **{**known, **fields}), recipe  # type: ignore[arg-type]


def digest_of(document: object) -> Digest:
    return Digest("blake3:" + blake3(document_bytes(document)).hexdigest())  # type: ignore[arg-type]


def seal(tx: Transaction, run: Run) -> Run:
    sealed = replace(run, state="finished", ended_at=NOW + timedelta(seconds=5), manifest=digest("manifest"))
    tx.runs.update(sealed)
    return sealed


def make_version(**fields: object) -> ModelVersion:
    known = {
        "model": "m",
        "version": 0,
        "bundle": artifact("bundle", "tree"),
        "run_id": "run-aaaaaaaa",
        "key": digest("key"),
        "manifest": digest("manifest"),
        "created_at": NOW,
        "actor": "me",
        "facts": {"artifact": "model"},
    }
    return ModelVersion(**{**known, **fields})  # type: ignore[arg-type]


def make_prediction(**fields: object) -> Prediction:
    known = {
        "prediction_id": "p1",
        "slot": "s",
        "model": "m",
        "version": 1,
        "at": NOW,
        "inputs": {"x": [1.5]},
        "output": [0.25],
        "latency_ms": 0.75,
    }
    return Prediction(**{**known, **fields})  # type: ignore[arg-type]
