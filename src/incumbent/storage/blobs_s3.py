"""The blob store in S3 (or what speaks like it), through obstore. Credentials come from the environment, as AWS tools take them.

    s3://bucket/prefix/ab/cd…       the bytes
    s3://bucket/prefix/quarantine/  blobs that failed their check

A put that the server has acknowledged is durable; a multipart upload appears whole or not at all. A blob is created, never
overwritten (If-None-Match), but for one that is old: that is written again, with the same bytes, so that gc sees it is
wanted. S3 cannot delete on a condition: between gc's last look and its delete lies one round trip, in which a put of the
very same old bytes would be lost. The engine rebuilds a blob that is gone (docs/adr/0005-storage.md).
"""

import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, BinaryIO, cast
from urllib.parse import urlsplit

from incumbent.base.digest import Algorithm, Digest, digest_bytes, finish, new_hasher, parse_digest
from incumbent.base.errors import Conflict, Corrupt, InvalidInput, NotFound, Unavailable
from incumbent.storage.blob_files import MODE, hash_source, is_fan_out, is_rest, must_be_unchanged, open_source
from incumbent.storage.disk import remove, store_error
from incumbent.storage.hashing import CHUNK_BYTES
from incumbent.usecases.ports import Blobs, Stored

PART_BYTES = 8 << 20
"""From this size on an upload goes in parts."""
SPOOL_BYTES_MAX = 16 << 20
"""Up to this size bytes on their way stay in memory, above it in a temporary file: memory is flat in the size of a blob."""
RENEW_AFTER = timedelta(minutes=10)
"""A blob at least this old is written again when it is put again."""
_UPLOADS_AT_ONCE = 16


