"""The header Idempotency-Key: done once, also when the answer was lost, the server stopped, or two ask at once."""

import json
from dataclasses import replace

import pytest

from asgi import Client, open_app
from incumbent.base.errors import Unavailable
from incumbent.server.access import Door
from incumbent.server.api import repeating
from incumbent.server.errors import HttpProblem
from incumbent.server.messages import Request, Response, Server
from incumbent.usecases.tokens import new_token
from logins import CHEAP, MovedClock, as_person, open_empty, open_people

JSON = {"content-type": "application/json"}


def open_world(folder):
    clock = MovedClock()
    return open_empty(folder, clock), clock


@pytest.fixture
def world(tmp_path):
    ws, clock = open_world(tmp_path)
    app = open_app(ws)
    yield Client(app, dict(JSON)), clock
    app.close()
    ws.store.close()


def begin(client, key, experiment="e", **headers):
    return client.post("/api/v1/runs", body=json.dumps({"experiment": experiment}).encode(), headers={"idempotency-key": key, **headers})


def count(client):
    return len(json.loads(client.get("/api/v1/runs").body)["items"])


def test_the_same_request_is_done_once_and_answered_alike_also_by_the_next_server(tmp_path):
    ws, clock = open_world(tmp_path)
    app = open_app(ws)
    client = Client(app, dict(JSON))
    first, second = begin(client, "k"), begin(client, "k")
    assert (first.status, first.get("idempotency-replayed")) == (201, None)
    assert (second.status, second.body, second.get("content-type")) == (201, first.body, "application/json")
    assert second.get("idempotency-replayed") == "true"
    assert count(client) == 1
    app.close()
    ws.store.close()
    ws = replace(open_empty(tmp_path), clock=clock)
    app = open_app(ws)
    client = Client(app, dict(JSON))
    assert begin(client, "k").body == first.body
    clock.move(hours=23)
    assert begin(client, "k").body == first.body
    clock.move(hours=2)
    assert begin(client, "k").body != first.body
    assert count(client) == 2
    app.close()
    ws.store.close()


def test_a_key_belongs_to_one_request(world):
    client, _ = world
    run = json.loads(begin(client, "k").body)["run_id"]
    for other in (begin(client, "k", "f"), client.post("/api/v1/runs?", body=b'{"experiment": "e" }', headers={"idempotency-key": "k"})):
        problem = json.loads(other.body)
        assert (other.status, problem["type"]) == (422, "/api/v1/problems/key-of-another-request")
    other = client.post(f"/api/v1/runs/{run}/notes", body=b'{"text":"a"}', headers={"idempotency-key": "k"})
    assert other.status == 422
    assert count(client) == 1


def test_a_refusal_is_an_answer_that_is_kept_and_a_body_that_cannot_be_read_uses_no_key(world):
    client, _ = world
    missing = client.post("/api/v1/runs/run-nothing/notes", body=b'{"text":"a"}', headers={"idempotency-key": "k"})
    again = client.post("/api/v1/runs/run-nothing/notes", body=b'{"text":"a"}', headers={"idempotency-key": "k"})
    assert (missing.status, again.status, again.body, again.get("content-type")) == (404, 404, missing.body, "application/problem+json")
    assert client.post("/api/v1/runs", body=b"{", headers={"idempotency-key": "l"}).status == 400
    assert begin(client, "l").status == 201


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "k\u00e9", "\x7f"])
def test_what_is_no_key_is_refused_before_anything_is_done(world, key):
    client, _ = world
    assert begin(client, key).status == 400
    assert count(client) == 0


def test_a_key_on_a_request_that_only_reads_changes_nothing(world):
    client, _ = world
    assert client.get("/api/v1/runs", headers={"idempotency-key": "k"}).status == 200
    assert begin(client, "k").status == 201


def test_two_people_may_use_one_key(tmp_path):
    ws = open_people(tmp_path)
    app = open_app(ws)
    clients = [
        Client(app, {**JSON, "authorization": f"Bearer {new_token(as_person(ws, name), name='t').secret}"}) for name in ("dev", "ops")
    ]  # fmt: skip
    first, second = (begin(client, "k") for client in clients)
    assert (first.status, second.status, first.body == second.body) == (201, 201, False)
    app.close()
    ws.store.close()


class Gone:
    """The `Processes` port: the process that did it is no more."""

    def own_name(self):
        return "host/boot/1/1"

    def is_gone(self, name):
        return True


@pytest.fixture
def server(tmp_path):
    ws, _ = open_world(tmp_path)
    server = Server(ws, None, Door("always", passwords=CHEAP))
    yield server
    server.writer.close()
    ws.store.close()


def once(server, do, *, is_kept=True):
    request = Request("POST", {}, "", {}, b"body")
    return repeating.answer_once(server, request, "operation", "k", do, is_kept=is_kept)


def done():
    return Response(200, b"{}")


def test_the_same_request_at_the_same_time_is_told_to_come_back(server):
    def do():
        with pytest.raises(HttpProblem) as told:
            once(server, done)
        assert (told.value.status, told.value.headers) == (409, {"retry-after": "1"})
        return done()

    assert once(server, do).status == 200
    assert once(server, do).headers["idempotency-replayed"] == "true"


def test_after_a_server_stopped_in_the_middle_nobody_claims_to_know_and_nothing_is_done_again(server):
    class Killed(BaseException):
        pass

    def do():
        stopped = replace(server, ws=replace(server.ws, processes=Gone()))
        with pytest.raises(HttpProblem, match="not known whether it was done") as told:
            once(stopped, done)
        assert told.value.status == 409
        raise Killed

    with pytest.raises(Killed):
        once(server, do)
    assert once(server, done).status == 200, "an error that the server itself saw leaves the key free"


@pytest.mark.parametrize("status", [409, 500, 503])
def test_a_fault_and_a_lost_race_leave_the_key_free(server, status):
    assert once(server, lambda: Response(status, b"")).status == status
    assert once(server, done).status == 200


def test_an_error_that_nobody_foresaw_leaves_the_key_free(server):
    def fail():
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        once(server, fail)
    assert once(server, done).status == 200


def test_an_answer_with_a_secret_is_not_kept_but_the_request_is_still_done_once(server):
    assert once(server, lambda: Response(201, b"secret"), is_kept=False).body == b"secret"
    with server.ws.store.begin(read_only=True) as tx:
        assert tx.repeats.find("", "k").body == b""
    with pytest.raises(HttpProblem, match="shown once"):
        once(server, done, is_kept=False)
