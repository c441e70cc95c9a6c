"""From the options of `incumbent server` to how it is entered. What would let in too many does not start."""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from incumbent.base.errors import InvalidInput
from incumbent.server.access import LOOPBACK_NAMES, Door
from incumbent.server.messages import Server
from incumbent.usecases.account_ports import IdentityProvider, Passwords
from incumbent.usecases.accounts import make_first_link

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?", re.ASCII)


def make_door(
    *,
    host: str,
    passwords: Passwords,
    public_url: str = "",
    allowed_hosts: Iterable[str] = (),
    is_single_user: bool = False,
    provider: IdentityProvider | None = None,
) -> Door:
    """Return how a server that listens at `host` is entered.

    Args:
        host: Address to listen at.
        passwords: The slow hash.
        public_url: Under which browsers know it.
        allowed_hosts: More names that a Host header may have.
        is_single_user: Take whoever reaches the port for the one who starts it, also where people are registered.
        provider: The company's.

    Raises:
        InvalidInput: It would listen beyond loopback without https before it or in single-user mode; a name or address is none.
    """
    url = _check_url(public_url)
    names = {_check_name(name) for name in allowed_hosts}
    if not is_loopback(host):
        if is_single_user:
            raise InvalidInput(f"--single-user takes whoever reaches the port for you; at --host {host} that is everybody: leave one out")
        if not url.startswith("https://"):
            raise InvalidInput(
                f"--host {host} is beyond this machine, where passwords and tokens must not travel in clear: put a proxy that speaks https "
                "before it, and name the address that people use with --public-url https://…"
            )
    if url:
        names.add(str(urlsplit(url).hostname))
    is_known_elsewhere = bool(names - LOOPBACK_NAMES)
    if is_single_user and is_known_elsewhere:
        raise InvalidInput("--single-user is for this machine alone, and a public URL or allowed host is how others come: leave one out")
    if not is_loopback(host) or is_known_elsewhere:  # behind a proxy on this machine, everybody comes from loopback
        return Door("never", passwords, url, frozenset(names), provider)
    return Door("always" if is_single_user else "while nobody is registered", passwords, url, frozenset(names), provider)


def check_proxy(address: str) -> str:
    """Return the address, or network, of a proxy whose word is taken. Raises InvalidInput when it is none, or everybody's."""
    if not address:
        return ""
    try:
        network = ipaddress.ip_network(address, strict=False)
    except ValueError:
        raise InvalidInput(f"--behind-proxy {address[:200]!r}: expected the address of a proxy, or a network as 10.0.0.0/24") from None
    if network.prefixlen == 0:
        raise InvalidInput("--behind-proxy has everybody in it: then whoever guesses passwords has a fresh address for every guess")
    return address


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address. Raises InvalidInput when it is none."""
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host).is_loopback
    except ValueError:
        raise InvalidInput(f"--host {host!r} is no address to listen at; 127.0.0.1 is this machine alone, 0.0.0.0 every network") from None


def _check_url(text: str) -> str:
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None and (parts.port or 1) > 0
    except ValueError:
        is_good = False
    if not is_good or parts.path not in {"", "/"} or parts.query or parts.fragment or not text.isascii() or not text.isprintable():
        raise InvalidInput(f"public URL {text[:200]!r}: expected https://NAME, or https://NAME:PORT, and no path")
    # Names under .localhost are this machine's (RFC 6761), so what is sent there stays here.
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_NAMES and not str(parts.hostname).endswith(".localhost"):
        raise InvalidInput(f"public URL {text[:200]!r} is plain http: passwords and tokens would travel in clear; it has to be https")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _check_name(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        if _NAME.fullmatch(name) is None:
            raise InvalidInput(f"--allowed-host {name[:200]!r}: expected a name or an address, without a port") from None
    return name.lower()


def describe_entrance(server: Server, address: str) -> list[str]:
    """Return the lines that a server prints when it starts: how it is entered, and on a first start the link to set a password with."""
    door = server.door
    with server.ws.store.begin(read_only=True) as tx:
        is_empty = tx.attempts.people_version() < 0
    if door.single_user == "always" or (door.single_user != "never" and is_empty):
        return [f"single-user mode: whoever reaches this port acts as {server.ws.actor}, without logging in"]
    link = make_first_link(server.ws)
    lines = [f"people log in at {(door.public_url or address).rstrip('/')}/log-in; programs send a token (incumbent tokens new)"]
    if link is not None:
        who = f"set a password for {link.person_id}" if link.person_id else "make the first person, an admin"
        lines.append(f"to {who}, once, until {link.expires_at:%Y-%m-%d %H:%M} UTC: {(door.public_url or address).rstrip('/')}{link.path}")
    return lines
