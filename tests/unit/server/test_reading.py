"""What two readers of HTTP could understand differently is refused; a head has a limit; a trailer is no header."""

import contextlib
import socket
import threading

import pytest
import uvicorn

from incumbent.server.patience import PatientProtocol
from incumbent.server.reading import HEAD_BYTES_MAX

POST = b"POST /a HTTP/1.1\r\nhost: x\r\n"


class Hasty(PatientProtocol):
    head_timeout_s = 0.3


async def echo(scope, receive, send):
    """Answer with the path, the body and the names of the headers."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    said = b"|".join([scope["raw_path"], body, *(name for name, _ in scope["headers"])])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
    await send({"type": "http.response.body", "body": said})


@contextlib.contextmanager
def served(protocol):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        server = uvicorn.Server(uvicorn.Config(echo, lifespan="off", log_level="critical", ws="none", http=protocol))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def port():
    with served(Hasty) as port:
        yield port


def said_to(port, data):
    """Return all that is said until the connection is closed, which the last request has to ask for, or the server has to do."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(data)
        said = b""
        while part := raw.recv(10_000):
            said += part
        return said


@pytest.mark.parametrize(
    "data",
    [
        POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
        POST + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\n-1\r\n\r\n",
        POST + b"content-length: -1\r\n\r\n",
        POST + b"content-length: +1\r\n\r\na",
        POST + b"content-length : 1\r\n\r\na",
        POST + b"a: b\r\n c\r\n\r\n",
        POST + b"a: b\x00\r\n\r\n",
        b"GET /a HTTP/1.1\nhost: x\n\n",
        b"GET /a b HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /a HTTP/3.1\r\nhost: x\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(port, data):
    assert said_to(port, data).startswith(b"HTTP/1.1 400 ")


def test_a_trailer_is_no_header(port):
    data = POST + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-forwarded-for: 1.2.3.4\r\n\r\n"
    assert said_to(port, data).endswith(b"\r\n\r\n/a|a|host|connection|transfer-encoding")


def test_requests_in_one_piece_are_answered_in_turn(port):
    first = POST + b"content-length: 2\r\n\r\nab"
    said = said_to(port, first + b"GET /b?c HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert said.index(b"/a|ab|host|content-length") < said.index(b"/b||host|connection")


def test_an_expectation_is_met(port):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(POST + b"connection: close\r\ncontent-length: 1\r\nexpect: 100-continue\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 100 ")
        raw.sendall(b"a")
        assert b"/a|a|" in raw.recv(1000)


def test_a_head_without_end_is_given_up_however_much_time_it_has():
    with served(PatientProtocol) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        try:
            raw.sendall(b"GET /" + b"a" * 100 * HEAD_BYTES_MAX)
            assert raw.recv(100) == b""
        except ConnectionError:
            return


@pytest.mark.parametrize("first", [b"", b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n"])
def test_empty_lines_are_no_head(port, first):
    with socket.create_connection(("127.0.0.1", port), timeout=0.05) as raw:
        raw.sendall(first)
        for _ in range(200):  # ten seconds at most; the server gives up long before
            try:
                raw.sendall(b"\r\n")
                if not raw.recv(1000):
                    return
            except TimeoutError:
                continue
            except OSError:
                return
    pytest.fail("the connection was kept for empty lines")
