"""Bring what waits in spools to the store or the server, and seal the runs whose process has ended.

A record may be sent twice (a process died between storing and forgetting it), never changed by that: points carry their
writer and number, a param keeps its first value, a spool's tags are sent in order, an artifact is added once.

Who drains what: the process that is a run drains every spool of it on its host while it lives (`drain_run`), and settles it
at its end (`settle_run`). What dead processes left is settled by whoever opens the workspace next (`drain_spools`).
"""

from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field

from incumbent.base.errors import InvalidInput, NotFound, Refused
from incumbent.base.metric import MetricPoint
from incumbent.tracking.record import Ended, Points, Record, parse_record
from incumbent.tracking.run import Run
from incumbent.usecases.sink import Batch, Logging
from incumbent.usecases.spools import Spool

BATCH_POINTS = 5_000
"""Points a transaction: enough that its fsync costs nothing a point, few enough that other writers do not wait for long."""
RECORD_WEIGHT = 50
"""Points that take about as long to store as one other record."""

Positions = MutableMapping[str, int]
"""Spool name -> how far it has been brought into the store; empty: from the start, which is always right."""


@dataclass(slots=True)
class Drained:
    """What came of draining.

    Attributes:
        ended: How the run ended, if its own process said so.
        finished: Spools that are in the store to their end.
        sealed: Runs that were sealed.
        losses: What was damaged or not taken, in words.
    """

    ended: Ended | None = None
    finished: list[Spool] = field(default_factory=list)
    sealed: list[Run] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)


def drain_run(ws: Logging, *, run_id: str, positions: Positions, writer: str | None = None) -> Drained:
    """Store what the spools of a run on this host (or those of one writer) hold beyond `positions`, and move these on.

    Raises:
        Unavailable: The store is away; what is in the spools stays there.
        Refused: The run is sealed already.
    """
    done = Drained()
    for spool in ws.spools.find(run_id):
        if writer in (None, spool.writer):
            _drain(ws, spool, positions, done)
    return done


def _drain(ws: Logging, spool: Spool, positions: Positions, done: Drained) -> None:
    try:
        look = spool.read(positions.get(spool.name, 0))
    except NotFound:
        return  # another process has stored all of it
    done.losses.extend(look.losses)
    for transaction in _transactions(_batches(_parsed(spool, look.records, done))):
        logged = []
        for batch in transaction:
            if isinstance(batch.record, Ended):
                done.ended = batch.record
            else:
                logged.append(batch)
        if logged:
            done.losses.extend(ws.sink.take(spool.run_id, spool.writer, logged))
    positions[spool.name] = look.position
    if look.is_final:
        done.finished.append(spool)


def _transactions(batches: Iterator[Batch]) -> Iterator[list[Batch]]:
    together: list[Batch] = []
    weight = 0
    for batch in batches:
        together.append(batch)
        weight += len(batch.record.points) if isinstance(batch.record, Points) else RECORD_WEIGHT
        if weight >= BATCH_POINTS:
            yield together
            together, weight = [], 0
    if together:
        yield together


def _parsed(spool: Spool, records: Sequence[tuple[int, bytes]], done: Drained) -> Iterator[tuple[int, Record]]:
    for number, payload in records:
        try:
            yield number, parse_record(payload)
        except InvalidInput as error:
            done.losses.append(f"{spool.name}: record {number}: {error}")


def _batches(records: Iterator[tuple[int, Record]]) -> Iterator[Batch]:
    """Join points with consecutive numbers, up to BATCH_POINTS or a little more; everything else goes alone."""
    first = 0
    points: list[MetricPoint] = []
    for number, record in records:
        if points and (not isinstance(record, Points) or number != first + len(points) or len(points) >= BATCH_POINTS):
            yield Batch(first, Points(tuple(points)))
            points = []
        if isinstance(record, Points):
            first = first if points else number
            points.extend(record.points)
        else:
            yield Batch(number, record)
    if points:
        yield Batch(first, Points(tuple(points)))


