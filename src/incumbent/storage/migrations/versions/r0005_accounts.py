"""Who logs in: passwords, links to set them, API tokens, sessions, log-ins at a provider under way, failed attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    _table("accounts", ("person_id", "password_hash"), ("changed_at",), key="person_id")
    _table("account_links", ("secret_hash", "person_id"), ("expires_at",), key="secret_hash")
    op.create_table(
        "access_tokens",
        *[sa.Column(name, sa.Text(), nullable=False) for name in ("token_id", "secret_hash", "person_id", "name", "scope")],
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_access_tokens")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_access_tokens_secret_hash")),
    )
    op.create_index("ix_access_tokens_person_id", "access_tokens", ["person_id"], unique=False)
    _table("browser_sessions", ("secret_hash", "person_id"), ("started_at", "seen_at", "expires_at"), key="secret_hash")
    op.create_index("ix_browser_sessions_person_id", "browser_sessions", ["person_id"], unique=False)
    _table("provider_journeys", ("state_hash", "browser_hash", "nonce", "verifier", "onward"), ("expires_at",), key="state_hash")
    _table("login_failures", ("subject",), ("failures", "last_at"), key="subject")


def _table(name: str, texts: tuple[str, ...], numbers: tuple[str, ...], *, key: str) -> None:
    op.create_table(
        name,
        *[sa.Column(column, sa.Text(), nullable=False) for column in texts],
        *[sa.Column(column, sa.BigInteger(), nullable=False) for column in numbers],
        sa.PrimaryKeyConstraint(key, name=op.f(f"pk_{name}")),
    )
