"""The stream of events: what is told, from where, to whom, and when it ends. Read as the HTML standard says that it is to be read."""

import json

import pytest

from asgi import Client, open_app
from incumbent.server import events, feeds
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.recording import governed, record_act
from incumbent.usecases.tokens import new_token, revoke_token
from logins import MovedClock, as_person, open_empty, open_people, set_password

PATH = "/api/v1/events"


def parse(stream: bytes):
    """Return (id, event, data) of each event, as the standard's section 9.2.6 has it; comments and `retry` are left out."""
    found, last = [], ""
    for block in stream.decode().split("\n\n"):
        fields = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            if name:
                fields[name] = fields.get(name, "") + value.removeprefix(" ")
        last = fields.get("id", last)
        if "data" in fields:
            found.append((last, fields["event"], json.loads(fields["data"])))
    return found


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(events, "PAUSE_S", 0.001)
    monkeypatch.setattr(feeds, "RUNS_EVERY_S", 0.0)


@pytest.fixture
def ws(tmp_path):
    ws = open_empty(tmp_path)
    act(ws, "note")
    yield ws
    ws.store.close()


@pytest.fixture
def client(ws):
    app = open_app(ws)
    yield Client(app)
    app.close()


def act(ws, *acts):
    for name in acts:
        with governed(ws) as tx:
            record_act(ws, tx, act=name, kind="placement", object_id="m/eu m@1", after="Production")


def watch(client, *steps, until, last=None):
    """Open a stream; take one step after each piece, and leave once `until` holds of all that has come."""
    left = list(steps)

    def stay(got):
        if left:
            left.pop(0)()
            return True
        return not until(parse(got))

    return client.get(PATH, headers={} if last is None else {"last-event-id": last}, stay=stay)


def names(found):
    return [event for _, event, _ in found]


def test_what_happens_is_told_from_now_on_each_under_its_number(ws, client):
    answer = watch(client, lambda: None, lambda: act(ws, "promote", "open-finding"), until=lambda found: len(found) == 2)
    assert (answer.status, answer.get("content-type"), answer.get("cache-control")) == (200, "text/event-stream; charset=utf-8", "no-store")
    assert answer.get("content-length") is None
    assert answer.text.startswith("retry: 3000\n\n")
    found = parse(answer.body)
    assert [(number, event) for number, event, _ in found] == [("2", "slot.changed"), ("3", "finding.opened")]
    told = found[0][2]
    assert (told["specversion"], told["type"], told["data"]["entry"], told["data"]["to"]) == (
        "1.0",
        "incumbent.slot.changed",
        2,
        "Production",
    )


def test_whoever_comes_back_gets_what_they_missed(ws, client, monkeypatch):
    monkeypatch.setattr(events, "ENTRIES_MAX", 2)
    act(ws, "promote", "note", "archive", "note", "register")
    found = parse(watch(client, until=lambda found: len(found) == 5, last="1").body)
    assert [(number, event) for number, event, _ in found] == [
        ("2", "slot.changed"), ("3", "ledger.entry"), ("4", "slot.changed"), ("5", "ledger.entry"), ("6", "version.registered"),
    ]  # fmt: skip


def test_an_id_beyond_the_ledgers_end_begins_at_its_end(ws, client):
    found = parse(watch(client, lambda: None, lambda: act(ws, "promote"), until=bool, last="999999999999999").body)
    assert [number for number, _, _ in found] == ["2"]


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 16, "٣"])
def test_an_id_that_is_none_is_refused(client, last):
    answer = client.get(PATH, headers=[("last-event-id", last)] if last.isascii() else [("last-event-id", last.encode().decode("latin-1"))])
    assert answer.status == 400
    assert "Last-Event-ID is the number" in answer.text


