"""Digests: the hash of exact bytes, always carrying its algorithm (`blake3:ab…`, `sha256:ab…`).

BLAKE3 is the identity of content; a workspace made for FIPS rules uses SHA-256 alone (docs/adr/0001).
"""

import hashlib
import re
from typing import Literal, NewType, Protocol, cast

from blake3 import blake3

from incumbent.base.errors import InvalidInput

Digest = NewType("Digest", str)
Algorithm = Literal["blake3", "sha256"]
ALGORITHMS: tuple[Algorithm, ...] = ("blake3", "sha256")
_FORM = re.compile(r"(blake3|sha256):([0-9a-f]{64})", re.ASCII)
_WHOLE = re.compile(r"\b(blake3|sha256):([0-9a-f]{8})[0-9a-f]{56}\b")


class Hasher(Protocol):
    """The part of hashlib's interface that we use."""

    def update(self, data: bytes, /) -> object:
        """Take in more bytes."""

    def hexdigest(self) -> str:
        """Return the digest so far, in lower-case hex."""


def new_hasher(algorithm: Algorithm) -> Hasher:
    """Return an empty hasher; its `hexdigest()` gives 64 hex characters."""
    return cast(Hasher, blake3()) if algorithm == "blake3" else hashlib.sha256()


def finish(hasher: Hasher, algorithm: Algorithm) -> Digest:
    """Return the digest of all that `hasher` has taken in."""
    return Digest(f"{algorithm}:{hasher.hexdigest()}")


def digest_bytes(data: bytes, algorithm: Algorithm = "blake3") -> Digest:
    """Return the digest of `data`.

    >>> digest_bytes(b"", "sha256")[:14]
    'sha256:e3b0c44'
    """
    hasher = new_hasher(algorithm)
    hasher.update(data)
    return finish(hasher, algorithm)


def parse_digest(text: str) -> tuple[Algorithm, str]:
    """Return (algorithm, hex) of a digest.

    Raises:
        InvalidInput: `text` is not `blake3:` or `sha256:` followed by 64 lower-case hex characters.

    >>> parse_digest("md5:00")
    Traceback (most recent call last):
    incumbent.base.errors.InvalidInput: 'md5:00' is not a digest; expected blake3: or sha256: and 64 hex characters
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise InvalidInput(f"{text[:80]!r} is not a digest; expected blake3: or sha256: and 64 hex characters")
    return cast(Algorithm, found[1]), found[2]


def shorten_digests(text: str) -> str:
    """Return a text with its digests cut to what tells them apart at a glance.

    >>> shorten_digests("data: was blake3:" + "ab" * 32)
    'data: was blake3:abababab…'
    """
    return _WHOLE.sub(r"\1:\2…", text)
