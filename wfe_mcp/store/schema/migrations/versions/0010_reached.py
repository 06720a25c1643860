"""The state of the template's ``states`` that a run is in."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Runs from before have none in their row."""
    op.add_column("run", sa.Column("reached", sa.String(), nullable=True))
