"""Webhooks and what became of their messages, in SQL."""

import json
from collections.abc import Sequence
from datetime import datetime

from incumbent.base.errors import Corrupt
from incumbent.storage.cells import from_json, from_micros, to_micros, to_text
from incumbent.storage.session import Row, Session
from incumbent.usecases.webhook_ports import Delivery, Webhook

_WEBHOOK = "webhook_id, url, events, secret, made_at, made_by, next_entry, next_at, may_be_private, may_be_http, state, failures, tried"
_DELIVERY = "webhook_id, number, entry, event, at, status, detail"


class SqlWebhooks:
    """Webhooks by id."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, webhook: Webhook) -> None:
        """Keep one."""
        self._session.run(
            f"INSERT INTO webhooks ({_WEBHOOK}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                webhook.webhook_id, to_text(webhook.url, "URL"), json.dumps(webhook.events), webhook.sealed, to_micros(webhook.made_at),
                to_text(webhook.made_by, "actor"), webhook.cursor, to_micros(webhook.next_at), int(webhook.may_be_private),
                int(webhook.may_be_http), webhook.state, webhook.failures, webhook.tried,
            ),
        )  # fmt: skip

    def list_all(self) -> Sequence[Webhook]:
        """Return all, oldest first."""
        return [_webhook(row) for row in self._session.all(f"SELECT {_WEBHOOK} FROM webhooks ORDER BY made_at, webhook_id")]

    def list_due(self, now: datetime, size: int) -> Sequence[Webhook]:
        """Return the active ones that may be sent to now and whose cursor is before `size`."""
        rows = self._session.all(
            f"SELECT {_WEBHOOK} FROM webhooks WHERE state = 'active' AND next_at <= ? AND next_entry < ? ORDER BY next_at, webhook_id",
            (to_micros(now), size),
        )
        return [_webhook(row) for row in rows]

    def change(self, before: Webhook, after: Webhook) -> bool:
        """Replace state, cursor, failures, next_at and tried, unless one of the last three is another than before: then return False."""
        changed = self._session.run(
            "UPDATE webhooks SET state = ?, next_entry = ?, failures = ?, next_at = ?, tried = ? "
            "WHERE webhook_id = ? AND next_entry = ? AND failures = ? AND next_at = ? AND tried = ?",
            (
                after.state, after.cursor, after.failures, to_micros(after.next_at), after.tried,
                before.webhook_id, before.cursor, before.failures, to_micros(before.next_at), before.tried,
            ),
        )  # fmt: skip
        return changed == 1

    def reseal(self, webhook_id: str, sealed: str) -> None:
        """Replace the sealed secret of one."""
        self._session.run("UPDATE webhooks SET secret = ? WHERE webhook_id = ?", (sealed, webhook_id))

    def remove(self, webhook_id: str) -> None:
        """Remove one and its deliveries."""
        self._session.run("DELETE FROM webhook_deliveries WHERE webhook_id = ?", (webhook_id,))
        self._session.run("DELETE FROM webhooks WHERE webhook_id = ?", (webhook_id,))

    def record(self, delivery: Delivery, *, keep: int) -> None:
        """Keep what became of an attempt, and of each webhook the newest `keep` alone."""
        self._session.run(
            f"INSERT INTO webhook_deliveries ({_DELIVERY}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                delivery.webhook_id, delivery.number, delivery.entry, delivery.event, to_micros(delivery.at), delivery.status,
                to_text(delivery.detail, "detail"),
            ),
        )  # fmt: skip
        self._session.run(
            "DELETE FROM webhook_deliveries WHERE webhook_id = ? AND number <= ?", (delivery.webhook_id, delivery.number - keep)
        )

    def list_deliveries(self, webhook_id: str, *, limit: int, before: int | None = None) -> Sequence[Delivery]:
        """Return the attempts of one, newest first; with `before`, those of a smaller number."""
        older, last = ("", ()) if before is None else (" AND number < ?", (before,))
        rows = self._session.all(
            f"SELECT {_DELIVERY} FROM webhook_deliveries WHERE webhook_id = ?{older} ORDER BY number DESC LIMIT ?",
            (webhook_id, *last, limit),
        )
        return [Delivery(row[0], row[1], row[2], row[3], from_micros(row[4]), row[5], row[6]) for row in rows]


def _webhook(row: Row) -> Webhook:
    webhook_id, url, events, sealed, made_at, made_by, cursor, next_at, private, http, state, failures, tried = row
    names = from_json(events)
    if not isinstance(names, list) or state not in {"active", "dead"}:
        raise Corrupt(f"webhook {webhook_id}: the database holds {str(events)[:80]!r} and {str(state)[:20]!r} for its events and state")
    return Webhook(
        webhook_id, url, tuple(str(name) for name in names), str(sealed), from_micros(made_at), made_by, cursor, from_micros(next_at),
        bool(private), bool(http), state, failures, tried,
    )  # fmt: skip
