"""The two cookies: a browser's session, and a log-in at a provider under way.

Reached by https they are `__Host-` cookies: a browser takes one only from this very host, over https, for all paths, so no neighbour
on a subdomain can plant one. On plain loopback a browser keeps no Secure cookie, so there the name has no such prefix; every other
program on that machine that listens on a port can be sent it, which is why single users need none.
"""

from collections.abc import Mapping

from incumbent.server.access import Door

SESSION = "incumbent-session"
JOURNEY = "incumbent-journey"
_PREFIX = "__Host-"
COOKIE_BYTES_MAX = 8192


def read_cookie(door: Door, headers: Mapping[str, str], name: str) -> str:
    """Return what a cookie holds, "" if it is not there, or there more than once: one of them was planted, and we cannot tell which."""
    wanted = (_PREFIX if door.is_secure else "") + name
    text = headers.get("cookie", "")[:COOKIE_BYTES_MAX]
    found = [value.strip() for key, _, value in (part.partition("=") for part in text.split(";")) if key.strip() == wanted]
    return found[0] if len(found) == 1 else ""


def set_cookie(door: Door, name: str, value: str, *, max_age_s: int) -> dict[str, str]:
    """Return the header that sets a cookie, or with an age of 0 removes it. The value is one of our secrets, or empty."""
    prefix, secure = (_PREFIX, "; Secure") if door.is_secure else ("", "")
    return {"set-cookie": f"{prefix}{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}"}
