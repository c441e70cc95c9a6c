"""Webhooks: who is told of what, in which order, how often, and what a receiver can check. The clock is a test's own."""

import base64
import hashlib
import hmac
import json
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from incumbent.base.errors import InvalidInput, NotFound, Refused
from incumbent.execution.webhook_carrier import HttpCarrier
from incumbent.governance.acts import ACTS
from incumbent.governance.events import EVENT_OF, OTHER
from incumbent.ledger.entry import parse_entry
from incumbent.usecases.recording import governed, record_act
from incumbent.usecases.webhook_delivery import LEASE_S, RETRY_AFTER_S, deliver, take_due
from incumbent.usecases.webhook_messages import sign_body
from incumbent.usecases.webhook_ports import Sent
from incumbent.usecases.webhooks import add_webhook, list_deliveries, list_webhooks, probe_webhook, remove_webhook, resume_webhook
from logins import MovedClock, as_person, open_empty, open_people
from receivers import open_receiver

URL = "https://hooks.example.com/in"


class Scripted:
    """A carrier that answers from a list, then 200, and keeps what it was given."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.got = []

    def post(self, url, headers, body, *, may_be_private, may_be_http):
        self.got.append((url, dict(headers), json.loads(body)))
        answer = self.answers.pop(0) if self.answers else Sent(200)
        return answer() if callable(answer) else answer

    @property
    def entries(self):
        return [body["data"]["entry"] for _, _, body in self.got]


@pytest.fixture
def clock():
    return MovedClock()


@pytest.fixture
def ws(tmp_path, clock):
    ws = open_empty(tmp_path, clock)
    act(ws, "note")
    yield ws
    ws.store.close()


def act(ws, *acts):
    """Write one entry an act, and return the numbers."""
    numbers = []
    for name in acts:
        with governed(ws) as tx:
            entry = record_act(ws, tx, act=name, kind="version", object_id="m@1", before="Staging", after="Production", reason="r")
            numbers.append(entry.seq)
    return numbers


def send(ws, carrier):
    """Send once to everybody who is due."""
    return sum(deliver(ws, carrier=carrier, taken=taken) for taken in take_due(ws))


def only(ws):
    [webhook] = list_webhooks(ws)
    return webhook


def test_entries_from_its_beginning_are_told_in_their_order_once(ws):
    hook = add_webhook(ws, url=URL).webhook
    numbers = act(ws, "note", "promote", "note", "register")
    carrier = Scripted()
    assert send(ws, carrier) == 4
    assert carrier.entries == numbers == [3, 4, 5, 6]
    assert send(ws, carrier) == 0
    assert only(ws).cursor == 7
    found = list_deliveries(ws, hook.webhook_id)
    assert [(one.number, one.entry, one.event, one.status, one.is_delivered) for one in found[:2]] == [
        (4, 6, "version.registered", 200, True), (3, 5, "ledger.entry", 200, True),
    ]  # fmt: skip


def test_a_message_is_a_cloud_event_that_says_what_the_entry_says_and_is_signed_as_the_standard_has_it(ws, clock):
    made = add_webhook(ws, url=URL)
    act(ws, "promote")
    carrier = Scripted()
    send(ws, carrier)
    [(url, headers, body)] = carrier.got
    with ws.store.begin(read_only=True) as tx:
        entry = parse_entry(next(tx.ledger.read(3)))
    stated = json.loads(entry.body)
    assert url == URL
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert {name: body[name] for name in ("specversion", "type", "id", "source", "subject", "time", "datacontenttype")} == {
        "specversion": "1.0", "type": "incumbent.slot.changed", "id": f"{entry.log}-3", "source": f"urn:incumbent:{entry.log}",
        "subject": "version m@1", "time": stated["at"], "datacontenttype": "application/json",
    }  # fmt: skip
    assert body["data"] == {
        "entry": 3, "act": "promote", "object": stated["object"], "actor": {"id": "root", "kind": "person"},
        "from": "Staging", "to": "Production", "reason": "r", "refs": {},
    }  # fmt: skip
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (body["id"], str(int(clock.at.timestamp())))
    raw = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    key = base64.b64decode(made.secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{body['id']}.{headers['webhook-timestamp']}.".encode() + raw, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(signed).decode()
    assert made.secret not in repr(made) + repr(made.webhook)


def test_the_signature_is_what_the_reference_implementation_of_the_standard_gives():
    # standardwebhooks 1.1.0, Webhook(secret).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    found = sign_body(
        b'{"test": 2432232314}', "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", name="msg_p5jXN8AQM9LWM0D4loKWxJek", seconds=1614265330
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    with pytest.raises(InvalidInput, match="not whsec_"):
        sign_body(b"", "whsec_%%", name="x", seconds=0)


def test_a_webhook_is_told_of_the_events_that_it_asks_for_and_passes_over_the_others(ws):
    add_webhook(ws, url=URL, events=["slot.changed", "finding.opened"])
    act(ws, *["note"] * 3, "promote", "note", "open-finding", "note")
    carrier = Scripted()
    assert send(ws, carrier) == 2
    assert carrier.entries == [6, 8]
    assert only(ws).cursor == 10
    assert take_due(ws) == []


def test_many_entries_that_nobody_asked_for_are_passed_over_in_steps(ws, monkeypatch):
    monkeypatch.setattr("incumbent.usecases.webhook_delivery.SCANNED_MAX", 2)
    add_webhook(ws, url=URL, events=["slot.changed"])
    act(ws, *["note"] * 5, "promote")
    carrier = Scripted()
    assert send(ws, carrier) == 1
    assert (carrier.entries, only(ws).cursor) == ([8], 9)


def test_what_is_not_taken_is_sent_again_later_each_time_and_nothing_overtakes_it(ws, clock):
    hook = add_webhook(ws, url=URL).webhook
    act(ws, "note", "promote")
    carrier = Scripted(Sent(500), Sent(0, "it cannot be reached"), Sent(302))
    for wait in RETRY_AFTER_S[:3]:
        assert send(ws, carrier) == 0
        waits = (only(ws).next_at - clock.at).total_seconds()
        assert 0.8 * wait <= waits <= 1.2 * wait
        clock.move(seconds=waits - 0.001)
        assert take_due(ws) == []
        clock.move(seconds=0.001)
    assert send(ws, carrier) == 2
    assert carrier.entries == [3, 3, 3, 3, 4]
    assert len({headers["webhook-id"] for _, headers, _ in carrier.got}) == 2
    found = [(one.status, one.detail) for one in list_deliveries(ws, hook.webhook_id)]
    assert found[2:] == [
        (302, "it answered with a redirect, and none is followed: add the address that it leads to"),
        (0, "it cannot be reached"),
        (500, ""),
    ]
    assert (only(ws).failures, only(ws).tried) == (0, 5)


def test_a_webhook_that_never_answers_is_dead_after_three_days_and_goes_on_where_it_was(ws, clock):
    hook = add_webhook(ws, url=URL).webhook
    act(ws, "note", "promote")
    carrier, began = Scripted(*[Sent(503)] * 10), clock.at
    while only(ws).state == "active":
        send(ws, carrier)
        clock.at = max(clock.at, only(ws).next_at)
    assert len(carrier.got) == 10
    assert timedelta(days=2.6) < clock.at - began < timedelta(days=4)
    clock.move(days=30)
    assert take_due(ws) == []
    resume_webhook(ws, webhook=hook.webhook_id)
    assert send(ws, carrier) == 2
    assert carrier.entries == [3] * 11 + [4]


def test_an_entry_that_a_receiver_chokes_on_can_be_skipped(ws):
    hook = add_webhook(ws, url=URL).webhook
    act(ws, "note", "promote")
    carrier = Scripted(Sent(410))
    assert send(ws, carrier) == 0
    assert only(ws).state == "dead"  # 410 says that nobody will ever take it
    resume_webhook(ws, webhook=hook.webhook_id, skip=True)
    assert send(ws, carrier) == 1
    assert carrier.entries == [3, 4]
    assert resume_webhook(ws, webhook=hook.webhook_id, skip=True).cursor == 5  # never past the end of the ledger


def test_one_sender_has_a_webhook_until_it_settles_it_or_its_lease_ends(ws, clock):
    add_webhook(ws, url=URL)
    act(ws, "note")
    [first] = take_due(ws)
    assert take_due(ws) == []
    clock.move(seconds=LEASE_S)
    [second] = take_due(ws)
    carrier = Scripted()
    assert deliver(ws, carrier=carrier, taken=second) == 1
    assert deliver(ws, carrier=carrier, taken=first) == 0  # it sends once more, and settles nothing
    assert carrier.entries == [3, 3]
    assert (only(ws).cursor, only(ws).tried) == (4, 1)


def test_a_webhook_that_is_removed_while_it_is_sent_to_is_gone(ws):
    hook = add_webhook(ws, url=URL).webhook
    act(ws, "note", "note")

    def remove():
        remove_webhook(ws, webhook=hook.webhook_id)
        return Sent(200)

    carrier = Scripted(remove)
    assert send(ws, carrier) == 0
    assert (carrier.entries, list_webhooks(ws)) == ([3], [])
    with pytest.raises(NotFound, match="there is no webhook"):
        list_deliveries(ws, hook.webhook_id)


def test_a_sender_that_is_to_stop_gives_its_webhook_back(ws):
    add_webhook(ws, url=URL)
    act(ws, "note", "note")
    [taken] = take_due(ws)
    assert deliver(ws, carrier=Scripted(), taken=taken, is_stopping=lambda: True) == 0
    assert [one.cursor for one in take_due(ws)] == [3]


KILLED = """
import sys
from pathlib import Path
from incumbent.execution.webhook_carrier import HttpCarrier
from incumbent.usecases.webhook_delivery import deliver, take_due
from logins import open_empty
ws = open_empty(Path(sys.argv[1]))
for taken in take_due(ws):
    deliver(ws, carrier=HttpCarrier(), taken=taken)
