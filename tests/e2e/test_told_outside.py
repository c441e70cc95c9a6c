"""What a real server process tells the outside: webhooks that are added at a terminal while it runs, events, figures."""

import http.client
import json
import os
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest

from incumbent.cli import main
from incumbent.usecases.people import add_person
from incumbent.usecases.tokens import new_token
from incumbent.usecases.webhook_messages import sign_body
from logins import as_person, open_people
from receivers import open_receiver


class Served:
    """A server process over a workspace with people, a token that reads, and another that scrapes."""

    def __init__(self, folder):
        self.folder = folder
        self.ws = open_people(folder)
        self.token = new_token(as_person(self.ws, "dev"), name="reads", scope=["read"]).secret
        self.scraper = new_token(self.ws, person="bot", name="scrapes", scope=["metrics"]).secret
        command = [sys.executable, "-m", "incumbent", "server", "--project", str(folder), "--port", "0"]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("INCUMBENT_")}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)
        self.port = urlsplit(self.process.stdout.readline().split()[-1]).port

    def get(self, path, token, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path, headers={"authorization": f"Bearer {token}", **headers})
        return connection, connection.getresponse()

    def stop(self):
        self.process.terminate()
        _, errors = self.process.communicate(timeout=30)
        self.ws.store.close()
        assert self.process.returncode == 0, errors
        return errors


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("told"))
    yield served
    connection, stream = served.get("/api/v1/events", served.token)
    assert stream.readline() == b"retry: 3000\n"
    assert served.stop() == ""
    assert stream.read() == b"\n"  # the server's end is the stream's, and an orderly one
    stream.close()
    connection.close()


@pytest.fixture
def command(served, monkeypatch, capsys):
    """The command line, as ann, in this process."""
    monkeypatch.chdir(served.folder)
    for name in [name for name in os.environ if name.startswith("INCUMBENT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INCUMBENT_ACTOR", "ann")

    def run(*arguments, code=0):
        assert main(["webhooks", *arguments]) == code
        shown = capsys.readouterr()
        return shown.out if code == 0 else shown.err

    return run


def test_a_webhook_that_is_added_while_the_server_runs_is_told_of_what_other_processes_write(served, command):
    arrived = threading.Event()

    def answer(handler):
        handler.send_response(204)
        handler.end_headers()
        arrived.set()

    with open_receiver(answer=answer) as receiver:
        made = json.loads(command("add", receiver.url, "--events", "people.changed", "--allow-private", "--allow-http", "--json"))
        add_person(served.ws, person="new", name="New Person", roles=["developer"])
        assert arrived.wait(30)
        body = json.loads(receiver.got[0][2])
        assert (body["type"], body["subject"], body["data"]["act"]) == ("incumbent.people.changed", "person new", "add-person")
        assert receiver.got[0][1]["webhook-id"] == body["id"]
        assert made["secret"].startswith("whsec_")
        _, headers, raw = receiver.got[0]
        stamp = int(headers["webhook-timestamp"])
        assert headers["webhook-signature"] == sign_body(raw, made["secret"], name=body["id"], seconds=stamp)
        assert command("test", made["id"]) == "it arrived: 204\n"
        deliveries = []
        while not deliveries:  # the answer has gone out, and is perhaps not written down yet
            deliveries = json.loads(command("deliveries", made["id"], "--json"))["deliveries"]
        assert [(one["event"], one["status"], one["is_delivered"]) for one in deliveries] == [("people.changed", 204, True)]
        shown = command("ls")
        assert made["id"] in shown
        assert "active" in shown
        assert made["secret"] not in shown + command("ls", "--json") + command("deliveries", made["id"])
        assert command("resume", made["id"], "--skip").startswith(f"{made['id']} goes on with entry ")
        assert command("remove", made["id"]) == f"{made['id']} is told nothing any more\n"
    assert json.loads(command("ls", "--json")) == {"webhooks": []}
    assert command("ls").startswith("no webhook yet")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["add", "http://hooks.example.com/"], 2, "messages go by https"),
        (["add", "https://169.254.169.254/", "--allow-private"], 2, "that no webhook may have"),
        (["add", "https://hooks.example.com/", "--events", "slots"], 2, "'slots' is no event"),
        (["remove", "webhook-x"], 3, "there is no webhook 'webhook-x'"),
    ],
)
def test_what_a_webhook_may_not_be_is_said_at_the_terminal(command, arguments, code, message):
    assert message in command(*arguments, code=code)


def test_a_message_that_does_not_arrive_is_said(command):
    with open_receiver(status=500) as receiver:
        made = json.loads(command("add", receiver.url, "--allow-private", "--allow-http", "--json"))
        assert command("test", made["id"], code=1) == "it did not arrive: 500\n"
    command("remove", made["id"])


def test_events_reach_who_watches_as_other_processes_write_them_and_figures_who_scrapes(served):
    connection, stream = served.get("/api/v1/events", served.token)
    assert stream.getheader("content-type") == "text/event-stream; charset=utf-8"
    assert [stream.readline(), stream.readline()] == [b"retry: 3000\n", b"\n"]
    add_person(served.ws, person="newer", name="Newer Person", roles=["developer"])
    number, event, data = (stream.readline().decode().rstrip().partition(": ")[2] for _ in range(3))
    assert (event, json.loads(data)["subject"], json.loads(data)["data"]["entry"]) == ("people.changed", "person newer", int(number))
    scraping, answer = served.get("/metrics", served.scraper)
    text = answer.read().decode()
    assert "incumbent_http_requests_in_progress 2.0" in text
    assert 'incumbent_http_requests_total{method="GET",route="/api/v1/events",status="200"} 1.0' in text
    assert f"incumbent_ledger_entries {int(number) + 1}.0" in text
    for one in (stream, connection, scraping):
        one.close()
