"""Runs the migrations on the caller's connection, inside its transaction (``store/schema/upgrade.py``)."""

from alembic import context

from wfe_mcp.store.schema.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
context.run_migrations()