"""


def test_killed_between_sending_and_settling_the_entry_is_sent_again_under_the_same_id(ws, clock, tmp_path):
    sender = []

    def kill(handler):
        sender[0].send_signal(signal.SIGKILL)
        sender[0].wait()
        handler.send_response(200)
        handler.end_headers()

    with open_receiver() as receiver:
        add_webhook(ws, url=receiver.url, may_be_private=True, may_be_http=True)
        act(ws, "promote")
        receiver.answer = kill
        environ = {"PYTHONPATH": ":".join(path for path in sys.path if path), "PATH": ""}
        sender.append(subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], env=environ))
        assert sender[0].wait(60) == -signal.SIGKILL
        assert only(ws).cursor == 3
        receiver.answer = None
        clock.move(seconds=LEASE_S + 60)
        assert send(ws, HttpCarrier()) == 1
        (_, first, told), (_, second, again) = receiver.got
        assert (first["webhook-id"], told) == (second["webhook-id"], again)
        assert only(ws).cursor == 4


def test_a_probe_asks_whether_messages_arrive_and_moves_nothing(ws):
    hook = add_webhook(ws, url=URL).webhook
    carrier = Scripted(Sent(202))
    assert probe_webhook(ws, carrier=carrier, webhook=hook.webhook_id) == Sent(202)
    assert carrier.got[0][2]["type"] == "incumbent.webhook.test"
    assert only(ws) == hook


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"url": "http://a.example/"}, "--allow-http"),
        ({"url": "https://127.0.0.1/"}, "--allow-private"),
        ({"url": "https://169.254.169.254/", "may_be_private": True}, "no webhook may have"),
        ({"url": URL, "events": ["slot.changed", "slots"]}, "'slots' is no event; there are: version.registered"),
    ],
)
def test_what_cannot_be_sent_to_cannot_be_added(ws, given, message):
    with pytest.raises(InvalidInput, match=message):
        add_webhook(ws, **given)


def test_webhooks_are_an_admins(tmp_path):
    ws = open_people(tmp_path)
    hook = add_webhook(ws, url=URL).webhook
    assert hook.made_by == "ann"
    dev, name = as_person(ws, "dev"), hook.webhook_id
    for ask in (
        lambda: add_webhook(dev, url=URL),
        lambda: list_webhooks(dev),
        lambda: list_deliveries(dev, name),
        lambda: remove_webhook(dev, webhook=name),
        lambda: resume_webhook(dev, webhook=name),
        lambda: probe_webhook(dev, carrier=Scripted(), webhook=name),
    ):
        with pytest.raises(Refused, match="dev is no admin"):
            ask()
    assert list_webhooks(ws) == [hook]
    ws.store.close()


def test_who_has_others_told_stands_in_the_ledger_by_host_and_digest_alone_and_those_who_are_told_are_told_of_it(tmp_path):
    ws = open_people(tmp_path)
    first = add_webhook(ws, url=URL).webhook
    hidden = "https://other.example.com:8443/in/a-secret?key=another"
    second = add_webhook(ws, url=hidden, events=["slot.changed", "finding.opened"]).webhook
    remove_webhook(ws, webhook=second.webhook_id)
    with pytest.raises(Refused):
        add_webhook(as_person(ws, "dev"), url=hidden)
    with ws.store.begin(read_only=True) as tx:
        added, removed = (list(tx.ledger.find(act=act, limit=9)) for act in ("add-webhook", "remove-webhook"))
        refused = next(iter(tx.ledger.find(act="refuse", limit=1)))
        whole = b"".join(tx.ledger.read())
    digest = "sha256:" + hashlib.sha256(hidden.encode()).hexdigest()
    newest = added[0].draft
    assert [entry.seq + 1 for entry in added] == [second.cursor, first.cursor]
    assert (newest.actor.actor_id, newest.object.object_id, newest.refs) == ("ann", second.webhook_id, {"url": digest})
    assert newest.after == "other.example.com:8443: slot.changed, finding.opened"
    assert added[1].draft.after == "hooks.example.com: everything"
    assert [(one.draft.object.object_id, one.draft.refs) for one in removed] == [(second.webhook_id, {"url": digest})]
    assert (refused.draft.after, refused.draft.actor.actor_id) == ("add-webhook", "dev")
    assert b"a-secret" not in whole
    carrier = Scripted()
    send(ws, carrier)
    assert [body["type"] for _, _, body in carrier.got] == [*["incumbent.webhook.changed"] * 2, "incumbent.attempt.refused"]
    ws.store.close()


def test_every_act_that_has_an_event_is_an_act_and_each_webhook_of_all_is_told_of_the_rest(ws):
    assert set(EVENT_OF) <= set(ACTS)
    assert OTHER not in EVENT_OF.values()
    add_webhook(ws, url=URL)
    act(ws, "erase")
    carrier = Scripted()
    send(ws, carrier)
    assert carrier.got[0][2]["type"] == "incumbent.ledger.entry"
    assert only(ws).events == ()


def test_a_webhook_is_removed_also_by_a_clock_that_was_put_back(ws, clock):
    hook = add_webhook(ws, url=URL).webhook
    clock.move(hours=-2)
    with pytest.raises(Refused, match="clock"):
        add_webhook(ws, url=URL)
    remove_webhook(ws, webhook=hook.webhook_id)
    assert list_webhooks(ws) == []
