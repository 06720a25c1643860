"""Sums of the phases of ended runs and of the calls to models, so that statistics read a few rows."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_COUNTS = ("place", "runs", "tasks", "attempts", "judged", "passed_first", "over", "passed", "forced")
_USAGE_KEYS = ("of", "day", "project_id", "template", "phase", "role", "model")
_USED = (
    "calls",
    "failed",
    "unpriced",
    "requests",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
)


def upgrade() -> None:
    """No run and no call is counted yet: the first reader counts them, in short transactions."""
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
    op.create_table(
        "usage_sum",
        *(sa.Column(name, sa.String(), nullable=False) for name in _USAGE_KEYS),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _USED),
        sa.Column("cost_usd", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_usage_sum_project_id")),
        sa.PrimaryKeyConstraint(*_USAGE_KEYS, name=op.f("pk_usage_sum")),
    )
    op.add_column("model_call", sa.Column("counted", sa.Boolean(), nullable=True))
    op.create_index(
        op.f("ix_model_call_project_id_status_started_at"),
        "model_call",
        ["project_id", "status", "started_at"],
        sqlite_where=sa.text("counted IS NULL"),
    )
