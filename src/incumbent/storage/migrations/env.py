"""Run by Alembic. The connection comes from `storage/migrate.py`, which holds the lock and the transaction."""

from alembic import context

from incumbent.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter most things in place
    transactional_ddl=True,  # it can roll DDL back, though
)
with context.begin_transaction():
    context.run_migrations()
