"""The digest of something that a stage read without declaring it: a file, a folder's listing, environment variables.

Taken before the stage reads it, and again when a later plan asks whether it is still what it was.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from incumbent.base.digest import Algorithm, digest_bytes, finish, new_hasher
from incumbent.base.documents import document_bytes
from incumbent.execution.worker_variables import CHANGING_VARIABLES

_CHUNK_BYTES = 1 << 20

ALL_VARIABLES = "*"
"""The name of what a stage read that copied the whole environment."""

UNREPEATABLE = "unrepeatable"
"""What is kept in place of a digest for something that is there and has none (a pipe): no later plan finds it unchanged."""


def observe_input(root: Path, kind: str, name: str, algorithm: Algorithm) -> str:
    """Return the digest of an undeclared input as it is now, "" if it is absent or cannot be read.

    Args:
        root: The project's root; a relative `name` starts there.
        kind: "file" (a path; ending in "/" means the names in a folder, not their contents) or "env" (a variable, or
            ALL_VARIABLES: values are digested, never kept, because they may be secrets).
        name: Path or variable name.
        algorithm: Of the digest.
    """
    if kind == "env":
        if name == ALL_VARIABLES:
            return digest_variables(os.environ, algorithm)
        value = os.environ.get(name)
        return "" if value is None else digest_bytes(value.encode("utf-8", "surrogateescape"), algorithm)
    path = root / name
    try:
        if name.endswith("/"):
            return digest_bytes(document_bytes({"names": [os.fsencode(entry).hex() for entry in sorted(os.listdir(path))]}), algorithm)
        return _digest_file(path, algorithm)
    except OSError:
        return ""


def digest_variables(variables: Mapping[str, str], algorithm: Algorithm) -> str:
    """Return the digest of an environment, less the variables that workers have values of their own for and shells count in."""
    kept = {os.fsencode(name).hex(): os.fsencode(value).hex() for name, value in variables.items() if name not in CHANGING_VARIABLES}
    return digest_bytes(document_bytes({"variables": {**kept}}), algorithm)


def _digest_file(path: Path, algorithm: Algorithm) -> str:
    if not stat.S_ISREG(os.stat(path).st_mode):
        return ""  # opening a pipe waits for whoever writes to it, and a device may never end
    hasher = new_hasher(algorithm)
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # it may have become a pipe since
        while chunk := file.read(_CHUNK_BYTES):
            hasher.update(chunk)
    return finish(hasher, algorithm)
