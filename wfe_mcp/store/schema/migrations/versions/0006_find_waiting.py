"""Which runs wait to be indexed, and what a hit is called."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """List the runs that wait. All do: their titles are in no row yet, so ``find`` indexes them anew."""
    op.add_column("find_entry", sa.Column("title", sa.String(), nullable=True))
    op.create_table(
        "find_waiting",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_find_waiting")),
    )
    if op.get_bind().exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'find_text'").first() is not None:
        op.execute("INSERT INTO find_text (find_text) VALUES ('delete-all')")
    op.execute("DELETE FROM find_entry")
    op.execute("DELETE FROM find_run")
    op.execute("INSERT INTO find_waiting (run_id) SELECT id FROM run")
    for trigger in (
        "run_is_new AFTER INSERT ON run BEGIN INSERT OR IGNORE INTO find_waiting (run_id) VALUES (NEW.id); END",
        "run_is_gone AFTER DELETE ON run BEGIN DELETE FROM find_waiting WHERE run_id = OLD.id; END",
        "find_run_is_new AFTER INSERT ON find_run BEGIN DELETE FROM find_waiting WHERE run_id = NEW.run_id; END",
        "find_run_is_gone AFTER DELETE ON find_run WHEN EXISTS (SELECT 1 FROM run WHERE id = OLD.run_id) "
        "BEGIN INSERT OR IGNORE INTO find_waiting (run_id) VALUES (OLD.run_id); END",
    ):
        op.execute(f"CREATE TRIGGER {trigger}")
