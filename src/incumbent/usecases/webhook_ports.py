"""Ports of webhooks: who is told of what, what became of it, and what carries a message over the network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from incumbent.base.documents import Document

WebhookState = Literal["active", "dead"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that is told of entries of the ledger, in their order.

    Attributes:
        events: Which, by `incumbent.governance.events`; () stands for all.
        sealed: What messages are signed with, sealed (`usecases.webhook_secrets`); whoever receives them has it in plain.
        may_be_private: Addresses of this machine and of private networks are allowed.
        may_be_http: Without TLS, too.
        state: "dead" after too many failures: nothing is sent until somebody lets it go on.
        cursor: Number of the first entry that is not settled. What is before it was sent, or is not asked for.
        failures: How often the entry at the cursor was tried in vain.
        next_at: Not before. Whoever sends puts it off first, so that nobody else sends meanwhile, and a sender that dies is replaced.
        tried: How many messages were ever sent, or tried to be.
    """

    webhook_id: str
    url: str
    events: tuple[str, ...]
    sealed: str = field(repr=False)
    made_at: datetime
    made_by: str
    cursor: int
    next_at: datetime
    may_be_private: bool = False
    may_be_http: bool = False
    state: WebhookState = "active"
    failures: int = 0
    tried: int = 0

    def to_json(self) -> Document:
        """Return the document that every face shows; the secret is not in it."""
        return {
            "id": self.webhook_id, "url": self.url, "events": [*self.events], "state": self.state, "next_entry": self.cursor,
            "failures": self.failures, "next_at": self.next_at.isoformat(), "made_at": self.made_at.isoformat(), "made_by": self.made_by,
            "may_be_private": self.may_be_private, "may_be_http": self.may_be_http,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to tell of one entry.

    Attributes:
        number: Of this webhook's attempts, from 1.
        entry: Number of the ledger's entry.
        event: What it was told as.
        status: What the receiver answered, 0 if nothing.
        detail: In words, what went wrong; "" if nothing did.
    """

    webhook_id: str
    number: int
    entry: int
    event: str
    at: datetime
    status: int
    detail: str

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver took it."""
        return 200 <= self.status < 300

    def to_json(self) -> Document:
        """Return the document that every face shows."""
        return {
            "number": self.number, "entry": self.entry, "event": self.event, "at": self.at.isoformat(), "status": self.status,
            "detail": self.detail, "is_delivered": self.is_delivered,
        }  # fmt: skip


class Webhooks(Protocol):
    """Webhooks and their deliveries. Adding and removing one has its entry; nothing that is decided rests on them."""

    def add(self, webhook: Webhook) -> None:
        """Keep one."""

    def list_all(self) -> Sequence[Webhook]:
        """Return all, oldest first."""

    def list_due(self, now: datetime, size: int) -> Sequence[Webhook]:
        """Return the active ones that may be sent to now and whose cursor is before `size`."""

    def change(self, before: Webhook, after: Webhook) -> bool:
        """Replace state, cursor, failures, next_at and tried, unless one of the last three is another than before: then return False."""

    def reseal(self, webhook_id: str, sealed: str) -> None:
        """Replace the sealed secret of one."""

    def remove(self, webhook_id: str) -> None:
        """Remove one and its deliveries."""

    def record(self, delivery: Delivery, *, keep: int) -> None:
        """Keep what became of an attempt, and of each webhook the newest `keep` alone."""

    def list_deliveries(self, webhook_id: str, *, limit: int, before: int | None = None) -> Sequence[Delivery]:
        """Return the attempts of one, newest first; with `before`, those of a smaller number."""


class Told(Protocol):
    """Their tables, inside one transaction."""

    webhooks: Webhooks


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a message.

    Attributes:
        status: What was answered; 0 if nothing was.
        detail: Why nothing was, in words.
    """

    status: int
    detail: str = ""

    def to_json(self) -> Document:
        """Return the document that every face shows."""
        return {"arrived": 200 <= self.status < 300, "status": self.status, "detail": self.detail}


class Carrier(Protocol):
    """Carries a message to an address."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes, *, may_be_private: bool, may_be_http: bool) -> Sent:
        """Send it, and return what was answered. Raises nothing: that a receiver is away is an answer, too."""
