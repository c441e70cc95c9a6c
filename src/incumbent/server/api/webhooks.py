"""Webhooks: addresses that are told of what happens here. An admin's, and over HTTP never of a private network."""

import threading
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from incumbent.base.errors import Unavailable
from incumbent.bootstrap.carriers import open_carrier
from incumbent.server.api.cursor import cut_page, read_place
from incumbent.server.api.operation import Call, In, Operation, Out, Page
from incumbent.server.api.shapes import AT, Document, Name, Time
from incumbent.server.messages import Server
from incumbent.usecases.rights import WEBHOOKS
from incumbent.usecases.webhook_delivery import DELIVERIES_KEPT
from incumbent.usecases.webhooks import add_webhook, list_deliveries, list_webhooks, probe_webhook, remove_webhook, resume_webhook

PROBES_MAX = 2
"""How many messages one server sends at once because somebody asks whether they arrive: each holds a thread until it is answered."""
_PROBING = threading.BoundedSemaphore(PROBES_MAX)


class Webhook(Out):
    """An address that is told of entries of the ledger, in their order."""

    id: str
    url: str
    events: Annotated[list[str], Meta(description="Of which; empty: of all.")]
    state: Annotated[Literal["active", "dead"], Meta(description="dead: nothing is sent until somebody lets it go on.")]
    next_entry: Annotated[int, Meta(description="What is before it was sent, or is not asked for.")]
    failures: Annotated[int, Meta(description="How often that entry was tried in vain.")]
    next_at: Time
    made_at: Time
    made_by: str
    may_be_private: Annotated[bool, Meta(description="Addresses of private networks are allowed.")]
    may_be_http: Annotated[bool, Meta(description="Without TLS, too.")]


class MadeWebhook(Webhook):
    """A webhook, and its secret, which is shown this once."""

    secret: Annotated[str, Meta(description="With which messages are signed.")]


class NewWebhook(In):
    """An address, and what it is to be told of."""

    url: Annotated[str, Meta(min_length=1, max_length=2_000, description="https.")]
    events: Annotated[list[Name], Meta(max_length=50, description="Of which; of all, if it is empty.")] = msgspec.field(
        default_factory=list
    )


class Going(In):
    """How it goes on."""

    skip: Annotated[bool, Meta(description="Without the entry that it is at.")] = False


class Delivery(Out):
    """One attempt to tell of one entry."""

    number: int
    entry: int
    event: str
    at: Time
    status: Annotated[int, Meta(description="What was answered; 0 if nothing was.")]
    detail: str
    is_delivered: bool


class Probed(Out):
    """Whether a message arrived."""

    arrived: bool
    status: Annotated[int, Meta(description="What was answered; 0 if nothing was.")]
    detail: str


def list_all_webhooks(server: Server, call: Call) -> Page:
    """List the webhooks."""
    return cut_page(list_webhooks(server.ws), place=lambda one: (one.webhook_id,), show=lambda one: one.to_json(), call=call)


def add_one_webhook(server: Server, call: Call) -> object:
    """Add a webhook, which may lead to public addresses alone: whoever has a token is not whoever runs this network."""
    asked: NewWebhook = call.body
    made = add_webhook(server.ws, url=asked.url, events=asked.events)
    return {**made.webhook.to_json(), "secret": made.secret}


def remove_one_webhook(server: Server, call: Call) -> object:
    """Remove a webhook."""
    return remove_webhook(server.ws, webhook=call.path["webhook"]).to_json()


def resume_one_webhook(server: Server, call: Call) -> object:
    """Let a webhook go on."""
    asked: Going = call.body
    return resume_webhook(server.ws, webhook=call.path["webhook"], skip=asked.skip).to_json()


def list_webhook_deliveries(server: Server, call: Call) -> Page:
    """List what became of messages, newest first."""
    place = read_place(call, int)
    found = list_deliveries(server.ws, call.path["webhook"], limit=call.limit + 1, before=place[0] if place else None)
    shown = found[: call.limit]
    return Page([one.to_json() for one in shown], [shown[-1].number] if len(found) > call.limit else None)


def probe_one_webhook(server: Server, call: Call) -> object:
    """Send a message, and tell what was answered."""
    if not _PROBING.acquire(blocking=False):
        raise Unavailable(f"{PROBES_MAX} webhooks are being tried, which is all that this server does at once; try again later")
    try:
        return probe_webhook(server.ws, carrier=open_carrier(), webhook=call.path["webhook"]).to_json()
    finally:
        _PROBING.release()


_WEBHOOK: Document = {
    "id": "webhook-0mjq1k2v3-7f3a", "url": "https://hooks.example.com/incumbent", "events": ["slot.changed"], "state": "active",
    "next_entry": 42, "failures": 0, "next_at": AT, "made_at": AT, "made_by": "ada", "may_be_private": False, "may_be_http": False,
}  # fmt: skip
_DELIVERY: Document = {"number": 7, "entry": 41, "event": "slot.changed", "at": AT, "status": 204, "detail": "", "is_delivered": True}

OPERATIONS = (
    Operation(
        "list_webhooks", "webhooks", "GET", "/webhooks", WEBHOOKS, "List the webhooks, and how far each was told.",
        list_all_webhooks, Webhook, _WEBHOOK, is_paged=True, refuses=True, by=("webhooks.list_webhooks",),
    ),
    Operation(
        "add_webhook", "webhooks", "POST", "/webhooks", "add-webhook",
        "Tell an address of what happens from now on; its secret is shown this once.",
        add_one_webhook, MadeWebhook, {**_WEBHOOK, "secret": "whsec_…"}, body=NewWebhook,
        sent={"url": "https://hooks.example.com/incumbent", "events": ["slot.changed"]}, status=201, refuses=True, repeats=False,
        by=("webhooks.add_webhook",),
        more="Only https, and only public addresses. What leads into a private network is added on the server's machine, by "
        "`incumbent webhooks add --allow-private`.",
    ),
    Operation(
        "remove_webhook", "webhooks", "DELETE", "/webhooks/{webhook}", "remove-webhook", "Tell an address nothing any more.",
        remove_one_webhook, Webhook, _WEBHOOK, refuses=True, by=("webhooks.remove_webhook",),
    ),
    Operation(
        "resume_webhook", "webhooks", "POST", "/webhooks/{webhook}/resume", WEBHOOKS,
        "Let a webhook go on at once, a dead one too, from the entry that it is at or the one after.",
        resume_one_webhook, Webhook, _WEBHOOK, body=Going, sent={"skip": True}, refuses=True, by=("webhooks.resume_webhook",),
    ),
    Operation(
        "list_deliveries", "webhooks", "GET", "/webhooks/{webhook}/deliveries", WEBHOOKS,
        f"List what became of a webhook's messages, newest first; the last {DELIVERIES_KEPT} are kept.",
        list_webhook_deliveries, Delivery, _DELIVERY, is_paged=True, refuses=True, by=("webhooks.list_deliveries",),
    ),
    Operation(
        "probe_webhook", "webhooks", "POST", "/webhooks/{webhook}/test", WEBHOOKS,
        "Send a message that only asks whether messages arrive, and say what was answered.",
        probe_one_webhook, Probed, {"arrived": True, "status": 204, "detail": ""}, refuses=True, by=("webhooks.probe_webhook",),
    ),
)  # fmt: skip
