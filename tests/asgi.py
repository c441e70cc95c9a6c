"""Asking the server's application without a socket: what uvicorn hands it, byte for byte, and what it answers."""

import asyncio
import itertools
import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlencode

from incumbent.server.access import Door
from incumbent.server.app import App
from incumbent.server.messages import Server
from logins import CHEAP, PASSWORD

LOCAL = "127.0.0.1:8765"
GONE = {"type": "http.disconnect"}


class NoModels:
    """A `ModelHost` without models."""

    def answer(self, bundle, columns):
        raise AssertionError("no test here asks a model")

    def close(self) -> None:
        pass


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    is_complete: bool = True

    def get(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key == name]
        return found[0] if found else None

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def cookie(self) -> str:
        """The pair that the answer sets, as a browser sends it back."""
        return (self.get("set-cookie") or "").partition(";")[0]


@dataclass
class Client:
    """A caller: its headers go with every request."""

    app: App
    headers: dict[str, str] = field(default_factory=dict)
    host: str = LOCAL
    address: str = "127.0.0.1"

    def ask(
        self, method: str, path: str, *, body: bytes = b"", headers=(), form: dict[str, str] | None = None, pieces=(), stay=None
    ) -> Answer:
        """Ask, and return the answer.

        Args:
            pieces: The body in pieces, its length not said; at None the caller goes, at ... nothing comes any more.
            stay: Told what the answer has brought so far, after each piece; the caller goes when it returns False.
        """
        raw, _, query = path.partition("?")
        named = {**self.headers}
        if form is not None:
            body, named["content-type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
        if body:
            named["content-length"] = str(len(body))
        pairs = [("host", self.host), *named.items(), *(headers.items() if isinstance(headers, dict) else headers)]
        scope = {
            "type": "http", "method": method, "path": unquote(raw), "raw_path": raw.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs], "client": (self.address, 50_000),
        }  # fmt: skip
        if pieces:
            named_now = {name for name, _ in scope["headers"]}
            scope["headers"] += [] if b"content-length" in named_now else [(b"transfer-encoding", b"chunked")]
        coming = itertools.chain(map(_message, pieces), [{"type": "http.request", "body": body, "more_body": False}])
        sent: list[dict] = []

        async def talk():
            left = asyncio.Event()

            async def receive():
                message = next(coming, ...)
                if message is ...:
                    await left.wait()
                    message = GONE
                return message

            async def send(message):
                sent.append(message)
                if stay is not None and not stay(b"".join(one.get("body", b"") for one in sent)):
                    left.set()

            await self.app(scope, receive, send)

        asyncio.run(talk())
        start = sent[0]
        found = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        is_complete = len(sent) > 1 and not sent[-1].get("more_body", False)
        return Answer(start["status"], found, b"".join(message.get("body", b"") for message in sent[1:]), is_complete)

    def get(self, path: str, **more) -> Answer:
        return self.ask("GET", path, **more)

    def post(self, path: str, **more) -> Answer:
        return self.ask("POST", path, **more)

    def page(self, path: str) -> Answer:
        return self.get(path, headers={"accept": "text/html"})

    def log_in(self, name: str, password: str = PASSWORD, **more: str) -> Answer:
        """Log in as a browser does, and keep the cookie."""
        answer = self.post("/log-in", form={"name": name, "password": password, **more})
        if answer.status == 303:
            self.headers["cookie"] = answer.cookie
        return answer


def _message(piece):
    return {None: GONE, ...: ...}[piece] if piece in (None, ...) else {"type": "http.request", "body": piece, "more_body": True}


def form_secret_in(page: Answer) -> str:
    """Return the hidden secret of the first form of a page."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found is not None, page.text
    return found[1]


def open_app(ws, *, single_user: str = "while nobody is registered", host: object | None = None, **door) -> App:
    """Return the application over a workspace."""
    return App(Server(ws, host or NoModels(), Door(single_user, **{"passwords": CHEAP, **door})))
