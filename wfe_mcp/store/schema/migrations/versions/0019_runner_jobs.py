"""On PostgreSQL, jobs of runners are not announced to workers. SQLite has no part of it."""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """The trigger as it is now."""
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    from wfe_mcp.store.postgres import delivery

    for statement in delivery.trigger():
        connection.exec_driver_sql(statement)
