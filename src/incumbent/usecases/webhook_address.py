"""Where a message may be sent: what an address on the web has to look like, and which machines are nobody's to reach.

A server that fetches what it is told to is a way into the network that it stands in. So a webhook's address is judged twice: as text
when it is added, and every address that its name stands for, each time before a connection is made, to that very address.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from incumbent.base.errors import InvalidInput

URL_CHARACTERS_MAX = 2_000
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*\.?", re.ASCII)
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.ASCII)
_URL = re.compile(r"[!-~]+", re.ASCII)
_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_METADATA = frozenset({ipaddress.ip_address("168.63.129.16"), ipaddress.ip_address("fd00:ec2::254")})
"""Where clouds tell a machine its secrets, as far as these are no link-local addresses."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """An address on the web, taken apart.

    Attributes:
        host: A name or an IP address, without brackets.
        authority: As the Host header has it.
        path: With the query.
    """

    is_https: bool
    host: str
    port: int
    authority: str
    path: str


def parse_url(url: str, *, may_be_private: bool, may_be_http: bool) -> Target:
    """Return where a URL leads.

    Raises:
        InvalidInput: It is none that messages may be sent to: no https, a user name or fragment in it, an odd spelling, a private address.

    >>> parse_url("https://hooks.example.com/in?x=1", may_be_private=False, may_be_http=False).path
    '/in?x=1'
    """
    if not _URL.fullmatch(url) or len(url) > URL_CHARACTERS_MAX or "\\" in url:
        raise InvalidInput(f"{url[:80]!r}: a webhook's URL is up to {URL_CHARACTERS_MAX} printable ASCII characters without backslashes")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidInput(f"{url[:80]!r} is no URL: {error}") from None
    _check_parts(parts, url, may_be_http)
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    _check_host(host, url, may_be_private)
    is_https = parts.scheme == "https"
    number = port if port is not None else 443 if is_https else 80
    if not number:
        raise InvalidInput(f"{url[:80]!r}: there is no port 0")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(is_https, host, number, shown if port is None else f"{shown}:{number}", path)


def _check_parts(parts: SplitResult, url: str, may_be_http: bool) -> None:
    if parts.scheme not in {"https", "http"}:
        raise InvalidInput(f"{url[:80]!r}: a webhook's URL begins with https://")
    if parts.scheme == "http" and not may_be_http:
        raise InvalidInput(f"{url[:80]!r}: messages go by https; `--allow-http` lets this one go without")
    if "@" in parts.netloc or "#" in url:
        raise InvalidInput(f"{url[:80]!r}: a webhook's URL has no user name, password or fragment; its messages are signed instead")


def _check_host(host: str, url: str, may_be_private: bool) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # 0177.1, 2130706433 and 0x7f000001 are names to no resolver: each is an address in disguise
        if not _HOST.fullmatch(host) or len(host) > 253 or _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
            raise InvalidInput(f"{url[:80]!r}: {host[:80]!r} is neither a host's name nor an IP address in its usual form") from None
        return
    why = judge_address(address, may_be_private=may_be_private)
    if why:
        raise InvalidInput(f"{url[:80]!r}: {why}")


def judge_address(address: Address, *, may_be_private: bool) -> str:
    """Return why no message may be sent to an address; "" if it may.

    Private and loopback addresses are for webhooks that were allowed to have them. Link-local ones (where clouds keep their metadata),
    multicast, unspecified and reserved ones are for none. An address inside another one (IPv4 in IPv6) is judged as what it leads to.

    >>> judge_address(ipaddress.ip_address("::ffff:127.0.0.1"), may_be_private=False)
    '127.0.0.1 is an address of this machine or of a private network; `--allow-private` lets a webhook have one'
    >>> judge_address(ipaddress.ip_address("1.1.1.1"), may_be_private=False)
    ''
    """
    address = _unwrap(address)
    if _is_nobodys(address):
        return f"{address} is an address that no webhook may have"
    if address.is_global and (address.version == 4 or address in _UNICAST):
        return ""
    if not (address.is_private or address.is_loopback or _is_shared(address)):
        return f"{address} is an address that no webhook may have"
    return "" if may_be_private else (
        f"{address} is an address of this machine or of a private network; `--allow-private` lets a webhook have one"
    )  # fmt: skip


def _unwrap(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else address


def _is_nobodys(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (address.sixtofour or address.teredo or address.scope_id):
        return True
    if address.is_loopback:  # ::1 counts as reserved, too
        return False
    return (
        address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved or address in _METADATA
        or (address.version == 4 and int(address) >> 24 == 0)
    )  # fmt: skip


def _is_shared(address: Address) -> bool:
    return address.version == 4 and address in ipaddress.ip_network("100.64.0.0/10")
