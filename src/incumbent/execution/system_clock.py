"""Time and fresh names of the real machine."""

import secrets
import time
from datetime import UTC, datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letters that read as digits, and it sorts as the numbers do."""


class SystemClock:
    """The `Clock` port."""

    def now(self) -> datetime:
        """Return the time, aware UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


class TimeIds:
    """The `Ids` port: 48 bits of milliseconds and 52 of chance, so names sort by time and do not collide."""

    def new(self, prefix: str) -> str:
        """Return `prefix-` and 20 characters."""
        number = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 52 | secrets.randbits(52)
        return f"{prefix}-{''.join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(20)))}"

    def salt(self) -> bytes:
        """Return 32 bytes that nobody can guess."""
        return secrets.token_bytes(32)
