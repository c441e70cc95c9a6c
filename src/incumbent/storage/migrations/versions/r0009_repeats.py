"""Requests that may be sent again: what was answered to each, for a day."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "repeatable_requests",
        *[sa.Column(name, sa.Text(), nullable=False) for name in ("caller", "request_key", "request")],
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("caller", "request_key", name=op.f("pk_repeatable_requests")),
    )
    op.create_index("ix_repeatable_requests_begun_at", "repeatable_requests", ["begun_at"], unique=False)
