"""Opening a blob store from one text, so that a worker process, here or on another machine, can open the same one."""

import importlib
import json
from pathlib import Path

from incumbent.base.digest import ALGORITHMS
from incumbent.base.errors import InvalidInput
from incumbent.storage.blobs_local import open_local_blobs
from incumbent.usecases.ports import Blobs

FACTORY = "incumbent.bootstrap.blobs:open_blobs"
"""How a worker names `open_blobs`."""


def describe_blobs(location: str, algorithm: str) -> str:
    """Return the text that `open_blobs` takes."""
    return json.dumps([location, algorithm])


def open_blobs(text: str) -> Blobs:
    """Open the store that `describe_blobs` described: a folder, or `s3://bucket/prefix`.

    Blobs named by SHA-256 have a subfolder to themselves: two workspaces of different algorithms may be given the same address,
    and each would find the other's blobs corrupt.

    Raises:
        InvalidInput: Another kind of address.
    """
    location, name = json.loads(text)
    algorithm = next((known for known in ALGORITHMS if known == name), None)
    if algorithm is None:
        raise InvalidInput(f"digest algorithm {name!r}: expected one of {', '.join(ALGORITHMS)}")
    if algorithm != "blake3":
        location = f"{location.rstrip('/')}/{algorithm}"
    if location.startswith("s3://"):
        # The object store's library is an extra, and slow to import.
        opened: Blobs = importlib.import_module("incumbent.storage.blobs_s3").open_s3_blobs(location, algorithm)
        return opened
    if "://" in location:
        raise InvalidInput(f"blob store at {location.partition('://')[0][:40]}://…: expected a folder or s3://BUCKET/PREFIX")
    return open_local_blobs(Path(location), algorithm)
