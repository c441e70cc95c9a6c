"""Webhooks: who is told of the ledger's entries, how far, and what became of the last messages."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "webhooks",
        *[_text(name) for name in ("webhook_id", "url", "events", "secret")],
        _number("made_at"),
        _text("made_by"),
        *[_number(name) for name in ("next_entry", "next_at", "may_be_private", "may_be_http")],
        _text("state"),
        *[_number(name) for name in ("failures", "tried")],
        sa.PrimaryKeyConstraint("webhook_id", name=op.f("pk_webhooks")),
    )
    op.create_table(
        "webhook_deliveries",
        _text("webhook_id"),
        *[_number(name) for name in ("number", "entry")],
        _text("event"),
        *[_number(name) for name in ("at", "status")],
        _text("detail"),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.webhook_id"], name=op.f("fk_webhook_deliveries_webhook_id")),
        sa.PrimaryKeyConstraint("webhook_id", "number", name=op.f("pk_webhook_deliveries")),
        sqlite_with_rowid=False,
    )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)
