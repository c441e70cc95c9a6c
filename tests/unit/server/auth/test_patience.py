"""A connection that says nothing, or a little at a time, is closed; one that asks properly is not."""

import socket
import threading
import time

import pytest
import uvicorn

from incumbent.server.patience import HEAD_TIMEOUT_S, PatientProtocol


class Hasty(PatientProtocol):
    head_timeout_s = 0.4


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


@pytest.fixture(scope="module")
def port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        config = uvicorn.Config(hello, lifespan="off", log_level="error", ws="none", http=Hasty, timeout_keep_alive=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def test_twenty_seconds_are_what_a_head_may_take():
    assert PatientProtocol.head_timeout_s == HEAD_TIMEOUT_S == 20.0


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_a_head_that_does_not_come_ends_the_connection(port, said):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        raw.sendall(said)
        began = time.monotonic()
        assert raw.recv(1000) == b""
        assert 0.2 < time.monotonic() - began < 3


def test_a_byte_now_and_then_does_not_buy_more_time(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        began = time.monotonic()
        try:
            for byte in b"GET / HTTP/1.1\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":
                raw.sendall(bytes([byte]))
                time.sleep(0.05)
            raw.settimeout(0.1)
            assert raw.recv(10) == b""
        except OSError:
            pass  # closed while we were sending: what the test wants
        assert time.monotonic() - began < 3.5


def test_a_second_request_on_a_connection_has_its_own_time(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        for _ in range(3):
            raw.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            said = b""
            while not said.endswith(b"hi"):
                said += raw.recv(1000)
            time.sleep(0.3)
        raw.sendall(b"GET / HT")
        began = time.monotonic()
        assert raw.recv(1000) == b""
        assert 0.2 < time.monotonic() - began < 3
