"""Asks one MLflow server, and no other host: no redirect is followed, no proxy is used, no answer is larger than it may be."""

import base64
import http.client
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from incumbent.base.errors import Conflict, Corrupt, InvalidInput, NotFound, Refused, Unavailable

TIMEOUT_S = 60.0
REPLY_BYTES_MAX = 256 << 20
CHUNK_BYTES = 1 << 20
WAITS_S = (0.5, 1.0, 2.0)
"""Before each new try of what a server could not answer just now."""
_BUSY = {429, 500, 502, 503, 504}


class MlflowHttp:
    """Requests to one server over one connection."""

    def __init__(self, address: str, *, user: str = "", password: str = "", token: str = "") -> None:
        try:
            parts = urlsplit(address)
            port, host = parts.port, parts.hostname
        except ValueError:
            host = None
        if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment or not address.isprintable():
            raise InvalidInput("that is no address of an MLflow server; write http://HOST:PORT")
        if not (token.isascii() and token.isprintable()):
            raise InvalidInput("MLFLOW_TRACKING_TOKEN holds what no token holds: a line break, or letters outside of ASCII")
        self._base = parts.path.rstrip("/")
        self._host, self._port = host, port
        self._is_tls = parts.scheme == "https"
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self.name = f"{parts.scheme}://{shown}{'' if port is None else f':{port}'}{self._base}"
        self._headers = {"Accept": "application/json"}
        name, secret = parts.username or user, parts.password or password
        if token and not name:
            self._headers["Authorization"] = f"Bearer {token}"
        elif name:
            self._headers["Authorization"] = "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str, query: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """Return the answer of a read. Raises NotFound where the server has no such thing or route, Refused, Unavailable, Corrupt."""
        return self._json("GET", f"{path}?{urlencode(query)}" if query else path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer of a search."""
        return self._json("POST", path, json.dumps(body).encode())

    def read(self, path: str, query: Mapping[str, str], *, size: int) -> Iterator[bytes]:
        """Yield the bytes of a file that was listed with this size. Raises Conflict if the server gives more or fewer."""
        response = self._open("GET", f"{path}?{urlencode(query)}" if query else path, None)
        left = size
        try:
            while chunk := response.read(min(CHUNK_BYTES, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise Conflict(f"the server listed {size} bytes and gives more: not taken")
                yield chunk
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{self.name} broke off after {size - left} of {size} bytes: {error!r}") from error
        finally:
            if not response.isclosed():
                self.close()
        if left:
            raise Conflict(f"the server listed {size} bytes and gives {size - left}: not taken")

    def close(self) -> None:
        """Give up the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _json(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        response = self._open(method, path, body)
        try:
            data = response.read(REPLY_BYTES_MAX + 1)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unavailable(f"{self.name} broke off in its answer to {path[:80]}: {error!r}") from error
        if len(data) > REPLY_BYTES_MAX:
            self.close()
            raise Corrupt(f"{self.name} answers {path[:80]} with more than {REPLY_BYTES_MAX >> 20} MiB, which no answer of MLflow has")
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise Corrupt(f"{self.name} answers {path[:80]} with what is no JSON: {data[:60]!r}; is it an MLflow server?") from error
        if not isinstance(value, dict):
            raise Corrupt(f"{self.name} answers {path[:80]} with {str(value)[:60]!r}, not an object; is it an MLflow server?")
        return value

    def _open(self, method: str, path: str, body: bytes | None) -> http.client.HTTPResponse:
        """Return an answer that is ready to be read: 200, or an error is raised."""
        for wait_s in (*WAITS_S, None):
            try:
                response = self._send(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if wait_s is None:
                    raise Unavailable(f"{self.name} cannot be reached: {error}; what was brought so far is kept, run it again") from error
            else:
                if response.status == 200:
                    return response
                if response.status not in _BUSY or wait_s is None:
                    raise self._problem(path, response)
                self.close()
            time.sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    def _send(self, method: str, path: str, body: bytes | None) -> http.client.HTTPResponse:
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._is_tls else http.client.HTTPConnection
            self._connection = kind(self._host, self._port, timeout=TIMEOUT_S)
        headers = {**self._headers, "Content-Type": "application/json"} if body is not None else self._headers
        self._connection.request(method, self._base + path, body=body, headers=headers)
        return self._connection.getresponse()

    def _problem(self, path: str, response: http.client.HTTPResponse) -> Exception:
        status, location = response.status, response.getheader("Location", "")
        words = response.read(2_000).decode("utf-8", "replace")
        self.close()
        route = path.partition("?")[0][:120]
        if status in (301, 302, 303, 307, 308):
            return Refused(f"{self.name} sends {route} elsewhere, to {location[:200]!r}: an import follows nobody; give the right address")
        if status in (401, 403):
            return Refused(f"{self.name} refuses {route} ({status}); set MLFLOW_TRACKING_USERNAME and _PASSWORD, or MLFLOW_TRACKING_TOKEN")
        if status in (404, 405, 501):
            return NotFound(f"{self.name} has no {route}: {words[:200]}")
        if status < 500 and status != 429:
            return Refused(f"{self.name} refuses {route} ({status}): {words[:200]}")
        return Unavailable(f"{self.name} answers {route} with {status}: {words[:200]}")


def quote_path(path: str) -> str:
    """Return a path for the address line."""
    return quote(path, safe="/")