class S3Blobs:
    """Blobs under one prefix of a bucket. Safe for any number of processes and threads at once.

    Attributes:
        algorithm: Of every digest here.
    """

    def __init__(self, url: str, algorithm: Algorithm) -> None:
        from obstore.store import S3Store  # noqa: PLC0415  (an extra)

        self.algorithm: Algorithm = algorithm
        self._url = url.rstrip("/")
        bucket, prefix = _split(url)
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        options: dict[str, Any] = {"endpoint": endpoint, "virtual_hosted_style_request": False} if endpoint else {}
        self._store = S3Store(
            bucket,
            prefix=prefix or None,
            client_options={"allow_http": endpoint.startswith("http://"), "timeout": timedelta(seconds=60)},
            retry_config={"max_retries": 6, "retry_timeout": timedelta(seconds=60)},
            **options,
        )

    def put(self, chunks: Iterable[bytes]) -> Stored:
        """Store the bytes, durable before this returns. Raises Unavailable when the server does not take them."""
        hasher, size = new_hasher(self.algorithm), 0
        with tempfile.SpooledTemporaryFile(SPOOL_BYTES_MAX) as spool:
            for chunk in chunks:
                hasher.update(chunk)
                size += len(chunk)
                try:
                    spool.write(chunk)
                except OSError as error:
                    raise store_error(error, f"buffering an upload to {self._url}") from error
            spool.seek(0)
            digest = finish(hasher, self.algorithm)
            self._upload(digest, cast(IO[bytes], spool), size)
        return Stored(digest, size)

    def put_file(self, path: Path, *, link: bool = False) -> Stored:
        """Store a file: hashed first, then sent if it is not there. Raises Conflict if it changed meanwhile; nothing can be linked."""
        del link
        with open_source(path) as (number, before):
            digest, size = hash_source(path, number, self.algorithm, before)
            if not self._is_fresh(digest, size):
                with os.fdopen(os.dup(number), "rb") as file:
                    file.seek(0)
                    self._upload(digest, file, size, is_asked=True)
                try:
                    must_be_unchanged(path, number, before, size)
                except Conflict:
                    self.delete(digest)  # what was sent may not be what was hashed
                    raise
        return Stored(digest, size)

    def put_files(self, paths: Sequence[Path], *, link: bool = False) -> Sequence[Stored]:
        """Store many files, in order, several on the way at once."""
        with ThreadPoolExecutor(_UPLOADS_AT_ONCE) as pool:
            return list(pool.map(lambda path: self.put_file(path, link=link), paths))

    def _upload(self, digest: Digest, file: IO[bytes], size: int, *, is_asked: bool = False) -> None:
        if not is_asked and size > PART_BYTES and self._is_fresh(digest, size):
            return
        key = self._key(digest)
        with self._talking(f"storing blob {digest}"):
            try:
                if size > PART_BYTES:
                    self._store.put(key, file, use_multipart=True, chunk_size=PART_BYTES)
                else:
                    data = file.read()
                    self._store.put(key, data, mode="create")
            except _errors().AlreadyExistsError:
                if not self._is_fresh(digest, size):
                    self._store.put(key, data)

    def _is_fresh(self, digest: Digest, size: int) -> bool:
        """Return whether the blob is there, of the right size, and too young for any gc."""
        seen = self._head(digest)
        return seen is not None and seen["size"] == size and datetime.now(UTC) - seen["last_modified"] < RENEW_AFTER

    def open(self, digest: Digest) -> BinaryIO:
        """Open for reading. The bytes are fetched and checked before the first is handed out. Raises NotFound, Corrupt."""
        spool = tempfile.SpooledTemporaryFile(SPOOL_BYTES_MAX)  # noqa: SIM115  (the caller closes it)
        try:
            self._download(digest, cast(IO[bytes], spool))
            spool.seek(0)
        except BaseException:
            spool.close()
            raise
        return cast(BinaryIO, spool)

    def get(self, digest: Digest) -> bytes:
        """Return all the bytes, verified. Raises NotFound, Corrupt."""
        key = self._key(digest)
        with self._talking(f"reading blob {digest}"):
            try:
                data = bytes(self._store.get(key).bytes())
            except FileNotFoundError as error:
                raise self._absent(digest) from error
        found = digest_bytes(data, self.algorithm)
        if found != digest:
            raise self._set_aside(digest, found)
        return data

    def _download(self, digest: Digest, target: IO[bytes]) -> None:
        hasher = new_hasher(self.algorithm)
        key = self._key(digest)
        with self._talking(f"reading blob {digest}"):
            try:
                for part in self._store.get(key).stream(min_chunk_size=CHUNK_BYTES):
                    data = bytes(part)
                    hasher.update(data)
                    _write(target, data)
            except FileNotFoundError as error:
                raise self._absent(digest) from error
        found = finish(hasher, self.algorithm)
        if found != digest:
            raise self._set_aside(digest, found)

    def fetch(self, digest: Digest, target: Path) -> None:
        """Make the bytes appear, verified and read-only, at `target`. Raises Conflict if something is there."""
        temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}")
        try:
            with temporary.open("xb") as file:
                self._download(digest, file)
                os.fchmod(file.fileno(), MODE)
            os.link(temporary, target)
        except FileExistsError as error:
            raise Conflict(f"{target} exists already; blob {digest} was not written over it") from error
        except OSError as error:
            raise store_error(error, f"writing {target}") from error
        finally:
            remove(temporary)

    def size(self, digest: Digest) -> int | None:
        """Return the size in bytes, or None if there is no such blob. Does not read it."""
        seen = self._head(digest)
        return None if seen is None else int(seen["size"])

    def list_digests(self, *, before: datetime | None = None) -> Iterator[Digest]:
        """Yield every digest in the store, or those last put before a time."""
        with self._talking("listing blobs"):
            for batch in self._store.list():
                for seen in batch:
                    head, _, rest = str(seen["path"]).rpartition("/")
                    if is_fan_out(head) and is_rest(rest) and (before is None or seen["last_modified"] < before):
                        yield Digest(f"{self.algorithm}:{head}{rest}")

    def delete(self, digest: Digest, *, before: datetime | None = None) -> bool:
        """Remove a blob (unless it was put, even again, at that time or later) and return whether it was removed."""
        seen = self._head(digest)
        if seen is None or (before is not None and seen["last_modified"] >= before):
            return False
        with self._talking(f"removing blob {digest}"):
            self._store.delete(self._key(digest))
        return True

    def _head(self, digest: Digest) -> Any:
        key = self._key(digest)
        with self._talking(f"looking for blob {digest}"):
            try:
                return self._store.head(key)
            except FileNotFoundError:
                return None

    def _key(self, digest: Digest) -> str:
        """Return where a blob is or would be. The digest is parsed first: nothing else ever becomes a key."""
        algorithm, name = parse_digest(digest)
        if algorithm != self.algorithm:
            raise NotFound(f"no blob {digest}: this workspace names blobs by {self.algorithm}")
        return f"{name[:2]}/{name[2:]}"

    def _absent(self, digest: Digest) -> NotFound:
        return NotFound(f"no blob {digest} in {self._url}")

    def _set_aside(self, digest: Digest, found: Digest) -> Corrupt:
        """Move a blob that is not its digest's bytes out of the way, and return the error that says so."""
        kept = f"quarantine/{parse_digest(digest)[1]}.{secrets.token_hex(4)}"
        with self._talking(f"setting blob {digest} aside"):
            self._store.rename(self._key(digest), kept)
        return Corrupt(
            f"blob {digest} is damaged: its bytes have digest {found}; it was moved to {self._url}/{kept}. "
            "Run the pipeline again to rebuild it"
        )

    @contextmanager
    def _talking(self, what: str) -> Iterator[None]:
        try:
            yield
        except (_errors().BaseError, OSError) as error:  # obstore says FileNotFoundError of a bucket that is not there
            raise Unavailable(
                f"{self._url}: {what}: {_reason(str(error))}; check the address and the credentials, and run again. Nothing was lost"
            ) from error


