"""What is refused before a route answers: a page for a browser, a problem document or MLflow's error for a program."""

import json
from dataclasses import replace

import pytest

from asgi import Client, open_app
from incumbent.base.errors import Unavailable
from incumbent.server.errors import HttpProblem
from incumbent.server.refusals import refuse
from logins import open_people, set_password

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FORM = {"content-type": "application/x-www-form-urlencoded"}
LARGE = {**FORM, "content-length": str(9 << 20)}


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    ws = open_people(tmp_path_factory.mktemp("refusals"))
    for person in ("dev", "none"):
        set_password(ws, person)
    yield ws
    ws.store.close()


@pytest.fixture(scope="module")
def app(ws):
    app = open_app(ws)
    yield app
    app.close()


def ask(app, method, path, headers=(), *, person="", accept=BROWSER):
    client = Client(app)
    if person:
        client.log_in(person)
    return client.ask(method, path, headers={"accept": accept, **dict(headers)})


@pytest.mark.parametrize(
    ("status", "method", "path", "headers", "person", "says", "link"),
    [
        (401, "GET", "/runs", {"authorization": "Bearer nobody"}, "", "Unauthorized", 'href="/log-in"'),
        (403, "GET", "/metrics", {}, "none", "Forbidden", 'href="/runs"'),
        (403, "POST", "/password", FORM, "dev", "load the page again", 'href="/password">Back to the form'),
        (404, "GET", "/nowhere%3Cb%3E", {}, "dev", "/nowhere%3Cb%3E", 'href="/"'),
        (405, "DELETE", "/runs", {}, "dev", "DELETE is not known at this path; it takes GET, HEAD", 'href="/runs"'),
        (413, "POST", "/log-in", LARGE, "", "over the limit of", 'href="/log-in">Back to the form'),
        (415, "POST", "/log-in", {"content-type": "text/plain"}, "", "must be application/x-www-form-urlencoded", 'href="/log-in">Back'),
    ],
)
def test_a_browser_gets_a_page_with_a_way_back_and_a_program_a_problem_document(app, status, method, path, headers, person, says, link):
    answer = ask(app, method, path, headers, person=person)
    assert (answer.status, answer.get("content-type")) == (status, "text/html; charset=utf-8")
    assert says in answer.text
    assert link in answer.text
    assert '<link rel="stylesheet" href="/home.css">' in answer.text
    assert "script-src 'self'" in answer.get("content-security-policy")
    told = ask(app, method, path, headers, person=person, accept="*/*")
    assert (told.status, told.get("content-type")) == (status, "application/problem+json")
    assert json.loads(told.body)["status"] == status
    for header in ("allow", "www-authenticate", "connection"):
        assert answer.get(header) == told.get(header)


@pytest.mark.parametrize("path", ["/api/v1/nowhere", "/v2/nowhere", "/api"])
def test_where_programs_ask_an_answer_has_one_shape_whatever_they_accept(app, path):
    assert ask(app, "GET", path, person="dev").get("content-type") == "application/problem+json"


def test_mlflows_routes_keep_mlflows_shape(app):
    answer = ask(app, "GET", "/api/2.0/mlflow/nowhere", person="dev")
    assert (answer.status, json.loads(answer.body)["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


def test_a_page_says_how_long_to_wait():
    scope = {"method": "GET", "headers": [(b"accept", BROWSER.encode())]}
    shown = refuse(scope, b"/log-in/provider", HttpProblem(429, "wait for 7 s", {"retry-after": "7"}))
    assert (shown.status, shown.media_type, shown.headers["retry-after"]) == (429, "text/html; charset=utf-8", "7")
    assert b"wait for 7 s" in shown.body


@pytest.mark.parametrize(
    ("fault", "status", "says"),
    [
        (RuntimeError("/srv/secret"), 500, "the server failed at this request; its log says why"),
        (Unavailable("/srv/secret is held"), 503, "Send the request again after a while."),
    ],
)
def test_a_fault_of_ours_is_a_page_without_what_is_inside(ws, fault, status, says):
    class Broken:
        def now(self):
            raise fault

    app = open_app(replace(ws, clock=Broken()))
    answer = ask(app, "GET", "/runs")
    assert (answer.status, answer.get("content-type")) == (status, "text/html; charset=utf-8")
    assert says in answer.text
    assert "/srv" not in answer.text
    app.close()


def test_a_page_of_a_refusal_says_single_user_mode_too(ws):
    app = open_app(ws, single_user="always")
    assert "Single-user mode" in ask(app, "GET", "/nowhere").text
    app.close()
