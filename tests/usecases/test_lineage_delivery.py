"""Telling a catalogue of runs by itself: in their order, at least once, through its absences, and not what it will never take."""

import json
from dataclasses import replace

import pytest

from incumbent.base.errors import InvalidInput
from incumbent.bootstrap.lineage import open_catalogue
from incumbent.config import read_settings
from incumbent.usecases.lineage_delivery import IN_A_ROW_MAX, LEASE_S, RETRY_S, RETRY_S_MAX, send_due_lineage, turn_lineage
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.openlineage import get_lineage_events, make_catalogue
from incumbent.usecases.webhook_ports import Sent
from logins import MovedClock
from tracked import open_tracked

CATALOGUE = make_catalogue("http://marquez.internal:5000/", "")


class Answers:
    """A carrier whose answers a test gives, the last one for good."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.got = []

    def post(self, url, headers, body, *, may_be_private, may_be_http):
        assert may_be_private
        assert may_be_http
        self.got.append((url, headers, json.loads(body)))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def kinds(self):
        return [(event["run"]["facets"]["incumbent_run"]["name"], event["eventType"]) for _, _, event in self.got]


@pytest.fixture
def clock():
    return MovedClock()


@pytest.fixture
def ws(tmp_path, clock):
    ws = open_tracked(tmp_path, clock=clock)
    turn_lineage(ws, on=True)
    yield ws
    ws.store.close()


def test_events_are_those_of_the_run_sent_once_in_their_order(ws):
    with begin_run(ws, experiment="credit", name="a") as run:
        run.log_artifact(b"weights", "model")
        other = begin_run(ws, experiment="credit", name="b")
    carrier = Answers(Sent(201))
    assert send_due_lineage(ws, carrier=carrier, catalogue=CATALOGUE).sent == 3
    assert carrier.kinds() == [("a", "START"), ("b", "START"), ("a", "COMPLETE")]
    assert [event for _, _, event in carrier.got] == [
        get_lineage_events(ws, run.id)[0], get_lineage_events(ws, other.id)[0], get_lineage_events(ws, run.id)[1],
    ]  # fmt: skip
    assert {url for url, _, _ in carrier.got} == {"http://marquez.internal:5000/api/v1/lineage"}
    assert send_due_lineage(ws, carrier=carrier, catalogue=CATALOGUE).sent == 0
    other.finish("failed", "out of memory")
    assert send_due_lineage(ws, carrier=carrier, catalogue=CATALOGUE).sent == 1
    assert carrier.kinds()[3:] == [("b", "FAIL")]


@pytest.mark.parametrize("answer", [Sent(0, "it cannot be reached"), Sent(500), Sent(503), Sent(429), Sent(401), Sent(404), Sent(302)])
def test_while_it_is_not_taken_it_is_tried_again_ever_more_rarely_and_nothing_overtakes_it(ws, clock, answer):
    with begin_run(ws, experiment="credit", name="a"):
        pass
    carrier = Answers(answer)
    waits = []
    for _ in range(9):
        told = send_due_lineage(ws, carrier=carrier, catalogue=CATALOGUE)
        assert "is tried again" in told.problem
        assert str(answer.status or answer.detail) in told.problem
        with ws.store.begin(read_only=True) as tx:
            due = tx.lineage.find_first()
        waits.append(round((due.next_at - clock.now()).total_seconds()))
        clock.move(seconds=waits[-1] - 1)
        assert send_due_lineage(ws, carrier=carrier, catalogue=CATALOGUE) == replace(told, problem="")
        clock.move(seconds=2)
    assert waits == [RETRY_S, 10, 20, 40, 80, 160, RETRY_S_MAX, RETRY_S_MAX, RETRY_S_MAX]
    assert carrier.kinds() == [("a", "START")] * 9
    carrier = Answers(Sent(200))
    assert send_due_lineage(ws, carrier=carrier, catalogue=CATALOGUE).sent == 2


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_the_catalogue_will_never_take_is_left_out_and_said_so(ws, status):
    with begin_run(ws, experiment="credit", name="a") as run:
        pass
    carrier = Answers(Sent(status), Sent(200))
    told = send_due_lineage(ws, carrier=carrier, catalogue=CATALOGUE)
    assert (told.sent, told.problem) == (1, "")
    assert told.refused == [f"{CATALOGUE.url} refused run {run.id} (START): {status}; it is left out"]
    assert carrier.kinds() == [("a", "START"), ("a", "COMPLETE")]


def test_two_senders_do_not_send_the_same_and_one_that_dies_is_replaced(ws, clock):
    begin_run(ws, experiment="credit", name="a")

    class Other:
        """A second sender, while the first one's event is under way; and then the first one dies."""

        def post(self, *_, **__):
            assert send_due_lineage(ws, carrier=carrier, catalogue=CATALOGUE).sent == 0
            raise KeyboardInterrupt

    carrier = Answers(Sent(200))
    with pytest.raises(KeyboardInterrupt):
        send_due_lineage(ws, carrier=Other(), catalogue=CATALOGUE)
    clock.move(seconds=LEASE_S - 1)
    assert send_due_lineage(ws, carrier=carrier, catalogue=CATALOGUE).sent == 0
    clock.move(seconds=2)
    assert send_due_lineage(ws, carrier=carrier, catalogue=CATALOGUE).sent == 1
    assert carrier.kinds() == [("a", "START")]


