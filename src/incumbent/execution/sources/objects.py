"""All objects under a prefix of S3 or Google Cloud Storage, as a folder.

Each object is read once per version: its etag, size and version are remembered with its digest, and a read asks for exactly the
etag that was listed, so that an object replaced in between is a Conflict and not a mixture. Credentials, region and endpoint
come from the usual environment variables (AWS_ACCESS_KEY_ID, AWS_REGION, AWS_ENDPOINT_URL, AWS_ALLOW_HTTP, …;
GOOGLE_APPLICATION_CREDENTIALS, …) or from the machine's own role; none is ever written down.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest, digest_bytes, parse_digest
from incumbent.base.documents import Json, document_bytes
from incumbent.base.errors import Conflict, IncumbentError, InvalidInput, NotFound, Unavailable
from incumbent.execution.codecs.files import check_name
from incumbent.execution.sources.files import dump_captured, load_captured, say_bytes
from incumbent.execution.sources.intake import Intake, one_line, show
from incumbent.pipeline.action import Captured
from incumbent.pipeline.source import SourceSpec

_STREAMS = 8
_CHUNK_BYTES = 1 << 22
_NAME_BYTES_MAX = 255
# The default ends any transfer after 30 s, however large; what must not last is silence.
_CLIENT = {"connect_timeout": "10s", "read_timeout": "60s", "timeout": "1d"}
_SCHEMES = {"s3": "S3Store", "gs": "GCSStore"}


@dataclass(frozen=True, slots=True)
class _Object:
    key: str
    name: str
    size: int
    etag: str | None
    stamp: str


def capture_objects(intake: Intake, spec: SourceSpec) -> Captured:
    """Capture every object under a prefix (or the one object it names): an artifact "tree".

    Raises:
        InvalidInput: The URL, a key or the credentials cannot be used, or there is no object.
        NotFound: There is no such bucket.
        Conflict: An object was replaced or removed while it was read.
        Unavailable: The storage cannot be reached.
    """
    bucket, prefix = _split_url(spec.location)
    store = _open_store(spec.location, intake.environ)
    found = _list(store, spec.location, prefix)
    key = f"objects {intake.environ.get('AWS_ENDPOINT_URL', '')} {spec.location}"
    stamp = digest_bytes(repr(found).encode(), intake.blobs.algorithm)
    noted = None if intake.is_anew else load_captured(intake.cache.find_notes({key: stamp}).get(key))
    if noted is not None and intake.blobs.size(noted.artifact.digest) is not None:
        return noted
    digests = _take_in(intake, store, spec.location, key, found)
    entries: list[Json] = [{"path": each.name, "digest": digests[each.key], "size": each.size, "executable": False} for each in found]
    size = sum(each.size for each in found)
    name = prefix.rpartition("/")[2] or bucket
    artifact = Artifact("tree", intake.blobs.put([document_bytes({"entries": entries})]).digest, size, name)
    captured = Captured(artifact, f"{len(found):,} object{'s' * (len(found) != 1)}, {say_bytes(size)}", {"objects": len(found)})
    intake.cache.record_notes([(key, stamp, dump_captured(captured))])
    return captured


def _split_url(url: str) -> tuple[str, str]:
    """Return (bucket, prefix without slashes around it)."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.netloc or parts.query or parts.fragment or "@" in parts.netloc:
        raise InvalidInput(f"{show(url)} is not an address of objects; write s3://bucket/prefix or gs://bucket/prefix, without credentials")
    return parts.netloc, parts.path.strip("/")


def _open_store(url: str, environ: Mapping[str, str]) -> Any:
    try:
        from obstore import store
        from obstore.exceptions import BaseError
    except ModuleNotFoundError as error:
        raise InvalidInput("an object storage source needs obstore; install incumbent[s3]") from error
    parts = urlsplit(url)
    make = getattr(store, _SCHEMES[parts.scheme])
    try:
        return make(
            parts.netloc,
            # Options given here replace all that the library would read from the environment, so the one that matters is read.
            client_options={**_CLIENT, "allow_http": environ.get("AWS_ALLOW_HTTP", "").lower() in ("true", "1")},
            retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=60)},
        )
    except (BaseError, ValueError) as error:
        raise _explain(url, error) from error


def _list(store: Any, url: str, prefix: str) -> list[_Object]:
    import obstore
    from obstore.exceptions import BaseError

    found = []
    try:
        for batch in obstore.list(store, prefix or None):
            found += [_describe(meta, prefix) for meta in batch]
        found = _without_markers(found)
        if not found and prefix:
            found = [_describe(obstore.head(store, prefix), prefix.rpartition("/")[0])]
    except FileNotFoundError:  # what the library makes of "no such key"
        found = []
    except BaseError as error:
        raise _explain(url, error) from error
    if not found:
        raise InvalidInput(f"there is no object under {show(url)}; an empty source is never taken in")
    found.sort(key=lambda each: each.name)
    _check_names(found)
    return found


