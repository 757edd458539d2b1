"""Run by Alembic, never imported: migrates over the connection, and in the transaction, of ``store.database``."""

from alembic import context

from askance.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
context.run_migrations()
