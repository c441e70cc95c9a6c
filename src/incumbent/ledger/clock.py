"""The ledger's time: an entry is never older than the one before it, also where a clock that wrote one was ahead.

An ordinary act waits for the clock to be right. One that cannot wait, or that an admin let go on, takes the time of the entry before it,
and says beside what its own clock said (`CLOCK`). So the order of times never breaks, and what the machine believed is kept.
"""

from datetime import datetime, timedelta

from incumbent.ledger.entry import Entry, format_time
from incumbent.ledger.primitives import Malformed, parse_time

CLOCK = "clock"
"""What an entry names the time by that its machine's clock said, where the ledger's last entry was later."""
CLOCK_SLACK = timedelta(seconds=2)
"""Two hosts' clocks differ, and one is set back a little now and then: within this, an entry takes the time of the one before it."""


def read_clock(entry: Entry, before: datetime | None) -> datetime:
    """Return what the clock said when an entry was written: its own time, but of one that takes the time of the entry before it.

    Args:
        entry: The entry.
        before: Time of the entry before it. Only one of that very time can have been behind it.
    """
    told = entry.draft.refs.get(CLOCK)
    if told is None or entry.at != before:
        return entry.at
    try:
        return min(parse_time(told), entry.at)
    except Malformed:
        return entry.at


def tell_backwards(at: datetime, last: datetime) -> str:
    """Return why an ordinary act is refused whose clock is behind the ledger's last entry, and what to do."""
    return (
        f"the clock says {format_time(at)}, but the ledger's last entry is of {format_time(last)}: an entry is never older than the one "
        "before it. Set the clock and try again; if it was the last entry's clock that was ahead, roll-back and break-glass work all the "
        "same, and an admin lets the others go on with `incumbent ledger accept-clock`"
    )


def tell_lag(lag: timedelta) -> str:
    """Return how far a clock is behind, in the largest unit that is whole.

    >>> tell_lag(timedelta(days=364, hours=5)), tell_lag(timedelta(minutes=90)), tell_lag(timedelta(seconds=3))
    ('364 d', '90 min', '3 s')
    """
    for unit, length in (("d", timedelta(days=1)), ("min", timedelta(minutes=1))):
        if lag >= 2 * length:
            return f"{lag // length} {unit}"
    return f"{lag // timedelta(seconds=1)} s"
