"""Runs and what hangs on them. A finished run is sealed: its manifest has a digest, and no later write changes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.documents import Json

RunState = Literal["running", "finished", "failed", "killed"]
StageState = Literal["hit", "ran", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """The commit a run was made from, recorded beside the code digests.

    Attributes:
        commit: Full hash, "" outside of a git repository.
        is_dirty: The working tree differed from the commit.
        tree: Digest over the project files that differed (path and bytes), "" when clean.
    """

    commit: str = ""
    is_dirty: bool = False
    tree: str = ""


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage (or one item of a mapped stage) within a run.

    Attributes:
        item: Index of the item, None for a stage that is not mapped.
        key: Action key, None if it never got one (skipped).
        inputs, outputs: Name -> artifact.
        why: For "ran": the first input that differed, in words. For "failed": the message.
    """

    stage: str
    item: int | None
    state: StageState
    key: Digest | None
    inputs: Mapping[str, Artifact] = field(default_factory=dict)
    outputs: Mapping[str, Artifact] = field(default_factory=dict)
    log: Digest | None = None
    wall_s: float = 0.0
    cpu_s: float = 0.0
    rss_bytes_max: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution.

    Attributes:
        parent_id: The run this one is nested in.
        pipeline: Name of the pipeline, "" for a script or notebook run.
        params: Name -> value as logged.
        facts: Host, user, argv, environment summary, pipeline reference, seed: what else is known of it.
        manifest: Digest of the sealed manifest, None while it is running.
    """

    run_id: str
    experiment: str
    name: str
    pipeline: str
    parent_id: str | None
    state: RunState
    started_at: datetime
    ended_at: datetime | None
    seed: int | None
    code: CodeVersion
    facts: Mapping[str, Json]
    params: Mapping[str, Json] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    manifest: Digest | None = None


@dataclass(frozen=True, slots=True)
class RunArtifact:
    """An input or output of a run, by digest.

    Attributes:
        media_type: e.g. "image/png"; for artifacts of stages `application/x-incumbent-CODEC`.
    """

    run_id: str
    direction: Literal["input", "output"]
    name: str
    artifact: Artifact
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Note:
    """Words added to a run after it was sealed: a new record, never a change."""

    run_id: str
    at: datetime
    actor: str
    text: str
