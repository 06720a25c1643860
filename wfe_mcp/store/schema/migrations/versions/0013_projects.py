"""The name of a project, the first commit of its history, and when it was forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Projects from before have none of them: the folder's name counts, and the commit is read when they are opened."""
    op.add_column("project", sa.Column("name", sa.String(), nullable=True))
    op.add_column("project", sa.Column("first_commit", sa.String(), nullable=True))
    op.add_column("project", sa.Column("forgotten_at", sa.DateTime(), nullable=True))
