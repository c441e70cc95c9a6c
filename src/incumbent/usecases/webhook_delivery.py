"""Telling webhooks what the ledger has become: at least once, in the ledger's order, each entry under one id.

    take     a webhook whose cursor is behind is put off by a lease, so that one sender at a time has it
    send     the next entry that it asks for
    settle   taken: the cursor moves on. Not taken: wait, longer each time; after the last time it is dead, and its cursor stays

A sender that dies between sending and settling leaves a lease that ends: the entry is sent again, with the same id.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice

from incumbent.base.errors import Corrupt, InvalidInput, NotFound, Refused
from incumbent.governance.events import event_of
from incumbent.ledger.entry import Entry, parse_entry
from incumbent.usecases.ports import Transaction
from incumbent.usecases.webhook_messages import entry_event, sign_message
from incumbent.usecases.webhook_ports import Carrier, Delivery, Sent, Webhook
from incumbent.usecases.webhook_secrets import find_plain, seal_old_secrets, unseal_secret
from incumbent.usecases.workspace import Workspace

LEASE_S = 120
"""More than a message can take (`execution.webhook_carrier`), a slow resolver included."""
RETRY_AFTER_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds to wait after each failure, as Standard Webhooks proposes: about three days in all. After one more failure it is dead."""
JITTER = 0.2
GONE = 410
DELIVERIES_KEPT = 200
SCANNED_MAX = 1_000
IN_A_ROW_MAX = 100


def begin_delivery(ws: Workspace) -> int:
    """Make ready to send: seal secrets that an earlier version has left in plain text, and return how many they were.

    Raises:
        Unavailable: The key cannot be written.
        Corrupt, InvalidInput: The key cannot be read.
    """
    with ws.store.begin(read_only=True) as tx:
        if not find_plain(tx):
            return 0
    with ws.store.begin() as tx:
        return seal_old_secrets(ws, tx)


def take_due(ws: Workspace, *, most: int | None = None) -> Sequence[Webhook]:
    """Return webhooks that are to be sent to now, up to `most`; they are this caller's until it settles them, or the lease ends."""
    with ws.store.begin(read_only=True) as tx:
        if not tx.webhooks.list_due(ws.clock.now(), tx.ledger.size()):
            return []
    with ws.store.begin(durable=False) as tx:
        now = ws.clock.now()
        found = tx.webhooks.list_due(now, tx.ledger.size())[:most]
        pairs = [(due, replace(due, next_at=now + timedelta(seconds=LEASE_S))) for due in found]
        return [after for before, after in pairs if tx.webhooks.change(before, after)]


def deliver(ws: Workspace, *, carrier: Carrier, taken: Webhook, is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Send a webhook that was taken what it asks for, until there is no more or one is not taken; return how many were.

    Args:
        ws: The workspace.
        carrier: What carries messages.
        taken: As `take_due` gave it.
        is_stopping: Asked before each message; after `IN_A_ROW_MAX` of them it is another webhook's turn in any case.

    Raises:
        Corrupt: An entry of the ledger cannot be read.
        Unavailable: The store is away; what was sent last may be sent again.
    """
    webhook, count = taken, 0
    while True:
        with ws.store.begin(read_only=True) as tx:
            entry, cursor, size = _find_next(tx, webhook)
        ahead = replace(webhook, cursor=cursor)
        is_over = count >= IN_A_ROW_MAX or is_stopping()
        if entry is None or is_over:
            is_more = cursor < size and not is_over
            after = replace(ahead, next_at=_now_plus(ws, LEASE_S if is_more else 0))
            with ws.store.begin(durable=False) as tx:
                has_changed = tx.webhooks.change(webhook, after)
            if not (is_more and has_changed):
                return count
            webhook = after
            continue
        settled = _send(ws, carrier, webhook, ahead, entry)
        if settled is None or settled.failures:
            return count
        webhook, count = settled, count + 1


def _send(ws: Workspace, carrier: Carrier, before: Webhook, ahead: Webhook, entry: Entry) -> Webhook | None:
    """Send one entry and settle it; None if another sender settled meanwhile, or the webhook is gone."""
    at = ws.clock.now()
    try:
        headers, body = sign_message(entry_event(entry), unseal_secret(ws, ahead), at)
    except (
        Corrupt,
        InvalidInput,
        NotFound,
        Refused,
    ) as error:  # nothing unsigned is sent: it fails until somebody mends it
        sent = Sent(0, f"nothing was sent: {error}")
    else:
        sent = carrier.post(ahead.url, headers, body, may_be_private=ahead.may_be_private, may_be_http=ahead.may_be_http)
    after = judge_sent(ahead, entry, sent, ws.clock.now())
    delivery = Delivery(ahead.webhook_id, after.tried, entry.seq, event_of(entry.draft.act), at, sent.status, _words(sent))
    with ws.store.begin(durable=False) as tx:
        if not tx.webhooks.change(before, after):
            return None
        tx.webhooks.record(delivery, keep=DELIVERIES_KEPT)
    return after


def judge_sent(webhook: Webhook, entry: Entry, sent: Sent, now: datetime) -> Webhook:
    """Return what a webhook becomes by what its receiver answered to an entry."""
    tried = webhook.tried + 1
    if 200 <= sent.status < 300:
        return replace(webhook, cursor=entry.seq + 1, failures=0, tried=tried, next_at=now + timedelta(seconds=LEASE_S))
    failures = webhook.failures + 1
    if failures > len(RETRY_AFTER_S) or sent.status == GONE:
        return replace(webhook, state="dead", failures=failures, tried=tried, next_at=now)
    wait = RETRY_AFTER_S[failures - 1] * _spread(webhook.webhook_id, entry.seq, failures)
    return replace(webhook, failures=failures, tried=tried, next_at=now + timedelta(seconds=wait))


def _spread(webhook_id: str, seq: int, failures: int) -> float:
    """Return a factor of 1 - JITTER to 1 + JITTER, another one for each webhook and attempt: receivers are not stormed together."""
    chance = hashlib.sha256(f"{webhook_id} {seq} {failures}".encode()).digest()
    return 1 - JITTER + 2 * JITTER * int.from_bytes(chance[:4]) / 0xFFFF_FFFF


def _find_next(tx: Transaction, webhook: Webhook) -> tuple[Entry | None, int, int]:
    """Return the next entry that it asks for, if one is near; up to where there is none before it; and how many entries there are."""
    cursor = webhook.cursor
    for body in islice(tx.ledger.read(cursor), SCANNED_MAX):
        entry = parse_entry(body)
        if not webhook.events or event_of(entry.draft.act) in webhook.events:
            return entry, entry.seq, tx.ledger.size()
        cursor = entry.seq + 1
    return None, cursor, tx.ledger.size()


def _now_plus(ws: Workspace, seconds: float) -> datetime:
    return ws.clock.now() + timedelta(seconds=seconds)


def _words(sent: Sent) -> str:
    if 300 <= sent.status < 400:
        return "it answered with a redirect, and none is followed: add the address that it leads to"
    return sent.detail[:500]
