"""Ports: what a use case needs from outside, each small, each with two real implementations."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Algorithm, Digest
from incumbent.base.documents import Document
from incumbent.base.metric import MetricPoint
from incumbent.pipeline.action import Action, Captured, Environment, StageOutcome, StageTask
from incumbent.pipeline.code import CodeClosure, PipelineCode
from incumbent.pipeline.comparison import Comparison, Tolerance
from incumbent.pipeline.source import SourceSpec
from incumbent.registry.signature import Columns, Scalar
from incumbent.tracking.run import CodeVersion, Note, Run, RunArtifact, StageRun
from incumbent.tracking.search import Query
from incumbent.usecases.account_ports import Accounts, Attempts, Sessions, Tokens
from incumbent.usecases.governed_ports import Checkpoints, Ledger, LedgerRows, Payloads, Records
from incumbent.usecases.lineage_ports import Catalogued
from incumbent.usecases.registry_ports import Predictions, Registry, RegistryPages
from incumbent.usecases.repeat_ports import Repeating
from incumbent.usecases.tracked_ports import Tracked
from incumbent.usecases.webhook_ports import Told


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes that the store has acknowledged: on disk, under their digest."""

    digest: Digest
    size: int


class Blobs(Protocol):
    """Bytes under their digest. Ids are computed, never trusted; what is read is hashed again."""

    algorithm: Algorithm

    def put(self, chunks: Iterable[bytes]) -> Stored:
        """Store the bytes, durable before this returns. Raises Unavailable when the disk is full."""

    def put_file(self, path: Path, *, link: bool = False) -> Stored:
        """Store a file in one pass (or linked). Raises Conflict if it changed while it was read."""

    def put_files(self, paths: Sequence[Path], *, link: bool = False) -> Sequence[Stored]:
        """Store many files, in order, with one wait for the disk. Raises Conflict naming the one that changed."""

    def open(self, digest: Digest) -> BinaryIO:
        """Open for reading, hashed while read. Raises NotFound; Corrupt at the end if the bytes are not the digest's."""

    def get(self, digest: Digest) -> bytes:
        """Return all the bytes, verified. Raises NotFound, Corrupt."""

    def fetch(self, digest: Digest, target: Path) -> None:
        """Make the bytes appear, verified and read-only, at `target` (linked where the file system allows)."""

    def size(self, digest: Digest) -> int | None:
        """Return the size in bytes, or None if there is no such blob. Does not read it."""

    def list_digests(self, *, before: datetime | None = None) -> Iterator[Digest]:
        """Yield every digest in the store, or those last put before a time."""

    def delete(self, digest: Digest, *, before: datetime | None = None) -> bool:
        """Remove a blob (unless it was put, even again, at that time or later) and return whether it was removed; absent is no error."""


class Actions(Protocol):
    """The action cache: key -> outputs; and the claims by which two runs share work."""

    def find(self, keys: Sequence[Digest]) -> Mapping[Digest, Action]:
        """Return the actions known among `keys`."""

    def record(self, action: Action, recipe: Document) -> None:
        """Remember an action and its recipe; a second one under the same key replaces the first."""

    def forget_output(self, digest: Digest) -> Sequence[Action]:
        """Forget every action that gave this digest (its blob is corrupt or gone) and return them."""

    def forget(self, keys: Sequence[Digest]) -> None:
        """Forget actions; their recipes stay. Absent is no error."""

    def claim(self, key: Digest, owner: str, now: datetime, lease_s: float) -> str | None:
        """Try to become the one who runs `key`: None if it worked, else the present owner. An expired lease is taken over."""

    def release(self, owner: str, key: Digest | None = None) -> None:
        """Give up one claim of `owner`, or all of them."""

    def renew(self, owner: str, now: datetime, lease_s: float) -> None:
        """Extend all claims of `owner`."""

    def list_all(self) -> Iterator[Action]:
        """Yield every action (for gc, verify)."""


class Documents(Protocol):
    """Small JSON documents under their digest."""

    def put(self, documents: Sequence[Document]) -> Sequence[Digest]:
        """Store documents; those already there cost nothing."""

    def get(self, digest: Digest) -> Document:
        """Return a document. Raises NotFound; Corrupt if its bytes do not have that digest."""

    def list_digests(self, *, before: datetime | None = None) -> Iterator[Digest]:
        """Yield every digest, or those of documents last put before a time."""

    def delete(self, digests: Sequence[Digest], *, before: datetime | None = None) -> None:
        """Remove documents (but those put, even again, at that time or later); absent is no error."""


class Runs(Protocol):
    """Runs, their stage runs and artifacts."""

    def create(self, run: Run) -> None:
        """Add a running run (its experiment too, if new)."""

    def update(self, run: Run) -> None:
        """Replace the fields of a running run. Raises Refused once it is sealed."""

    def record_stage(self, run_id: str, stage_run: StageRun) -> None:
        """Append a stage run (same stage and item: replaced). Raises Refused once the run is sealed."""

    def record_artifacts(self, artifacts: Sequence[RunArtifact]) -> None:
        """Append inputs and outputs. Raises Refused once the run is sealed."""

    def get(self, run_id: str) -> Run:
        """Return a run by id, or by a unique prefix of 6 or more characters. Raises NotFound, or InvalidInput if ambiguous."""

    def list_stages(self, run_id: str) -> Sequence[StageRun]:
        """Return its stage runs in the order in which they ended."""

    def list_artifacts(self, run_id: str) -> Sequence[RunArtifact]:
        """Return its inputs and outputs."""


class RunIndex(Protocol):
    """Looking for runs."""

    def search(self, query: Query, *, limit: int, offset: int = 0, is_deleted: bool | None = None) -> Sequence[Run]:
        """Return the runs that the query matches, in its order (newest first if it has none); None: deleted ones too."""

    def find_latest(self, pipeline: str) -> Run | None:
        """Return the newest finished run of a pipeline."""

    def find_makers(self, digest: Digest) -> Sequence[tuple[str, StageRun]]:
        """Return (run id, stage run) of every stage run that gave this digest."""

    def find_takers(self, digest: Digest) -> Sequence[tuple[str, StageRun]]:
        """Return (run id, stage run) of every stage run that took this digest as an input."""

    def find_givers(self, digests: Sequence[Digest]) -> Mapping[Digest, Sequence[str]]:
        """Return digest -> ids of the runs that gave it, by themselves or in a stage, oldest first; without those that none gave."""

    def list_experiments(self) -> Sequence[tuple[str, int]]:
        """Return (name, number of runs) of each experiment."""

    def add_note(self, note: Note) -> None:
        """Append a note to a run, sealed or not."""

    def list_notes(self, run_id: str) -> Sequence[Note]:
        """Return the notes of a run, oldest first."""


class Metrics(Protocol):
    """Metric points. A batch is idempotent: the same (run, writer, sequence) is stored once, however often it is sent."""

    def append(self, run_id: str, points: Sequence[MetricPoint], *, writer: str, first: int) -> None:
        """Store points numbered first, first + 1, … by `writer`. Raises Refused once the run is sealed."""

    def history(self, run_id: str, name: str) -> Sequence[MetricPoint]:
        """Return all points of one metric, in the order in which they were logged."""

    def latest(self, run_ids: Sequence[str]) -> Mapping[str, Mapping[str, MetricPoint]]:
        """Return, for each run, the last point (highest step, then latest) of each metric."""


class Transaction(Tracked, Told, Repeating, Catalogued, Protocol):
    """All tables, inside one transaction: committed together when the block ends well, or not at all."""

    actions: Actions
    documents: Documents
    runs: Runs
    index: RunIndex
    metrics: Metrics
    registry: Registry
    registry_pages: RegistryPages
    predictions: Predictions
    ledger: Ledger
    ledger_rows: LedgerRows
    checkpoints: Checkpoints
    payloads: Payloads
    records: Records
    accounts: Accounts
    tokens: Tokens
    sessions: Sessions
    attempts: Attempts


class Store(Protocol):
    """The metadata store."""

    def begin(self, *, durable: bool = True, read_only: bool = False) -> AbstractContextManager[Transaction]:
        """Open a transaction. `durable` waits for the disk (governed records); without it a power cut may lose the newest.

        Writers take turns, and a run that one has looked at stands still until it ends; `read_only` waits for none and writes nothing.
        """

    def stamp(self) -> int | None:
        """Return a number that another commit, by anybody, makes another: while it stays, whatever was read after it holds.

        None where that cannot be told at once. Costs microseconds and waits for nobody.
        """

    def identity(self) -> str:
        """Return a text that two stores have in common if they are one, by whatever addresses they were opened."""

    def check(self) -> Sequence[str]:
        """Return what the database itself finds wrong with its file or schema, in words; empty when sound."""

    def close(self) -> None:
        """Give up connections."""


class CodeReader(Protocol):
    """Reads pipelines from source files, without importing them where that can be."""

    def read(self, reference: str) -> PipelineCode:
        """Return the pipeline that `FILE.py:NAME` or `module:NAME` names. Raises InvalidInput, NotFound."""

    def symbol_text(self, path: str, symbol: str, source: str | None = None) -> str:
        """Return a symbol's source text from the file (or from `source`), for showing a diff."""

    def version(self) -> CodeVersion:
        """Return the git commit and the digest of the dirty tree."""

    def check_out(self, commit: str, folder: Path) -> None:
        """Write the files of a commit into an empty folder, without touching the working tree. Raises NotFound if it is not here."""

    def list_authors(self, commit: str, since: str = "") -> Sequence[tuple[str, str]]:
        """Return (commit, address) of everybody who had a part in the commits after `since` up to `commit`. Raises Unavailable."""


