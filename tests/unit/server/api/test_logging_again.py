"""What a run logs over HTTP may be sent again without a key: the same thing is there once, another in its place is told."""

import json

import pytest

from asgi import Client, open_app
from incumbent.base.digest import digest_bytes
from logins import MovedClock, open_empty

AT = "2026-11-25T09:30:00+00:00"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    ws = open_empty(tmp_path_factory.mktemp("again"), MovedClock())
    app = open_app(ws)
    yield Client(app, {"content-type": "application/json"})
    app.close()
    ws.store.close()


@pytest.fixture
def run(client):
    status, found = send(client, "/runs", {"experiment": "e", "script": "fit.py"})
    assert (status, found["facts"]["script"]) == (201, "fit.py")
    return f"/runs/{found['run_id']}"


def send(client, path, value):
    answer = client.post(f"/api/v1{path}", body=json.dumps(value).encode())
    return answer.status, json.loads(answer.body)


def read(client, run):
    return json.loads(client.get(f"/api/v1{run}").body)


def store(client, data):
    digest = digest_bytes(data, "blake3")
    assert client.ask("PUT", f"/api/v1/blobs/{digest}", body=data).status in (200, 201)
    return {"codec": "file", "digest": digest, "size": len(data), "name": ""}


def test_a_note_that_says_when_it_was_written_is_there_once(client, run):
    for _ in range(2):
        status, note = send(client, f"{run}/notes", {"text": "good", "at": AT})
        assert (status, note["at"]) == (201, AT)
    send(client, f"{run}/notes", {"text": "good", "at": "2026-11-25T10:30:01+01:00"})
    send(client, f"{run}/notes", {"text": "good"})
    assert [note["at"] for note in read(client, run)["notes"]][:2] == [AT, "2026-11-25T09:30:01+00:00"]
    assert len(read(client, run)["notes"]) == 3


@pytest.mark.parametrize("at", ["1969-12-31T23:59:59+00:00", "9001-01-01T00:00:00+00:00", "2026-11-25T09:30:00", 7])
def test_a_note_of_no_possible_time_is_refused(client, run, at):
    assert send(client, f"{run}/notes", {"text": "good", "at": at})[0] == 400
    assert read(client, run)["notes"] == []


def test_an_artifact_that_is_sent_again_is_there_once_and_another_of_its_name_is_told_that_it_is_taken(client, run):
    first, second = store(client, b"first"), store(client, b"second")
    for _ in range(2):
        assert send(client, f"{run}/artifacts", {"name": "model", "artifact": first})[0] == 201
    status, problem = send(client, f"{run}/artifacts", {"name": "model", "artifact": second})
    assert (status, problem["type"]) == (409, "/api/v1/problems/conflict")
    assert f"output 'model' of {run.removeprefix('/runs/')} stays {first['digest']}" in problem["detail"]
    assert send(client, f"{run}/artifacts", {"name": "model", "artifact": second, "direction": "input"})[0] == 201
    assert {(one["direction"], one["artifact"]["digest"]) for one in read(client, run)["artifacts"]} == {
        ("output", first["digest"]), ("input", second["digest"]),
    }  # fmt: skip


def test_the_script_is_a_short_text(client):
    for script in ("x" * 251, 7, "a\x00b"):
        assert send(client, "/runs", {"experiment": "e", "script": script})[0] == 400, script
