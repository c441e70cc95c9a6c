"""Where what runs log ends up: the port, what logging needs beside it, and the sink that is a workspace's own store.

A sink may be sent anything twice, as somebody does who was told nothing of the first time: points are known by writer and number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from incumbent.base.digest import Algorithm
from incumbent.base.errors import NotFound
from incumbent.base.metric import MetricPoint
from incumbent.tracking.record import Attached, Began, Ended, Noted, Points, Record, Settings
from incumbent.tracking.run import Note, Run
from incumbent.tracking.search import Comparison, Query
from incumbent.usecases.ports import Blobs, Clock, Codecs, CodeReader, EnvironmentProbe, Ids, Processes, Store, Transaction
from incumbent.usecases.run_records import is_known, record_artifact, record_beginning, record_note, record_settings, seal
from incumbent.usecases.spools import Spools

TELLER = "incumbent"
"""Who notes what happened to what a run logged."""
_RUNNING_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Batch:
    """A record that is stored; if it is points, they are numbered from `first` on."""

    first: int
    record: Record


class Sink(Protocol):
    """Takes what runs log. Raises Unavailable where it is away; Refused once a run is sealed."""

    def take(self, run_id: str, writer: str, batches: Sequence[Batch]) -> Sequence[str]:
        """Store what a writer logged, in its order, durable before this returns; return in words what was not taken."""

    def end(self, run_id: str, ended: Ended | None) -> Run:
        """Seal a run and return it. None: it was killed, at the last sign of life that it gave."""

    def find(self, run_id: str) -> Run:
        """Return a run by its id or so much of it that no other run begins alike. Raises NotFound, InvalidInput."""

    def list_running(self) -> Sequence[Run]:
        """Return running runs whose process may have ended on this host and left no spool."""

    def tell(self, run_id: str, words: Sequence[str], at: datetime) -> None:
        """Note on a run, sealed or not, what happened to what it logged, unless that is noted already."""

    def holds(self, run_id: str, records: Sequence[Record]) -> bool:
        """Return whether all of this is stored; points are looked for by value."""


class Logging(Protocol):
    """What a run needs that is logged from this process: a part of a workspace, or of what is known of a server's."""

    @property
    def sink(self) -> Sink:
        """Where it ends up."""

    @property
    def spools(self) -> Spools:
        """Where it waits."""

    @property
    def blobs(self) -> Blobs:
        """Where the bytes of artifacts are put at once."""

    @property
    def codecs(self) -> Codecs:
        """What turns values into artifacts."""

    @property
    def code(self) -> CodeReader:
        """What tells the commit."""

    @property
    def environment(self) -> EnvironmentProbe:
        """What tells the environment."""

    @property
    def clock(self) -> Clock:
        """Time."""

    @property
    def ids(self) -> Ids:
        """Fresh names."""

    @property
    def processes(self) -> Processes:
        """Which process this is."""

    @property
    def actor(self) -> str:
        """Who acts."""

    @property
    def account(self) -> str:
        """The account of the system that says so of somebody else; "" where they are the same, or a server was shown who acts."""


class StoreSink:
    """The sink of a workspace that has its store at hand."""

    def __init__(self, store: Store, algorithm: Algorithm) -> None:
        self._store = store
        self._algorithm = algorithm

    def take(self, run_id: str, writer: str, batches: Sequence[Batch]) -> Sequence[str]:
        """See `Sink.take`: in one transaction."""
        with self._store.begin() as tx:
            return [loss for batch in batches for loss in _store(tx, run_id, writer, batch)]

    def end(self, run_id: str, ended: Ended | None) -> Run:
        """See `Sink.end`."""
        with self._store.begin() as tx:
            run = tx.runs.get(run_id)
            chosen = ended or went_away(run, [point.at for point in tx.metrics.latest([run_id]).get(run_id, {}).values()])
            return seal(tx, run=run, state=chosen.state, error=chosen.error, ended_at=chosen.at, algorithm=self._algorithm)

    def find(self, run_id: str) -> Run:
        """See `Sink.find`."""
        with self._store.begin(read_only=True) as tx:
            return tx.runs.get(run_id)

    def list_running(self) -> Sequence[Run]:
        """See `Sink.list_running`."""
        with self._store.begin(read_only=True) as tx:
            return tx.index.search(Query(Comparison("attributes", "state", "=", "running")), limit=_RUNNING_MAX)

    def tell(self, run_id: str, words: Sequence[str], at: datetime) -> None:
        """See `Sink.tell`."""
        with self._store.begin() as tx:
            known = {note.text for note in tx.index.list_notes(run_id)}
            for text in dict.fromkeys(words):
                if text not in known:
                    tx.index.add_note(Note(run_id, at, TELLER, text))

    def holds(self, run_id: str, records: Sequence[Record]) -> bool:
        """See `Sink.holds`."""
        try:
            with self._store.begin(read_only=True) as tx:
                run = tx.runs.get(run_id)
                artifacts: set[tuple[str, str]] = {(one.direction, one.name) for one in tx.runs.list_artifacts(run_id)}
                points = {name: tx.metrics.history(run_id, name) for name in list_metrics(records)}
        except NotFound:
            return False
        return is_all_there(records, run, artifacts, points)


def _store(tx: Transaction, run_id: str, writer: str, batch: Batch) -> Sequence[str]:
    match batch.record:
        case Points(points):
            tx.metrics.append(run_id, points, writer=writer, first=batch.first)
        case Settings() as settings:
            return record_settings(tx, run_id, settings)
        case Attached(artifact):
            return record_artifact(tx, artifact)
        case Noted(note):
            record_note(tx, note)
        case Began() as began if not is_known(tx, began.run.run_id):
            record_beginning(tx, began)
    return ()


def went_away(run: Run, points_at: Sequence[datetime]) -> Ended:
    """Return how a run ended that nobody ended: killed, when it last gave a sign of life."""
    last = max([run.started_at, *points_at])
    return Ended("killed", last, "its process went away without ending the run (killed, or the machine stopped)")


def list_metrics(records: Sequence[Record]) -> set[str]:
    """Return the names of the metrics that records have points of."""
    return {point.name for record in records if isinstance(record, Points) for point in record.points}


def is_all_there(
    records: Sequence[Record], run: Run, artifacts: set[tuple[str, str]], histories: Mapping[str, Sequence[MetricPoint]]
) -> bool:
    """Return whether what is stored of a run holds all of these records.

    Args:
        records: What was logged.
        run: As it is stored.
        artifacts: (direction, name) of what hangs on it.
        histories: Of each of `list_metrics(records)`, all points that are stored.
    """
    stored = {(point.name, *_as_value(point)) for points in histories.values() for point in points}
    logged = {(point.name, *_as_value(point)) for record in records if isinstance(record, Points) for point in record.points}
    names = {name for record in records if isinstance(record, Settings) for name in record.params}
    tags = {name for record in records if isinstance(record, Settings) for name in record.tags}
    attached = {(one.artifact.direction, one.artifact.name) for one in records if isinstance(one, Attached)}
    return logged <= stored and names <= run.params.keys() and tags <= run.tags.keys() and attached <= artifacts


def _as_value(point: MetricPoint) -> tuple[int, datetime, str]:
    return point.step, point.at, repr(point.value)  # as text, for NaN is not equal to itself
