"""Sending stored bytes: whole or a range of them, again only if they changed, and never as something that a browser would run.

RFC 9110: §13.1 conditions (If-None-Match, §13.1.5 If-Range), §14 ranges. One range is served; a request for several gets the whole.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import BinaryIO

from incumbent.base.digest import Digest
from incumbent.server.errors import HttpProblem
from incumbent.server.messages import Request, Response
from incumbent.server.streams import CHUNK_BYTES, Stream

_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII)
_ETAG = re.compile(r'(?:W/)?"[^"]*"')
_INERT = "sandbox; default-src 'none'; frame-ancestors 'none'"
PLAIN = "application/octet-stream"


def send_blob(
    request: Request,
    *,
    digest: Digest,
    size: int,
    open_file: Callable[[], BinaryIO],
    media_type: str = PLAIN,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    """Return an answer with stored bytes, streamed if they are many.

    Args:
        request: Its Range, If-Range and If-None-Match are heeded.
        digest: Becomes the strong ETag: under one digest the bytes never change.
        size: Of the whole, in bytes.
        open_file: Gives the file, which can seek; asked only if bytes are sent.
        media_type: Of the whole. The answer is an attachment that runs nothing, whatever this says.
        headers: More of them.

    Raises:
        HttpProblem: The range begins beyond the end (416).
        NotFound, Corrupt: What `open_file` says of the bytes.
    """
    etag = f'"{digest}"'
    said = {
        "etag": etag, "accept-ranges": "bytes", "cache-control": "private, no-cache", "content-security-policy": _INERT,
        "content-disposition": "attachment", **headers,
    }  # fmt: skip
    if _names(request.headers.get("if-none-match", ""), etag):
        return Response(304, b"", media_type, said)
    found = None
    if request.method == "GET" and request.headers.get("if-range", etag) == etag:
        found = find_range(request.headers.get("range", ""), size)
    start, end = found or (0, size)
    if found is not None:
        said["content-range"] = f"bytes {start}-{end - 1}/{size}"
    status = 200 if found is None else 206
    if request.method == "HEAD":
        return Response(status, b"", media_type, said, Stream(iter(()), end - start))
    file = open_file()
    try:
        file.seek(start)
        if end - start <= CHUNK_BYTES:
            with file:
                return Response(status, file.read(end - start), media_type, said)
    except BaseException:
        file.close()
        raise
    return Response(status, b"", media_type, said, Stream(read_pieces(file, end - start), end - start, release=file.close))


def find_range(text: str, size: int) -> tuple[int, int] | None:
    """Return (start, end) of the one range that a Range header asks for, the end not included; None if all is to be sent.

    None also where the header cannot be understood or names several ranges: then a server ignores it (RFC 9110 §14.2).

    Raises:
        HttpProblem: No byte of it is there (416).

    >>> find_range("bytes=2-4", 10), find_range("bytes=-3", 10), find_range("bytes=8-99", 10), find_range("bytes=0-1,4-5", 10)
    ((2, 5), (7, 10), (8, 10), None)
    """
    asked = _RANGE.fullmatch(text)
    if asked is None or asked.groups() == ("", ""):
        return None
    first, last = asked.groups()
    if first == "":
        start, end = max(0, size - int(last)), size
    elif last and int(last) < int(first):
        return None
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    if start >= end:
        raise HttpProblem(416, f"the range {text[:60]!r} has no byte of these {size}", {"content-range": f"bytes */{size}"})
    return start, end


def _names(condition: str, etag: str) -> bool:
    """Return whether If-None-Match names the tag; it compares weakly (RFC 9110 §13.1.2)."""
    return condition.strip() == "*" or etag in {tag.removeprefix("W/") for tag in _ETAG.findall(condition)}


def read_pieces(file: BinaryIO, length: int) -> Iterator[bytes]:
    """Yield the next `length` bytes of a file, in pieces."""
    while length and (piece := file.read(min(CHUNK_BYTES, length))):
        length -= len(piece)
        yield piece
