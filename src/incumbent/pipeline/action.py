"""What a stage run leaves behind: the task that was given out, the outcome that came back, the action that is remembered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.documents import Document, Json
from incumbent.base.metric import MetricPoint

Policy = Literal["fail", "warn", "off"]
"""What an undeclared input (or unseeded chance) does: fail the stage, widen the key with a warning, or nothing."""

OutcomeState = Literal["done", "failed", "timed_out", "killed", "corrupt_input"]


@dataclass(frozen=True, slots=True)
class Action:
    """One row of the action cache: this recipe gave these outputs.

    Attributes:
        key: Digest of the recipe's document (which is stored as a document too).
        metrics: Points the stage logged; a cache hit gives them again.
        undeclared: Inputs seen at run time that the key did not hold, as (kind, name, digest or value digest): a hit
            under the policy "warn" counts only while each still has that digest.
        log: Blob of the captured stdout and stderr, or None when nothing was printed.
        run_id: The run that made it.
    """

    key: Digest
    stage: str
    outputs: Mapping[str, Artifact]
    metrics: tuple[MetricPoint, ...]
    undeclared: tuple[tuple[str, str, str], ...]
    log: Digest | None
    resources: "Resources"
    run_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Resources:
    """What one attempt used."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    rss_bytes_max: int = 0


@dataclass(frozen=True, slots=True)
class StageTask:
    """One attempt at one stage (or one item of it), as handed to a runner. Plain values only: it may cross a machine.

    Attributes:
        task_id: Unique within the run: "features", or "features[3]" for an item.
        path, module, symbol: Where the code is (see `StageSpec`).
        data: Input parameter -> artifact; a mapped input is the item's own artifact.
        produces: Output name -> annotated type text, in order.
        env: Names of the environment variables that the stage declares.
        policy: What an undeclared input does.
    """

    task_id: str
    stage: str
    path: str
    module: str
    symbol: str
    data: Mapping[str, Artifact]
    config: Mapping[str, Json]
    injected: tuple[str, ...]
    produces: Mapping[str, str]
    seed: int
    env: tuple[str, ...] = ()
    policy: Policy = "fail"
    threads: int | None = None
    timeout_s: float | None = None
    output_bytes_max: int | None = None


@dataclass(frozen=True, slots=True)
class Undeclared:
    """An input that was read at run time and is not in the key.

    Attributes:
        kind: "file" (project source, or data), or "env" (environment variable).
        name: Path (relative to the root where it is inside), or the variable's name.
        value: Digest of what was read, "" if it was absent.
        where: `path:line` of the project code that read it.
    """

    kind: Literal["file", "env"]
    name: str
    value: str
    where: str


@dataclass(frozen=True, slots=True)
class StageFailure:
    """Why an attempt did not give its outputs, in words a user can act on.

    Attributes:
        message: One paragraph, no traceback.
        traceback: The user's own frames, "" when the code is not to blame.
        digest: The blob that did not verify, for state "corrupt_input".
        is_final: Trying again cannot help (wrong type, output too large, undeclared input).
    """

    message: str
    traceback: str = ""
    digest: Digest | None = None
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """What came back for a task; exactly one per submitted task, whatever happened to the worker.

    Attributes:
        warnings: What the run should say aloud though the stage went on (a write outside of its folder, unseeded chance).
    """

    task_id: str
    state: OutcomeState
    outputs: Mapping[str, Artifact] = field(default_factory=dict)
    metrics: tuple[MetricPoint, ...] = ()
    undeclared: tuple[Undeclared, ...] = ()
    log: Digest | None = None
    resources: Resources = field(default_factory=Resources)
    failure: StageFailure | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Environment:
    """The env_e of EQ V7.1, as far as one stage reaches.

    Attributes:
        digest: Digest of `document`.
        document: interpreter, platform, distributions (name -> version and RECORD digest), hardware, threads, variables.
    """

    digest: Digest
    document: Document


@dataclass(frozen=True, slots=True)
class Captured:
    """A data source at one version (data_v).

    Attributes:
        artifact: The data.
        version: For people: row count, Delta version, object count; never part of a key.
    """

    artifact: Artifact
    version: str
    facts: Mapping[str, Json] = field(default_factory=dict)
