"""The `Carrier` port: one message over HTTP/1.1, to an address that was judged, within a time.

    1. the URL is judged as text
    2. the name is resolved once, and every address that it has is judged; one that may not be refuses all
    3. the connection goes to a judged address, not to the name again
    4. TLS vouches for the name of the URL
    5. of the answer only the status is read, within the same time as all the rest

No proxy variable is read, and no redirect is followed.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

import h11

from incumbent.base.errors import IncumbentError, InvalidInput
from incumbent.usecases.webhook_address import Target, judge_address, parse_url
from incumbent.usecases.webhook_ports import Sent

TIMEOUT_S = 15.0
"""From connecting to the status, all in all. Resolving the name takes as long as the system's resolver allows."""
HEAD_BYTES_MAX = 16 << 10
_INTERIM_MAX = 8
Resolve = Callable[..., Sequence[tuple[Any, ...]]]


class HttpCarrier:
    """Carries messages by the sockets of this machine."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, resolve: Resolve = socket.getaddrinfo, timeout_s: float = TIMEOUT_S) -> None:
        self._tls = tls
        self._resolve = resolve
        self._timeout_s = timeout_s

    def post(self, url: str, headers: Mapping[str, str], body: bytes, *, may_be_private: bool, may_be_http: bool) -> Sent:
        """Send it, and return what was answered. Raises nothing: that a receiver is away is an answer, too."""
        try:
            target = parse_url(url, may_be_private=may_be_private, may_be_http=may_be_http)
            addresses = self._find_addresses(target, may_be_private)
            deadline = time.monotonic() + self._timeout_s
            with closing(self._connect(target, addresses, deadline)) as connection:
                return Sent(_exchange(connection, target, headers, body, deadline))
        except IncumbentError as error:
            return Sent(0, str(error))
        except TimeoutError:
            return Sent(0, f"it did not answer within {self._timeout_s:g} s")
        except ssl.SSLError as error:
            return Sent(0, f"TLS: {error.reason or error}")
        except OSError as error:
            return Sent(0, f"it cannot be reached: {error.strerror or error}")
        except (h11.RemoteProtocolError, UnicodeError) as error:
            return Sent(0, f"it does not speak HTTP: {error}")

    def _find_addresses(self, target: Target, may_be_private: bool) -> Sequence[str]:
        found = self._resolve(target.host, target.port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for text in addresses:
            why = judge_address(ipaddress.ip_address(text), may_be_private=may_be_private)
            if why:
                raise InvalidInput(f"{target.host} leads to {text}: {why}")
        return addresses

    def _connect(self, target: Target, addresses: Sequence[str], deadline: float) -> socket.socket:
        failed: OSError = OSError("its name has no address")
        for text in addresses:
            try:
                plain = socket.create_connection((text, target.port), timeout=_left(deadline))
            except OSError as error:
                failed = error
                continue
            if not target.is_https:
                return plain
            try:
                context = self._tls or ssl.create_default_context()
                return context.wrap_socket(plain, server_hostname=target.host)
            except BaseException:
                plain.close()
                raise
        raise failed


def _exchange(connection: socket.socket, target: Target, headers: Mapping[str, str], body: bytes, deadline: float) -> int:
    wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
    named = [("host", target.authority), *headers.items(), ("content-length", str(len(body))), ("connection", "close")]
    request = h11.Request(method="POST", target=target.path, headers=named)
    sent = b"".join(wire.send(event) or b"" for event in (request, h11.Data(data=body), h11.EndOfMessage()))
    connection.settimeout(_left(deadline))
    connection.sendall(sent)
    interim = 0
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            connection.settimeout(_left(deadline))
            wire.receive_data(connection.recv(HEAD_BYTES_MAX))
        elif isinstance(event, h11.Response):
            return event.status_code
        else:
            interim += 1
            if interim > _INTERIM_MAX or not isinstance(event, h11.InformationalResponse):
                raise h11.RemoteProtocolError("no final answer came")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