def test_one_look_sends_so_many_and_stops_when_it_is_told_to(ws):
    for number in range(IN_A_ROW_MAX + 1):
        begin_run(ws, experiment="credit", name=str(number))
    carrier = Answers(Sent(200))
    assert send_due_lineage(ws, carrier=carrier, catalogue=CATALOGUE, is_stopping=lambda: len(carrier.got) == 7).sent == 7
    assert send_due_lineage(ws, carrier=carrier, catalogue=CATALOGUE).sent == IN_A_ROW_MAX + 1 - 7
    for number in range(IN_A_ROW_MAX + 3):
        begin_run(ws, experiment="credit", name=str(number))
    assert [send_due_lineage(ws, carrier=carrier, catalogue=CATALOGUE).sent for _ in range(3)] == [IN_A_ROW_MAX, 3, 0]


def test_turned_off_it_drops_what_waits_and_says_how_many(ws):
    begin_run(ws, experiment="credit", name="a")
    assert turn_lineage(ws, on=True) == 0
    assert turn_lineage(ws, on=False) == 1
    assert send_due_lineage(ws, carrier=Answers(Sent(200)), catalogue=CATALOGUE).sent == 0


def test_a_key_goes_as_a_bearer_token_and_is_not_shown(ws):
    begin_run(ws, experiment="credit", name="a")
    carrier = Answers(Sent(200))
    catalogue = make_catalogue("https://catalogue.example", "k-123")
    send_due_lineage(ws, carrier=carrier, catalogue=catalogue)
    assert carrier.got[0][1]["authorization"] == "Bearer k-123"
    assert "k-123" not in repr(catalogue)


def test_the_settings_name_it_or_none(tmp_path):
    def given(**environ):
        return open_catalogue(read_settings(tmp_path, {f"INCUMBENT_LINEAGE_{name}": value for name, value in environ.items()}))

    assert given() is None
    assert given(URL="off") is None
    assert given(URL="http://10.0.0.7:5000", KEY="k") == make_catalogue("http://10.0.0.7:5000", "k")
    for url in ("ftp://x", "marquez", "http://user:pw@x/", "http://x/#f"):
        with pytest.raises(InvalidInput):
            given(URL=url)
    for key in ("a b", "a\r\nb", "ü"):
        with pytest.raises(InvalidInput, match="bearer token"):
            given(URL="http://x", KEY=key)
    with pytest.raises(InvalidInput, match="names no server"):
        given(KEY="k")
