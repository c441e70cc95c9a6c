"""Sending the bytes of artifacts: what the server has is not sent, what is large goes in parts and goes on where it broke off."""

import time
from collections.abc import Sequence
from typing import BinaryIO, cast

from incumbent.base.digest import ALGORITHMS, Algorithm, Digest
from incumbent.base.errors import Conflict, NotFound, Unavailable
from incumbent.remote.connection import Connection, path_of
from incumbent.usecases.ports import Blobs

PART_BYTES = 32 << 20
ASKED_MAX = 10_000
LOST_MAX = 5
"""How often a part may be at the wrong place before this gives up."""


def ask_algorithm(connection: Connection) -> Algorithm:
    """Return the algorithm by which the server's workspace names bytes."""
    found = connection.post("/blobs/missing", {"digests": []}).get("algorithm")
    if found not in ALGORITHMS:
        raise Unavailable(f"{connection.address} names bytes by {str(found)[:40]!r}, which this release does not know; upgrade one of both")
    return cast(Algorithm, found)


def send_missing(connection: Connection, blobs: Blobs, digests: Sequence[Digest]) -> None:
    """Send those of these bytes that the server does not have.

    Raises:
        NotFound: They are not here either.
        InvalidInput: The server names bytes by another algorithm, or takes none as large.
    """
    for start in range(0, len(digests), ASKED_MAX):
        for digest in connection.post("/blobs/missing", {"digests": [*digests[start : start + ASKED_MAX]]})["missing"]:
            with blobs.open(digest) as file:
                _send(connection, Digest(digest), file, blobs.size(Digest(digest)) or 0)


def _send(connection: Connection, digest: Digest, file: BinaryIO, size: int) -> None:
    if size <= PART_BYTES:
        connection.put(path_of("blobs", digest), file.read())
        return
    path = path_of("blobs", digest, "upload")
    offset, lost = _find_offset(connection, path), 0
    while True:
        file.seek(offset)
        part = file.read(PART_BYTES)
        is_last = offset + len(part) >= size
        try:
            told = connection.patch(path, part, {"upload-offset": str(offset), "upload-complete": "?1" if is_last else "?0"})
        except Conflict:  # a part that was sent again had come through the first time; or another process sends the same bytes
            lost += 1
            if not connection.post("/blobs/missing", {"digests": [digest]})["missing"]:
                return
            if lost > LOST_MAX:
                raise
            time.sleep(lost)
            offset = _find_offset(connection, path)
            continue
        if told["complete"]:
            return
        offset = int(told["offset"])


def _find_offset(connection: Connection, path: str) -> int:
    try:
        return int(connection.get(path)["offset"])
    except NotFound:
        return 0
