"""Work items, and the log of their changes."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Projects from before have no items."""
    op.create_table(
        "item",
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("parent", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_item_project_id")),
        sa.PrimaryKeyConstraint("project_id", "number", name=op.f("pk_item")),
    )
    op.create_index(
        op.f("ix_item_project_id_status_priority_number"), "item", ["project_id", "status", "priority", "number"]
    )
    op.create_index(op.f("ix_item_project_id_parent"), "item", ["project_id", "parent"])
    op.create_index(op.f("ix_item_project_id_fingerprint"), "item", ["project_id", "fingerprint"])
    op.create_table(
        "item_event",
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("assurance", sa.Integer(), nullable=False),
        sa.Column("prev_hash", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_item_event_project_id")),
        sa.PrimaryKeyConstraint("project_id", "seq", name=op.f("pk_item_event")),
    )
    op.create_index(op.f("ix_item_event_project_id_number_seq"), "item_event", ["project_id", "number", "seq"])
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER item_event_no_{verb.lower()} BEFORE {verb} ON item_event "
            "BEGIN SELECT RAISE(ABORT, 'item_event rows are append-only'); END"
        )
