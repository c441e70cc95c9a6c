"""The digest of something that a stage read without declaring it: a file, a folder's listing, an environment variable.

Taken once when the stage has read it, and again when a later plan asks whether it is still what it was.
"""

import os
from pathlib import Path

from incumbent.base.digest import Algorithm, digest_bytes, finish, new_hasher
from incumbent.base.documents import document_bytes

_CHUNK_BYTES = 1 << 20


def observe_input(root: Path, kind: str, name: str, algorithm: Algorithm) -> str:
    """Return the digest of an undeclared input as it is now, "" if it is absent or cannot be read.

    Args:
        root: The project's root; a relative `name` starts there.
        kind: "file" (a path; ending in "/" means the names in a folder, not their contents) or "env" (a variable: its
            value is digested, never kept, because it may be a secret).
        name: Path or variable name.
        algorithm: Of the digest.
    """
    if kind == "env":
        value = os.environ.get(name)
        return "" if value is None else digest_bytes(value.encode("utf-8", "surrogateescape"), algorithm)
    path = root / name
    try:
        if name.endswith("/"):
            return digest_bytes(document_bytes({"names": [os.fsencode(entry).hex() for entry in sorted(os.listdir(path))]}), algorithm)
        if not path.is_file():
            return ""  # opening a pipe could wait for ever
        hasher = new_hasher(algorithm)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                hasher.update(chunk)
        return finish(hasher, algorithm)
    except OSError:
        return ""
