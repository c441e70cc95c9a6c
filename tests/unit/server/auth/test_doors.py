"""From options to a door: when single-user mode is on, and what does not start."""

import pytest

from incumbent.base.errors import InvalidInput
from incumbent.server.auth.doors import check_proxy, make_door
from logins import CHEAP

AUTO, HTTPS = "while nobody is registered", "https://inc.example"


@pytest.mark.parametrize(
    ("options", "single_user", "hosts"),
    [
        ({"host": "127.0.0.1"}, AUTO, set()),
        ({"host": "localhost"}, AUTO, set()),
        ({"host": "::1"}, AUTO, set()),
        ({"host": "127.0.0.1", "is_single_user": True}, "always", set()),
        ({"host": "127.0.0.1", "public_url": "http://localhost:8765"}, AUTO, {"localhost"}),
        ({"host": "127.0.0.1", "public_url": HTTPS}, "never", {"inc.example"}),
        ({"host": "127.0.0.1", "allowed_hosts": ["inc.example"]}, "never", {"inc.example"}),
        ({"host": "0.0.0.0", "public_url": HTTPS}, "never", {"inc.example"}),
        ({"host": "::", "public_url": "https://INC.example:8443", "allowed_hosts": ["10.0.0.7", "[fe80::1]"]}, "never",
         {"inc.example", "10.0.0.7", "fe80::1"}),
    ],
)  # fmt: skip
def test_single_user_mode_is_on_where_nobody_else_can_come(options, single_user, hosts):
    door = make_door(passwords=CHEAP, **options)
    assert (door.single_user, door.hosts) == (single_user, hosts)


@pytest.mark.parametrize(
    "options",
    [
        {"host": "0.0.0.0"},
        {"host": "0.0.0.0", "allowed_hosts": ["inc.example"]},
        {"host": "192.0.2.1", "public_url": "http://inc.example"},
        {"host": "0.0.0.0", "public_url": "http://localhost"},
        {"host": "0.0.0.0", "public_url": HTTPS, "is_single_user": True},
        {"host": "127.0.0.1", "public_url": HTTPS, "is_single_user": True},
        {"host": "127.0.0.1", "allowed_hosts": ["inc.example"], "is_single_user": True},
        {"host": "inc.example"},
        {"host": ""},
        {"host": "127.0.0.1", "public_url": "https://"},
        {"host": "127.0.0.1", "public_url": "https://inc.example:port"},
        {"host": "127.0.0.1", "public_url": "https://inc.example\n"},
        {"host": "127.0.0.1", "allowed_hosts": [""]},
        {"host": "127.0.0.1", "allowed_hosts": ["*"]},
        {"host": "127.0.0.1", "allowed_hosts": ["*.example"]},
    ],
)
def test_what_would_let_in_too_many_is_refused(options):
    with pytest.raises(InvalidInput):
        make_door(passwords=CHEAP, **options)


def test_a_proxy_is_an_address_and_never_everybody():
    assert [check_proxy(text) for text in ("", "127.0.0.1", "10.0.0.0/24", "fe80::1")] == ["", "127.0.0.1", "10.0.0.0/24", "fe80::1"]
    for text in ("*", "0.0.0.0/0", "::/0", "proxy.example", "10.0.0.0/33"):
        with pytest.raises(InvalidInput, match="--behind-proxy"):
            check_proxy(text)
