"""The run that a command names. Where another project has it, the refusal says which: the id may come from a page or a message."""

from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.workspace.system.shell_words import shell_word

if TYPE_CHECKING:
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import RunRecord


def find_run(tx: "Tx", project_id: str, run: str) -> "RunRecord":
    """The run of the project with this id or the only one with this beginning. Refuses ``unknown_run``."""
    try:
        return tx.runs.find(project_id, run)
    except Refused as refused:
        there = tx.runs.load(RunId(run), to_change=False) if refused.code == "unknown_run" else None
        if there is None or there.record.project_id == project_id:
            raise
        folder = shell_word(there.record.worktree)
        raise Refused(
            "unknown_run",
            f"Run {there.record.id} is of another project: it works in {folder}",
            f"Change to that folder, or add: --project {folder}",
        ) from None
