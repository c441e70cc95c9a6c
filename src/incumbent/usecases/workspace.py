"""A workspace: the ports that a use case works through. Made by `bootstrap`, and by nothing else."""

from dataclasses import dataclass
from pathlib import Path

from incumbent.usecases.ports import Blobs, Clock, Codecs, CodeReader, EnvironmentProbe, Ids, Sources, Store


@dataclass(frozen=True, slots=True)
class Workspace:
    """Everything outside the domain, in one frozen value.

    Attributes:
        root: The project's root folder: paths in recipes are relative to it.
        folder: Local state of this workspace (`.incumbent/`).
    """

    root: Path
    folder: Path
    store: Store
    blobs: Blobs
    codecs: Codecs
    code: CodeReader
    environment: EnvironmentProbe
    sources: Sources
    clock: Clock
    ids: Ids
    actor: str
