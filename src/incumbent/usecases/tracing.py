"""Traces: the port to what records spans, and the ports that can be wrapped in it. None of this is there unless traces are on."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, Protocol

from incumbent.usecases.ports import Store, Transaction
from incumbent.usecases.webhook_ports import Carrier, Sent

SpanKind = Literal["server", "client", "internal"]


class Span(Protocol):
    """One piece of work that is being timed."""

    def note(self, **attributes: str | int | bool) -> None:
        """Say more about it; a "." in a name is written "__"."""

    def rename(self, name: str) -> None:
        """Call it otherwise, once it is known what it is."""

    def fail(self, why: str) -> None:
        """Say that it failed."""


class Tracing(Protocol):
    """Records spans. Which span is the one around follows the flow of control (contextvars)."""

    def span(self, name: str, kind: SpanKind, *, headers: Mapping[str, str] | None = None) -> AbstractContextManager[Span]:
        """Time what is done inside the block. `headers`: of a request, whose traceparent (W3C Trace Context) is what it belongs to."""

    def headers(self) -> Mapping[str, str]:
        """Return the headers that tell another server to which span its work belongs."""

    def close(self) -> None:
        """Send what is recorded, and record no more."""


class TracedStore:
    """A metadata store whose transactions are spans."""

    def __init__(self, store: Store, tracing: Tracing) -> None:
        self._store = store
        self._tracing = tracing

    @contextmanager
    def begin(self, *, durable: bool = True, read_only: bool = False) -> Iterator[Transaction]:
        """Open a transaction; the span lasts until it is committed or undone, the wait for other writers included."""
        with self._tracing.span("read" if read_only else "transaction", "internal") as span:
            span.note(incumbent__durable=durable and not read_only)
            with self._store.begin(durable=durable, read_only=read_only) as tx:
                yield tx

    def stamp(self) -> int | None:
        """Return what stays while nobody commits; no span, for it is no transaction."""
        return self._store.stamp()

    def identity(self) -> str:
        """Return a text that two stores have in common if they are one."""
        return self._store.identity()

    def check(self) -> Sequence[str]:
        """Return what the database itself finds wrong."""
        return self._store.check()

    def close(self) -> None:
        """Give up connections."""
        self._store.close()


class TracedCarrier:
    """A carrier whose messages are spans, and tell their receivers so."""

    def __init__(self, carrier: Carrier, tracing: Tracing) -> None:
        self._carrier = carrier
        self._tracing = tracing

    def post(self, url: str, headers: Mapping[str, str], body: bytes, *, may_be_private: bool, may_be_http: bool) -> Sent:
        """Send it, and return what was answered. The address is not noted: it can be a secret."""
        with self._tracing.span("POST", "client") as span:
            span.note(http__request__method="POST", incumbent__message=headers.get("webhook-id", ""))
            sent = self._carrier.post(
                url, {**headers, **self._tracing.headers()}, body, may_be_private=may_be_private, may_be_http=may_be_http
            )
            if sent.status:
                span.note(http__response__status_code=sent.status)
            if not 200 <= sent.status < 300:
                span.fail(sent.detail or str(sent.status))
        return sent
