"""Secrets that let in whoever holds them: 256 bits of chance, shown once, kept as SHA-256.

A slow hash would add nothing: nobody guesses 256 bits, and a token is looked up at every request.
"""

import base64
import hashlib
import hmac
import re

from incumbent.usecases.workspace import Workspace

_SECRET = re.compile(r"(?:inc_)?[A-Za-z0-9_-]{43}", re.ASCII)
TOKEN_PREFIX = "inc_"  # noqa: S105  (what every token begins with, so that scanners of leaked secrets know one)


def new_secret(ws: Workspace, prefix: str = "") -> str:
    """Return a fresh secret: the prefix and 43 characters that are safe in a header, a cookie and an address."""
    return prefix + base64.urlsafe_b64encode(ws.ids.salt()).rstrip(b"=").decode("ascii")


def hash_secret(secret: str) -> str | None:
    """Return what is kept of a secret, or None if it cannot be one: nothing else is worth a look into the store.

    >>> hash_secret("inc_" + "a" * 43)
    '26bf565bd2b21d4f6b81c2396b9b0dcabbb61ee2f779f3e4771bf9050041f70c'
    >>> hash_secret("a" * 42) is None
    True
    """
    return hashlib.sha256(secret.encode("ascii")).hexdigest() if _SECRET.fullmatch(secret) else None


def form_secret(secret: str) -> str:
    """Return what a form of this session must send back: only who can read the session's pages knows it."""
    return hmac.new(secret.encode("ascii"), b"incumbent form", hashlib.sha256).hexdigest()
