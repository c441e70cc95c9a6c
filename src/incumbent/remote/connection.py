"""One server over HTTP: requests that may be sent again, answers as documents, problems as errors.

1. What changes something is harmless when it is sent twice, by its own nature or by its Idempotency-Key; so everything is sent
again when the connection breaks, or the answer is 429, 502, 503 or 504, with growing pauses, or the pause that Retry-After asks for.
2. 409 with Retry-After says that the same request is being done now: its answer is waited for.
3. Nothing else is sent again: what is refused once is refused again.
4. The token goes to the one address that it was given for: no redirect is followed, no proxy variable is read, and beyond this
machine it goes by https alone.
"""

import ipaddress
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError

from incumbent.base.errors import InvalidInput, Unavailable
from incumbent.base.version import __version__
from incumbent.remote.problems import read_problem

PREFIX = "/api/v1"
BACK_OFF_S = 0.2
BACK_OFF_S_MAX = 10.0
_AGAIN = frozenset({429, 502, 503, 504})
Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a request is sent again, and how long is waited for a connection and for the next bytes of an answer."""

    retries: int
    connect_s: float
    read_s: float


ASKING = Patience(retries=6, connect_s=5.0, read_s=120.0)
"""For a person or script that waits for the answer: about 12 seconds of a server that is away."""
LOGGING = Patience(retries=1, connect_s=3.0, read_s=20.0)
"""For a thread that comes back later by itself."""


def read_address(text: str, *, has_token: bool) -> str:
    """Return a server's address without a slash at its end.

    Raises:
        InvalidInput: It is no http or https address, has a password or a query in it, or a token would go over it in clear.
    """
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or parts.query or parts.fragment:
        shown = "what it holds" if "@" in text else repr(text[:80])  # before an @ there may be a password
        raise InvalidInput(f"INCUMBENT_URL: {shown} is no address of a server; write https://HOST, without a password or a query")
    if has_token and parts.scheme == "http" and not _is_loopback(host):
        raise InvalidInput(f"INCUMBENT_TOKEN would go to {host} in clear, for everybody on the way to read; write https://{parts.netloc}")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def path_of(*segments: str | int) -> str:
    """Return a path of these segments, each quoted whole.

    >>> path_of("slots", "credit/eu")
    '/slots/credit%2Feu'
    """
    return "".join(f"/{quote(str(segment), safe='')}" for segment in segments)


class Connection:
    """A server. Safe for several threads at once.

    Attributes:
        address: Of the server.
    """

    def __init__(self, address: str, token: str, *, patience: Patience = ASKING) -> None:
        self.address = read_address(address, has_token=bool(token))
        self._headers = {"accept": "application/json", "user-agent": f"incumbent/{__version__}"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        retries = urllib3.Retry(
            total=patience.retries, redirect=False, allowed_methods=None, status_forcelist=_AGAIN, raise_on_status=False,
            backoff_factor=BACK_OFF_S, backoff_max=BACK_OFF_S_MAX, backoff_jitter=BACK_OFF_S,
        )  # fmt: skip
        timeout = urllib3.Timeout(connect=patience.connect_s, read=patience.read_s)
        self._pool = urllib3.PoolManager(retries=retries, timeout=timeout, maxsize=2)

    def get(self, path: str, query: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Read a document. Raises what the verb would raise on a workspace; Unavailable if the server is away."""
        return self._document("GET", f"{path}?{urlencode(query)}" if query else path, b"", {})

    def post(self, path: str, body: Mapping[str, object], *, key: str = "") -> dict[str, Any]:
        """Send a document and return the answer; `key` is the Idempotency-Key of what is not harmless twice by its own nature."""
        headers = {"content-type": "application/json", **({"idempotency-key": key} if key else {})}
        return self._document("POST", path, msgspec.json.encode(body), headers)

    def put(self, path: str, body: bytes) -> dict[str, Any]:
        """Send bytes."""
        return self._document("PUT", path, body, {"content-type": "application/octet-stream"})

    def patch(self, path: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        """Send a part of bytes."""
        return self._document("PATCH", path, body, {"content-type": "application/octet-stream", **headers})

    def list_items(self, path: str, query: Mapping[str, object] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the items of a list, page for page."""
        fields: dict[str, object] = dict(query or {})
        while True:
            page = self.get(path, fields)
            yield from page.get("items", [])
            cursor = page.get("next_cursor")
            if not cursor:
                return
            fields["cursor"] = cursor

    def stream(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of an answer piece by piece. Raises as `get`; Unavailable if they break off."""
        answer = self._send("GET", path, b"", {}, preload=False)
        try:
            if answer.status != 200:
                raise read_problem(self.address, answer.status, answer.data)
            yield from answer.stream(1 << 20)
        except HTTPError as error:
            raise Unavailable(f"{self.address} broke off in the middle of {path}: {_tell(error)}") from error
        finally:
            answer.release_conn()

    def close(self) -> None:
        """Give up the connections."""
        self._pool.clear()

    def _document(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        answer = self._send(method, path, body, headers)
        while answer.status == 409 and "retry-after" in answer.headers:
            time.sleep(min(_seconds(answer.headers["retry-after"]), BACK_OFF_S_MAX))
            answer = self._send(method, path, body, headers)
        if not 200 <= answer.status < 300:
            raise read_problem(self.address, answer.status, answer.data)
        try:
            document = msgspec.json.decode(answer.data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            document = None
        if not isinstance(document, dict):
            raise Unavailable(f"{self.address} answers {method} {path} with something that is no document; is it an `incumbent server`?")
        return document

    def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str], *, preload: bool = True) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request(
                method, f"{self.address}{PREFIX}{path}", body=body or None, headers={**self._headers, **headers}, redirect=False,
                preload_content=preload,
            )  # fmt: skip
        except (HTTPError, UnicodeError) as error:
            raise Unavailable(f"the server {self.address} cannot be reached: {_tell(error)}") from error


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() else 1.0


def _tell(error: BaseException) -> str:
    """Return the reason alone: around it, urllib3 says its own objects and how often it tried."""
    reason = error.reason if isinstance(error, MaxRetryError) and error.reason is not None else error
    return str(reason).rpartition("): ")[2] or type(reason).__name__
