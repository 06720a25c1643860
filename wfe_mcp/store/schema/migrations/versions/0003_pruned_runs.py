"""Runs that a person removed, and runs that somebody keeps; events go with the first, and only with them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_TRIGGERS = (
    "DROP TRIGGER event_no_delete",
    "CREATE TRIGGER event_no_delete BEFORE DELETE ON event "
    "WHEN NOT EXISTS (SELECT 1 FROM pruned_run WHERE run_id = OLD.run_id) "
    "BEGIN SELECT RAISE(ABORT, 'event rows are append-only'); END",
    "CREATE TRIGGER pruned_run_no_update BEFORE UPDATE ON pruned_run "
    "BEGIN SELECT RAISE(ABORT, 'pruned_run rows are append-only'); END",
    "CREATE TRIGGER pruned_run_no_delete BEFORE DELETE ON pruned_run "
    "BEGIN SELECT RAISE(ABORT, 'pruned_run rows are append-only'); END",
    "CREATE TRIGGER pruned_run_only_over BEFORE INSERT ON pruned_run WHEN EXISTS "
    "(SELECT 1 FROM run WHERE id = NEW.run_id AND ended_at IS NULL) "
    "OR EXISTS (SELECT 1 FROM kept_run WHERE run_id = NEW.run_id) "
    "BEGIN SELECT RAISE(ABORT, 'a run that is not over, or is kept, is not removed'); END",
)


def upgrade() -> None:
    """Create both tables, and let events go with a pruned run."""
    op.create_table(
        "pruned_run",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("template", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("last_hash", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_pruned_run_project_id")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_pruned_run")),
    )
    op.create_index(op.f("ix_pruned_run_project_id"), "pruned_run", ["project_id"])
    op.create_table(
        "kept_run",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_kept_run_run_id")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_kept_run")),
    )
    for statement in _TRIGGERS:
        op.execute(statement)
