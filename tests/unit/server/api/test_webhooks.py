"""Webhooks over HTTP: an admin's, to public addresses alone, with a secret that is shown once."""

import json
from dataclasses import replace

import pytest

from asgi import open_app
from incumbent.server.api import webhooks as api
from incumbent.usecases.tokens import new_token
from incumbent.usecases.webhook_delivery import DELIVERIES_KEPT, deliver, take_due
from incumbent.usecases.webhook_ports import Sent
from incumbent.usecases.webhook_secrets import unseal_secret
from incumbent.usecases.webhooks import add_webhook, list_webhooks
from logins import MovedClock, as_person, open_people
from receivers import open_receiver
from unit.server.api.test_governed import Asker

URL = "https://hooks.example.com/in"


@pytest.fixture
def world(tmp_path):
    ws = open_people(tmp_path, MovedClock())
    app = open_app(ws)
    yield ws, {name: Asker(app, new_token(as_person(ws, name), name="t", scope=["admin"]).secret) for name in ("ann", "dev")}
    app.close()
    ws.store.close()


def test_one_is_added_listed_and_removed_and_its_secret_is_shown_once(world):
    ws, askers = world
    status, made = askers["ann"].post("/webhooks", {"url": URL, "events": ["slot.changed", "version.registered"]})
    assert (status, made["events"], made["made_by"], made["next_entry"]) == (201, ["version.registered", "slot.changed"], "ann", size(ws))
    [known] = list_webhooks(ws)
    assert made["secret"] == unseal_secret(ws, known)
    status, listed = askers["ann"].get("/webhooks")
    assert (status, listed["items"]) == (200, [{name: value for name, value in made.items() if name != "secret"}])
    assert askers["ann"].ask("DELETE", f"/webhooks/{made['id']}")[0] == 200
    assert list_webhooks(ws) == []
    assert askers["ann"].ask("DELETE", f"/webhooks/{made['id']}")[0] == 404


def size(ws):
    with ws.store.begin(read_only=True) as tx:
        return tx.ledger.size()


@pytest.mark.parametrize(
    ("url", "events", "words"),
    [
        ("http://hooks.example.com/in", [], "https"),
        ("https://10.0.0.1/in", [], "private"),
        ("https://user:word@hooks.example.com/in", [], "no user name"),
        (URL, ["nothing"], "is no event"),
    ],
)
def test_what_leads_nowhere_or_into_this_network_is_refused_and_nobody_is_told_anything(world, url, events, words):
    ws, askers = world
    status, problem = askers["ann"].post("/webhooks", {"url": url, "events": events})
    assert (status, list_webhooks(ws)) == (400, [])
    assert words in problem["detail"]


@pytest.mark.parametrize("field", ["may_be_private", "may_be_http", "allow_private"])
def test_nobody_allows_a_private_address_over_http(world, field):
    status, problem = world[1]["ann"].post("/webhooks", {"url": "https://10.0.0.1/in", field: True})
    assert status == 400
    assert "unknown field" in problem["detail"]


def test_only_an_admin_sees_one_and_a_token_for_writing_is_not_enough(world):
    ws, askers = world
    webhook = add_webhook(ws, url=URL).webhook.webhook_id
    write = Asker(askers["ann"]._client.app, new_token(ws, name="w", scope=["write"]).secret)
    for asker in (askers["dev"], write):
        for method, path, body in [
            ("GET", "/webhooks", None), ("POST", "/webhooks", {"url": URL}), ("DELETE", f"/webhooks/{webhook}", None),
            ("POST", f"/webhooks/{webhook}/resume", {}), ("GET", f"/webhooks/{webhook}/deliveries", None),
            ("POST", f"/webhooks/{webhook}/test", None),
        ]:  # fmt: skip
            assert asker.ask(method, path, body)[0] == 403, (method, path)
    assert len(list_webhooks(ws)) == 1


