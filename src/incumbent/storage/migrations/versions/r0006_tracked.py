"""What MLflow's clients keep beside runs: lives of experiments and runs, datasets, logged models and their files, words about models."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables. Experiments and runs that are there are not deleted, and nobody knows when the experiments were made."""
    for name in ("created_at", "updated_at", "deleted_at"):
        op.add_column("experiments", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column("runs", sa.Column("deleted_at", sa.BigInteger(), nullable=True))
    _table("experiment_tags", [_number("experiment_no"), *_texts("name", "value")], ("experiment_no", "name"), "experiments.experiment_no")
    _table(
        "run_datasets",
        [_number("run_no"), *_texts("name", "digest", "source_type", "source", "schema", "profile", "context", "tags")],
        ("run_no", "name", "digest"),
        "runs.run_no",
    )
    op.create_index("ix_run_datasets_name_digest", "run_datasets", ["name", "digest"], unique=False)
    _models()
    _table(
        "run_models",
        [_number("run_no"), *_texts("direction", "model_id"), _big("step")],
        ("run_no", "direction", "model_id"),
        "runs.run_no",
    )
    _table("model_words", [*_texts("model"), _big("version"), *_texts("kind", "name", "value")], ("model", "version", "kind", "name"), "")


def _models() -> None:
    op.create_table(
        "logged_models",
        *_texts("model_id"),
        _number("experiment_no"),
        *_texts("name", "run_id", "kind", "status"),
        _big("created_at"),
        _big("updated_at"),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        *_texts("params", "tags"),
        sa.ForeignKeyConstraint(["experiment_no"], ["experiments.experiment_no"], name=op.f("fk_logged_models_experiment_no")),
        sa.PrimaryKeyConstraint("model_id", name=op.f("pk_logged_models")),
    )
    op.create_index("ix_logged_models_experiment_no", "logged_models", ["experiment_no"], unique=False)
    op.create_index("ix_logged_models_run_id", "logged_models", ["run_id"], unique=False)
    named = ("model_id", "run_id", "name", "dataset_name", "dataset_digest")
    _table(
        "logged_model_metrics",
        [*_texts(*named), _big("step"), _big("at"), sa.Column("value", sa.Double(), nullable=True)],
        (*named, "step", "at"),
        "logged_models.model_id",
    )
    _table(
        "logged_model_files",
        [*_texts("model_id", "path", "digest"), _big("size")],
        ("model_id", "path"),
        "logged_models.model_id",
    )


def _table(name: str, columns: list[sa.Column[object]], key: tuple[str, ...], owner: str) -> None:
    """Make a table that belongs to rows of another one (`owner`, "" for none) by its first column."""
    rules: list[sa.Constraint] = [sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{name}"))]
    if owner:
        rules.append(sa.ForeignKeyConstraint([key[0]], [owner], name=op.f(f"fk_{name}_{key[0]}")))
    op.create_table(name, *columns, *rules, sqlite_with_rowid=False)


def _texts(*names: str) -> list[sa.Column[object]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _big(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _number(name: str) -> sa.Column[object]:
    return sa.Column(name, NUMBER, nullable=False)
