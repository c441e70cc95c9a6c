"""Bytes by digest: which are missing, sending them whole or in parts, reading them whole or a range of them.

Parts follow the IETF's draft of resumable uploads (draft-ietf-httpbis-resumable-upload) in its header fields Upload-Offset and
Upload-Complete and in what PATCH, DELETE and the question for the offset mean. Its resource is known beforehand here, by the digest, so
there is no step that makes one, and no 104 answer that tells its address.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Annotated

import msgspec

from incumbent.base.digest import Algorithm, Digest, parse_digest
from incumbent.base.errors import InvalidInput
from incumbent.server.api.operation import Call, In, Operation, Out
from incumbent.server.files import send_blob
from incumbent.server.messages import Response, Server, json_response
from incumbent.usecases import blob_upload
from incumbent.usecases.rights import READ, TRACK

_DIGEST = "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
_REPR_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):", re.ASCII)
_OFFSET_HEADER = "At which byte these begin: as many as are here."
_COMPLETE_HEADER = "`?1` with the last bytes, `?0` before."


class Asked(In):
    """Digests of bytes that one would send."""

    digests: Annotated[list[str], msgspec.Meta(max_length=blob_upload.ASKED_MAX)]


class Missing(Out):
    """Those whose bytes are not here."""

    missing: list[str]
    algorithm: Annotated[Algorithm, msgspec.Meta(description="By which bytes are named here.")]


class Blob(Out):
    """Bytes that are on disk, under their digest."""

    digest: str
    size: int


class Part(Out):
    """How far an upload in parts is. `complete`: it is a blob now."""

    digest: str
    offset: int
    complete: bool


def find_missing(server: Server, call: Call) -> object:
    """Say which bytes would have to be sent."""
    return {"missing": blob_upload.find_missing(server.ws, digests=call.body.digests), "algorithm": server.ws.blobs.algorithm}


def get_blob(server: Server, call: Call) -> Response:
    """Send bytes, or a range of them."""
    blobs = server.ws.blobs
    digest, size = blob_upload.get_blob_size(server.ws, digest=call.path["digest"])
    return send_blob(call.request, digest=digest, size=size, open_file=lambda: blobs.open(digest), headers=_repr_digest(digest))


def put_blob(server: Server, call: Call) -> Response:
    """Take bytes whole."""
    sha256 = _read_repr_digest(call.request.headers.get("repr-digest"))
    stored = blob_upload.put_blob(server.ws, digest=call.path["digest"], pieces=call.request.pieces, sha256=sha256)
    return json_response({"digest": stored.digest, "size": stored.size}, 201)


def get_upload(server: Server, call: Call) -> Response:
    """Say how far an upload in parts is."""
    offset = blob_upload.get_upload_offset(server.ws, digest=call.path["digest"])
    return _tell(call.path["digest"], offset, is_complete=False)


def append_upload(server: Server, call: Call) -> Response:
    """Take the next bytes of an upload in parts."""
    offset, is_last = _read_place(call.request.headers)
    size, stored = blob_upload.append_upload(
        server.ws, digest=call.path["digest"], offset=offset, pieces=call.request.pieces, is_last=is_last, bytes_max=server.upload_bytes_max
    )
    return _tell(call.path["digest"], size, is_complete=stored is not None)


def drop_upload(server: Server, call: Call) -> object:
    """Give an upload in parts up."""
    blob_upload.drop_upload(server.ws, digest=call.path["digest"])
    return {"digest": call.path["digest"], "offset": 0, "complete": False}


def _tell(digest: str, offset: int, *, is_complete: bool) -> Response:
    headers = {"upload-offset": str(offset), "upload-complete": "?1" if is_complete else "?0", "cache-control": "no-store"}
    return json_response({"digest": digest, "offset": offset, "complete": is_complete}, headers=headers)


def _read_place(headers: Mapping[str, str]) -> tuple[int, bool]:
    offset, complete = headers.get("upload-offset", ""), headers.get("upload-complete", "")
    if not (offset.isascii() and offset.isdecimal() and len(offset) <= 15):
        raise InvalidInput(f"Upload-Offset {offset[:40]!r}: say at which byte these begin, 0 for the first")
    if complete not in ("?0", "?1"):
        raise InvalidInput(f"Upload-Complete {complete[:40]!r}: say ?1 with the last bytes, ?0 before")
    return int(offset), complete == "?1"


def _read_repr_digest(text: str | None) -> bytes | None:
    """Return the SHA-256 of a Repr-Digest field (RFC 9530), None if there is no such field.

    Raises:
        InvalidInput: It says another algorithm, or is malformed: who sends it counts on its being looked at.
    """
    if text is None:
        return None
    found = _REPR_DIGEST.fullmatch(text.strip())
    try:
        return base64.b64decode(found[1], validate=True) if found else _refuse(text)
    except binascii.Error:
        return _refuse(text)


def _refuse(text: str) -> bytes:
    raise InvalidInput(f"Repr-Digest {text[:80]!r}: only sha-256=:BASE64: is read")


def _repr_digest(digest: Digest) -> dict[str, str]:
    """Return the Repr-Digest field, where the digest is a SHA-256: BLAKE3 has no name in that field, and is the ETag."""
    algorithm, name = parse_digest(digest)
    return {"repr-digest": f"sha-256=:{base64.b64encode(bytes.fromhex(name)).decode()}:"} if algorithm == "sha256" else {}


OPERATIONS = (
    Operation(
        "find_missing_blobs", "blobs", "POST", "/blobs/missing", TRACK, "Say which of these digests have no bytes here.",
        find_missing, Missing, {"missing": [_DIGEST], "algorithm": "blake3"}, body=Asked, sent={"digests": [_DIGEST]},
        by=("blob_upload.find_missing",),
    ),
    Operation(
        "get_blob", "blobs", "GET", "/blobs/{digest}", READ, "Read bytes by their digest.", get_blob, None, "", statuses=(416,),
        media_type="application/octet-stream", by=("blob_upload.get_blob_size",),
        more="The digest is the ETag. Takes Range (one; 206), If-Range and If-None-Match (304); HEAD gives the size alone. With SHA-256 "
        "digests, Repr-Digest says them too. The bytes are hashed while they are read.",
    ),
    Operation(
        "put_blob", "blobs", "PUT", "/blobs/{digest}", TRACK, "Store bytes under the digest that they have.", put_blob, Blob,
        {"digest": _DIGEST, "size": 0}, status=201, takes_stream=True, by=("blob_upload.put_blob",),
        headers={"Repr-Digest": "Their SHA-256 as `sha-256=:BASE64:` (RFC 9530), to be checked as well."},
        more="Bytes that have another digest are not stored. What no run names is removed by `incumbent artifacts gc` after an hour.",
    ),
    Operation(
        "get_upload", "blobs", "GET", "/blobs/{digest}/upload", TRACK, "Say how many bytes of one's upload in parts are here.", get_upload,
        Part, {"digest": _DIGEST, "offset": 1048576, "complete": False}, by=("blob_upload.get_upload_offset",),
    ),
    Operation(
        "append_upload", "blobs", "PATCH", "/blobs/{digest}/upload", TRACK, "Add bytes to an upload in parts; the last make it a blob.",
        append_upload, Part, {"digest": _DIGEST, "offset": 2097152, "complete": True}, takes_stream=True, by=("blob_upload.append_upload",),
        headers={"Upload-Offset": _OFFSET_HEADER, "Upload-Complete": _COMPLETE_HEADER},
        more="Begin at offset 0. When a part breaks off, what came of it is kept: ask for the offset and go on there. Any other offset is "
        "answered 409. The whole is hashed at the end, and thrown away if it is something else. A part waits for a day, on the server "
        "that took it.",
    ),
    Operation(
        "drop_upload", "blobs", "DELETE", "/blobs/{digest}/upload", TRACK, "Give an upload in parts up.", drop_upload, Part,
        {"digest": _DIGEST, "offset": 0, "complete": False}, by=("blob_upload.drop_upload",),
    ),
)  # fmt: skip
