"""Telling a catalogue of lineage (a server of OpenLineage) of runs by itself: each beginning and end, at least once, in their order.

    take     the first line is put off by a lease, so that one sender at a time has it
    send     the event that it stands for, made from the run as it is now
    settle   taken, or never to be taken: the line goes. Otherwise: wait, longer each time; nothing overtakes it, and nothing is given up

A sender that dies between sending and settling leaves a lease that ends: the event is sent again. A catalogue knows it by run and kind.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from incumbent.base.documents import Document
from incumbent.usecases.lineage_ports import Due
from incumbent.usecases.openlineage import Catalogue, get_lineage_events
from incumbent.usecases.webhook_ports import Carrier
from incumbent.usecases.workspace import Workspace

LEASE_S = 60
"""More than a message can take (`execution.webhook_carrier`), a slow resolver included."""
RETRY_S, RETRY_S_MAX = 5, 300
REFUSALS = frozenset({400, 413, 422})
"""Answers that the same event would get again: it is left out, and said so."""
IN_A_ROW_MAX = 100


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one look.

    Attributes:
        sent: Events that were taken.
        refused: In words, those that the catalogue will never take.
        problem: In words, why the next is to be tried again; "" where nothing is.
    """

    sent: int
    refused: Sequence[str] = ()
    problem: str = ""


def turn_lineage(ws: Workspace, *, on: bool) -> int:
    """Have beginnings and ends of runs noted for a catalogue from now on, or no more; return how many that waited were dropped."""
    with ws.store.begin() as tx:
        waiting = 0 if on else tx.lineage.count()
        tx.lineage.turn(on=on)
        return waiting


def send_due_lineage(ws: Workspace, *, carrier: Carrier, catalogue: Catalogue, is_stopping: Callable[[], bool] = lambda: False) -> Told:
    """Send what is due, until there is no more, one is not taken, or it is somebody else's turn.

    Raises:
        Corrupt: The store holds what cannot be read.
        Unavailable: The store is away; what was sent last may be sent again.
    """
    sent, refused = 0, list[str]()
    for _ in range(IN_A_ROW_MAX):
        due = None if is_stopping() else _take(ws)
        if due is None:
            break
        event = _event_of(ws, due)
        answer = catalogue.post(carrier, event) if event is not None else None
        if answer is not None and not 200 <= answer.status < 300 and answer.status not in REFUSALS:
            _put_off(ws, due)
            why = answer.status or answer.detail
            return Told(sent, refused, f"{catalogue.url} does not take run {due.run_id}: {why}; it is tried again")
        if answer is not None and answer.status in REFUSALS:
            refused.append(f"{catalogue.url} refused run {due.run_id} ({due.kind}): {answer.status}; it is left out")
        elif answer is not None:
            sent += 1
        with ws.store.begin(durable=False) as tx:
            tx.lineage.remove(due)
    return Told(sent, refused)


def _take(ws: Workspace) -> Due | None:
    now = ws.clock.now()
    with ws.store.begin(read_only=True) as tx:
        first = tx.lineage.find_first()
    if first is None or first.next_at > now:
        return None
    taken = replace(first, next_at=now + timedelta(seconds=LEASE_S))
    with ws.store.begin(durable=False) as tx:
        return taken if tx.lineage.put_off(first, taken) else None


def _event_of(ws: Workspace, due: Due) -> Document | None:
    """Return the event, None where there is none to send: a run that goes on has a later line for its end."""
    events = get_lineage_events(ws, due.run_id)
    if due.kind == "START":
        return events[0]
    return events[1] if len(events) > 1 else None


def _put_off(ws: Workspace, due: Due) -> None:
    wait = min(RETRY_S * 2 ** min(due.failures, 16), RETRY_S_MAX)
    after = replace(due, failures=due.failures + 1, next_at=ws.clock.now() + timedelta(seconds=wait))
    with ws.store.begin(durable=False) as tx:
        tx.lineage.put_off(due, after)