def settle_run(ws: Logging, *, run_id: str, positions: Positions, ended: Ended | None = None) -> Drained:
    """Stop all writers of a run on this host, store what they logged, seal the run, and drop the spools.

    Args:
        ws: The workspace.
        run_id: The run.
        positions: See `drain_run`.
        ended: How it ended, if that is known here and not in a spool. A run that nobody says it of was killed, at the last
            sign of life that it gave.

    Raises:
        Unavailable: The store is away; everything stays in the spools, for the next one who comes by.
    """
    fenced: set[str] = set()
    while new := [spool for spool in ws.spools.find(run_id) if spool.name not in fenced]:  # a writer may begin a file meanwhile
        for spool in new:
            spool.fence()
            fenced.add(spool.name)
    try:
        done = drain_run(ws, run_id=run_id, positions=positions)
        done.sealed.append(ws.sink.end(run_id, done.ended or ended))
    except (Refused, NotFound) as error:
        return _clear(ws, run_id, str(error))
    for spool in ws.spools.find(run_id):
        spool.remove()
    note_losses(ws, run_id=run_id, done=done)
    return done


def note_losses(ws: Logging, *, run_id: str, done: Drained) -> None:
    """Write on the run itself what was damaged or not taken: that is where people will look."""
    if done.losses:
        ws.sink.tell(run_id, done.losses, ws.clock.now())


def _clear(ws: Logging, run_id: str, reason: str) -> Drained:
    """Deal with spools that the store takes no more: drop those that it has anyway, keep the others under another name."""
    done = Drained()
    for spool in ws.spools.find(run_id):
        try:
            look = spool.read(0)
        except NotFound:
            continue
        if ws.sink.holds(run_id, [record for _, record in _parsed(spool, look.records, done)]):
            spool.remove()
        else:
            done.losses.append(f"{reason}. What was logged to it later is kept in {spool.set_aside()}")
    return done


def drain_spools(ws: Logging) -> Drained:
    """Settle every run whose process is gone: from its spools, and pipeline runs by the process that they name.

    Meant for each time that a workspace is opened for looking at runs: quick when there is nothing to do.

    Raises:
        Unavailable: The store is away.
    """
    done = Drained()
    spools = ws.spools.find()
    for run_id in dict.fromkeys(spool.run_id for spool in spools):  # ids sort by time: a parent comes before its children
        part = _drain_left(ws, run_id)
        done.sealed.extend(part.sealed)
        done.losses.extend(part.losses)
    _settle_abandoned(ws, {spool.run_id for spool in spools}, done)
    return done


def _drain_left(ws: Logging, run_id: str) -> Drained:
    while True:
        spools = ws.spools.find(run_id)
        if any(spool.is_alive() for spool in spools if spool.is_owner):
            return Drained()  # its own process sees to it
        if {spool.name for spool in ws.spools.find(run_id)} == {spool.name for spool in spools}:
            break  # none of them has just been ended for a new one
    if any(spool.is_owner for spool in spools):
        return settle_run(ws, run_id=run_id, positions={})
    done = Drained()
    for spool in spools:
        if spool.is_alive():
            continue
        try:
            part = drain_run(ws, run_id=run_id, positions={}, writer=spool.writer)
        except (Refused, NotFound) as error:
            part = _clear(ws, run_id, str(error))
        else:
            spool.remove()
        done.losses.extend(part.losses)
    return done


def _settle_abandoned(ws: Logging, with_spools: set[str], done: Drained) -> None:
    """Seal running runs without spools whose process ran on this host and is gone."""
    for run in ws.sink.list_running():
        process = run.facts.get("process")
        if run.run_id in with_spools or not isinstance(process, str) or not ws.processes.is_gone(process):
            continue
        try:
            done.sealed.append(ws.sink.end(run.run_id, None))
        except Refused:
            pass  # another process was quicker
