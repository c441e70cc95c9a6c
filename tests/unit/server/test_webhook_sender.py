"""The server's sender of webhooks: it goes on when the store comes back, and one slow receiver holds up no other."""

import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from incumbent.base.errors import Unavailable
from incumbent.server.webhook_sender import AT_ONCE, WebhookSender
from incumbent.usecases.people import add_person
from incumbent.usecases.webhook_ports import Sent
from incumbent.usecases.webhooks import add_webhook, list_webhooks
from logins import open_empty


class Waiting:
    """A carrier that keeps the messages to some hosts waiting until it is let go."""

    def __init__(self, *slow):
        self.slow = slow
        self.go = threading.Event()
        self.got = {}
        self.arrived = threading.Condition()

    def post(self, url, headers, body, *, may_be_private, may_be_http):
        host = url.split("/")[2]
        with self.arrived:
            self.got[host] = self.got.get(host, 0) + 1
            self.arrived.notify_all()
        if host in self.slow:
            self.go.wait(30)
        return Sent(200)

    def wait_for(self, **wanted):
        wanted = {f"{name}.example": count for name, count in wanted.items()}
        with self.arrived:
            assert self.arrived.wait_for(lambda: wanted.items() <= self.got.items(), 30), self.got


class Flaky:
    """A store that is away the first times."""

    def __init__(self, store, problems):
        self._store = store
        self.problems = problems

    @contextmanager
    def begin(self, **given):
        if self.problems:
            raise self.problems.pop(0)
        with self._store.begin(**given) as tx:
            yield tx


@pytest.fixture
def ws(tmp_path):
    ws = open_empty(tmp_path)
    yield ws
    ws.store.close()


def tell_twice(ws):
    for person in ("ann", "bea"):
        add_person(replace(ws, actor="ann"), person=person, name="Some Person", roles=["admin"])


def test_a_slow_receiver_holds_up_no_other(ws):
    for name in ("slow", "quick"):
        add_webhook(ws, url=f"https://{name}.example/", events=["people.changed"])
    tell_twice(ws)
    carrier = Waiting("slow.example")
    with WebhookSender(ws, carrier, pause_s=0.01):
        carrier.wait_for(slow=1, quick=2)
        carrier.go.set()
        carrier.wait_for(slow=2, quick=2)


def test_no_more_than_a_few_are_sent_to_at_once_and_the_others_have_their_turn(ws):
    names = [f"h{n}" for n in range(AT_ONCE + 2)]
    for name in names:
        add_webhook(ws, url=f"https://{name}.example/", events=["people.changed"])
    tell_twice(ws)
    carrier = Waiting(*(f"{name}.example" for name in names))
    with WebhookSender(ws, carrier, pause_s=0.01):
        with carrier.arrived:
            assert carrier.arrived.wait_for(lambda: len(carrier.got) == AT_ONCE, 30)
        carrier.go.set()
        carrier.wait_for(**dict.fromkeys(names, 2))


def test_what_goes_wrong_is_said_once_while_it_lasts_and_sending_goes_on(ws, capsys):
    add_webhook(ws, url="https://a.example/", events=["people.changed"])
    tell_twice(ws)
    carrier = Waiting()
    flaky = Flaky(ws.store, [*[Unavailable("the store is away")] * 5, ZeroDivisionError("a fault of ours")])
    with WebhookSender(replace(ws, store=flaky), carrier, pause_s=0.01):
        carrier.wait_for(a=2)
    said = capsys.readouterr().err
    assert said.count("webhooks: the store is away\n") == 1
    assert said.count("ZeroDivisionError: a fault of ours") == 1


def test_it_stops_with_its_block(ws):
    sender = WebhookSender(ws, Waiting(), pause_s=0.01)
    with sender:
        pass
    assert not sender._thread.is_alive()
    add_webhook(ws, url="https://a.example/")
    assert list_webhooks(ws)[0].tried == 0
