"""The model that answered, as its provider reports it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Opinions from before name the model that was asked only."""
    op.add_column("opinion", sa.Column("answered_by", sa.String(), nullable=True))
