"""Bodies that are read, and answers that are sent, piece by piece: in-process, and once through a real server."""

import http.client
import io
import itertools
import socket
import threading
from dataclasses import replace

import pytest
import uvicorn

from asgi import Client, open_app
from incumbent.base.digest import digest_bytes
from incumbent.base.errors import InvalidInput
from incumbent.server import app as application
from incumbent.server import routes, streams
from incumbent.server.files import find_range, send_blob
from incumbent.server.messages import Response, json_response
from incumbent.server.patience import PatientProtocol
from incumbent.server.routes import Route
from logins import MovedClock, open_people
from tracked import open_tracked

DATA = bytes(range(256)) * 10_000  # 2.5 MB: three pieces
DIGEST = digest_bytes(DATA)
released = []


def count(server, request):
    sizes = [len(piece) for piece in request.pieces]
    return json_response({"bytes": sum(sizes), "most": max(sizes, default=0), "actor": server.ws.actor})


def count_not(_server, _request):
    return json_response({"bytes": None})


def get_data(_server, request):
    def open_file():
        file = io.BytesIO(DATA)
        file.close = lambda: released.append("data")
        return file

    return send_blob(request, digest=DIGEST, size=len(DATA), open_file=open_file, media_type="image/svg+xml", headers={})


def tell_events(_server, request):
    numbers = itertools.count()
    pieces = (b"" if number % 2 else b"data: %d\n\n" % number for number in numbers)
    pause_s = float(request.query or 0)
    return Response(200, b"", "text/event-stream", stream=streams.Stream(pieces, None, pause_s, lambda: released.append("events")))


def flood(_server, _request):
    return Response(200, b"", stream=streams.Stream(itertools.repeat(bytes(1 << 20)), release=lambda: released.append("flood")))


def break_off(_server, _request):
    def pieces():
        yield b"a"
        raise OSError(5, "the disk is failing")

    return Response(200, b"", stream=streams.Stream(pieces(), 10))


EXTRA = (
    Route("PUT", "/try/count/{path*}", count, "track", body="stream"),
    Route("PUT", "/try/count-not", count_not, "public", body="stream"),
    Route("GET", "/try/data", get_data, "read"),
    Route("GET", "/try/events", tell_events, "public"),
    Route("GET", "/try/flood", flood, "public"),
    Route("GET", "/try/broken", break_off, "public"),
)


def use_routes(monkeypatch, table):
    """Have the server answer these routes."""
    monkeypatch.setattr(routes, "INDEX", routes.RouteIndex(table))


@pytest.fixture(autouse=True)
def more_routes(monkeypatch):
    use_routes(monkeypatch, (*routes.ROUTES, *EXTRA))
    released.clear()


@pytest.fixture
def app(tmp_path):
    ws = open_tracked(tmp_path)
    app = open_app(ws, single_user="always")
    yield app
    app.close()
    ws.store.close()


@pytest.fixture
def client(app):
    return Client(app)


def test_a_stream_is_read_in_bounded_pieces_whether_its_length_was_said_or_not(client):
    small = client.ask("PUT", "/try/count/a", body=b"abc")
    assert small.text == '{"bytes":3,"most":3,"actor":"ann"}'
    pieces = [bytes(200_000)] * 60  # 12 MB: more than a whole body may have
    for headers in ((), [("content-length", "12000000")]):
        found = client.ask("PUT", "/try/count/a/b", pieces=pieces, headers=headers)
        assert found.status == 200, found.text
        assert '"bytes":12000000' in found.text
        assert int(found.text.split('"most":')[1].partition(",")[0]) <= streams.AHEAD_BYTES + 200_000
    assert client.ask("PUT", "/try/count/a", pieces=[b""]).text.startswith('{"bytes":0,')


