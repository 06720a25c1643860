"""Where an imported run comes from."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column. SQLite adds no reference to a table that is there."""
    op.add_column("run", sa.Column("origin_sha256", sa.String(), nullable=True))
