"""Where a browser may be sent to, and what may stand in a header: held to what browsers and the standard library make of it."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from incumbent.server.access import Door
from incumbent.server.auth.cookies import SESSION, read_cookie
from incumbent.server.auth.onward import safe_onward
from incumbent.server.auth.origin import check_origin
from incumbent.server.errors import HttpProblem
from logins import CHEAP

HOSTILE = st.text(st.sampled_from("/\\\t\r\n @:.?#%ahtps;=\x00\u2028é"), max_size=30)
DOOR = Door("never", CHEAP, "https://inc.example", frozenset({"inc.example"}))


@given(HOSTILE | st.text(max_size=50))
@example("/%5c%5cevil.example")
@example("/.//evil.example")
@example("/\t/evil.example")
def test_wherever_a_browser_is_sent_it_stays_on_this_server(text):
    onward = safe_onward(text)
    for base in ("https://inc.example/log-in", "http://127.0.0.1:8765/"):
        landed = urlsplit(urljoin(base, onward.replace("\\", "/")))
        assert (landed.scheme, landed.netloc) == (urlsplit(base).scheme, urlsplit(base).netloc)
    assert onward.isascii()
    assert onward.isprintable()
    assert " " not in onward


@given(HOSTILE | st.text(st.characters(max_codepoint=255), max_size=60))
def test_no_cookie_header_is_a_fault_and_none_gives_more_than_one_value(text):
    value = read_cookie(DOOR, {"cookie": text}, SESSION)
    assert ";" not in value
    assert read_cookie(DOOR, {"cookie": f"{text};__Host-incumbent-session=a"}, SESSION) in {"a", ""}


@given(HOSTILE | st.text(st.characters(max_codepoint=255), max_size=60))
def test_a_host_header_that_names_anybody_else_is_refused_and_none_is_a_fault(host):
    if (urlsplit_name(host) or "") in {"inc.example", "127.0.0.1", "localhost", "::1"}:
        return
    with pytest.raises(HttpProblem, match="which is not this server"):
        check_origin(DOOR, "GET", {"host": host})


def urlsplit_name(host):
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
