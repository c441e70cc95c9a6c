"""A metric's history is read from an index that holds all of it, in its order."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the wider index in place of the one by series alone."""
    op.drop_index("ix_metric_points_series_no", table_name="metric_points")
    op.create_index("ix_metric_points_series_no_at_step_value", "metric_points", ["series_no", "at", "step", "value"], unique=False)