def test_the_loop_reads_no_further_than_the_route_is_ready_for(client, monkeypatch):
    may_go_on = threading.Event()

    def wait_then_count(_server, request):
        first = next(request.pieces)
        threading.Timer(0.2, may_go_on.set).start()
        may_go_on.wait(10)
        return json_response({"bytes": len(first) + sum(map(len, request.pieces))})

    def pieces():
        for n in range(100):
            if n == 3 * streams.AHEAD_BYTES // 100_000:  # what the route took at first, what may wait, and one more
                assert may_go_on.is_set()
            yield bytes(100_000)

    use_routes(monkeypatch, (Route("PUT", "/try/slow", wait_then_count, "public", body="stream"),))
    assert client.ask("PUT", "/try/slow", pieces=pieces()).text == '{"bytes":10000000}'


@pytest.mark.parametrize(
    ("pieces", "headers", "status", "why"),
    [
        ([bytes(70_000), None], (), 400, "closed before the body was complete"),
        ([bytes(70_000), bytes(70_000)], (), 413, "over the limit of 100000 bytes"),
        ([bytes(70_000)], [("content-length", "100001")], 413, "over the limit of 100000 bytes"),
        ([bytes(70_000)], [("content-length", "9" * 19)], 413, "over the limit"),
    ],
)
def test_a_body_that_breaks_off_or_is_too_long_is_an_error_where_it_is_read(app, pieces, headers, status, why):
    app.server = replace(app.server, upload_bytes_max=100_000)
    answer = Client(app).ask("PUT", "/try/count/a", pieces=pieces, headers=headers)
    assert (answer.status, why in answer.text) == (status, True), answer.text


def test_a_limit_that_takes_no_file_is_refused_at_the_start(app):
    with pytest.raises(InvalidInput, match="takes none at all"):
        replace(app.server, upload_bytes_max=0)


def test_a_body_of_which_nothing_comes_any_more_is_given_up(app, monkeypatch):
    monkeypatch.setattr(streams, "STALL_S", 0.05)
    answer = Client(app).ask("PUT", "/try/count/a", pieces=[bytes(70_000), ...])
    assert (answer.status, answer.get("connection")) == (408, "close")


def test_nobody_reads_a_byte_of_a_stream_that_its_sender_may_not_send(tmp_path):
    ws = open_people(tmp_path, MovedClock())
    app = open_app(ws, single_user="never")

    def pieces():
        raise AssertionError("a byte was read")
        yield b""

    answer = Client(app).ask("PUT", "/try/count/a", pieces=pieces())
    assert answer.status == 401
    app.close()
    ws.store.close()


def test_a_route_may_answer_without_reading_the_stream(client):
    assert client.ask("PUT", "/try/count-not", pieces=[bytes(100_000)] * 50).text == '{"bytes":null}'


def test_an_answer_is_sent_in_pieces_with_its_length_and_let_go(client):
    answer = client.get("/try/data")
    assert (answer.status, answer.body, answer.get("content-length")) == (200, DATA, str(len(DATA)))
    assert answer.get("etag") == f'"{DIGEST}"'
    assert released == ["data"]
    head = client.ask("HEAD", "/try/data")
    assert (head.status, head.body, head.get("content-length")) == (200, b"", str(len(DATA)))
    assert client.get("/try/data", headers={"if-none-match": f'"a", W/"{DIGEST}"'}).status == 304


def test_what_is_sent_is_an_attachment_that_runs_nothing(client):
    answer = client.get("/try/data")
    assert answer.get("content-disposition") == "attachment"
    assert answer.get("x-content-type-options") == "nosniff"
    assert answer.get("content-security-policy").startswith("sandbox; default-src 'none'")


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=100-", 100, None), ("bytes=-5", -5, None), ("bytes=2559999-99999999", -1, None),
     ("bytes=-99999999", 0, None), ("bytes=5-2000000", 5, 2_000_001)],
)  # fmt: skip
def test_a_range_gives_those_bytes_and_says_which(client, text, start, end):
    answer = client.get("/try/data", headers={"range": text, "if-range": f'"{DIGEST}"'})
    wanted = DATA[start:end]
    first = len(DATA) + start if start < 0 else start
    assert (answer.status, answer.body) == (206, wanted)
    assert answer.get("content-range") == f"bytes {first}-{first + len(wanted) - 1}/{len(DATA)}"


