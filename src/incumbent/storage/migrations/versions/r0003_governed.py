"""The ledger, the documents that stand on its entries, and the number of its entry for every version and placement."""

import sqlalchemy as sa
from alembic import op

from incumbent.storage.migrations.governed_0003 import POSTGRES, SQLITE

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables. Versions and placements that are there keep no entry: the ledger's first entry names them as adopted."""
    for table in ("model_versions", "placements"):
        op.add_column(table, sa.Column("ledger_seq", sa.BigInteger(), nullable=True))
    _log()
    _documents()
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRES:
        op.get_bind().exec_driver_sql(statement)


def _log() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("seq", NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_ledger_entries")),
    )
    op.create_index("ix_ledger_entries_object_seq", "ledger_entries", ["object", "seq"], unique=False)
    op.create_index("ix_ledger_entries_act_seq", "ledger_entries", ["act", "seq"], unique=False)
    op.create_table(
        "ledger_nodes",
        sa.Column("level", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "idx", name=op.f("pk_ledger_nodes")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger_checkpoints",
        sa.Column("size", NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_ledger_checkpoints")),
    )
    op.create_table(
        "ledger_cosignatures",
        sa.Column("size", NUMBER, nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["size"], ["ledger_checkpoints.size"], name=op.f("fk_ledger_cosignatures_size")),
        sa.PrimaryKeyConstraint("size", "line", name=op.f("pk_ledger_cosignatures")),
        sqlite_with_rowid=False,
    )


def _documents() -> None:
    op.create_table(
        "ledger_payloads",
        sa.Column("commitment", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("commitment", name=op.f("pk_ledger_payloads")),
    )
    op.create_table(
        "records",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("seq", NUMBER, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["ledger_entries.seq"], name=op.f("fk_records_seq")),
        sa.PrimaryKeyConstraint("kind", "record_id", "seq", name=op.f("pk_records")),
    )
    op.create_index("ix_records_kind_subject", "records", ["kind", "subject"], unique=False)
