"""Sums of the phases of ended runs, so that statistics read a few rows."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_COUNTS = ("place", "runs", "tasks", "attempts", "judged", "passed_first", "over", "passed", "forced")


def upgrade() -> None:
    """No run is counted yet: the first reader counts them, in short transactions."""
    op.create_table(
        "phase_sum",
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("template", sa.String(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("spent", sa.String(), nullable=False),
        sa.Column("bucket_s", sa.Float(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _COUNTS),
        sa.Column("total_s", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_phase_sum_project_id")),
        sa.PrimaryKeyConstraint(
            "day", "project_id", "template", "phase", "spent", "bucket_s", name=op.f("pk_phase_sum")
        ),
    )
    op.add_column("run", sa.Column("counted", sa.Integer(), nullable=True))
    op.create_index(
        op.f("ix_run_project_id_created_at"),
        "run",
        ["project_id", "created_at"],
        sqlite_where=sa.text("counted IS NULL OR counted <> last_seq"),
    )