@pytest.mark.parametrize(
    ("text", "more"),
    [("bytes=0-1", {"if-range": '"other"'}), ("bytes=0-1", {"if-range": f'W/"{DIGEST}"'}), ("bytes=0-1,4-5", {}), ("bytes=5-2", {}),
     ("lines=0-1", {}), ("bytes=-", {}), ("bytes=\u0661-2", {}), ("bytes=0-" + "9" * 30, {})],
)  # fmt: skip
def test_a_range_that_is_none_or_of_other_bytes_gives_the_whole(client, text, more):
    answer = client.get("/try/data", headers={"range": text.encode().decode("latin-1"), **more})
    assert (answer.status, len(answer.body), answer.get("content-range")) == (200, len(DATA), None)


@pytest.mark.parametrize("text", ["bytes=2560000-", "bytes=99999999-", "bytes=-0"])
def test_a_range_beyond_the_end_says_how_long_it_is(client, text):
    answer = client.get("/try/data", headers={"range": text})
    assert (answer.status, answer.get("content-range")) == (416, "bytes */2560000")
    assert find_range("bytes=0-", 1) == (0, 1)
    with pytest.raises(Exception, match="no byte"):
        find_range("bytes=0-", 0)


def test_an_endless_answer_ends_when_its_caller_goes(client):
    answer = client.get("/try/events?0.01", stay=lambda body: body.count(b"data") < 3)
    assert answer.body == b"data: 0\n\ndata: 2\n\ndata: 4\n\n"
    assert (answer.get("content-length"), released) == (None, ["events"])


def test_an_endless_answer_ends_in_good_order_when_the_server_stops_and_later_ones_at_once(app):
    def stay(body):
        if body:
            app.end_streams()
        return True

    answer = Client(app).get("/try/events?60", stay=stay)
    assert (answer.body, answer.is_complete) == (b"data: 0\n\n", True)
    assert Client(app).get("/try/events?60").body == b""
    assert released == ["events", "events"]


def test_an_answer_that_breaks_off_is_left_incomplete_and_the_operator_reads_why(client, capsys):
    answer = client.get("/try/broken")
    assert (answer.body, answer.is_complete) == (b"a", False)
    assert "the disk is failing" in capsys.readouterr().err


class Hasty(PatientProtocol):
    take_timeout_s = 0.3


def test_through_a_real_server_bodies_come_back_whole_and_an_endless_answer_does_not_hold_its_stop(app, monkeypatch):
    monkeypatch.setattr(application, "BODY_TIMEOUT_S", 5)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error", ws="none", http=Hasty, timeout_graceful_shutdown=30))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("PUT", "/try/count/x", iter([DATA] * 10), {"transfer-encoding": "chunked"}, encode_chunked=True)
            assert b'"bytes":25600000' in connection.getresponse().read()
            connection.request("PUT", "/try/count-not", io.BytesIO(DATA * 3), {"content-length": str(len(DATA) * 3)})
            assert connection.getresponse().read() == b'{"bytes":null}'
            connection.request("GET", "/try/data", headers={"range": "bytes=100-2500000"})
            answer = connection.getresponse()
            assert (answer.status, answer.read() == DATA[100:2_500_001]) == (206, True)
            connection.close()
            with socket.create_connection(("127.0.0.1", port), timeout=20) as idle:  # asks, and takes nothing of the answer
                idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                idle.sendall(b"GET /try/flood HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
                while "flood" not in released:
                    threading.Event().wait(0.02)
            events = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            events.request("GET", "/try/events?600")
            answer = events.getresponse()
            assert answer.read(9) == b"data: 0\n\n"
            server.should_exit = True
            app.end_streams()
            answer.read()
            events.close()
        finally:
            server.should_exit = True
            app.end_streams()
            thread.join(20)
        assert not thread.is_alive()
    assert released.count("events") == 1
