"""The `Passwords` port: argon2id with RFC 9106's second recommendation (64 MiB, 3 passes, 4 lanes)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from incumbent.base.errors import Corrupt, Unavailable

AT_ONCE = 2
"""How many hashes are made at once: each takes 64 MiB, and log-ins must not take the server's memory or all of its threads."""
WAITING_MAX = 2
"""How many more may wait for their turn: the rest of the server's threads have other things to do than log-ins."""
PATIENCE_S = 2.0

_BUSY = "too many people are logging in at this moment; try again in a few seconds"


class Argon2Passwords:
    """Hashes of passwords. What it is given is the whole password: nothing is cut off, and a NUL is a byte like others."""

    def __init__(self, *, memory_kib: int = 65_536, passes: int = 3, lanes: int = 4, waiting_max: int = WAITING_MAX) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes)
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._places = threading.BoundedSemaphore(AT_ONCE + waiting_max)
        self._nobodys = self._hasher.hash(b"the password of nobody, for taking as long when there is no account")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise Unavailable(_BUSY)
        try:
            if not self._turns.acquire(timeout=PATIENCE_S):
                raise Unavailable(_BUSY)
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._places.release()

    def hash(self, password: bytes) -> str:
        """Return the hash, with its parameters and salt. Raises Unavailable when too many are being made."""
        with self._turn():
            return self._hasher.hash(password)

    def verify(self, password_hash: str | None, password: bytes) -> bool:
        """Return whether it is the password's; without a hash it takes as long and is False. Raises Unavailable, Corrupt."""
        with self._turn():
            try:
                self._hasher.verify(password_hash or self._nobodys, password)
            except VerifyMismatchError:
                return False
            except (InvalidHashError, VerificationError) as error:
                raise Corrupt(f"a password's hash in the store is none: {error}") from error
        return password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Return whether it was made with weaker parameters than new ones are."""
        return self._hasher.check_needs_rehash(password_hash)
