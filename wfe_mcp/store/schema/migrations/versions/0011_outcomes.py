"""What a verdict found, and what the server has to go on with, as values: no statement searches the text of a state."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from wfe_mcp.store.old_verdicts import with_outcome

revision = "0011"
down_revision = "0010"

_JUDGED = "SELECT rowid, run_id, phase, attempt, state FROM attempt WHERE json_array_length(state, '$.verdicts') > 0"
_DECIDED = "SELECT run_id, payload FROM event WHERE type = ?"


def upgrade() -> None:
    """Fill the new columns, and give every stored verdict its outcome."""
    op.add_column("run", sa.Column("going_back", sa.Integer(), nullable=True))
    op.add_column("attempt", sa.Column("repair", sa.String(), nullable=True))
    op.execute("UPDATE run SET going_back = json_extract(state, '$.going_back.to')")
    op.execute(sa.text("UPDATE attempt SET repair = nullif(json_extract(state, :key), '')").bindparams(key="$.mending"))
    connection = op.get_bind()
    approved = _decision_of(connection, "ApprovalGiven") - _decision_of(connection, "OpinionOverruled")
    for row, run, phase, attempt, state in connection.exec_driver_sql(_JUDGED).all():
        values: dict[str, Any] = json.loads(state)
        for one in values["verdicts"]:
            # The message of an approval is what a person wrote: it says nothing about the outcome.
            is_approval = one.get("evidence") is None and (run, phase, attempt, one["gate"]) in approved
            one.update({"outcome": one["kind"]} if is_approval and one["kind"] == "pass" else with_outcome(one))
        text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
        connection.exec_driver_sql("UPDATE attempt SET state = ? WHERE rowid = ?", (text, row))


def _decision_of(connection: sa.Connection, type_: str) -> set[tuple[str, str, int, int]]:
    """Run, phase, attempt and gate of each event of this type."""
    found = ((run, json.loads(payload)) for run, payload in connection.exec_driver_sql(_DECIDED, (type_,)))
    return {(run, payload["phase"], payload["attempt"], payload["gate"]) for run, payload in found}