def test_runs_are_told_when_they_begin_go_on_and_end(ws, client):
    run = []

    def begin():
        run.append(begin_run(ws, experiment="credit", name="one"))

    def log():
        run[0].log_metric("auc", 0.75, step=3)
        run[0].log_metric("loss", float("nan"))
        run[0].flush()

    def end():
        run[0].finish()

    found = parse(watch(client, lambda: None, begin, log, end, until=lambda found: "run.finished" in names(found)).body)
    assert names(found) == ["run.started", "run.progress", "run.finished"]
    first, second, third = (data for _, _, data in found)
    assert first == {"run": run[0].id, "name": "one", "experiment": "credit", "state": "running", "metrics": {}}
    assert second["metrics"] == third["metrics"] == {"auc": {"value": 0.75, "step": 3}, "loss": {"value": None, "step": 0}}
    assert third["state"] == "finished"


def test_whoever_comes_back_is_told_how_runs_stand_now(ws, client):
    with begin_run(ws, experiment="credit"):
        pass
    assert parse(watch(client, lambda: None, lambda: act(ws, "note"), until=bool).body)[0][1] == "ledger.entry"  # it was so when they came
    found = parse(watch(client, until=bool, last="2").body)
    assert (names(found), found[0][2]["state"]) == (["run.finished"], "finished")


def test_silence_is_broken_by_comments_so_that_proxies_hold_the_connection(client, monkeypatch):
    monkeypatch.setattr(events, "HEARTBEAT_LOOKS", 3)
    seen = []
    answer = client.get(PATH, stay=lambda got: seen.append(got) or got.count(b":\n\n") < 2)
    assert answer.body == b"retry: 3000\n\n:\n\n:\n\n"


def test_a_token_that_is_revoked_ends_its_stream(tmp_path):
    ws = open_people(tmp_path)
    app = open_app(ws)
    made = new_token(as_person(ws, "aud"), name="watches", scope=["read"])
    client = Client(app, {"authorization": f"Bearer {made.secret}"})
    steps = [lambda: None, lambda: revoke_token(ws, token=made.token.token_id)]

    def stay(_):
        if steps:
            steps.pop(0)()
        return True

    answer = client.get(PATH, stay=stay)
    assert answer.is_complete
    assert client.get(PATH).status == 401
    app.close()
    ws.store.close()


def test_watching_is_no_use_of_a_session_which_ends_when_nobody_has_used_it_for_two_hours(tmp_path, monkeypatch):
    clock = MovedClock()
    ws = open_people(tmp_path, clock)
    set_password(ws, "dev")
    app = open_app(ws)
    browser = Client(app)
    browser.log_in("dev")
    looks = []

    def stay(_):
        looks.append(clock.move(minutes=7))
        return True

    monkeypatch.setattr(events, "HEARTBEAT_LOOKS", 1)  # so that there is something to see at each look
    answer = browser.get(PATH, stay=stay)
    assert answer.is_complete
    assert 17 <= len(looks) <= 19  # head, pieces, end: about 120 minutes / 7
    assert browser.get("/api/v1/slots").status == 401
    app.close()
    ws.store.close()


def test_there_are_places_for_so_many_streams_and_they_are_given_back(client, monkeypatch):
    monkeypatch.setattr(feeds, "FEEDS_EACH_MAX", 1)
    inner = []
    answer = client.get(PATH, stay=lambda _: inner.append(client_of(client).get(PATH, stay=lambda _: False)) or False)
    assert (answer.status, inner[0].status, inner[0].get("retry-after")) == (200, 429, "30")
    assert client.ask("HEAD", PATH).status == 200
    assert client.get(PATH, stay=lambda _: False).status == 200
    held = client.app.server.feeds
    monkeypatch.setattr(feeds, "FEEDS_MAX", 2)
    held.take_place("a")
    held.take_place("b")
    assert client.get(PATH, stay=lambda _: False).status == 503
    held.leave_place("a")
    assert client.get(PATH, stay=lambda _: False).status == 200


def client_of(client):
    """Return a client that can ask while another one's loop runs: in a thread of its own."""
    import threading

    class InThread:
        def get(self, *given, **named):
            found = []
            thread = threading.Thread(target=lambda: found.append(client.get(*given, **named)))
            thread.start()
            thread.join()
            return found[0]

    return InThread()


def test_the_servers_end_ends_every_stream(client):
    answer = client.get(PATH, stay=lambda _: client.app.end_streams() or True)
    assert answer.is_complete
