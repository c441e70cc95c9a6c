"""What is sent again and what is not, against a server that answers as it is told; which addresses are taken."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from incumbent.base.digest import digest_bytes
from incumbent.base.errors import Busy, Conflict, Corrupt, InvalidInput, NotFound, Refused, Unavailable
from incumbent.remote import uploads
from incumbent.remote.connection import Connection, Patience, read_address
from incumbent.remote.problems import ERRORS, NotLetIn
from incumbent.remote.verbs import Verbs
from incumbent.server.errors import PROBLEMS, STATUS
from incumbent.storage.blobs_memory import MemoryBlobs

DROP = object()
"""In a script: take the request, then hang up without an answer."""
SOON = Patience(retries=4, connect_s=5.0, read_s=5.0)


class Scripted:
    """A server that gives the answers of a script, and keeps what it was asked."""

    def __init__(self, *script):
        self.script, self.asked = list(script), []
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                scripted.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                step = scripted.script.pop(0)
                if step is DROP:
                    self.close_connection = True
                    return
                status, document, headers = step(body) if callable(step) else step
                data = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = answer

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def scripted():
    made = []

    def open_scripted(*script, token="t"):
        made.append(Scripted(*script))
        return made[-1], Connection(made[-1].url, token, patience=SOON)

    yield open_scripted
    for one in made:
        one.close()


def ok(document=None, **headers):
    return 200, document if document is not None else {"done": True}, headers


def problem(name, status=None, **headers):
    status = status or PROBLEMS[name].status
    document = {"type": f"/api/v1/problems/{name}", "title": "x", "status": status, "detail": f"because {name}"}
    return status, document, {"content-type": "application/problem+json", **headers}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


def test_every_problem_of_the_server_is_an_error_of_the_class_that_made_it():
    assert ERRORS.keys() == PROBLEMS.keys()
    names = {InvalidInput: "invalid-input", NotFound: "not-found", Conflict: "conflict", Refused: "refused", Corrupt: "corrupt",
             Unavailable: "unavailable", Busy: "too-many"}  # fmt: skip
    assert {kind: ERRORS[name] for kind, name in names.items()} == {kind: kind for kind in STATUS}
    assert ERRORS["unauthenticated"] is ERRORS["forbidden"] is NotLetIn


@pytest.mark.parametrize("name", [name for name in PROBLEMS if PROBLEMS[name].status not in (429, 502, 503, 504)])
def test_what_is_refused_is_sent_once_and_raised_with_the_servers_words(scripted, name):
    server, connection = scripted(problem(name))
    with pytest.raises(ERRORS[name], match=f"because {name}"):
        connection.post("/slots/x/promotions", {"a": 1}, key="k")
    assert len(server.asked) == 1


@pytest.mark.parametrize("trouble", [DROP, problem("unavailable"), (502, b"<html>", {}), (504, b"", {}), problem("too-many")])
def test_a_broken_connection_and_a_busy_server_have_the_same_request_sent_again_under_the_same_key(scripted, trouble):
    server, connection = scripted(trouble, trouble, ok({"entry": 7}))
    assert connection.post("/slots/x/promotions", {"a": 1}, key="k-1") == {"entry": 7}
    assert len(server.asked) == 3
    assert {(method, path, headers["idempotency-key"], body) for method, path, headers, body in server.asked} == {
        ("POST", "/api/v1/slots/x/promotions", "k-1", b'{"a":1}')
    }
    assert {headers["authorization"] for _, _, headers, _ in server.asked} == {"Bearer t"}


def test_a_server_that_stays_busy_is_unavailable_in_its_own_words(scripted):
    server, connection = scripted(*[problem("unavailable")] * 9)
    with pytest.raises(Unavailable, match="because unavailable"):
        connection.get("/slots")
    assert len(server.asked) == 1 + SOON.retries


def test_pauses_grow_and_a_server_that_says_how_long_is_waited_for(scripted, quick):
    server, connection = scripted(problem("unavailable"), problem("unavailable"), problem("too-many", **{"retry-after": "7"}), ok())
    connection.get("/slots")
    assert len(server.asked) == 4
    assert 7 in quick
    grown = [pause for pause in quick if pause not in (0, 7)]
    assert all(0.4 <= pause <= 0.6 for pause in grown[:1]), "0.2 s times 2 after the second failure, and up to 0.2 s of chance"


def test_the_answer_to_a_request_that_is_being_done_is_waited_for(scripted, quick):
    busy = problem("conflict", **{"retry-after": "1"})
    server, connection = scripted(DROP, *[busy] * 20, ok({"entry": 7}))
    assert connection.post("/slots/x/evaluations", {}, key="k") == {"entry": 7}
    assert quick.count(1.0) == 20
    assert len({headers["idempotency-key"] for _, _, headers, _ in server.asked}) == 1


def test_a_redirect_is_not_followed_for_the_token_is_not_for_others(scripted):
    other, _ = scripted()
    server, connection = scripted((307, b"", {"location": f"{other.url}/api/v1/slots"}))
    with pytest.raises(InvalidInput, match="is not followed"):
        connection.get("/slots")
    assert (len(server.asked), other.asked) == (1, [])


@pytest.mark.parametrize("answer", [(200, b"<html>", {}), (200, b"[1]", {}), (200, b"\xff", {}), (200, b"", {})])
def test_what_is_no_document_is_said_to_be_none(scripted, answer):
    _, connection = scripted(answer)
    with pytest.raises(Unavailable, match="is no document"):
        connection.get("/slots")


def test_a_list_goes_on_from_page_to_page_with_what_was_asked_for(scripted):
    server, connection = scripted(ok({"items": [{"n": 1}], "next_cursor": "c 1"}), ok({"items": [{"n": 2}], "next_cursor": None}))
    assert [one["n"] for one in connection.list_items("/runs", {"query": "a = 1"})] == [1, 2]
    assert [path for _, path, _, _ in server.asked] == ["/api/v1/runs?query=a+%3D+1", "/api/v1/runs?query=a+%3D+1&cursor=c+1"]


PLACED = {"slot": "s", "model": "m", "version": 1, "status": "Staging", "since": "2026-11-25T09:30:00+00:00", "actor": "ann", "reason": "",
          "entry": 4}  # fmt: skip


def test_an_act_has_a_key_of_its_own_and_keeps_it_when_it_is_sent_again(scripted):
    server, connection = scripted(DROP, ok(PLACED), ok(PLACED))
    verbs = Verbs(connection, iter(["k-1", "k-2"]).__next__)
    for _ in range(2):
        assert verbs.propose(model="m", version=1, slot="s").seq == 4
    assert [headers["idempotency-key"] for _, _, headers, _ in server.asked] == ["k-1", "k-1", "k-2"]


@pytest.mark.parametrize("spoilt", [{"status": "Alive"}, {"since": "yesterday"}, {"version": "1"}, {"entry": 1.5}, {"actor": None}])
def test_an_answer_of_another_form_is_no_value(scripted, spoilt):
    _, connection = scripted(ok(PLACED | spoilt))
    with pytest.raises(Unavailable, match="cannot be read"):
        Verbs(connection, lambda: "k").propose(model="m", version=1, slot="s")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_on_this_machine_a_token_may_go_in_clear(host):
    assert read_address(f"http://{host}:8765/", has_token=True) == f"http://{host}:8765"


@pytest.mark.parametrize("host", ["inc.example", "10.0.0.4", "localhost.inc.example", "127.0.0.1.nip.io", "[fe80::1]"])
def test_beyond_this_machine_a_token_goes_by_https_alone(host):
    with pytest.raises(InvalidInput, match="in clear"):
        read_address(f"http://{host}:8765", has_token=True)
    assert read_address(f"https://{host}/team", has_token=True) == f"https://{host}/team"
    assert read_address(f"http://{host}", has_token=False) == f"http://{host}"


@pytest.mark.parametrize("text", ["http://", "https://user:secret@inc.example", "https://inc.example?x=1", "https://a#b", "ftp://a",
                                  "http://[::1", "http://a:99999"])  # fmt: skip
def test_what_is_no_address_is_refused(text):
    with pytest.raises(InvalidInput, match="is no address of a server") as caught:
        read_address(text, has_token=False)
    assert "secret" not in str(caught.value)


class TestUploads:
    """What `send_missing` asks, in which order."""

    DATA = bytes(range(256)) * 4
    DIGEST = digest_bytes(DATA)

    @pytest.fixture(autouse=True)
    def small_parts(self, monkeypatch):
        monkeypatch.setattr(uploads, "PART_BYTES", 400)

    def send(self, connection):
        blobs = MemoryBlobs("blake3")
        blobs.put([self.DATA])
        uploads.send_missing(connection, blobs, [self.DIGEST])

    def parts(self, server):
        return [(h["upload-offset"], h["upload-complete"], len(body)) for method, _, h, body in server.asked if method == "PATCH"]

    def test_what_is_there_is_not_sent(self, scripted):
        server, connection = scripted(ok({"missing": []}))
        self.send(connection)
        assert len(server.asked) == 1

    def test_large_bytes_go_in_parts_and_go_on_after_what_is_there(self, scripted):
        server, connection = scripted(
            ok({"missing": [self.DIGEST]}), ok({"offset": 400}), ok({"offset": 800, "complete": False}),
            ok({"offset": 1024, "complete": True}),
        )  # fmt: skip
        self.send(connection)
        assert self.parts(server) == [("400", "?0", 400), ("800", "?1", 224)]

    def test_bytes_that_are_all_there_but_for_the_end_are_ended(self, scripted):
        server, connection = scripted(ok({"missing": [self.DIGEST]}), ok({"offset": 1024}), ok({"offset": 1024, "complete": True}))
        self.send(connection)
        assert self.parts(server) == [("1024", "?1", 0)]

    def test_a_part_that_came_through_without_an_answer_is_not_sent_again(self, scripted):
        server, connection = scripted(
            ok({"missing": [self.DIGEST]}), problem("not-found"), DROP, problem("conflict"), ok({"missing": [self.DIGEST]}),
            ok({"offset": 400}), ok({"offset": 800, "complete": False}), DROP, problem("conflict"), ok({"missing": []}),
        )  # fmt: skip
        self.send(connection)
        assert self.parts(server) == [("0", "?0", 400)] * 2 + [("400", "?0", 400)] + [("800", "?1", 224)] * 2

    def test_a_place_that_never_fits_is_given_up(self, scripted):
        again = [problem("conflict"), ok({"missing": [self.DIGEST]}), ok({"offset": 0})]
        _, connection = scripted(ok({"missing": [self.DIGEST]}), ok({"offset": 0}), *again * 9)
        with pytest.raises(Conflict):
            self.send(connection)
