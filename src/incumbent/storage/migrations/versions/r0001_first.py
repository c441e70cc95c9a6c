"""The first schema: actions, documents, runs, metrics, registry, predictions, and the triggers that keep sealed runs still."""

import sqlalchemy as sa
from alembic import op

from incumbent.storage.migrations.sealing_0001 import POSTGRES, SQLITE

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create every table, index and trigger of the first release."""
    _cache()
    _runs()
    _stages()
    _metrics()
    _registry()
    statements = SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRES
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)


def _cache() -> None:
    op.create_table(
        "settings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
    )
    op.create_table(
        "documents",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_documents")),
    )
    op.create_table(
        "actions",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("outputs", sa.Text(), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("undeclared", sa.Text(), nullable=False),
        sa.Column("log", sa.Text(), nullable=True),
        sa.Column("wall_s", sa.Double(), nullable=False),
        sa.Column("cpu_s", sa.Double(), nullable=False),
        sa.Column("rss_bytes_max", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_actions")),
    )
    op.create_table(
        "action_outputs",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["key"], ["actions.key"], name=op.f("fk_action_outputs_key")),
        sa.PrimaryKeyConstraint("digest", "key", name=op.f("pk_action_outputs")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_action_outputs_key", "action_outputs", ["key"], unique=False)
    op.create_table(
        "claims",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_claims")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_claims_owner", "claims", ["owner"], unique=False)


def _runs() -> None:
    op.create_table(
        "experiments",
        sa.Column("experiment_no", NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("experiment_no", name=op.f("pk_experiments")),
        sa.UniqueConstraint("name", name=op.f("uq_experiments_name")),
    )
    op.create_table(
        "runs",
        sa.Column("run_no", NUMBER, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("experiment_no", NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("commit_hash", sa.Text(), nullable=False),
        sa.Column("is_dirty", sa.BigInteger(), nullable=False),
        sa.Column("dirty_tree", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('running', 'finished', 'failed', 'killed')", name=op.f("ck_runs_state")),
        sa.ForeignKeyConstraint(["experiment_no"], ["experiments.experiment_no"], name=op.f("fk_runs_experiment_no")),
        sa.PrimaryKeyConstraint("run_no", name=op.f("pk_runs")),
        sa.UniqueConstraint("run_id", name=op.f("uq_runs_run_id")),
    )
    op.create_index("ix_runs_experiment_no", "runs", ["experiment_no"], unique=False)
    op.create_index("ix_runs_parent_id", "runs", ["parent_id"], unique=False)
    op.create_index("ix_runs_pipeline_state_started_at", "runs", ["pipeline", "state", "started_at"], unique=False)
    op.create_index("ix_runs_started_at", "runs", ["started_at"], unique=False)
    op.create_table(
        "params",
        sa.Column("run_no", NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("number", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["run_no"], ["runs.run_no"], name=op.f("fk_params_run_no")),
        sa.PrimaryKeyConstraint("run_no", "name", name=op.f("pk_params")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_params_name_number", "params", ["name", "number"], unique=False)
    op.create_table(
        "tags",
        sa.Column("run_no", NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_no"], ["runs.run_no"], name=op.f("fk_tags_run_no")),
        sa.PrimaryKeyConstraint("run_no", "name", name=op.f("pk_tags")),
        sqlite_with_rowid=False,
    )


def _stages() -> None:
    op.create_table(
        "stage_runs",
        sa.Column("stage_run_no", NUMBER, nullable=False),
        sa.Column("run_no", NUMBER, nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("item", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("outputs", sa.Text(), nullable=False),
        sa.Column("log", sa.Text(), nullable=True),
        sa.Column("wall_s", sa.Double(), nullable=False),
        sa.Column("cpu_s", sa.Double(), nullable=False),
        sa.Column("rss_bytes_max", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_no"], ["runs.run_no"], name=op.f("fk_stage_runs_run_no")),
        sa.PrimaryKeyConstraint("stage_run_no", name=op.f("pk_stage_runs")),
        sa.UniqueConstraint("run_no", "stage", "item", name=op.f("uq_stage_runs_run_no_stage_item")),
    )
    op.create_table(
        "stage_artifacts",
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("run_no", NUMBER, nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("item", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_no"], ["runs.run_no"], name=op.f("fk_stage_artifacts_run_no")),
        sa.PrimaryKeyConstraint("digest", "direction", "run_no", "stage", "item", name=op.f("pk_stage_artifacts")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_stage_artifacts_run_no", "stage_artifacts", ["run_no"], unique=False)
    op.create_table(
        "run_artifacts",
        sa.Column("run_no", NUMBER, nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("codec", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_no"], ["runs.run_no"], name=op.f("fk_run_artifacts_run_no")),
        sa.PrimaryKeyConstraint("run_no", "direction", "name", name=op.f("pk_run_artifacts")),
    )
    op.create_index("ix_run_artifacts_digest", "run_artifacts", ["digest"], unique=False)
    op.create_table(
        "run_notes",
        sa.Column("note_no", NUMBER, nullable=False),
        sa.Column("run_no", NUMBER, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_no"], ["runs.run_no"], name=op.f("fk_run_notes_run_no")),
        sa.PrimaryKeyConstraint("note_no", name=op.f("pk_run_notes")),
    )
    op.create_index("ix_run_notes_run_no", "run_notes", ["run_no"], unique=False)


def _metrics() -> None:
    op.create_table(
        "metric_writers",
        sa.Column("writer_no", NUMBER, nullable=False),
        sa.Column("run_no", NUMBER, nullable=False),
        sa.Column("writer", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_no"], ["runs.run_no"], name=op.f("fk_metric_writers_run_no")),
        sa.PrimaryKeyConstraint("writer_no", name=op.f("pk_metric_writers")),
        sa.UniqueConstraint("run_no", "writer", name=op.f("uq_metric_writers_run_no_writer")),
    )
    op.create_table(
        "metric_series",
        sa.Column("series_no", NUMBER, nullable=False),
        sa.Column("run_no", NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        sa.Column("last_at", sa.BigInteger(), nullable=True),
        sa.Column("last_value", sa.Double(), nullable=True),
        sa.Column("last_writer", sa.BigInteger(), nullable=True),
        sa.Column("last_seq", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["run_no"], ["runs.run_no"], name=op.f("fk_metric_series_run_no")),
        sa.PrimaryKeyConstraint("series_no", name=op.f("pk_metric_series")),
        sa.UniqueConstraint("run_no", "name", name=op.f("uq_metric_series_run_no_name")),
    )
    op.create_index("ix_metric_series_name_last_value", "metric_series", ["name", "last_value"], unique=False)
    op.create_table(
        "metric_points",
        sa.Column("writer_no", NUMBER, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("series_no", NUMBER, nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["series_no"], ["metric_series.series_no"], name=op.f("fk_metric_points_series_no")),
        sa.ForeignKeyConstraint(["writer_no"], ["metric_writers.writer_no"], name=op.f("fk_metric_points_writer_no")),
        sa.PrimaryKeyConstraint("writer_no", "seq", name=op.f("pk_metric_points")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_metric_points_series_no", "metric_points", ["series_no"], unique=False)


def _registry() -> None:
    op.create_table(
        "models",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("last_version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_models")),
    )
    op.create_table(
        "model_versions",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.model"], name=op.f("fk_model_versions_model")),
        sa.PrimaryKeyConstraint("model", "version", name=op.f("pk_model_versions")),
    )
    op.create_index("ix_model_versions_run_id", "model_versions", ["run_id"], unique=False)
    op.create_table(
        "placements",
        sa.Column("placement_no", NUMBER, nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("since_at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_current", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("status IN ('Staging', 'Production', 'Archived')", name=op.f("ck_placements_status")),
        sa.ForeignKeyConstraint(
            ["model", "version"], ["model_versions.model", "model_versions.version"], name=op.f("fk_placements_model_version")
        ),
        sa.PrimaryKeyConstraint("placement_no", name=op.f("pk_placements")),
    )
    op.create_index("ix_placements_model_version", "placements", ["model", "version"], unique=False)
    op.create_index("ix_placements_slot", "placements", ["slot"], unique=False)
    op.create_index(
        "uq_placements_one_live_per_slot",
        "placements",
        ["slot"],
        unique=True,
        sqlite_where=sa.text("status = 'Production' AND is_current = 1"),
        postgresql_where=sa.text("status = 'Production' AND is_current = 1"),
    )
    op.create_index(
        "uq_placements_one_status_per_version",
        "placements",
        ["slot", "model", "version"],
        unique=True,
        sqlite_where=sa.text("is_current = 1"),
        postgresql_where=sa.text("is_current = 1"),
    )
    op.create_table(
        "predictions",
        sa.Column("prediction_id", sa.Text(), nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("latency_ms", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("prediction_id", name=op.f("pk_predictions")),
    )
    op.create_index("ix_predictions_slot_at", "predictions", ["slot", "at"], unique=False)
