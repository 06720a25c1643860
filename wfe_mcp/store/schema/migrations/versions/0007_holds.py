"""Working trees and locks, by the attempts that may hold them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_NO_HOLDS = "DELETE FROM hold WHERE run_id = OLD.run_id AND phase = OLD.phase AND attempt = OLD.attempt"
_NEW_HOLDS = (
    "INSERT INTO hold (run_id, phase, attempt, scope, name, rank) "
    "SELECT NEW.run_id, NEW.phase, NEW.attempt, run.worktree, '', "
    "CASE NEW.status WHEN 'gating' THEN '~' ELSE coalesce(NEW.lease_until, '~') END "
    "FROM run WHERE run.id = NEW.run_id AND run.origin_sha256 IS NULL AND NEW.exclusive "
    "AND ((NEW.status = 'running' AND NEW.holder IS NOT NULL) OR (NEW.stage = 'after' "
    "AND (NEW.status = 'gating' OR (NEW.status = 'awaiting' AND NEW.holder IS NOT NULL)))); "
    "INSERT INTO hold (run_id, phase, attempt, scope, name, rank) "
    "SELECT DISTINCT NEW.run_id, NEW.phase, NEW.attempt, run.project_id, lock.value, "
    "CASE NEW.status WHEN 'gating' THEN '~' ELSE coalesce(NEW.lease_until, '~') END "
    "FROM run, json_each(NEW.state, '$.locks') AS lock WHERE run.id = NEW.run_id AND run.origin_sha256 IS NULL "
    "AND lock.type = 'text' AND NEW.status IN ('running', 'gating', 'awaiting', 'failed')"
)


def upgrade() -> None:
    """Create the table, let triggers keep it, and fill it with what is held now."""
    op.create_table(
        "hold",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("rank", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "phase", "attempt", "scope", "name", name=op.f("pk_hold")),
    )
    op.create_index(op.f("ix_hold_scope_name_rank"), "hold", ["scope", "name", "rank"])
    for trigger in (
        f"attempt_is_new AFTER INSERT ON attempt BEGIN {_NEW_HOLDS}; END",
        f"attempt_has_changed AFTER UPDATE ON attempt BEGIN {_NO_HOLDS}; {_NEW_HOLDS}; END",
        f"attempt_is_gone AFTER DELETE ON attempt BEGIN {_NO_HOLDS}; END",
    ):
        op.execute(f"CREATE TRIGGER {trigger}")
    op.execute("UPDATE attempt SET status = status WHERE status IN ('running', 'gating', 'awaiting', 'failed')")
