"""Which machine and which page a request is meant for and comes from: DNS rebinding, forged forms, headers said twice."""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from incumbent.server.access import LOOPBACK_NAMES, Door
from incumbent.server.errors import HttpProblem

_ONCE = frozenset({"host", "authorization", "cookie", "origin", "content-type", "content-length", "sec-fetch-site", "x-incumbent-form"})
"""Headers on which a decision rests: said twice, we and a proxy before us might each believe another one."""


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return a request's headers, names in lower case.

    Raises:
        HttpProblem: One that decides who asks is there twice (400).
    """
    headers: dict[str, str] = {}
    for name_bytes, value in raw:
        name = name_bytes.decode("latin-1").lower()
        if name in headers and name in _ONCE:
            raise HttpProblem(400, f"the header {name} is there twice; it may be there once")
        headers[name] = value.decode("latin-1")
    return headers


def check_origin(door: Door, method: str, headers: Mapping[str, str]) -> None:
    """Refuse what is meant for another machine, and what a page of another site can make a browser send.

    Raises:
        HttpProblem: Host names another machine (421), or a writing request comes from a page of another origin (403).
    """
    host = headers.get("host", "")
    name = host_name(host)
    if name not in LOOPBACK_NAMES and name not in door.hosts:
        known = f"it is known as {', '.join(sorted(door.hosts))}, and on loopback" if door.hosts else "it answers on loopback only"
        raise HttpProblem(421, f"the Host header names {host[:80]!r}, which is not this server: {known}; --allowed-host adds a name")
    if method in {"GET", "HEAD"}:
        return
    origin = headers.get("origin")
    is_foreign = origin is not None and origin != _own_origin(door, host)
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"} or is_foreign:
        raise HttpProblem(403, "the request comes from a page of another site")


def _own_origin(door: Door, host: str) -> str:
    if door.is_secure and urlsplit(door.public_url).netloc.lower() == host.lower():
        return door.public_url
    return f"http://{host}"


def host_name(host: str) -> str | None:
    """Return the name in a Host header, in lower case and without its port; None when it is no such header."""
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname
        parts.port  # noqa: B018  (raises when it is none)
    except ValueError:
        return None
    return None if parts.username is not None or parts.path or parts.query or parts.fragment else name