def _reason(message: str) -> str:
    """Return what matters in obstore's account of a failed request: the server's own code, or the cause below all wrapping.

    >>> _reason("Generic S3 error: Error performing HEAD http://h/b/k in 9ms, after 6 retries, max_retries: 6 - HTTP error: no route")
    'HTTP error: no route'
    >>> _reason("Error performing PUT http://h/b/k in 12ms - Server returned non-2xx status code: 404 Not Found: <Code>NoSuchBucket</Code>")
    'the server answered 404 Not Found (NoSuchBucket)'
    """
    status = re.search(r"status code: (\d{3} [A-Za-z ]*)", message)
    code = re.search(r"<Code>([A-Za-z]+)</Code>", message)
    if status:
        return f"the server answered {status[1].strip()}" + (f" ({code[1]})" if code else "")
    first = message.strip().partition("\n")[0].rpartition(" - ")[2][:300]
    return re.sub(r"//[^/\s]*@", "//", first)  # an endpoint's address may hold a password


def _errors() -> Any:
    from obstore import exceptions  # noqa: PLC0415  (an extra)

    return exceptions


def _write(target: IO[bytes], data: bytes) -> None:
    try:
        target.write(data)
    except OSError as error:
        raise store_error(error, "writing a download") from error


def _split(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    prefix = parts.path.strip("/")
    if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or parts.query or {"..", "."} & set(prefix.split("/")):
        # The address itself is not repeated: what is wrong with it may be that it holds a secret.
        raise InvalidInput("INCUMBENT_BLOBS is not an S3 address; write s3://BUCKET/PREFIX, and give the rest by AWS_... variables")
    return parts.netloc, prefix


def open_s3_blobs(url: str, algorithm: Algorithm) -> Blobs:
    """Open the blob store at `s3://bucket/prefix`. Raises InvalidInput, or Unavailable when the extra is not installed."""
    try:
        return S3Blobs(url, algorithm)
    except ImportError as error:
        raise Unavailable("blobs in S3 need an extra: pip install 'incumbent[s3]'") from error
