"""/metrics, read with the parser of Prometheus' own client, after requests whose number and kind the test knows."""

import asyncio
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from asgi import Client, open_app
from incumbent.base.errors import Unavailable
from incumbent.server.messages import Request
from incumbent.server.metrics import get_metrics
from incumbent.server.telemetry import MEDIA_TYPE, Measured
from incumbent.usecases.findings import open_finding
from incumbent.usecases.people import add_person
from incumbent.usecases.tiers import assess_tier
from incumbent.usecases.tokens import new_token
from incumbent.usecases.webhooks import add_webhook
from logins import MovedClock, as_person, open_empty, open_people, set_password
from office import MODEL


def read(answer):
    """Return (name, labels) -> value of everything that was answered."""
    assert (answer.status, answer.get("content-type")) == (200, MEDIA_TYPE)
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def value(found, name, **labels):
    return found[name, tuple(sorted(labels.items()))]


@pytest.fixture(scope="module")
def clock():
    return MovedClock()


@pytest.fixture(scope="module")
def ws(tmp_path_factory, clock):
    """One installation for all: what a test counts is its own application's, or was not there before."""
    ws = open_people(tmp_path_factory.mktemp("telemetry"), clock)
    yield ws
    ws.store.close()


@pytest.fixture
def app(ws):
    app = open_app(ws)
    yield app
    app.close()


@pytest.fixture
def client(ws, app):
    token = new_token(ws, person="bot", name="scraper", scope=["metrics"]).secret
    return Client(Measured(app, app.server.telemetry, app.server.writer), {"authorization": f"Bearer {token}"})


def test_answers_are_counted_by_the_pattern_of_their_route_and_never_by_what_a_caller_makes_up(client):
    open_to_all = Client(client.app)
    for path in ("/healthz", "/healthz", "/nothing-a", "/nothing-b?x=1", "/runs/made-up", "/runs/made-up-2", "/set-up/some-secret"):
        open_to_all.get(path)
    open_to_all.ask("HEAD", "/healthz")
    open_to_all.ask("BREW", "/healthz")
    open_to_all.post("/log-in", form={"name": "nobody", "password": "x"})
    found = read(client.get("/metrics"))
    counted = {key[1]: one for key, one in found.items() if key[0] == "incumbent_http_requests_total"}
    assert {tuple(value for _, value in labels): one for labels, one in counted.items()} == {
        ("GET", "/healthz", "200"): 2, ("HEAD", "/healthz", "200"): 1, ("other", "none", "405"): 1, ("GET", "none", "404"): 2,
        ("GET", "/runs/{run}", "401"): 2, ("GET", "/set-up/{secret}", "404"): 1, ("POST", "/log-in", "401"): 1,
    }  # fmt: skip
    assert "made-up" not in str(found)
    assert value(found, "incumbent_http_request_seconds_count", method="GET", route="/healthz") == 2
    assert value(found, "incumbent_http_request_seconds_bucket", method="GET", route="/healthz", le="+Inf") == 2
    assert value(found, "incumbent_http_requests_in_progress") == 1
    assert value(found, "incumbent_http_request_body_bytes_total") == len("name=nobody&password=x")


def test_bytes_that_were_sent_are_counted(client):
    before = read(client.get("/metrics"))
    body = client.get("/healthz").body
    after = read(client.get("/metrics"))
    name = "incumbent_http_response_body_bytes_total"
    first = client.get("/metrics")
    grown = read(first)
    assert value(before, name) == 0
    assert value(grown, name) > value(after, name) > len(body)


def test_log_ins_that_fail_are_counted_by_their_way(ws, client):
    set_password(ws, "dev")
    browser = Client(client.app)
    for _ in range(2):
        browser.log_in("dev", "not the password")
    browser.log_in("dev")
    Client(client.app, {"authorization": "Bearer inc_" + "x" * 43}).get("/runs")
    Client(client.app, {"cookie": "incumbent-session=" + "x" * 43}).get("/runs")
    Client(client.app).get("/runs")  # who shows nothing has not failed
    found = read(client.get("/metrics"))
    name = "incumbent_log_in_failures_total"
    assert [value(found, name, way=way) for way in ("password", "credential", "provider")] == [2, 2, 0]


