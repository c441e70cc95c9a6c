"""Cache entries that prove themselves: `actions.proof`, the digest of what the entry says; filled in for entries that are there."""

import sqlalchemy as sa
from alembic import op

from incumbent.storage.proof import prove

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and prove every entry as it stands."""
    op.add_column("actions", sa.Column("proof", sa.Text(), nullable=True))
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT key, stage, outputs, metrics, undeclared, log FROM actions")).fetchall()
    for row in rows:
        found = {"proof": prove(tuple(row)), "key": row[0]}
        connection.execute(sa.text("UPDATE actions SET proof = :proof WHERE key = :key"), found)
