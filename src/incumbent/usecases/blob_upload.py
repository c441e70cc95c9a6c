"""The verbs of bytes that come from elsewhere: which are missing, take them whole or in parts, and only if they are what they are called.

What is uploaded in parts is known by who uploads it and by its digest: there is no id to lose. It waits in `.incumbent/uploads/` until
it is whole, is hashed, and becomes a blob then, or is thrown away. A part that broke off stays as far as it came.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from incumbent.base.digest import Digest, finish, new_hasher, parse_digest
from incumbent.base.errors import Conflict, InvalidInput, NotFound, Unavailable
from incumbent.usecases.ports import Stored
from incumbent.usecases.workspace import Workspace

ASKED_MAX = 10_000
"""Digests in one question."""
UPLOADS_MAX = 16
"""Uploads in parts that one person may have under way."""
UPLOAD_KEPT_S = 24 * 3_600
"""How long a part waits for the next."""
_CHUNK_BYTES = 1 << 20


def find_missing(ws: Workspace, *, digests: Sequence[str]) -> list[Digest]:
    """Return those of the digests whose bytes are not here, in the order asked for.

    Raises:
        InvalidInput: One is no digest of this workspace, or they are too many.
    """
    if len(digests) > ASKED_MAX:
        raise InvalidInput(f"{len(digests)} digests: at most {ASKED_MAX} in one question")
    asked = [check_digest(ws, digest) for digest in digests]
    return [digest for digest in dict.fromkeys(asked) if ws.blobs.size(digest) is None]


def check_digest(ws: Workspace, text: str) -> Digest:
    """Return a digest that can name bytes here. Raises InvalidInput."""
    algorithm, _ = parse_digest(text)
    if algorithm != ws.blobs.algorithm:
        raise InvalidInput(f"{text}: this workspace names bytes by {ws.blobs.algorithm}; hash them with that")
    return Digest(text)


def get_blob_size(ws: Workspace, *, digest: str) -> tuple[Digest, int]:
    """Return a digest and how many bytes it has. Raises InvalidInput, NotFound."""
    checked = check_digest(ws, digest)
    size = ws.blobs.size(checked)
    if size is None:
        raise NotFound(f"no blob {checked} in this workspace")
    return checked, size


def put_blob(ws: Workspace, *, digest: str, pieces: Iterable[bytes], sha256: bytes | None = None) -> Stored:
    """Store bytes under the digest that they must have; bytes that have another are not stored.

    Args:
        ws: The workspace.
        digest: What the sender says that they are.
        pieces: The bytes.
        sha256: Their SHA-256, if the sender says that too.

    Raises:
        InvalidInput: It is no digest, or not theirs.
        Unavailable: The disk is full.
    """
    return ws.blobs.put(_checked(check_digest(ws, digest), pieces, sha256))


def _checked(digest: Digest, pieces: Iterable[bytes], sha256: bytes | None = None) -> Iterator[bytes]:
    algorithm, _ = parse_digest(digest)
    hasher, other = new_hasher(algorithm), hashlib.sha256()
    for piece in pieces:
        hasher.update(piece)
        if sha256 is not None:
            other.update(piece)
        yield piece
    found = finish(hasher, algorithm)
    if found != digest:
        raise InvalidInput(
            f"the bytes have the digest {found}, not {digest}: they were changed on the way, or named wrongly; nothing is stored"
        )
    if sha256 is not None and other.digest() != sha256:
        raise InvalidInput("the bytes do not have the SHA-256 that Repr-Digest says; nothing is stored")


def get_upload_offset(ws: Workspace, *, digest: str) -> int:
    """Return how many bytes of an upload in parts are here. Raises NotFound if none was begun, or it has waited too long."""
    path = _place(ws, check_digest(ws, digest))
    try:
        return path.stat().st_size
    except FileNotFoundError:
        raise NotFound(
            f"no upload of {digest} by {ws.actor} is under way; begin one at offset 0, or ask whether the blob is there"
        ) from None


def append_upload(
    ws: Workspace, *, digest: str, offset: int, pieces: Iterable[bytes], is_last: bool, bytes_max: int
) -> tuple[int, Stored | None]:
    """Add bytes to an upload in parts, and with the last make a blob of it.

    Args:
        ws: The workspace; an upload belongs to its actor.
        digest: Of the whole.
        offset: Where these bytes go: as many as are here. 0 begins one.
        pieces: The bytes. If they break off, those that came stay.
        is_last: Whether they are the last.
        bytes_max: Of the whole.

    Returns:
        How many bytes are here, and the blob if it is whole.

    Raises:
        InvalidInput: It is no digest; the whole is too large; with the last, it has another digest: then it is thrown away.
        Conflict: Another number of bytes is here, or somebody is adding some at this moment.
        Unavailable: The disk is full, or too many uploads are under way.
    """
    checked = check_digest(ws, digest)
    path = _place(ws, checked)
    _make_room(ws, path)
    with _opened(path) as file:
        size = file.seek(0, os.SEEK_END)
        if size != offset:
            if size == 0:
                path.unlink()
            raise Conflict(f"{size} bytes of this upload are here, and these begin at {offset}; go on at {size}")
        for piece in pieces:
            if size + len(piece) > bytes_max:
                raise InvalidInput(f"the upload has more than {bytes_max} bytes, the most that one may have")
            _write(file, piece, path)
            size += len(piece)
        if not is_last:
            return size, None
        file.seek(0)
        try:
            stored = ws.blobs.put(_checked(checked, _read(file)))
        except InvalidInput:
            path.unlink()
            raise
        path.unlink()
        return size, stored


def drop_upload(ws: Workspace, *, digest: str) -> None:
    """Throw away what is here of an upload in parts; none is no error."""
    _place(ws, check_digest(ws, digest)).unlink(missing_ok=True)


def _place(ws: Workspace, digest: Digest) -> Path:
    owner = hashlib.sha256(ws.actor.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return ws.folder / "uploads" / f"{owner}-{digest.partition(':')[2]}"


def _make_room(ws: Workspace, path: Path) -> None:
    """Remove what has waited too long, and refuse one more of too many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    oldest = ws.clock.now().timestamp() - UPLOAD_KEPT_S
    own = 0
    for other in path.parent.iterdir():
        with suppress(FileNotFoundError):
            if other.stat().st_mtime < oldest:
                other.unlink()
            elif other != path and other.name.startswith(path.name.partition("-")[0]):
                own += 1
    if own >= UPLOADS_MAX:
        raise Unavailable(f"{own} uploads of {ws.actor} are under way, and {UPLOADS_MAX} may be; finish one, or give one up (DELETE)")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a part that nobody else writes to meanwhile."""
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"{path.parent} cannot be written: {error.strerror}") from error
    with open(number, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("another request adds to this upload at this moment; ask for the offset, then go on there") from None
        if os.fstat(file.fileno()).st_nlink == 0:
            raise Conflict("this upload ended a moment ago; ask whether the blob is there")
        yield file


def _write(file: BinaryIO, piece: bytes, path: Path) -> None:
    """Hand bytes to the system at once: what came is there for the next request, whatever happens to this one."""
    try:
        file.write(piece)
        file.flush()
    except OSError as error:
        raise Unavailable(f"{path.parent} cannot be written: {error.strerror}; what came before is kept, go on from there") from error


def _read(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk
