"""Bodies that nobody means well, sent to every route that reads one: refused with a reason in the route's shape, and nothing changed."""

import json

import pytest

from asgi import Client, open_app
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.server.routes import ROUTES
from incumbent.usecases.log_run import search_runs

DEEP = 100_000
BODIES = {
    "arrays too deep": b"[" * DEEP + b"]" * DEEP,
    "objects too deep": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep in a field": b'{"tags":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "NaN": b'{"value": NaN}',
    "an infinity": b'{"value": -Infinity}',
    "a number beyond doubles": b'{"value": 1e999}',
    "an integer of 10,000 digits": b'{"value": ' + b"9" * 10_000 + b"}",
    "a key twice": b'{"name": "a", "name": "b"}',
    "a key twice, further in": b'{"tags": [{"key": "a", "key": "b", "value": "c"}]}',
    "a key twice, once escaped": b'{"name": "a", "n\\u0061me": "b"}',
    "bytes that are no UTF-8": b'{"name": "\xff\xfe"}',
    "half of a surrogate pair": b'{"name": "\\ud800"}',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "the end is missing": b'{"name": "a',
    "more after the end": b'{"name": "a"} {"name": "b"}',
    "no object": b'["name"]',
    "XML": b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>",
}
UNREAD = {"/log-out", *(f"/api/2.0/mlflow-artifacts/mpu/{act}/{{path*}}" for act in ("create", "complete", "abort"))}
READERS = [route for route in ROUTES if route.method != "GET" and route.body == "whole" and route.path not in UNREAD]


def state_of(ws):
    """What the store holds of all that these routes could have made."""
    with ws.store.begin(read_only=True) as tx:
        return tx.ledger.size(), len(search_runs(ws))


def path_of(route):
    return "/".join("1" if part.startswith("{") else part for part in route.path.split("/"))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A workspace of one person, who may do everything: no route refuses before it has read."""
    folder = tmp_path_factory.mktemp("hostile-bodies")
    ws = open_workspace(read_settings(folder, {"INCUMBENT_KEYS": str(folder / "keys")}))
    app = open_app(ws, single_user="always")
    yield ws, Client(app)
    app.close()
    ws.store.close()


IGNORED = {"a number beyond doubles", "half of a surrogate pair"}
NEED_NOTHING = {f"/api/2.0/mlflow/{name}" for name in ("runs/create", "runs/search", "experiments/search", "logged-models/search")}
"""Routes of MLflow's that need no field, and read past those that they do not know: what is well formed and harmless there is no error."""


@pytest.mark.parametrize("name", BODIES)
def test_every_route_that_reads_a_body_refuses_it_and_does_nothing(world, name):
    ws, client = world
    before = state_of(ws)
    wrong = {}
    for route in READERS:
        if name in IGNORED and route.path in NEED_NOTHING:
            continue
        answer = client.ask(route.method, path_of(route), body=BODIES[name], headers={"content-type": "application/json"})
        shaped = json.loads(answer.body) if answer.body[:1] == b"{" else {}
        told = shaped.get("message" if "mlflow" in route.path else "detail", "")
        if not 400 <= answer.status < 500 or not told:
            wrong[f"{route.method} {route.path}"] = (answer.status, answer.text[:160])
    assert wrong == {}
    assert state_of(ws) == before


@pytest.mark.parametrize(("size", "status"), [(7_000_000, 400), (10_000_000, 413)])
def test_a_tag_of_megabytes_is_refused_and_nothing_of_it_kept(world, size, status):
    ws, client = world
    run = json.loads(ask(client, "POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"}).body)["run"]["info"]["run_id"]
    for path, body in (
        ("/api/2.0/mlflow/runs/set-tag", {"run_id": run, "key": "k"}),
        ("/api/2.0/mlflow/experiments/set-experiment-tag", {"experiment_id": "0", "key": "k"}),
        ("/api/2.0/mlflow/runs/log-parameter", {"run_id": run, "key": "k"}),
    ):
        assert ask(client, "POST", path, {**body, "value": "x" * size}).status == status, path
    tags = {"tags": {"k": "x" * size}}
    assert ask(client, "POST", "/api/v1/runs", {"experiment": "e", **tags}).status == status
    assert ask(client, "POST", f"/api/v1/runs/{run}/settings", tags).status == status
    with ws.store.begin(read_only=True) as tx:
        assert "k" not in tx.runs.get(run).tags


def ask(client, method, path, body):
    return client.ask(method, path, body=json.dumps(body).encode(), headers={"content-type": "application/json"})
