"""The verbs on webhooks: add, list, remove one, let a dead one go on, ask whether messages arrive.

A webhook is told of the ledger's entries in their order, from the moment it is added. Nothing is queued for it: it has a cursor, and
what is to be sent follows from the ledger (`webhook_delivery`). Webhooks are an admin's, for they carry what happens here elsewhere, and
whoever adds or removes one stands in the ledger: with the host, and of the address, which can be a secret itself, the digest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from incumbent.base.digest import digest_bytes
from incumbent.base.errors import NotFound, Refused
from incumbent.governance.events import check_events
from incumbent.usecases.account_entries import account_time
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import Acting, attempting, find_acting, governed, record_act
from incumbent.usecases.webhook_address import parse_url
from incumbent.usecases.webhook_messages import make_secret, probe_event, sign_message
from incumbent.usecases.webhook_ports import Carrier, Delivery, Sent, Webhook
from incumbent.usecases.webhook_secrets import seal_old_secrets, seal_secret, unseal_secret
from incumbent.usecases.workspace import Workspace

DELIVERIES_SHOWN = 20
WEBHOOK = "webhook"
"""What the ledger calls one."""


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook that was added, and its secret, to be shown once."""

    webhook: Webhook
    secret: str = field(repr=False)


def add_webhook(
    ws: Workspace, *, url: str, events: Sequence[str] = (), may_be_private: bool = False, may_be_http: bool = False
) -> NewWebhook:
    """Add a webhook; it is told of what happens from now on.

    Args:
        ws: The workspace.
        url: Where messages go, https.
        events: Which, of `incumbent.governance.events`; all, of none.
        may_be_private: It may lead to this machine, or into a private network.
        may_be_http: It may go without TLS.

    Raises:
        InvalidInput: The URL is none that messages may go to, or there is no such event.
        Refused: People are registered, and the actor is no admin; or the secrets here are sealed by a key that is not on this machine.
        Corrupt: The secret of another webhook opens no more.
        Unavailable: The key that seals cannot be written.
    """
    target = parse_url(url, may_be_private=may_be_private, may_be_http=may_be_http)
    named = check_events(events)
    secret = make_secret(ws.ids.salt())
    name = ws.ids.new("webhook")
    with attempting(ws, act="add-webhook", kind=WEBHOOK, object_id=name), governed(ws) as tx:
        acting = _check_admin(ws, tx)
        seal_old_secrets(ws, tx)
        for known in tx.webhooks.list_all():
            unseal_secret(ws, known)  # by another key than this machine's: then the server, which has that one, could not send to both
        told = f"{target.authority}: {', '.join(named) or 'everything'}"
        entry = record_act(ws, tx, act="add-webhook", kind=WEBHOOK, object_id=name, acting=acting, refs={"url": _digest(url)}, after=told)
        plain = Webhook(
            name,
            url,
            named,
            "",
            entry.at,
            acting.actor,
            entry.seq + 1,
            entry.at,
            may_be_private=may_be_private,
            may_be_http=may_be_http,
        )
        webhook = seal_secret(ws, plain, secret)
        tx.webhooks.add(webhook)
    return NewWebhook(webhook, secret)


def list_webhooks(ws: Workspace) -> Sequence[Webhook]:
    """Return all webhooks, oldest first. Raises Refused: an address can be a secret itself."""
    with ws.store.begin(read_only=True) as tx:
        _check_admin(ws, tx)
        return tx.webhooks.list_all()


def list_deliveries(ws: Workspace, webhook: str, *, limit: int = DELIVERIES_SHOWN, before: int | None = None) -> Sequence[Delivery]:
    """Return what became of a webhook's messages, newest first; with `before`, of those of a smaller number. Raises NotFound, Refused."""
    with ws.store.begin(read_only=True) as tx:
        _check_admin(ws, tx)
        return tx.webhooks.list_deliveries(_get(tx, webhook).webhook_id, limit=limit, before=before)


def remove_webhook(ws: Workspace, *, webhook: str) -> Webhook:
    """Remove a webhook. A message that is under way may still arrive. Raises NotFound, Refused."""
    with attempting(ws, act="remove-webhook", kind=WEBHOOK, object_id=webhook), governed(ws) as tx:
        acting = _check_admin(ws, tx)
        found = _get(tx, webhook)
        refs = {"url": _digest(found.url)}
        at = account_time(ws, tx)  # a clock that was put back must not keep an address told
        record_act(ws, tx, act="remove-webhook", kind=WEBHOOK, object_id=found.webhook_id, acting=acting, refs=refs, at=at)
        tx.webhooks.remove(found.webhook_id)
    return found


def _digest(url: str) -> str:
    return digest_bytes(url.encode("ascii"), "sha256")


def resume_webhook(ws: Workspace, *, webhook: str, skip: bool = False) -> Webhook:
    """Let a webhook go on at once, a dead one too, with the entry that it is at, or with `skip` the one after.

    Raises:
        NotFound: There is no such webhook.
        Refused: The actor is no admin; or it is being sent to at this moment.
    """
    with ws.store.begin() as tx:
        _check_admin(ws, tx)
        found = _get(tx, webhook)
        cursor = min(found.cursor + int(skip), tx.ledger.size())
        after = replace(found, state="active", failures=0, cursor=cursor, next_at=ws.clock.now())
        if not tx.webhooks.change(found, after):
            raise Refused(f"{found.webhook_id} is being sent to at this moment; look at its deliveries, and ask again")
    return after


def probe_webhook(ws: Workspace, *, carrier: Carrier, webhook: str) -> Sent:
    """Send a message that only asks whether messages arrive, and return what was answered. Nothing of the webhook changes.

    Raises:
        NotFound: There is no such webhook.
        Refused: The actor is no admin; or its secret is sealed by a key that is not on this machine.
        Corrupt: Its secret is not the one that was made for it and its address.
    """
    with ws.store.begin(read_only=True) as tx:
        _check_admin(ws, tx)
        found = _get(tx, webhook)
        log = tx.ledger.get(0).log if tx.ledger.size() else "incumbent"
    now = ws.clock.now()
    headers, body = sign_message(probe_event(log, ws.ids.new("test"), now), unseal_secret(ws, found), now)
    return carrier.post(found.url, headers, body, may_be_private=found.may_be_private, may_be_http=found.may_be_http)


def _check_admin(ws: Workspace, tx: Transaction) -> Acting:
    acting = find_acting(ws, tx)
    if acting.person is not None and "admin" not in acting.roles:
        raise Refused(f"{acting.actor} is no admin, and webhooks are an admin's: they carry what happens here elsewhere")
    return acting


def _get(tx: Transaction, webhook: str) -> Webhook:
    found = next((known for known in tx.webhooks.list_all() if known.webhook_id == webhook), None)
    if found is None:
        raise NotFound(f"there is no webhook {webhook[:80]!r}; `incumbent webhooks ls` lists them")
    return found