class EnvironmentProbe(Protocol):
    """Describes the environment, as far as some imports reach."""

    def describe(self, code: CodeClosure, variables: Sequence[str], threads: int | None) -> Environment:
        """Return the environment of a stage with this code, these declared variables and threads."""

    def summary(self) -> Document:
        """Return what is recorded once a run: host, cores, every installed distribution and its version."""


Signature = tuple[tuple[str, int, int, int, int], ...]
"""(path, size, mtime_ns, ctime_ns, inode) of every file and folder that a source's content stands on."""

Progress = Callable[[int, int], None]
"""Takes (bytes done, bytes in all) now and then during long work."""


class Sources(Protocol):
    """Captures data sources."""

    def capture(self, spec: SourceSpec, *, anew: bool = False, progress: Progress | None = None) -> Captured:
        """Read, hash and store a source; unchanged files are known by their stat and not read again.

        `anew` reads everything in any case: for when a blob that was taken in earlier is gone or corrupt.
        """

    def capture_many(self, specs: Mapping[str, SourceSpec], say: Callable[[str], None]) -> Mapping[str, Captured]:
        """Capture sources by name; those of one kind may share their waits. An error names the source."""

    def signature(self, spec: SourceSpec) -> Signature | None:
        """Return what a fast check looks at by stat alone; None if only capturing tells, as for SQL, or if it is too fresh to trust.

        Take it before capturing: while it stays the same, so does what was captured after it.
        """

    def capture_files(self, paths: Sequence[str]) -> Artifact:
        """Store these files (relative to the root) as one "tree" artifact, each under its path."""

    def observe(self, kind: str, name: str) -> str:
        """Return the digest of an undeclared input as it is now (`kind` "file": a path; "env": a variable), "" if absent."""


class Runner(Protocol):
    """Runs stages somewhere: worker processes here, a cluster later. Inputs and outputs go through the blob store."""

    @property
    def capacity(self) -> int:
        """How many tasks it can work on at once."""

    def start(self, code: PipelineCode) -> Sequence[str]:
        """Load the pipeline's code once and return what does not fit in it, in words (types that only classes can settle)."""

    def submit(self, task: StageTask) -> None:
        """Take one task; `wait` gives its outcome."""

    def wait(self, timeout_s: float | None = None) -> Sequence[StageOutcome]:
        """Return outcomes that have come in, at least one unless the time is up."""

    def close(self) -> None:
        """Stop every worker and everything it started."""


class Codecs(Protocol):
    """Turns values into artifacts and back."""

    def encode(self, value: object, annotation: str, blobs: Blobs) -> Artifact:
        """Store a value. Raises InvalidInput when no codec takes it."""

    def decode(self, artifact: Artifact, annotation: object, blobs: Blobs, folder: Path) -> object:
        """Return the value; paths are made under `folder`. Raises Corrupt, NotFound, InvalidInput."""

    def compare(self, left: Artifact, right: Artifact, blobs: Blobs, tolerance: Tolerance) -> Comparison:
        """Say how near two artifacts are; equal digests are bit-exact without reading a byte."""

    def canonical_digest(self, artifact: Artifact, blobs: Blobs) -> Digest:
        """Return the digest of the content that matters: what a thread count or the like leaves in the bytes is not in it."""


class ModelHost(Protocol):
    """Answers from models, each in a process of its own: a model is never loaded into the process that serves."""

    def answer(self, bundle: Artifact, columns: Columns) -> Mapping[str, list[Scalar]]:
        """Return the answers of a bundle, row for row; starts it if need be.

        Raises InvalidInput (columns do not fit its signature), Refused (the model raised, or is no bundle), Unavailable (it died,
        hung or cannot be loaded: the next request starts it anew), Corrupt or NotFound (its bytes).
        """

    def memory_bytes(self, bundle: Artifact) -> int | None:
        """Return the peak resident memory of the process that answers for a bundle, Python and all its libraries included.

        Of the process as it runs now, since it was started; None if none runs, or if it cannot be told on this machine. Pages that
        it shares with others count in full; processes that it starts itself do not count.
        """

    def close(self) -> None:
        """Stop every model."""


class Processes(Protocol):
    """Which process is still there, for taking over what a dead one left."""

    def own_name(self) -> str:
        """Return a name of this process that no other has, on any host, even after its number is used again."""

    def is_gone(self, name: str) -> bool:
        """Return True only if the named process ran on this host and certainly runs no more."""


class Clock(Protocol):
    """Time."""

    def now(self) -> datetime:
        """Return the time, aware UTC."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""


class Ids(Protocol):
    """Fresh names."""

    def new(self, prefix: str) -> str:
        """Return `prefix-` and 20 characters that sort by time and never repeat."""

    def salt(self) -> bytes:
        """Return 32 bytes that nobody can guess."""
