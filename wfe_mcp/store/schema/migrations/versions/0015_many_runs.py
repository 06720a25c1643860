"""Readers that cost the same beside a million runs: open runs of a folder, ended runs, events of rare types."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_RARE_TYPES = (
    "type NOT IN ('CheckpointTaken', 'GateJudged', 'PhaseCompleted', 'PhaseReady', 'PhaseStarted', 'RevisionSubmitted', "
    "'RunCompleted', 'RunStarted')"
)


def upgrade() -> None:
    """The indexes are made; the one of folders replaces that without an order."""
    op.drop_index(op.f("ix_run_worktree_status"), "run", if_exists=True)
    op.create_index(
        op.f("ix_run_worktree_status_created_at_id"),
        "run",
        ["worktree", "status", "created_at", "id"],
        if_not_exists=True,
    )
    op.create_index(
        op.f("ix_run_project_id_ended_at_id_archived_at"),
        "run",
        ["project_id", "ended_at", "id", "archived_at"],
        sqlite_where=sa.text("ended_at IS NOT NULL"),
        if_not_exists=True,
    )
    op.create_index(op.f("ix_event_type"), "event", ["type"], sqlite_where=sa.text(_RARE_TYPES), if_not_exists=True)
