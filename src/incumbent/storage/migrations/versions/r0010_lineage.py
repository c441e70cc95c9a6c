"""Runs of which a catalogue is to be told: whoever begins or ends one leaves a line here, once telling is on. Made by triggers.

Runs begin and end in many places (a pipeline here, an MLflow client, an import) and in many processes. So the database writes the line,
in the transaction that it tells of.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_IS_ON = "EXISTS (SELECT 1 FROM settings WHERE name = 'lineage')"
_INTO = "INSERT INTO lineage_events (run_no, kind, failures, next_at)"
_START = f"{_INTO} VALUES (NEW.run_no, 'START', 0, 0);"
_END = f"{_INTO} SELECT NEW.run_no, 'END', 0, 0 WHERE NEW.state <> 'running';"
_RULES = (
    ("runs_lineage_begun", "INSERT", _IS_ON, f"{_START} {_END}"),
    ("runs_lineage_ended", "UPDATE OF state", f"OLD.state = 'running' AND {_IS_ON}", _END),
)
"""(trigger, event, when, what is added). An import makes runs that are over."""


def upgrade() -> None:
    """Make the table and its triggers."""
    op.create_table(
        "lineage_events",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_no", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_no"], ["runs.run_no"], name=op.f("fk_lineage_events_run_no")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_lineage_events")),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for name, event, when, added in _RULES:
        if is_sqlite:
            op.execute(f"CREATE TRIGGER {name} AFTER {event} ON runs FOR EACH ROW WHEN {when} BEGIN {added} END")
        else:
            op.execute(
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {when} THEN {added} END IF; RETURN NULL; END $$"
            )
            op.execute(f"CREATE TRIGGER {name} AFTER {event} ON runs FOR EACH ROW EXECUTE FUNCTION {name}()")
