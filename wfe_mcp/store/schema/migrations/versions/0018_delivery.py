"""On PostgreSQL, procrastinate delivers jobs that are due. SQLite has no part of it."""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Its tables, and the trigger that announces a job. What waits now is found by looking, as before."""
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    from wfe_mcp.store.postgres import delivery

    delivery.create(connection)
    for statement in delivery.trigger():
        connection.exec_driver_sql(statement)
