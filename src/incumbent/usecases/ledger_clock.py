"""The verb `ledger accept-clock`: let governance go on where an entry was written by a clock that was ahead.

No machine can tell which of two clocks is right. So nothing corrects the entry, and nothing is dated back: until its time is past, entries
take that time, and say beside what the clock said. An entry that is later still has to be accepted anew.
"""

from dataclasses import dataclass
from datetime import timedelta

from incumbent.base.errors import InvalidInput, Refused
from incumbent.ledger.clock import CLOCK_SLACK
from incumbent.ledger.entry import Entry, format_time
from incumbent.usecases.asked import asked
from incumbent.usecases.recording import ACCEPT_CLOCK, attempting, check_acting, governed, record_act
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class AcceptedClock:
    """What was accepted: the entry, and how far the clock is behind its time."""

    entry: Entry
    lag: timedelta


@asked
def accept_clock(ws: Workspace, *, reason: str) -> AcceptedClock:
    """Accept that the ledger's last entry is later than the clock, so that acts of all kinds are recorded again, at that time.

    Args:
        ws: The workspace; its actor, an admin, is recorded.
        reason: Whose clock was ahead, and what was done about it.

    Raises:
        InvalidInput: There is no reason.
        Refused: The clock is not behind the ledger, or the actor may not.
    """
    if not reason.strip():
        raise InvalidInput("accepting the ledger's time needs a reason, which stays in it: whose clock was ahead, and how that was found")
    with attempting(ws, act=ACCEPT_CLOCK, kind="ledger", object_id="clock"), governed(ws) as tx:
        acting = check_acting(ws, tx, ACCEPT_CLOCK)
        now, size = ws.clock.now(), tx.ledger.size()
        if size == 0 or tx.ledger.get(size - 1).at - now <= CLOCK_SLACK:
            raise Refused(f"the clock says {format_time(now)}, and no entry of the ledger is later: there is nothing to accept")
        log = tx.ledger.get(0).log
        entry = record_act(ws, tx, act=ACCEPT_CLOCK, kind="ledger", object_id=log, acting=acting, reason=reason, at=now, may_lag=True)
    return AcceptedClock(entry, entry.at - now)
