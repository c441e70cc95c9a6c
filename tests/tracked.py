"""A workspace for tests of tracking: the real store and the real spool; what tracking only asks for a word, answers one."""

from pathlib import Path

from blobs import DictBlobs
from incumbent.base.artifact import Artifact
from incumbent.base.errors import InvalidInput
from incumbent.execution.processes import HostProcesses
from incumbent.execution.secret_box import SecretBox
from incumbent.execution.spool import SEGMENT_BYTES, DiskSpools
from incumbent.execution.system_clock import SystemClock, TimeIds
from incumbent.storage.sql_store import open_sql_store
from incumbent.tracking.run import CodeVersion
from incumbent.usecases.workspace import Workspace
from ledgers import MemoryKeys


class NamedSurroundings:
    """Answers for environment and code."""

    def summary(self):
        return {"host": "test", "distributions": {"numpy": "2.3"}}

    def version(self):
        return CodeVersion("c" * 40, is_dirty=True, tree="blake3:" + "d" * 64)


class FileCodecs:
    """Files as they are."""

    def encode(self, value, annotation, blobs):
        if not isinstance(value, Path):
            raise InvalidInput(f"no codec takes a {type(value).__name__}")
        stored = blobs.put_file(value)
        return Artifact("file", stored.digest, stored.size, value.name)


def open_tracked(folder: Path, *, url: str = "", store=None, segment_bytes: int = SEGMENT_BYTES, clock=None) -> Workspace:
    """Open a workspace in `folder`; `url` or `store`: another metadata store than SQLite there."""
    surroundings = NamedSurroundings()
    keys = MemoryKeys()
    return Workspace(
        root=folder,
        folder=folder,
        store=store or open_sql_store(url or f"sqlite:///{folder / 'incumbent.db'}", algorithm="blake3", keys=keys),
        blobs=DictBlobs(),
        codecs=FileCodecs(),
        code=surroundings,
        environment=surroundings,
        sources=None,
        spools=DiskSpools(folder / "spool", segment_bytes=segment_bytes),
        clock=clock or SystemClock(),
        ids=TimeIds(),
        keys=keys,
        secrets=SecretBox(folder / "keys"),
        tables=None,
        processes=HostProcesses(),
        open_runner=None,
        beside=None,
        open_predictions=None,
        actor="ann",
    )
