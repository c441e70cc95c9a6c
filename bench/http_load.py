"""A lean HTTP load generator, in a process of its own: kept connections, each with the next request ready when the answer is there.

Reads a plan from standard input and prints what happened, both as JSON. Requests are made before the clock starts; of an answer it reads
the status and the length, and counts bytes. The same one loads both sides of a comparison.
"""

import json
import random
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass

KEPT_BYTES = 200_000
_ROOM = memoryview(bytearray(1 << 20))


@dataclass(frozen=True)
class Load:
    """What came of it.

    Attributes:
        calls: Answers with status 200.
        refused: Answers with another status.
        seconds: From the first request to the last answer.
        p50_ms, p95_ms: Time of a call.
        first_body: Of the first answer, at most 100 kB.
    """

    calls: int
    refused: int
    seconds: float
    p50_ms: float
    p95_ms: float
    first_body: str

    @property
    def per_second(self):
        """Calls a second, of all connections together."""
        return self.calls / self.seconds


def run_load(port, clients, seconds=600.0):
    """Run it: stops when all is sent, or after `seconds`.

    Args:
        port: Of the server, on this machine.
        clients: For each connection a list of (method, path, body). A body is text that is JSON, or (seed, bytes) of noise.
        seconds: Nothing is sent any more after so long.
    """
    plan = json.dumps({"port": port, "clients": clients, "seconds": seconds})
    done = subprocess.run([sys.executable, __file__], input=plan, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the load generator failed: {done.stderr}")
    load = Load(**json.loads(done.stdout))
    if load.refused:
        sys.exit(f"{load.refused} of {load.refused + load.calls} calls were refused: {load.first_body[:500]}")
    return load


class _Client:
    """One connection."""

    def __init__(self, port, requests):
        self.raw = socket.create_connection(("127.0.0.1", port))
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests = deque(requests)
        self.said = bytearray()
        self.length = 0
        self.wanted = -1
        self.status = 0
        self.sent_at = 0.0

    def ask(self):
        self.said.clear()
        self.length = 0
        self.wanted = -1
        self.sent_at = time.perf_counter()
        self.raw.sendall(self.requests.popleft())

    def hear(self):
        """Take in what came; return whether the answer is whole."""
        size = self.raw.recv_into(_ROOM)
        if not size:
            sys.exit(f"the server closed a connection after {bytes(self.said)[:300]!r}")
        self.length += size
        if len(self.said) < KEPT_BYTES:
            self.said += _ROOM[:size]
        if self.wanted < 0:
            end = self.said.find(b"\r\n\r\n")
            if end < 0:
                return False
            head = bytes(self.said[:end]).lower()
            self.status = int(head[9:12])
            at = head.find(b"\r\ncontent-length:")
            if at < 0:
                sys.exit(f"an answer without a length: {head[:300]!r}")
            self.wanted = end + 4 + int(head[at + 17 :].split(b"\r\n", 1)[0])
        return self.length >= self.wanted


def _bytes(port, method, path, body):
    is_noise = not isinstance(body, str)
    data = random.Random(body[0]).randbytes(body[1]) if is_noise else body.encode()
    media_type = "application/octet-stream" if is_noise else "application/json"
    kind = f"content-type: {media_type}\r\ncontent-length: {len(data)}\r\n" if data else ""
    return f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\naccept: */*\r\nuser-agent: load\r\n{kind}\r\n".encode() + data


def main():
    plan = json.load(sys.stdin)
    clients = [_Client(plan["port"], [_bytes(plan["port"], *request) for request in requests]) for requests in plan["clients"]]
    times, refused, first = [], 0, ""
    with selectors.DefaultSelector() as selector:
        begun = time.perf_counter()
        end = begun + plan["seconds"]
        for client in clients:
            selector.register(client.raw, selectors.EVENT_READ, client)
            client.ask()
        left = len(clients)
        while left:
            for key, _ in selector.select():
                client = key.data
                if not client.hear():
                    continue
                now = time.perf_counter()
                times.append(now - client.sent_at)
                refused += client.status != 200
                if len(times) == 1 or (client.status != 200 and refused == 1):
                    first = bytes(client.said[client.said.find(b"\r\n\r\n") + 4 :][:100_000]).decode(errors="replace")
                if client.requests and now < end:
                    client.ask()
                else:
                    selector.unregister(client.raw)  # the server may close it while others go on
                    left -= 1
        seconds = time.perf_counter() - begun
    times.sort()
    json.dump(
        {
            "calls": len(times) - refused,
            "refused": refused,
            "seconds": seconds,
            "p50_ms": times[len(times) // 2] * 1e3,
            "p95_ms": times[int(len(times) * 0.95)] * 1e3,
            "first_body": first,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
