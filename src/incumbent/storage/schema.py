"""The tables, as SQLAlchemy Core. What they are today; how they came about is in migrations/.

Runs, metrics and writers have short numbers (`run_no`, …) so that a metric point is five small cells; everything a user sees
goes by its own name. Docs: docs/adr/0005-storage.md.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

Number = BigInteger().with_variant(Integer, "sqlite")
"""An integer key: only INTEGER PRIMARY KEY is SQLite's own row number."""

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                       "fk": "fk_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s",
                       "ck": "ck_%(table_name)s_%(constraint_name)s"}
)  # fmt: skip


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


def _integer(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _real(name: str, *, null: bool = False) -> Column[float]:
    return Column(name, Double, nullable=null)


def _run_no() -> Column[int]:
    return Column("run_no", Number, ForeignKey("runs.run_no"), nullable=False)


settings = Table("settings", metadata, Column("name", Text, primary_key=True), _text("value"))

documents = Table(
    "documents", metadata, Column("digest", Text, primary_key=True), Column("body", LargeBinary, nullable=False), _integer("stored_at"),
)  # fmt: skip

actions = Table(
    "actions", metadata, Column("key", Text, primary_key=True), _text("stage"), _text("outputs"), _text("metrics"), _text("undeclared"),
    _text("log", null=True), _real("wall_s"), _real("cpu_s"), _integer("rss_bytes_max"), _text("run_id"), _integer("created_at"),
    _text("proof", null=True),
)  # fmt: skip
action_outputs = Table(
    "action_outputs", metadata, Column("digest", Text, primary_key=True),
    Column("key", Text, ForeignKey("actions.key"), primary_key=True), Index("ix_action_outputs_key", "key"), sqlite_with_rowid=False,
)  # fmt: skip
claims = Table(
    "claims", metadata, Column("key", Text, primary_key=True), _text("owner"), _integer("expires_at"),
    Index("ix_claims_owner", "owner"), sqlite_with_rowid=False,
)  # fmt: skip

experiments = Table(
    "experiments", metadata, Column("experiment_no", Number, primary_key=True), _text("name"), _integer("created_at", null=True),
    _integer("updated_at", null=True), _integer("deleted_at", null=True), UniqueConstraint("name"),
)  # fmt: skip
experiment_tags = Table(
    "experiment_tags", metadata, Column("experiment_no", Number, ForeignKey("experiments.experiment_no"), primary_key=True),
    Column("name", Text, primary_key=True), _text("value"), sqlite_with_rowid=False,
)  # fmt: skip
runs = Table(
    "runs", metadata, Column("run_no", Number, primary_key=True), _text("run_id"),
    Column("experiment_no", Number, ForeignKey("experiments.experiment_no"), nullable=False),
    _text("name"), _text("pipeline"), _text("parent_id", null=True), _text("state"), _integer("started_at"),
    _integer("ended_at", null=True), _integer("seed", null=True), _text("commit_hash"), _integer("is_dirty"), _text("dirty_tree"),
    _text("facts"), _text("manifest", null=True), _integer("deleted_at", null=True),
    UniqueConstraint("run_id"), CheckConstraint("state IN ('running', 'finished', 'failed', 'killed')", name="state"),
    Index("ix_runs_pipeline_state_started_at", "pipeline", "state", "started_at"), Index("ix_runs_started_at", "started_at"),
    Index("ix_runs_experiment_no", "experiment_no"), Index("ix_runs_parent_id", "parent_id"),
)  # fmt: skip
params = Table(
    "params", metadata, Column("run_no", Number, ForeignKey("runs.run_no"), primary_key=True), Column("name", Text, primary_key=True),
    _text("value"), _text("text"), _real("number", null=True), Index("ix_params_name_number", "name", "number"), sqlite_with_rowid=False,
)  # fmt: skip
tags = Table(
    "tags", metadata, Column("run_no", Number, ForeignKey("runs.run_no"), primary_key=True), Column("name", Text, primary_key=True),
    _text("value"), sqlite_with_rowid=False,
)  # fmt: skip

stage_runs = Table(
    "stage_runs", metadata, Column("stage_run_no", Number, primary_key=True), _run_no(), _text("stage"), _integer("item"), _text("state"),
    _text("key", null=True), _text("inputs"), _text("outputs"), _text("log", null=True), _real("wall_s"), _real("cpu_s"),
    _integer("rss_bytes_max"), _text("why"), UniqueConstraint("run_no", "stage", "item"),
)  # fmt: skip
stage_artifacts = Table(
    "stage_artifacts", metadata, Column("digest", Text, primary_key=True), Column("direction", Text, primary_key=True),
    Column("run_no", Number, ForeignKey("runs.run_no"), primary_key=True), Column("stage", Text, primary_key=True),
    Column("item", BigInteger, primary_key=True), Index("ix_stage_artifacts_run_no", "run_no"), sqlite_with_rowid=False,
)  # fmt: skip
run_artifacts = Table(
    "run_artifacts", metadata, Column("run_no", Number, ForeignKey("runs.run_no"), primary_key=True),
    Column("direction", Text, primary_key=True), Column("name", Text, primary_key=True), _text("codec"), _text("digest"), _integer("size"),
    _text("file_name"), _text("media_type"), Index("ix_run_artifacts_digest", "digest"),
)  # fmt: skip
run_notes = Table(
    "run_notes", metadata, Column("note_no", Number, primary_key=True), _run_no(), _integer("at"), _text("actor"), _text("body"),
    Index("ix_run_notes_run_no", "run_no"),
)  # fmt: skip

run_datasets = Table(
    "run_datasets", metadata, Column("run_no", Number, ForeignKey("runs.run_no"), primary_key=True), Column("name", Text, primary_key=True),
    Column("digest", Text, primary_key=True), _text("source_type"), _text("source"), _text("schema"), _text("profile"), _text("context"),
    _text("tags"), Index("ix_run_datasets_name_digest", "name", "digest"), sqlite_with_rowid=False,
)  # fmt: skip
"""`context` is one of the tags, for finding."""
logged_models = Table(
    "logged_models", metadata, Column("model_id", Text, primary_key=True),
    Column("experiment_no", Number, ForeignKey("experiments.experiment_no"), nullable=False), _text("name"), _text("run_id"), _text("kind"),
    _text("status"), _integer("created_at"), _integer("updated_at"), _integer("deleted_at", null=True), _text("params"), _text("tags"),
    Index("ix_logged_models_experiment_no", "experiment_no"), Index("ix_logged_models_run_id", "run_id"),
)  # fmt: skip
logged_model_metrics = Table(
    "logged_model_metrics", metadata, Column("model_id", Text, ForeignKey("logged_models.model_id"), primary_key=True),
    *[Column(name, Text, primary_key=True) for name in ("run_id", "name", "dataset_name", "dataset_digest")],
    *[Column(name, BigInteger, primary_key=True) for name in ("step", "at")], _real("value", null=True), sqlite_with_rowid=False,
)  # fmt: skip
logged_model_files = Table(
    "logged_model_files", metadata, Column("model_id", Text, ForeignKey("logged_models.model_id"), primary_key=True),
    Column("path", Text, primary_key=True), _text("digest"), _integer("size"), sqlite_with_rowid=False,
)  # fmt: skip
run_models = Table(
    "run_models", metadata, Column("run_no", Number, ForeignKey("runs.run_no"), primary_key=True),
    Column("direction", Text, primary_key=True), Column("model_id", Text, primary_key=True), _integer("step"), sqlite_with_rowid=False,
)  # fmt: skip

metric_writers = Table(
    "metric_writers", metadata, Column("writer_no", Number, primary_key=True), _run_no(), _text("writer"),
    UniqueConstraint("run_no", "writer"),
)  # fmt: skip
metric_series = Table(
    "metric_series", metadata, Column("series_no", Number, primary_key=True), _run_no(), _text("name"),
    _integer("last_step", null=True), _integer("last_at", null=True), _real("last_value", null=True),
    _integer("last_writer", null=True), _integer("last_seq", null=True),
    UniqueConstraint("run_no", "name"), Index("ix_metric_series_name_last_value", "name", "last_value"),
)  # fmt: skip
metric_points = Table(
    "metric_points", metadata, Column("writer_no", Number, ForeignKey("metric_writers.writer_no"), primary_key=True),
    Column("seq", BigInteger, primary_key=True), Column("series_no", Number, ForeignKey("metric_series.series_no"), nullable=False),
    _integer("step"), _integer("at"), _real("value", null=True),
    Index("ix_metric_points_series_no_at_step_value", "series_no", "at", "step", "value"),
    sqlite_with_rowid=False,
)  # fmt: skip

models = Table("models", metadata, Column("model", Text, primary_key=True), _integer("last_version"))
model_versions = Table(
    "model_versions", metadata, Column("model", Text, ForeignKey("models.model"), primary_key=True),
    Column("version", BigInteger, primary_key=True), _text("bundle"), _text("run_id"), _text("key", null=True), _text("manifest"),
    _integer("created_at"), _text("actor"), _text("facts"), _integer("ledger_seq", null=True),
    Index("ix_model_versions_run_id", "run_id"),
)  # fmt: skip
model_words = Table(
    "model_words", metadata, Column("model", Text, primary_key=True), Column("version", BigInteger, primary_key=True),
    Column("kind", Text, primary_key=True), Column("name", Text, primary_key=True), _text("value"), sqlite_with_rowid=False,
)  # fmt: skip
"""Descriptions and tags of models (version 0) and versions: words for people; nothing governed rests on them."""
placements = Table(
    "placements", metadata, Column("placement_no", Number, primary_key=True), _text("slot"), _text("model"), _integer("version"),
    _text("status"), _integer("since_at"), _text("actor"), _text("reason"), _integer("is_current"),
    _integer("ledger_seq", null=True),
    ForeignKeyConstraint(["model", "version"], ["model_versions.model", "model_versions.version"]),
    CheckConstraint("status IN ('Staging', 'Production', 'Archived')", name="status"),
    Index("ix_placements_slot", "slot"), Index("ix_placements_model_version", "model", "version"),
    Index("uq_placements_one_live_per_slot", "slot", unique=True,
          sqlite_where=text("status = 'Production' AND is_current = 1"), postgresql_where=text("status = 'Production' AND is_current = 1")),
    Index("uq_placements_one_status_per_version", "slot", "model", "version", unique=True,
          sqlite_where=text("is_current = 1"), postgresql_where=text("is_current = 1")),
)  # fmt: skip
predictions = Table(
    "predictions", metadata, Column("prediction_id", Text, primary_key=True), _text("slot"), _text("model"), _integer("version"),
    _integer("at"), _text("inputs"), _text("output"), _real("latency_ms"), Index("ix_predictions_slot_at", "slot", "at"),
)  # fmt: skip

ledger_entries = Table(
    "ledger_entries", metadata, Column("seq", Number, primary_key=True, autoincrement=False), _integer("at"), _text("act"),
    _text("object"), Column("body", LargeBinary, nullable=False),
    Index("ix_ledger_entries_object_seq", "object", "seq"), Index("ix_ledger_entries_act_seq", "act", "seq"),
)  # fmt: skip
"""`at`, `act` and `object` stand in `body` too, which is what is hashed; here they are for finding. `ledger verify` compares them."""
ledger_nodes = Table(
    "ledger_nodes", metadata, Column("level", BigInteger, primary_key=True, autoincrement=False),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False), sqlite_with_rowid=False,
)  # fmt: skip
ledger_checkpoints = Table(
    "ledger_checkpoints", metadata, Column("size", Number, primary_key=True, autoincrement=False), _integer("at"), _text("note"),
)  # fmt: skip
ledger_cosignatures = Table(
    "ledger_cosignatures", metadata, Column("size", Number, ForeignKey("ledger_checkpoints.size"), primary_key=True),
    Column("line", Text, primary_key=True), sqlite_with_rowid=False,
)  # fmt: skip
ledger_payloads = Table(
    "ledger_payloads", metadata, Column("commitment", Text, primary_key=True), Column("salt", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
)  # fmt: skip
records = Table(
    "records", metadata, Column("kind", Text, primary_key=True), Column("record_id", Text, primary_key=True),
    Column("seq", Number, ForeignKey("ledger_entries.seq"), primary_key=True), _text("subject"), _text("digest"),
    Column("body", LargeBinary, nullable=False), Index("ix_records_kind_subject", "kind", "subject"),
)  # fmt: skip

accounts = Table("accounts", metadata, Column("person_id", Text, primary_key=True), _text("password_hash"), _integer("changed_at"))
account_links = Table("account_links", metadata, Column("secret_hash", Text, primary_key=True), _text("person_id"), _integer("expires_at"))
access_tokens = Table(
    "access_tokens", metadata, Column("token_id", Text, primary_key=True), _text("secret_hash"), _text("person_id"), _text("name"),
    _text("scope"), _integer("made_at"), _integer("expires_at"), _text("made_by"), _integer("used_at", null=True),
    _integer("revoked_at", null=True), UniqueConstraint("secret_hash"), Index("ix_access_tokens_person_id", "person_id"),
)  # fmt: skip
browser_sessions = Table(
    "browser_sessions", metadata, Column("secret_hash", Text, primary_key=True), _text("person_id"), _integer("started_at"),
    _integer("seen_at"), _integer("expires_at"), Index("ix_browser_sessions_person_id", "person_id"),
)  # fmt: skip
provider_journeys = Table(
    "provider_journeys", metadata, Column("state_hash", Text, primary_key=True), _text("browser_hash"), _text("nonce"),
    _text("verifier"), _text("onward"), _integer("expires_at"),
)  # fmt: skip
login_failures = Table("login_failures", metadata, Column("subject", Text, primary_key=True), _integer("failures"), _integer("last_at"))
"""Nothing of these is governed: they say who may come in, never what holds."""

webhooks = Table(
    "webhooks", metadata, Column("webhook_id", Text, primary_key=True), _text("url"), _text("events"), _text("secret"),
    _integer("made_at"), _text("made_by"), _integer("next_entry"), _integer("next_at"), _integer("may_be_private"),
    _integer("may_be_http"), _text("state"), _integer("failures"), _integer("tried"),
)  # fmt: skip
webhook_deliveries = Table(
    "webhook_deliveries", metadata, Column("webhook_id", Text, ForeignKey("webhooks.webhook_id"), primary_key=True),
    Column("number", BigInteger, primary_key=True), _integer("entry"), _text("event"), _integer("at"), _integer("status"),
    _text("detail"), sqlite_with_rowid=False,
)  # fmt: skip
"""Who is told of the ledger's entries, how far, and what became of the last messages: for telling, nothing rests on them."""
repeatable_requests = Table(
    "repeatable_requests", metadata, Column("caller", Text, primary_key=True), Column("request_key", Text, primary_key=True),
    _text("request"), _integer("begun_at"), _text("process"), _integer("status"), _text("headers"),
    Column("body", LargeBinary, nullable=False), Index("ix_repeatable_requests_begun_at", "begun_at"),
)  # fmt: skip
"""What was answered to requests with a key of their sender's, for a day; nothing rests on it but that they are done once."""
lineage_events = Table(
    "lineage_events", metadata, Column("number", Number, primary_key=True), _run_no(), _text("kind"), _integer("failures"),
    _integer("next_at"),
)  # fmt: skip
"""Beginnings and ends of runs that a catalogue is still to be told of; triggers on `runs` write them while settings has "lineage"."""
