"""A workspace: the ports that a use case works through. Made by `bootstrap`, and by nothing else."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from incumbent.usecases.governed_ports import Keys, Secrets, Signer, Tables
from incumbent.usecases.ports import Blobs, Clock, Codecs, CodeReader, EnvironmentProbe, Ids, Processes, Runner, Sources, Store
from incumbent.usecases.prediction_ports import PredictionLog
from incumbent.usecases.sink import StoreSink
from incumbent.usecases.spools import Spools

_NAMED = "named:"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Everything outside the domain, in one frozen value.

    Attributes:
        root: The project's root folder: paths in recipes are relative to it.
        folder: Local state of this workspace (`.incumbent/`).
        open_runner: Makes a runner of the named executor ("local", "inline").
        beside: Another workspace at this root: same blobs, an empty store of its own in `.incumbent/` there.
        open_predictions: Returns the log of what was answered here, always the same one.
        actor: Who acts, for records.
        auth: How that is known: "os" (the account that runs this), "named:ACCOUNT" (that account said so, and showed nothing), or by
            what they showed to a server: "token", "session", "single-user" (nothing; whoever reached the port).
        signer: How human acts are signed, where it is not with a key of `keys`.
        owns_blobs: No other metadata store is expected to need what is in `blobs`. False for the SQLite of one checkout over
            a blob store that is named by address, for there every checkout has a store of its own.
    """

    root: Path
    folder: Path
    store: Store
    blobs: Blobs
    codecs: Codecs
    code: CodeReader
    environment: EnvironmentProbe
    sources: Sources
    spools: Spools
    clock: Clock
    ids: Ids
    keys: Keys
    secrets: Secrets
    tables: Tables
    processes: Processes
    open_runner: Callable[[str], Runner]
    beside: Callable[[Path], "Workspace"]
    open_predictions: Callable[[], PredictionLog]
    actor: str
    auth: str = "os"
    owns_blobs: bool = True
    signer: Signer | None = None

    @property
    def account(self) -> str:
        """The account that runs this under another's name, "" where nobody does."""
        return self.auth.removeprefix(_NAMED) if self.auth.startswith(_NAMED) else ""

    def named(self, actor: str) -> "Workspace":
        """Return the same for somebody whom this account names, without showing anything."""
        account = self.account or self.actor
        return replace(self, actor=actor, auth="os" if actor == account else _NAMED + account)

    @property
    def sink(self) -> StoreSink:
        """Where what runs log here ends up."""
        return StoreSink(self.store, self.blobs.algorithm)
