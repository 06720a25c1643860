"""Files attached to work items."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Items from before have no files."""
    op.create_table(
        "item_file",
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_item_file_project_id")),
        sa.PrimaryKeyConstraint("project_id", "sha256", name=op.f("pk_item_file")),
    )
