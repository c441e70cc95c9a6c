import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incumbent.base.errors import Busy, Conflict, Corrupt, IncumbentError, InvalidInput
from incumbent.server.access import Door
from incumbent.server.auth.origin import check_origin
from incumbent.server.errors import STATUS, HttpProblem, find_status
from incumbent.server.routes import ROUTES, find_route

LOCAL = {"host": "127.0.0.1:8765"}
DOOR = Door("while nobody is registered", passwords=None)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_found_by_its_own_path_and_by_no_other_of_the_table(route):
    raw = (
        route.path.replace("{slot}", "a%2Fb")
        .replace("{version}", "1")
        .replace("{subject}", "prediction-x")
        .replace("{secret}", "s")
        .encode()
    )
    found, values = find_route(route.method, raw)
    assert found is route
    assert values.get("slot", "a/b") == "a/b"


_PARTS = [*sorted({part for route in ROUTES for part in route.path.split("/")} - {""}), "x", "1", ""]


def find_plainly(method, segments):
    """Return the first route of the table that fits; one without placeholders is before all others."""
    for route in sorted(ROUTES, key=lambda route: "{" in route.path):
        pattern = route.path.split("/")[1:]
        if pattern[-1].endswith("*}") and len(segments) > len(pattern):
            pattern = [*pattern, *["{rest}"] * (len(segments) - len(pattern))]
        fits = [part == one or part.startswith("{") for part, one in zip(pattern, segments, strict=False)]
        if route.method == method and len(pattern) == len(segments) and all(fits):
            return route
    return None


@settings(deadline=None)
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]),
    st.one_of(
        st.sampled_from(ROUTES).map(lambda route: route.path.split("/")[1:]).flatmap(
            lambda parts: st.tuples(*[st.sampled_from([part, "x"]) for part in parts], st.sampled_from(["", "x"]))
        ).map(lambda parts: [part for part in parts if part]),
        st.lists(st.sampled_from(_PARTS), min_size=1, max_size=7),
    ),
)  # fmt: skip
def test_a_route_is_found_as_if_the_table_were_read_line_by_line(method, segments):
    wanted = find_plainly(method, segments)
    try:
        found = find_route(method, "/".join(["", *segments]).encode())[0]
    except HttpProblem:
        found = None
    assert found is wanted


def test_head_goes_where_get_goes_and_other_methods_are_told_what_is_allowed():
    assert find_route("HEAD", b"/v2")[0].method == "GET"
    with pytest.raises(HttpProblem) as refused:
        find_route("DELETE", b"/")
    assert (refused.value.status, refused.value.headers) == (405, {"allow": "GET, HEAD, POST"})


@pytest.mark.parametrize("path", [b"/v2/", b"//v2", b"/V2", b"/v2/models/a/b/infer", b"/..", b"/api/v1/slots/a/b", b"/%2e%2e/healthz", b""])
def test_paths_outside_of_the_table_are_not_found(path):
    with pytest.raises(HttpProblem) as refused:
        find_route("GET", path)
    assert refused.value.status == 404


def test_an_address_that_is_not_utf8_is_invalid():
    with pytest.raises(InvalidInput, match="not UTF-8"):
        find_route("GET", b"/v2/models/%ff")


@pytest.mark.parametrize(
    "host", ["", "evil.example", "127.0.0.1.evil.example", "evil.example:8765", "[::1", "0.0.0.0", "localhost.", "user@evil"]
)
def test_a_host_that_is_not_loopback_is_refused(host):
    with pytest.raises(HttpProblem) as refused:
        check_origin(DOOR, "GET", {"host": host})
    assert refused.value.status == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LOCALHOST:8765", "[::1]:8765"])
def test_loopback_names_are_served(host):
    check_origin(DOOR, "GET", {"host": host})


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "https://127.0.0.1:8765"}, {"sec-fetch-site": "cross-site"}],
)
def test_a_writing_request_from_another_site_is_refused_and_reading_is_not(headers):
    check_origin(DOOR, "GET", LOCAL | headers)
    with pytest.raises(HttpProblem) as refused:
        check_origin(DOOR, "POST", LOCAL | headers)
    assert refused.value.status == 403
    check_origin(DOOR, "POST", LOCAL | {"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"})


def test_every_error_class_has_a_status_and_a_subclass_that_of_its_parent():
    assert set(STATUS) == {*IncumbentError.__subclasses__(), Busy}

    class Torn(Corrupt):
        pass

    assert (find_status(Torn()), find_status(Conflict())) == (500, 409)