def _describe(meta: Any, prefix: str) -> _Object:
    key = str(meta["path"])
    name = key[len(prefix) + 1 :] if prefix else key
    stamp = [meta["e_tag"] or meta["last_modified"].isoformat(), meta["size"], meta["version"]]
    return _Object(key, name, int(meta["size"]), meta["e_tag"], repr(stamp))


def _without_markers(found: Sequence[_Object]) -> list[_Object]:
    """Leave out empty objects that only stand for a folder, as consoles make them: the library lists `a/` as `a`."""
    folders = {""}
    for each in found:
        parts = each.name.split("/")
        folders.update("/".join(parts[:end]) for end in range(1, len(parts)))
    return [each for each in found if each.size or each.name not in folders]


def _check_names(found: Sequence[_Object]) -> None:
    """Refuse keys that no folder can hold, such as one with '..' in it, or both `a` and `a/b`."""
    names = {each.name for each in found}
    for each in found:
        parts = each.name.split("/")
        if any(len(part.encode("utf-8", "replace")) > _NAME_BYTES_MAX for part in parts):
            raise InvalidInput(f"the object {each.key!r} has a key that is too long for a file name; choose a narrower prefix")
        try:
            for part in parts:
                check_name(part)
        except InvalidInput as error:
            raise InvalidInput(f"the object {each.key!r} has a key that no folder can hold: {error}") from error
        for end in range(1, len(parts)):
            if "/".join(parts[:end]) in names:
                raise InvalidInput(f"the object {each.key!r} lies in another object as if that were a folder; rename one of them")


def _take_in(intake: Intake, store: Any, url: str, scope: str, found: Sequence[_Object]) -> dict[str, Digest]:
    """Return key -> digest, reading those objects that are new, several at a time."""
    stamps = {f"{scope}\n{each.key}": each.stamp for each in found}
    noted = {} if intake.is_anew else intake.cache.find_notes(stamps)
    known: dict[str, Digest] = {}
    for each in found:
        text = noted.get(f"{scope}\n{each.key}")
        if text is not None and _is_stored(intake, text):
            known[each.key] = Digest(text)
    waiting = [each for each in found if each.key not in known]
    done, total = 0, sum(each.size for each in waiting)
    with ThreadPoolExecutor(_STREAMS, thread_name_prefix="incumbent-objects") as pool:
        try:
            for each, digest in zip(waiting, pool.map(lambda each: _read(intake, store, url, each), waiting), strict=True):
                known[each.key] = digest
                intake.cache.record_notes([(f"{scope}\n{each.key}", each.stamp, digest)])
                done += each.size
                intake.progress(done, total)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return known


def _is_stored(intake: Intake, digest: str) -> bool:
    try:
        parse_digest(digest)
    except InvalidInput:
        return False  # a damaged note is not believed
    return intake.blobs.size(Digest(digest)) is not None


def _read(intake: Intake, store: Any, url: str, each: _Object) -> Digest:
    import obstore
    from obstore.exceptions import BaseError, PreconditionError

    moved = Conflict(f"the object {each.key!r} under {show(url)} was replaced while it was read; nothing was taken in, run again")

    def chunks() -> Iterator[bytes]:
        try:
            # `if_match` makes the storage itself refuse an object that was replaced since it was listed.
            result = obstore.get(store, each.key, options={"if_match": each.etag} if each.etag else None)
            for chunk in result.stream(min_chunk_size=_CHUNK_BYTES):
                yield bytes(chunk)
        except (PreconditionError, FileNotFoundError) as error:
            raise moved from error
        except BaseError as error:
            raise _explain(url, error) from error

    stored = intake.blobs.put(chunks())
    if stored.size != each.size:
        raise moved
    return stored.digest


def _explain(url: str, error: Exception) -> IncumbentError:
    from obstore import exceptions

    reason = one_line(error)
    match error:
        case exceptions.GenericError() if "404 Not Found" in reason:
            return NotFound(f"{show(url)} does not exist: {reason}")
        case exceptions.PermissionDeniedError() | exceptions.UnauthenticatedError():
            return InvalidInput(f"{show(url)} may not be read with these credentials: {reason}; check the environment's AWS_* or GOOGLE_*")
        case exceptions.GenericError():
            return Unavailable(f"{show(url)} cannot be reached: {reason}; nothing was taken in")
    return InvalidInput(f"{show(url)} cannot be used: {reason}")
