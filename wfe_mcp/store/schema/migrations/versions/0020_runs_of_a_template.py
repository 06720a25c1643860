"""The runs of one template are listed without reading those of others."""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """The index is made."""
    columns = ["project_id", "template", "status", "created_at", "id"]
    op.create_index(op.f("ix_run_project_id_template_status_created_at_id"), "run", columns, if_not_exists=True)