def test_a_repeated_request_adds_one_webhook_and_does_not_show_its_secret_again(world):
    ws, askers = world
    assert askers["ann"].post("/webhooks", {"url": URL}, **{"idempotency-key": "k1"})[0] == 201
    status, problem = askers["ann"].post("/webhooks", {"url": URL}, **{"idempotency-key": "k1"})
    assert (status, len(list_webhooks(ws))) == (409, 1)
    assert "held a secret" in problem["detail"]
    with ws.store.begin(read_only=True) as tx:
        kept = tx.repeats.find("ann", "k1")
    assert kept.body == b""


class Away:
    """A carrier whose receiver is away."""

    def post(self, url, headers, body, *, may_be_private, may_be_http):
        return Sent(503)


def fail_deliveries(ws, times):
    """Have deliveries fail, and return the webhook's id and how many attempts there were."""
    webhook = add_webhook(ws, url=URL).webhook
    with ws.store.begin() as tx:
        tx.webhooks.change(webhook, replace(webhook, cursor=0))
    for _ in range(times):
        for taken in take_due(ws):
            deliver(ws, carrier=Away(), taken=taken)
        ws.clock.move(days=2)
    return webhook.webhook_id


def test_deliveries_are_paged_newest_first_and_new_ones_move_no_page(world):
    ws, askers = world
    webhook = fail_deliveries(ws, 5)
    first = askers["ann"].get(f"/webhooks/{webhook}/deliveries?limit=2")[1]
    assert [one["number"] for one in first["items"]] == [5, 4]
    assert (first["items"][0]["status"], first["items"][0]["is_delivered"], first["items"][0]["entry"]) == (503, False, 0)
    for taken in take_due(ws):
        deliver(ws, carrier=Away(), taken=taken)
    second = askers["ann"].get(f"/webhooks/{webhook}/deliveries?limit=2&cursor={first['next_cursor']}")[1]
    assert [one["number"] for one in second["items"]] == [3, 2]
    last = askers["ann"].get(f"/webhooks/{webhook}/deliveries?limit=2&cursor={second['next_cursor']}")[1]
    assert ([one["number"] for one in last["items"]], last["next_cursor"]) == ([1], None)
    assert askers["ann"].get("/webhooks/webhook-none/deliveries")[0] == 404
    assert DELIVERIES_KEPT >= 50


def test_a_dead_one_goes_on_from_the_entry_that_it_is_at_or_the_one_after(world):
    ws, askers = world
    webhook = fail_deliveries(ws, 10)
    assert askers["ann"].get("/webhooks")[1]["items"][0]["state"] == "dead"
    status, going = askers["ann"].post(f"/webhooks/{webhook}/resume", {})
    assert (status, going["state"], going["next_entry"], going["failures"]) == (200, "active", 0, 0)
    assert askers["ann"].post(f"/webhooks/{webhook}/resume", {"skip": True})[1]["next_entry"] == 1


def test_a_message_is_sent_to_see_whether_it_arrives_and_two_at_a_time(world):
    ws, askers = world
    with open_receiver() as receiver:
        webhook = add_webhook(ws, url=receiver.url, may_be_private=True, may_be_http=True).webhook.webhook_id
        assert askers["ann"].post(f"/webhooks/{webhook}/test") == (200, {"arrived": True, "status": 204, "detail": ""})
        [(_, headers, body)] = receiver.got
        assert headers["webhook-id"] == json.loads(body)["id"]
        receiver.status = 302
        assert askers["ann"].post(f"/webhooks/{webhook}/test")[1]["arrived"] is False
        for _ in range(api.PROBES_MAX):
            assert api._PROBING.acquire(blocking=False)
        try:
            status, problem = askers["ann"].post(f"/webhooks/{webhook}/test")
        finally:
            api._PROBING.release(api.PROBES_MAX)
        assert (status, len(receiver.got)) == (503, 2)
        assert "try again later" in problem["detail"]
    status, away = askers["ann"].post(f"/webhooks/{webhook}/test")
    assert (status, away["arrived"], away["status"]) == (200, False, 0)
    assert "cannot be reached" in away["detail"]
    assert list_webhooks(ws)[0].failures == 0
