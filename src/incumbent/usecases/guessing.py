"""Against guessing: each failure of an account name or of an address makes the next attempt wait, whether or not there is such a thing.

An attempt is counted as failed before it is looked at, so that many at once are no way around it, and forgiven when it was right.
"""

import hashlib
from datetime import datetime, timedelta

from incumbent.base.errors import Refused
from incumbent.usecases.account_ports import Failures
from incumbent.usecases.ports import Transaction

FREE = {"account": 5, "address": 20, "journey": 30}
"""Failures that cost no waiting, by what they are counted for: behind one address there may be a whole office. A journey to a provider
counts as failed until somebody comes back from it."""
WAIT_S_MAX = 900
FORGOTTEN_AFTER = timedelta(days=1)


class TooManyAttempts(Refused):
    """Too many failed log-ins.

    Attributes:
        wait_s: Seconds until the next may be made.
    """

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"too many failed log-ins; the next may be made in {wait_s} s")
        self.wait_s = wait_s


def wait_after(kind: str, failures: Failures | None, now: datetime) -> int:
    """Return the seconds to wait before the next attempt: none for the first few, then 1, 2, 4, … up to 900, counted from the last.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 11, 25, 12, tzinfo=UTC)
    >>> [wait_after("account", Failures(count, noon), noon) for count in (4, 5, 6, 9, 40)]
    [0, 1, 2, 16, 900]
    """
    if failures is None or failures.count < FREE[kind] or now - failures.last_at >= FORGOTTEN_AFTER:
        return 0
    delay = min(2 ** min(failures.count - FREE[kind], 20), WAIT_S_MAX)
    left = failures.last_at + timedelta(seconds=delay) - now
    return max(0, -(-left // timedelta(seconds=1)))


def subjects_of(**named: str) -> dict[str, str]:
    """Return what failures are counted for: kind -> a name of bounded length, from which nobody reads what somebody typed.

    >>> sorted(subjects_of(account="ann", address="10.0.0.1"))
    ['account', 'address']
    """
    return {
        kind: f"{kind}:{hashlib.sha256(name.strip().casefold().encode('utf-8', 'replace')).hexdigest()}" for kind, name in named.items()
    }


def count_attempt(tx: Transaction, subjects: dict[str, str], now: datetime) -> None:
    """Count an attempt as failed before it is looked at. Raises TooManyAttempts, and then counts nothing."""
    found = {kind: tx.attempts.find(subject) for kind, subject in subjects.items()}
    wait_s = max(wait_after(kind, failures, now) for kind, failures in found.items())
    if wait_s:
        raise TooManyAttempts(wait_s)
    tx.attempts.prune(now - FORGOTTEN_AFTER)
    for kind, failures in found.items():
        is_old = failures is None or now - failures.last_at >= FORGOTTEN_AFTER
        tx.attempts.put(subjects[kind], Failures(1 if failures is None or is_old else failures.count + 1, now))


def forgive(tx: Transaction, subjects: dict[str, str]) -> None:
    """Forget an account's failures; of an address only this attempt, or one good log-in would pay for a thousand guesses at others."""
    for kind, subject in subjects.items():
        found = tx.attempts.find(subject)
        if kind == "account":
            tx.attempts.forget(subject)
        elif found is not None:
            tx.attempts.put(subject, Failures(max(0, found.count - 1), found.last_at))
