"""Every route, asked by nobody and by one person of each role. The table is made by hand from docs/reference/rights.md."""

from dataclasses import replace

import pytest

from asgi import Client, open_app
from incumbent.base.errors import InvalidInput
from incumbent.governance.acts import ACTS
from incumbent.server.routes import ROUTES, Route
from incumbent.usecases.tokens import new_token
from logins import ROLES, SERVICE, as_person, open_people

EVERYBODY = {"ann", "dev", "val", "app", "ops", "aud", SERVICE}
WORKERS = {"dev", "val", "app", "ops", SERVICE}
OPEN = EVERYBODY | {"none", "nobody"}
BY_SESSION_ALONE: set[str] = set()
"""Nobody gets there with a token; test_auth_pages asks with sessions."""

TABLE = {
    "GET /": EVERYBODY,
    "POST /": WORKERS,
    "GET /home.css": OPEN,
    "GET /pages.js": OPEN,
    "GET /runs": EVERYBODY,
    "GET /runs/compare": EVERYBODY,
    "GET /runs/{run}": EVERYBODY,
    "GET /pipelines": EVERYBODY,
    "GET /pipelines/{pipeline}": EVERYBODY,
    "GET /models": EVERYBODY,
    "GET /models/{model}": EVERYBODY,
    "GET /models/{model}/{number}": EVERYBODY,
    "GET /slots/{slot}": EVERYBODY,
    "GET /ledger": EVERYBODY,
    "GET /ledger/{seq}": EVERYBODY,
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
    "GET /metrics": EVERYBODY,
    "GET /v2": OPEN,
    "GET /v2/health/live": OPEN,
    "GET /v2/health/ready": OPEN,
    "GET /v2/models/{slot}": EVERYBODY,
    "GET /v2/models/{slot}/ready": EVERYBODY,
    "POST /slots/{slot}/invocations": WORKERS,
    "POST /v2/models/{slot}/infer": WORKERS,
    "GET /v2/models/{slot}/versions/{version}": EVERYBODY,
    "GET /v2/models/{slot}/versions/{version}/ready": EVERYBODY,
    "POST /v2/models/{slot}/versions/{version}/infer": WORKERS,
    "GET /log-in": OPEN,
    "POST /log-in": OPEN,
    "GET /access.css": OPEN,
    "GET /log-in/provider": OPEN,
    "GET /log-in/callback": OPEN,
    "POST /log-out": BY_SESSION_ALONE,
    "GET /set-up/{secret}": OPEN,
    "POST /set-up/{secret}": OPEN,
    "GET /password": BY_SESSION_ALONE,
    "POST /password": BY_SESSION_ALONE,
}


BY_RIGHT = {
    "public": OPEN, "read": EVERYBODY, "predict": WORKERS, "track": WORKERS, "govern": WORKERS, "session": BY_SESSION_ALONE,
    "webhooks": {"ann"}, "accounts": {"ann"},
}  # fmt: skip
"""Of our API each operation names its right; which it names is judged by tests/unit/server/api. A governed act: who may do it."""


def has_own_line(route):
    return "mlflow" not in route.path and not route.path.startswith("/api/v1/")


def name_of(route):
    return f"{route.method} {route.path}"


def expected(route):
    """Return who may ask for a route, by the table; of MLflow's routes by their words, which MLflow's documentation lists."""
    if has_own_line(route):
        return TABLE[name_of(route)]
    if route.path.startswith("/api/v1/"):
        return BY_RIGHT[route.right] if route.right in BY_RIGHT else actors_of(route.right)
    reads = route.method == "GET" or route.path.rsplit("/", 1)[-1].startswith(("search", "get", "list"))
    return EVERYBODY if reads else WORKERS


def actors_of(act):
    """Return who may ask for an act by a token: by the table of acts. Where it takes a signature, the token alone does nothing."""
    return {person for person, roles in {**ROLES, SERVICE: ["service"]}.items() if ACTS[act].roles & set(roles)}


def leave(_):
    """Go once an answer begins: that of events never ends."""
    return False


def path_of(route):
    parts = [("x" if part.startswith("{") else part) for part in route.path.split("/")]
    return "/".join(parts)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The application, and a token of the widest scope for everybody."""
    ws = open_people(tmp_path_factory.mktemp("every-route"))
    tokens = {person: new_token(as_person(ws, person), name="all", scope=["admin"]).secret for person in ROLES}
    tokens[SERVICE] = new_token(ws, person=SERVICE, name="all", scope=["admin"]).secret
    app = open_app(ws)
    yield app, tokens
    app.close()
    ws.store.close()


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_each_role_gets_what_the_table_says_and_nobody_gets_more(world, route):
    app, tokens = world
    found = {}
    for person in [*tokens, "nobody"]:
        client = Client(app, {"authorization": f"Bearer {tokens[person]}"} if person in tokens else {})
        found[person] = client.ask(route.method, path_of(route), stay=leave).status
    may = expected(route)
    assert {person for person, status in found.items() if status not in {401, 403}} == may, found
    for person, status in found.items():
        if person not in may:
            assert status == (401 if person == "nobody" else 403), (person, status)


def test_the_table_has_every_route_and_no_other():
    assert set(TABLE) == {name_of(route) for route in ROUTES if has_own_line(route)}


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method == "GET"], ids=name_of)
def test_head_needs_what_get_needs(world, route):
    app, tokens = world
    assert Client(app).ask("HEAD", path_of(route)).status == Client(app).get(path_of(route), stay=leave).status
    with_token = Client(app, {"authorization": f"Bearer {tokens['none']}"})
    assert with_token.ask("HEAD", path_of(route)).status == with_token.get(path_of(route), stay=leave).status


@pytest.mark.parametrize("path", ["/nothing", "//", "/v2/models/a/b", "/log-in/", "/LOG-IN", "/api/v1/slots/a/b"])
def test_what_is_no_route_is_not_found_whoever_asks(world, path):
    assert Client(world[0]).get(path).status == 404


@pytest.mark.parametrize("right", ["", "everything", "read ", "PUBLIC", None])
def test_a_route_without_a_right_of_the_table_does_not_start(right):
    with pytest.raises(InvalidInput, match="is no right; a route takes one of"):
        Route("GET", "/x", lambda server, request: None, right)
    with pytest.raises(TypeError):
        Route("GET", "/x", lambda server, request: None)  # type: ignore[call-arg]
    with pytest.raises(InvalidInput):
        replace(ROUTES[0], right="nothing")
