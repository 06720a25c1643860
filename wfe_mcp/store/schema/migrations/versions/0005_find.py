"""What can be found."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the index, empty: ``find`` fills it with what is there already, some runs at a time."""
    op.create_table(
        "find_run",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_find_run")),
    )
    op.create_table(
        "find_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_find_entry_project_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_find_entry_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_find_entry")),
    )
    op.create_index(op.f("ix_find_entry_run_id"), "find_entry", ["run_id"])
    has_fts5 = "SELECT 1 FROM pragma_module_list WHERE name = 'fts5'"
    if op.get_bind().exec_driver_sql(has_fts5).first() is not None:
        op.execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS find_text USING fts5("
            "place, title, text, content='', columnsize=0, tokenize='unicode61 remove_diacritics 0')"
        )