def test_the_ledger_the_findings_and_what_is_live_are_told(ws, clock, client):
    assess_tier(as_person(ws, "app"), model=MODEL, exposure="low", purpose="low", inherent="low", reason="for a test")
    open_finding(as_person(ws, "val"), subject=MODEL, title="is wrong")
    with ws.store.begin(read_only=True) as tx:
        entries = tx.ledger.size()
    clock.move(seconds=90)
    found = read(client.get("/metrics"))
    assert value(found, "incumbent_store_readable") == 1
    assert value(found, "incumbent_ledger_entries") == entries
    assert value(found, "incumbent_ledger_checkpoint_age_seconds") == pytest.approx(90)
    assert (value(found, "incumbent_findings_open"), value(found, "incumbent_slots"), value(found, "incumbent_versions_live")) == (1, 0, 0)
    assert ("process_resident_memory_bytes", ()) in found


def test_webhooks_are_told_by_how_they_stand_and_how_far_they_are_behind(ws, client):
    dead, failing, active = (add_webhook(ws, url=f"https://{name}.example/").webhook for name in ("a", "b", "c"))
    with ws.store.begin() as tx:
        tx.webhooks.change(dead, replace(dead, state="dead", failures=10, tried=10))
        tx.webhooks.change(failing, replace(failing, failures=1, tried=1))
        tx.webhooks.change(active, replace(active, cursor=active.cursor + 2, tried=2))
    for person in ("one", "two", "three"):
        add_person(ws, person=person, name="Some Person", roles=[])
    found = read(client.get("/metrics"))
    assert [value(found, "incumbent_webhooks", state=state) for state in ("active", "failing", "dead")] == [1, 1, 1]
    assert value(found, "incumbent_webhook_entries_behind") == 5, "the first: two webhooks and three people came after it"


def test_writes_that_are_committed_together_are_counted(ws, app, client):
    for n in range(3):
        app.server.writer.write(ws.store, lambda tx, n=n: n)
    with pytest.raises(ZeroDivisionError):
        app.server.writer.write(ws.store, lambda tx: 1 // 0)
    found = read(client.get("/metrics"))
    assert value(found, "incumbent_group_commit_writes_sum") == 3
    assert value(found, "incumbent_group_commit_wait_seconds_count") == 3
    assert value(found, "incumbent_group_queue_depth") == 0


def test_a_store_that_is_away_does_not_hide_the_rest(tmp_path):
    class Away:
        def begin(self, **_):
            raise Unavailable("away")

    ws = open_empty(tmp_path)
    app = open_app(replace(ws, store=Away()))
    text = get_metrics(app.server, Request("GET", {}, "", {})).body.decode()
    assert "incumbent_store_readable 0.0" in text
    assert "incumbent_ledger_entries" not in text
    app.close()
    ws.store.close()


def test_the_right_to_the_figures_is_a_scope_of_its_own(ws, client):
    assert client.get("/metrics").status == 200
    assert client.get("/api/v1/slots").status == 403
    reader = new_token(as_person(ws, "dev"), name="reader", scope=["read"]).secret
    assert Client(client.app, {"authorization": f"Bearer {reader}"}).get("/metrics").status == 403
    assert Client(client.app).get("/metrics").status == 401


def test_on_loopback_while_nobody_is_registered_the_figures_are_open(tmp_path):
    ws = open_empty(tmp_path)
    app = open_app(ws)
    try:
        found = read(Client(app).get("/metrics"))
        assert value(found, "incumbent_ledger_entries") == 0
        assert ("incumbent_ledger_checkpoint_age_seconds", ()) not in found  # nothing has an age yet
    finally:
        app.close()
        ws.store.close()


def test_a_request_that_breaks_off_is_no_longer_in_progress(client):
    async def fail(scope, receive, send):
        raise OSError("gone")

    telemetry = client.app._telemetry
    measured = Measured(fail, telemetry, client.app._app.server.writer)
    with pytest.raises(OSError, match="gone"):
        asyncio.run(measured({"type": "http", "method": "GET", "headers": []}, None, None))
    assert value(read(client.get("/metrics")), "incumbent_http_requests_in_progress") == 1
